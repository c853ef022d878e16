//! How much worse a metric gets without what a column says.

use std::fmt;

use hitcast_core::parallel::{map, threads_for};
use hitcast_core::stats::{mean, quantile};
use hitcast_core::{BoxError, Features, Model, Predictions, Seed};
use hitcast_metrics::{
    ClassificationMetric, ClassificationMetrics, Direction, MetricsError, RegressionMetric, RegressionMetrics,
};
use ndarray::Array2;
use serde::{Deserialize, Serialize};

use crate::error::{ExplainError, Result};
use crate::explained::{BATCH, row_of};
use crate::source::{Source, Sources};

/// Permutation importance (Breiman 2001): the values of a column are put into random order among the rows, and how much worse
/// the predictions get is how much the model needs the column.
///
/// Take rows that the model did not learn from. Columns that say the same stand in for each other, so that each of them seems
/// to matter less than both together do. Agrees with scikit-learn's `permutation_importance` 1.9 in distribution.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PermutationImportance {
    /// How often each column is put into random order, at least 1. Default 5.
    pub repeats: usize,
    /// Share of the repeats that lies in the interval, between 0 and 1. Default 0.95.
    pub confidence: f64,
    /// Number of threads, 0 for all. The result does not depend on it. Default 0.
    pub threads: usize,
}

/// A metric of some rows, by what is predicted for them.
pub trait Score: Sync {
    /// The metric of these predictions, one for each row.
    ///
    /// # Errors
    /// The metric's own.
    fn score(&self, predictions: &Predictions) -> Result<f64, BoxError>;

    /// Which way it gets better.
    fn direction(&self) -> Direction;
}

/// A metric of predicted numbers.
#[derive(Debug, Clone, Copy)]
pub struct NumberScore<'a> {
    /// The metric.
    pub metric: RegressionMetric,
    /// The actual numbers, one a row.
    pub actual: &'a [f64],
}

/// A metric of predicted classes.
#[derive(Debug, Clone, Copy)]
pub struct ClassScore<'a> {
    /// The metric.
    pub metric: ClassificationMetric,
    /// The actual classes, one a row.
    pub actual: &'a [usize],
}

/// How much one column matters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Importance {
    /// Name of the column.
    pub source: String,
    /// By how much the metric gets worse in the mean of all repeats, in the metric's unit; about 0, or below, for a column
    /// that does not matter.
    pub mean: f64,
    /// Standard deviation of the repeats (divided by their number, as in scikit-learn).
    pub std: f64,
    /// Lower end of the interval that holds the middle share of the repeats. It says how much chance there is in the order,
    /// not in the choice of the rows.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
    /// Each repeat.
    pub repeats: Vec<f64>,
}

/// How much each column matters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PermutationImportances {
    /// The metric with all columns as they are.
    pub baseline: f64,
    /// Share of the repeats that lies in each interval.
    pub confidence: f64,
    /// One a column, in the order of the sources.
    pub importances: Vec<Importance>,
}

impl Default for PermutationImportance {
    fn default() -> Self {
        Self {
            repeats: 5,
            confidence: 0.95,
            threads: 0,
        }
    }
}

impl Score for NumberScore<'_> {
    fn score(&self, predictions: &Predictions) -> Result<f64, BoxError> {
        let numbers = predictions
            .numbers()
            .ok_or("it is one of numbers, but classes are predicted")?;
        let metrics = RegressionMetrics::compute(self.actual, numbers)?;
        Ok(self.metric.of(&metrics).ok_or_else(|| undefined(self.metric))?)
    }

    fn direction(&self) -> Direction {
        self.metric.direction()
    }
}

impl Score for ClassScore<'_> {
    fn score(&self, predictions: &Predictions) -> Result<f64, BoxError> {
        let wrong = "it is one of classes, but numbers are predicted";
        let probabilities = predictions.probabilities().ok_or(wrong)?;
        let metrics: Result<ClassificationMetrics, MetricsError> =
            ClassificationMetrics::compute(self.actual, probabilities);
        Ok(self.metric.of(&metrics?).ok_or_else(|| undefined(self.metric))?)
    }

    fn direction(&self) -> Direction {
        self.metric.direction()
    }
}

fn undefined(metric: impl fmt::Display) -> String {
    format!("{metric} is not defined for these rows")
}

