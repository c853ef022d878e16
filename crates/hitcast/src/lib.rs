//! Learning from tables in Rust: read a CSV file, clean it, train networks on libtorch, compare them on rows that nothing
//! was learned from, save the best one and predict. This crate puts the hitcast crates together; each can also be used
//! on its own, and those that never touch libtorch do not link it.
//!
//! ```
//! use hitcast::prelude::*;
//! use hitcast::data::{Column, Table};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let energy: Vec<f64> = (0..400).map(|i| f64::from(i % 20) / 20.0).collect();
//! let popularity = energy.iter().map(|e| 100.0 * e * e).collect();
//! let table = Table::new([("energy", Column::Number(energy)), ("popularity", Column::Number(popularity))])?;
//!
//! let experiment = Experiment::from_toml(
//!     r#"
//!     name = "energy"
//!     data = { target = "popularity", features = ["energy"] }
//!     recipe.columns = [{ names = ["energy"], scale = { kind = "standard" } }]
//!
//!     [[models]]
//!     name = "small network"
//!     kind = "network"
//!     settings.network = { hidden = [16] }
//!     settings.training = { epochs = 20, optimizer = { kind = "adam", learning_rate = 0.02 } }
//!     "#,
//! )?;
//! let stop = StopSignal::new();
//! let run = experiment.run_on(table, None, &hitcast::registry(), &hitcast::run_context(&stop))?;
//! let rmse = |metrics: &Metrics| metrics.get(RegressionMetric::Rmse);
//! assert!(rmse(&run.report.metrics.test) < rmse(&run.report.baseline.test));
//! # Ok(())
//! # }
//! ```
//!
//! - [`core`]: data sets, estimators, seeds, progress
//! - [`data`]: tables, CSV, schemas, cleaning
//! - [`preprocess`]: scalers, imputers, recipes, splits
//! - [`metrics`]: metrics, intervals, baselines
//! - [`pipeline`]: experiments, runs, bundles
//! - `classical` (feature `classical`): linear models
//! - `boosters` (feature `boosters`): XGBoost, LightGBM and CatBoost, where they are on the machine
//! - [`tune`]: search for settings, and ensembles
//! - [`explain`]: what matters to a model, and what made up a prediction
//! - [`plot`], [`report`]: figures, and a page of a run or a file
//! - `nn`, `train`, `torch` (feature `torch`): networks, their training, and libtorch itself
//! - [`kinds`]: the kinds of model that experiments and bundles name

#![forbid(unsafe_code)]

pub mod kinds;
pub mod prelude;

#[cfg(feature = "boosters")]
pub use hitcast_boosters as boosters;
#[cfg(feature = "classical")]
pub use hitcast_classical as classical;
pub use hitcast_core as core;
#[cfg(feature = "torch")]
pub use hitcast_cuda as cuda;
pub use hitcast_data as data;
pub use hitcast_explain as explain;
pub use hitcast_metrics as metrics;
#[cfg(feature = "torch")]
pub use hitcast_nn as nn;
pub use hitcast_pipeline as pipeline;
pub use hitcast_plot as plot;
pub use hitcast_preprocess as preprocess;
pub use hitcast_report as report;
#[cfg(feature = "torch")]
pub use hitcast_torch_sys as torch;
#[cfg(feature = "torch")]
pub use hitcast_train as train;
pub use hitcast_tune as tune;

pub use kinds::{environment, registry, run_context};

/// The README's program, which must compile.
#[cfg(all(doctest, feature = "torch"))]
#[doc = include_str!("../../../README.md")]
struct Readme;
