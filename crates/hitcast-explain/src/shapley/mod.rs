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

use hitcast_core::stats::mean;
use hitcast_core::{Features, Seed};
use serde::{Deserialize, Serialize};

use crate::background::{Background, check_columns};
use crate::error::Result;
use crate::explained::{Explained, one_row};
use crate::source::{Raw, Units};

/// Why one prediction is not the baseline. It prints as a list, the largest attribution first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LocalExplanation {
    /// The mean prediction for the background rows, in the unit of what is explained.
    pub baseline: f64,
    /// The prediction for the row.
    pub prediction: f64,
    /// One a source column, in their order.
    pub attributions: Vec<Attribution>,
    /// What is missing from baseline plus attributions to the prediction. A small one does not say that it is divided among the
    /// columns as it should be, least of all where gradients are added up so that little is missing.
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
    /// Whether a feature of it is smaller or larger than in all rows given as background, used or not, where models know nothing.
    pub beyond_background: bool,
}

/// What exact and sampled values need.
struct Game {
    background: Background,
    /// The row.
    row: Vec<f32>,
    prediction: f64,
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
        check_columns(background, rows)?;
        let row = one_row(rows, row)?;
        let background = Background::sample(explained, background, limit, seed)?;
        let prediction = explained.evaluate(1, row.len(), |_, to| to.copy_from_slice(&row))?;
        Ok(Self {
            background,
            prediction: prediction.first().copied().unwrap_or(f64::NAN),
            row,
        })
    }

    fn explanation(&self, values: &[f64], errors: Option<&[f64]>, units: &dyn Units) -> LocalExplanation {
        (self.background).explanation(&self.row, self.prediction, values, errors, units)
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
