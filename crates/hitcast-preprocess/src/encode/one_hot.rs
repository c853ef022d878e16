//! A column of zeros and ones for each category.

use hitcast_core::{FeatureColumn, Indicators};
use hitcast_data::{Column, ColumnKind};
use ndarray::ArrayView2;
use serde::{Deserialize, Serialize};

use super::category::{Category, Counted, NONE, check_categories, codes, column_of, unknown_row};
use crate::error::{PreprocessError, Result};

pub(crate) const STEP: &str = "OneHotEncoder";

/// Makes a column of zeros and ones for each category of the training rows, in sorted order; rare ones may share a last
/// column.
///
/// Agrees with scikit-learn's `OneHotEncoder` 1.9 (`handle_unknown`, `min_frequency`), but for
/// [`max_columns`](Self::max_columns), which never merges categories that have room. A missing value is a category if the
/// training rows have one, as there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OneHotEncoder {
    /// What a category that the training rows do not have becomes. Default: an error.
    pub unknown: UnknownCategory,
    /// Categories in fewer training rows than this share the column `(other)`. Default 1: none.
    pub min_frequency: usize,
    /// The most columns that are made, at least 1; the rarest categories share the column `(other)`, which counts too.
    /// Default: no limit.
    pub max_columns: Option<usize>,
}

/// What a category becomes that was not among the training rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnknownCategory {
    /// An error that names the column, the row and the value.
    #[default]
    Error,
    /// Zeros in all columns.
    Ignore,
    /// A one in the column `(other)`, if rare categories share one; else zeros, because a column that is zero in all
    /// training rows teaches nothing.
    Other,
}

impl Default for OneHotEncoder {
    fn default() -> Self {
        Self {
            unknown: UnknownCategory::Error,
            min_frequency: 1,
            max_columns: None,
        }
    }
}

/// A [`OneHotEncoder`] after its fit on one column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FittedOneHotEncoder {
    /// Which category has which column.
    pub columns: IndicatorColumns,
}

/// The columns of zeros and ones that categories have.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IndicatorColumns {
    /// The categories with a column of their own, sorted.
    pub categories: Vec<Category>,
    /// The rare categories, sorted, that share the last column `(other)`; there is none if they are none.
    pub rare: Vec<Category>,
    /// What other categories become.
    pub unknown: UnknownCategory,
}

impl OneHotEncoder {
    /// Learns the categories of a column of the training rows.
    ///
    /// # Errors
    /// [`PreprocessError::Setting`], [`PreprocessError::NoRows`], [`PreprocessError::AllMissing`],
    /// [`PreprocessError::NotFinite`] for an infinite number.
    pub fn fit(&self, name: &str, column: &Column) -> Result<FittedOneHotEncoder> {
        self.check()?;
        let Counted {
            categories, counts, ..
        } = Counted::new(STEP, name, column)?;
        Ok(FittedOneHotEncoder {
            columns: self.limit(categories, &counts),
        })
    }

    pub(super) fn limit(&self, categories: Vec<Category>, counts: &[usize]) -> IndicatorColumns {
        let mut is_rare: Vec<bool> = counts.iter().map(|&count| count < self.min_frequency).collect();
        let common = is_rare.iter().filter(|rare| !**rare).count();
        let others = usize::from(common < is_rare.len());
        if let Some(most) = self.max_columns.filter(|&most| common + others > most) {
            // The rarest first, of equally rare ones the first in order.
            let mut order: Vec<usize> = (0..counts.len()).collect();
            order.sort_by_key(|&category| counts[category]);
            let merged = counts.len() - (most - 1).min(counts.len());
            order
                .into_iter()
                .take(merged)
                .for_each(|category| is_rare[category] = true);
        }
        let mut columns = IndicatorColumns {
            categories: Vec::new(),
            rare: Vec::new(),
            unknown: self.unknown,
        };
        for (category, rare) in categories.into_iter().zip(is_rare) {
            let list = if rare {
                &mut columns.rare
            } else {
                &mut columns.categories
            };
            list.push(category);
        }
        columns
    }

    pub(crate) fn check(&self) -> Result<()> {
        if self.max_columns == Some(0) {
            return Err(PreprocessError::Setting {
                setting: "encode.max_columns",
                value: "0".to_owned(),
                allowed: "at least 1",
            });
        }
        Ok(())
    }
}

impl FittedOneHotEncoder {
    /// Encodes a column: at most a single one a row.
    ///
    /// # Errors
    /// [`PreprocessError::UnknownCategory`] if unknown categories are errors.
    pub fn transform(&self, name: &str, column: &Column) -> Result<Indicators> {
        let codes = self.columns.codes(STEP, name, column)?;
        Ok(Indicators::one_hot(self.columns.width(), codes))
    }
}

impl IndicatorColumns {
    /// Number of columns.
    pub fn width(&self) -> usize {
        self.categories.len() + usize::from(!self.rare.is_empty())
    }

    /// The names of the columns that the column of this name becomes: `key=5`, `genre=(other)`.
    pub fn feature_columns(&self, name: &str) -> Vec<FeatureColumn> {
        // A category may be called as what is no category.
        let apart = |special: &str| {
            let mut special = special.to_owned();
            while self.categories.contains(&Category::Text(special.clone())) {
                special = format!("({special})");
            }
            format!("{name}={special}")
        };
        let own = self.categories.iter().map(|category| match category {
            Category::Missing(()) => apart("(missing)"),
            category => format!("{name}={category}"),
        });
        let other = (!self.rare.is_empty()).then(|| apart("(other)"));
        own.chain(other)
            .map(|encoded| FeatureColumn::of(name, encoded))
            .collect()
    }

    /// The column of each row, [`NONE`] for zeros everywhere.
    pub(super) fn codes(&self, step: &'static str, name: &str, column: &Column) -> Result<Vec<u32>> {
        let mut found = codes(&self.categories, column);
        if !found.contains(&NONE) {
            return Ok(found);
        }
        let other = u32::try_from(self.categories.len()).unwrap_or(NONE);
        let rare = codes(&self.rare, column);
        for (row, (code, rare)) in found.iter_mut().zip(rare).enumerate() {
            if *code != NONE {
                continue;
            }
            *code = match self.unknown {
                _ if rare != NONE => other,
                UnknownCategory::Error => return Err(unknown_row(step, name, column, row, &self.categories)),
                UnknownCategory::Other if !self.rare.is_empty() => other,
                _ => NONE,
            };
        }
        Ok(found)
    }

    /// The category of the largest value of each row; missing where none is above one half, or where it is `(other)`.
    pub(super) fn inverse_transform(&self, encoded: ArrayView2<'_, f64>, kind: ColumnKind) -> Column {
        let places = encoded.rows().into_iter().map(|row| {
            let largest = row.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
            largest.filter(|(_, value)| **value > 0.5).map(|(place, _)| place)
        });
        column_of(&self.categories, places, kind)
    }

    pub(super) fn check(&self, step: &str) -> Result<()> {
        if !self.categories.is_empty() || self.rare.is_empty() {
            check_categories(step, &self.categories)?;
        }
        if !self.rare.is_empty() {
            check_categories(step, &self.rare)?;
        }
        let both = |category: &Category| {
            self.categories
                .binary_search_by(|own| own.order(category))
                .is_ok()
        };
        if self.rare.iter().any(both) {
            return Err(PreprocessError::Fitted(format!(
                "{step}: a category is rare and is not"
            )));
        }
        Ok(())
    }
}
