//! Accumulated local effects (Apley and Zhu 2020): how predictions move with a number, asked only about rows near each value.

use hitcast_core::Features;
use hitcast_core::stats::{mean, sum};
use serde::{Deserialize, Serialize};

use crate::error::{ExplainError, Result};
use crate::explained::{Explained, batches};
use crate::source::{Raw, Sources, Units};

/// Accumulated local effects of a column of numbers. Unlike partial dependence they never ask about a row with a value far
/// from its own, so they can be trusted where columns go together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AccumulatedEffects {
    /// Intervals, each with about as many rows, at least 1. Where many rows share a value there are fewer. Default 20.
    pub intervals: usize,
}

/// How predictions move with a column, from its mean effect.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Effects {
    /// Name of the source column.
    pub source: String,
    /// Edges of the intervals, rising; a single one of a column that is the same in all rows.
    pub edges: Vec<Raw>,
    /// The effect at each edge, in the unit of what is explained; 0 in the mean over the rows.
    pub effects: Vec<f64>,
    /// Rows in each interval, one fewer than edges. The lower edge of an interval belongs to the one before it.
    pub rows: Vec<usize>,
}

impl Default for AccumulatedEffects {
    fn default() -> Self {
        Self { intervals: 20 }
    }
}

impl AccumulatedEffects {
    /// The effects of a source column on the predictions for the rows of `features` (`n × d`).
    ///
    /// # Errors
    /// [`ExplainError::Setting`], [`ExplainError::UnknownSource`], [`ExplainError::NotNumeric`] for one of several features,
    /// [`ExplainError::NoRows`], else as [`Explained::values`].
    #[allow(clippy::cast_precision_loss)]
    pub fn compute(
        &self,
        explained: &Explained<'_>,
        features: &Features,
        source: &str,
        units: &dyn Units,
    ) -> Result<Effects> {
        const WHAT: &str = "accumulated local effects";
        if self.intervals == 0 {
            return Err(ExplainError::setting("intervals", 0, "at least 1"));
        }
        let sources = Sources::by_source(features);
        let source = sources.get(source)?;
        let [column] = source.columns[..] else {
            return Err(ExplainError::NotNumeric {
                what: WHAT,
                name: source.name.clone(),
                columns: source.columns.len(),
            });
        };
        if features.n_rows() == 0 {
            return Err(ExplainError::NoRows { what: WHAT });
        }
        let values: Vec<f32> = batches(features)
            .flat_map(|batch| batch.column(column).to_vec())
            .collect();
        let mut sorted = values.clone();
        sorted.sort_by(f32::total_cmp);
        // Edges are values of rows, so that no interval is empty.
        let share = |edge: usize| (edge * sorted.len()).div_ceil(self.intervals).saturating_sub(1);
        let at = (0..=self.intervals).filter_map(|edge| sorted.get(share(edge)).copied());
        let mut edges: Vec<f32> = at.collect();
        edges.dedup();
        let intervals = edges.len().saturating_sub(1);
        // Each row between the edges around it.
        let place = |value: f32| {
            let below = edges.partition_point(|edge| *edge < value);
            below.clamp(1, intervals.max(1)) - 1
        };
        let places: Vec<usize> = values.iter().map(|value| place(*value)).collect();
        let n = values.len();
        let moved = if intervals == 0 {
            Vec::new()
        } else {
            explained.evaluate(2 * n, features.n_features(), |number, to| {
                let row = number % n;
                features.write_row(row, to);
                let edge = places[row] + number / n;
                to[column] = edges[edge];
            })?
        };
        let (low, high) = moved.split_at(moved.len() / 2);
        let mut steps = vec![Vec::new(); intervals];
        for ((low, high), &place) in low.iter().zip(high).zip(&places) {
            steps[place].push(high - low);
        }
        let mut effects = vec![0.0];
        for steps in &steps {
            let before = effects.last().copied().unwrap_or_default();
            effects.push(before + mean(steps));
        }
        let middle = |pair: &[f64]| f64::midpoint(pair[0], pair[1]);
        let weighted = effects.windows(2).zip(&steps);
        let centre = sum(weighted.map(|(pair, steps)| middle(pair) * steps.len() as f64)) / n as f64;
        effects.iter_mut().for_each(|effect| *effect -= centre);
        Ok(Effects {
            edges: edges.iter().map(|edge| units.raw(source, &[*edge])).collect(),
            source: source.name.clone(),
            effects,
            rows: steps.iter().map(Vec::len).collect(),
        })
    }
}
