//! The mean of the training targets as a model: what a model has to beat, in the place of one.

use std::collections::BTreeMap;

use hitcast_core::estimator::check_features;
use hitcast_core::stats::weighted_mean;
use hitcast_core::{
    CoreError, Dataset, Estimator, Fit, FitContext, Model, ModelState, Predictions, Result, Task, TensorData,
};
use ndarray::ArrayView2;
use serde::{Deserialize, Serialize};

use crate::error::ClassicalError;
use crate::saved::{Outcome, Size, finite, from_settings, reported, to_settings};

/// Predicts the mean of the training targets, weighted if they have weights, for every row.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MeanRegressor {}

/// A [`MeanRegressor`] after its fit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MeanModel {
    /// Mean of the training targets.
    pub mean: f64,
    /// Number of features `d`, which it does not look at.
    pub n_features: usize,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Facts {
    n_features: usize,
}

impl Estimator for MeanRegressor {
    fn fit(&self, train: &Dataset, _validation: Option<&Dataset>, context: &FitContext<'_>) -> Result<Fit> {
        let size = Size {
            rows: train.n_rows(),
            parameters: 1,
            bytes: 0,
        };
        reported(context, size, 0, || {
            train.expect_task(Task::Regression)?;
            let value = weighted_mean(train.target().iter().copied(), train.weights());
            if !value.is_finite() {
                let error = ClassicalError::NotFinite {
                    what: "the mean",
                    value,
                };
                return Err(CoreError::model(MeanModel::KIND, error));
            }
            Ok(Outcome::completed(MeanModel {
                mean: value,
                n_features: train.n_features(),
            }))
        })
    }
}

impl MeanModel {
    /// The kind under which it is saved.
    pub const KIND: &'static str = "mean";

    /// Loads a saved model.
    ///
    /// # Errors
    /// [`CoreError::State`] if something is missing, of another shape or type, or not finite.
    pub fn from_state(state: &ModelState) -> Result<Self> {
        let Facts { n_features } = from_settings(Self::KIND, state)?;
        Ok(Self {
            mean: finite(state, "mean", 1)?.into_iter().sum(),
            n_features,
        })
    }
}

impl Model for MeanModel {
    fn kind(&self) -> &'static str {
        Self::KIND
    }

    fn n_features(&self) -> usize {
        self.n_features
    }

    fn n_parameters(&self) -> usize {
        1
    }

    fn predict(&self, features: ArrayView2<'_, f32>) -> Result<Predictions> {
        check_features(self.n_features, features)?;
        Ok(Predictions::Regression(vec![self.mean; features.nrows()]))
    }

    fn state(&self) -> Result<ModelState> {
        Ok(ModelState {
            settings: to_settings(
                Self::KIND,
                &Facts {
                    n_features: self.n_features,
                },
            )?,
            tensors: BTreeMap::from([("mean".to_owned(), TensorData::f64_vector(vec![self.mean]))]),
        })
    }
}
