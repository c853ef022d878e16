//! How many features a tree looks at in each node.

use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};

use crate::error::ClassicalError;

/// How many features are drawn in each node, of `d`. Written as `"all"`, `"sqrt"`, `"log2"`, a whole number for a count, or
/// a number with a decimal point for a share.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum MaxFeatures {
    /// All of them.
    All,
    /// √d, rounded down.
    Sqrt,
    /// log₂ d, rounded down.
    Log2,
    /// So many, at least 1 and at most `d`.
    Count(usize),
    /// A share of them, above 0 and up to 1; rounded down.
    Share(f64),
}

impl MaxFeatures {
    /// The number of features, at least 1.
    ///
    /// # Errors
    /// [`ClassicalError::Setting`] if a count or share is impossible.
    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss
    )]
    pub fn of(self, d: usize) -> Result<usize, ClassicalError> {
        let impossible = |value, allowed| {
            Err(ClassicalError::Setting {
                setting: "max_features",
                value,
                allowed,
            })
        };
        let count = match self {
            Self::All => d,
            Self::Sqrt => d.isqrt(),
            Self::Log2 => d.checked_ilog2().unwrap_or(0) as usize,
            Self::Count(count) if count == 0 || count > d.max(1) => {
                return impossible(count as f64, "from 1 to the number of features");
            }
            Self::Count(count) => count,
            Self::Share(share) if !(share > 0.0 && share <= 1.0) => {
                return impossible(share, "above 0 and up to 1 as a share");
            }
            Self::Share(share) => (share * d as f64) as usize,
        };
        Ok(count.max(1))
    }
}

impl Serialize for MaxFeatures {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::All => serializer.serialize_str("all"),
            Self::Sqrt => serializer.serialize_str("sqrt"),
            Self::Log2 => serializer.serialize_str("log2"),
            Self::Count(count) => serializer.serialize_u64(*count as u64),
            Self::Share(share) => serializer.serialize_f64(*share),
        }
    }
}

impl<'de> Deserialize<'de> for MaxFeatures {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Written)
    }
}

struct Written;

impl Visitor<'_> for Written {
    type Value = MaxFeatures;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("\"all\", \"sqrt\", \"log2\", a count as 3, or a share as 0.5")
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<MaxFeatures, E> {
        match value {
            "all" => Ok(MaxFeatures::All),
            "sqrt" => Ok(MaxFeatures::Sqrt),
            "log2" => Ok(MaxFeatures::Log2),
            _ => Err(E::invalid_value(de::Unexpected::Str(value), &self)),
        }
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<MaxFeatures, E> {
        usize::try_from(value)
            .map(MaxFeatures::Count)
            .map_err(|_| E::invalid_value(de::Unexpected::Unsigned(value), &self))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<MaxFeatures, E> {
        usize::try_from(value)
            .map(MaxFeatures::Count)
            .map_err(|_| E::invalid_value(de::Unexpected::Signed(value), &self))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<MaxFeatures, E> {
        Ok(MaxFeatures::Share(value))
    }
}
