//! Support vector classification, one class against one (Cortes and Vapnik 1995; Knerr, Personnaz and Dreyfus 1990).

use std::collections::BTreeMap;
use std::ops::Range;

use hitcast_core::parallel::{map, threads_for};
use hitcast_core::{
    CoreError, Dataset, Estimator, Fit, FitContext, Model, ModelState, Predictions, Result, Seed, StopSignal,
    Task, TensorData, TensorValues,
};
use hitcast_kernels::similarity::weighted_sum;
use ndarray::{Array2, ArrayView2, Axis};
use serde::{Deserialize, Serialize};

use super::kernel::{Gamma, KernelFunction, SvmKernel};
use super::platt::{Coupling, Sigmoid};
use super::points::Points;
use super::solver::{Problem, Rules, Solution};
use super::{Common, duration, told, vectors};
use crate::error::ClassicalError;
use crate::penalized::weights_of_mean_one;
use crate::prior::classes_of;
use crate::saved::{Outcome, Size, check_classes, finite, from_settings, reported, to_settings};

/// Parts of the rows, each of which is scored by a machine that did not learn from it.
const FOLDS: usize = 5;

/// Boundaries between every two classes that stay as far from the rows as they can.
///
/// The scores agree with scikit-learn's `SVC` 1.9 to the tolerance of the solver; names and defaults are those of that one.
/// Sample weights scale `c` by row, those that balance classes too; only their ratios matter: their mean counts as 1.
///
/// What is predicted are probabilities, as of every classifier here. Each pair of classes has a logistic curve (Platt 1999) over
/// the scores of rows in five folds, drawn from the fit's seed, by machines that did not learn from them; those of all pairs are
/// coupled (Wu, Lin and Weng 2004). This is what scikit-learn's `SVC(probability=True)` does but that here folds hold
/// the same share of each class, and sample weights count for the curves too. The most probable class is not always the one that
/// scikit-learn's `predict` names, which counts for how many pairs the score speaks: near a boundary they may differ.
///
/// The time of a fit grows with the square of the number of rows or faster; if it will take long, the fit tells how long before
/// it begins.
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

/// An [`Svc`] after its fit: rows near the boundaries, and how much each counts for each of its class's pairs.
#[derive(Debug, Clone, PartialEq)]
pub struct SvcModel {
    n_classes: usize,
    /// The classes that had training rows, rising.
    seen: Vec<usize>,
    /// By class.
    vectors: Points,
    /// Where the vectors of each class end.
    ends: Vec<usize>,
    /// `(k − 1) × n`, for `k` seen classes: one row for each other class.
    coefficients: Vec<f64>,
    /// One a pair.
    intercepts: Vec<f64>,
    /// One a pair.
    sigmoids: Vec<Sigmoid>,
}

/// The pairs of `k` classes, in the order in which all is kept that there is one a pair of.
fn pairs(k: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..k).flat_map(move |first| (first + 1..k).map(move |second| (first, second)))
}

/// How many pairs that are.
fn pairs_of(k: usize) -> usize {
    k.saturating_mul(k.saturating_sub(1)) / 2
}

/// The row of the coefficients of a class's vectors for the pair with another class.
fn place_of(other: usize, class: usize) -> usize {
    if other < class { other } else { other - 1 }
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
        let folds = || std::iter::once(None).chain((0..FOLDS).map(Some));
        let jobs: Vec<Job> = folds()
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
        let whole = jobs.iter().filter(|job| job.fold.is_none());
        let alone: f64 = whole
            .map(|job| duration::seconds(&machine.problem(&rows.learned_from(*job), job.pair.1), rules))
            .sum();
        // Each fold has four fifths of the rows, and the time grows with their square.
        #[allow(clippy::cast_precision_loss)]
        let all = alone * (1.0 + FOLDS as f64 * 0.64) / threads as f64;
        duration::warned(context, all);
        let fitted = map(jobs.len(), threads, |place| {
            machine.fit(jobs[place], rules, context.stop)
        });
        let stopped = told(context, self.tol, fitted.iter().map(|fitted| &fitted.solution));
        Ok(Outcome {
            model: machine.model(n_classes, &fitted)?,
            history: Vec::new(),
            stopped,
        })
    }

    fn common(&self) -> Common {
        Common {
            kernel: self.kernel,
            gamma: self.gamma,
            degree: self.degree,
            coef0: self.coef0,
            c: self.c,
            tol: self.tol,
            shrinking: self.shrinking,
            cache_size: self.cache_size,
            max_iter: self.max_iter,
            threads: self.threads,
        }
    }

    fn size(&self, train: &Dataset) -> Size {
        let k = train.task().width();
        let jobs = (FOLDS + 1).saturating_mul(pairs_of(k));
        let at_a_time = threads_for(self.threads, jobs);
        self.common().size(train, k.saturating_sub(1), at_a_time)
    }
}

