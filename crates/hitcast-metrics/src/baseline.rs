//! What a prediction without features achieves: the figure that every model has to beat.

use hitcast_core::stats::{mean, median};
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::regression::{RegressionMetrics, check_values};

/// Predicts the training rows' mean for every row: the best constant for the squared error.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct MeanBaseline {
    /// Mean of the training targets.
    pub mean: f64,
}

/// Predicts the training rows' median for every row: the best constant for the absolute error.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct MedianBaseline {
    /// Median of the training targets.
    pub median: f64,
}

impl MeanBaseline {
    /// Learns the mean of the training rows' targets.
    ///
    /// # Errors
    /// [`NoRows`](crate::MetricsError::NoRows) if there are none, [`NotFinite`](crate::MetricsError::NotFinite) if one
    /// is NaN or infinite.
    pub fn fit(train: &[f64]) -> Result<Self> {
        check_values("training targets", train)?;
        Ok(Self { mean: mean(train) })
    }

    /// The prediction for `n` rows.
    pub fn predict(&self, n: usize) -> Vec<f64> {
        vec![self.mean; n]
    }

    /// The baseline's metrics on rows with these actual values.
    ///
    /// # Errors
    /// As [`RegressionMetrics::compute`].
    pub fn evaluate(&self, actual: &[f64]) -> Result<RegressionMetrics> {
        RegressionMetrics::compute(actual, &self.predict(actual.len()))
    }
}

impl MedianBaseline {
    /// Learns the median of the training rows' targets.
    ///
    /// # Errors
    /// As [`MeanBaseline::fit`].
    pub fn fit(train: &[f64]) -> Result<Self> {
        check_values("training targets", train)?;
        Ok(Self {
            median: median(&mut train.to_vec()).unwrap_or_default(),
        })
    }

    /// The prediction for `n` rows.
    pub fn predict(&self, n: usize) -> Vec<f64> {
        vec![self.median; n]
    }

    /// The baseline's metrics on rows with these actual values.
    ///
    /// # Errors
    /// As [`RegressionMetrics::compute`].
    pub fn evaluate(&self, actual: &[f64]) -> Result<RegressionMetrics> {
        RegressionMetrics::compute(actual, &self.predict(actual.len()))
    }
}
