//! What a head makes of its linear unit, with the derivative.

use crate::spec::Head;

/// The function of a [`Head`] in 32 bits.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum HeadFunction {
    /// The unit itself.
    Identity,
    /// A sigmoid from `min` on.
    Bounded {
        /// The smallest prediction.
        min: f32,
        /// The largest prediction less the smallest.
        range: f32,
    },
    /// `ln(1 + exp(unit))`
    Softplus,
}

impl HeadFunction {
    /// The function of a head.
    #[allow(clippy::cast_possible_truncation)]
    pub fn of(head: Head) -> Self {
        match head {
            Head::Linear => Self::Identity,
            Head::Bounded { min, max } => Self::Bounded {
                min: min as f32,
                range: (max - min) as f32,
            },
            Head::Positive => Self::Softplus,
        }
    }

    /// The prediction and its derivative.
    pub fn value_and_slope(self, unit: f32) -> (f32, f32) {
        match self {
            Self::Identity => (unit, 1.0),
            Self::Bounded { min, range } => {
                let sigmoid = 1.0 / (1.0 + (-unit).exp());
                (sigmoid.mul_add(range, min), range * sigmoid * (1.0 - sigmoid))
            }
            Self::Softplus => (
                unit.max(0.0) + (-unit.abs()).exp().ln_1p(),
                1.0 / (1.0 + (-unit).exp()),
            ),
        }
    }
}
