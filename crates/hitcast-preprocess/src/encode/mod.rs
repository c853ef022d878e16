//! From categories to numbers: encoders learn which categories there are from the training rows, and answer one that they
//! have not seen as they are told to.
//!
//! - [`category`]: the values of a column as categories
//! - [`one_hot`]: a column of zeros and ones for each category
//! - [`multi_label`]: the same where a row has several
//! - [`ordinal`]: the category's place in an order
//! - [`frequency`]: the category's share of the training rows
//! - [`target`]: the mean target of the category, learned out of fold
//! - [`cyclic`]: a place on a circle, for keys, months and hours

pub mod category;
pub mod cyclic;
pub mod frequency;
pub mod multi_label;
pub mod one_hot;
pub mod ordinal;
pub mod target;

use hitcast_core::{FeatureColumn, Indicators, Seed};
use hitcast_data::{Column, ColumnKind};
use ndarray::ArrayView2;
use serde::{Deserialize, Serialize};

use crate::error::Result;
use category::Category;
use cyclic::CyclicEncoder;
use frequency::{FittedFrequencyEncoder, FrequencyEncoder};
use multi_label::{FittedMultiLabelEncoder, MultiLabelEncoder};
use one_hot::{FittedOneHotEncoder, OneHotEncoder, UnknownCategory};
use ordinal::{FittedOrdinalEncoder, OrdinalEncoder};
use target::{FittedTargetEncoder, Target, TargetEncoder};

/// Any of the encoders, as a recipe names them: `{ kind = "one_hot", unknown = "ignore" }`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Encoder {
    /// A column of zeros and ones for each category.
    OneHot(OneHotEncoder),
    /// The same where a row has several categories.
    MultiLabel(MultiLabelEncoder),
    /// The category's place in an order.
    Ordinal(OrdinalEncoder),
    /// The category's share of the training rows.
    Frequency(FrequencyEncoder),
    /// The mean target of the category.
    Target(TargetEncoder),
    /// Sine and cosine of a place on a circle.
    Cyclic(CyclicEncoder),
}

/// An [`Encoder`] after its fit on one column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum FittedEncoder {
    /// A column of zeros and ones for each category.
    OneHot(FittedOneHotEncoder),
    /// The same where a row has several categories.
    MultiLabel(FittedMultiLabelEncoder),
    /// The category's place in an order.
    Ordinal(FittedOrdinalEncoder),
    /// The category's share of the training rows.
    Frequency(FittedFrequencyEncoder),
    /// The mean target of the category.
    Target(FittedTargetEncoder),
    /// Sine and cosine of a place on a circle; nothing is learned.
    Cyclic(CyclicEncoder),
}

/// What an encoder makes of a column.
#[derive(Debug, Clone, PartialEq)]
pub enum Encoded {
    /// One or more columns of numbers, NaN where a value is missing.
    Numbers(Vec<Vec<f64>>),
    /// Zeros and ones.
    Indicators(Indicators),
}

impl Encoder {
    /// Learns from a column of the training rows. A target encoder needs the target too, one value a row.
    ///
    /// # Errors
    /// As the `fit` of the encoder that it is; [`NeedsTarget`](crate::PreprocessError::NeedsTarget).
    pub fn fit(&self, name: &str, column: &Column, target: Option<&Target<'_>>) -> Result<FittedEncoder> {
        Ok(match self {
            Self::OneHot(encoder) => FittedEncoder::OneHot(encoder.fit(name, column)?),
            Self::MultiLabel(encoder) => FittedEncoder::MultiLabel(encoder.fit(name, column)?),
            Self::Ordinal(encoder) => FittedEncoder::Ordinal(encoder.fit(name, column)?),
            Self::Frequency(encoder) => FittedEncoder::Frequency(encoder.fit(name, column)?),
            Self::Target(encoder) => FittedEncoder::Target(encoder.fit(name, column, target)?),
            Self::Cyclic(encoder) => {
                encoder.transform(name, column)?;
                FittedEncoder::Cyclic(*encoder)
            }
        })
    }

    /// What a model learns from in the training rows, where that is not what the fitted encoder makes of them: target
    /// encoders must not tell a row its own target.
    pub(crate) fn out_of_fold(
        &self,
        name: &str,
        column: &Column,
        target: Option<&Target<'_>>,
        seed: Seed,
    ) -> Result<Option<Encoded>> {
        match self {
            Self::Target(encoder) => {
                let columns = encoder.out_of_fold(name, column, target, seed)?;
                Ok(Some(Encoded::Numbers(columns)))
            }
            _ => Ok(None),
        }
    }

    /// Name of the encoder, for errors.
    pub(crate) fn step(&self) -> &'static str {
        match self {
            Self::OneHot(_) => one_hot::STEP,
            Self::MultiLabel(_) => multi_label::STEP,
            Self::Ordinal(_) => ordinal::STEP,
            Self::Frequency(_) => frequency::STEP,
            Self::Target(_) => target::STEP,
            Self::Cyclic(_) => cyclic::STEP,
        }
    }

    pub(crate) fn check(&self) -> Result<()> {
        match self {
            Self::OneHot(encoder) => encoder.check(),
            Self::MultiLabel(encoder) => encoder.check(),
            Self::Target(encoder) => encoder.check(),
            Self::Cyclic(encoder) => encoder.check(),
            Self::Ordinal(encoder) => encoder.check(),
            Self::Frequency(_) => Ok(()),
        }
    }
}

