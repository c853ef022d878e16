//! Support vector regression (Drucker et al. 1997).

use std::collections::BTreeMap;

use hitcast_core::{
    CoreError, Dataset, Estimator, Fit, FitContext, Model, ModelState, Predictions, Result, Seed, StopSignal,
    Task, TensorData,
};
use hitcast_kernels::similarity::weighted_sum;
use ndarray::ArrayView2;
use serde::{Deserialize, Serialize};

use super::kernel::{Gamma, KernelFunction, SvmKernel};
use super::points::Points;
use super::solver::Problem;
use super::{Common, common, duration, told, vectors};
use crate::checks::not_negative;
use crate::error::ClassicalError;
use crate::penalized::weights_of_mean_one;
use crate::saved::{Outcome, Size, finite, from_settings, reported, to_settings};

/// A curve that passes within ε of as many targets as it can without bending too much.
///
/// Agrees with scikit-learn's `SVR` 1.9 to the tolerance of the solver; names and defaults are those of that one. Sample
/// weights scale `c` by row; only their ratios matter: their mean counts as 1. The time of a fit grows with the square of the
/// number of rows or faster; if it will take long, the fit tells how long before it begins.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Svr {
    /// How alike two rows are. Default RBF.
    pub kernel: SvmKernel,
    /// The kernel's factor γ. Default scale.
    pub gamma: Gamma,
    /// The power of the polynomial kernel, at least 1. Default 3.
    pub degree: usize,
    /// The summand of the polynomial and the sigmoid kernel. Default 0.
    pub coef0: f64,
    /// How much rows outside of ε count against a bent curve, above 0. Default 1.
    #[serde(alias = "C")]
    pub c: f64,
    /// How far a target may be from the curve for nothing, in target units, at least 0. Default 0.1.
    pub epsilon: f64,
    /// How far two rows may be from the optimum at the end, in target units, above 0. Default 1e-3.
    pub tol: f64,
    /// Whether rows that will hardly change are set aside meanwhile. Default true.
    pub shrinking: bool,
    /// Megabytes (2²⁰ bytes) of kernel rows that are kept, above 0. Default 200.
    pub cache_size: f64,
    /// Steps at most, at least 1. `None`, the default: 10⁷, or 100 a row if that is more. A fit that needs more reports it and
    /// keeps what it has.
    pub max_iter: Option<usize>,
    /// Number of threads, 0 for all cores. The result does not depend on it. Default 0.
    pub threads: usize,
}

impl Default for Svr {
    fn default() -> Self {
        Self {
            kernel: SvmKernel::Rbf,
            gamma: Gamma::Scale,
            degree: 3,
            coef0: 0.0,
            c: 1.0,
            epsilon: 0.1,
            tol: 1e-3,
            shrinking: true,
            cache_size: 200.0,
            max_iter: None,
            threads: 0,
        }
    }
}

/// An [`Svr`] after its fit: the rows that are not within ε, and how much each counts.
#[derive(Debug, Clone, PartialEq)]
pub struct SvrModel {
    vectors: Points,
    coefficients: Vec<f64>,
    intercept: f64,
}

impl Svr {
    /// Learns from the training rows.
    ///
    /// # Errors
    /// [`CoreError::WrongTask`] for classes, [`CoreError::Model`] with [`ClassicalError::Setting`] on an impossible setting, or
    /// with [`ClassicalError::NotFinite`] if features or targets are too large.
    pub fn fit_model(&self, train: &Dataset) -> Result<SvrModel> {
        let stop = StopSignal::new();
        self.machine(train, &FitContext::quiet(SvrModel::KIND, Seed::new(0), &stop))
            .map(|outcome| outcome.model)
    }

    fn machine(&self, train: &Dataset, context: &FitContext<'_>) -> Result<Outcome<SvrModel>> {
        train.expect_task(Task::Regression)?;
        self.solve(train, context)
            .map_err(|error| CoreError::model(SvrModel::KIND, error))
    }

