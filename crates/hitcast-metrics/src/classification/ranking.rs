//! Rows in the order of a score: what a threshold anywhere in it would let through.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::{MetricsError, Result};
use crate::regression::check_values;

/// The receiver operating characteristic: what share of each kind lies at or above each threshold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RocCurve {
    /// Share of the negative rows at or above the threshold, from 0 to 1.
    pub false_positive_rate: Vec<f64>,
    /// Share of the positive rows at or above the threshold, from 0 to 1.
    pub true_positive_rate: Vec<f64>,
    /// Scores, falling; the first is infinite, for none, and `null` in JSON.
    #[serde(serialize_with = "without_infinity", deserialize_with = "with_infinity")]
    pub thresholds: Vec<f64>,
}

/// Precision and recall at each threshold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PrecisionRecallCurve {
    /// Share of positive rows among those at or above the threshold; a last 1 for no rows.
    pub precision: Vec<f64>,
    /// Share of the positive rows at or above the threshold, falling; a last 0 for no rows.
    pub recall: Vec<f64>,
    /// Scores, rising; one fewer than the others.
    pub thresholds: Vec<f64>,
}

fn without_infinity<S: Serializer>(thresholds: &[f64], to: S) -> std::result::Result<S::Ok, S::Error> {
    to.collect_seq(
        thresholds
            .iter()
            .map(|threshold| Some(*threshold).filter(|t| t.is_finite())),
    )
}

fn with_infinity<'de, D: Deserializer<'de>>(from: D) -> std::result::Result<Vec<f64>, D::Error> {
    let thresholds = Vec::<Option<f64>>::deserialize(from)?;
    Ok(thresholds
        .into_iter()
        .map(|threshold| threshold.unwrap_or(f64::INFINITY))
        .collect())
}

impl RocCurve {
    /// The curve of `scores` (larger for likelier) against which rows are `positive` (length `n` each). Points on a
    /// straight line between others are left out, as scikit-learn's `roc_curve` does.
    ///
    /// # Errors
    /// [`MetricsError::NoRows`], [`MetricsError::Length`], [`MetricsError::NotFinite`], [`MetricsError::OneClass`] if all
    /// rows are positive, or none.
    #[allow(clippy::cast_precision_loss)]
    pub fn compute(positive: &[bool], scores: &[f64]) -> Result<Self> {
        let steps = steps(positive, scores)?;
        let totals = steps.last().copied().unwrap_or_default();
        if totals.hits == 0 || totals.misses == 0 {
            return Err(MetricsError::OneClass {
                positive: totals.hits > 0,
            });
        }
        let slope = |from: &Step, to: &Step| (to.hits - from.hits, to.misses - from.misses);
        let start = Step {
            threshold: f64::INFINITY,
            ..Step::default()
        };
        let mut kept = vec![start];
        for (i, step) in steps.iter().enumerate() {
            // As there, the first score is kept even on a straight line from the start.
            let around = i.checked_sub(1).and_then(|i| steps.get(i)).zip(steps.get(i + 1));
            let straight = around.is_some_and(|(before, next)| slope(before, step) == slope(step, next));
            if !straight {
                kept.push(*step);
            }
        }
        let share = |of: fn(&Step) -> u64| {
            let total = of(&totals) as f64;
            kept.iter().map(|step| of(step) as f64 / total).collect()
        };
        Ok(Self {
            false_positive_rate: share(|step| step.misses),
            true_positive_rate: share(|step| step.hits),
            thresholds: kept.iter().map(|step| step.threshold).collect(),
        })
    }

    /// The area under the curve, 0.5 for a score that says nothing.
    pub fn area(&self) -> f64 {
        let points: Vec<(f64, f64)> = (self.false_positive_rate.iter().copied())
            .zip(self.true_positive_rate.iter().copied())
            .collect();
        points
            .windows(2)
            .map(|pair| (pair[1].0 - pair[0].0) * (pair[0].1 + pair[1].1) / 2.0)
            .sum()
    }
}

