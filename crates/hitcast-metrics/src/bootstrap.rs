//! Confidence intervals by resampling the rows (percentile bootstrap, Efron 1979).

use std::collections::BTreeMap;

use hitcast_core::Seed;
use hitcast_core::parallel::{map_with, threads_for};
use hitcast_core::stats::{mean, median, quantile};
use ndarray::ArrayView2;
use serde::{Deserialize, Serialize};

use crate::classification::metric::ClassificationMetric;
use crate::classification::{ClassificationMetrics, rows};
use crate::error::{MetricsError, Result};
use crate::groups::members;
use crate::metric::Metric;
use crate::regression::{RegressionMetric, RegressionMetrics, check, determination};

/// Settings of the bootstrap.
///
/// Rows are drawn with replacement, as many as there are, and each metric is computed on every resample; the interval
/// holds the middle share of the results. The rows are taken to be independent of each other: where one song stands in
/// several rows, the interval is too narrow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Bootstrap {
    /// Number of resamples, at least 2. Default 1000.
    pub resamples: usize,
    /// Share of the results that lies in the interval, between 0 and 1. Default 0.95.
    pub confidence: f64,
    /// Number of threads, 0 for all. The result does not depend on it. Default 0.
    pub threads: usize,
}

/// A metric and the interval in which its true value probably lies.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// The metric on the rows themselves.
    pub estimate: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// The intervals of the metrics of numbers.
pub type RegressionIntervals = Intervals<RegressionMetric>;

/// The intervals of the metrics of classes.
pub type ClassificationIntervals = Intervals<ClassificationMetric>;

/// The intervals of all metrics.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(bound(serialize = "M: Serialize + Ord", deserialize = "M: Deserialize<'de> + Ord"))]
pub struct Intervals<M> {
    /// Number of rows.
    pub n: usize,
    /// Number of resamples.
    pub resamples: usize,
    /// Share of the resamples that lies in each interval.
    pub confidence: f64,
    /// The interval of each metric; one that the rows do not define is left out. Resamples that do not define it are passed
    /// over.
    pub intervals: BTreeMap<M, Interval>,
}

/// The intervals of one group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GroupIntervals {
    /// Name of the group; `None` for the rows whose group is missing.
    pub group: Option<String>,
    /// Its intervals.
    pub intervals: RegressionIntervals,
}

impl Default for Bootstrap {
    fn default() -> Self {
        Self {
            resamples: 1000,
            confidence: 0.95,
            threads: 0,
        }
    }
}

impl Bootstrap {
    /// The intervals of all metrics of `predicted` against `actual` (one value a row each).
    ///
    /// # Errors
    /// [`MetricsError::Setting`] on fewer than two resamples or a confidence outside (0, 1), else as
    /// [`RegressionMetrics::compute`].
    pub fn intervals(&self, actual: &[f64], predicted: &[f64], seed: Seed) -> Result<RegressionIntervals> {
        self.check_settings()?;
        let estimate = RegressionMetrics::compute(actual, predicted)?;
        let rows = Rows::new(actual, predicted);
        let results = self.resample(seed, Vec::new, |errors, seed| rows.resampled(seed, errors));
        Ok(self.collect(actual.len(), &estimate, &results))
    }

    /// The intervals of all metrics of `probabilities` (`n × k`) against the `actual` classes (length `n`). With
    /// `predicted` classes those count; without, the likeliest ones.
    ///
    /// # Errors
    /// [`MetricsError::Setting`] as [`intervals`](Self::intervals), else as [`ClassificationMetrics::compute_decided`].
    pub fn class_intervals(
        &self,
        actual: &[usize],
        predicted: Option<&[usize]>,
        probabilities: ArrayView2<'_, f64>,
        seed: Seed,
    ) -> Result<ClassificationIntervals> {
        self.check_settings()?;
        let rows = rows::Rows::new(actual, predicted, probabilities)?;
        let n = rows.len();
        let resampled = |counts: &mut Vec<u32>, seed: Seed| -> ClassificationMetrics {
            let mut stream = seed.stream("rows");
            counts.clear();
            counts.resize(n, 0);
            (0..n).for_each(|_| counts[stream.below(n)] += 1);
            rows.metrics(Some(counts))
        };
        let results = self.resample(seed, Vec::new, resampled);
        Ok(self.collect(n, &rows.metrics(None), &results))
    }

    fn collect<M: Metric>(&self, n: usize, estimate: &M::Values, results: &[M::Values]) -> Intervals<M> {
        let mut intervals = BTreeMap::new();
        for &metric in M::EVERY {
            let Some(estimate) = metric.of(estimate) else {
                continue;
            };
            let mut values: Vec<f64> = results.iter().filter_map(|result| metric.of(result)).collect();
            let tail = (1.0 - self.confidence) / 2.0;
            let ends = (quantile(&mut values, tail), quantile(&mut values, 1.0 - tail));
            if let (Some(low), Some(high)) = ends {
                intervals.insert(metric, Interval { estimate, low, high });
            }
        }
        Intervals {
            n,
            resamples: self.resamples,
            confidence: self.confidence,
            intervals,
        }
    }

