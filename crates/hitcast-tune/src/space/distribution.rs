//! Where the values of a parameter come from.

use hitcast_core::Stream;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The distribution of a parameter's values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Distribution {
    /// A number between two bounds, each equally likely.
    Uniform {
        /// Lower bound.
        low: f64,
        /// Upper bound.
        high: f64,
    },
    /// A number above 0 whose logarithm is uniform.
    LogUniform {
        /// Lower bound, above 0.
        low: f64,
        /// Upper bound.
        high: f64,
    },
    /// One of `low`, `low + step`, … up to `high`, each equally likely.
    Integer {
        /// Smallest value.
        low: i64,
        /// Largest value.
        high: i64,
        /// Distance of neighbouring values, at least 1. Default 1.
        #[serde(default = "one")]
        step: i64,
    },
    /// One of some values, each equally likely.
    Choice {
        /// The values.
        values: Vec<Value>,
        /// Whether the setting may also be left out, for its default, as likely as each value. Default false.
        #[serde(default)]
        unset: bool,
    },
}

const fn one() -> i64 {
    1
}

impl Distribution {
    /// One of these values.
    pub fn choice<V: Into<Value>>(values: impl IntoIterator<Item = V>) -> Self {
        Self::Choice {
            values: values.into_iter().map(Into::into).collect(),
            unset: false,
        }
    }

    /// One of these values, or the setting's default.
    pub fn choice_or_default<V: Into<Value>>(values: impl IntoIterator<Item = V>) -> Self {
        Self::Choice {
            values: values.into_iter().map(Into::into).collect(),
            unset: true,
        }
    }

    /// What is wrong with it.
    pub(super) fn check(&self) -> Result<(), String> {
        let empty = |low: &dyn std::fmt::Display, high: &dyn std::fmt::Display| {
            Err(format!(
                "its range from {low} to {high} is empty; low must not be above high"
            ))
        };
        match self {
            Self::Uniform { low, high } | Self::LogUniform { low, high }
                if !(low.is_finite() && high.is_finite()) =>
            {
                Err(format!("its bounds are {low} and {high}, but must be finite"))
            }
            Self::Uniform { low, high } | Self::LogUniform { low, high } if low > high => empty(low, high),
            Self::Uniform { low, high } if !(high - low).is_finite() => {
                Err(format!("its range from {low} to {high} is too wide"))
            }
            Self::LogUniform { low, .. } if *low <= 0.0 => Err(format!(
                "its lower bound is {low}, but a logarithm needs one above 0"
            )),
            Self::Integer { low, high, .. } if low > high => empty(low, high),
            Self::Integer { low, high, .. }
                if high.checked_sub(*low).is_none_or(|width| width == i64::MAX) =>
            {
                Err(format!("its range from {low} to {high} is too wide"))
            }
            Self::Integer { step, .. } if *step < 1 => {
                Err(format!("its step is {step}, but must be at least 1"))
            }
            Self::Choice { values, unset: false } if values.is_empty() => {
                Err("it has no values to choose from".to_owned())
            }
            _ => Ok(()),
        }
    }

    /// How many values a discrete distribution has, and `None` for numbers between bounds.
    #[allow(clippy::cast_sign_loss, clippy::cast_possible_truncation)]
    pub(crate) fn n_values(&self) -> Option<usize> {
        match self {
            Self::Uniform { .. } | Self::LogUniform { .. } => None,
            Self::Integer { low, high, step } => Some(((high - low) / step) as usize + 1),
            Self::Choice { values, unset } => Some(values.len() + usize::from(*unset)),
        }
    }

    /// The values at the ends of a range, or all of a choice.
    pub(super) fn extremes(&self) -> Vec<Value> {
        match self {
            Self::Uniform { low, high } | Self::LogUniform { low, high } => {
                vec![(*low).into(), (*high).into()]
            }
            Self::Integer { .. } => vec![self.at(0.0), self.at(1.0)],
            Self::Choice { values, unset } => values
                .iter()
                .cloned()
                .chain(unset.then_some(Value::Null))
                .collect(),
        }
    }

    pub(super) fn sample(&self, random: &mut Stream) -> Value {
        self.at(random.uniform())
    }

    /// The value at a place in [0, 1], where each has its share.
    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_possible_wrap
    )]
    pub(crate) fn at(&self, place: f64) -> Value {
        let nth = |n: usize| nth(place, n);
        match self {
            Self::Uniform { low, high } => (low + place * (high - low)).clamp(*low, *high).into(),
            Self::LogUniform { low, high } => {
                let log = low.ln() + place * (high.ln() - low.ln());
                log.exp().clamp(*low, *high).into()
            }
            Self::Integer { low, step, .. } => (low + step * nth(self.n_values().unwrap_or(1)) as i64).into(),
            Self::Choice { values, .. } => values
                .get(nth(self.n_values().unwrap_or(1)))
                .cloned()
                .unwrap_or(Value::Null),
        }
    }

    /// The place of a value in [0, 1], the middle of its share; `None` for a value that the distribution has not.
    #[allow(clippy::cast_precision_loss)]
    pub(crate) fn place(&self, value: &Value) -> Option<f64> {
        let between = |value: f64, low: f64, high: f64| {
            if high > low {
                ((value - low) / (high - low)).clamp(0.0, 1.0)
            } else {
                0.5
            }
        };
        let middle = |nth: usize| (nth as f64 + 0.5) / self.n_values().unwrap_or(1) as f64;
        match self {
            Self::Uniform { low, high } => Some(between(value.as_f64()?, *low, *high)),
            Self::LogUniform { low, high } => Some(between(value.as_f64()?.ln(), low.ln(), high.ln())),
            Self::Integer { low, step, .. } => Some(middle(
                usize::try_from(value.as_i64()?.checked_sub(*low)? / step).ok()?,
            )),
            Self::Choice { values, unset } => {
                let nth = values.iter().position(|one| one == value);
                nth.or_else(|| (*unset && value.is_null()).then_some(values.len()))
                    .map(middle)
            }
        }
    }
}

/// Which of `n` equal shares of [0, 1] a place lies in.
#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss
)]
pub(crate) fn nth(place: f64, n: usize) -> usize {
    ((place * n as f64) as usize).min(n.saturating_sub(1))
}
