//! A column in a few numbers, and how two columns go together.

use super::{drawable, float};
use hitcast_core::stats::{mean, sum};

/// What a box plot shows (Tukey 1977): quartiles, and whiskers to the last values within 1.5 box lengths.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct BoxSummary {
    pub(crate) n: usize,
    pub(crate) low_whisker: f64,
    pub(crate) q1: f64,
    pub(crate) median: f64,
    pub(crate) q3: f64,
    pub(crate) high_whisker: f64,
    /// Values beyond the whiskers, rising.
    pub(crate) outliers: Vec<f64>,
}

/// The quantile of sorted values, interpolated as in [`hitcast_core::stats::quantile`].
pub(crate) fn sorted_quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share * float(sorted.len().saturating_sub(1));
    let index = super::whole(place);
    let value = |i: usize| sorted.get(i).or(sorted.last()).copied().unwrap_or(f64::NAN);
    value(index) + (value(index + 1) - value(index)) * (place - float(index))
}

impl BoxSummary {
    /// Of finite values; `None` if there are none.
    pub(crate) fn new(mut values: Vec<f64>, whisker: f64) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let (first, last) = (*values.first()?, *values.last()?);
        let [q1, median, q3] = [0.25, 0.5, 0.75].map(|share| sorted_quantile(&values, share));
        let (low, high) = (q1 - whisker * (q3 - q1), q3 + whisker * (q3 - q1));
        let inside = |v: &f64| (low..=high).contains(v);
        Some(Self {
            n: values.len(),
            low_whisker: values.iter().copied().find(inside).unwrap_or(first),
            q1,
            median,
            q3,
            high_whisker: values.iter().rev().copied().find(inside).unwrap_or(last),
            outliers: values.iter().copied().filter(|v| !inside(v)).collect(),
        })
    }
}

/// Moments of a column.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Moments {
    pub(crate) mean: f64,
    /// With n - 1 below.
    pub(crate) standard_deviation: f64,
    /// Third standardised moment, not corrected for bias (as `scipy.stats.skew`); NaN for a constant.
    pub(crate) skewness: f64,
}

impl Moments {
    /// Of finite values.
    pub(crate) fn new(values: &[f64]) -> Self {
        let (n, mean) = (float(values.len()), mean(values));
        let power = |k| sum(values.iter().map(|v| (v - mean).powi(k))) / n;
        let (second, third) = (power(2), power(3));
        let constant = second.sqrt() <= 1e-12 * mean.abs();
        Self {
            mean,
            standard_deviation: if values.len() > 1 {
                (second * n / (n - 1.0)).sqrt()
            } else {
                f64::NAN
            },
            skewness: if constant {
                f64::NAN
            } else {
                third / second.powf(1.5)
            },
        }
    }
}

/// Pearson's correlation over the rows where both are finite; NaN if there are fewer than two or one of them is constant.
pub(crate) fn correlation(x: &[f64], y: &[f64]) -> f64 {
    let both = x.iter().zip(y).filter(|(x, y)| drawable(**x) && drawable(**y));
    let (x, y): (Vec<f64>, Vec<f64>) = both.map(|(x, y)| (*x, *y)).unzip();
    if x.len() < 2 {
        return f64::NAN;
    }
    let (mean_x, mean_y) = (mean(&x), mean(&y));
    let spread = |values: &[f64], mean: f64| sum(values.iter().map(|v| (v - mean).powi(2)));
    let (spread_x, spread_y) = (spread(&x, mean_x), spread(&y, mean_y));
    if spread_x <= 0.0 || spread_y <= 0.0 {
        return f64::NAN;
    }
    let shared = sum(x.iter().zip(&y).map(|(x, y)| (x - mean_x) * (y - mean_y)));
    (shared / (spread_x.sqrt() * spread_y.sqrt())).clamp(-1.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whiskers_end_at_values_and_what_lies_beyond_is_an_outlier() {
        let summary = BoxSummary::new(vec![1.0, 2.0, 3.0, 4.0, 100.0], 1.5).unwrap();
        assert_eq!((summary.q1, summary.median, summary.q3), (2.0, 3.0, 4.0));
        assert_eq!((summary.low_whisker, summary.high_whisker), (1.0, 4.0));
        assert_eq!(summary.outliers, [100.0]);
        assert_eq!(BoxSummary::new(vec![], 1.5), None);
        assert!(BoxSummary::new(vec![7.0; 4], 1.5).unwrap().outliers.is_empty());
    }

    #[test]
    fn a_right_tail_is_a_positive_skew() {
        // scipy.stats.skew([1, 1, 2, 10]) = 1.1072186...
        let moments = Moments::new(&[1.0, 1.0, 2.0, 10.0]);
        let expected = {
            let deviations = [-2.5_f64, -2.5, -1.5, 6.5];
            let power = |k| deviations.iter().map(|d| d.powi(k)).sum::<f64>() / 4.0;
            power(3) / power(2).powf(1.5)
        };
        assert!(moments.skewness > 1.0 && (moments.skewness - expected).abs() < 1e-12);
        assert!(Moments::new(&[0.1; 7]).skewness.is_nan());
    }

    #[test]
    fn correlation_passes_over_rows_with_a_missing_value() {
        let (x, y) = ([1.0, 2.0, f64::NAN, 3.0], [2.0, 4.0, 9.0, 6.0]);
        assert!((correlation(&x, &y) - 1.0).abs() < 1e-12);
        assert!(correlation(&[1.0, 1.0], &[1.0, 2.0]).is_nan());
        assert!(correlation(&[], &[]).is_nan());
    }
}
