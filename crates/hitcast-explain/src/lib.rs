//! Why a model predicts what it does, for any [`Model`](hitcast_core::Model): what matters to it, how its prediction moves with
//! a feature, and what made up one prediction. Encoded columns are taken together as the column that they come from.
//!
//! ```
//! use hitcast_core::{CoreError, FeatureColumn, Features, Model, ModelState, Predictions, Seed};
//! use hitcast_explain::{Encoded, ExactShapley, Explained, Output};
//! use ndarray::{ArrayView2, array};
//!
//! /// Ten times the first feature, less the second.
//! struct Line;
//!
//! impl Model for Line {
//! #     fn kind(&self) -> &'static str { "line" }
//! #     fn n_features(&self) -> usize { 2 }
//! #     fn n_parameters(&self) -> usize { 0 }
//! #     fn state(&self) -> Result<ModelState, CoreError> { Err(CoreError::State("not saved".to_owned())) }
//!     fn predict(&self, x: ArrayView2<'_, f32>) -> Result<Predictions, CoreError> {
//!         let line = |row: ndarray::ArrayView1<'_, f32>| f64::from(10.0 * row[0] - row[1]);
//!         Ok(Predictions::Regression(x.rows().into_iter().map(line).collect()))
//!     }
//! }
//!
//! let columns = vec![FeatureColumn::plain("energy"), FeatureColumn::plain("tempo")];
//! let features = Features::new(array![[0.5, 1.0], [0.1, 2.0], [0.3, 3.0]], columns)?;
//! let explained = Explained::new(&Line, Output::Number);
//! let local = ExactShapley::default().explain(&explained, &features, &features, 0, &Encoded, Seed::new(1))?;
//! // From the mean prediction, 1, to this one, 4: the energy is 0.2 above the mean, the tempo 1 below it.
//! assert!((local.baseline - 1.0).abs() < 1e-5 && (local.prediction - 4.0).abs() < 1e-5);
//! assert!((local.attributions[0].value - 2.0).abs() < 1e-5);
//! assert!((local.attributions[1].value - 1.0).abs() < 1e-5);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! - [`explained`]: what of a model is explained: its number, or a class' probability or log-odds
//! - [`source`]: which columns belong together, and how their values are shown
//! - [`permutation`]: how much worse a metric gets without what a column says
//! - [`shapley`]: what made up one prediction
//! - [`gradients`]: the same for models that can be differentiated, and how much their output moves with a column
//! - [`grid`]: the values that a column takes for the next ones
//! - [`dependence`]: how predictions move with one or two columns
//! - [`effects`]: the same without leaving the data, by accumulated local effects
//! - [`mod@sensitivity`]: how one prediction moves with each column
//! - [`counterfactual`]: the smallest change that reaches what is wanted
//! - [`agreement`]: whether two methods rank the columns alike

#![forbid(unsafe_code)]

pub mod agreement;
mod background;
pub mod counterfactual;
pub mod dependence;
pub mod effects;
mod error;
pub mod explained;
pub mod gradients;
pub mod grid;
pub mod permutation;
pub mod sensitivity;
pub mod shapley;
pub mod source;

pub use agreement::{RankAgreement, kendall, rank_agreement, spearman};
pub use counterfactual::{CounterfactualSearch, FoundChange, Movable};
pub use dependence::{Dependence, DependenceOfTwo, IndividualCurve, PartialDependence};
pub use effects::{AccumulatedEffects, Effects};
pub use error::{ExplainError, Result};
pub use explained::{Explained, Output};
pub use gradients::expected::ExpectedGradients;
pub use gradients::importance::gradient_importance;
pub use gradients::integrated::IntegratedGradients;
pub use grid::{Grid, GridPoint};
pub use permutation::{
    ClassScore, Importance, NumberScore, PermutationImportance, PermutationImportances, Score,
};
pub use sensitivity::{Sensitivity, SensitivityPoint, sensitivity};
pub use shapley::exact::ExactShapley;
pub use shapley::own::own_shapley;
pub use shapley::sampled::SampledShapley;
pub use shapley::{Attribution, LocalExplanation, mean_magnitudes};
pub use source::{Encoded, Raw, Source, Sources, Units};
