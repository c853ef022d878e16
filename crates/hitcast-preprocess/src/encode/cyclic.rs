//! A place on a circle.

use std::f64::consts::TAU;

use hitcast_data::Column;
use ndarray::ArrayView2;
use serde::{Deserialize, Serialize};

use crate::error::{PreprocessError, Result};
use crate::recipe::numbers;

pub(crate) const STEP: &str = "CyclicEncoder";

/// Makes sine and cosine of a number that comes round again, so that the last value is as near to the first as any two
/// neighbours: a key (period 12), a month (12), an hour (24). Nothing is learned.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CyclicEncoder {
    /// After how much the values begin again, above 0.
    pub period: f64,
}

impl CyclicEncoder {
    /// Sine and cosine of each value's angle; NaN where one is missing.
    ///
    /// # Errors
    /// [`PreprocessError::Setting`] if the period is not above 0, [`PreprocessError::NeedsEncoder`] for a text column,
    /// [`PreprocessError::NotFinite`] for an infinite value.
    pub fn transform(&self, name: &str, column: &Column) -> Result<[Vec<f64>; 2]> {
        self.check()?;
        let values = numbers(name, column)?;
        if let Some(row) = values.iter().position(|v| v.is_infinite()) {
            return Err(PreprocessError::NotFinite {
                step: STEP,
                column: name.to_owned(),
                row,
                value: values[row],
            });
        }
        // Taken into one turn first: the sine of a large angle loses digits.
        let angle = |value: &f64| value.rem_euclid(self.period) / self.period * TAU;
        let of = |function: fn(f64) -> f64| values.iter().map(angle).map(function).collect();
        Ok([of(f64::sin), of(f64::cos)])
    }

    /// The number between 0 and the period in the direction of sine and cosine (`m × 2`).
    pub(super) fn inverse_transform(&self, encoded: ArrayView2<'_, f64>) -> Column {
        let turn = |row: ndarray::ArrayView1<'_, f64>| row[0].atan2(row[1]) / TAU;
        let value = |turn: f64| {
            let value = turn.rem_euclid(1.0) * self.period;
            // A hair before the end is the beginning.
            if self.period - value < 1e-6 * self.period {
                0.0
            } else {
                value
            }
        };
        Column::Number(encoded.rows().into_iter().map(turn).map(value).collect())
    }

    pub(crate) fn check(&self) -> Result<()> {
        if self.period.is_finite() && self.period > 0.0 {
            return Ok(());
        }
        Err(PreprocessError::Setting {
            setting: "encode.period",
            value: self.period.to_string(),
            allowed: "a finite number above 0",
        })
    }
}