impl Estimator for Svc {
    fn fit(&self, train: &Dataset, _validation: Option<&Dataset>, context: &FitContext<'_>) -> Result<Fit> {
        reported(context, self.size(train), 0, || self.machines(train, context))
    }
}

/// The training rows that count.
struct Rows {
    /// The classes that they have, rising.
    seen: Vec<usize>,
    /// The rows of each of these.
    of_class: Vec<Vec<usize>>,
    /// Of each row the place of its class among those seen.
    place: Vec<usize>,
    /// Of each row its fold.
    fold: Vec<usize>,
    /// With the mean 1.
    weights: Vec<f64>,
}

/// A pair of classes, and the fold that is not learned from, if there is one.
#[derive(Debug, Clone, Copy)]
struct Job {
    pair: (usize, usize),
    fold: Option<usize>,
}

/// What a job came to.
struct Fitted {
    job: Job,
    /// The rows that were learned from.
    rows: Vec<usize>,
    solution: Solution,
    /// Of the rows of the fold: the score, whether it is of the second class, and its weight.
    scored: Vec<(f64, bool, f64)>,
}

impl Rows {
    fn of(train: &Dataset, n_classes: usize, seed: Seed) -> Self {
        let weights = weights_of_mean_one(train).unwrap_or_else(|| vec![1.0; train.n_rows()]);
        let classes = train.classes().unwrap_or_default();
        let mut by_class = vec![Vec::new(); n_classes];
        for (row, class) in classes.iter().enumerate().filter(|(row, _)| weights[*row] > 0.0) {
            by_class[*class].push(row);
        }
        let seen: Vec<usize> = (0..n_classes)
            .filter(|class| !by_class[*class].is_empty())
            .collect();
        let of_class: Vec<Vec<usize>> = seen.iter().map(|class| by_class[*class].clone()).collect();
        let (mut place, mut fold) = (vec![0; classes.len()], vec![0; classes.len()]);
        let seed = seed.child("folds");
        for (number, rows) in of_class.iter().enumerate() {
            let mut rows = rows.clone();
            seed.nth(number as u64).stream("rows").shuffle(&mut rows);
            for (drawn, row) in rows.into_iter().enumerate() {
                place[row] = number;
                // Of classes with a row or two not all in the same fold.
                fold[row] = (drawn + number) % FOLDS;
            }
        }
        Self {
            seen,
            of_class,
            place,
            fold,
            weights,
        }
    }

    fn of_pair(&self, (first, second): (usize, usize)) -> impl Iterator<Item = usize> {
        let [first, second] = [first, second].map(|class| self.of_class[class].iter());
        first.chain(second).copied()
    }

    fn learned_from(&self, job: Job) -> Vec<usize> {
        self.of_pair(job.pair)
            .filter(|row| Some(self.fold[*row]) != job.fold)
            .collect()
    }

    fn held_out(&self, job: Job) -> Vec<usize> {
        self.of_pair(job.pair)
            .filter(|row| Some(self.fold[*row]) == job.fold)
            .collect()
    }
}

/// What the jobs share.
struct Machine<'a> {
    rows: &'a Rows,
    function: KernelFunction,
    matrix: ArrayView2<'a, f32>,
    c: f64,
}

