//! Scaling between two bounds.

use ndarray::{Array2, ArrayView2};
use serde::{Deserialize, Serialize};

use crate::column::{ColumnMap, Learnable, apply_each, check_fitted, check_scales, learn_each};
use crate::error::{PreprocessError, Result};

pub(crate) const STEP: &str = "MinMaxScaler";

/// Maps each column's range in the training rows to [`feature_range`](Self::feature_range).
///
/// Agrees with scikit-learn's `MinMaxScaler` 1.9; a column whose range is below 2.2e-15 is moved to the lower bound.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MinMaxScaler {
    /// The bounds, the lower first. Default (0, 1).
    pub feature_range: (f64, f64),
    /// Whether values outside the training rows' range are moved to the bounds; they cannot be taken back. Default
    /// false.
    pub clip: bool,
}

/// A [`MinMaxScaler`] after its [`fit`](MinMaxScaler::fit). All vectors have length `d`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct FittedMinMaxScaler {
    /// The settings it was fitted with.
    pub settings: MinMaxScaler,
    /// Smallest value.
    pub data_min: Vec<f64>,
    /// Largest value.
    pub data_max: Vec<f64>,
    /// What values are multiplied by (scikit-learn's `scale_`).
    pub scale: Vec<f64>,
    /// What is added then (scikit-learn's `min_`).
    pub offset: Vec<f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Unchecked {
    settings: MinMaxScaler,
    data_min: Vec<f64>,
    data_max: Vec<f64>,
    scale: Vec<f64>,
    offset: Vec<f64>,
}

impl TryFrom<Unchecked> for FittedMinMaxScaler {
    type Error = PreprocessError;

    fn try_from(saved: Unchecked) -> Result<Self> {
        let Unchecked {
            settings,
            data_min,
            data_max,
            scale,
            offset,
        } = saved;
        settings.check()?;
        let vectors = [
            ("data_min", &data_min),
            ("data_max", &data_max),
            ("scale", &scale),
            ("offset", &offset),
        ];
        check_fitted(STEP, &vectors.map(|(name, values)| (name, values.as_slice())))?;
        check_scales(STEP, "scale", &scale)?;
        Ok(Self {
            settings,
            data_min,
            data_max,
            scale,
            offset,
        })
    }
}

impl Default for MinMaxScaler {
    fn default() -> Self {
        Self {
            feature_range: (0.0, 1.0),
            clip: false,
        }
    }
}

pub(crate) struct Learned {
    data_min: f64,
    data_max: f64,
    scale: f64,
    offset: f64,
}

impl MinMaxScaler {
    /// Learns the ranges of `x` (`n × d`), passing over missing values (NaN).
    ///
    /// # Errors
    /// [`PreprocessError::Setting`] if the bounds are not finite and ascending, [`PreprocessError::NoRows`] if `n` is 0,
    /// [`PreprocessError::AllMissing`], [`PreprocessError::NotFinite`] on an infinite value,
    /// [`PreprocessError::Scale`] if the range overflows.
    pub fn fit(&self, x: ArrayView2<'_, f64>) -> Result<FittedMinMaxScaler> {
        self.check()?;
        Ok(self.collect(learn_each(STEP, x, |column| self.learn(column))?.into_iter()))
    }

    pub(crate) fn check(&self) -> Result<()> {
        let (low, high) = self.feature_range;
        if low < high && low.is_finite() && high.is_finite() {
            return Ok(());
        }
        let (value, allowed) = (
            format!("[{low}, {high}]"),
            "two finite numbers, the smaller first",
        );
        Err(PreprocessError::Setting {
            setting: "feature_range",
            value,
            allowed,
        })
    }

    pub(crate) fn learn(&self, column: &Learnable<'_>) -> Result<Learned> {
        let values = column.present()?;
        let data_min = values.iter().copied().fold(f64::INFINITY, f64::min);
        let data_max = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let (low, high) = self.feature_range;
        let range = data_max - data_min;
        let range = if range < 10.0 * f64::EPSILON { 1.0 } else { range };
        let scale = column.checked_scale((high - low) / range)?;
        Ok(Learned {
            data_min,
            data_max,
            scale,
            offset: low - data_min * scale,
        })
    }

    pub(crate) fn collect(&self, columns: impl Iterator<Item = Learned>) -> FittedMinMaxScaler {
        let (mut data_min, mut data_max, mut scale, mut offset) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for column in columns {
            data_min.push(column.data_min);
            data_max.push(column.data_max);
            scale.push(column.scale);
            offset.push(column.offset);
        }
        FittedMinMaxScaler {
            settings: self.clone(),
            data_min,
            data_max,
            scale,
            offset,
        }
    }
}

impl FittedMinMaxScaler {
    /// Number of columns `d`.
    pub fn n_columns(&self) -> usize {
        self.scale.len()
    }

    /// Scales `x` (`m × d`); NaN stays NaN.
    ///
    /// # Errors
    /// [`PreprocessError::WrongColumns`] if `x` has not `d` columns.
    pub fn transform(&self, x: ArrayView2<'_, f64>) -> Result<Array2<f64>> {
        apply_each(STEP, &self.maps(), x, ColumnMap::forward)
    }

    /// Takes scaled values (`m × d`) back to raw units; what was clipped stays at the end of the training rows' range.
    ///
    /// # Errors
    /// [`PreprocessError::WrongColumns`] if `x` has not `d` columns.
    pub fn inverse_transform(&self, x: ArrayView2<'_, f64>) -> Result<Array2<f64>> {
        apply_each(STEP, &self.maps(), x, ColumnMap::back)
    }

    pub(crate) fn maps(&self) -> Vec<ColumnMap> {
        let (low, high) = if self.settings.clip {
            self.settings.feature_range
        } else {
            (f64::NEG_INFINITY, f64::INFINITY)
        };
        (self.scale.iter().zip(&self.offset))
            .map(|(&factor, &offset)| ColumnMap::Line {
                factor,
                offset,
                low,
                high,
            })
            .collect()
    }
}
