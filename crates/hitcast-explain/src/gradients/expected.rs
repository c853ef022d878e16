//! Gradients on the ways from many rows.

use hitcast_core::{Features, Seed};
use serde::{Deserialize, Serialize};

use super::{Lines, TOLERANCE, check};
use crate::background::Background;
use crate::error::Result;
use crate::explained::Explained;
use crate::shapley::LocalExplanation;
use crate::source::Units;

/// Expected gradients (Erion, Janizek, Sturmfels, Lundberg and Lee 2021): integrated gradients from each of the background
/// rows, in the mean. The baseline is the mean prediction for these rows, as it is for Shapley values, which they come near.
///
/// In place of one point at random on each line there are some at equal distances, with the change of the prediction between
/// them, which leaves a far smaller gap for the same number of gradients. It takes `background × steps` of them a row, or some more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ExpectedGradients {
    /// Background rows that are used, at least 1; of more, some are chosen at random. Default 100.
    pub background: usize,
    /// Steps on the line from each of them, 1 to 10,000. Default 10.
    pub steps: usize,
    /// Where more than this share of the range of predictions, of the background and the row, is not accounted for in the mean, the
    /// lines that lack as much are gone again in steps of a quarter, up to three times; `None` for never. Above 0. Default 0.001.
    /// It bounds the gap of an explanation, not the errors of its attributions: see [`gradients`](crate::gradients).
    pub tolerance: Option<f64>,
}

impl Default for ExpectedGradients {
    fn default() -> Self {
        Self {
            background: 100,
            steps: 10,
            tolerance: Some(TOLERANCE),
        }
    }
}

impl ExpectedGradients {
    /// Explains every row of `rows` (`n × d`) against the `background` rows, as those that the model learned from.
    ///
    /// # Errors
    /// As [`IntegratedGradients::explain`](crate::IntegratedGradients::explain).
    pub fn explain(
        &self,
        explained: &Explained<'_>,
        background: &Features,
        rows: &Features,
        units: &dyn Units,
        seed: Seed,
    ) -> Result<Vec<LocalExplanation>> {
        check(self.steps, self.tolerance, background, rows)?;
        let background = Background::sample(explained, background, self.background, seed)?;
        let lines = Lines::new(explained, background, self.steps, self.tolerance)?;
        lines.explain(rows, units)
    }
}
