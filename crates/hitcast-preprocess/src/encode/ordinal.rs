//! A category's place in an order.

use hitcast_data::{Column, ColumnKind};
use ndarray::ArrayView2;
use serde::{Deserialize, Serialize};

use super::category::{Category, Counted, NONE, check_categories, codes, column_of, unknown_row};
use crate::error::{PreprocessError, Result};

pub(crate) const STEP: &str = "OrdinalEncoder";

/// Gives each category its place in an order, from 0: for trees, and for categories that have an order.
///
/// Agrees with scikit-learn's `OrdinalEncoder` 1.9. A missing value is a category, the last one, if the training rows have
/// one.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OrdinalEncoder {
    /// The categories in their order, which must name all that the training rows have but the missing value, which comes last
    /// if it is not named. Default: sorted.
    pub order: Option<Vec<Category>>,
    /// The number that a category becomes that is not known, as −1. Default: it is an error.
    pub unknown: Option<f64>,
}

/// An [`OrdinalEncoder`] after its fit on one column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FittedOrdinalEncoder {
    /// The categories in sorted order.
    pub categories: Vec<Category>,
    /// The number of each.
    pub places: Vec<f64>,
    /// The number of an unknown one; without it, it is an error.
    pub unknown: Option<f64>,
}

impl OrdinalEncoder {
    /// Learns the categories of a column of the training rows.
    ///
    /// # Errors
    /// [`PreprocessError::NoRows`], [`PreprocessError::AllMissing`], [`PreprocessError::NotFinite`];
    /// [`PreprocessError::Setting`] if a category stands twice in the order, [`PreprocessError::UnknownCategory`] if the
    /// order lacks one and unknown ones are errors.
    #[allow(clippy::cast_precision_loss)]
    pub fn fit(&self, name: &str, column: &Column) -> Result<FittedOrdinalEncoder> {
        self.check()?;
        let counted = Counted::new(STEP, name, column)?;
        let Some(order) = &self.order else {
            return Ok(FittedOrdinalEncoder {
                places: (0..counted.categories.len()).map(|place| place as f64).collect(),
                categories: counted.categories,
                unknown: self.unknown,
            });
        };
        let mut placed: Vec<(Category, f64)> = order
            .iter()
            .enumerate()
            .map(|(place, category)| (category.clone(), place as f64))
            .collect();
        let missing = Category::Missing(());
        if counted.categories.contains(&missing) && !order.contains(&missing) {
            placed.push((missing, order.len() as f64));
        }
        placed.sort_by(|a, b| a.0.order(&b.0));
        let (categories, places) = placed.into_iter().unzip();
        let fitted = FittedOrdinalEncoder {
            categories,
            places,
            unknown: self.unknown,
        };
        if fitted.check().is_err() {
            return Err(PreprocessError::Setting {
                setting: "encode.order",
                value: format!("a list of {} categories", order.len()),
                allowed: "at least one finite category, each standing once",
            });
        }
        fitted.transform(name, column)?;
        Ok(fitted)
    }

    pub(crate) fn check(&self) -> Result<()> {
        match self.unknown {
            Some(value) if !value.is_finite() => Err(PreprocessError::Setting {
                setting: "encode.unknown",
                value: value.to_string(),
                allowed: "a finite number",
            }),
            _ => Ok(()),
        }
    }
}

impl FittedOrdinalEncoder {
    /// Encodes a column.
    ///
    /// # Errors
    /// [`PreprocessError::UnknownCategory`] if unknown categories are errors.
    pub fn transform(&self, name: &str, column: &Column) -> Result<Vec<f64>> {
        let codes = codes(&self.categories, column);
        if let (Some(row), None) = (codes.iter().position(|&code| code == NONE), self.unknown) {
            return Err(unknown_row(STEP, name, column, row, &self.categories));
        }
        let unknown = self.unknown.unwrap_or(f64::NAN);
        let place = |code: u32| self.places.get(code as usize).copied().unwrap_or(unknown);
        Ok(codes.into_iter().map(place).collect())
    }

    /// The category whose place is nearest; missing beyond half a step from all.
    pub(super) fn inverse_transform(&self, encoded: ArrayView2<'_, f64>, kind: ColumnKind) -> Column {
        let values = encoded.column(0).to_vec();
        let nearest = values.into_iter().map(|value| {
            let found = self.places.iter().position(|place| (value - place).abs() <= 0.5);
            found.filter(|_| value.is_finite())
        });
        column_of(&self.categories, nearest, kind)
    }

    pub(super) fn check(&self) -> Result<()> {
        check_categories(STEP, &self.categories)?;
        crate::column::check_fitted(STEP, &[("places", &self.places)])?;
        if self.places.len() != self.categories.len() || self.unknown.is_some_and(|v| !v.is_finite()) {
            let message = format!("{STEP}: there is not one finite place for each category");
            return Err(PreprocessError::Fitted(message));
        }
        Ok(())
    }
}
