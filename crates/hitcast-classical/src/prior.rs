//! The class shares of the training rows as a model: what a classifier has to beat, in the place of one.

use std::collections::BTreeMap;

use hitcast_core::estimator::check_features;
use hitcast_core::stats::weighted_mean;
use hitcast_core::{
    CoreError, Dataset, Estimator, Fit, FitContext, Model, ModelState, Predictions, Result, Task, TensorData,
};
use ndarray::{Array1, ArrayView2};
use serde::{Deserialize, Serialize};

use crate::error::ClassicalError;
use crate::saved::{Outcome, Size, finite, from_settings, reported, to_settings};

/// Predicts the share of each class among the training rows, weighted if they have weights, for every row.
///
/// Agrees with scikit-learn's `DummyClassifier(strategy="prior")` 1.9.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PriorClassifier {}

/// A [`PriorClassifier`] after its fit.
#[derive(Debug, Clone, PartialEq)]
pub struct PriorModel {
    shares: Vec<f64>,
    n_features: usize,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Facts {
    n_features: usize,
    n_classes: usize,
}

impl Estimator for PriorClassifier {
    fn fit(&self, train: &Dataset, _validation: Option<&Dataset>, context: &FitContext<'_>) -> Result<Fit> {
        let size = Size {
            rows: train.n_rows(),
            parameters: train.task().width(),
            bytes: 0,
        };
        reported(context, size, 0, || {
            let n_classes = classes_of(train)?;
            let target = train.target();
            let share = |class: usize| {
                // Exact, as the numbers of classes are.
                #[allow(clippy::cast_precision_loss)]
                let of = move |y: &f64| if *y == class as f64 { 1.0 } else { 0.0 };
                weighted_mean(target.iter().map(of), train.weights())
            };
            let model = PriorModel::new((0..n_classes).map(share).collect(), train.n_features())
                .map_err(|error| CoreError::model(PriorModel::KIND, error))?;
            Ok(Outcome::completed(model))
        })
    }
}

/// The number of classes of rows that have some.
///
/// # Errors
/// [`CoreError::WrongTask`] if they have numbers.
pub(crate) fn classes_of(train: &Dataset) -> Result<usize> {
    match train.task() {
        Task::Classification { n_classes } => Ok(n_classes),
        got => Err(CoreError::WrongTask {
            expected: Task::Classification { n_classes: 2 },
            got,
        }),
    }
}

impl PriorModel {
    /// The kind under which it is saved.
    pub const KIND: &'static str = "prior";

    fn new(shares: Vec<f64>, n_features: usize) -> Result<Self, ClassicalError> {
        let total: f64 = shares.iter().sum();
        if let Some(&value) = shares.iter().find(|share| !(0.0..=1.0).contains(*share)) {
            let what = "the share of a class";
            return Err(ClassicalError::NotFinite { what, value });
        }
        if (total - 1.0).abs() > 1e-9 {
            let what = "the sum of the shares";
            return Err(ClassicalError::NotFinite { what, value: total });
        }
        Ok(Self { shares, n_features })
    }

    /// Loads a saved model.
    ///
    /// # Errors
    /// [`CoreError::State`] if something is missing, of another shape or type, or if the shares are none.
    pub fn from_state(state: &ModelState) -> Result<Self> {
        let Facts {
            n_features,
            n_classes,
        } = from_settings(Self::KIND, state)?;
        Self::new(finite(state, "shares", n_classes)?, n_features)
            .map_err(|error| CoreError::State(error.to_string()))
    }

    /// The share of each class, length `k`.
    pub fn shares(&self) -> &[f64] {
        &self.shares
    }
}

impl Model for PriorModel {
    fn kind(&self) -> &'static str {
        Self::KIND
    }

    fn n_features(&self) -> usize {
        self.n_features
    }

    fn n_parameters(&self) -> usize {
        self.shares.len()
    }

    fn predict(&self, features: ArrayView2<'_, f32>) -> Result<Predictions> {
        check_features(self.n_features, features)?;
        let shares = Array1::from(self.shares.clone());
        let shape = (features.nrows(), self.shares.len());
        let rows = shares.broadcast(shape).map(|rows| rows.to_owned());
        let rows = rows.ok_or_else(|| CoreError::State("shares that are no row".to_owned()))?;
        Ok(Predictions::Classification(rows))
    }

    fn state(&self) -> Result<ModelState> {
        let facts = Facts {
            n_features: self.n_features,
            n_classes: self.shares.len(),
        };
        Ok(ModelState {
            settings: to_settings(Self::KIND, &facts)?,
            tensors: BTreeMap::from([("shares".to_owned(), TensorData::f64_vector(self.shares.clone()))]),
        })
    }
}
