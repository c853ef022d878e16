//! A category's share of the training rows.

use hitcast_data::Column;
use serde::{Deserialize, Serialize};

use super::category::{Category, Counted, check_categories, codes};
use crate::error::{PreprocessError, Result};

pub(crate) const STEP: &str = "FrequencyEncoder";

/// Gives each category its share of the training rows, from 0 to 1; an unknown one has 0. A missing value is a category.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FrequencyEncoder {}

/// A [`FrequencyEncoder`] after its fit on one column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FittedFrequencyEncoder {
    /// The categories, sorted.
    pub categories: Vec<Category>,
    /// The share of each.
    pub shares: Vec<f64>,
}

impl FrequencyEncoder {
    /// Learns the shares from a column of the training rows.
    ///
    /// # Errors
    /// [`PreprocessError::NoRows`], [`PreprocessError::AllMissing`], [`PreprocessError::NotFinite`].
    #[allow(clippy::cast_precision_loss)]
    pub fn fit(&self, name: &str, column: &Column) -> Result<FittedFrequencyEncoder> {
        let counted = Counted::new(STEP, name, column)?;
        let share = |count: &usize| *count as f64 / column.len() as f64;
        Ok(FittedFrequencyEncoder {
            shares: counted.counts.iter().map(share).collect(),
            categories: counted.categories,
        })
    }
}

impl FittedFrequencyEncoder {
    /// Encodes a column.
    pub fn transform(&self, column: &Column) -> Vec<f64> {
        let share = |code: u32| self.shares.get(code as usize).copied().unwrap_or(0.0);
        codes(&self.categories, column).into_iter().map(share).collect()
    }

    pub(super) fn check(&self) -> Result<()> {
        check_categories(STEP, &self.categories)?;
        let possible = self.shares.iter().all(|share| (0.0..=1.0).contains(share));
        if self.shares.len() != self.categories.len() || !possible {
            let message = format!("{STEP}: there is not one share between 0 and 1 for each category");
            return Err(PreprocessError::Fitted(message));
        }
        Ok(())
    }
}
