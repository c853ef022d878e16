//! Linear regression with a penalty on its weights: ridge (Hoerl and Kennard 1970), lasso (Tibshirani 1996) and the elastic
//! net between them (Zou and Hastie 2005), by coordinate descent (Friedman, Hastie and Tibshirani 2010).

mod descent;

use std::collections::BTreeMap;

use hitcast_core::{
    CoreError, Dataset, Estimator, Fit, FitContext, Model, ModelState, Predictions, Result, Task, TensorData,
};
use ndarray::ArrayView2;
use serde::{Deserialize, Serialize};

pub(crate) use self::descent::weights_of_mean_one;
use self::descent::{Centered, Products};
use crate::checks::{at_least, expect, not_negative};
use crate::error::ClassicalError;
use crate::least_squares::LeastSquares;
use crate::linear::along;
use crate::saved::{Outcome, Size, finite, from_settings, reported, to_settings};

/// Least squares with a penalty on the squares of the weights: minimises Σ (y − x·w − b)² + α Σ w².
///
/// Agrees with scikit-learn's `Ridge` 1.9. Of sample weights only the ratios matter: their mean counts as 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Ridge {
    /// Strength of the penalty, at least 0. Default 1.
    pub alpha: f64,
    /// Whether the line may miss the origin. Default true.
    pub intercept: bool,
}

/// Least squares with a penalty on the size of the weights, which leaves some of them 0: minimises
/// Σ (y − x·w − b)² / 2n + α Σ |w|.
///
/// Agrees with scikit-learn's `Lasso` 1.9 once that has converged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Lasso {
    /// Strength of the penalty, at least 0. Default 1.
    pub alpha: f64,
    /// Whether the line may miss the origin. Default true.
    pub intercept: bool,
    /// Passes over the weights at most, at least 1. Default 100,000: a pass does not look at the rows.
    pub max_iter: usize,
    /// Share of the targets' squares that the duality gap must come below, above 0. Default 1e-14, where scikit-learn's is
    /// 1e-4: what it returns is then right to a few digits only.
    pub tol: f64,
}

/// Both penalties: minimises Σ (y − x·w − b)² / 2n + α ρ Σ |w| + α (1 − ρ) Σ w² / 2 with the share ρ.
///
/// Agrees with scikit-learn's `ElasticNet` 1.9 once that has converged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ElasticNet {
    /// Strength of the penalties, at least 0. Default 1.
    pub alpha: f64,
    /// Share ρ of the lasso's, from 0 to 1. Default 0.5.
    pub l1_ratio: f64,
    /// Whether the line may miss the origin. Default true.
    pub intercept: bool,
    /// As [`Lasso::max_iter`].
    pub max_iter: usize,
    /// As [`Lasso::tol`].
    pub tol: f64,
}

impl Default for Ridge {
    fn default() -> Self {
        Self {
            alpha: 1.0,
            intercept: true,
        }
    }
}

impl Default for Lasso {
    fn default() -> Self {
        Self {
            alpha: 1.0,
            intercept: true,
            max_iter: 100_000,
            tol: 1e-14,
        }
    }
}

impl Default for ElasticNet {
    fn default() -> Self {
        Self {
            alpha: 1.0,
            l1_ratio: 0.5,
            intercept: true,
            max_iter: 100_000,
            tol: 1e-14,
        }
    }
}

/// Which penalty a [`PenalizedModel`] was fitted with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Penalty {
    /// [`Ridge`].
    Ridge,
    /// [`Lasso`].
    Lasso,
    /// [`ElasticNet`].
    ElasticNet,
}

impl Penalty {
    /// The kind under which the model is saved.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ridge => "ridge",
            Self::Lasso => "lasso",
            Self::ElasticNet => "elastic_net",
        }
    }
}

/// A line whose weights were held small.
#[derive(Debug, Clone, PartialEq)]
pub struct PenalizedModel {
    /// What held them.
    pub penalty: Penalty,
    /// One weight a feature, in target units per feature unit, length `d`.
    pub coefficients: Vec<f64>,
    /// The prediction where all features are 0.
    pub intercept: f64,
}

impl Ridge {
    /// The kind under which it is saved.
    pub const KIND: &'static str = Penalty::Ridge.name();

    /// Learns from the training rows.
    ///
    /// # Errors
    /// [`CoreError::Model`] with [`ClassicalError::Setting`] on an impossible setting, or with
    /// [`ClassicalError::NotFinite`] if the numbers overflow.
    pub fn fit_model(&self, train: &Dataset) -> Result<PenalizedModel> {
        train.expect_task(Task::Regression)?;
        train.features().expect_complete()?;
        self.solve(train)
            .map_err(|error| CoreError::model(Self::KIND, error))
    }

    fn solve(&self, train: &Dataset) -> Result<PenalizedModel, ClassicalError> {
        not_negative("alpha", self.alpha)?;
        let centered = Centered::of(train, self.intercept);
        let d = train.n_features();
        let mut system = LeastSquares::new(d);
        centered.each(|root, row, y| {
            system.add(row.iter().map(|value| root * value), root * y);
        });
        // A row for each weight, that wants it to be 0.
        let root = self.alpha.sqrt();
        for own in (0..d).filter(|_| self.alpha > 0.0) {
            system.add((0..d).map(|other| if other == own { root } else { 0.0 }), 0.0);
        }
        let tolerance = if self.alpha > 0.0 { f64::EPSILON } else { 1e-6 };
        centered.model(Penalty::Ridge, system.solve(tolerance).weights)
    }
}

