//! The machines of a fit: one for each pair of classes, and for each fold of its rows one that has not seen them.

use std::cmp::Reverse;
use std::collections::HashMap;

use hitcast_core::{Dataset, Seed, StopSignal};
use hitcast_kernels::similarity::weighted_sum;
use ndarray::{ArrayView2, Axis};

use super::SvcModel;
use crate::error::ClassicalError;
use crate::penalized::weights_of_mean_one;
use crate::svm::duration;
use crate::svm::kernel::KernelFunction;
use crate::svm::platt::Sigmoid;
use crate::svm::points::Points;
use crate::svm::solver::{Problem, Rules, Solution};

/// Parts of the rows, each of which is scored by a machine that did not learn from it.
pub(super) const FOLDS: usize = 5;

/// The pairs of `k` classes, in the order in which all is kept that there is one a pair of.
pub(super) fn pairs(k: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..k).flat_map(move |first| (first + 1..k).map(move |second| (first, second)))
}

/// How many pairs that are.
pub(super) fn pairs_of(k: usize) -> usize {
    k.saturating_mul(k.saturating_sub(1)) / 2
}

/// The row of the coefficients of a class's vectors for the pair with another class.
pub(super) fn place_of(other: usize, class: usize) -> usize {
    if other < class { other } else { other - 1 }
}

/// The training rows that count.
pub(super) struct Rows {
    /// The classes that they have, rising.
    pub(super) seen: Vec<usize>,
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
pub(super) struct Job {
    pub(super) pair: (usize, usize),
    pub(super) fold: Option<usize>,
}

/// What a job came to.
pub(super) struct Fitted {
    job: Job,
    /// The rows that were learned from; of a fold none are kept, nor coefficients.
    rows: Vec<usize>,
    pub(super) solution: Solution,
    /// Of the rows of the fold: the score, whether it is of the second class, and its weight.
    scored: Vec<(f64, bool, f64)>,
}

impl Rows {
    pub(super) fn of(train: &Dataset, n_classes: usize, seed: Seed) -> Self {
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
        let mut place = vec![0; classes.len()];
        for (number, rows) in of_class.iter().enumerate() {
            rows.iter().for_each(|row| place[*row] = number);
        }
        Self {
            fold: folds(&of_class, &place, train.groups(), seed.child("folds")),
            seen,
            of_class,
            place,
            weights,
        }
    }

    fn of_pair(&self, (first, second): (usize, usize)) -> impl Iterator<Item = usize> {
        let [first, second] = [first, second].map(|class| self.of_class[class].iter());
        first.chain(second).copied()
    }

