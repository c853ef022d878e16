//! Logistic regression for two classes or more, by Newton's method with conjugate gradients (Nocedal and Wright 2006,
//! algorithm 7.1).

mod newton;

use std::collections::BTreeMap;

use hitcast_core::estimator::check_features;
use hitcast_core::{
    CoreError, Dataset, Estimator, Fit, FitContext, Model, ModelState, Predictions, Result, Task, TensorData,
    TensorValues,
};
use ndarray::ArrayView2;
use serde::{Deserialize, Serialize};

use self::newton::Problem;
use crate::checks::{at_least, positive};
use crate::error::ClassicalError;
use crate::penalized::weights_of_mean_one;
use crate::prior::classes_of;
use crate::probability::{logistic, softmax};
use crate::saved::{Outcome, Size, check_classes, finite, from_settings, reported, to_settings};

/// Logistic regression with a penalty on the squares of the weights: minimises C Σ loss + Σ w² / 2. Two classes have one
/// score between them, more have one each.
///
/// Agrees with scikit-learn's `LogisticRegression` 1.9 once that has converged. Of sample weights only the ratios matter:
/// their mean counts as 1. A class without training rows has the probability 0.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogisticRegression {
    /// How much the rows count against the penalty, above 0. Default 1.
    #[serde(alias = "C")]
    pub c: f64,
    /// Whether the scores may be other than 0 where all features are 0. Default true.
    pub intercept: bool,
    /// Newton steps at most, at least 1. Default 100.
    pub max_iter: usize,
    /// Largest slope at the end, of the mean loss along features of variance 1; above 0. Default 1e-9, where scikit-learn's is
    /// 1e-4: what it returns is then right to a few digits only.
    pub tol: f64,
}

impl Default for LogisticRegression {
    fn default() -> Self {
        Self {
            c: 1.0,
            intercept: true,
            max_iter: 100,
            tol: 1e-9,
        }
    }
}

/// A [`LogisticRegression`] after its fit.
#[derive(Debug, Clone, PartialEq)]
pub struct LogisticModel {
    n_classes: usize,
    n_features: usize,
    /// The classes that had training rows.
    seen: Vec<usize>,
    coefficients: Vec<f64>,
    intercepts: Vec<f64>,
}

impl LogisticRegression {
    /// Learns from the training rows.
    ///
    /// # Errors
    /// [`CoreError::WrongTask`] if the rows have numbers, [`CoreError::Model`] with [`ClassicalError::Setting`] on an
    /// impossible setting, with [`ClassicalError::OneClass`], or with [`ClassicalError::NotConverged`].
    pub fn fit_model(&self, train: &Dataset) -> Result<LogisticModel> {
        let n_classes = classes_of(train)?;
        train.features().expect_complete()?;
        self.solve(train, n_classes)
            .map_err(|error| CoreError::model(LogisticModel::KIND, error))
    }

    fn solve(&self, train: &Dataset, n_classes: usize) -> Result<LogisticModel, ClassicalError> {
        for (setting, value) in [("c", self.c), ("tol", self.tol)] {
            positive(setting, value)?;
        }
        at_least("max_iter", self.max_iter, 1, "at least 1")?;
        let weights = weights_of_mean_one(train).unwrap_or_else(|| vec![1.0; train.n_rows()]);
        let classes = train.classes().unwrap_or_default();
        let mut counts = vec![0.0; n_classes];
        for (class, weight) in classes.iter().zip(&weights) {
            counts[*class] += weight;
        }
        let seen: Vec<usize> = (0..n_classes).filter(|class| counts[*class] > 0.0).collect();
        if let [class] = seen[..] {
            return Err(ClassicalError::OneClass { class });
        }
        let place = |class: &usize| seen.iter().position(|seen| seen == class).unwrap_or(0);
        let places: Vec<usize> = classes.iter().map(place).collect();
        let problem = Problem::new(train, &places, &weights, seen.len(), self);
        let parameters = problem.minimise(self)?;
        let (coefficients, intercepts) = problem.in_feature_units(&parameters);
        let learned = coefficients.iter().map(|weight| ("a coefficient", *weight));
        let mut learned = learned.chain(intercepts.iter().map(|value| ("an intercept", *value)));
        if let Some((what, value)) = learned.find(|(_, value)| !value.is_finite()) {
            return Err(ClassicalError::NotFinite { what, value });
        }
        Ok(LogisticModel {
            n_classes,
            n_features: train.n_features(),
            seen,
            coefficients,
            intercepts,
        })
    }
}

