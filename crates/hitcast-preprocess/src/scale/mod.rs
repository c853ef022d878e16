//! Scalers: what each learns from the training rows, and the way there and back.
//!
//! All agree with scikit-learn 1.9 to 1e-12: missing values (NaN) are passed over while learning and stay missing, and a
//! constant column is centred and otherwise left as it is.

mod min_max;
mod normal;
mod robust;
mod standard;

use ndarray::{Array2, ArrayView2};
use serde::{Deserialize, Serialize};

use crate::column::{ColumnMap, Learnable, apply_each, learn_each};
use crate::error::Result;

pub use min_max::{FittedMinMaxScaler, MinMaxScaler};
pub use robust::{FittedRobustScaler, RobustScaler};
pub use standard::{FittedStandardScaler, StandardScaler};

/// Any of the scalers, as a recipe names them: `{ kind = "robust", quantile_range = [5.0, 95.0] }`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Scaler {
    /// Mean 0, standard deviation 1.
    Standard(StandardScaler),
    /// Median 0, interquartile range 1.
    Robust(RobustScaler),
    /// Between two bounds.
    MinMax(MinMaxScaler),
}

/// A [`Scaler`] after its fit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum FittedScaler {
    /// Mean 0, standard deviation 1.
    Standard(FittedStandardScaler),
    /// Median 0, interquartile range 1.
    Robust(FittedRobustScaler),
    /// Between two bounds.
    MinMax(FittedMinMaxScaler),
}

impl Scaler {
    /// Learns from `x` (`n × d`), passing over missing values (NaN).
    ///
    /// # Errors
    /// As the `fit` of the scaler that it is.
    pub fn fit(&self, x: ArrayView2<'_, f64>) -> Result<FittedScaler> {
        self.check()?;
        let step = self.step();
        self.collect(learn_each(step, x, |column| self.learn(column))?)
    }

    /// Name of the scaler, for errors.
    pub(crate) fn step(&self) -> &'static str {
        match self {
            Self::Standard(_) => standard::STEP,
            Self::Robust(_) => robust::STEP,
            Self::MinMax(_) => min_max::STEP,
        }
    }

    pub(crate) fn check(&self) -> Result<()> {
        match self {
            Self::Standard(_) => Ok(()),
            Self::Robust(scaler) => scaler.check(),
            Self::MinMax(scaler) => scaler.check(),
        }
    }

    pub(crate) fn learn(&self, column: &Learnable<'_>) -> Result<LearnedColumn> {
        match self {
            Self::Standard(_) => standard::learn(column).map(LearnedColumn::Standard),
            Self::Robust(scaler) => scaler.learn(column).map(LearnedColumn::Robust),
            Self::MinMax(scaler) => scaler.learn(column).map(LearnedColumn::MinMax),
        }
    }

    /// Joins what was learned column by column.
    pub(crate) fn collect(&self, columns: Vec<LearnedColumn>) -> Result<FittedScaler> {
        let columns = columns.into_iter();
        Ok(match self {
            Self::Standard(scaler) => {
                FittedScaler::Standard(scaler.collect(columns.filter_map(|c| match c {
                    LearnedColumn::Standard(column) => Some(column),
                    _ => None,
                })))
            }
            Self::Robust(scaler) => FittedScaler::Robust(scaler.collect(columns.filter_map(|c| match c {
                LearnedColumn::Robust(column) => Some(column),
                _ => None,
            }))),
            Self::MinMax(scaler) => FittedScaler::MinMax(scaler.collect(columns.filter_map(|c| match c {
                LearnedColumn::MinMax(column) => Some(column),
                _ => None,
            }))),
        })
    }
}

/// What a scaler learned of one column.
pub(crate) enum LearnedColumn {
    Standard(standard::Learned),
    Robust(robust::Learned),
    MinMax(min_max::Learned),
}

impl FittedScaler {
    /// Scales `x` (`m × d`); NaN stays NaN.
    ///
    /// # Errors
    /// [`WrongColumns`](crate::PreprocessError::WrongColumns) if `x` has not `d` columns.
    pub fn transform(&self, x: ArrayView2<'_, f64>) -> Result<Array2<f64>> {
        apply_each("the scaler", &self.maps(), x, ColumnMap::forward)
    }

    /// Takes scaled values (`m × d`) back to raw units.
    ///
    /// # Errors
    /// [`WrongColumns`](crate::PreprocessError::WrongColumns) if `x` has not `d` columns.
    pub fn inverse_transform(&self, x: ArrayView2<'_, f64>) -> Result<Array2<f64>> {
        apply_each("the scaler", &self.maps(), x, ColumnMap::back)
    }

    /// Number of columns `d`.
    pub fn n_columns(&self) -> usize {
        match self {
            Self::Standard(scaler) => scaler.n_columns(),
            Self::Robust(scaler) => scaler.n_columns(),
            Self::MinMax(scaler) => scaler.n_columns(),
        }
    }

    pub(crate) fn maps(&self) -> Vec<ColumnMap> {
        match self {
            Self::Standard(scaler) => scaler.maps(),
            Self::Robust(scaler) => scaler.maps(),
            Self::MinMax(scaler) => scaler.maps(),
        }
    }
}
