//! The spine: an [`Experiment`], which is plain data, becomes a [`Run`] with every figure beside its baseline, and a
//! [`Bundle`] that predicts again anywhere.
//! Kinds of model are handed in through a [`Registry`], so this crate needs no libtorch.
//!
//! - [`experiment`]: what to read, how to clean it, what to fit and how to judge it
//! - [`registry`]: the kinds of model that an experiment may name
//! - [`execute`]: from an experiment to its run
//! - [`run`], [`report`]: what a run found out, and its form as JSON
//! - [`bundle`]: a saved model with everything needed to predict again
//! - [`folder`]: folders that appear whole or not at all
//! - [`environment`]: where a run was made

#![forbid(unsafe_code)]

pub mod bundle;
pub mod environment;
mod error;
pub mod execute;
pub mod experiment;
mod explain;
pub mod folder;
mod prepare;
pub mod registry;
pub mod report;
pub mod run;
mod text;

pub use bundle::{Bundle, BundleError, BundleProblem, Evaluation, RowPrediction, RowValue, TablePredictions};
pub use environment::Environment;
pub use error::{PipelineError, Result};
pub use execute::RunContext;
pub use experiment::{DataSettings, Experiment, MetricsSettings, ModelSpec};
pub use folder::Existing;
pub use registry::{ModelKind, Registry, parse_settings};
pub use report::{GroupReport, ModelReport, RunReport, SplitMetrics, SplitSizes};
pub use run::{Part, PredictedRow, Run};
