//! Search for settings of whole pipelines by cross-validation, and ensembles of models.
//!
//! A [`Search`] fits a [`Pipeline`](hitcast_pipeline::Pipeline) again and again on folds of the rows that it is given, with
//! settings of a [`SearchSpace`], and finds those that predict best; everything that learns does so inside of each fold. The score
//! found is that of the best of many, and too good: [`Search::nested`] measures what it is worth.
//!
//! ```
//! use hitcast_classical::{PenalizedModel, Ridge};
//! use hitcast_core::{BoxError, DeviceChoice, Estimator, Model, ModelState, Seed, StopSignal};
//! use hitcast_data::{Column, Table};
//! use hitcast_pipeline::{Experiment, ModelKind, Registry, RunContext, parse_settings};
//! use hitcast_tune::{Search, SearchSpace, SearchTask};
//!
//! struct RidgeKind;
//!
//! impl ModelKind for RidgeKind {
//!     fn name(&self) -> &'static str {
//!         "ridge"
//!     }
//!
//!     fn estimator(&self, settings: &serde_json::Value) -> Result<Box<dyn Estimator>, BoxError> {
//!         Ok(Box::new(parse_settings::<Ridge>(settings)?))
//!     }
//!
//!     fn load(&self, state: &ModelState, _: DeviceChoice) -> Result<Box<dyn Model>, BoxError> {
//!         Ok(Box::new(PenalizedModel::from_state(state)?))
//!     }
//! }
//!
//! let experiment = Experiment::from_toml(
//!     r#"
//!     name = "line"
//!     data = { target = "y", features = ["x"] }
//!     models = [{ name = "ridge", kind = "ridge" }]
//!     references = []
//!     "#,
//! )?;
//! let mut noise = Seed::new(1).stream("noise");
//! let x: Vec<f64> = (0..60).map(|_| noise.normal()).collect();
//! let y = x.iter().map(|x| 3.0 * x + noise.normal()).collect();
//! let table = Table::new([("x", Column::Number(x)), ("y", Column::Number(y))])?;
//!
//! let sample = experiment.sample(table, None)?;
//! let rows: Vec<usize> = (0..sample.n_rows()).collect();
//! let pipeline = experiment.pipeline(experiment.models[0].clone());
//! let space = SearchSpace::builtin("ridge").unwrap_or_default();
//! let stop = StopSignal::new();
//! let search = Search { trials: 12, ..Search::default() };
//! let registry = Registry::new().with(RidgeKind);
//! let task = SearchTask { sample: &sample, rows: &rows, pipeline: &pipeline, space: &space };
//! let found = search.run(task, &registry, &RunContext::quiet(&stop), None)?;
//! assert!(found.score < 1.2 && found.trials.len() == 12);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! - [`space`]: settings and their distributions
//! - [`search`]: trials, folds, what ends them early, and what they come to
//! - [`ensemble`]: models that predict together
//! - [`experiment`]: every model of an experiment tuned

#![forbid(unsafe_code)]

mod division;
pub mod ensemble;
mod error;
pub mod experiment;
pub mod search;
pub mod space;

pub use ensemble::{Combine, EnsembleKind, EnsembleModel, EnsembleSettings, Keep};
pub use error::{Result, TuneError};
pub use experiment::{TuneSettings, Tuned};
pub use search::{
    FoldScore, Found, Method, Nested, NestedFold, Pruner, Search, SearchTask, Tpe, Trial, TrialState,
};
pub use space::{Assignment, Distribution, Parameter, SearchSpace};
