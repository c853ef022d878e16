//! A straight line by least squares.

use super::float;
use super::normal::student_half_width;
use hitcast_core::stats::{mean, sum};

/// The line and how sure it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct LeastSquares {
    pub(crate) intercept: f64,
    pub(crate) slope: f64,
    /// Pearson's correlation.
    pub(crate) correlation: f64,
    n: usize,
    mean_x: f64,
    spread_x: f64,
    residual_variance: f64,
}

impl LeastSquares {
    /// Fits finite `y` on finite `x`. `None` with fewer than 3 points or if all `x` are the same.
    pub(crate) fn fit(x: &[f64], y: &[f64]) -> Option<Self> {
        let n = x.len().min(y.len());
        if n < 3 {
            return None;
        }
        let (mean_x, mean_y) = (mean(&x[..n]), mean(&y[..n]));
        let spread_x = sum(x.iter().map(|x| (x - mean_x).powi(2)));
        let spread_y = sum(y.iter().map(|y| (y - mean_y).powi(2)));
        let both = sum(x.iter().zip(y).map(|(x, y)| (x - mean_x) * (y - mean_y)));
        let slope = both / spread_x;
        let intercept = mean_y - slope * mean_x;
        let rest = sum(x.iter().zip(y).map(|(x, y)| (y - intercept - slope * x).powi(2)));
        let line = Self {
            intercept,
            slope,
            correlation: if spread_y > 0.0 {
                both / (spread_x * spread_y).sqrt()
            } else {
                0.0
            },
            n,
            mean_x,
            spread_x,
            residual_variance: rest / float(n - 2),
        };
        (spread_x > 0.0 && slope.is_finite() && line.residual_variance.is_finite()).then_some(line)
    }

    pub(crate) fn at(&self, x: f64) -> f64 {
        self.intercept + self.slope * x
    }

    /// Half the height of the band in which the mean of y at x lies with this confidence.
    pub(crate) fn half_width(&self, x: f64, confidence: f64) -> f64 {
        let leverage = 1.0 / float(self.n) + (x - self.mean_x).powi(2) / self.spread_x;
        student_half_width(confidence, self.n - 2) * (self.residual_variance * leverage).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_and_its_band_are_those_of_the_textbook() {
        let (x, y) = ([1.0, 2.0, 3.0, 4.0, 5.0], [2.0, 4.1, 5.9, 8.3, 9.7]);
        let line = LeastSquares::fit(&x, &y).unwrap();
        assert!((line.slope - 1.96).abs() < 1e-12 && (line.intercept - 0.12).abs() < 1e-12);
        // By hand: the squared residuals sum to 0.184, and t(0.975, 3) = 3.182446305.
        let expected = 3.182_446_305 * (0.184_f64 / 3.0 * (0.2 + 0.25 / 10.0)).sqrt();
        assert!((line.half_width(2.5, 0.95) - expected).abs() < 1e-6);
    }

    #[test]
    fn no_line_goes_through_one_place() {
        assert_eq!(LeastSquares::fit(&[1.0, 2.0], &[1.0, 2.0]), None);
        assert_eq!(LeastSquares::fit(&[1.0; 4], &[1.0, 2.0, 3.0, 4.0]), None);
        assert_eq!(
            LeastSquares::fit(&[1.0, 2.0, 3.0], &[4.0; 3])
                .unwrap()
                .correlation,
            0.0
        );
    }
}
