//! What made up one prediction, by Shapley values (Shapley 1953; Štrumbelj and Kononenko 2014).
//!
//! A column's attribution is what it changes in the prediction when its value takes the place of that of a background row, in
//! the mean over all background rows and all orders in which columns can do so. Features that come from one column of the table
//! are one player. From the baseline, the mean prediction for the background rows, the attributions lead to the prediction.
//!
//! - [`exact`]: over all orders, for a dozen columns
//! - [`sampled`]: over some orders, for any number

pub mod exact;
pub mod own;
pub mod sampled;

use std::fmt;

use hitcast_core::stats::{mean, sum};
use hitcast_core::{Features, Seed};
use ndarray::Array2;
use serde::{Deserialize, Serialize};

use crate::error::{ExplainError, Result};
use crate::explained::{Explained, matrix_of, one_row, row_of, sample_rows};
use crate::source::{Raw, Source, Sources, Units};

/// Why one prediction is not the baseline. It prints as a list, the largest attribution first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LocalExplanation {
    /// The mean prediction for the background rows, in the unit of what is explained.
    pub baseline: f64,
    /// The prediction for the row.
    pub prediction: f64,
    /// One a source column, in their order.
    pub attributions: Vec<Attribution>,
    /// What is missing from baseline plus attributions to the prediction.
    pub gap: f64,
}

/// What one column did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Attribution {
    /// Name of the source column.
    pub source: String,
    /// Its value in the row.
    pub raw: Raw,
    /// How far it moved the prediction from the baseline, in the unit of what is explained.
    pub value: f64,
    /// Standard error of `value`, if it was sampled.
    pub standard_error: Option<f64>,
    /// Whether a feature of it is smaller or larger than in all background rows, where models know nothing.
    pub beyond_background: bool,
}

/// What exact and sampled values need.
struct Game {
    sources: Sources,
    /// The row.
    row: Vec<f32>,
    /// Rows that stand for what is usual, `b × d`.
    background: Array2<f32>,
    prediction: f64,
    /// Prediction for each background row.
    usual: Vec<f64>,
}

impl Game {
    fn new(
        explained: &Explained<'_>,
        background: &Features,
        limit: usize,
        rows: &Features,
        row: usize,
        seed: Seed,
    ) -> Result<Self> {
        if limit == 0 {
            return Err(ExplainError::setting("background", 0, "at least 1"));
        }
        if background.n_rows() == 0 {
            return Err(ExplainError::NoRows {
                what: "the background of Shapley values",
            });
        }
        let named = |features: &Features| -> Vec<String> {
            features
                .columns()
                .iter()
                .map(|column| column.name.clone())
                .collect()
        };
        let (expected, got) = (named(background), named(rows));
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
        let row = one_row(rows, row)?;
        let chosen = sample_rows(background.n_rows(), limit, seed);
        let background_rows = matrix_of(background, &chosen);
        let width = row.len();
        // The row itself comes last.
        let mut values = explained.evaluate(chosen.len() + 1, width, |number, to| {
            let from = if number < chosen.len() {
                row_of(&background_rows, number)
            } else {
                &row
            };
            to.copy_from_slice(from);
        })?;
        let prediction = values.pop().unwrap_or(f64::NAN);
        Ok(Self {
            sources: Sources::by_source(background),
            row,
            background: background_rows,
            prediction,
            usual: values,
        })
    }

    fn baseline(&self) -> f64 {
        mean(&self.usual)
    }

    fn explanation(&self, values: &[f64], errors: Option<&[f64]>, units: &dyn Units) -> LocalExplanation {
        let attribution = |(number, (source, &value)): (usize, (&Source, &f64))| Attribution {
            source: source.name.clone(),
            raw: units.raw(source, &source.of(&self.row)),
            value,
            standard_error: errors.and_then(|errors| errors.get(number).copied()),
            beyond_background: self.is_beyond(source),
        };
        let baseline = self.baseline();
        let reached = sum(std::iter::once(baseline).chain(values.iter().copied()));
        LocalExplanation {
            baseline,
            prediction: self.prediction,
            attributions: self
                .sources
                .iter()
                .zip(values)
                .enumerate()
                .map(attribution)
                .collect(),
            gap: self.prediction - reached,
        }
    }

    fn is_beyond(&self, source: &Source) -> bool {
        let beyond = |column: &usize| {
            let Some(&value) = self.row.get(*column) else {
                return false;
            };
            let usual = self.background.column(*column);
            let (low, high) = usual
                .iter()
                .fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), &v| {
                    (low.min(v), high.max(v))
                });
            value < low || value > high
        };
        source.columns.iter().any(beyond)
    }
}

impl LocalExplanation {
    /// The attributions from the largest magnitude to the smallest.
    pub fn ranked(&self) -> Vec<&Attribution> {
        let mut ranked: Vec<&Attribution> = self.attributions.iter().collect();
        ranked.sort_by(|a, b| b.value.abs().total_cmp(&a.value.abs()));
        ranked
    }
}

impl fmt::Display for LocalExplanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let change = self.prediction - self.baseline;
        write!(
            f,
            "prediction {:.4} = baseline {:.4} {change:+.4}",
            self.prediction, self.baseline
        )?;
        for attribution in self.ranked() {
            let Attribution {
                source, raw, value, ..
            } = attribution;
            write!(f, "\n{value:+10.4}  {source} = {raw}")?;
            if let Some(error) = attribution.standard_error {
                write!(f, " (± {error:.4})")?;
            }
            if attribution.beyond_background {
                f.write_str(" (beyond all background rows)")?;
            }
        }
        write!(f, "\nnot accounted for: {:.2e}", self.gap)
    }
}

/// The mean magnitude of each source's attributions over some rows' explanations: a global importance. Sources stand in the
/// order of the first explanation.
pub fn mean_magnitudes(explanations: &[LocalExplanation]) -> Vec<(String, f64)> {
    let Some(first) = explanations.first() else {
        return Vec::new();
    };
    let of = |attribution: &Attribution| {
        let magnitudes = explanations.iter().filter_map(|explanation| {
            let found = explanation
                .attributions
                .iter()
                .find(|a| a.source == attribution.source);
            found.map(|a| a.value.abs())
        });
        let magnitudes: Vec<f64> = magnitudes.collect();
        (attribution.source.clone(), mean(&magnitudes))
    };
    first.attributions.iter().map(of).collect()
}
