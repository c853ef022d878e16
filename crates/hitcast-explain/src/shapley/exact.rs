//! Shapley values over all subsets of the columns.

use hitcast_core::stats::{mean, sum};
use hitcast_core::{Features, Seed};
use serde::{Deserialize, Serialize};

use super::{Game, LocalExplanation};
use crate::error::{ExplainError, Result};
use crate::explained::{Explained, row_of};
use crate::source::Units;

/// The most source columns: 2¹⁴ subsets.
const MOST: usize = 14;

/// Exact Shapley values of one row, for up to 14 source columns. It takes `2^columns × background` predictions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ExactShapley {
    /// Background rows that are used, at least 1; of more, some are chosen at random. Default 100.
    pub background: usize,
}

impl Default for ExactShapley {
    fn default() -> Self {
        Self { background: 100 }
    }
}

impl ExactShapley {
    /// Explains a row of `rows` against the `background` rows, as those that the model learned from.
    ///
    /// # Errors
    /// [`ExplainError::TooManySources`], [`ExplainError::Setting`], [`ExplainError::NoRows`], [`ExplainError::NoRow`],
    /// [`ExplainError::OtherColumns`] and [`ExplainError::Length`] if the columns differ, else as [`Explained::values`].
    #[allow(clippy::cast_precision_loss)]
    pub fn explain(
        &self,
        explained: &Explained<'_>,
        background: &Features,
        rows: &Features,
        row: usize,
        units: &dyn Units,
        seed: Seed,
    ) -> Result<LocalExplanation> {
        let game = Game::new(explained, background, self.background, rows, row, seed)?;
        let sources: Vec<_> = game.background.sources.iter().collect();
        let m = sources.len();
        if m > MOST {
            return Err(ExplainError::TooManySources { got: m, most: MOST });
        }
        let b = game.background.rows.nrows();
        // For each subset, a set bit for each source that has the row's value, the prediction for each background row.
        let all = explained.evaluate(b << m, game.row.len(), |number, to| {
            let subset = number / b;
            to.copy_from_slice(row_of(&game.background.rows, number % b));
            for (player, source) in sources.iter().enumerate() {
                if (subset >> player) & 1 == 1 {
                    source.copy(&game.row, to);
                }
            }
        })?;
        let worth: Vec<f64> = all.chunks(b).map(mean).collect();
        // How likely it is that exactly so many others come before a source, in each of the ways they can be chosen.
        let mut chance = vec![1.0 / m.max(1) as f64; m];
        for before in 1..m {
            chance[before] = chance[before - 1] * before as f64 / (m - before) as f64;
        }
        let value = |player: usize| {
            let without = (0..worth.len()).filter(|subset| (subset >> player) & 1 == 0);
            sum(without.map(|subset| {
                let gained = worth[subset | (1 << player)] - worth[subset];
                chance[subset.count_ones() as usize] * gained
            }))
        };
        let values: Vec<f64> = (0..m).map(value).collect();
        Ok(game.explanation(&values, None, units))
    }
}
