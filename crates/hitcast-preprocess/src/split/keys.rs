//! Classes and groups of rows as integer codes.

use std::collections::HashMap;

use hitcast_core::stats::quantile;
use hitcast_data::{Column, Table};
use serde::{Deserialize, Serialize};

use crate::error::{PreprocessError, Result};

/// The column that classes come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassColumn {
    /// Name of the column. Each of its values is a class, and missing values are one more.
    pub column: String,
    /// For numbers: cut at the quantiles into this many classes of about equal size, at least 2. Equal values are never
    /// divided, so that there can be fewer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bins: Option<usize>,
}

impl ClassColumn {
    /// Each value of this column is a class.
    pub fn new(column: impl Into<String>) -> Self {
        Self {
            column: column.into(),
            bins: None,
        }
    }

    /// With numbers cut at the quantiles into this many classes.
    #[must_use]
    pub fn with_bins(mut self, bins: usize) -> Self {
        self.bins = Some(bins);
        self
    }
}

/// One code a row, from 0 in the order in which they first stand, and a label for each code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Codes {
    codes: Vec<usize>,
    labels: Vec<String>,
}

/// A value that can be a class or a group.
#[derive(PartialEq, Eq, Hash, Clone, Copy)]
enum Key {
    Missing,
    /// The row of this number, without a value.
    Alone(usize),
    Flag(bool),
    Number(u64),
    Text(u32),
}

impl Codes {
    /// Codes from any integers: equal integers are one class or group.
    pub fn new(keys: &[u64]) -> Self {
        Self::from_keys(keys.iter().copied(), |key| key.to_string())
    }

    pub(super) fn single(n_rows: usize) -> Self {
        Self {
            codes: vec![0; n_rows],
            labels: vec!["all".to_owned()],
        }
    }

    /// The classes of a table's rows.
    ///
    /// # Errors
    /// [`PreprocessError::Data`] if the column is not there, [`PreprocessError::NoBins`] if bins are asked of flags or
    /// texts, [`PreprocessError::Setting`] on fewer than 2 bins.
    pub fn classes(table: &Table, classes: &ClassColumn) -> Result<Self> {
        let column = table.column(&classes.column)?;
        match (classes.bins, column) {
            (None, _) => Ok(Self::from_column(column)),
            (Some(bins), Column::Number(values)) => Self::bins(values, bins),
            (Some(_), _) => Err(PreprocessError::NoBins {
                column: classes.column.clone(),
                kind: column.kind(),
            }),
        }
    }

    /// The groups of a table's rows: equal values of the column.
    ///
    /// # Errors
    /// [`PreprocessError::Data`] if the column is not there, [`PreprocessError::NoGroup`] if a row has no value: whether
    /// it belongs to a group of another row cannot be known.
    pub fn groups(table: &Table, column: &str) -> Result<Self> {
        let values = table.column(column)?;
        match (0..values.len()).find(|&row| values.is_missing(row)) {
            Some(row) => Err(PreprocessError::NoGroup {
                column: column.to_owned(),
                row,
            }),
            None => Ok(Self::from_column(values)),
        }
    }

    /// The groups of a table's rows: equal values of the column; a row without a value is a group of its own.
    ///
    /// # Errors
    /// [`PreprocessError::Data`] if the column is not there.
    pub fn groups_or_alone(table: &Table, column: &str) -> Result<Self> {
        let values = table.column(column)?;
        let alone = |row| values.is_missing(row).then_some(Key::Alone(row));
        Ok(Self::from_column_but(values, alone))
    }

    /// Numbers cut at their quantiles into at most `bins` classes; missing ones (NaN) are one more.
    ///
    /// # Errors
    /// [`PreprocessError::Setting`] on fewer than 2 bins.
    #[allow(clippy::cast_precision_loss)]
    pub fn bins(values: &[f64], bins: usize) -> Result<Self> {
        if bins < 2 {
            let (value, allowed) = (bins.to_string(), "at least 2");
            return Err(PreprocessError::Setting {
                setting: "bins",
                value,
                allowed,
            });
        }
        let mut present: Vec<f64> = values.iter().copied().filter(|v| !v.is_nan()).collect();
        let mut edges: Vec<f64> = (1..bins)
            .filter_map(|i| quantile(&mut present, i as f64 / bins as f64))
            .collect();
        edges.dedup();
        // A bin holds the numbers above one edge up to and including the next.
        let bin = |v: &f64| {
            if v.is_nan() {
                usize::MAX
            } else {
                edges.partition_point(|edge| edge < v)
            }
        };
        let label = |bin: usize| match (bin.checked_sub(1).and_then(|low| edges.get(low)), edges.get(bin)) {
            _ if bin == usize::MAX => "missing".to_owned(),
            (Some(low), Some(high)) => format!("above {low} to {high}"),
            (None, Some(high)) => format!("up to {high}"),
            (Some(low), None) => format!("above {low}"),
            (None, None) => "all".to_owned(),
        };
        Ok(Self::from_keys(values.iter().map(bin), label))
    }

    fn from_column(column: &Column) -> Self {
        Self::from_column_but(column, |_| None)
    }

    /// With these keys for rows that have one.
    fn from_column_but(column: &Column, special: impl Fn(usize) -> Option<Key>) -> Self {
        let key = |row: usize| match column {
            _ if column.is_missing(row) => Key::Missing,
            // Adding 0 makes −0 the same as 0.
            Column::Number(values) => Key::Number((values[row] + 0.0).to_bits()),
            Column::Flag(values) => values[row].map_or(Key::Missing, Key::Flag),
            Column::Text(values) => Key::Text(values.codes()[row]),
            _ => Key::Missing,
        };
        let label = |key| match (key, column) {
            (Key::Flag(on), _) => on.to_string(),
            (Key::Number(bits), _) => f64::from_bits(bits).to_string(),
            (Key::Text(code), Column::Text(values)) => {
                values.dictionary().get(code).unwrap_or_default().to_owned()
            }
            _ => "missing".to_owned(),
        };
        let keys = (0..column.len()).map(|row| special(row).unwrap_or_else(|| key(row)));
        Self::from_keys(keys, label)
    }

    fn from_keys<K: Copy + Eq + std::hash::Hash>(
        keys: impl Iterator<Item = K>,
        label: impl Fn(K) -> String,
    ) -> Self {
        let (mut seen, mut labels) = (HashMap::new(), Vec::new());
        let codes = keys
            .map(|key| {
                *seen.entry(key).or_insert_with(|| {
                    labels.push(label(key));
                    labels.len() - 1
                })
            })
            .collect();
        Self { codes, labels }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.codes.len()
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.codes.is_empty()
    }

    /// One code a row, below [`n_codes`](Self::n_codes).
    pub fn codes(&self) -> &[usize] {
        &self.codes
    }

    /// Number of different codes.
    pub fn n_codes(&self) -> usize {
        self.labels.len()
    }

    /// What a code stands for, for messages.
    pub fn label(&self, code: usize) -> &str {
        self.labels.get(code).map_or("", String::as_str)
    }

    /// Number of rows of each code.
    pub fn counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.n_codes()];
        for &code in &self.codes {
            counts[code] += 1;
        }
        counts
    }
}