    fn solve(&self, train: &Dataset, context: &FitContext<'_>) -> Result<Outcome<SvrModel>, ClassicalError> {
        let matrix = train.features().matrix();
        let function = self.common().check(matrix.view())?;
        not_negative("epsilon", self.epsilon)?;
        let weights = weights_of_mean_one(train).unwrap_or_else(|| vec![1.0; train.n_rows()]);
        let rows: Vec<usize> = (0..train.n_rows()).filter(|row| weights[*row] > 0.0).collect();
        let upper: Vec<f64> = rows.iter().map(|row| self.c * weights[*row]).collect();
        let problem = Problem {
            points: Points::of(function, matrix.view(), &rows),
            targets: rows.iter().map(|row| train.target()[*row]).collect(),
            lower: upper.iter().map(|upper| -upper).collect(),
            upper,
            epsilon: self.epsilon,
        };
        let rules = self.common().rules(rows.len(), 1);
        duration::warned(context, duration::seconds(&problem, rules));
        let solution = problem.solve(rules, context.stop);
        let stopped = told(context, self.tol, std::iter::once(&solution));
        let (vectors, coefficients) = problem.support(&solution);
        let model = SvrModel {
            vectors,
            coefficients,
            intercept: solution.intercept,
        };
        if !model.intercept.is_finite() {
            return Err(ClassicalError::NotFinite {
                what: "the intercept",
                value: model.intercept,
            });
        }
        Ok(Outcome {
            best_epoch: None,
            model,
            history: Vec::new(),
            stopped,
        })
    }

    fn common(&self) -> Common {
        common!(self)
    }

    fn size(&self, train: &Dataset) -> Size {
        self.common().size(train, 1, 1)
    }
}

impl Estimator for Svr {
    fn fit(&self, train: &Dataset, _validation: Option<&Dataset>, context: &FitContext<'_>) -> Result<Fit> {
        reported(context, self.size(train), 0, || self.machine(train, context))
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Facts {
    function: KernelFunction,
    n_vectors: usize,
    n_features: usize,
}

impl SvrModel {
    /// The kind under which it is saved.
    pub const KIND: &'static str = "svr";

    /// Loads a saved model.
    ///
    /// # Errors
    /// [`CoreError::State`] if something is missing, of another shape or type, or not finite.
    pub fn from_state(state: &ModelState) -> Result<Self> {
        let Facts {
            function,
            n_vectors,
            n_features,
        } = from_settings(Self::KIND, state)?;
        // First, for of vectors without features any number takes no bytes.
        let coefficients = finite(state, "coefficients", n_vectors)?;
        Ok(Self {
            vectors: vectors::load(state, function, n_vectors, n_features)?,
            coefficients,
            intercept: finite(state, "intercept", 1)?.into_iter().sum(),
        })
    }

    /// How much each support vector counts: from −C to C, times the weight of its row where rows have weights (their mean is 1);
    /// never 0.
    pub fn coefficients(&self) -> &[f64] {
        &self.coefficients
    }

    /// The prediction where no support vector counts.
    pub fn intercept(&self) -> f64 {
        self.intercept
    }
}

impl Model for SvrModel {
    fn kind(&self) -> &'static str {
        Self::KIND
    }

    fn n_features(&self) -> usize {
        self.vectors.n_features()
    }

    fn n_parameters(&self) -> usize {
        self.vectors.len() * (self.vectors.n_features() + 1) + 1
    }

    fn predict(&self, features: ArrayView2<'_, f32>) -> Result<Predictions> {
        let level = self.vectors.level();
        vectors::predict(&self.vectors, features, 1, |rows, out| {
            out.fill(self.intercept);
            self.vectors.compare(rows, |row, first, values| {
                out[row] += weighted_sum(level, &self.coefficients[first..], values);
            });
        })
        .map(Predictions::Regression)
    }

    fn state(&self) -> Result<ModelState> {
        let facts = Facts {
            function: self.vectors.function(),
            n_vectors: self.vectors.len(),
            n_features: self.vectors.n_features(),
        };
        let vector = |values: &[f64]| TensorData::f64_vector(values.to_vec());
        Ok(ModelState {
            settings: to_settings(Self::KIND, &facts)?,
            tensors: BTreeMap::from([
                ("vectors".to_owned(), vectors::tensor(&self.vectors)?),
                ("coefficients".to_owned(), vector(&self.coefficients)),
                ("intercept".to_owned(), vector(&[self.intercept])),
            ]),
        })
    }
}