    /// The intervals of each group, in the order of [`by_group`](crate::by_group). A group's numbers do not depend on
    /// the other groups' rows.
    ///
    /// # Errors
    /// As [`intervals`](Self::intervals), and [`MetricsError::Length`] if there is not one group a row.
    pub fn by_group(
        &self,
        actual: &[f64],
        predicted: &[f64],
        groups: &[Option<&str>],
        seed: Seed,
    ) -> Result<Vec<GroupIntervals>> {
        check(actual, predicted)?;
        let mut all = Vec::new();
        for (group, rows) in members(actual.len(), groups)? {
            let take = |values: &[f64]| rows.iter().map(|&row| values[row]).collect::<Vec<f64>>();
            let seed = group.map_or_else(
                || seed.child("missing group"),
                |name| seed.child("group").child(name),
            );
            let intervals = self.intervals(&take(actual), &take(predicted), seed)?;
            all.push(GroupIntervals {
                group: group.map(str::to_owned),
                intervals,
            });
        }
        Ok(all)
    }

    fn check_settings(&self) -> Result<()> {
        if self.resamples < 2 {
            let value = self.resamples.to_string();
            return Err(MetricsError::Setting {
                setting: "resamples",
                value,
                allowed: "at least 2",
            });
        }
        if !(self.confidence > 0.0 && self.confidence < 1.0) {
            let value = self.confidence.to_string();
            return Err(MetricsError::Setting {
                setting: "confidence",
                value,
                allowed: "between 0 and 1",
            });
        }
        Ok(())
    }

    /// One result a resample. Each resample has a stream of its own, so that the threads do not matter; memory is used
    /// again by the resamples of a thread.
    fn resample<W, T: Send>(
        &self,
        seed: Seed,
        memory: impl Fn() -> W + Sync,
        resampled: impl Fn(&mut W, Seed) -> T + Sync,
    ) -> Vec<T> {
        let seed = seed.child("bootstrap");
        let threads = threads_for(self.threads, self.resamples);
        map_with(self.resamples, threads, memory, |memory, index| {
            resampled(memory, seed.nth(index as u64))
        })
    }
}

/// What the metrics need of each row, prepared once for all resamples.
struct Rows {
    rows: Vec<Row>,
    /// Mean error of all rows, so that the sum of squares around it does not cancel.
    mean_error: f64,
}

#[derive(Clone, Copy)]
struct Row {
    /// Actual minus predicted.
    error: f64,
    /// The target less the mean of all rows, so that a resample's sum of squares does not cancel.
    centred: f64,
    /// Magnitude of the error relative to the target, NaN where the target is zero.
    relative: f64,
}

impl Rows {
    fn new(actual: &[f64], predicted: &[f64]) -> Self {
        let mean_actual = mean(actual);
        let rows: Vec<Row> = actual
            .iter()
            .zip(predicted)
            .map(|(a, p)| Row {
                error: a - p,
                centred: a - mean_actual,
                relative: if a.abs() < f64::EPSILON {
                    f64::NAN
                } else {
                    ((a - p) / a).abs()
                },
            })
            .collect();
        let errors: Vec<f64> = rows.iter().map(|row| row.error).collect();
        Self {
            mean_error: mean(&errors),
            rows,
        }
    }

    #[allow(clippy::cast_precision_loss)]
    fn resampled(&self, seed: Seed, errors: &mut Vec<f64>) -> RegressionMetrics {
        let mut stream = seed.stream("rows");
        let n = self.rows.len();
        errors.clear();
        let (mut target, mut error) = (Moments::default(), Moments::default());
        let (mut squared, mut absolute, mut relative, mut zeros) = (0.0, 0.0, 0.0, 0_usize);
        for _ in 0..n {
            let row = self.rows[stream.below(n)];
            target.add(row.centred);
            error.add(row.error - self.mean_error);
            squared += row.error * row.error;
            absolute += row.error.abs();
            if row.relative.is_nan() {
                zeros += 1;
            } else {
                relative += row.relative;
            }
            errors.push(row.error.abs());
        }
        let total = target.sum_of_squares(n);
        let mse = squared / n as f64;
        let max_error = errors.iter().copied().fold(0.0, f64::max);
        RegressionMetrics {
            n,
            mse,
            rmse: mse.sqrt(),
            mae: absolute / n as f64,
            r2: determination(squared, total),
            mape: (zeros < n).then(|| relative / (n - zeros) as f64),
            n_zero_targets: zeros,
            median_absolute_error: median(errors).unwrap_or_default(),
            max_error,
            explained_variance: determination(error.sum_of_squares(n), total),
        }
    }
}

/// Sums of values that are near zero in the mean.
struct Moments {
    sum: f64,
    squares: f64,
    min: f64,
    max: f64,
}

impl Default for Moments {
    fn default() -> Self {
        Self {
            sum: 0.0,
            squares: 0.0,
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
        }
    }
}

impl Moments {
    fn add(&mut self, value: f64) {
        self.sum += value;
        self.squares += value * value;
        self.min = self.min.min(value);
        self.max = self.max.max(value);
    }

    /// The sum of squares around the mean, exactly zero if all values are the same.
    #[allow(clippy::cast_precision_loss)]
    fn sum_of_squares(&self, n: usize) -> f64 {
        if self.min >= self.max {
            0.0
        } else {
            (self.squares - self.sum * self.sum / n as f64).max(0.0)
        }
    }
}
