//! The names that most programs need.

pub use hitcast_core::{
    Dataset, DeviceChoice, Estimator, Event, Features, FitContext, Model, Progress, Seed, StopSignal,
};
pub use hitcast_data::{CsvReader, Table};
pub use hitcast_metrics::{ClassificationMetric, ClassificationMetrics, RegressionMetric, RegressionMetrics};
pub use hitcast_pipeline::{Bundle, Existing, Experiment, Metrics, Registry, Run, RunContext};
pub use hitcast_preprocess::{Recipe, SplitStrategy};
pub use hitcast_report::Report;

#[cfg(feature = "torch")]
pub use hitcast_nn::{Head, Loss, NetworkSpec};
#[cfg(feature = "torch")]
pub use hitcast_train::{
    EarlyStopping, NetworkEstimator, OptimizerSettings, Schedule, Trainer, TrainingSettings,
};
