//! What a prediction without features achieves: the figure that every model has to beat.

use hitcast_core::stats::{mean, median};
use ndarray::Array2;
use serde::{Deserialize, Serialize};

use crate::classification::confusion::check_classes;
use crate::classification::{ClassificationMetrics, likeliest};
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

/// Predicts the training rows' commonest class for every row, with the classes' shares as probabilities: what accuracy
/// and log loss are without a look at the features.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PriorBaseline {
    /// Share of each class among the training rows, summing to 1.
    pub priors: Vec<f64>,
}

impl PriorBaseline {
    /// Learns the shares of the training rows' classes, which are below `n_classes`.
    ///
    /// # Errors
    /// [`NoRows`](crate::MetricsError::NoRows), [`Classes`](crate::MetricsError::Classes) below two classes,
    /// [`UnknownClass`](crate::MetricsError::UnknownClass).
    #[allow(clippy::cast_precision_loss)]
    pub fn fit(train: &[usize], n_classes: usize) -> Result<Self> {
        check_classes("training classes", train, n_classes)?;
        let mut counts = vec![0_usize; n_classes];
        train.iter().for_each(|&class| counts[class] += 1);
        let share = |count: &usize| *count as f64 / train.len() as f64;
        Ok(Self {
            priors: counts.iter().map(share).collect(),
        })
    }

    /// The commonest class, the first of equal ones.
    pub fn majority(&self) -> usize {
        likeliest(self.predict(1).view()).first().copied().unwrap_or(0)
    }

    /// The probabilities of `n` rows, `n × k`.
    pub fn predict(&self, n: usize) -> Array2<f64> {
        Array2::from_shape_fn((n, self.priors.len()), |(_, class)| self.priors[class])
    }

    /// The baseline's metrics on rows of these actual classes.
    ///
    /// # Errors
    /// As [`ClassificationMetrics::compute`].
    pub fn evaluate(&self, actual: &[usize]) -> Result<ClassificationMetrics> {
        ClassificationMetrics::compute(actual, self.predict(actual.len()).view())
    }
}
