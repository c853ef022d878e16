//! XGBoost, LightGBM and CatBoost behind the same [`Estimator`](hitcast_core::Estimator) as every other model. The libraries
//! are looked for when a fit begins, and their trees become a [`TreeModel`](hitcast_classical::TreeModel), which predicts, is
//! explained and saved without them.
//!
//! ```
//! use hitcast_boosters::{Booster, BoosterError, XGBoost};
//! use hitcast_core::{CoreError, Dataset, Estimator, Features, FitContext, Seed, StopSignal, dataset::FeatureColumn};
//! use ndarray::Array2;
//!
//! let x = Array2::from_shape_fn((100, 2), |(row, column)| ((row * (column + 3)) % 10) as f32);
//! let y = x.rows().into_iter().map(|row| f64::from(row[0] * row[1])).collect();
//! let features = Features::new(x, vec![FeatureColumn::plain("energy"), FeatureColumn::plain("tempo")])?;
//! let train = Dataset::new(features, y)?;
//! let stop = StopSignal::new();
//! let booster = XGBoost { n_estimators: 20, ..XGBoost::default() };
//! match booster.fit(&train, None, &FitContext::quiet("booster", Seed::new(1), &stop)) {
//!     Ok(fit) => assert_eq!(fit.history.len(), 20),
//!     // Nothing was linked: a machine without the library says how to get it.
//!     Err(error) => assert!(Booster::XGBoost.find().is_err(), "{error}"),
//! }
//! # Ok::<(), CoreError>(())
//! ```
//!
//! # Where the libraries come from
//! `cargo xtask setup --boosters` in a checkout of hitcast brings those of the packages on PyPI to the cache folder
//! ([`cache_folder`](hitcast_core::cache::cache_folder)). Without a checkout: `pip install xgboost-cpu lightgbm catboost`, then
//! `HITCAST_XGBOOST` and `HITCAST_LIGHTGBM` name the library files (`xgboost/lib/libxgboost.so` and
//! `lightgbm/lib/lib_lightgbm.so` in `site-packages`) and `HITCAST_PYTHON` the Python that has `catboost`.
//! [`Booster::find`] says what is there. The libraries are opened at run time, not linked: a program is built
//! without them and runs with or without them, so that this crate needs no features.
//!
//! - [`xgboost`], [`lightgbm`], [`catboost`]: settings, fits, and models that were trained elsewhere
//! - [`find`]: which of the three are there
//!
//! # Results
//! A fit is the same for the same data, settings, seed, library version and number of threads. The tests hold for each of the three
//! that it does not depend on that number either, on rows of some numbers. XGBoost does not promise it: it sums up in parts, one a
//! thread, so that where two splits are as good up to rounding, another number may choose the other.

#![deny(unsafe_code)]

pub mod catboost;
mod data;
mod error;
pub mod find;
pub mod lightgbm;
mod native;
mod rounds;
mod settings;
mod trees;
pub mod xgboost;

pub use catboost::{BootstrapType, CatBoost};
pub use error::BoosterError;
pub use find::{Booster, Found};
pub use lightgbm::LightGBM;
pub use xgboost::{GrowPolicy, TreeMethod, XGBoost};