impl Lasso {
    /// The kind under which it is saved.
    pub const KIND: &'static str = Penalty::Lasso.name();

    /// Learns from the training rows.
    ///
    /// # Errors
    /// As [`Ridge::fit_model`], and with [`ClassicalError::NotConverged`] if `max_iter` passes are not enough.
    pub fn fit_model(&self, train: &Dataset) -> Result<PenalizedModel> {
        let net = ElasticNet {
            alpha: self.alpha,
            l1_ratio: 1.0,
            intercept: self.intercept,
            max_iter: self.max_iter,
            tol: self.tol,
        };
        net.fit_as(Penalty::Lasso, train)
    }
}

impl ElasticNet {
    /// The kind under which it is saved.
    pub const KIND: &'static str = Penalty::ElasticNet.name();

    /// Learns from the training rows.
    ///
    /// # Errors
    /// As [`Lasso::fit_model`].
    pub fn fit_model(&self, train: &Dataset) -> Result<PenalizedModel> {
        self.fit_as(Penalty::ElasticNet, train)
    }

    fn fit_as(&self, penalty: Penalty, train: &Dataset) -> Result<PenalizedModel> {
        train.expect_task(Task::Regression)?;
        train.features().expect_complete()?;
        self.descend(penalty, train)
            .map_err(|error| CoreError::model(penalty.name(), error))
    }

    fn descend(&self, penalty: Penalty, train: &Dataset) -> Result<PenalizedModel, ClassicalError> {
        not_negative("alpha", self.alpha)?;
        let shared = (0.0..=1.0).contains(&self.l1_ratio);
        expect(shared, "l1_ratio", self.l1_ratio, "from 0 to 1")?;
        expect(self.tol > 0.0, "tol", self.tol, "above 0")?;
        at_least("max_iter", self.max_iter, 1, "at least 1")?;
        let centered = Centered::of(train, self.intercept);
        #[allow(clippy::cast_precision_loss)]
        let n = train.n_rows() as f64;
        let products = Products::of(&centered, train.n_features());
        let (l1, l2) = (
            n * self.alpha * self.l1_ratio,
            n * self.alpha * (1.0 - self.l1_ratio),
        );
        let weights = products.descend(l1, l2, self.max_iter, self.tol)?;
        centered.model(penalty, weights)
    }
}

/// What a fit of so many rows takes: the products of its features, or the triangle of least squares.
fn size(train: &Dataset) -> Size {
    let (rows, d) = (train.n_rows(), train.n_features());
    Size {
        rows,
        parameters: d + 1,
        bytes: 4 * rows * d + 8 * rows + 8 * (d + 257) * (d + 1),
    }
}

impl Estimator for Ridge {
    fn fit(&self, train: &Dataset, _validation: Option<&Dataset>, context: &FitContext<'_>) -> Result<Fit> {
        reported(context, size(train), 0, || {
            self.fit_model(train).map(Outcome::completed)
        })
    }
}

impl Estimator for Lasso {
    fn fit(&self, train: &Dataset, _validation: Option<&Dataset>, context: &FitContext<'_>) -> Result<Fit> {
        reported(context, size(train), 0, || {
            self.fit_model(train).map(Outcome::completed)
        })
    }
}

impl Estimator for ElasticNet {
    fn fit(&self, train: &Dataset, _validation: Option<&Dataset>, context: &FitContext<'_>) -> Result<Fit> {
        reported(context, size(train), 0, || {
            self.fit_model(train).map(Outcome::completed)
        })
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Facts {
    penalty: Penalty,
    n_features: usize,
}

impl PenalizedModel {
    /// Loads a saved model of any [`Penalty`].
    ///
    /// # Errors
    /// [`CoreError::State`] if something is missing, of another shape or type, or not finite.
    pub fn from_state(state: &ModelState) -> Result<Self> {
        let Facts { penalty, n_features } = from_settings("penalized linear", state)?;
        Ok(Self {
            penalty,
            coefficients: finite(state, "coefficients", n_features)?,
            intercept: finite(state, "intercept", 1)?.into_iter().sum(),
        })
    }
}

impl Model for PenalizedModel {
    fn kind(&self) -> &'static str {
        self.penalty.name()
    }

    fn n_features(&self) -> usize {
        self.coefficients.len()
    }

    fn n_parameters(&self) -> usize {
        self.coefficients.len() + 1
    }

    fn predict(&self, features: ArrayView2<'_, f32>) -> Result<Predictions> {
        along(&self.coefficients, self.intercept, features).map(Predictions::Regression)
    }

    fn state(&self) -> Result<ModelState> {
        let facts = Facts {
            penalty: self.penalty,
            n_features: self.coefficients.len(),
        };
        let tensors = [
            ("coefficients", self.coefficients.clone()),
            ("intercept", vec![self.intercept]),
        ];
        Ok(ModelState {
            settings: to_settings(self.penalty.name(), &facts)?,
            tensors: BTreeMap::from(
                tensors.map(|(name, values)| (name.to_owned(), TensorData::f64_vector(values))),
            ),
        })
    }
}
