//! The metrics of predicted numbers, one by one and all at once.

use hitcast_core::stats::{mean, median, sum};
use serde::{Deserialize, Serialize};

use crate::error::{MetricsError, Result};
use crate::metric::{Direction, named_metric};

/// All metrics of some predictions.
///
/// They agree with scikit-learn 1.9 on the same values, with two choices of our own: [`mape`](Self::mape) passes over
/// targets of zero, and R² of a single row is defined as for a constant target, where scikit-learn gives NaN.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub struct RegressionMetrics {
    /// Number of rows.
    pub n: usize,
    /// Mean squared error, in the square of the target's unit.
    pub mse: f64,
    /// Root of the mean squared error, in the target's unit.
    pub rmse: f64,
    /// Mean absolute error, in the target's unit.
    pub mae: f64,
    /// Coefficient of determination: 1 for perfect predictions, 0 for those of the rows' own mean, without lower bound.
    /// For a constant target it is 1 if every prediction is exact and 0 if not.
    pub r2: f64,
    /// Mean absolute percentage error as a fraction (0.5 is 50 %), over the rows whose target is not zero; `None` if
    /// there is no such row. "Zero" is below 2.2e-16 in magnitude.
    pub mape: Option<f64>,
    /// Number of rows whose target is zero, which [`mape`](Self::mape) passes over.
    pub n_zero_targets: usize,
    /// Median of the absolute errors, in the target's unit.
    pub median_absolute_error: f64,
    /// Largest absolute error, in the target's unit.
    pub max_error: f64,
    /// Share of the target's variance that the predictions explain; unlike R² it forgives a constant offset.
    pub explained_variance: f64,
}

/// One metric of predicted numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RegressionMetric {
    /// Mean squared error.
    Mse,
    /// Root of the mean squared error.
    Rmse,
    /// Mean absolute error.
    Mae,
    /// Coefficient of determination.
    R2,
    /// Mean absolute percentage error over targets that are not zero, as a fraction.
    Mape,
    /// Median absolute error.
    MedianAbsoluteError,
    /// Largest absolute error.
    MaxError,
    /// Explained variance.
    ExplainedVariance,
}

impl RegressionMetric {
    /// Every metric.
    pub const ALL: [Self; 8] = [
        Self::Mse,
        Self::Rmse,
        Self::Mae,
        Self::R2,
        Self::Mape,
        Self::MedianAbsoluteError,
        Self::MaxError,
        Self::ExplainedVariance,
    ];

    /// Its name, the one that serde and [`FromStr`](std::str::FromStr) use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mse => "mse",
            Self::Rmse => "rmse",
            Self::Mae => "mae",
            Self::R2 => "r2",
            Self::Mape => "mape",
            Self::MedianAbsoluteError => "median_absolute_error",
            Self::MaxError => "max_error",
            Self::ExplainedVariance => "explained_variance",
        }
    }

    /// Which way it gets better.
    pub const fn direction(self) -> Direction {
        match self {
            Self::R2 | Self::ExplainedVariance => Direction::Maximize,
            _ => Direction::Minimize,
        }
    }

    /// This metric among all of them; `None` only for [`Mape`](Self::Mape) where every target is zero.
    pub fn of(self, metrics: &RegressionMetrics) -> Option<f64> {
        match self {
            Self::Mse => Some(metrics.mse),
            Self::Rmse => Some(metrics.rmse),
            Self::Mae => Some(metrics.mae),
            Self::R2 => Some(metrics.r2),
            Self::Mape => metrics.mape,
            Self::MedianAbsoluteError => Some(metrics.median_absolute_error),
            Self::MaxError => Some(metrics.max_error),
            Self::ExplainedVariance => Some(metrics.explained_variance),
        }
    }

    /// Computes this metric of `predicted` against `actual` (one value a row each); `None` as in [`of`](Self::of).
    ///
    /// # Errors
    /// As [`RegressionMetrics::compute`].
    pub fn compute(self, actual: &[f64], predicted: &[f64]) -> Result<Option<f64>> {
        Ok(self.of(&RegressionMetrics::compute(actual, predicted)?))
    }
}

named_metric!(RegressionMetric, RegressionMetrics);

