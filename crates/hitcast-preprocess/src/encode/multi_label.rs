//! Columns of zeros and ones where a row has several categories.

use std::collections::{BTreeMap, HashSet};

use hitcast_core::Indicators;
use hitcast_data::{Column, TextColumn};
use ndarray::ArrayView2;
use serde::{Deserialize, Serialize};

use super::category::{Category, unknown};
use super::one_hot::{IndicatorColumns, OneHotEncoder, UnknownCategory};
use crate::error::{PreprocessError, Result};

pub(crate) const STEP: &str = "MultiLabelEncoder";

/// Makes a column of zeros and ones for each label of a list, as the genres of a song in `pop;rock`. Each label that a row
/// has is a one; a missing value has none.
///
/// Agrees with scikit-learn's `MultiLabelBinarizer` 1.9 with its defaults.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MultiLabelEncoder {
    /// What stands between two labels; blanks around labels do not count. Default `;`.
    pub separator: String,
    /// What a label that the training rows do not have becomes. Default: an error.
    pub unknown: UnknownCategory,
    /// Labels in fewer training rows than this share the column `(other)`. Default 1: none.
    pub min_frequency: usize,
    /// The most columns that are made, at least 1, as in [`OneHotEncoder`]. Default: no limit.
    pub max_columns: Option<usize>,
}

impl Default for MultiLabelEncoder {
    fn default() -> Self {
        Self {
            separator: ";".to_owned(),
            unknown: UnknownCategory::Error,
            min_frequency: 1,
            max_columns: None,
        }
    }
}

/// A [`MultiLabelEncoder`] after its fit on one column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FittedMultiLabelEncoder {
    /// What stands between two labels.
    pub separator: String,
    /// Which label has which column.
    pub columns: IndicatorColumns,
}

impl MultiLabelEncoder {
    /// Learns the labels of a column of the training rows.
    ///
    /// # Errors
    /// [`PreprocessError::Setting`], [`PreprocessError::NoRows`], [`PreprocessError::AllMissing`] if no row has a label,
    /// [`PreprocessError::NotText`] if the column holds no text.
    pub fn fit(&self, name: &str, column: &Column) -> Result<FittedMultiLabelEncoder> {
        self.check()?;
        let texts = texts(name, column)?;
        if texts.is_empty() {
            return Err(PreprocessError::NoRows { step: STEP });
        }
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for list in texts.iter().flatten() {
            for label in labels(&self.separator, list).collect::<HashSet<_>>() {
                *counts.entry(label).or_default() += 1;
            }
        }
        if counts.is_empty() {
            return Err(PreprocessError::AllMissing {
                step: STEP,
                column: name.to_owned(),
            });
        }
        let categories = counts.keys().map(|label| Category::Text((*label).to_owned()));
        let counts: Vec<usize> = counts.values().copied().collect();
        Ok(FittedMultiLabelEncoder {
            separator: self.separator.clone(),
            columns: self.limits().limit(categories.collect(), &counts),
        })
    }

    pub(crate) fn check(&self) -> Result<()> {
        if self.separator.is_empty() {
            return Err(PreprocessError::Setting {
                setting: "encode.separator",
                value: "empty".to_owned(),
                allowed: "at least one character",
            });
        }
        self.limits().check()
    }

    /// What labels and categories have in common.
    fn limits(&self) -> OneHotEncoder {
        OneHotEncoder {
            unknown: self.unknown,
            min_frequency: self.min_frequency,
            max_columns: self.max_columns,
        }
    }
}

impl FittedMultiLabelEncoder {
    /// Encodes a column.
    ///
    /// # Errors
    /// [`PreprocessError::NotText`]; [`PreprocessError::UnknownCategory`] if unknown labels are errors.
    pub fn transform(&self, name: &str, column: &Column) -> Result<Indicators> {
        let other = u32::try_from(self.columns.categories.len()).unwrap_or(u32::MAX);
        let has_other = !self.columns.rare.is_empty();
        let place = |list: &[Category], label: &str| {
            let wanted = Category::Text(label.to_owned());
            list.binary_search_by(|category| category.order(&wanted)).ok()
        };
        let mut indicators = Indicators::new(self.columns.width());
        for (row, list) in texts(name, column)?.iter().enumerate() {
            let mut ones = Vec::new();
            for label in list.into_iter().flat_map(|list| labels(&self.separator, list)) {
                let own = place(&self.columns.categories, label).and_then(|place| u32::try_from(place).ok());
                let rare = || place(&self.columns.rare, label).map(|_| other);
                match (own.or_else(rare), self.columns.unknown) {
                    (Some(one), _) => ones.push(one),
                    (None, UnknownCategory::Other) if has_other => ones.push(other),
                    (None, UnknownCategory::Error) => {
                        return Err(unknown(
                            STEP,
                            name,
                            row,
                            label.to_owned(),
                            &self.columns.categories,
                        ));
                    }
                    (None, _) => {}
                }
            }
            ones.sort_unstable();
            ones.dedup();
            indicators.push(ones);
        }
        Ok(indicators)
    }

    pub(super) fn n_unknown(&self, lists: &TextColumn) -> usize {
        let known: HashSet<String> = (self.columns.categories.iter().chain(&self.columns.rare))
            .map(ToString::to_string)
            .collect();
        let is_unknown = |list: &&str| labels(&self.separator, list).any(|label| !known.contains(label));
        lists.iter().flatten().filter(is_unknown).count()
    }

    /// The labels whose values are above one half, in their order; missing where there are none.
    pub(super) fn inverse_transform(&self, encoded: ArrayView2<'_, f64>) -> Column {
        let separator = &self.separator;
        Column::text(encoded.rows().into_iter().map(|row| {
            let set = row
                .iter()
                .zip(&self.columns.categories)
                .filter(|(value, _)| **value > 0.5);
            let labels: Vec<String> = set.map(|(_, label)| label.to_string()).collect();
            (!labels.is_empty()).then(|| labels.join(separator))
        }))
    }
}

/// The labels of a list.
fn labels<'a>(separator: &'a str, list: &'a str) -> impl Iterator<Item = &'a str> {
    list.split(separator)
        .map(str::trim)
        .filter(|label| !label.is_empty())
}

fn texts<'a>(name: &str, column: &'a Column) -> Result<&'a TextColumn> {
    match column {
        Column::Text(texts) => Ok(texts),
        _ => Err(PreprocessError::NotText {
            step: STEP,
            column: name.to_owned(),
            kind: column.kind(),
        }),
    }
}