impl Machine<'_> {
    /// The problem of these rows of two classes, of which the second is to be scored above 0.
    fn problem(&self, rows: &[usize], second: usize) -> Problem {
        let is_second = |row: &usize| self.rows.place[*row] == second;
        let bound = |row: &usize, wanted: bool| match is_second(row) == wanted {
            true => self.c * self.rows.weights[*row],
            false => 0.0,
        };
        Problem {
            points: Points::of(self.function, self.matrix, rows),
            targets: rows
                .iter()
                .map(|row| if is_second(row) { 1.0 } else { -1.0 })
                .collect(),
            lower: rows.iter().map(|row| -bound(row, false)).collect(),
            upper: rows.iter().map(|row| bound(row, true)).collect(),
            epsilon: 0.0,
        }
    }

    fn fit(&self, job: Job, rules: Rules, stop: &StopSignal) -> Fitted {
        let rows = self.rows.learned_from(job);
        let problem = self.problem(&rows, job.pair.1);
        let solution = problem.solve(rules, stop);
        let held = self.rows.held_out(job);
        let mut scores = vec![solution.intercept; held.len()];
        let (vectors, weights) = problem.support(&solution);
        vectors.compare(self.matrix.select(Axis(0), &held).view(), |row, first, values| {
            scores[row] += weighted_sum(vectors.level(), &weights[first..], values);
        });
        let known = |row: &usize| (self.rows.place[*row] == job.pair.1, self.rows.weights[*row]);
        let scored = scores.into_iter().zip(held.iter().map(known));
        Fitted {
            job,
            rows,
            solution,
            scored: scored
                .map(|(score, (second, weight))| (score, second, weight))
                .collect(),
        }
    }

    fn model(&self, n_classes: usize, fitted: &[Fitted]) -> Result<SvcModel, ClassicalError> {
        let k = self.rows.seen.len();
        let whole: Vec<&Fitted> = fitted.iter().filter(|fitted| fitted.job.fold.is_none()).collect();
        let mut supports = vec![false; self.rows.place.len()];
        for fitted in &whole {
            for (row, coefficient) in fitted.rows.iter().zip(&fitted.solution.coefficients) {
                supports[*row] |= *coefficient != 0.0;
            }
        }
        let (mut support, mut ends) = (Vec::new(), Vec::new());
        let mut number = vec![0; supports.len()];
        for rows in &self.rows.of_class {
            for row in rows.iter().filter(|row| supports[**row]) {
                number[*row] = support.len();
                support.push(*row);
            }
            ends.push(support.len());
        }
        let mut coefficients = vec![0.0; (k - 1) * support.len()];
        for fitted in &whole {
            let (first, second) = fitted.job.pair;
            for (row, coefficient) in fitted.rows.iter().zip(&fitted.solution.coefficients) {
                let class = self.rows.place[*row];
                let other = if class == first { second } else { first };
                if supports[*row] {
                    coefficients[place_of(other, class) * support.len() + number[*row]] = *coefficient;
                }
            }
        }
        let intercepts: Vec<f64> = whole.iter().map(|fitted| fitted.solution.intercept).collect();
        if let Some(&value) = intercepts.iter().find(|value| !value.is_finite()) {
            let what = "an intercept";
            return Err(ClassicalError::NotFinite { what, value });
        }
        let sigmoid = |pair: (usize, usize)| {
            let own = fitted.iter().filter(|fitted| fitted.job.pair == pair);
            let scored: Vec<_> = own.flat_map(|fitted| fitted.scored.iter().copied()).collect();
            Sigmoid::fit(&scored)
        };
        Ok(SvcModel {
            n_classes,
            seen: self.rows.seen.clone(),
            vectors: Points::of(self.function, self.matrix, &support),
            ends,
            coefficients,
            intercepts,
            sigmoids: pairs(k).map(sigmoid).collect(),
        })
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Facts {
    function: KernelFunction,
    n_features: usize,
    n_classes: usize,
    seen: Vec<usize>,
    ends: Vec<usize>,
}

impl SvcModel {
    /// The kind under which it is saved.
    pub const KIND: &'static str = "svc";

    /// Loads a saved model.
    ///
    /// # Errors
    /// [`CoreError::State`] if something is missing, of another shape or type, or not finite.
    pub fn from_state(state: &ModelState) -> Result<Self> {
        let Facts {
            function,
            n_features,
            n_classes,
            seen,
            ends,
        } = from_settings(Self::KIND, state)?;
        check_classes(&seen, n_classes)?;
        let k = seen.len();
        if ends.len() != k || !ends.is_sorted() {
            return Err(CoreError::State(format!(
                "support vectors of {k} classes that end at {ends:?}"
            )));
        }
        let n_vectors = ends.last().copied().unwrap_or(0);
        let coefficients = state.f64("coefficients", &[k - 1, n_vectors])?.to_vec();
        if let Some(value) = coefficients.iter().find(|value| !value.is_finite()) {
            return Err(CoreError::State(format!("tensor \"coefficients\" holds {value}")));
        }
        let [slopes, offsets] = ["slopes", "offsets"].map(|name| finite(state, name, pairs_of(k)));
        let sigmoids = slopes?.into_iter().zip(offsets?);
        Ok(Self {
            n_classes,
            seen,
            vectors: vectors::load(state, function, n_vectors, n_features)?,
            ends,
            coefficients,
            intercepts: finite(state, "intercepts", pairs_of(k))?,
            sigmoids: sigmoids
                .map(|(slope, offset)| Sigmoid { slope, offset })
                .collect(),
        })
    }

    /// The classes that had training rows.
    pub fn seen_classes(&self) -> &[usize] {
        &self.seen
    }

    /// The scores of rows (`m × d`), of which probabilities are made: `m × p`, one for each of the `p` pairs of seen classes,
    /// in the order (0, 1), (0, 2), …, (1, 2), …. Above 0 a score speaks for the second class of its pair, as scikit-learn's
    /// `decision_function` does of two classes; of more, that one has the other sign.
    ///
    /// # Errors
    /// As [`predict`](Model::predict).
    pub fn scores(&self, features: ArrayView2<'_, f32>) -> Result<Array2<f64>> {
        let width = self.intercepts.len();
        let scores = vectors::predict(&self.vectors, features, width, |rows, out| self.score(rows, out))?;
        Array2::from_shape_vec((features.nrows(), width), scores)
            .map_err(|error| CoreError::State(error.to_string()))
    }

    /// The vectors of a class.
    fn of_class(&self, class: usize) -> Range<usize> {
        let start = class.checked_sub(1).map_or(0, |before| self.ends[before]);
        start..self.ends[class]
    }

    /// Writes the scores of some rows.
    fn score(&self, rows: ArrayView2<'_, f32>, out: &mut [f64]) {
        let (k, level) = (self.seen.len(), self.vectors.level());
        let width = self.intercepts.len();
        for out in out.chunks_exact_mut(width) {
            out.copy_from_slice(&self.intercepts);
        }
        self.vectors.compare(rows, |row, first, values| {
            let out = &mut out[row * width..][..width];
            for (out, (a, b)) in out.iter_mut().zip(pairs(k)) {
                for (class, other) in [(a, b), (b, a)] {
                    let own = self.of_class(class);
                    let (start, end) = (own.start.max(first), own.end.min(first + values.len()));
                    if start < end {
                        let row = &self.coefficients[place_of(other, class) * self.vectors.len()..];
                        *out += weighted_sum(level, &row[start..end], &values[start - first..]);
                    }
                }
            }
        });
    }
}

impl Model for SvcModel {
    fn kind(&self) -> &'static str {
        Self::KIND
    }

    fn n_features(&self) -> usize {
        self.vectors.n_features()
    }

    fn n_parameters(&self) -> usize {
        let per_vector = self.vectors.n_features() + self.seen.len() - 1;
        self.vectors.len() * per_vector + 3 * self.intercepts.len()
    }

    fn predict(&self, features: ArrayView2<'_, f32>) -> Result<Predictions> {
        let (k, width) = (self.seen.len(), self.intercepts.len());
        let values = vectors::predict(&self.vectors, features, self.n_classes, |rows, out| {
            let mut scores = vec![0.0; rows.nrows() * width];
            self.score(rows, &mut scores);
            let (mut coupling, mut probabilities) = (Coupling::new(k), vec![0.0; k]);
            for (scores, out) in scores
                .chunks_exact(width)
                .zip(out.chunks_exact_mut(self.n_classes))
            {
                for ((first, second), (score, sigmoid)) in pairs(k).zip(scores.iter().zip(&self.sigmoids)) {
                    coupling.set(first, second, sigmoid.probability(*score));
                }
                coupling.solve(&mut probabilities);
                for (class, probability) in self.seen.iter().zip(&probabilities) {
                    out[*class] = *probability;
                }
            }
        })?;
        let task = Task::Classification {
            n_classes: self.n_classes,
        };
        Predictions::from_values(task, values)
    }

    fn state(&self) -> Result<ModelState> {
        let facts = Facts {
            function: self.vectors.function(),
            n_features: self.vectors.n_features(),
            n_classes: self.n_classes,
            seen: self.seen.clone(),
            ends: self.ends.clone(),
        };
        let shape = vec![self.seen.len() - 1, self.vectors.len()];
        let coefficients = TensorData::new(shape, TensorValues::F64(self.coefficients.clone()))?;
        let vector = |values: Vec<f64>| TensorData::f64_vector(values);
        let slopes = self.sigmoids.iter().map(|sigmoid| sigmoid.slope).collect();
        let offsets = self.sigmoids.iter().map(|sigmoid| sigmoid.offset).collect();
        Ok(ModelState {
            settings: to_settings(Self::KIND, &facts)?,
            tensors: BTreeMap::from([
                ("vectors".to_owned(), vectors::tensor(&self.vectors)?),
                ("coefficients".to_owned(), coefficients),
                ("intercepts".to_owned(), vector(self.intercepts.clone())),
                ("slopes".to_owned(), vector(slopes)),
                ("offsets".to_owned(), vector(offsets)),
            ]),
        })
    }
}