impl FittedEncoder {
    /// Encodes a column.
    ///
    /// # Errors
    /// As the `transform` of the encoder that it is.
    pub fn transform(&self, name: &str, column: &Column) -> Result<Encoded> {
        Ok(match self {
            Self::OneHot(encoder) => Encoded::Indicators(encoder.transform(name, column)?),
            Self::MultiLabel(encoder) => Encoded::Indicators(encoder.transform(name, column)?),
            Self::Ordinal(encoder) => Encoded::Numbers(vec![encoder.transform(name, column)?]),
            Self::Frequency(encoder) => Encoded::Numbers(vec![encoder.transform(column)]),
            Self::Target(encoder) => Encoded::Numbers(encoder.transform(column)),
            Self::Cyclic(encoder) => Encoded::Numbers(encoder.transform(name, column)?.into()),
        })
    }

    /// The columns that it makes of the column of this name.
    pub fn feature_columns(&self, name: &str) -> Vec<FeatureColumn> {
        match self {
            Self::OneHot(encoder) => encoder.columns.feature_columns(name),
            Self::MultiLabel(encoder) => encoder.columns.feature_columns(name),
            Self::Ordinal(_) => vec![FeatureColumn::plain(name)],
            Self::Frequency(_) => vec![FeatureColumn::of(name, format!("{name}_frequency"))],
            Self::Target(encoder) => encoder.feature_columns(name),
            Self::Cyclic(_) => ["sin", "cos"]
                .map(|part| FeatureColumn::of(name, format!("{name}_{part}")))
                .to_vec(),
        }
    }

    /// The categories that it knows, sorted; `None` if it is not about categories.
    pub fn categories(&self) -> Option<Vec<&Category>> {
        let mut known: Vec<&Category> = match self {
            Self::OneHot(FittedOneHotEncoder { columns })
            | Self::MultiLabel(FittedMultiLabelEncoder { columns, .. }) => {
                columns.categories.iter().chain(&columns.rare).collect()
            }
            Self::Ordinal(encoder) => encoder.categories.iter().collect(),
            Self::Frequency(encoder) => encoder.categories.iter().collect(),
            Self::Target(encoder) => encoder.categories.iter().collect(),
            Self::Cyclic(_) => return None,
        };
        known.sort_by(|a, b| a.order(b));
        Some(known)
    }

    /// How many rows of a column have a category that the training rows do not have; a missing value can be one.
    pub fn n_unknown(&self, column: &Column) -> usize {
        if let (Self::MultiLabel(encoder), Column::Text(lists)) = (self, column) {
            return encoder.n_unknown(lists);
        }
        let Some(known) = self.categories() else { return 0 };
        let known: Vec<Category> = known.into_iter().cloned().collect();
        category::codes(&known, column)
            .iter()
            .filter(|code| **code == category::NONE)
            .count()
    }

    /// Whether a missing value is something that it encodes.
    pub fn accepts_missing(&self) -> bool {
        let knows = || {
            let known = self.categories().unwrap_or_default();
            known
                .iter()
                .any(|category| matches!(category, Category::Missing(())))
        };
        match self {
            Self::OneHot(encoder) => encoder.columns.unknown != UnknownCategory::Error || knows(),
            Self::Ordinal(encoder) => encoder.unknown.is_some() || knows(),
            Self::MultiLabel(_) | Self::Frequency(_) | Self::Target(_) => true,
            Self::Cyclic(_) => false,
        }
    }

    /// Takes encoded columns (`m × w`) back to the column that they were made from, of this kind: the category of the
    /// largest indicator, the nearest place in the order, the place on the circle. `None` if what was encoded cannot be told
    /// any more, as from a frequency.
    pub fn inverse_transform(&self, encoded: ArrayView2<'_, f64>, kind: ColumnKind) -> Option<Column> {
        match self {
            Self::OneHot(encoder) => Some(encoder.columns.inverse_transform(encoded, kind)),
            Self::MultiLabel(encoder) => Some(encoder.inverse_transform(encoded)),
            Self::Ordinal(encoder) => Some(encoder.inverse_transform(encoded, kind)),
            Self::Cyclic(encoder) => Some(encoder.inverse_transform(encoded)),
            Self::Frequency(_) | Self::Target(_) => None,
        }
    }

    /// Checks what was loaded.
    pub(crate) fn check(&self) -> Result<()> {
        match self {
            Self::OneHot(encoder) => encoder.columns.check(one_hot::STEP),
            Self::MultiLabel(encoder) => encoder.columns.check(multi_label::STEP),
            Self::Ordinal(encoder) => encoder.check(),
            Self::Frequency(encoder) => encoder.check(),
            Self::Target(encoder) => encoder.check(),
            Self::Cyclic(encoder) => encoder.check(),
        }
    }
}
