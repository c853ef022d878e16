//! Rows that stand for what is usual.

use hitcast_core::stats::{mean, sum};
use hitcast_core::{Features, Seed};
use ndarray::{Array2, ArrayView1, Axis};

use crate::error::{ExplainError, Result};
use crate::explained::{Explained, matrix_of, row_of, sample_rows};
use crate::shapley::{Attribution, LocalExplanation};
use crate::source::{Source, Sources, Units};

/// What predictions are compared with.
pub(crate) struct Background {
    pub(crate) sources: Sources,
    /// `b × d`.
    pub(crate) rows: Array2<f32>,
    /// The explained number of each of them.
    pub(crate) usual: Vec<f64>,
    /// Where each feature begins and ends among the rows that these stand for.
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
        Self::new(explained, features, &chosen, None)
    }

    /// One row: the mean of all rows of `features`.
    pub(crate) fn mean(explained: &Explained<'_>, features: &Features) -> Result<Self> {
        let all: Vec<usize> = (0..features.n_rows()).collect();
        Self::new(explained, features, &all, Some(mean_row))
    }

    fn new(
        explained: &Explained<'_>,
        features: &Features,
        chosen: &[usize],
        made: Option<fn(Array2<f32>) -> Array2<f32>>,
    ) -> Result<Self> {
        if chosen.is_empty() {
            return Err(ExplainError::NoRows {
                what: "the background of an explanation",
            });
        }
        let rows = matrix_of(features, chosen);
        let range = |column: ArrayView1<'_, f32>| {
            let nothing = (f32::INFINITY, f32::NEG_INFINITY);
            (column.iter()).fold(nothing, |(low, high), &value| (low.min(value), high.max(value)))
        };
        let ranges = rows.columns().into_iter().map(range).collect();
        let predict = |rows: &Array2<f32>| {
            explained.evaluate(rows.nrows(), rows.ncols(), |number, to| {
                to.copy_from_slice(row_of(rows, number));
            })
        };
        let of_rows = predict(&rows)?;
        let nothing = (f64::INFINITY, f64::NEG_INFINITY);
        let wider = |(low, high): (f64, f64), value: &f64| (low.min(*value), high.max(*value));
        let usual_range = of_rows.iter().fold(nothing, wider);
        let (rows, usual) = match made {
            None => (rows, of_rows),
            Some(made) => {
                let rows = made(rows);
                let usual = predict(&rows)?;
                (rows, usual)
            }
        };
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

/// The mean of rows as one row.
#[allow(clippy::cast_possible_truncation)]
fn mean_row(rows: Array2<f32>) -> Array2<f32> {
    let middle = |column: ArrayView1<'_, f32>| {
        let column: Vec<f64> = column.iter().map(|value| f64::from(*value)).collect();
        mean(&column) as f32
    };
    rows.map_axis(Axis(0), middle).insert_axis(Axis(0))
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
