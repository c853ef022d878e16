//! Scaling to mean 0 and standard deviation 1.

use hitcast_core::stats::{mean, sum};
use ndarray::{Array2, ArrayView2};
use serde::{Deserialize, Serialize};

use crate::column::{ColumnMap, Learnable, apply_each, check_fitted, check_scales, learn_each};
use crate::error::{PreprocessError, Result};

pub(crate) const STEP: &str = "StandardScaler";

/// Subtracts each column's mean and divides by its standard deviation (with denominator `n`).
///
/// Agrees with scikit-learn's `StandardScaler` 1.9, also in what counts as constant: a variance within the rounding
/// error of its computation, for which the scale is 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StandardScaler {
    /// Whether the mean is subtracted. Default true.
    pub with_mean: bool,
    /// Whether values are divided by the standard deviation. Default true.
    pub with_std: bool,
}

/// A [`StandardScaler`] after its [`fit`](StandardScaler::fit). All vectors have length `d`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct FittedStandardScaler {
    /// The settings it was fitted with.
    pub settings: StandardScaler,
    /// Number of values that were there.
    pub n_seen: Vec<usize>,
    /// Mean, learned also where it is not subtracted.
    pub mean: Vec<f64>,
    /// Variance with denominator `n`, in the square of the column's unit.
    pub variance: Vec<f64>,
    /// Standard deviation; 1 for a constant column.
    pub scale: Vec<f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Unchecked {
    settings: StandardScaler,
    n_seen: Vec<usize>,
    mean: Vec<f64>,
    variance: Vec<f64>,
    scale: Vec<f64>,
}

impl TryFrom<Unchecked> for FittedStandardScaler {
    type Error = PreprocessError;

    fn try_from(saved: Unchecked) -> Result<Self> {
        let Unchecked {
            settings,
            n_seen,
            mean,
            variance,
            scale,
        } = saved;
        check_fitted(
            STEP,
            &[("mean", &mean), ("variance", &variance), ("scale", &scale)],
        )?;
        check_scales(STEP, "scale", &scale)?;
        if n_seen.len() != mean.len() {
            let (got, expected) = (n_seen.len(), mean.len());
            return Err(PreprocessError::Fitted(format!(
                "{STEP}: n_seen has {got} values, expected {expected}"
            )));
        }
        Ok(Self {
            settings,
            n_seen,
            mean,
            variance,
            scale,
        })
    }
}

impl Default for StandardScaler {
    fn default() -> Self {
        Self {
            with_mean: true,
            with_std: true,
        }
    }
}

pub(crate) struct Learned {
    n_seen: usize,
    mean: f64,
    variance: f64,
    scale: f64,
}

#[allow(clippy::cast_precision_loss)]
pub(crate) fn learn(column: &Learnable<'_>) -> Result<Learned> {
    let values = column.present()?;
    let n = values.len() as f64;
    // In two passes with the correction of Chan, Golub and LeVeque (1983), as scikit-learn.
    let mean = mean(&values);
    let squares = sum(values.iter().map(|v| (v - mean) * (v - mean)));
    let variance = ((squares - sum(values.iter().map(|v| v - mean)).powi(2) / n) / n).max(0.0);
    let rounding = n * f64::EPSILON * variance + (n * mean * f64::EPSILON).powi(2);
    let constant = variance.is_finite() && variance <= rounding;
    let scale = if constant {
        1.0
    } else {
        column.checked_scale(variance.sqrt())?
    };
    Ok(Learned {
        n_seen: values.len(),
        mean,
        variance,
        scale,
    })
}

impl StandardScaler {
    /// Learns means and standard deviations of `x` (`n × d`), passing over missing values (NaN).
    ///
    /// # Errors
    /// [`PreprocessError::NoRows`] if `n` is 0, [`PreprocessError::AllMissing`], [`PreprocessError::NotFinite`] on an
    /// infinite value, [`PreprocessError::Scale`] if the variance overflows.
    pub fn fit(&self, x: ArrayView2<'_, f64>) -> Result<FittedStandardScaler> {
        Ok(self.collect(learn_each(STEP, x, learn)?.into_iter()))
    }

    pub(crate) fn collect(&self, columns: impl Iterator<Item = Learned>) -> FittedStandardScaler {
        let (mut n_seen, mut mean, mut variance, mut scale) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for column in columns {
            n_seen.push(column.n_seen);
            mean.push(column.mean);
            variance.push(column.variance);
            scale.push(column.scale);
        }
        FittedStandardScaler {
            settings: self.clone(),
            n_seen,
            mean,
            variance,
            scale,
        }
    }
}

impl FittedStandardScaler {
    /// Number of columns `d`.
    pub fn n_columns(&self) -> usize {
        self.mean.len()
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
        let StandardScaler { with_mean, with_std } = self.settings;
        (self.mean.iter().zip(&self.scale))
            .map(|(&mean, &scale)| ColumnMap::Ratio {
                center: if with_mean { mean } else { 0.0 },
                scale: if with_std { scale } else { 1.0 },
            })
            .collect()
    }
}
