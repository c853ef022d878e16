//! How good are predicted numbers: regression metrics that agree with scikit-learn, with confidence intervals, per
//! group, and beside a baseline. Every function checks its input: NaN, no rows and unequal lengths are errors.
//!
//! ```
//! use hitcast_metrics::{MeanBaseline, RegressionMetrics};
//!
//! let train = [30.0, 50.0, 70.0];
//! let (actual, predicted) = ([40.0, 60.0, 50.0], [42.0, 57.0, 50.0]);
//! let model = RegressionMetrics::compute(&actual, &predicted)?;
//! let baseline = MeanBaseline::fit(&train)?.evaluate(&actual)?;
//! assert!(model.rmse < baseline.rmse);
//! # Ok::<(), hitcast_metrics::MetricsError>(())
//! ```
//!
//! - [`regression`]: the metrics, one by one and all at once
//! - [`bootstrap`]: confidence intervals by resampling
//! - [`groups`]: the metrics of each group of rows
//! - [`baseline`]: what a prediction without features achieves

#![forbid(unsafe_code)]

pub mod baseline;
pub mod bootstrap;
mod error;
pub mod groups;
pub mod regression;

pub use baseline::{MeanBaseline, MedianBaseline};
pub use bootstrap::{Bootstrap, GroupIntervals, Interval, RegressionIntervals};
pub use error::{MetricsError, Result};
pub use groups::{GroupMetrics, by_group};
pub use regression::{Direction, RegressionMetric, RegressionMetrics, mape_scikit_learn};