impl PrecisionRecallCurve {
    /// The curve of `scores` (larger for likelier) against which rows are `positive` (length `n` each).
    ///
    /// # Errors
    /// As [`RocCurve::compute`], but rows may all be positive.
    #[allow(clippy::cast_precision_loss)]
    pub fn compute(positive: &[bool], scores: &[f64]) -> Result<Self> {
        let steps = steps(positive, scores)?;
        let total = steps.last().map_or(0, |step| step.hits);
        if total == 0 {
            return Err(MetricsError::OneClass { positive: false });
        }
        let rising = || steps.iter().rev();
        let precision = rising().map(|step| step.hits as f64 / (step.hits + step.misses) as f64);
        Ok(Self {
            precision: precision.chain([1.0]).collect(),
            recall: rising()
                .map(|step| step.hits as f64 / total as f64)
                .chain([0.0])
                .collect(),
            thresholds: rising().map(|step| step.threshold).collect(),
        })
    }

    /// Average precision: each precision counts by the recall that it adds. Unlike the area by trapezoids it promises
    /// nothing between two thresholds.
    pub fn average_precision(&self) -> f64 {
        let recalls = self.recall.windows(2).map(|pair| pair[0] - pair[1]);
        recalls
            .zip(&self.precision)
            .map(|(gain, precision)| gain * precision)
            .sum()
    }
}

/// What lies at or above a threshold.
#[derive(Debug, Clone, Copy, Default)]
struct Step {
    threshold: f64,
    hits: u64,
    misses: u64,
}

/// One step for each distinct score, falling.
fn steps(positive: &[bool], scores: &[f64]) -> Result<Vec<Step>> {
    if scores.len() != positive.len() {
        return Err(MetricsError::Length {
            what: "scores",
            expected: positive.len(),
            got: scores.len(),
        });
    }
    check_values("scores", scores)?;
    let ranking = Ranking::new(scores);
    let mut steps = Vec::new();
    ranking.each_tie(
        |row| (positive[row], 1),
        |row, hits, misses| {
            steps.push(Step {
                threshold: scores[row],
                hits,
                misses,
            });
        },
    );
    Ok(steps)
}

/// Rows from the largest score to the smallest.
#[derive(Debug)]
pub(crate) struct Ranking {
    /// Numbers of rows.
    order: Vec<usize>,
    /// Whether the row at this place of the order is the last one of its score.
    last_of_tie: Vec<bool>,
}

impl Ranking {
    pub(crate) fn new(scores: &[f64]) -> Self {
        let mut order: Vec<usize> = (0..scores.len()).collect();
        order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
        let ends = order.windows(2).map(|pair| scores[pair[0]] != scores[pair[1]]);
        let last_of_tie = ends.chain([true]).take(order.len()).collect();
        Self { order, last_of_tie }
    }

    /// Goes down the ranking and calls `at_end` behind each score with the number of one of its rows, and the positive and
    /// negative rows so far. `row` tells whether a row is positive, and how often it counts.
    #[inline]
    pub(crate) fn each_tie(
        &self,
        row: impl Fn(usize) -> (bool, u64),
        mut at_end: impl FnMut(usize, u64, u64),
    ) {
        let (mut hits, mut misses) = (0, 0);
        for (&place, &last) in self.order.iter().zip(&self.last_of_tie) {
            let (positive, count) = row(place);
            if positive {
                hits += count;
            } else {
                misses += count;
            }
            if last {
                at_end(place, hits, misses);
            }
        }
    }

    /// Area under the receiver operating characteristic, and average precision; `None` if all rows are positive or none is.
    #[allow(clippy::cast_precision_loss)]
    pub(crate) fn areas(&self, row: impl Fn(usize) -> (bool, u64)) -> Option<(f64, f64)> {
        // Twice the pairs of a positive and a negative row in the right order, ties counted half: whole numbers, so that
        // nothing is rounded before the end.
        let (mut ordered_pairs, mut precision) = (0_u128, 0.0);
        let (mut hits_before, mut misses_before) = (0, 0);
        self.each_tie(row, |_, hits, misses| {
            ordered_pairs += u128::from(misses - misses_before) * u128::from(hits + hits_before);
            if hits > hits_before {
                precision += (hits - hits_before) as f64 * (hits as f64 / (hits + misses) as f64);
            }
            (hits_before, misses_before) = (hits, misses);
        });
        if hits_before == 0 || misses_before == 0 {
            return None;
        }
        let pairs = 2.0 * hits_before as f64 * misses_before as f64;
        Some((ordered_pairs as f64 / pairs, precision / hits_before as f64))
    }
}
