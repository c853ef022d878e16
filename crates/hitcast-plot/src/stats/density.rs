//! How values lie: equal bins, and a smooth density.

use super::{float, range, whole};
use hitcast_core::stats::quantile;

/// Equal bins from the smallest value to the largest.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Bins {
    /// One more than there are bins.
    pub(crate) edges: Vec<f64>,
}

impl Bins {
    /// As many bins as asked for, else by the rule of Freedman and Diaconis (1981), 8 to 80. `None` without values.
    pub(crate) fn new(values: &[f64], n_bins: Option<usize>) -> Option<Self> {
        let [low, high] = range(values.iter().copied())?;
        let (low, high) = widened(low, high);
        let n_bins = n_bins.unwrap_or_else(|| {
            let mut sorted = values.to_vec();
            let quartile = |sorted: &mut Vec<f64>, share| quantile(sorted, share).unwrap_or(low);
            let spread = quartile(&mut sorted, 0.75) - quartile(&mut sorted, 0.25);
            let width = 2.0 * spread / float(values.len()).cbrt();
            if width > 0.0 {
                whole(((high - low) / width).ceil().min(80.0)).clamp(8, 80)
            } else {
                20
            }
        });
        // Whole numbers in bins that are not whole numbers wide make a comb.
        let integers = values.iter().all(|v| v.fract() == 0.0) && high - low < 1e6;
        if integers {
            let width = ((high - low + 1.0) / float(n_bins)).ceil().max(1.0);
            let n = whole(((high - low + 1.0) / width).ceil()).max(1);
            return Some(Self {
                edges: (0..=n).map(|i| low.floor() - 0.5 + width * float(i)).collect(),
            });
        }
        let n = n_bins.max(1);
        Some(Self {
            edges: (0..=n)
                .map(|i| low + (high - low) * (float(i) / float(n)))
                .collect(),
        })
    }

    pub(crate) fn n(&self) -> usize {
        self.edges.len() - 1
    }

    pub(crate) fn width(&self) -> f64 {
        self.edges[1] - self.edges[0]
    }

    /// How many values lie in each bin; a bin holds its lower edge, the last one both.
    pub(crate) fn count(&self, values: &[f64]) -> Vec<usize> {
        let mut counts = vec![0; self.n()];
        for value in values {
            let after = self.edges.partition_point(|edge| edge <= value);
            counts[after.saturating_sub(1).min(self.edges.len() - 2)] += 1;
        }
        counts
    }
}

/// A range that is one, even around a single value.
pub(crate) fn widened(low: f64, high: f64) -> (f64, f64) {
    // Less than this cannot be told apart by floats in between.
    if high - low > 1e-9 * low.abs().max(high.abs()) {
        return (low, high);
    }
    let half = if low == 0.0 {
        0.5
    } else {
        (low.abs() * 0.05).max(1e-300)
    };
    (low - half, high + half)
}

/// A smooth density by Gaussian kernels with Silverman's bandwidth (1986, equation 3.31) at 256 points from the smallest
/// value to the largest, at which it is reflected, so that it does not sink where values end. Empty for values that are all
/// the same.
pub(crate) fn density(values: &[f64]) -> Vec<[f64; 2]> {
    const POINTS: usize = 256;
    let Some([low, high]) = range(values.iter().copied()) else {
        return Vec::new();
    };
    if values.len() < 3 || widened(low, high) != (low, high) {
        return Vec::new();
    }
    let n = float(values.len());
    let mean = hitcast_core::stats::mean(values);
    let variance = hitcast_core::stats::sum(values.iter().map(|v| (v - mean).powi(2))) / (n - 1.0);
    let mut sorted = values.to_vec();
    let spread = quantile(&mut sorted, 0.75).unwrap_or(0.0) - quantile(&mut sorted, 0.25).unwrap_or(0.0);
    let deviation = variance.sqrt();
    let scale = if spread > 0.0 {
        deviation.min(spread / 1.34)
    } else {
        deviation
    };
    let step = (high - low) / float(POINTS - 1);
    let bandwidth = (0.9 * scale * n.powf(-0.2) / step).max(0.75);
    if !bandwidth.is_finite() {
        return Vec::new();
    }
    // Each value is shared between its two neighbouring points, then the points are smoothed.
    let mut weights = vec![0.0; POINTS];
    for value in values {
        let place = ((value - low) / step).clamp(0.0, float(POINTS - 1));
        let index = whole(place).min(POINTS - 2);
        let part = place - float(index);
        weights[index] += 1.0 - part;
        weights[index + 1] += part;
    }
    let reach = whole(bandwidth * 4.0) + 1;
    let kernel: Vec<f64> = (0..=reach)
        .map(|i| (-0.5 * (float(i) / bandwidth).powi(2)).exp())
        .collect();
    let total = kernel[0] + 2.0 * kernel[1..].iter().sum::<f64>();
    let mut smooth = vec![0.0; POINTS];
    for (i, weight) in weights.iter().enumerate().filter(|(_, weight)| **weight > 0.0) {
        for offset in 0..=reach {
            let share = weight * kernel[offset] / total;
            smooth[reflected(i + offset, POINTS)] += share;
            if offset > 0 {
                let below = if offset <= i { i - offset } else { offset - i - 1 };
                smooth[reflected(below, POINTS)] += share;
            }
        }
    }
    let at = |i: usize| low + step * float(i);
    smooth
        .iter()
        .enumerate()
        .map(|(i, share)| [at(i), share / (n * step)])
        .collect()
}

/// The place of an index beyond the end, folded back.
fn reflected(index: usize, n: usize) -> usize {
    let folded = index % (2 * n);
    if folded < n { folded } else { 2 * n - 1 - folded }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_in_one_bin() {
        let values: Vec<f64> = (0..500).map(|i| f64::from(i % 37) * 0.31).collect();
        for n in [None, Some(1), Some(7)] {
            let bins = Bins::new(&values, n).unwrap();
            assert_eq!(bins.count(&values).iter().sum::<usize>(), values.len());
        }
        assert_eq!(Bins::new(&[], None), None);
        let one = Bins::new(&[3.0], None).unwrap();
        assert_eq!(one.count(&[3.0]).iter().sum::<usize>(), 1);
    }

    #[test]
    fn whole_numbers_get_bins_of_whole_numbers() {
        let values: Vec<f64> = (0..=100).map(f64::from).collect();
        let bins = Bins::new(&values, Some(30)).unwrap();
        assert_eq!(bins.width().fract(), 0.0);
        assert_eq!(bins.edges[0], -0.5);
    }

    #[test]
    fn the_area_below_a_density_is_one() {
        let values: Vec<f64> = (0..1000).map(|i| (f64::from(i) * 0.37).sin() * 3.0).collect();
        let curve = density(&values);
        let area: f64 = curve.iter().map(|p| p[1]).sum::<f64>() * (curve[1][0] - curve[0][0]);
        assert!((area - 1.0).abs() < 1e-9, "{area}");
        assert!(density(&[2.0; 10]).is_empty());
        assert!(density(&[1.0]).is_empty());
    }
}
