//! Support vector classification, one class against one (Cortes and Vapnik 1995; Knerr, Personnaz and Dreyfus 1990).

mod model;
mod pairs;

use hitcast_core::parallel::{map, threads_for};
use hitcast_core::{CoreError, Dataset, Estimator, Fit, FitContext, Result, Seed, StopSignal};
use serde::{Deserialize, Serialize};

pub use self::model::SvcModel;

use self::pairs::{FOLDS, Job, Machine, Rows, pairs, pairs_of};
use super::kernel::{Gamma, SvmKernel};
use super::{Common, common, duration, told};
use crate::error::ClassicalError;
use crate::prior::classes_of;
use crate::saved::{Outcome, Size, reported};

/// Boundaries between every two classes that stay as far from the rows as they can.
///
/// The scores agree with scikit-learn's `SVC` 1.9 to the tolerance of the solver; names and defaults are those of that one.
/// Sample weights scale `c` by row, those that balance classes too; only their ratios matter: their mean counts as 1.
///
/// What is predicted are probabilities, as of every classifier here. Each pair of classes has a logistic curve (Platt 1999) over
/// the scores of rows in five folds, drawn from the fit's seed, by machines that did not learn from them; those of all pairs are
/// coupled (Wu, Lin and Weng 2004). This is what scikit-learn's `SVC(probability=True)` does but that here folds hold
/// the same share of each class, rows of a [group](Dataset::groups) are in the same fold, and sample weights count for the curves
/// too. The most probable class is not always the one that
/// scikit-learn's `predict` names, which counts for how many pairs the score speaks: near a boundary they may differ.
///
/// The time of a fit grows with the square of the number of rows or faster, and the folds behind the probabilities take some three
/// times as long as the machines themselves; if a fit will take long, it tells how long before it begins.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Svc {
    /// How alike two rows are. Default RBF.
    pub kernel: SvmKernel,
    /// The kernel's factor γ. Default scale.
    pub gamma: Gamma,
    /// The power of the polynomial kernel, at least 1. Default 3.
    pub degree: usize,
    /// The summand of the polynomial and the sigmoid kernel. Default 0.
    pub coef0: f64,
    /// How much rows on the wrong side count against a wide margin, above 0. Default 1.
    #[serde(alias = "C")]
    pub c: f64,
    /// How far two rows may be from the optimum at the end, where the margin is 1; above 0. Default 1e-3.
    pub tol: f64,
    /// As [`Svr::shrinking`](super::Svr::shrinking).
    pub shrinking: bool,
    /// As [`Svr::cache_size`](super::Svr::cache_size), of all pairs and folds together.
    pub cache_size: f64,
    /// As [`Svr::max_iter`](super::Svr::max_iter), of each pair and fold.
    pub max_iter: Option<usize>,
    /// As [`Svr::threads`](super::Svr::threads); pairs and folds are fitted beside each other.
    pub threads: usize,
}

impl Default for Svc {
    fn default() -> Self {
        Self {
            kernel: SvmKernel::Rbf,
            gamma: Gamma::Scale,
            degree: 3,
            coef0: 0.0,
            c: 1.0,
            tol: 1e-3,
            shrinking: true,
            cache_size: 200.0,
            max_iter: None,
            threads: 0,
        }
    }
}

impl Svc {
    /// Learns from the training rows.
    ///
    /// # Errors
    /// [`CoreError::WrongTask`] for numbers, [`CoreError::Model`] with [`ClassicalError::Setting`] on an impossible setting,
    /// with [`ClassicalError::OneClass`], or with [`ClassicalError::NotFinite`] if features are too large.
    pub fn fit_model(&self, train: &Dataset, seed: Seed) -> Result<SvcModel> {
        let stop = StopSignal::new();
        self.machines(train, &FitContext::quiet(SvcModel::KIND, seed, &stop))
            .map(|outcome| outcome.model)
    }

    fn machines(&self, train: &Dataset, context: &FitContext<'_>) -> Result<Outcome<SvcModel>> {
        let n_classes = classes_of(train)?;
        self.solve(train, n_classes, context)
            .map_err(|error| CoreError::model(SvcModel::KIND, error))
    }

    fn solve(
        &self,
        train: &Dataset,
        n_classes: usize,
        context: &FitContext<'_>,
    ) -> Result<Outcome<SvcModel>, ClassicalError> {
        let matrix = train.features().matrix();
        let function = self.common().check(matrix.view())?;
        let rows = Rows::of(train, n_classes, context.seed);
        if let [class] = rows.seen[..] {
            return Err(ClassicalError::OneClass { class });
        }
        let folds = std::iter::once(None).chain((0..FOLDS).map(Some));
        let jobs: Vec<Job> = folds
            .flat_map(|fold| pairs(rows.seen.len()).map(move |pair| Job { pair, fold }))
            .collect();
        let threads = threads_for(self.threads, jobs.len());
        let rules = self.common().rules(train.n_rows(), threads);
        let machine = Machine {
            rows: &rows,
            function,
            matrix: matrix.view(),
            c: self.c,
        };
        #[allow(clippy::cast_precision_loss)]
        duration::warned(context, machine.seconds(&jobs, rules) / threads as f64);
        let fitted = map(jobs.len(), threads, |place| {
            machine.fit(jobs[place], rules, context.stop)
        });
        let stopped = told(context, self.tol, fitted.iter().map(|fitted| &fitted.solution));
        Ok(Outcome {
            best_epoch: None,
            model: machine.model(n_classes, &fitted)?,
            history: Vec::new(),
            stopped,
        })
    }

    fn common(&self) -> Common {
        common!(self)
    }

    fn size(&self, train: &Dataset) -> Size {
        let k = train.task().width();
        let jobs = (FOLDS + 1).saturating_mul(pairs_of(k));
        let at_a_time = threads_for(self.threads, jobs);
        let others = k.saturating_sub(1);
        let size = self.common().size(train, others, at_a_time);
        // Each row is in a pair with each other class: there it has a number, a coefficient, and once a score.
        let kept = train.n_rows().saturating_mul(40).saturating_mul(others);
        Size {
            bytes: size.bytes.saturating_add(kept),
            ..size
        }
    }
}

impl Estimator for Svc {
    fn fit(&self, train: &Dataset, _validation: Option<&Dataset>, context: &FitContext<'_>) -> Result<Fit> {
        reported(context, self.size(train), 0, || self.machines(train, context))
    }
}
