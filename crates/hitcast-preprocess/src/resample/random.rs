//! Rows again, or left out.

use hitcast_core::Seed;
use serde::{Deserialize, Serialize};

use super::strategy::SamplingStrategy;
use super::{Made, Origin, Resampled, Rows};
use crate::error::Result;

/// Adds rows of rare classes again, drawn with replacement.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RandomOverSampler {
    /// How many rows each class gets.
    pub strategy: SamplingStrategy,
}

/// Leaves out rows of common classes, drawn without replacement; the others keep their order.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RandomUnderSampler {
    /// How many rows each class keeps.
    pub strategy: SamplingStrategy,
}

impl RandomOverSampler {
    pub(super) fn resample(&self, rows: &Rows<'_>, seed: Seed) -> Result<Vec<Made>> {
        let mut made = Vec::new();
        for (class, more) in self.strategy.to_add(&rows.counts())?.into_iter().enumerate() {
            let members = &rows.members[class];
            let mut stream = seed.nth(class as u64).stream("rows");
            made.extend((0..more).map(|_| Made {
                class,
                origin: Origin::Row(members[stream.below(members.len())]),
                neighbors: Vec::new(),
            }));
        }
        Ok(made)
    }
}

impl RandomUnderSampler {
    pub(super) fn resample(&self, rows: &Rows<'_>, seed: Seed) -> Result<Resampled> {
        let mut kept = Vec::new();
        for (class, keep) in self.strategy.to_keep(&rows.counts())?.into_iter().enumerate() {
            let mut members = rows.members[class].clone();
            seed.nth(class as u64).stream("rows").shuffle(&mut members);
            kept.extend(members.into_iter().take(keep));
        }
        kept.sort_unstable();
        Ok(Resampled {
            features: rows.features.take(&kept),
            classes: kept.iter().map(|&row| rows.classes[row]).collect(),
            origins: kept.into_iter().map(Origin::Row).collect(),
        })
    }
}
