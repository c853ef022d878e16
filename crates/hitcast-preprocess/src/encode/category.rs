//! The values of a column as categories.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::fmt;

use hitcast_data::table::MISSING;
use hitcast_data::{Column, ColumnKind};
use serde::{Deserialize, Serialize};

use crate::error::{PreprocessError, Result};

/// A value that counts as a category. A missing value is one too if the training rows have it. In JSON it is what it looks
/// like: a number, `true`, a text, or `null`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Category {
    /// Yes or no.
    Flag(bool),
    /// A number.
    Number(f64),
    /// A text.
    Text(String),
    /// No value.
    Missing(()),
}

impl fmt::Display for Category {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(on) => on.fmt(f),
            Self::Number(value) => value.fmt(f),
            Self::Text(text) => f.pad(text),
            Self::Missing(()) => f.pad("(missing)"),
        }
    }
}

impl Category {
    /// Flags before numbers before texts before the missing value, each in their own order; texts by their bytes.
    pub(crate) fn order(&self, other: &Self) -> Ordering {
        let rank = |category: &Self| match category {
            Self::Flag(_) => 0,
            Self::Number(_) => 1,
            Self::Text(_) => 2,
            Self::Missing(()) => 3,
        };
        match (self, other) {
            (Self::Flag(a), Self::Flag(b)) => a.cmp(b),
            (Self::Number(a), Self::Number(b)) => a.total_cmp(b),
            (Self::Text(a), Self::Text(b)) => a.cmp(b),
            _ => rank(self).cmp(&rank(other)),
        }
    }
}

/// No category.
pub(crate) const NONE: u32 = u32::MAX;

/// The categories of a column of training rows, sorted, with how often each stands there and where.
#[derive(Debug)]
pub(crate) struct Counted {
    pub(crate) categories: Vec<Category>,
    pub(crate) counts: Vec<usize>,
    /// The category of each row.
    pub(crate) codes: Vec<u32>,
}

impl Counted {
    /// # Errors
    /// [`PreprocessError::NoRows`], [`PreprocessError::AllMissing`], [`PreprocessError::NotFinite`].
    pub(crate) fn new(step: &'static str, name: &str, column: &Column) -> Result<Self> {
        if column.is_empty() {
            return Err(PreprocessError::NoRows { step });
        }
        let mut categories = distinct(step, name, column)?;
        categories.sort_by(Category::order);
        if categories.is_empty() {
            return Err(PreprocessError::AllMissing {
                step,
                column: name.to_owned(),
            });
        }
        if (0..column.len()).any(|row| column.is_missing(row)) {
            categories.push(Category::Missing(()));
        }
        let codes = codes(&categories, column);
        let mut counts = vec![0; categories.len()];
        for &code in &codes {
            if let Some(count) = counts.get_mut(code as usize) {
                *count += 1;
            }
        }
        Ok(Self {
            categories,
            counts,
            codes,
        })
    }
}

/// The values that are there, in no order.
fn distinct(step: &'static str, name: &str, column: &Column) -> Result<Vec<Category>> {
    Ok(match column {
        Column::Number(values) => {
            if let Some(row) = values.iter().position(|v| v.is_infinite()) {
                return Err(PreprocessError::NotFinite {
                    step,
                    column: name.to_owned(),
                    row,
                    value: values[row],
                });
            }
            // Adding zero makes −0 a 0.
            let mut present: Vec<f64> = values.iter().map(|v| v + 0.0).filter(|v| !v.is_nan()).collect();
            present.sort_by(f64::total_cmp);
            present.dedup();
            present.into_iter().map(Category::Number).collect()
        }
        Column::Flag(values) => [false, true]
            .into_iter()
            .filter(|flag| values.contains(&Some(*flag)))
            .map(Category::Flag)
            .collect(),
        Column::Text(texts) => {
            let mut stands = vec![false; texts.dictionary().len()];
            for &code in texts.codes() {
                if let Some(stands) = stands.get_mut(code as usize) {
                    *stands = true;
                }
            }
            let standing = texts
                .dictionary()
                .iter()
                .zip(stands)
                .filter(|(_, stands)| *stands);
            standing
                .map(|(text, _)| Category::Text(text.to_owned()))
                .collect()
        }
        _ => {
            return Err(PreprocessError::NeedsEncoder {
                column: name.to_owned(),
            });
        }
    })
}

