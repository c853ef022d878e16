//! Ordinary least squares with an intercept.

use std::collections::BTreeMap;

use hitcast_core::estimator::check_features;
use hitcast_core::stats::{sum, weighted_mean};
use hitcast_core::{
    CoreError, Dataset, Estimator, Fit, FitContext, Model, ModelState, Predictions, Result, Task, TensorData,
};
use ndarray::{ArrayView1, ArrayView2};
use serde::{Deserialize, Serialize};

use crate::checks::expect;
use crate::error::ClassicalError;
use crate::least_squares::LeastSquares;
use crate::saved::{Outcome, Size, finite, from_settings, reported, to_settings};

/// Linear regression by least squares.
///
/// Agrees with scikit-learn's `LinearRegression` 1.9: constant columns get the weight 0, and of the weights that serve
/// equally well for dependent columns it takes those of smallest norm. Sample weights weight the squares. What counts as dependent does not depend on the
/// columns' units, which in scikit-learn it does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LinearRegression {
    /// Whether the line may miss the origin. Default true.
    pub intercept: bool,
    /// How much smaller than the largest a singular value must be for its direction to count as dependent, from 0 up to
    /// 1 (excluded). Default 1e-6, the distance at which columns of 32-bit numbers can no longer be told apart.
    pub tolerance: f64,
}

/// A [`LinearRegression`] after its fit.
#[derive(Debug, Clone, PartialEq)]
pub struct LinearRegressionModel {
    /// One weight a feature, in target units per feature unit, length `d`.
    pub coefficients: Vec<f64>,
    /// The prediction where all features are 0.
    pub intercept: f64,
    /// Number of independent features; below `d` where some are constant or follow from others.
    pub rank: usize,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Facts {
    n_features: usize,
    rank: usize,
}

impl Default for LinearRegression {
    fn default() -> Self {
        Self {
            intercept: true,
            tolerance: 1e-6,
        }
    }
}

impl LinearRegression {
    /// Learns from the training rows.
    ///
    /// # Errors
    /// [`CoreError::Model`] with [`ClassicalError::Setting`] on an impossible tolerance, or with
    /// [`ClassicalError::NotFinite`] if the numbers overflow.
    pub fn fit_model(&self, train: &Dataset) -> Result<LinearRegressionModel> {
        train.expect_task(Task::Regression)?;
        train.features().expect_complete()?;
        self.solve(train)
            .map_err(|error| CoreError::model(LinearRegressionModel::KIND, error))
    }

    fn solve(&self, train: &Dataset) -> Result<LinearRegressionModel, ClassicalError> {
        let possible = (0.0..1.0).contains(&self.tolerance);
        expect(possible, "tolerance", self.tolerance, "from 0 up to 1")?;
        let matrix = train.features().matrix();
        let weights = train.weights();
        let center =
            |column: ArrayView1<'_, f32>| weighted_mean(column.iter().copied().map(f64::from), weights);
        let mut means: Vec<f64> = matrix.columns().into_iter().map(center).collect();
        let mut target_mean = weighted_mean(train.target().iter().copied(), weights);
        if !self.intercept {
            means.fill(0.0);
            target_mean = 0.0;
        }
        let mut system = LeastSquares::new(means.len());
        for (index, (row, target)) in matrix.rows().into_iter().zip(train.target()).enumerate() {
            // The square of a residual is weighted, so the row itself by the root.
            let root = weights.map_or(1.0, |weights| weights[index].sqrt());
            let centered = row
                .iter()
                .zip(&means)
                .map(|(value, mean)| root * (f64::from(*value) - mean));
            system.add(centered, root * (target - target_mean));
        }
        let solution = system.solve(self.tolerance);
        let coefficients = solution.weights;
        let intercept = target_mean
            - sum(coefficients
                .iter()
                .zip(&means)
                .map(|(weight, mean)| weight * mean));
        let learned = coefficients.iter().map(|weight| ("a coefficient", *weight));
        let not_finite = learned
            .chain([("the intercept", intercept)])
            .find(|(_, value)| !value.is_finite());
        if let Some((what, value)) = not_finite {
            return Err(ClassicalError::NotFinite { what, value });
        }
        Ok(LinearRegressionModel {
            coefficients,
            intercept,
            rank: solution.rank,
        })
    }
}

impl Estimator for LinearRegression {
    fn fit(&self, train: &Dataset, _validation: Option<&Dataset>, context: &FitContext<'_>) -> Result<Fit> {
        let (rows, d) = (train.n_rows(), train.n_features());
        let size = Size {
            rows,
            parameters: d + 1,
            bytes: 4 * rows * d + 8 * (d + 257) * (d + 1),
        };
        reported(context, size, 0, || self.fit_model(train).map(Outcome::completed))
    }
}

impl LinearRegressionModel {
    /// The kind under which it is saved.
    pub const KIND: &'static str = "linear";

    /// Loads a saved model.
    ///
    /// # Errors
    /// [`CoreError::State`] if something is missing, of another shape or type, or not finite.
    pub fn from_state(state: &ModelState) -> Result<Self> {
        let Facts { n_features, rank } = from_settings(Self::KIND, state)?;
        if rank > n_features {
            return Err(CoreError::State(format!(
                "rank {rank} of a linear model with {n_features} features"
            )));
        }
        let coefficients = finite(state, "coefficients", n_features)?;
        let intercept = finite(state, "intercept", 1)?;
        Ok(Self {
            coefficients,
            intercept: intercept.into_iter().sum(),
            rank,
        })
    }
}

impl Model for LinearRegressionModel {
    fn kind(&self) -> &'static str {
        Self::KIND
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
            n_features: self.coefficients.len(),
            rank: self.rank,
        };
        Ok(ModelState {
            settings: to_settings(Self::KIND, &facts)?,
            tensors: BTreeMap::from([
                (
                    "coefficients".to_owned(),
                    TensorData::f64_vector(self.coefficients.clone()),
                ),
                (
                    "intercept".to_owned(),
                    TensorData::f64_vector(vec![self.intercept]),
                ),
            ]),
        })
    }
}

/// The values along a line for rows of features (`n × d`).
///
/// # Errors
/// [`CoreError::WrongFeatures`] if there are not as many columns as weights, [`CoreError::NotFinite`] if a value is not finite.
pub(crate) fn along(weights: &[f64], intercept: f64, features: ArrayView2<'_, f32>) -> Result<Vec<f64>> {
    check_features(weights.len(), features)?;
    let predict = |row: ArrayView1<'_, f32>| {
        let weighted = row
            .iter()
            .zip(weights)
            .map(|(value, weight)| f64::from(*value) * weight);
        intercept + weighted.sum::<f64>()
    };
    let values: Vec<f64> = features.rows().into_iter().map(predict).collect();
    if let Some(row) = values.iter().position(|value| !value.is_finite()) {
        let (column, value) = ("prediction".to_owned(), values[row]);
        return Err(CoreError::NotFinite {
            what: "the linear model's output",
            row,
            column,
            value,
        });
    }
    Ok(values)
}
