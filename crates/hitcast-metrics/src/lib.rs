//! How good are predicted numbers and classes: metrics that agree with scikit-learn, with confidence intervals, per
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
//! ```
//! use hitcast_metrics::{ClassificationMetrics, PriorBaseline};
//! use ndarray::array;
//!
//! let actual = [0, 0, 1, 2];
//! let probabilities = array![[0.7, 0.2, 0.1], [0.5, 0.4, 0.1], [0.2, 0.6, 0.2], [0.1, 0.6, 0.3]];
//! let model = ClassificationMetrics::compute(&actual, probabilities.view())?;
//! let baseline = PriorBaseline::fit(&[0, 0, 0, 1, 2], 3)?.evaluate(&actual)?;
//! assert!(model.accuracy == 0.75 && baseline.accuracy == 0.5);
//! # Ok::<(), hitcast_metrics::MetricsError>(())
//! ```
//!
//! - [`regression`]: the metrics of numbers, one by one and all at once
//! - [`classification`]: the metrics of classes and their probabilities, and curves
//! - [`metric`]: what both have in common
//! - [`decision`]: calibrated probabilities, thresholds and costs
//! - [`bootstrap`]: confidence intervals by resampling
//! - [`groups`]: the metrics of each group of rows
//! - [`baseline`]: what a prediction without features achieves

#![forbid(unsafe_code)]

pub mod baseline;
pub mod bootstrap;
pub mod classification;
pub mod decision;
mod error;
pub mod groups;
pub mod metric;
pub mod regression;

pub use baseline::{MeanBaseline, MedianBaseline, PriorBaseline};
pub use bootstrap::{
    Bootstrap, ClassificationIntervals, GroupIntervals, Interval, Intervals, RegressionIntervals,
};
pub use classification::confusion::{Average, ConfusionMatrix, KappaWeights};
pub use classification::metric::ClassificationMetric;
pub use classification::ranking::{PrecisionRecallCurve, RocCurve};
pub use classification::reliability::{BinStrategy, reliability_curve};
pub use classification::{ClassificationMetrics, likeliest, likeliest_of, top_k_accuracy};
pub use decision::calibration::{Calibration, FittedCalibration, RisingCurve, Sigmoid};
pub use decision::costs::CostMatrix;
pub use decision::threshold::{FittedThreshold, ThresholdMetric, ThresholdRule, ThresholdScore};
pub use error::{MetricsError, Result};
pub use groups::{GroupMetrics, by_group, classes_by_group};
pub use metric::{Direction, Metric};
pub use regression::{
    RegressionMetric, RegressionMetrics, determination, mape_scikit_learn, squared_deviations,
};
