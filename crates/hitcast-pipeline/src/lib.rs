//! The spine: an [`Experiment`], which is plain data, becomes a [`Run`] with every figure beside its baseline, and a
//! [`Bundle`] that predicts again anywhere.
//! Kinds of model are handed in through a [`Registry`], so this crate needs no libtorch.
//!
//! ```
//! use hitcast_classical::{LinearRegression, LinearRegressionModel};
//! use hitcast_core::{BoxError, DeviceChoice, Estimator, Model, ModelState, StopSignal};
//! use hitcast_data::{Column, Table};
//! use hitcast_metrics::RegressionMetric;
//! use hitcast_pipeline::{Experiment, ModelKind, Registry, RunContext, SplitMetrics, parse_settings};
//!
//! struct Linear;
//!
//! impl ModelKind for Linear {
//!     fn name(&self) -> &'static str {
//!         "linear"
//!     }
//!
//!     fn estimator(&self, settings: &serde_json::Value) -> Result<Box<dyn Estimator>, BoxError> {
//!         Ok(Box::new(parse_settings::<LinearRegression>(settings)?))
//!     }
//!
//!     fn load(&self, state: &ModelState, _: DeviceChoice) -> Result<Box<dyn Model>, BoxError> {
//!         Ok(Box::new(LinearRegressionModel::from_state(state)?))
//!     }
//! }
//!
//! let experiment = Experiment::from_toml(
//!     r#"
//!     name = "line"
//!     references = []
//!
//!     [data]
//!     target = "y"
//!     features = ["x"]
//!
//!     [[recipe.columns]]
//!     names = ["x"]
//!     scale = { kind = "standard" }
//!
//!     [[models]]
//!     name = "straight"
//!     kind = "linear"
//!     "#,
//! )?;
//! let x: Vec<f64> = (0..100).map(f64::from).collect();
//! let y = x.iter().map(|x| 3.0 * x + 1.0).collect();
//! let table = Table::new([("x", Column::Number(x)), ("y", Column::Number(y))])?;
//! let stop = StopSignal::new();
//! let run = experiment.run_on(table, None, &Registry::new().with(Linear), &RunContext::quiet(&stop))?;
//! let rmse = |metrics: &SplitMetrics| metrics.test.get(RegressionMetric::Rmse);
//! assert!(rmse(&run.report.metrics) < Some(0.01) && rmse(&run.report.baseline) > Some(10.0));
//! let row = [("x".to_owned(), 200.0.into())].into();
//! let predicted = run.bundle().predict_row(&row)?.value.number();
//! assert!(predicted.is_some_and(|value| (value - 601.0).abs() < 0.01));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! - [`experiment`]: what to read, how to clean it, what to fit and how to judge it
//! - [`sample`], [`pipeline`]: the cleaned rows and how they are divided, and everything that learns from some of them
//! - [`imbalance`], [`decision`]: rare classes, and how classes are decided on
//! - [`score`]: the metrics of numbers and of classes behind one form
//! - [`registry`]: the kinds of model that an experiment may name
//! - [`execute`]: from an experiment to its run
//! - [`run`], [`report`]: what a run found out, and its form as JSON
//! - [`runs`]: saved runs side by side
//! - [`bundle`]: a saved model with everything needed to predict again
//! - `checkpoints`: what a run that was killed goes on from
//! - [`folder`]: folders that appear whole or not at all
//! - [`environment`]: where a run was made

#![forbid(unsafe_code)]

pub mod bundle;
mod checkpoints;
pub mod compare;
pub mod decision;
pub mod environment;
mod error;
pub mod execute;
pub mod experiment;
pub mod folder;
mod goal;
pub mod imbalance;
mod message;
pub mod pipeline;
mod prepare;
pub mod registry;
pub mod report;
pub mod run;
pub mod runs;
pub mod sample;
pub mod score;
mod text;

pub use bundle::{
    AttributionMethod, Attributions, Bundle, BundleError, BundleImportances, BundleProblem, Change,
    ClassPredictions, ClassProbability, CompleteRows, Counterfactual, Evaluation, ExplainSettings, Explainer,
    FixedInput, InputImportance, PredictedValue, RowExplanation, RowPrediction, RowValue, TablePredictions,
    TableUnits, Wish,
};
pub use checkpoints::{Unfinished, prepare_checkpoints, remove_checkpoints, remove_empty_checkpoints};
pub use compare::{Compared, ComparedModel, Comparison, CompositeScore};
pub use decision::{Decision, DecisionSettings};
pub use environment::Environment;
pub use error::{PipelineError, Result};
pub use execute::RunContext;
pub use experiment::{DataSettings, Experiment, MetricsSettings, ModelSpec};
pub use folder::Existing;
pub use imbalance::ClassWeights;
pub use pipeline::{Pipeline, Prepared};
pub use registry::{ModelKind, Registry, parse_settings};
pub use report::{ClassesReport, GroupReport, ModelReport, RunReport, SplitMetrics, SplitSizes};
pub use run::{Part, PredictedRow, Run};
pub use runs::{RunDifference, SavedRun, SavedRuns};
pub use sample::Sample;
pub use score::{MetricIntervals, MetricName, Metrics};
pub use text::{TextTable, grouped};