impl PermutationImportance {
    /// How much a model needs each of the sources to predict the rows of `features` (`n × d`).
    ///
    /// # Errors
    /// [`ExplainError::Setting`], [`ExplainError::NoRows`], [`ExplainError::Core`] if the model cannot predict the rows,
    /// [`ExplainError::Score`], [`ExplainError::NotFinite`].
    pub fn compute(
        &self,
        model: &dyn Model,
        features: &Features,
        sources: &Sources,
        score: &dyn Score,
        seed: Seed,
    ) -> Result<PermutationImportances> {
        if self.repeats == 0 {
            return Err(ExplainError::setting("repeats", 0, "at least 1"));
        }
        if !(self.confidence > 0.0 && self.confidence < 1.0) {
            return Err(ExplainError::setting(
                "confidence",
                self.confidence,
                "between 0 and 1",
            ));
        }
        if features.n_rows() == 0 {
            return Err(ExplainError::NoRows {
                what: "permutation importance",
            });
        }
        let score_of = |predictions: &Predictions| -> Result<f64> {
            let value = score.score(predictions).map_err(ExplainError::Score)?;
            if value.is_finite() {
                return Ok(value);
            }
            let what = "the metric".to_owned();
            Err(ExplainError::NotFinite { what, value })
        };
        let baseline = score_of(&predict(model, features, None)?)?;
        // Written out once for all repeats.
        let columns: Vec<Array2<f32>> = sources
            .iter()
            .map(|source| columns_of(features, source))
            .collect();
        let groups: Vec<(&Source, &Array2<f32>)> = sources.iter().zip(&columns).collect();
        let seed = seed.child("permutation importance");
        let n_jobs = groups.len() * self.repeats;
        let drops = map(n_jobs, threads_for(self.threads, n_jobs), |job| {
            let (source, values) = groups[job / self.repeats];
            let seed = seed.child(&source.name).nth((job % self.repeats) as u64);
            let order = seed.stream("rows").permutation(features.n_rows());
            let permuted = Permuted {
                source,
                values,
                order,
            };
            let worse = score_of(&predict(model, features, Some(&permuted))?)?;
            Ok(match score.direction() {
                Direction::Maximize => baseline - worse,
                Direction::Minimize => worse - baseline,
            })
        });
        let drops = drops.into_iter().collect::<Result<Vec<f64>>>()?;
        let importances = sources.iter().zip(drops.chunks(self.repeats));
        Ok(PermutationImportances {
            baseline,
            confidence: self.confidence,
            importances: importances
                .map(|(source, repeats)| self.importance(source, repeats))
                .collect(),
        })
    }

    fn importance(&self, source: &Source, repeats: &[f64]) -> Importance {
        let middle = mean(repeats);
        let squares: Vec<f64> = repeats.iter().map(|drop| (drop - middle).powi(2)).collect();
        let mut sorted = repeats.to_vec();
        let tail = (1.0 - self.confidence) / 2.0;
        Importance {
            source: source.name.clone(),
            mean: middle,
            std: mean(&squares).sqrt(),
            low: quantile(&mut sorted, tail).unwrap_or(middle),
            high: quantile(&mut sorted, 1.0 - tail).unwrap_or(middle),
            repeats: repeats.to_vec(),
        }
    }
}

impl PermutationImportances {
    /// The importances from the largest to the smallest.
    pub fn ranked(&self) -> Vec<&Importance> {
        let mut ranked: Vec<&Importance> = self.importances.iter().collect();
        ranked.sort_by(|a, b| b.mean.total_cmp(&a.mean));
        ranked
    }
}

/// A source whose values come from other rows.
struct Permuted<'a> {
    source: &'a Source,
    /// Its features, `n × w`.
    values: &'a Array2<f32>,
    /// The row that each row has its values from.
    order: Vec<usize>,
}

/// The features of a source, written out.
fn columns_of(features: &Features, source: &Source) -> Array2<f32> {
    let mut row = vec![0.0; features.n_features()];
    let mut columns = Array2::zeros((features.n_rows(), source.columns.len()));
    for (number, mut to) in columns.rows_mut().into_iter().enumerate() {
        row.fill(0.0);
        features.write_row(number, &mut row);
        for (to, &column) in to.iter_mut().zip(&source.columns) {
            *to = row.get(column).copied().unwrap_or_default();
        }
    }
    columns
}

fn predict(model: &dyn Model, features: &Features, permuted: Option<&Permuted<'_>>) -> Result<Predictions> {
    let mut predictions: Option<Predictions> = None;
    for start in (0..features.n_rows()).step_by(BATCH) {
        let rows = start..features.n_rows().min(start + BATCH);
        let next = match permuted {
            None => model.predict(features.rows(rows).view())?,
            Some(Permuted {
                source,
                values,
                order,
            }) => {
                let mut matrix = features.rows(rows.clone()).into_owned();
                for (row, mut to) in rows.zip(matrix.rows_mut()) {
                    if let Some(to) = to.as_slice_mut() {
                        source.write(row_of(values, order[row]), to);
                    }
                }
                model.predict(matrix.view())?
            }
        };
        match &mut predictions {
            Some(all) => all.append(next)?,
            None => predictions = Some(next),
        }
    }
    predictions.ok_or(ExplainError::NoRows {
        what: "permutation importance",
    })
}
