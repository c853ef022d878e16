//! Rows that stand for what is usual.

use hitcast_core::stats::{mean, sum};
use hitcast_core::{Features, Seed};
use ndarray::{Array1, Array2, Axis};

use crate::error::{ExplainError, Result};
use crate::explained::{Explained, batches, matrix_of, row_of, sample_rows};
use crate::shapley::{Attribution, LocalExplanation};
use crate::source::{Source, Sources, Units};

/// What predictions are compared with.
pub(crate) struct Background {
    pub(crate) sources: Sources,
    /// `b × d`.
    pub(crate) rows: Array2<f32>,
    /// The explained number of each of them.
    pub(crate) usual: Vec<f64>,
    /// Where each feature begins and ends among all the rows that these stand for.
    ranges: Vec<(f32, f32)>,
    /// Where the explained number begins and ends among them.
    usual_range: (f64, f64),
}

impl Background {
    /// At most `limit` of the rows of `features`.
    pub(crate) fn sample(
        explained: &Explained<'_>,
        features: &Features,
        limit: usize,
        seed: Seed,
    ) -> Result<Self> {
        if limit == 0 {
            return Err(ExplainError::setting("background", 0, "at least 1"));
        }
        // The same rows for all methods, so that their baselines are the same.
        let chosen = sample_rows(features.n_rows(), limit, seed.child("background"));
        let rows = matrix_of(features, &chosen);
        let usual = predict(explained, &rows)?;
        let usual_range = range(&usual);
        Self::new(features, rows, usual, usual_range)
    }

    /// One row: the mean of all rows of `features`.
    pub(crate) fn mean(explained: &Explained<'_>, features: &Features) -> Result<Self> {
        let usual_range = range(&explained.values(features)?);
        let rows = mean_row(features);
        let usual = predict(explained, &rows)?;
        Self::new(features, rows, usual, usual_range)
    }

    fn new(features: &Features, rows: Array2<f32>, usual: Vec<f64>, usual_range: (f64, f64)) -> Result<Self> {
        if features.n_rows() == 0 {
            return Err(ExplainError::NoRows {
                what: "the background of an explanation",
            });
        }
        let mut ranges = vec![(f32::INFINITY, f32::NEG_INFINITY); features.n_features()];
        for batch in batches(features) {
            for row in batch.rows() {
                for ((low, high), &value) in ranges.iter_mut().zip(row) {
                    (*low, *high) = (low.min(value), high.max(value));
                }
            }
        }
        Ok(Self {
            sources: Sources::by_source(features),
            rows,
            usual,
            ranges,
            usual_range,
        })
    }

    /// What is predicted without knowing anything of a row.
    pub(crate) fn baseline(&self) -> f64 {
        mean(&self.usual)
    }

    /// From the smallest to the largest prediction for these rows and another one.
    pub(crate) fn range_with(&self, prediction: f64) -> f64 {
        let (low, high) = self.usual_range;
        high.max(prediction) - low.min(prediction)
    }

    /// Why this is predicted for a row, by what each source moved the prediction, and with which errors.
    pub(crate) fn explanation(
        &self,
        row: &[f32],
        prediction: f64,
        values: &[f64],
        errors: Option<&[f64]>,
        units: &dyn Units,
    ) -> LocalExplanation {
        let attribution = |(number, (source, &value)): (usize, (&Source, &f64))| Attribution {
            source: source.name.clone(),
            raw: units.raw(source, &source.of(row)),
            value,
            standard_error: errors.and_then(|errors| errors.get(number).copied()),
            beyond_background: self.is_beyond(source, row),
        };
        let baseline = self.baseline();
        let reached = sum(std::iter::once(baseline).chain(values.iter().copied()));
        let attributions = self.sources.iter().zip(values).enumerate();
        LocalExplanation {
            baseline,
            prediction,
            attributions: attributions.map(attribution).collect(),
            gap: prediction - reached,
        }
    }

    fn is_beyond(&self, source: &Source, row: &[f32]) -> bool {
        let beyond = |&column: &usize| match (row.get(column), self.ranges.get(column)) {
            (Some(value), Some((low, high))) => value < low || value > high,
            _ => false,
        };
        source.columns.iter().any(beyond)
    }
}

/// The explained number of each row.
fn predict(explained: &Explained<'_>, rows: &Array2<f32>) -> Result<Vec<f64>> {
    explained.evaluate(rows.nrows(), rows.ncols(), |number, to| {
        to.copy_from_slice(row_of(rows, number));
    })
}

fn range(values: &[f64]) -> (f64, f64) {
    let nothing = (f64::INFINITY, f64::NEG_INFINITY);
    (values.iter()).fold(nothing, |(low, high), value| (low.min(*value), high.max(*value)))
}

/// The mean of all rows as one row; without rows it is of no use.
#[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss)]
fn mean_row(features: &Features) -> Array2<f32> {
    let mut sums = Array1::<f64>::zeros(features.n_features());
    for batch in batches(features) {
        for row in batch.rows() {
            sums.zip_mut_with(&row, |sum, value| *sum += f64::from(*value));
        }
    }
    let n = features.n_rows().max(1) as f64;
    sums.mapv(|sum| (sum / n) as f32).insert_axis(Axis(0))
}

/// Whether rows to explain have the columns of the background.
pub(crate) fn check_columns(background: &Features, rows: &Features) -> Result<()> {
    let names = |features: &Features| -> Vec<String> {
        let columns = features.columns().iter();
        columns.map(|column| column.name.clone()).collect()
    };
    let (expected, got) = (names(background), names(rows));
    if let Some((expected, got)) = expected.iter().zip(&got).find(|(a, b)| a != b) {
        return Err(ExplainError::OtherColumns {
            what: "the rows to explain",
            expected: expected.clone(),
            got: got.clone(),
        });
    }
    if expected.len() != got.len() {
        return Err(ExplainError::Length {
            what: "features of the rows to explain",
            expected: expected.len(),
            got: got.len(),
        });
    }
    Ok(())
}
