//! Training of networks: [`Trainer`] goes over shuffled batches with an optimiser, a schedule and early stopping, and
//! [`NetworkEstimator`] is that behind the [`Estimator`](hitcast_core::Estimator) that every model stands behind.
//!
//! ```
//! use hitcast_core::dataset::FeatureColumn;
//! use hitcast_core::{Dataset, Estimator, Features, FitContext, Seed, StopSignal};
//! use hitcast_nn::NetworkSpec;
//! use hitcast_train::{NetworkEstimator, OptimizerSettings, TrainingSettings};
//! use ndarray::Array2;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let x = Array2::from_shape_fn((512, 1), |(row, _)| row as f32 / 256.0 - 1.0);
//! let y = x.iter().map(|&v| f64::from(v * v)).collect();
//! let data = Dataset::new(Features::new(x, vec![FeatureColumn::plain("x")])?, y)?;
//!
//! let estimator = NetworkEstimator {
//!     network: NetworkSpec::mlp(&[16]),
//!     training: TrainingSettings { epochs: 30, optimizer: OptimizerSettings::adam(1e-2), ..Default::default() },
//! };
//! let stop = StopSignal::new();
//! let fit = estimator.fit(&data, None, &FitContext::quiet("parabola", Seed::new(1), &stop))?;
//! assert!(fit.history.last().ok_or("no epoch")?.train["r2"] > 0.9);
//! # Ok(())
//! # }
//! ```
//!
//! - [`settings`]: everything about a training run that is chosen beforehand
//! - [`optimizer`]: SGD, Adam and AdamW over one flat buffer
//! - [`schedule`]: the learning rate over time
//! - [`early_stopping`]: when to stop, and which weights to keep
//! - [`engine`]: one training step, behind a trait
//! - [`autograd`]: the same by automatic differentiation
//! - [`plan`]: by a plan of fused passes, many times faster on the processor
//! - [`cuda`]: on NVIDIA GPUs, by kernels made for the network
//! - [`choice`]: which of them trains a network
//! - [`trainer`]: what trains an engine, with callbacks
//! - `rows`: what rows must be that an engine takes
//! - `run`: a run of it, the loop over epochs and batches
//! - `checkpoint`: what a run that was killed goes on from
//! - `state`: what engines save of themselves
//! - [`stream`]: training rows that do not fit into memory
//! - [`sums`]: what rows are measured by after every epoch
//! - [`callback`]: code of your own after each epoch
//! - [`learning_rate_finder`]: a range test for the learning rate
//! - [`estimator`]: a network behind the common trait

#![forbid(unsafe_code)]

pub mod autograd;
pub mod callback;
mod checkpoint;
pub mod choice;
pub mod cuda;
pub mod early_stopping;
pub mod engine;
mod error;
pub mod estimator;
pub mod learning_rate_finder;
pub mod optimizer;
pub mod plan;
mod rows;
mod run;
pub mod schedule;
pub mod settings;
mod state;
pub mod stream;
pub mod sums;
pub mod trainer;

pub use autograd::AutogradEngine;
pub use callback::Callback;
pub use choice::{EngineChoice, NetworkEngine};
pub use cuda::CudaEngine;
pub use early_stopping::EarlyStopping;
pub use engine::{Engine, Split};
pub use error::{Result, TrainError};
pub use estimator::NetworkEstimator;
pub use learning_rate_finder::{LearningRateCurve, LearningRateFinder};
pub use optimizer::{DecayedParameters, Optimizer, OptimizerSettings};
pub use plan::PlanEngine;
pub use schedule::Schedule;
pub use settings::TrainingSettings;
pub use sums::{PART_ROWS, Sums};
pub use trainer::{Outcome, Trainer};

#[doc(no_inline)]
pub use hitcast_core::{Job, Trained, train_many};
