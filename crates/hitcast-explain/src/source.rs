//! Which columns belong together, and how their values are shown.

use std::fmt;

use hitcast_core::Features;
use serde::{Deserialize, Serialize};

use crate::error::{ExplainError, Result};

/// The features that come from one column of the table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// Name of the column.
    pub name: String,
    /// The features' numbers, rising.
    pub columns: Vec<usize>,
    /// The features' names.
    pub features: Vec<String>,
}

/// Features in groups that are moved together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sources {
    groups: Vec<Source>,
}

/// A value as it stands in the table. In JSON a number or a text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Raw {
    /// A number in the column's own unit.
    Number(f64),
    /// A category.
    Text(String),
}

/// How encoded values are shown in the units of the table. A closure is one:
/// `|source: &Source, encoded: &[f32]| Raw::Number(f64::from(encoded[0]) * 30.0 + 120.0)`.
pub trait Units: Sync {
    /// The value of a source whose features are these, one each.
    fn raw(&self, source: &Source, encoded: &[f32]) -> Raw;
}

/// Shows features as they are: of one its number, of several the names of those that are 1.
#[derive(Debug, Clone, Copy, Default)]
pub struct Encoded;

impl Units for Encoded {
    fn raw(&self, source: &Source, encoded: &[f32]) -> Raw {
        if let [value] = encoded {
            return Raw::Number(f64::from(*value));
        }
        let on = source
            .features
            .iter()
            .zip(encoded)
            .filter(|(_, value)| **value == 1.0);
        Raw::Text(on.map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", "))
    }
}

impl<F: Fn(&Source, &[f32]) -> Raw + Sync> Units for F {
    fn raw(&self, source: &Source, encoded: &[f32]) -> Raw {
        self(source, encoded)
    }
}

impl fmt::Display for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // Rounded for reading: 32-bit features have no more than 7 digits.
            Self::Number(value) if *value != 0.0 && (value.abs() >= 1e7 || value.abs() < 1e-4) => {
                write!(f, "{value:.4e}")
            }
            Self::Number(value) => write!(f, "{}", (value * 1e4).round() / 1e4),
            Self::Text(text) => f.pad(text),
        }
    }
}

impl Sources {
    /// Features grouped by the column that they come from, in the order of their first feature.
    pub fn by_source(features: &Features) -> Self {
        let mut groups: Vec<Source> = Vec::new();
        for (place, column) in features.columns().iter().enumerate() {
            match groups.iter_mut().find(|group| group.name == column.source) {
                Some(group) => {
                    group.columns.push(place);
                    group.features.push(column.name.clone());
                }
                None => groups.push(Source {
                    name: column.source.clone(),
                    columns: vec![place],
                    features: vec![column.name.clone()],
                }),
            }
        }
        Self { groups }
    }

    /// Each feature alone, under its own name.
    pub fn by_column(features: &Features) -> Self {
        let alone = |(place, column): (usize, &hitcast_core::FeatureColumn)| Source {
            name: column.name.clone(),
            columns: vec![place],
            features: vec![column.name.clone()],
        };
        Self {
            groups: features.columns().iter().enumerate().map(alone).collect(),
        }
    }

    /// The groups.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Source> + Clone {
        self.groups.iter()
    }

    /// Number of groups.
    pub fn len(&self) -> usize {
        self.groups.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// The group of this name.
    ///
    /// # Errors
    /// [`ExplainError::UnknownSource`] with the nearest name.
    pub fn get(&self, name: &str) -> Result<&Source> {
        let names = self.groups.iter().map(|group| group.name.as_str());
        let found = self.groups.iter().find(|group| group.name == name);
        found.ok_or_else(|| ExplainError::unknown_source(name, names))
    }
}

impl Source {
    /// The features of this source out of a whole row.
    pub(crate) fn of(&self, row: &[f32]) -> Vec<f32> {
        let values = self.columns.iter().filter_map(|&column| row.get(column));
        values.copied().collect()
    }

    /// Writes the features of this source into a whole row.
    pub(crate) fn write(&self, encoded: &[f32], to: &mut [f32]) {
        for (&column, &value) in self.columns.iter().zip(encoded) {
            if let Some(to) = to.get_mut(column) {
                *to = value;
            }
        }
    }

    /// Copies the features of this source from one whole row to another.
    pub(crate) fn copy(&self, from: &[f32], to: &mut [f32]) {
        for &column in &self.columns {
            if let (Some(to), Some(&from)) = (to.get_mut(column), from.get(column)) {
                *to = from;
            }
        }
    }
}
