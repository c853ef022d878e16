//! The smallest change of a row that reaches what is wanted (Wachter, Mittelstadt and Russell 2018), for any model.

mod walk;

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use crate::error::{ExplainError, Result};
use walk::{Space, Walk};

/// Searches for the smallest change of a row that reaches what is wanted.
///
/// The size of a change is the sum over the columns of the way in units of the column's spread, and 1 for another category:
/// a measure that prefers few columns. First columns are changed one after the other, by values at equal distances, and the most
/// promising rows kept; what reaches the aim is then taken back as far as it can be, and ways are exchanged between columns. A
/// model may be anything, so that a smaller change than the one found cannot be ruled out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CounterfactualSearch {
    /// Values of a number that are tried, from its smallest to its largest, at least 2. Default 25.
    pub points: usize,
    /// Rows that are kept after each column, at least 1. Default 12.
    pub kept: usize,
}

/// A column that may be changed.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Movable {
    /// A number.
    Number {
        /// The smallest that it may be.
        min: f64,
        /// The largest that it may be, at least `min`.
        max: f64,
        /// A change of so much counts as 1; above 0.
        spread: f64,
        /// Whether it may only be a whole number.
        whole: bool,
    },
    /// One of so many categories, by its number from 0.
    Category {
        /// How many there are.
        n: usize,
    },
}

/// What a search has found.
#[derive(Debug, Clone, PartialEq)]
pub struct FoundChange {
    /// The value of each column.
    pub values: Vec<f64>,
    /// Size of the change.
    pub distance: f64,
    /// What is lacking with these values; 0 or less where the aim is reached.
    pub lacking: f64,
}

impl FoundChange {
    /// Whether the aim is reached; if not, this is the nearest to it that was found.
    pub fn is_reached(&self) -> bool {
        self.lacking <= 0.0
    }
}

impl Default for CounterfactualSearch {
    fn default() -> Self {
        Self { points: 25, kept: 12 }
    }
}

impl CounterfactualSearch {
    /// Changes the values `start` of the `columns`, one each. `lacking` says of rows of values how far each is from the aim, 0 or
    /// less where it is reached; it is asked for some thousand rows at a time.
    ///
    /// # Errors
    /// [`ExplainError::Setting`], also for a column whose range or spread is none, [`ExplainError::Length`] if there is not a value
    /// a column, [`ExplainError::NotFinite`], and those of `lacking`.
    pub fn search<E: From<ExplainError>>(
        &self,
        start: &[f64],
        columns: &[Movable],
        lacking: impl Fn(&[Vec<f64>]) -> Result<Vec<f64>, E>,
    ) -> Result<FoundChange, E> {
        self.check(start, columns)?;
        let ask = |rows: &[Vec<f64>]| -> Result<Vec<f64>, E> {
            let lacking = lacking(rows)?;
            if lacking.len() != rows.len() {
                return Err(E::from(ExplainError::Length {
                    what: "rows that were asked for",
                    expected: rows.len(),
                    got: lacking.len(),
                }));
            }
            match lacking.iter().find(|value| value.is_nan()) {
                Some(&value) => Err(E::from(ExplainError::NotFinite {
                    what: "what a changed row lacks".to_owned(),
                    value,
                })),
                None => Ok(lacking),
            }
        };
        let space = Space { start, columns };
        let walk = Walk {
            space,
            points: self.points,
            ask,
        };
        let own = walk.ask_one(start.to_vec())?;
        if own.is_reached() || columns.is_empty() {
            return Ok(own);
        }
        let (reached, nearest) = self.spread_out(&walk, &own)?;
        match reached {
            Some(found) => walk.tighten(found, 0.0),
            None => {
                let nearest = walk.descend(nearest)?;
                // Where the last step went over the edge, the aim is what counts.
                let aim = nearest.lacking.max(0.0);
                walk.tighten(nearest, aim)
            }
        }
    }

    fn check(&self, start: &[f64], columns: &[Movable]) -> Result<()> {
        if self.points < 2 {
            return Err(ExplainError::setting("points", self.points, "at least 2"));
        }
        if self.kept == 0 {
            return Err(ExplainError::setting("kept", 0, "at least 1"));
        }
        if start.len() != columns.len() {
            return Err(ExplainError::Length {
                what: "values to change",
                expected: columns.len(),
                got: start.len(),
            });
        }
        if let Some(&value) = start.iter().find(|value| !value.is_finite()) {
            let what = "a value to change".to_owned();
            return Err(ExplainError::NotFinite { what, value });
        }
        for column in columns {
            if let Movable::Number { min, max, spread, .. } = *column {
                if !(min.is_finite() && max.is_finite() && min <= max) {
                    return Err(ExplainError::setting(
                        "range",
                        format!("{min} to {max}"),
                        "two finite numbers, the smaller first",
                    ));
                }
                if !(spread.is_finite() && spread > 0.0) {
                    return Err(ExplainError::setting("spread", spread, "finite and above 0"));
                }
            }
        }
        Ok(())
    }

