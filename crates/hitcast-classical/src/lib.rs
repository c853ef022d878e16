//! Models without a network behind the same [`Estimator`](hitcast_core::Estimator) as the networks: linear models,
//! neighbours, support vector machines, forests and boosting. What they learned is public, and saved and loaded as a
//! [`ModelState`](hitcast_core::ModelState).
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
//! - [`penalized`]: ridge, lasso and elastic net
//! - [`logistic`]: logistic regression
//! - [`neighbors`]: the nearest training rows
//! - [`forest`]: random forests and extra trees
//! - [`gradient_boosting`]: trees that each correct those before them
//! - [`hist_gradient_boosting`]: the same on binned features, for many rows
//! - [`ada_boost`]: trees on the rows that those before them predict worst
//! - [`svm`]: support vector machines
//! - [`mean`], [`prior`]: the mean or the class shares of the training rows, for others to beat
//! - [`ensemble`]: trees that predict together, what all fits of trees become
//! - [`tree_model`]: the fitted model of forests and boosting
//! - [`max_features`]: how many features a tree looks at
//! - [`least_squares`]: the solver, for matrices of any rank
//! - [`checks`]: what is refused of settings and losses, for crates with further models
//! - [`saved`]: how a fit reports and what it returns, for crates with further models

#![forbid(unsafe_code)]

pub mod ada_boost;
pub mod checks;
mod draws;
pub mod ensemble;
mod error;
pub mod forest;
pub mod gradient_boosting;
mod grow;
pub mod hist_gradient_boosting;
pub mod least_squares;
pub mod linear;
pub mod logistic;
mod loss;
pub mod max_features;
pub mod mean;
pub mod neighbors;
pub mod penalized;
pub mod prior;
mod probability;
pub mod saved;
pub mod svm;
pub mod tree_model;

pub use ada_boost::{AdaBoost, AdaBoostLoss, AdaBoostModel};
pub use ensemble::{Combination, Link, Tree, TreeEnsemble, TreeNode};
pub use error::ClassicalError;
pub use forest::{ExtraTrees, ForestSettings, RandomForest, SplitCriterion};
pub use gradient_boosting::GradientBoosting;
pub use hist_gradient_boosting::HistGradientBoosting;
pub use least_squares::{LeastSquares, Solution};
pub use linear::{LinearRegression, LinearRegressionModel};
pub use logistic::{LogisticModel, LogisticRegression};
pub use max_features::MaxFeatures;
pub use mean::{MeanModel, MeanRegressor};
pub use neighbors::{NeighborWeights, Neighbors, NeighborsModel};
pub use penalized::{ElasticNet, Lasso, PenalizedModel, Penalty, Ridge};
pub use prior::{PriorClassifier, PriorModel};
pub use svm::{Gamma, Svc, SvcModel, SvmKernel, Svr, SvrModel};
pub use tree_model::{TreeKind, TreeModel};
