//! Sequential minimal optimisation (Platt 1998) with the working sets of Fan, Chen and Lin (2005) and the shrinking of
//! libsvm (Chang and Lin 2011): two rows at a time are moved towards the optimum, and rows that will stay at a bound are set
//! aside.

use std::borrow::Cow;

use hitcast_core::StopSignal;
use hitcast_core::parallel::{map, threads_for};
use hitcast_kernels::pairs::{self, Highest};
use hitcast_kernels::similarity::weighted_sum;
use ndarray::Array2;

use super::cache::RowCache;
use super::points::{Points, WORTH_A_THREAD};

/// The smallest curvature that counts as one.
const FLAT: f64 = 1e-12;

/// Steps between two looks at which rows can be set aside.
const STEPS_TO_SHRINK: usize = 1000;

/// Rows are set aside once they are at least one of so many: it costs a copy of those that are left.
const WORTH_SHRINKING: usize = 4;

/// Rows whose residuals are recomputed together.
const BLOCK: usize = 64;

/// Minimises Σ β β' K / 2 − Σ β target + ε Σ |β| over one coefficient β a row, which sum to 0 and lie between two bounds.
///
/// A regression has the targets as they are; two classes have targets ±1, ε = 0 and one bound 0.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) points: Points,
    pub(super) targets: Vec<f64>,
    /// At most 0.
    pub(super) lower: Vec<f64>,
    /// At least 0.
    pub(super) upper: Vec<f64>,
    pub(super) epsilon: f64,
}

/// How a problem is solved.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    /// How far two rows may be from the optimum at the end.
    pub(super) tol: f64,
    pub(super) shrinking: bool,
    pub(super) cache_bytes: usize,
    pub(super) max_iter: usize,
    pub(super) threads: usize,
}

/// Why the steps ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// No two rows are further from the optimum than allowed.
    Converged,
    /// The steps were used up, or became too small to be told.
    Early,
    /// A stop was requested.
    Requested,
}

/// What predicts `intercept + Σ β K`.
#[derive(Debug)]
pub(super) struct Solution {
    /// β of each row.
    pub(super) coefficients: Vec<f64>,
    pub(super) intercept: f64,
    pub(super) steps: usize,
    /// How far two rows were from the optimum at the end.
    pub(super) gap: f64,
    pub(super) ended: Ended,
}

/// The rows that were not set aside.
struct Active<'a> {
    /// Their numbers, rising.
    rows: Vec<usize>,
    points: Cow<'a, Points>,
    /// Target less prediction without intercept: how much the objective falls as β grows, but for ε.
    residuals: Vec<f64>,
    /// What ε adds to that; −∞ if β may not grow.
    rises: Vec<f64>,
    /// What ε adds to it if β falls; ∞ if it may not.
    falls: Vec<f64>,
    diagonal: Vec<f32>,
    cache: RowCache,
}

struct Solver<'a> {
    problem: &'a Problem,
    rules: Rules,
    coefficients: Vec<f64>,
    active: Active<'a>,
}

impl Problem {
    /// Solves it, or comes as near as it may.
    pub(super) fn solve(&self, rules: Rules, stop: &StopSignal) -> Solution {
        let n = self.points.len();
        if n == 0 {
            return Solution {
                coefficients: Vec::new(),
                intercept: 0.0,
                steps: 0,
                gap: 0.0,
                ended: Ended::Converged,
            };
        }
        let coefficients = vec![0.0; n];
        let solver = Solver {
            problem: self,
            rules,
            active: Active::all(self, self.targets.clone(), &coefficients, rules),
            coefficients,
        };
        solver.run(stop)
    }

    /// The points whose coefficients are not 0, and these.
    pub(super) fn support(&self, solution: &Solution) -> (Points, Vec<f64>) {
        support(&self.points, &solution.coefficients)
    }
}

fn support(points: &Points, coefficients: &[f64]) -> (Points, Vec<f64>) {
    let places: Vec<usize> = (0..coefficients.len())
        .filter(|place| coefficients[*place] != 0.0)
        .collect();
    let weights = places.iter().map(|place| coefficients[*place]).collect();
    (points.select(&places), weights)
}