impl Estimator for LogisticRegression {
    fn fit(&self, train: &Dataset, _validation: Option<&Dataset>, context: &FitContext<'_>) -> Result<Fit> {
        let (rows, d, scores) = (train.n_rows(), train.n_features(), train.task().width());
        let size = Size {
            rows,
            parameters: scores * (d + 1),
            bytes: 12 * rows * d + 8 * rows * (2 * scores + 4),
        };
        reported(context, size, 0, || self.fit_model(train).map(Outcome::completed))
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Facts {
    n_classes: usize,
    n_features: usize,
    seen: Vec<usize>,
}

impl LogisticModel {
    /// The kind under which it is saved.
    pub const KIND: &'static str = "logistic";

    /// Loads a saved model.
    ///
    /// # Errors
    /// [`CoreError::State`] if something is missing, of another shape or type, or not finite.
    pub fn from_state(state: &ModelState) -> Result<Self> {
        let Facts {
            n_classes,
            n_features,
            seen,
        } = from_settings(Self::KIND, state)?;
        check_classes(&seen, n_classes)?;
        let scores = if seen.len() == 2 { 1 } else { seen.len() };
        let coefficients = state.f64("coefficients", &[scores, n_features])?.to_vec();
        if let Some(value) = coefficients.iter().find(|value| !value.is_finite()) {
            return Err(CoreError::State(format!("tensor \"coefficients\" holds {value}")));
        }
        Ok(Self {
            n_classes,
            n_features,
            seen,
            coefficients,
            intercepts: finite(state, "intercepts", scores)?,
        })
    }

    /// The classes that had training rows.
    pub fn seen_classes(&self) -> &[usize] {
        &self.seen
    }

    /// One weight a feature for each score, row by row: one score for the second of two classes, or one for each class.
    pub fn coefficients(&self) -> &[f64] {
        &self.coefficients
    }

    /// The scores where all features are 0.
    pub fn intercepts(&self) -> &[f64] {
        &self.intercepts
    }
}

impl Model for LogisticModel {
    fn kind(&self) -> &'static str {
        Self::KIND
    }

    fn n_features(&self) -> usize {
        self.n_features
    }

    fn n_parameters(&self) -> usize {
        self.coefficients.len() + self.intercepts.len()
    }

    fn predict(&self, features: ArrayView2<'_, f32>) -> Result<Predictions> {
        check_features(self.n_features, features)?;
        let mut values = vec![0.0; features.nrows() * self.n_classes];
        let mut scores = vec![0.0; self.intercepts.len()];
        for (number, (row, out)) in (features.rows().into_iter())
            .zip(values.chunks_exact_mut(self.n_classes))
            .enumerate()
        {
            for (place, (score, intercept)) in scores.iter_mut().zip(&self.intercepts).enumerate() {
                let weights = &self.coefficients[place * self.n_features..][..self.n_features];
                let weighted: f64 = row
                    .iter()
                    .zip(weights)
                    .map(|(value, weight)| f64::from(*value) * weight)
                    .sum();
                *score = weighted + intercept;
            }
            if let Some(&value) = scores.iter().find(|score| !score.is_finite()) {
                return Err(CoreError::NotFinite {
                    what: "the logistic model's output",
                    row: number,
                    column: "score".to_owned(),
                    value,
                });
            }
            let mut put = |shares: &[f64]| {
                for (class, share) in self.seen.iter().zip(shares) {
                    out[*class] = *share;
                }
            };
            if let [odds] = scores[..] {
                put(&logistic(odds));
            } else {
                softmax(&mut scores);
                put(&scores);
            }
        }
        let task = Task::Classification {
            n_classes: self.n_classes,
        };
        Predictions::from_values(task, values)
    }

    fn state(&self) -> Result<ModelState> {
        let facts = Facts {
            n_classes: self.n_classes,
            n_features: self.n_features,
            seen: self.seen.clone(),
        };
        let shape = vec![self.intercepts.len(), self.n_features];
        let coefficients = TensorData::new(shape, TensorValues::F64(self.coefficients.clone()))?;
        Ok(ModelState {
            settings: to_settings(Self::KIND, &facts)?,
            tensors: BTreeMap::from([
                ("coefficients".to_owned(), coefficients),
                (
                    "intercepts".to_owned(),
                    TensorData::f64_vector(self.intercepts.clone()),
                ),
            ]),
        })
    }
}