    /// About how many rows are learned from.
    fn count(&self, job: Job) -> usize {
        let (first, second) = job.pair;
        let all = self.of_class[first].len() + self.of_class[second].len();
        match job.fold {
            Some(_) => all - all / FOLDS,
            None => all,
        }
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

/// The fold of each row, drawn so that each has about the same share of every class and rows of a group, if there are groups, are
/// in the same one. `of_class` are the rows of each class that count, and `place` their classes.
fn folds(of_class: &[Vec<usize>], place: &[usize], groups: Option<&[usize]>, seed: Seed) -> Vec<usize> {
    let group = |row: usize| groups.map_or(row, |groups| groups[row]);
    let mut members: HashMap<usize, Vec<usize>> = HashMap::new();
    for row in of_class.iter().flatten() {
        members.entry(group(*row)).or_default().push(*row);
    }
    let mut fold = vec![0; place.len()];
    // Of each class the rows that each fold has.
    let mut counts = vec![[0_usize; FOLDS]; of_class.len()];
    for (class, rows) in of_class.iter().enumerate() {
        let mut rows = rows.clone();
        seed.nth(class as u64).stream("rows").shuffle(&mut rows);
        // Large ones first: small ones make up for them.
        rows.sort_by_key(|row| Reverse(members.get(&group(*row)).map_or(0, Vec::len)));
        for row in rows {
            let Some(own) = members.remove(&group(row)) else {
                continue;
            };
            // Of classes with a row or two not all in the same fold.
            let free = (class..class + FOLDS).map(|fold| fold % FOLDS);
            let emptiest = free.min_by_key(|fold| counts[class][*fold]).unwrap_or(0);
            for row in own {
                fold[row] = emptiest;
                counts[place[row]][emptiest] += 1;
            }
        }
    }
    fold
}

/// What the jobs share.
pub(super) struct Machine<'a> {
    pub(super) rows: &'a Rows,
    pub(super) function: KernelFunction,
    pub(super) matrix: ArrayView2<'a, f32>,
    pub(super) c: f64,
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

    /// Seconds that the jobs will take one after the other: as long, for the squares of their rows, as a few of them.
    pub(super) fn seconds(&self, jobs: &[Job], rules: Rules) -> f64 {
        const MEASURED: usize = 6;
        #[allow(clippy::cast_precision_loss)]
        let squared = |job: &Job| (self.rows.count(*job) as f64).powi(2);
        let whole: Vec<&Job> = jobs.iter().filter(|job| job.fold.is_none()).collect();
        let (mut seconds, mut measured) = (0.0, 0.0);
        for job in whole.iter().step_by(whole.len().div_ceil(MEASURED).max(1)) {
            let problem = self.problem(&self.rows.learned_from(**job), job.pair.1);
            seconds += duration::seconds(&problem, rules);
            measured += squared(job);
        }
        let all: f64 = jobs.iter().map(squared).sum();
        if measured > 0.0 {
            seconds * all / measured
        } else {
            0.0
        }
    }

    pub(super) fn fit(&self, job: Job, rules: Rules, stop: &StopSignal) -> Fitted {
        let mut rows = self.rows.learned_from(job);
        let problem = self.problem(&rows, job.pair.1);
        let mut solution = problem.solve(rules, stop);
        let held = self.rows.held_out(job);
        let mut scores = vec![solution.intercept; held.len()];
        let (vectors, weights) = problem.support(&solution);
        vectors.compare(self.matrix.select(Axis(0), &held).view(), |row, first, values| {
            scores[row] += weighted_sum(vectors.level(), &weights[first..], values);
        });
        let known = |row: &usize| (self.rows.place[*row] == job.pair.1, self.rows.weights[*row]);
        let scored = scores.into_iter().zip(held.iter().map(known));
        if job.fold.is_some() {
            (rows, solution.coefficients) = (Vec::new(), Vec::new());
        }
        Fitted {
            job,
            rows,
            solution,
            scored: scored
                .map(|(score, (second, weight))| (score, second, weight))
                .collect(),
        }
    }

    pub(super) fn model(&self, n_classes: usize, fitted: &[Fitted]) -> Result<SvcModel, ClassicalError> {
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

#[cfg(test)]
mod tests {
    use hitcast_core::{FeatureColumn, Features};
    use ndarray::Array2;

    use super::*;

    /// 60 rows of three classes, of which the third is rare.
    fn data() -> Dataset {
        let features = Features::new(Array2::zeros((60, 1)), vec![FeatureColumn::plain("x")]).unwrap();
        let classes: Vec<usize> = (0..60).map(|row| [0, 0, 1, 0, 1, 2][row * 7 % 6]).collect();
        Dataset::of_classes(features, &classes, 3).unwrap()
    }

    #[test]
    fn folds_have_the_same_share_of_each_class() {
        let rows = Rows::of(&data(), 3, Seed::new(1));
        for own in &rows.of_class {
            for fold in 0..FOLDS {
                let count = own.iter().filter(|row| rows.fold[**row] == fold).count();
                assert_eq!(count, own.len() / FOLDS);
            }
        }
    }

    #[test]
    fn no_machine_learns_from_a_group_that_it_scores() {
        // Of two to six rows of all classes.
        let groups: Vec<usize> = (0..60_usize).map(|row| (row * row) % 17).collect();
        for seed in 0..20 {
            let data = data().with_groups(groups.clone()).unwrap();
            let rows = Rows::of(&data, 3, Seed::new(seed));
            for pair in pairs(3) {
                for fold in 0..FOLDS {
                    let job = Job {
                        pair,
                        fold: Some(fold),
                    };
                    let learned: Vec<usize> = rows.learned_from(job).iter().map(|row| groups[*row]).collect();
                    let held = rows.held_out(job);
                    assert!(held.iter().all(|row| !learned.contains(&groups[*row])));
                    assert!(!held.is_empty() && !learned.is_empty());
                }
            }
        }
    }
}