impl Solver<'_> {
    fn run(mut self, stop: &StopSignal) -> Solution {
        let shrink_every = self.coefficients.len().min(STEPS_TO_SHRINK);
        let mut countdown = shrink_every;
        let mut top = self.highest();
        let mut steps = 0;
        loop {
            if self.rules.shrinking && countdown == 0 {
                countdown = shrink_every;
                self.shrink(top.value);
                top = self.highest();
            }
            countdown = countdown.saturating_sub(1);
            let (partner, row) = self.partner(top);
            let gap = top.value - partner.lowest;
            let stopped = stop.is_requested();
            let converged = gap < self.rules.tol;
            let whole = self.active.rows.len() == self.coefficients.len();
            if converged && !whole && !stopped {
                self.expand();
                top = self.highest();
                // Rows that are at their bound are soon set aside again.
                countdown = 1;
                continue;
            }
            let ended = match partner.place {
                _ if converged && whole => Ended::Converged,
                _ if stopped => Ended::Requested,
                Some(place) if steps < self.rules.max_iter => {
                    if let Some(next) = self.step(top.place, place, row) {
                        top = next;
                        steps += 1;
                        continue;
                    }
                    Ended::Early
                }
                _ => Ended::Early,
            };
            if ended == Ended::Early && !whole {
                // How good it is depends on the rows set aside too.
                self.expand();
                top = self.highest();
                continue;
            }
            return Solution {
                intercept: self.intercept(top.value, partner.lowest),
                coefficients: self.coefficients,
                steps,
                gap: gap.max(0.0),
                ended,
            };
        }
    }

    /// The row whose coefficient should grow most.
    fn highest(&self) -> Highest {
        let Active {
            points,
            residuals,
            rises,
            ..
        } = &self.active;
        pairs::highest(points.level(), residuals, rises)
    }

    /// The row whose coefficient should fall as that one grows, and the slot of the first's kernel row.
    fn partner(&mut self, top: Highest) -> (pairs::Partner, usize) {
        let slot = self.active.kernel_row(top.place, self.rules.threads);
        let Active {
            points,
            residuals,
            falls,
            diagonal,
            cache,
            ..
        } = &self.active;
        let own = (top.value, diagonal[top.place]);
        let row = cache.row(slot);
        let found = pairs::partner(points.level(), own, residuals, falls, row, diagonal);
        (found, slot)
    }

    /// Moves weight from the second row to the first; `None` if that is too little to be told.
    fn step(&mut self, first: usize, second: usize, slot: usize) -> Option<Highest> {
        let other = self.active.kernel_row(second, self.rules.threads);
        let active = &mut self.active;
        let rise = active.residuals[first] + active.rises[first];
        let fall = active.residuals[second] + active.falls[second];
        let curvature = f64::from(active.diagonal[first]) + f64::from(active.diagonal[second])
            - 2.0 * f64::from(active.cache.row(slot)[second]);
        let (grows, shrinks) = (active.rows[first], active.rows[second]);
        let (old, old_other) = (self.coefficients[grows], self.coefficients[shrinks]);
        // Not beyond 0, where ε turns.
        let upper = if old < 0.0 { 0.0 } else { self.problem.upper[grows] };
        let lower = if old_other > 0.0 {
            0.0
        } else {
            self.problem.lower[shrinks]
        };
        let (room, room_other) = (upper - old, old_other - lower);
        let change = ((rise - fall) / curvature.max(FLAT)).min(room).min(room_other);
        // Exactly there, where it is as far as it goes.
        let new = if change >= room { upper } else { old + change };
        let new_other = if change >= room_other {
            lower
        } else {
            old_other - change
        };
        if new == old && new_other == old_other {
            return None;
        }
        self.coefficients[grows] = new;
        self.coefficients[shrinks] = new_other;
        // Before the pass, which looks for the highest with the new bounds.
        for (place, coefficient) in [(first, new), (second, new_other)] {
            active.refresh(self.problem, place, coefficient);
        }
        let changes = [
            (new - old, active.cache.row(slot)),
            (new_other - old_other, active.cache.row(other)),
        ];
        let level = active.points.level();
        Some(pairs::update(
            level,
            &mut active.residuals,
            changes,
            &active.rises,
        ))
    }

    /// Sets aside rows at a bound that lie beyond all that could be paired with them.
    fn shrink(&mut self, top: f64) {
        let lowest = self.active.lowest();
        let active = &self.active;
        let stays = |place: &usize| {
            let (rise, fall) = (
                active.residuals[*place] + active.rises[*place],
                active.residuals[*place] + active.falls[*place],
            );
            rise >= lowest || fall <= top
        };
        let kept: Vec<usize> = (0..active.rows.len()).filter(stays).collect();
        // The pair that is furthest apart is left in any case.
        if active.rows.len() - kept.len() > active.rows.len() / WORTH_SHRINKING && kept.len() >= 2 {
            self.active.keep(&kept);
        }
    }

    /// Takes all rows up again: the residuals of those set aside are computed from all coefficients.
    fn expand(&mut self) {
        let (problem, n) = (self.problem, self.coefficients.len());
        if self.active.rows.len() == n {
            return;
        }
        let mut residuals = vec![f64::NAN; n];
        for (row, residual) in self.active.rows.iter().zip(&self.active.residuals) {
            residuals[*row] = *residual;
        }
        let aside: Vec<usize> = (0..n).filter(|row| residuals[*row].is_nan()).collect();
        let (vectors, weights) = support(&problem.points, &self.coefficients);
        let numbers = aside.len() * (weights.len() + 1) * (problem.points.n_features() + 1);
        let threads = threads_for(self.rules.threads, numbers / WORTH_A_THREAD);
        let blocks: Vec<&[usize]> = aside.chunks(BLOCK).collect();
        let sums = map(blocks.len(), threads, |block| {
            let rows: Vec<f32> = blocks[block]
                .iter()
                .flat_map(|row| problem.points.point(*row))
                .collect();
            let shape = (blocks[block].len(), problem.points.n_features());
            let mut sums = vec![0.0; blocks[block].len()];
            // The shape holds the rows that were just written.
            if let Ok(queries) = Array2::from_shape_vec(shape, rows) {
                vectors.compare(queries.view(), |query, first, values| {
                    sums[query] += weighted_sum(vectors.level(), &weights[first..], values);
                });
            }
            sums
        });
        for (row, sum) in aside.iter().zip(sums.into_iter().flatten()) {
            residuals[*row] = problem.targets[*row] - sum;
        }
        self.active = Active::all(problem, residuals, &self.coefficients, self.rules);
    }

    /// What the rows strictly between their bounds agree on; if there are none, the middle of what is possible.
    #[allow(clippy::cast_precision_loss)]
    fn intercept(&self, top: f64, lowest: f64) -> f64 {
        let active = &self.active;
        // So is a coefficient of 0 that may go both ways at no cost.
        let free = (0..active.rows.len()).filter(|place| active.rises[*place] == active.falls[*place]);
        let (mut sum, mut count) = (0.0, 0_usize);
        for place in free {
            sum += active.residuals[place] + active.rises[place];
            count += 1;
        }
        match count {
            0 if top.is_finite() && lowest.is_finite() => f64::midpoint(top, lowest),
            0 if lowest.is_finite() => lowest,
            0 => top,
            _ => sum / count as f64,
        }
    }
}

