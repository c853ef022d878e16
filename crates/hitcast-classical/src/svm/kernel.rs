//! Kernel functions: their settings, and what these come to for some rows.

use hitcast_core::stats::{mean, sum};
use hitcast_kernels::similarity::Similarity;
use ndarray::ArrayView2;
use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};

use crate::checks::at_least;
use crate::error::ClassicalError;

/// How alike two rows `x` and `y` are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SvmKernel {
    /// `x · y`
    Linear,
    /// `exp(−γ ‖x − y‖²)`
    #[default]
    Rbf,
    /// `(γ x · y + coef0)^degree`
    Poly,
    /// `tanh(γ x · y + coef0)`
    Sigmoid,
}

/// The factor γ of a kernel. Written as `"scale"`, `"auto"` or a number.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
#[non_exhaustive]
pub enum Gamma {
    /// 1 / (d · variance of all numbers of the training rows); 1 where they are all the same.
    #[default]
    Scale,
    /// 1 / d.
    Auto,
    /// This number, above 0.
    Value(f64),
}

/// What the settings of a kernel come to; what is saved.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KernelFunction {
    pub(super) kernel: SvmKernel,
    pub(super) gamma: f32,
    pub(super) coef0: f32,
    pub(super) degree: u32,
}

/// Numbers above this make sums that overflow 32 bits.
const LARGEST: f64 = 1e30;

impl KernelFunction {
    /// Checks the settings, and that no two of these rows (`n × d`) are too large to be multiplied.
    #[allow(clippy::cast_possible_truncation)] // rounded to 32 bits, and checked behind it
    pub(super) fn new(
        kernel: SvmKernel,
        gamma: Gamma,
        degree: usize,
        coef0: f64,
        rows: ArrayView2<'_, f32>,
    ) -> Result<Self, ClassicalError> {
        at_least("degree", degree, 1, "at least 1")?;
        let square =
            |row: ndarray::ArrayView1<'_, f32>| sum(row.iter().map(|value| f64::from(*value).powi(2)));
        let largest = rows.rows().into_iter().map(square).fold(0.0, f64::max);
        let too_large = |what, value: f64| match value > LARGEST {
            true => Err(ClassicalError::NotFinite { what, value }),
            false => Ok(()),
        };
        too_large("the squared length of a row", largest)?;
        let gamma = match (kernel, gamma) {
            // Found for nothing otherwise.
            (SvmKernel::Linear, Gamma::Scale | Gamma::Auto) => 1.0,
            (_, gamma) => gamma.of(rows),
        };
        let function = Self {
            kernel,
            gamma: gamma as f32,
            coef0: coef0 as f32,
            degree: u32::try_from(degree).unwrap_or(u32::MAX),
        };
        function.check()?;
        if kernel == SvmKernel::Poly {
            let base = f64::from(function.gamma) * largest + f64::from(function.coef0).abs();
            too_large(
                "the kernel of a row and itself",
                base.powf(f64::from(function.degree)),
            )?;
        }
        Ok(function)
    }

    /// Refuses numbers that 32 bits cannot hold, or that a kernel may not have.
    pub(super) fn check(&self) -> Result<(), ClassicalError> {
        if !self.gamma.is_normal() || self.gamma < 0.0 {
            return Err(ClassicalError::Setting {
                setting: "gamma",
                value: self.gamma.into(),
                allowed: "from 1e-37 to 1e38 (as \"scale\" finds it, if the features are scaled)",
            });
        }
        if !self.coef0.is_finite() {
            return Err(ClassicalError::Setting {
                setting: "coef0",
                value: self.coef0.into(),
                allowed: "finite",
            });
        }
        at_least("degree", self.degree as usize, 1, "at least 1")
    }

    pub(super) fn similarity(&self) -> Similarity {
        let Self {
            kernel,
            gamma,
            coef0,
            degree,
        } = *self;
        match kernel {
            SvmKernel::Linear => Similarity::Linear,
            SvmKernel::Rbf => Similarity::Rbf { gamma },
            SvmKernel::Poly => Similarity::Polynomial { gamma, coef0, degree },
            SvmKernel::Sigmoid => Similarity::Sigmoid { gamma, coef0 },
        }
    }
}

impl Gamma {
    #[allow(clippy::cast_precision_loss)]
    fn of(self, rows: ArrayView2<'_, f32>) -> f64 {
        let d = rows.ncols().max(1) as f64;
        match self {
            Self::Value(gamma) => gamma,
            Self::Auto => 1.0 / d,
            Self::Scale => {
                let numbers: Vec<f64> = rows.iter().map(|value| f64::from(*value)).collect();
                let center = mean(&numbers);
                let squares = sum(numbers.iter().map(|value| (value - center).powi(2)));
                let variance = squares / numbers.len().max(1) as f64;
                if variance > 0.0 { 1.0 / (d * variance) } else { 1.0 }
            }
        }
    }
}

impl Serialize for Gamma {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Scale => serializer.serialize_str("scale"),
            Self::Auto => serializer.serialize_str("auto"),
            Self::Value(gamma) => serializer.serialize_f64(*gamma),
        }
    }
}

impl<'de> Deserialize<'de> for Gamma {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Written)
    }
}

struct Written;

impl Visitor<'_> for Written {
    type Value = Gamma;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("\"scale\", \"auto\", or a number above 0")
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Gamma, E> {
        match value {
            "scale" => Ok(Gamma::Scale),
            "auto" => Ok(Gamma::Auto),
            _ => Err(E::invalid_value(de::Unexpected::Str(value), &self)),
        }
    }

    #[allow(clippy::cast_precision_loss)]
    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Gamma, E> {
        Ok(Gamma::Value(value as f64))
    }

    #[allow(clippy::cast_precision_loss)]
    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Gamma, E> {
        Ok(Gamma::Value(value as f64))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Gamma, E> {
        Ok(Gamma::Value(value))
    }
}
