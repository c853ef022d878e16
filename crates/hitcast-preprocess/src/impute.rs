//! Filling in missing values.

use std::collections::BTreeMap;

use hitcast_core::stats::{mean, median};
use ndarray::{Array2, ArrayView2};
use serde::{Deserialize, Serialize};

use crate::column::{Learnable, apply_each, check_fitted, learn_each};
use crate::error::{PreprocessError, Result};

const STEP: &str = "Imputer";

/// What stands in for a missing value: learned from the column's other values, or given.
///
/// Agrees with scikit-learn's `SimpleImputer` 1.9. In a recipe: `impute = "median"` or `impute = { constant = 0.0 }`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Imputer {
    /// The mean.
    Mean,
    /// The median.
    Median,
    /// The value that is there most often, the smallest of those if there are several; for flags, the commoner one.
    MostFrequent,
    /// This number.
    Constant(f64),
}

/// An [`Imputer`] after its [`fit`](Imputer::fit).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct FittedImputer {
    /// How the values were found.
    pub strategy: Imputer,
    /// What stands in for missing values of each column, length `d`.
    pub values: Vec<f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Unchecked {
    strategy: Imputer,
    values: Vec<f64>,
}

impl TryFrom<Unchecked> for FittedImputer {
    type Error = PreprocessError;

    fn try_from(saved: Unchecked) -> Result<Self> {
        let Unchecked { strategy, values } = saved;
        strategy.check()?;
        check_fitted(STEP, &[("values", &values)])?;
        Ok(Self { strategy, values })
    }
}

impl Imputer {
    /// Learns what stands in for missing values (NaN) of `x` (`n × d`).
    ///
    /// # Errors
    /// [`PreprocessError::Setting`] if the constant is not finite, [`PreprocessError::NoRows`] if `n` is 0,
    /// [`PreprocessError::AllMissing`] (also for a constant: such a column says nothing),
    /// [`PreprocessError::NotFinite`] on an infinite value.
    pub fn fit(&self, x: ArrayView2<'_, f64>) -> Result<FittedImputer> {
        self.check()?;
        let values = learn_each(STEP, x, |column| self.learn(column))?;
        Ok(FittedImputer {
            strategy: *self,
            values,
        })
    }

    pub(crate) fn check(&self) -> Result<()> {
        match self {
            Self::Constant(value) if !value.is_finite() => Err(PreprocessError::Setting {
                setting: "impute.constant",
                value: value.to_string(),
                allowed: "a finite number",
            }),
            _ => Ok(()),
        }
    }

    pub(crate) fn learn(&self, column: &Learnable<'_>) -> Result<f64> {
        let mut values = column.present()?.into_owned();
        let value = match self {
            Self::Mean => mean(&values),
            Self::Median => median(&mut values).unwrap_or(f64::NAN),
            Self::MostFrequent => most_frequent(&values),
            Self::Constant(value) => *value,
        };
        if value.is_finite() {
            return Ok(value);
        }
        Err(PreprocessError::Scale {
            step: STEP,
            column: column.column.clone(),
            scale: value,
        })
    }
}

fn most_frequent(values: &[f64]) -> f64 {
    // Positive finite floats order as their bits do, negative ones the other way round; −0 counts as 0.
    let key = |value: f64| {
        let bits = (value + 0.0).to_bits();
        if bits >> 63 == 0 { bits | 1 << 63 } else { !bits }
    };
    let mut counts: BTreeMap<u64, (usize, f64)> = BTreeMap::new();
    for &value in values {
        counts.entry(key(value)).or_insert((0, value)).0 += 1;
    }
    let first = (0, f64::NAN);
    counts
        .into_values()
        .fold(first, |best, next| if next.0 > best.0 { next } else { best })
        .1
}

impl FittedImputer {
    /// Number of columns `d`.
    pub fn n_columns(&self) -> usize {
        self.values.len()
    }

    /// Fills in the missing values (NaN) of `x` (`m × d`). There is no way back: which values were missing is not kept.
    ///
    /// # Errors
    /// [`PreprocessError::WrongColumns`] if `x` has not `d` columns.
    pub fn transform(&self, x: ArrayView2<'_, f64>) -> Result<Array2<f64>> {
        apply_each(
            STEP,
            &self.values,
            x,
            |fill, value| if value.is_nan() { fill } else { value },
        )
    }
}
