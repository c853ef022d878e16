//! Gradients on the way from the mean row.

use hitcast_core::Features;
use serde::{Deserialize, Serialize};

use super::{Lines, TOLERANCE, check};
use crate::background::Background;
use crate::error::Result;
use crate::explained::Explained;
use crate::shapley::LocalExplanation;
use crate::source::Units;

/// Integrated gradients (Sundararajan, Taly and Yan 2017) from the mean of the background rows: how far each column moves the
/// prediction on the straight line from there.
///
/// The baseline is what is predicted for the mean row, which need not be like any row there is;
/// [`ExpectedGradients`](crate::ExpectedGradients) begin at many rows instead. It takes `steps` gradients a row, or more. Agrees
/// with Captum's `IntegratedGradients` 0.9 at many steps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct IntegratedGradients {
    /// Steps on the line, 1 to 10,000. Default 300.
    pub steps: usize,
    /// Where more than this share of the range of predictions, of the background and the row, is not accounted for in the mean, the
    /// lines that lack as much are gone again in steps of a quarter, up to three times; `None` for never. Above 0. Default 0.001.
    /// It bounds the gap of an explanation, not the errors of its attributions: see [`gradients`](crate::gradients).
    pub tolerance: Option<f64>,
}

impl Default for IntegratedGradients {
    fn default() -> Self {
        Self {
            steps: 300,
            tolerance: Some(TOLERANCE),
        }
    }
}

impl IntegratedGradients {
    /// Explains every row of `rows` (`n × d`) against the `background` rows, as those that the model learned from.
    ///
    /// # Errors
    /// [`ExplainError::NoGradients`](crate::ExplainError::NoGradients) if the model has none, else
    /// [`Setting`](crate::ExplainError::Setting), [`NoRows`](crate::ExplainError::NoRows),
    /// [`OtherColumns`](crate::ExplainError::OtherColumns) and [`Length`](crate::ExplainError::Length) if the columns differ,
    /// and as [`Explained::values`].
    pub fn explain(
        &self,
        explained: &Explained<'_>,
        background: &Features,
        rows: &Features,
        units: &dyn Units,
    ) -> Result<Vec<LocalExplanation>> {
        check(self.steps, self.tolerance, background, rows)?;
        let background = Background::mean(explained, background)?;
        let lines = Lines::new(explained, background, self.steps, self.tolerance)?;
        lines.explain(rows, units)
    }
}
