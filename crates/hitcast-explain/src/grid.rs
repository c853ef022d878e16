//! The values that a column takes, one after the other.

use std::collections::HashMap;

use hitcast_core::Features;
use hitcast_core::stats::quantile;

use crate::error::{ExplainError, Result};
use crate::explained::one_row;
use crate::source::{Raw, Source, Sources, Units};

/// Values of one source column, as features and for people.
#[derive(Debug, Clone, PartialEq)]
pub struct Grid {
    pub(crate) source: Source,
    pub(crate) points: Vec<GridPoint>,
}

/// One value of a source column.
#[derive(Debug, Clone, PartialEq)]
pub struct GridPoint {
    /// As it stands in the table.
    pub raw: Raw,
    /// Its features, one each.
    pub encoded: Vec<f32>,
}

impl Grid {
    /// These values of a source.
    ///
    /// # Errors
    /// [`ExplainError::Setting`] without points, [`ExplainError::Length`] if one has not a number for each feature of the
    /// source, [`ExplainError::NotFinite`].
    pub fn new(source: &Source, points: Vec<GridPoint>) -> Result<Self> {
        if points.is_empty() {
            return Err(ExplainError::setting("points", 0, "at least 1"));
        }
        for point in &points {
            if point.encoded.len() != source.columns.len() {
                return Err(ExplainError::Length {
                    what: "features of a grid point",
                    expected: source.columns.len(),
                    got: point.encoded.len(),
                });
            }
            if let Some(&value) = point.encoded.iter().find(|value| !value.is_finite()) {
                return Err(ExplainError::NotFinite {
                    what: format!("a grid point of column {:?}", source.name),
                    value: f64::from(value),
                });
            }
        }
        Ok(Self {
            source: source.clone(),
            points,
        })
    }

    /// Values of a source as the rows have them, at most so many. Of a number all that there are, or if they are more, equally
    /// spaced ones from its 5 % to its 95 % quantile; of a source of several features the commonest ones, of equally common
    /// ones those that come first.
    ///
    /// # Errors
    /// [`ExplainError::UnknownSource`], [`ExplainError::NoRows`], [`ExplainError::Setting`] for fewer than 2 points.
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation)]
    pub fn of_rows(features: &Features, source: &str, points: usize, units: &dyn Units) -> Result<Self> {
        if points < 2 {
            return Err(ExplainError::setting("points", points, "at least 2"));
        }
        let sources = Sources::by_source(features);
        let source = sources.get(source)?;
        if features.n_rows() == 0 {
            return Err(ExplainError::NoRows { what: "a grid" });
        }
        // Each value with the number of its rows, in the order of their first rows.
        let mut seen: HashMap<Vec<u32>, usize> = HashMap::new();
        let mut values: Vec<(Vec<f32>, usize)> = Vec::new();
        for row in 0..features.n_rows() {
            let encoded = source.of(&one_row(features, row)?);
            // −0 and 0 are one value.
            let key = encoded.iter().map(|value| (value + 0.0).to_bits()).collect();
            let place = *seen.entry(key).or_insert(values.len());
            match values.get_mut(place) {
                Some((_, rows)) => *rows += 1,
                None => values.push((encoded, 1)),
            }
        }
        let encoded: Vec<Vec<f32>> = if source.columns.len() > 1 {
            values.sort_by_key(|(_, rows)| std::cmp::Reverse(*rows));
            values.truncate(points);
            values.into_iter().map(|(encoded, _)| encoded).collect()
        } else if values.len() <= points {
            let mut distinct: Vec<f32> = values.into_iter().flat_map(|(encoded, _)| encoded).collect();
            distinct.sort_by(f32::total_cmp);
            distinct.into_iter().map(|value| vec![value]).collect()
        } else {
            let each = values.iter().flat_map(|(encoded, rows)| {
                encoded
                    .iter()
                    .flat_map(|value| std::iter::repeat_n(f64::from(*value), *rows))
            });
            let mut each: Vec<f64> = each.collect();
            let low = quantile(&mut each, 0.05).unwrap_or_default();
            let high = quantile(&mut each, 0.95).unwrap_or_default();
            let at = |point: usize| low + (high - low) * point as f64 / (points - 1) as f64;
            let mut spaced: Vec<f32> = (0..points).map(|point| at(point) as f32).collect();
            spaced.dedup();
            spaced.into_iter().map(|value| vec![value]).collect()
        };
        let points = encoded.into_iter().map(|encoded| GridPoint {
            raw: units.raw(source, &encoded),
            encoded,
        });
        Self::new(source, points.collect())
    }

    /// The source column.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// The values.
    pub fn points(&self) -> &[GridPoint] {
        &self.points
    }

    /// The values for people.
    pub(crate) fn raw(&self) -> Vec<Raw> {
        self.points.iter().map(|point| point.raw.clone()).collect()
    }

    /// Whether these features are those that the grid was made for.
    pub(crate) fn check(&self, features: &Features) -> Result<()> {
        let sources = Sources::by_source(features);
        let found = sources.get(&self.source.name)?;
        if *found == self.source {
            return Ok(());
        }
        Err(ExplainError::OtherColumns {
            what: "the rows to explain",
            expected: self.source.features.join(", "),
            got: found.features.join(", "),
        })
    }
}