impl Problem {
    /// What ε adds to the slope of a row as its coefficient grows, and as it falls; −∞ and ∞ where it may not.
    fn slopes(&self, row: usize, coefficient: f64) -> (f64, f64) {
        let rise = match coefficient {
            _ if coefficient >= self.upper[row] => f64::NEG_INFINITY,
            _ if coefficient < 0.0 => self.epsilon,
            _ => -self.epsilon,
        };
        let fall = match coefficient {
            _ if coefficient <= self.lower[row] => f64::INFINITY,
            _ if coefficient > 0.0 => -self.epsilon,
            _ => self.epsilon,
        };
        (rise, fall)
    }
}

impl<'a> Active<'a> {
    /// All rows of a problem.
    fn all(problem: &'a Problem, residuals: Vec<f64>, coefficients: &[f64], rules: Rules) -> Self {
        let n = problem.points.len();
        let mut all = Self {
            rows: (0..n).collect(),
            points: Cow::Borrowed(&problem.points),
            residuals,
            rises: vec![0.0; n],
            falls: vec![0.0; n],
            diagonal: problem.points.diagonal(),
            cache: RowCache::new(rules.cache_bytes, n),
        };
        for (row, coefficient) in coefficients.iter().enumerate() {
            all.refresh(problem, row, *coefficient);
        }
        all
    }

    /// Recomputes what the coefficient of the row at a place may do, which is now this.
    fn refresh(&mut self, problem: &Problem, place: usize, coefficient: f64) {
        (self.rises[place], self.falls[place]) = problem.slopes(self.rows[place], coefficient);
    }

    /// The slot of the similarities of a row to all.
    fn kernel_row(&mut self, place: usize, threads: usize) -> usize {
        let points = &self.points;
        self.cache
            .slot(place, |values| points.fill(&points.point(place), threads, values))
    }

    /// The lowest score of those whose coefficients may fall.
    fn lowest(&self) -> f64 {
        let scores = self.residuals.iter().zip(&self.falls);
        scores.fold(f64::INFINITY, |lowest, (residual, fall)| {
            lowest.min(residual + fall)
        })
    }

