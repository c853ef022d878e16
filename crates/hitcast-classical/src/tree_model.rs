//! What every fit of trees returns: the trees, and how much each feature mattered to them.

use hitcast_core::stats::sum;
use hitcast_core::{Contributions, CoreError, Model, ModelState, Predictions, Result, TensorData};
use ndarray::ArrayView2;
use serde::{Deserialize, Serialize};

use crate::ensemble::{EnsembleFacts, Tree, TreeEnsemble};
use crate::error::ClassicalError;
use crate::saved::{finite, from_settings, to_settings};

/// Where the trees of a [`TreeModel`] come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TreeKind {
    /// [`RandomForest`](crate::RandomForest).
    RandomForest,
    /// [`ExtraTrees`](crate::ExtraTrees).
    ExtraTrees,
    /// [`GradientBoosting`](crate::GradientBoosting).
    GradientBoosting,
    /// [`HistGradientBoosting`](crate::HistGradientBoosting).
    HistGradientBoosting,
    /// XGBoost, a library of its own.
    #[serde(rename = "xgboost")]
    XGBoost,
    /// LightGBM, a library of its own.
    #[serde(rename = "lightgbm")]
    LightGBM,
    /// CatBoost, a library of its own.
    #[serde(rename = "catboost")]
    CatBoost,
}

impl TreeKind {
    /// The kind under which the model is saved.
    pub const fn name(self) -> &'static str {
        match self {
            Self::RandomForest => "random_forest",
            Self::ExtraTrees => "extra_trees",
            Self::GradientBoosting => "gradient_boosting",
            Self::HistGradientBoosting => "hist_gradient_boosting",
            Self::XGBoost => "xgboost",
            Self::LightGBM => "lightgbm",
            Self::CatBoost => "catboost",
        }
    }
}

/// Trees after their fit.
#[derive(Debug, Clone, PartialEq)]
pub struct TreeModel {
    kind: TreeKind,
    ensemble: TreeEnsemble,
    importances: Vec<f64>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Facts {
    kind: TreeKind,
    ensemble: EnsembleFacts,
}

impl TreeModel {
    /// Trees of some kind, and the importance of each feature, length `d`.
    ///
    /// # Errors
    /// [`ClassicalError::Tree`] if there are not `d` importances, or if one is no finite number of at least 0.
    pub fn new(
        kind: TreeKind,
        ensemble: TreeEnsemble,
        importances: Vec<f64>,
    ) -> Result<Self, ClassicalError> {
        let possible = |value: &f64| value.is_finite() && *value >= 0.0;
        if importances.len() != ensemble.n_features() || !importances.iter().all(possible) {
            let what = format!(
                "{} features need as many importances, each finite and at least 0",
                ensemble.n_features()
            );
            return Err(ClassicalError::Tree { what });
        }
        Ok(Self {
            kind,
            ensemble,
            importances,
        })
    }

    /// As [`new`](Self::new), where importances are the shares of what each feature's splits gained, at least 0, length `d`.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn of_gains(kind: TreeKind, ensemble: TreeEnsemble, gains: Vec<f64>) -> Result<Self, ClassicalError> {
        Self::new(kind, ensemble, shares(gains))
    }

    /// Where the trees come from.
    pub fn tree_kind(&self) -> TreeKind {
        self.kind
    }

    /// The trees.
    pub fn ensemble(&self) -> &TreeEnsemble {
        &self.ensemble
    }

    /// How much of what the trees explain each feature explains, length `d`: the mean decrease of impurity (Breiman et al.
    /// 1984), of histogram boosting that of the loss; of libraries it is what they gain by the feature's splits (CatBoost:
    /// `PredictionValuesChange`). They sum to 1, or 0 if no tree splits. It favours features with many different values.
    pub fn importances(&self) -> &[f64] {
        &self.importances
    }

    /// Loads a saved model of any [`TreeKind`].
    ///
    /// # Errors
    /// [`CoreError::State`] if something is missing, of another shape or type, not finite, or no tree.
    pub fn from_state(state: &ModelState) -> Result<Self> {
        let Facts { kind, ensemble } = from_settings("tree", state)?;
        let ensemble = TreeEnsemble::load(ensemble, state)?;
        let importances = finite(state, "importances", ensemble.n_features())?;
        Self::new(kind, ensemble, importances).map_err(|error| CoreError::State(error.to_string()))
    }
}

/// What part of the sum each value is; 0 if all are.
pub(crate) fn shares(mut values: Vec<f64>) -> Vec<f64> {
    let all = sum(values.iter().copied());
    if all > 0.0 {
        values.iter_mut().for_each(|value| *value /= all);
    }
    values
}

impl Model for TreeModel {
    fn kind(&self) -> &'static str {
        self.kind.name()
    }

    fn n_features(&self) -> usize {
        self.ensemble.n_features()
    }

    fn n_parameters(&self) -> usize {
        self.ensemble.n_parameters()
    }

    fn predict(&self, features: ArrayView2<'_, f32>) -> Result<Predictions> {
        self.ensemble.predict(features)
    }

    fn contributions(&self, features: ArrayView2<'_, f32>) -> Option<Result<Contributions>> {
        // Walks as deep as that would take more stack than a thread has.
        const DEEPEST: usize = 200;
        let deepest = self.ensemble.trees().iter().map(Tree::depth).max();
        (deepest <= Some(DEEPEST)).then(|| self.ensemble.contributions(features))
    }

    fn learned_importances(&self) -> Option<&[f64]> {
        Some(&self.importances)
    }

    fn state(&self) -> Result<ModelState> {
        let (ensemble, mut tensors) = self.ensemble.save()?;
        let importances = TensorData::f64_vector(self.importances.clone());
        tensors.insert("importances".to_owned(), importances);
        let kind = self.kind;
        Ok(ModelState {
            settings: to_settings(kind.name(), &Facts { kind, ensemble })?,
            tensors,
        })
    }
}
