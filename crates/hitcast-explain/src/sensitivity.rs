//! How one prediction moves with each column, one at a time.

use hitcast_core::Features;
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::explained::{Explained, one_row};
use crate::grid::Grid;
use crate::source::{Raw, Units};

/// How the prediction for a row moves with one column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sensitivity {
    /// Name of the source column.
    pub source: String,
    /// The row's own value.
    pub raw: Raw,
    /// The prediction for the row as it is.
    pub prediction: f64,
    /// Other values, and what they make of the prediction.
    pub points: Vec<SensitivityPoint>,
}

/// What another value makes of a prediction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SensitivityPoint {
    /// The value.
    pub raw: Raw,
    /// The prediction with it.
    pub prediction: f64,
    /// By how much it differs.
    pub change: f64,
}

impl Sensitivity {
    /// From the smallest to the largest of these predictions, that of the row as it is included.
    pub fn swing(&self) -> f64 {
        let all = self.points.iter().map(|point| point.prediction);
        let (low, high) = all.fold((self.prediction, self.prediction), |(low, high), value| {
            (low.min(value), high.max(value))
        });
        high - low
    }
}

/// How the prediction for a row of `features` moves with each grid's column, all others left as they are; one a grid.
///
/// # Errors
/// [`NoRow`](crate::ExplainError::NoRow), [`UnknownSource`](crate::ExplainError::UnknownSource) and
/// [`OtherColumns`](crate::ExplainError::OtherColumns) if a grid is not one of these features, else as [`Explained::values`].
pub fn sensitivity(
    explained: &Explained<'_>,
    features: &Features,
    row: usize,
    grids: &[Grid],
    units: &dyn Units,
) -> Result<Vec<Sensitivity>> {
    grids.iter().try_for_each(|grid| grid.check(features))?;
    let own = one_row(features, row)?;
    let moves: Vec<_> = grids
        .iter()
        .flat_map(|grid| grid.points.iter().map(move |point| (&grid.source, point)))
        .collect();
    // The row itself comes last.
    let mut values = explained.evaluate(moves.len() + 1, own.len(), |number, to| {
        to.copy_from_slice(&own);
        if let Some((source, point)) = moves.get(number) {
            source.write(&point.encoded, to);
        }
    })?;
    let prediction = values.pop().unwrap_or(f64::NAN);
    let mut values = values.into_iter();
    let of = |grid: &Grid| Sensitivity {
        source: grid.source.name.clone(),
        raw: units.raw(&grid.source, &grid.source.of(&own)),
        prediction,
        points: grid
            .points
            .iter()
            .zip(values.by_ref())
            .map(|(point, value)| SensitivityPoint {
                raw: point.raw.clone(),
                prediction: value,
                change: value - prediction,
            })
            .collect(),
    };
    Ok(grids.iter().map(of).collect())
}
