//! What the metrics of numbers and those of classes have in common: names, and a direction.

use serde::{Deserialize, Serialize};

/// One metric out of the ones that are computed together.
pub trait Metric: Copy + Ord + Send + Sync + 'static {
    /// All of them.
    type Values: Clone + Send;

    /// Every metric.
    const EVERY: &'static [Self];

    /// Its name, the one that serde uses.
    fn name(self) -> &'static str;

    /// Which way it gets better.
    fn direction(self) -> Direction;

    /// This metric among all of them; `None` where it is not defined.
    fn of(self, values: &Self::Values) -> Option<f64>;
}

/// Which way a metric gets better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Smaller is better.
    Minimize,
    /// Larger is better.
    Maximize,
}

impl Direction {
    /// Whether `new` is better than `old`; NaN never is, and anything else is better than NaN.
    pub fn is_better(self, new: f64, old: f64) -> bool {
        if old.is_nan() {
            return !new.is_nan();
        }
        match self {
            Self::Minimize => new < old,
            Self::Maximize => new > old,
        }
    }
}

/// Lets a metric be found and shown by its name, from its own `ALL`, `name`, `direction` and `of`.
macro_rules! named_metric {
    ($metric:ty, $values:ty) => {
        impl $crate::metric::Metric for $metric {
            type Values = $values;
            const EVERY: &'static [Self] = &Self::ALL;

            fn name(self) -> &'static str {
                self.name()
            }

            fn direction(self) -> $crate::metric::Direction {
                self.direction()
            }

            fn of(self, values: &$values) -> Option<f64> {
                self.of(values)
            }
        }

        impl std::fmt::Display for $metric {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.name())
            }
        }

        impl std::str::FromStr for $metric {
            type Err = $crate::error::MetricsError;

            fn from_str(text: &str) -> $crate::error::Result<Self> {
                let wanted = text.to_ascii_lowercase().replace('-', "_");
                Self::ALL
                    .into_iter()
                    .find(|metric| metric.name() == wanted)
                    .ok_or_else(|| {
                        $crate::error::MetricsError::unknown_metric(text, &Self::ALL.map(Self::name))
                    })
            }
        }
    };
}

pub(crate) use named_metric;