    /// Forgets all but these.
    fn keep(&mut self, kept: &[usize]) {
        fn select<T: Copy>(values: &mut Vec<T>, kept: &[usize]) {
            *values = kept.iter().map(|place| values[*place]).collect();
        }
        select(&mut self.rows, kept);
        select(&mut self.residuals, kept);
        select(&mut self.rises, kept);
        select(&mut self.falls, kept);
        select(&mut self.diagonal, kept);
        self.points = Cow::Owned(self.points.select(kept));
        self.cache.keep(kept);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::svm::kernel::{Gamma, KernelFunction, SvmKernel};
    use hitcast_core::Seed;
    use proptest::prelude::*;

    const RULES: Rules = Rules {
        tol: 1e-5,
        shrinking: true,
        cache_bytes: 1 << 20,
        max_iter: 1_000_000,
        threads: 1,
    };

    /// Rows with a curved target, or with two classes; bounds differ by row.
    fn problem(kernel: SvmKernel, classes: bool, n: usize, c: f64, seed: u64) -> Problem {
        let mut stream = Seed::new(seed).stream("rows");
        #[allow(clippy::cast_possible_truncation)]
        let rows = Array2::from_shape_fn((n, 3), |_| stream.normal() as f32);
        let function = KernelFunction::new(kernel, Gamma::Scale, 2, 0.5, rows.view()).unwrap();
        let all: Vec<usize> = (0..n).collect();
        let curve = |row: ndarray::ArrayView1<'_, f32>| f64::from(row[0]).sin() + f64::from(row[1] * row[2]);
        let curve: Vec<f64> = rows
            .rows()
            .into_iter()
            .map(|row| curve(row) + 0.2 * stream.normal())
            .collect();
        let bound: Vec<f64> = (0..n).map(|_| c * (0.5 + stream.uniform())).collect();
        let second: Vec<bool> = curve.iter().map(|y| *y > 0.0).collect();
        let of = |wanted: bool| -> Vec<f64> {
            let bound = bound.iter().zip(&second);
            bound
                .map(|(bound, second)| {
                    if !classes || *second == wanted {
                        *bound
                    } else {
                        0.0
                    }
                })
                .collect()
        };
        Problem {
            points: Points::of(function, rows.view(), &all),
            upper: of(true),
            lower: of(false).into_iter().map(|bound| -bound).collect(),
            targets: if classes {
                second
                    .iter()
                    .map(|second| if *second { 1.0 } else { -1.0 })
                    .collect()
            } else {
                curve
            },
            epsilon: if classes { 0.0 } else { 0.1 },
        }
    }

    /// How far two rows are from the optimum by a plain computation, and how far coefficients are from a sum of 0.
    fn violation(problem: &Problem, coefficients: &[f64]) -> (f64, f64) {
        let n = problem.points.len();
        let (mut top, mut lowest) = (f64::NEG_INFINITY, f64::INFINITY);
        for row in 0..n {
            let mut similarities = vec![0.0; n];
            problem
                .points
                .fill(&problem.points.point(row), 1, &mut similarities);
            let sum: f64 = similarities
                .iter()
                .zip(coefficients)
                .map(|(k, b)| f64::from(*k) * b)
                .sum();
            let (residual, own) = (problem.targets[row] - sum, coefficients[row]);
            assert!((problem.lower[row]..=problem.upper[row]).contains(&own), "{own}");
            if own < problem.upper[row] {
                let pays = if own < 0.0 {
                    -problem.epsilon
                } else {
                    problem.epsilon
                };
                top = top.max(residual - pays);
            }
            if own > problem.lower[row] {
                let pays = if own > 0.0 {
                    -problem.epsilon
                } else {
                    problem.epsilon
                };
                lowest = lowest.min(residual + pays);
            }
        }
        (top - lowest, coefficients.iter().sum::<f64>().abs())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        #[test]
        fn what_is_found_is_the_optimum(
            classes: bool,
            kernel in prop::sample::select(vec![SvmKernel::Rbf, SvmKernel::Linear, SvmKernel::Poly]),
            n in 2_usize..150,
            c in prop::sample::select(vec![0.01_f64, 0.3, 3.0, 30.0]),
            seed: u64,
        ) {
            // Kernels of few dimensions can take millions of steps between bounds that are far apart.
            let c = if kernel == SvmKernel::Rbf { c } else { c.min(0.3) };
            let problem = problem(kernel, classes, n, c, seed);
            let stop = StopSignal::new();
            let solution = problem.solve(RULES, &stop);
            prop_assert_eq!(solution.ended, Ended::Converged);
            let (gap, sum) = violation(&problem, &solution.coefficients);
            prop_assert!(gap < RULES.tol * 1.01, "{gap}");
            prop_assert!(sum < 1e-9 * c * n as f64, "{sum}");
            // Neither how much is kept nor the number of threads changes a bit.
            for rules in [Rules { cache_bytes: 0, ..RULES }, Rules { threads: 3, ..RULES }] {
                let other = problem.solve(rules, &stop);
                prop_assert_eq!(&other.coefficients, &solution.coefficients);
                prop_assert_eq!(other.intercept, solution.intercept);
            }
            // Rows that were set aside come to the same.
            let plain = problem.solve(Rules { shrinking: false, ..RULES }, &stop);
            let (gap, _) = violation(&problem, &plain.coefficients);
            prop_assert!(gap < RULES.tol * 1.01, "{gap}");
        }
    }

    #[test]
    fn rows_that_are_set_aside_are_taken_up_again() {
        let problem = problem(SvmKernel::Rbf, false, 1200, 3.0, 3);
        let stop = StopSignal::new();
        let plain = Rules {
            shrinking: false,
            ..RULES
        };
        let (shrunk, plain) = (problem.solve(RULES, &stop), problem.solve(plain, &stop));
        // What they had missed was computed by several threads.
        let threads = Rules { threads: 3, ..RULES };
        assert_eq!(problem.solve(threads, &stop).coefficients, shrunk.coefficients);
        // Another way was gone, to a place as good.
        assert_ne!(shrunk.steps, plain.steps);
        assert!((shrunk.intercept - plain.intercept).abs() < 2.0 * RULES.tol);
        let (gap, _) = violation(&problem, &shrunk.coefficients);
        assert!(gap < RULES.tol * 1.01, "{gap}");
    }

    #[test]
    fn it_ends_early_if_told_and_says_how_far_it_was() {
        let problem = problem(SvmKernel::Rbf, true, 100, 10.0, 1);
        let stop = StopSignal::new();
        let rules = Rules { max_iter: 5, ..RULES };
        let early = problem.solve(rules, &stop);
        assert_eq!((early.ended, early.steps), (Ended::Early, 5));
        let (gap, _) = violation(&problem, &early.coefficients);
        assert!((early.gap - gap).abs() < 1e-9 && gap > RULES.tol);
        stop.request();
        let none = problem.solve(RULES, &stop);
        assert_eq!((none.ended, none.steps), (Ended::Requested, 0));
        assert!(none.intercept.is_finite());
    }

    #[test]
    fn how_far_it_was_counts_the_rows_set_aside() {
        let stop = StopSignal::new();
        for seed in 0..20 {
            let problem = problem(SvmKernel::Poly, seed % 2 == 0, 60, 30.0, seed);
            for max_iter in (65..600).step_by(60) {
                let early = problem.solve(Rules { max_iter, ..RULES }, &stop);
                let (gap, _) = violation(&problem, &early.coefficients);
                assert!((early.gap - gap.max(0.0)).abs() < 1e-4, "{} {gap}", early.gap);
            }
        }
    }

    #[test]
    fn what_is_further_from_the_optimum_than_allowed_has_not_converged() {
        // So small that gains, in 32 bits, are 0.
        const SMALL: f64 = 1e-24;
        let mut problem = problem(SvmKernel::Rbf, true, 40, SMALL, 1);
        problem.targets.iter_mut().for_each(|target| *target *= SMALL);
        let rules = Rules { tol: 1e-30, ..RULES };
        let solution = problem.solve(rules, &StopSignal::new());
        assert!(solution.gap > rules.tol);
        assert_eq!(solution.ended, Ended::Early);
    }

    #[test]
    fn few_rows_have_a_solution() {
        let stop = StopSignal::new();
        let one = problem(SvmKernel::Rbf, false, 1, 1.0, 1);
        let solution = one.solve(RULES, &stop);
        assert_eq!(solution.coefficients, [0.0]);
        assert!((solution.intercept - one.targets[0]).abs() < 1e-12);
        for second in [true, false] {
            let mut one = problem(SvmKernel::Rbf, true, 1, 1.0, 1);
            (one.upper, one.lower) = (
                vec![f64::from(u8::from(second))],
                vec![-f64::from(u8::from(!second))],
            );
            one.targets = vec![if second { 1.0 } else { -1.0 }];
            assert_eq!(one.solve(RULES, &stop).intercept, one.targets[0]);
        }
        assert_eq!(
            problem(SvmKernel::Rbf, true, 0, 1.0, 1)
                .solve(RULES, &stop)
                .coefficients,
            [0.0; 0]
        );
    }
}