impl RegressionMetrics {
    /// Computes all metrics of `predicted` against `actual` (one value a row each).
    ///
    /// Sums are compensated, so that the result does not depend on the number of rows or their order beyond the last
    /// digits.
    ///
    /// # Errors
    /// [`MetricsError::Length`] if the lengths differ, [`MetricsError::NoRows`] if there are none,
    /// [`MetricsError::NotFinite`] if a value is NaN or infinite, [`MetricsError::Overflow`] if a metric is too large.
    #[allow(clippy::cast_precision_loss)]
    pub fn compute(actual: &[f64], predicted: &[f64]) -> Result<Self> {
        check(actual, predicted)?;
        let n = actual.len();
        let rows = n as f64;
        let mut errors: Vec<f64> = actual.iter().zip(predicted).map(|(a, p)| a - p).collect();
        let squared_error = sum(errors.iter().map(|e| e * e));
        let total = squared_deviations(actual);
        let error_variance = squared_deviations(&errors);
        let relative = |(a, e): (&f64, &f64)| (a.abs() >= f64::EPSILON).then(|| (e / a).abs());
        let n_zero_targets = actual.iter().filter(|a| a.abs() < f64::EPSILON).count();
        let mape = (n_zero_targets < n)
            .then(|| sum(actual.iter().zip(&errors).filter_map(relative)) / (n - n_zero_targets) as f64);
        errors.iter_mut().for_each(|e| *e = e.abs());
        let mae = mean(&errors);
        let max_error = errors.iter().copied().fold(0.0, f64::max);
        let mse = squared_error / rows;
        let metrics = Self {
            n,
            mse,
            rmse: mse.sqrt(),
            mae,
            r2: determination(squared_error, total),
            mape,
            n_zero_targets,
            median_absolute_error: median(&mut errors).unwrap_or_default(),
            max_error,
            explained_variance: determination(error_variance, total),
        };
        for metric in RegressionMetric::ALL {
            if let Some(value) = metric.of(&metrics).filter(|value| !value.is_finite()) {
                return Err(MetricsError::Overflow {
                    metric: metric.name(),
                    value,
                });
            }
        }
        Ok(metrics)
    }
}

/// The sum of the squared deviations from the mean.
pub fn squared_deviations(values: &[f64]) -> f64 {
    // The mean of equal values may differ from them in the last digit.
    if values.iter().all(|value| *value == values[0]) {
        return 0.0;
    }
    let mean = mean(values);
    sum(values.iter().map(|value| (value - mean).powi(2)))
}

/// One minus a ratio of sums of squares; for a total of zero 1 if there is no error and 0 if there is one, as in
/// scikit-learn (`force_finite`).
pub fn determination(error: f64, total: f64) -> f64 {
    if total == 0.0 {
        return if error == 0.0 { 1.0 } else { 0.0 };
    }
    1.0 - error / total
}

/// Mean absolute percentage error as scikit-learn defines it, as a fraction: every row counts, and a target nearer to
/// zero than 2.2e-16 is replaced by that number, so that a single zero among the targets makes the result astronomically
/// large. [`RegressionMetrics::mape`] is the one to look at where targets can be zero.
///
/// # Errors
/// As [`RegressionMetrics::compute`].
#[allow(clippy::cast_precision_loss)]
pub fn mape_scikit_learn(actual: &[f64], predicted: &[f64]) -> Result<f64> {
    check(actual, predicted)?;
    let relative = |(a, p): (&f64, &f64)| (p - a).abs() / a.abs().max(f64::EPSILON);
    let value = sum(actual.iter().zip(predicted).map(relative)) / actual.len() as f64;
    if value.is_finite() {
        Ok(value)
    } else {
        Err(MetricsError::Overflow {
            metric: "mape",
            value,
        })
    }
}

/// Equal lengths, at least one row, all finite.
pub(crate) fn check(actual: &[f64], predicted: &[f64]) -> Result<()> {
    if predicted.len() != actual.len() {
        let (expected, got) = (actual.len(), predicted.len());
        return Err(MetricsError::Length {
            what: "predictions",
            expected,
            got,
        });
    }
    check_values("actual values", actual)?;
    check_values("predictions", predicted)
}

/// At least one value, all finite.
pub(crate) fn check_values(what: &'static str, values: &[f64]) -> Result<()> {
    if values.is_empty() {
        return Err(MetricsError::NoRows { what });
    }
    match values.iter().enumerate().find(|(_, v)| !v.is_finite()) {
        Some((row, &value)) => Err(MetricsError::NotFinite { what, row, value }),
        None => Ok(()),
    }
}