    /// Changes one column after the other: the smallest change among those that reach the aim, and the nearest of all.
    fn spread_out<E, F>(
        &self,
        walk: &Walk<'_, F>,
        own: &FoundChange,
    ) -> Result<(Option<FoundChange>, FoundChange), E>
    where
        F: Fn(&[Vec<f64>]) -> Result<Vec<f64>, E>,
    {
        let (space, mut nearest) = (walk.space, own.clone());
        let mut reached: Option<FoundChange> = None;
        let mut kept = vec![own.clone()];
        let mut seen = HashSet::new();
        for _ in space.columns {
            let mut next = Vec::new();
            for row in &kept {
                for (column, movable) in space.columns.iter().enumerate() {
                    if row.values[column] != space.start[column] {
                        continue;
                    }
                    for value in movable.grid(self.points) {
                        let mut values = row.values.clone();
                        values[column] = value;
                        let is_near = (reached.as_ref()).is_none_or(|r| space.distance(&values) < r.distance);
                        let key: Vec<u64> = values.iter().map(|value| value.to_bits()).collect();
                        if value != space.start[column] && is_near && seen.insert(key) {
                            next.push(values);
                        }
                    }
                }
            }
            let next = walk.ask_all(next)?;
            for found in &next {
                if found.is_reached() && reached.as_ref().is_none_or(|r| found.distance < r.distance) {
                    reached = Some(found.clone());
                }
                if found.is_nearer(&nearest) {
                    nearest = found.clone();
                }
            }
            let mut open: Vec<FoundChange> = next.into_iter().filter(|f| !f.is_reached()).collect();
            open.sort_by(|a, b| a.lacking.total_cmp(&b.lacking));
            let rest = open.split_off(open.len().min(self.kept.div_ceil(2)));
            // Those that have come furthest for their distance.
            let mut rest: Vec<(f64, FoundChange)> = (rest.into_iter())
                .map(|found| ((own.lacking - found.lacking) / found.distance, found))
                .collect();
            rest.sort_by(|a, b| b.0.total_cmp(&a.0));
            open.extend(rest.into_iter().take(self.kept / 2).map(|(_, found)| found));
            kept = open;
        }
        Ok((reached, nearest))
    }
}

impl Movable {
    /// Values that are tried.
    #[allow(clippy::cast_precision_loss)]
    fn grid(&self, points: usize) -> Vec<f64> {
        match *self {
            Self::Category { n } => (0..n).map(|category| category as f64).collect(),
            Self::Number { min, max, .. } => {
                let share = |point: usize| point as f64 / (points - 1) as f64;
                let spaced = (0..points).map(|point| min + (max - min) * share(point));
                let mut values: Vec<f64> = spaced.filter_map(|value| self.allowed(value)).collect();
                values.dedup();
                values
            }
        }
    }

    /// The nearest number that the column may be.
    fn allowed(&self, value: f64) -> Option<f64> {
        match *self {
            Self::Number {
                min,
                max,
                whole: true,
                ..
            } => {
                let (min, max) = (min.ceil(), max.floor());
                (min <= max).then(|| value.round().clamp(min, max))
            }
            Self::Number { min, max, .. } => Some(value.clamp(min, max)),
            Self::Category { .. } => Some(value),
        }
    }

    /// How far two values are from each other.
    pub fn distance(&self, a: f64, b: f64) -> f64 {
        match *self {
            Self::Number { spread, .. } => (a - b).abs() / spread,
            Self::Category { .. } => f64::from(u8::from(a != b)),
        }
    }

    /// Numbers with few digits around a value, the nearest to `start` first.
    fn rounded(&self, value: f64, start: f64) -> Vec<f64> {
        let Self::Number {
            min,
            max,
            spread,
            whole: false,
        } = *self
        else {
            return Vec::new();
        };
        // A hundredth of the spread's leading digit.
        let digits = 2.0 - spread.log10().floor();
        if !(0.0..=12.0).contains(&digits) {
            return Vec::new();
        }
        let scale = 10_f64.powf(digits);
        let (low, high) = ((value * scale).floor() / scale, (value * scale).ceil() / scale);
        let both = if value > start { [low, high] } else { [high, low] };
        both.into_iter()
            .filter(|value| (min..=max).contains(value))
            .collect()
    }
}

impl FoundChange {
    fn is_nearer(&self, other: &Self) -> bool {
        (self.lacking, self.distance) < (other.lacking, other.distance)
    }
}
