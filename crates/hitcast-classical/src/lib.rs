//! Models without a network behind the same [`Estimator`](hitcast_core::Estimator) as the networks: linear regression,
//! and the mean as a model. What they learned is public, and saved and loaded as a [`ModelState`](hitcast_core::ModelState).
//!
//! ```
//! use hitcast_classical::LinearRegression;
//! use hitcast_core::{Dataset, Estimator, Features, FitContext, Seed, StopSignal, dataset::FeatureColumn};
//! use ndarray::array;
//!
//! let columns = vec![FeatureColumn::plain("energy"), FeatureColumn::plain("tempo")];
//! let features = Features::new(array![[0.0, 1.0], [1.0, 0.0], [1.0, 1.0], [2.0, 5.0]], columns)?;
//! let train = Dataset::new(features.clone(), vec![3.0, 5.0, 4.0, 2.0])?; // 4 + energy − tempo, nearly
//! let stop = StopSignal::new();
//! let fit = LinearRegression::default().fit(&train, None, &FitContext::quiet("linear", Seed::new(1), &stop))?;
//! assert_eq!(fit.model.predict_features(&features)?.values().len(), 4);
//! # Ok::<(), hitcast_core::CoreError>(())
//! ```
//!
//! - [`linear`]: ordinary least squares
//! - [`mean`]: the mean of the training targets
//! - [`least_squares`]: the solver, for matrices of any rank

#![forbid(unsafe_code)]

mod error;
pub mod least_squares;
pub mod linear;
pub mod mean;
mod saved;

pub use error::ClassicalError;
pub use least_squares::{LeastSquares, Solution};
pub use linear::{LinearRegression, LinearRegressionModel};
pub use mean::{MeanModel, MeanRegressor};
