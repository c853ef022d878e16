//! What every hitcast crate agrees on, without libtorch: [`Dataset`] in, [`Estimator::fit`], [`Model`] out, with
//! seeds ([`Seed`]), progress ([`Progress`]) and stopping ([`StopSignal`]) passed in explicitly.
//!
//! ```
//! use hitcast_core::Seed;
//!
//! let seed = Seed::new(42);
//! // A stream has a name, so that drawing more numbers in one place changes nothing anywhere else.
//! let first = seed.stream("shuffle").permutation(5);
//! assert_eq!(first, seed.stream("shuffle").permutation(5));
//! assert_ne!(seed.stream("shuffle").next_u64(), seed.stream("dropout").next_u64());
//! ```
//!
//! - [`dataset`]: a feature matrix with the names of its columns, and a target
//! - [`estimator`]: what can be fitted and what a fit returns
//! - [`many`]: many fits at once, each on one thread
//! - [`parallel`]: work on several threads, whose results do not depend on how many
//! - [`crew`]: threads that stay for many small rounds of work
//! - [`state`]: the saved form of a fitted model
//! - [`seed`]: reproducible random streams
//! - [`progress`]: what a fit tells while it runs, and how it is asked to stop
//! - [`device`]: where a network runs
//! - [`mod@file`]: files that are written whole or not at all
//! - [`lock`]: folders that are worked in by one at a time
//! - [`cache`]: where what was downloaded lies
//! - [`stats`]: sums, means and quantiles
//! - [`suggest`]: the nearest name, for errors about names

pub mod cache;
pub mod crew;
pub mod dataset;
pub mod device;
mod error;
pub mod estimator;
pub mod file;
pub mod lock;
pub mod many;
pub mod parallel;
pub mod progress;
pub mod seed;
pub mod state;
pub mod stats;
pub mod suggest;
#[doc(hidden)]
pub mod testing;

pub use dataset::{Dataset, FeatureBlock, FeatureColumn, Features, Indicators};
pub use device::DeviceChoice;
pub use error::{BoxError, CoreError, Result};
pub use estimator::{
    Checkpoints, ContributionScale, Contributions, Estimator, Fit, FitContext, Gradients, Model, Predictions,
    StopReason, Task,
};
pub use lock::FolderLock;
pub use many::{Job, Trained, train_many};
pub use progress::{EpochRecord, Event, NoProgress, NotesOnly, Progress, StopSignal};
pub use seed::{Seed, Stream};
pub use state::{ModelState, TensorData, TensorValues};
