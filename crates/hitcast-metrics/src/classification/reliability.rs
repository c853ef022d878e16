//! Whether probabilities come true.

use hitcast_core::stats::quantile;
use serde::{Deserialize, Serialize};

use crate::error::{MetricsError, Result};

/// Bins of [`calibration_error`](crate::ClassificationMetrics::calibration_error).
pub(crate) const BINS: usize = 15;

/// How probabilities are put into bins.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BinStrategy {
    /// Bins of equal width.
    #[default]
    Uniform,
    /// Bins of about as many rows each.
    Quantile,
}

/// The rows whose probability lies in one bin.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ReliabilityBin {
    /// Mean of their probabilities.
    pub mean_predicted: f64,
    /// Share of them that are positive.
    pub fraction_positive: f64,
    /// Their number.
    pub n: usize,
}

/// The reliability curve of `probabilities` against which rows are `positive` (length `n` each): its bins in rising order,
/// without empty ones. Agrees with scikit-learn's `calibration_curve`.
///
/// # Errors
/// [`MetricsError::NoRows`], [`MetricsError::Length`], [`MetricsError::Probability`] outside 0 to 1,
/// [`MetricsError::Setting`] for no bins.
#[allow(clippy::cast_precision_loss)]
pub fn reliability_curve(
    positive: &[bool],
    probabilities: &[f64],
    bins: usize,
    strategy: BinStrategy,
) -> Result<Vec<ReliabilityBin>> {
    if probabilities.len() != positive.len() {
        return Err(MetricsError::Length {
            what: "probabilities",
            expected: positive.len(),
            got: probabilities.len(),
        });
    }
    if positive.is_empty() {
        return Err(MetricsError::NoRows {
            what: "probabilities",
        });
    }
    if bins == 0 {
        return Err(MetricsError::Setting {
            setting: "bins",
            value: "0".to_owned(),
            allowed: "at least 1",
        });
    }
    let outside = |p: &f64| !(0.0..=1.0).contains(p);
    if let Some(row) = probabilities.iter().position(outside) {
        return Err(MetricsError::Probability {
            row,
            class: 1,
            value: probabilities[row],
        });
    }
    // Rounded as NumPy's linspace and percentile do it, because probabilities often lie on an edge.
    let share = |bin: usize| bin as f64 * (1.0 / bins as f64);
    let inner: Vec<f64> = match strategy {
        BinStrategy::Uniform => (1..bins).map(share).collect(),
        BinStrategy::Quantile => {
            let mut values = probabilities.to_vec();
            (1..bins)
                .filter_map(|bin| quantile(&mut values, share(bin) * 100.0 / 100.0))
                .collect()
        }
    };
    let mut sums = vec![(0.0, 0_usize, 0_usize); bins];
    for (&p, &positive) in probabilities.iter().zip(positive) {
        let (sum, hits, n) = &mut sums[inner.partition_point(|edge| *edge < p)];
        *sum += p;
        *hits += usize::from(positive);
        *n += 1;
    }
    let filled = sums.into_iter().filter(|(_, _, n)| *n > 0);
    let bin = |(sum, hits, n): (f64, usize, usize)| ReliabilityBin {
        mean_predicted: sum / n as f64,
        fraction_positive: hits as f64 / n as f64,
        n,
    };
    Ok(filled.map(bin).collect())
}

/// Adds up the expected calibration error (Guo et al. 2017): the mean distance between how sure and how right predictions
/// are, over bins of how sure they are.
#[derive(Debug, Default)]
pub(crate) struct CalibrationError {
    bins: [(f64, u64); BINS],
    rows: u64,
}

impl CalibrationError {
    #[inline]
    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss
    )]
    pub(crate) fn add(&mut self, confidence: f64, right: bool, rows: u64) {
        let bin = ((confidence * BINS as f64).ceil() as usize).clamp(1, BINS) - 1;
        let (gap, n) = &mut self.bins[bin];
        *gap += rows as f64 * (f64::from(u8::from(right)) - confidence);
        *n += rows;
        self.rows += rows;
    }

    #[allow(clippy::cast_precision_loss)]
    pub(crate) fn value(&self) -> f64 {
        let gaps: f64 = self.bins.iter().map(|(gap, _)| gap.abs()).sum();
        gaps / self.rows.max(1) as f64
    }
}