/// The place of each row's value among sorted categories, [`NONE`] where it is not among them. Flags and the numbers 0 and 1
/// stand for each other.
pub(crate) fn codes(categories: &[Category], column: &Column) -> Vec<u32> {
    let place = |wanted: &Category| {
        let found = categories.binary_search_by(|category| category.order(wanted));
        found.ok().and_then(|place| u32::try_from(place).ok())
    };
    let missing = place(&Category::Missing(())).unwrap_or(NONE);
    let flag = |on: bool| {
        let number = || place(&Category::Number(f64::from(u8::from(on))));
        place(&Category::Flag(on)).or_else(number).unwrap_or(NONE)
    };
    let flags = [flag(false), flag(true)];
    match column {
        Column::Flag(values) => values
            .iter()
            .map(|value| value.map_or(missing, |on| flags[usize::from(on)]))
            .collect(),
        Column::Number(values) => {
            let numbers: Vec<(f64, u32)> = (0..)
                .zip(categories)
                .filter_map(|(code, category)| match category {
                    Category::Number(value) => Some((*value, code)),
                    Category::Flag(on) => Some((f64::from(u8::from(*on)), code)),
                    _ => None,
                })
                .collect();
            let code = |value: f64| {
                let at = numbers.partition_point(|(number, _)| *number < value);
                numbers
                    .get(at)
                    .filter(|(number, _)| *number == value)
                    .map_or(NONE, |(_, code)| *code)
            };
            values
                .iter()
                .map(|&value| if value.is_nan() { missing } else { code(value) })
                .collect()
        }
        Column::Text(texts) => {
            let by_text: HashMap<&str, u32> = (0..)
                .zip(categories)
                .filter_map(|(code, category)| match category {
                    Category::Text(text) => Some((text.as_str(), code)),
                    _ => None,
                })
                .collect();
            // A dictionary may be far larger than the rows that are left, so its texts are looked for as they come.
            let mut known: Vec<Option<u32>> = vec![None; texts.dictionary().len()];
            let code = |code: &u32| match known.get_mut(*code as usize) {
                _ if *code == MISSING => missing,
                None => missing,
                Some(known) => *known.get_or_insert_with(|| {
                    let text = texts.dictionary().get(*code).unwrap_or_default();
                    by_text.get(text).copied().unwrap_or(NONE)
                }),
            };
            texts.codes().iter().map(code).collect()
        }
        _ => vec![NONE; column.len()],
    }
}

/// The error about a row of a column whose value is not among these categories.
pub(crate) fn unknown_row(
    step: &'static str,
    name: &str,
    column: &Column,
    row: usize,
    known: &[Category],
) -> PreprocessError {
    let value = if column.is_missing(row) {
        Category::Missing(()).to_string()
    } else {
        column.display(row)
    };
    unknown(step, name, row, value, known)
}

/// The error about a value that is not among these categories.
pub(crate) fn unknown(
    step: &'static str,
    name: &str,
    row: usize,
    value: String,
    known: &[Category],
) -> PreprocessError {
    let names: Vec<String> = known.iter().map(Category::to_string).collect();
    PreprocessError::UnknownCategory {
        step,
        column: name.to_owned(),
        row,
        suggestion: hitcast_core::suggest::did_you_mean(&value, names.iter().map(String::as_str)),
        value,
    }
}

/// A column of the categories with these places, missing where there is none.
pub(crate) fn column_of(
    categories: &[Category],
    places: impl Iterator<Item = Option<usize>>,
    kind: ColumnKind,
) -> Column {
    let category = |place: Option<usize>| place.and_then(|place| categories.get(place));
    match kind {
        ColumnKind::Number => Column::Number(
            places
                .map(|place| match category(place) {
                    Some(Category::Number(value)) => *value,
                    Some(Category::Flag(on)) => f64::from(u8::from(*on)),
                    _ => f64::NAN,
                })
                .collect(),
        ),
        ColumnKind::Flag => Column::Flag(
            places
                .map(|place| match category(place) {
                    Some(Category::Flag(on)) => Some(*on),
                    Some(Category::Number(value)) => Some(*value != 0.0),
                    _ => None,
                })
                .collect(),
        ),
        _ => Column::text(places.map(|place| match category(place) {
            None | Some(Category::Missing(())) => None,
            Some(category) => Some(category.to_string()),
        })),
    }
}

/// Checks categories that were saved: there are some, they are finite, sorted, and none stands twice.
pub(crate) fn check_categories(step: &str, categories: &[Category]) -> Result<()> {
    let damaged = |what: &str| Err(PreprocessError::Fitted(format!("{step}: {what}")));
    if categories.is_empty() {
        return damaged("there are no categories");
    }
    let not_finite = |category: &Category| matches!(category, Category::Number(v) if !v.is_finite());
    if categories.iter().any(not_finite) {
        return damaged("a category is no finite number");
    }
    let rising = |pair: &[Category]| pair[0].order(&pair[1]) == Ordering::Less;
    if !categories.windows(2).all(rising) {
        return damaged("the categories are not sorted, or one stands twice");
    }
    Ok(())
}
