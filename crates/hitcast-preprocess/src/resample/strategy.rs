//! How many rows of each class there are to be.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::{PreprocessError, Result};

/// How many rows of each class there are to be. Classes without rows stay without.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SamplingStrategy {
    /// As many of each: as the largest class has if rows are added, as the smallest has if rows are left out.
    #[default]
    Balance,
    /// At least this share of the largest class, above 0 and at most 1: if rows are added, smaller classes get as many; if
    /// rows are left out, a class keeps at most the smallest class' number divided by it.
    Ratio(f64),
    /// These numbers of rows, by class; other classes stay as they are.
    Counts(BTreeMap<usize, usize>),
}

impl SamplingStrategy {
    /// For each class, how many rows are to be added to `counts`.
    #[allow(clippy::cast_precision_loss)]
    pub(super) fn to_add(&self, counts: &[usize]) -> Result<Vec<usize>> {
        let largest = counts.iter().copied().max().unwrap_or(0);
        let wanted = self.wanted(counts, |ratio| rounded_down(largest as f64 * ratio))?;
        let pairs = counts.iter().zip(wanted).enumerate();
        let more = pairs.map(|(class, (&count, wanted))| match wanted {
            Wanted::Exactly(wanted) if wanted < count || count == 0 => Err(PreprocessError::SampleCount {
                class,
                rows: count,
                wanted,
                allowed: if count == 0 {
                    "none, because it has no row to start from"
                } else {
                    "as many or more"
                },
            }),
            Wanted::Exactly(wanted) => Ok(wanted - count),
            Wanted::UpTo(wanted) if count > 0 => Ok(wanted.saturating_sub(count)),
            _ => Ok(0),
        });
        more.collect()
    }

    /// For each class, how many rows of `counts` are to be kept.
    #[allow(clippy::cast_precision_loss)]
    pub(super) fn to_keep(&self, counts: &[usize]) -> Result<Vec<usize>> {
        let smallest = counts
            .iter()
            .copied()
            .filter(|&count| count > 0)
            .min()
            .unwrap_or(0);
        let wanted = self.wanted(counts, |ratio| rounded_down(smallest as f64 / ratio))?;
        let pairs = counts.iter().zip(wanted).enumerate();
        let kept = pairs.map(|(class, (&count, wanted))| match wanted {
            Wanted::Exactly(wanted) if wanted > count => Err(PreprocessError::SampleCount {
                class,
                rows: count,
                wanted,
                allowed: "as many or fewer",
            }),
            Wanted::Exactly(wanted) | Wanted::UpTo(wanted) => Ok(wanted.min(count)),
            Wanted::Same => Ok(count),
        });
        kept.collect()
    }

    fn wanted(&self, counts: &[usize], by_ratio: impl Fn(f64) -> usize) -> Result<Vec<Wanted>> {
        match self {
            Self::Balance => Ok(vec![Wanted::UpTo(by_ratio(1.0)); counts.len()]),
            Self::Ratio(ratio) if !(*ratio > 0.0 && *ratio <= 1.0) => Err(PreprocessError::Setting {
                setting: "sampler.strategy.ratio",
                value: ratio.to_string(),
                allowed: "above 0 and at most 1",
            }),
            Self::Ratio(ratio) => Ok(vec![Wanted::UpTo(by_ratio(*ratio)); counts.len()]),
            Self::Counts(wanted) => {
                let mut all = vec![Wanted::Same; counts.len()];
                for (&class, &rows) in wanted {
                    match all.get_mut(class) {
                        Some(wanted) => *wanted = Wanted::Exactly(rows),
                        None => {
                            return Err(PreprocessError::Setting {
                                setting: "sampler.strategy.counts",
                                value: format!("for class {class}"),
                                allowed: "for classes that there are",
                            });
                        }
                    }
                }
                Ok(all)
            }
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Wanted {
    Same,
    UpTo(usize),
    Exactly(usize),
}

/// As imbalanced-learn does.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn rounded_down(rows: f64) -> usize {
    rows as usize
}
