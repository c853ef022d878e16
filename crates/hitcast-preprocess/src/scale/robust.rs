//! Scaling by median and quantile range, which outliers do not move.

use hitcast_core::stats::{median, quantile};
use ndarray::{Array2, ArrayView2};
use serde::{Deserialize, Serialize};

use super::normal::normal_quantile;
use crate::column::{ColumnMap, Learnable, apply_each, check_fitted, check_scales, learn_each};
use crate::error::{PreprocessError, Result};

pub(crate) const STEP: &str = "RobustScaler";

/// Subtracts each column's median and divides by the distance between two of its quantiles.
///
/// Agrees with scikit-learn's `RobustScaler` 1.9; where the distance is below 2.2e-15 the scale is 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RobustScaler {
    /// Whether the median is subtracted. Default true.
    pub with_centering: bool,
    /// Whether values are divided by the quantile range. Default true.
    pub with_scaling: bool,
    /// The two quantiles in percent. Default (25, 75), the interquartile range.
    pub quantile_range: (f64, f64),
    /// Whether the range is divided by that of the standard normal distribution, so that normal data get variance 1.
    /// Default false.
    pub unit_variance: bool,
}

/// A [`RobustScaler`] after its [`fit`](RobustScaler::fit). All vectors have length `d`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct FittedRobustScaler {
    /// The settings it was fitted with.
    pub settings: RobustScaler,
    /// Median, learned also where it is not subtracted.
    pub center: Vec<f64>,
    /// Distance between the quantiles; 1 for a column where they coincide.
    pub scale: Vec<f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Unchecked {
    settings: RobustScaler,
    center: Vec<f64>,
    scale: Vec<f64>,
}

impl TryFrom<Unchecked> for FittedRobustScaler {
    type Error = PreprocessError;

    fn try_from(saved: Unchecked) -> Result<Self> {
        let Unchecked {
            settings,
            center,
            scale,
        } = saved;
        settings.check()?;
        check_fitted(STEP, &[("center", &center), ("scale", &scale)])?;
        check_scales(STEP, "scale", &scale)?;
        Ok(Self {
            settings,
            center,
            scale,
        })
    }
}

impl Default for RobustScaler {
    fn default() -> Self {
        Self {
            with_centering: true,
            with_scaling: true,
            quantile_range: (25.0, 75.0),
            unit_variance: false,
        }
    }
}

pub(crate) struct Learned {
    center: f64,
    scale: f64,
}

impl RobustScaler {
    /// Learns medians and quantile ranges of `x` (`n × d`), passing over missing values (NaN).
    ///
    /// # Errors
    /// [`PreprocessError::Setting`] on an impossible quantile range, [`PreprocessError::NoRows`] if `n` is 0,
    /// [`PreprocessError::AllMissing`], [`PreprocessError::NotFinite`] on an infinite value,
    /// [`PreprocessError::Scale`] if the range overflows.
    pub fn fit(&self, x: ArrayView2<'_, f64>) -> Result<FittedRobustScaler> {
        self.check()?;
        Ok(self.collect(learn_each(STEP, x, |column| self.learn(column))?.into_iter()))
    }

    pub(crate) fn check(&self) -> Result<()> {
        let (low, high) = self.quantile_range;
        let value = format!("[{low}, {high}]");
        if !(0.0 <= low && low <= high && high <= 100.0) {
            let allowed = "two percentages in ascending order, from 0 to 100";
            return Err(PreprocessError::Setting {
                setting: "quantile_range",
                value,
                allowed,
            });
        }
        if self.unit_variance && !(0.0 < low && low < high && high < 100.0) {
            let allowed = "two different percentages above 0 and below 100 with unit_variance";
            return Err(PreprocessError::Setting {
                setting: "quantile_range",
                value,
                allowed,
            });
        }
        Ok(())
    }

    pub(crate) fn learn(&self, column: &Learnable<'_>) -> Result<Learned> {
        let mut values = column.present()?.into_owned();
        let (low, high) = (self.quantile_range.0 / 100.0, self.quantile_range.1 / 100.0);
        let missing = || PreprocessError::AllMissing {
            step: STEP,
            column: column.column.clone(),
        };
        let center = median(&mut values).ok_or_else(missing)?;
        let upper = quantile(&mut values, high).ok_or_else(missing)?;
        let lower = quantile(&mut values, low).ok_or_else(missing)?;
        let range = upper - lower;
        if !(center.is_finite() && range.is_finite()) {
            return Err(PreprocessError::Scale {
                step: STEP,
                column: column.column.clone(),
                scale: range,
            });
        }
        let scale = if range < 10.0 * f64::EPSILON {
            1.0
        } else {
            column.checked_scale(range)?
        };
        let adjust = if self.unit_variance {
            normal_quantile(high) - normal_quantile(low)
        } else {
            1.0
        };
        Ok(Learned {
            center,
            scale: column.checked_scale(scale / adjust)?,
        })
    }

    pub(crate) fn collect(&self, columns: impl Iterator<Item = Learned>) -> FittedRobustScaler {
        let (center, scale) = columns.map(|column| (column.center, column.scale)).unzip();
        FittedRobustScaler {
            settings: self.clone(),
            center,
            scale,
        }
    }
}

impl FittedRobustScaler {
    /// Number of columns `d`.
    pub fn n_columns(&self) -> usize {
        self.center.len()
    }

    /// Scales `x` (`m × d`); NaN stays NaN.
    ///
    /// # Errors
    /// [`PreprocessError::WrongColumns`] if `x` has not `d` columns.
    pub fn transform(&self, x: ArrayView2<'_, f64>) -> Result<Array2<f64>> {
        apply_each(STEP, &self.maps(), x, ColumnMap::forward)
    }

    /// Takes scaled values (`m × d`) back to raw units.
    ///
    /// # Errors
    /// [`PreprocessError::WrongColumns`] if `x` has not `d` columns.
    pub fn inverse_transform(&self, x: ArrayView2<'_, f64>) -> Result<Array2<f64>> {
        apply_each(STEP, &self.maps(), x, ColumnMap::back)
    }

    pub(crate) fn maps(&self) -> Vec<ColumnMap> {
        (self.center.iter().zip(&self.scale))
            .map(|(&center, &scale)| ColumnMap::Ratio {
                center: if self.settings.with_centering { center } else { 0.0 },
                scale: if self.settings.with_scaling { scale } else { 1.0 },
            })
            .collect()
    }
}
