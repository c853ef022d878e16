//! Shapley values over some orders of the columns.

use hitcast_core::stats::mean;
use hitcast_core::{Features, Seed};
use serde::{Deserialize, Serialize};

use super::{Game, LocalExplanation};
use crate::error::{ExplainError, Result};
use crate::explained::{Explained, row_of};
use crate::source::Units;

/// Shapley values of one row by sampled orders of the columns (Castro, Gómez and Tejada 2009), each taken forwards and
/// backwards (Mitchell and others 2022), which cancels much of the chance.
///
/// Each background row is used in as many orders as the others, so that baseline and attributions lead to the prediction
/// exactly but for rounding. It takes `background × orders × 2 × (columns − 1)` predictions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SampledShapley {
    /// Background rows that are used, at least 1; of more, some are chosen at random. Default 100.
    pub background: usize,
    /// Orders for each background row, each forwards and backwards, at least 1. Default 10.
    pub orders: usize,
}

impl Default for SampledShapley {
    fn default() -> Self {
        Self {
            background: 100,
            orders: 10,
        }
    }
}

impl SampledShapley {
    /// Explains a row of `rows` against the `background` rows, as those that the model learned from.
    ///
    /// # Errors
    /// [`ExplainError::Setting`], [`ExplainError::NoRows`], [`ExplainError::NoRow`], [`ExplainError::OtherColumns`] and
    /// [`ExplainError::Length`] if the columns differ, else as [`Explained::values`].
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
        if self.orders == 0 {
            return Err(ExplainError::setting("orders", 0, "at least 1"));
        }
        let game = Game::new(explained, background, self.background, rows, row, seed)?;
        let seed = seed.child("shapley");
        let sources: Vec<_> = game.background.sources.iter().collect();
        let (m, b) = (sources.len(), game.background.rows.nrows());
        if m == 0 {
            return Ok(game.explanation(&[], None, units));
        }
        let pairs = b * self.orders;
        let orders: Vec<Vec<usize>> = (0..pairs as u64)
            .map(|pair| seed.nth(pair).stream("order").permutation(m))
            .collect();
        // Of each pair the rows after one to m − 1 sources, forwards, then backwards; none and all are known.
        let steps = m - 1;
        let between = explained.evaluate(pairs * 2 * steps, game.row.len(), |number, to| {
            let (pair, step) = (number / (2 * steps), number % (2 * steps));
            to.copy_from_slice(row_of(&game.background.rows, pair % b));
            let taken = 1 + step % steps;
            let order = &orders[pair];
            let changed = if step < steps {
                &order[..taken]
            } else {
                &order[m - taken..]
            };
            for &player in changed {
                sources[player].copy(&game.row, to);
            }
        })?;
        // What each source gained in each pair, the mean of both directions.
        let mut gains = vec![Vec::with_capacity(pairs); m];
        let mut gained = vec![0.0; m];
        for (pair, order) in orders.iter().enumerate() {
            gained.fill(0.0);
            let start = game.background.usual.get(pair % b).copied().unwrap_or(f64::NAN);
            for (direction, walk) in (0..2).map(|d| (d, pair * 2 * steps + d * steps)) {
                let mut before = start;
                for step in 0..m {
                    let after = if step < steps {
                        between.get(walk + step).copied().unwrap_or(f64::NAN)
                    } else {
                        game.prediction
                    };
                    let player = if direction == 0 {
                        order[step]
                    } else {
                        order[m - 1 - step]
                    };
                    gained[player] += (after - before) / 2.0;
                    before = after;
                }
            }
            for (gains, gained) in gains.iter_mut().zip(&gained) {
                gains.push(*gained);
            }
        }
        let values: Vec<f64> = gains.iter().map(|gains| mean(gains)).collect();
        let error = |(gains, &value): (&Vec<f64>, &f64)| {
            let squares: Vec<f64> = gains.iter().map(|gain| (gain - value).powi(2)).collect();
            // Of a single pair nothing is known about its error.
            (mean(&squares) / (pairs as f64 - 1.0)).sqrt()
        };
        let errors: Vec<f64> = gains.iter().zip(&values).map(error).collect();
        Ok(game.explanation(&values, (pairs > 1).then_some(errors.as_slice()), units))
    }
}
