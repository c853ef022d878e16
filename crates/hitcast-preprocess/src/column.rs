//! What the scalers and imputers share: one column at a time, checked, then mapped there and back.

use std::borrow::Cow;

use ndarray::{Array2, ArrayView2};

use crate::error::{PreprocessError, Result};

/// A column that something is learned from.
pub(crate) struct Learnable<'a> {
    /// Who learns.
    pub(crate) step: &'static str,
    /// Name or number for errors.
    pub(crate) column: String,
    /// The values in row order, NaN where one is missing.
    pub(crate) values: &'a [f64],
}

impl Learnable<'_> {
    /// The values that are there, at least one, all finite.
    ///
    /// # Errors
    /// [`PreprocessError::NoRows`], [`PreprocessError::AllMissing`], [`PreprocessError::NotFinite`].
    pub(crate) fn present(&self) -> Result<Cow<'_, [f64]>> {
        if self.values.is_empty() {
            return Err(PreprocessError::NoRows { step: self.step });
        }
        if self.values.iter().all(|v| v.is_finite()) {
            return Ok(Cow::Borrowed(self.values));
        }
        if let Some(row) = self.values.iter().position(|v| v.is_infinite()) {
            let (step, column, value) = (self.step, self.column.clone(), self.values[row]);
            return Err(PreprocessError::NotFinite {
                step,
                column,
                row,
                value,
            });
        }
        let present: Vec<f64> = self.values.iter().copied().filter(|v| !v.is_nan()).collect();
        if present.is_empty() {
            return Err(PreprocessError::AllMissing {
                step: self.step,
                column: self.column.clone(),
            });
        }
        Ok(Cow::Owned(present))
    }

    /// `scale`, if it is a number to divide by.
    ///
    /// # Errors
    /// [`PreprocessError::Scale`] if it is not.
    pub(crate) fn checked_scale(&self, scale: f64) -> Result<f64> {
        if scale.is_finite() && scale > 0.0 {
            return Ok(scale);
        }
        Err(PreprocessError::Scale {
            step: self.step,
            column: self.column.clone(),
            scale,
        })
    }
}

/// Learns from each column of a matrix (`n × d`).
// By value, as the public functions take their views.
#[allow(clippy::needless_pass_by_value)]
pub(crate) fn learn_each<T>(
    step: &'static str,
    x: ArrayView2<'_, f64>,
    learn: impl Fn(&Learnable<'_>) -> Result<T>,
) -> Result<Vec<T>> {
    if x.nrows() == 0 {
        return Err(PreprocessError::NoRows { step });
    }
    x.columns()
        .into_iter()
        .enumerate()
        .map(|(number, column)| {
            let values = column.to_vec();
            learn(&Learnable {
                step,
                column: number.to_string(),
                values: &values,
            })
        })
        .collect()
}

/// What a fitted scaler does to the values of one column, in scikit-learn's order of operations.
#[derive(Debug, Clone, Copy)]
pub(crate) enum ColumnMap {
    /// `(value − center) ÷ scale`.
    Ratio { center: f64, scale: f64 },
    /// `value × factor + offset`, kept between `low` and `high`.
    Line {
        factor: f64,
        offset: f64,
        low: f64,
        high: f64,
    },
}

impl ColumnMap {
    /// Leaves values as they are.
    pub(crate) const IDENTITY: Self = Self::Ratio {
        center: 0.0,
        scale: 1.0,
    };

    pub(crate) fn forward(self, value: f64) -> f64 {
        match self {
            Self::Ratio { center, scale } => (value - center) / scale,
            // Not `clamp`, which panics on bounds in disorder; NaN stays NaN.
            Self::Line {
                factor,
                offset,
                low,
                high,
            } => {
                let scaled = value * factor + offset;
                if scaled < low {
                    low
                } else if scaled > high {
                    high
                } else {
                    scaled
                }
            }
        }
    }

    pub(crate) fn back(self, value: f64) -> f64 {
        match self {
            Self::Ratio { center, scale } => value * scale + center,
            Self::Line { factor, offset, .. } => (value - offset) / factor,
        }
    }
}

/// Applies one function a column to a matrix (`m × d`).
#[allow(clippy::needless_pass_by_value)]
pub(crate) fn apply_each<T: Copy>(
    step: &'static str,
    columns: &[T],
    x: ArrayView2<'_, f64>,
    apply: impl Fn(T, f64) -> f64,
) -> Result<Array2<f64>> {
    if x.ncols() != columns.len() {
        return Err(PreprocessError::WrongColumns {
            step,
            expected: columns.len(),
            got: x.ncols(),
        });
    }
    let mut out = x.to_owned();
    for mut row in out.rows_mut() {
        for (value, &column) in row.iter_mut().zip(columns) {
            *value = apply(column, *value);
        }
    }
    Ok(out)
}

/// Checks the learned vectors of a saved scaler or imputer: equal lengths and finite values.
pub(crate) fn check_fitted(step: &str, vectors: &[(&str, &[f64])]) -> Result<()> {
    let expected = vectors.first().map_or(0, |(_, values)| values.len());
    for (name, values) in vectors {
        if values.len() != expected {
            let got = values.len();
            return Err(PreprocessError::Fitted(format!(
                "{step}: {name} has {got} values, expected {expected}"
            )));
        }
        if let Some(value) = values.iter().find(|v| !v.is_finite()) {
            return Err(PreprocessError::Fitted(format!("{step}: {name} holds {value}")));
        }
    }
    Ok(())
}

/// Checks that each of a saved scaler's scales can be divided by.
pub(crate) fn check_scales(step: &str, name: &str, scales: &[f64]) -> Result<()> {
    match scales.iter().find(|scale| **scale <= 0.0) {
        Some(scale) => Err(PreprocessError::Fitted(format!(
            "{step}: {name} holds {scale}, must be positive"
        ))),
        None => Ok(()),
    }
}
