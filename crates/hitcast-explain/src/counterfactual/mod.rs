//! The smallest change of a row that reaches what is wanted (Wachter, Mittelstadt and Russell 2018), for any model.

mod walk;

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use crate::error::{ExplainError, Result};
use walk::{Space, Walk};

/// Columns that may be changed in vain, one after the other: what two do together may not show in the first.
const PATIENCE: usize = 2;

/// Searches for the smallest change of a row that reaches what is wanted.
///
/// The size of a change is the sum over the columns of the way in units of the column's spread, and 1 for another category:
/// a measure that prefers few columns. First columns are changed one after the other, by values at equal distances, and the most
/// promising rows kept, until twice nothing nearer comes of it; what reaches the aim is then taken back as far as it can be, and
/// ways are exchanged between columns. A model may be anything, so that a smaller change than the one found cannot be ruled out.
///
/// Of `d` columns it asks about up to `depth × kept × d × points` rows and then some tens of thousands more, whether or not the
/// aim can be reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CounterfactualSearch {
    /// Values of a number that are tried, from its smallest to its largest, at least 2. Default 25.
    pub points: usize,
    /// Rows that are kept after each column, at least 1. Default 12.
    pub kept: usize,
    /// Columns that are changed one after the other with so many rows kept, at least 1. Where the aim is not reached by them, the
    /// nearest row alone is changed further, in any number of columns. Default 8.
    pub depth: usize,
}

/// A column that may be changed.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Movable {
    /// A number on a line; one on a circle, as the hour of a day, goes no way over its ends.
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
        Self {
            points: 25,
            kept: 12,
            depth: 8,
        }
    }
}

impl CounterfactualSearch {
    /// Changes the values `start` of the `columns`, one each. `lacking` says of rows of values how far each is from the aim, 0 or
    /// less where it is reached; it is asked for at most 4096 rows at a time, often for one.
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
        if self.depth == 0 {
            return Err(ExplainError::setting("depth", 0, "at least 1"));
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
        let mut fruitless = 0;
        for _ in 0..self.depth.min(space.columns.len()) {
            let limit = reached.as_ref().map_or(f64::INFINITY, |reached| reached.distance);
            let mut open = Open {
                own: own.lacking,
                kept: self.kept,
                rows: Vec::new(),
            };
            // Rows of one round differ from the start in as many columns, so that none comes again in another.
            let mut seen = HashSet::new();
            let mut brings = false;
            let next = kept.iter().flat_map(|row| self.changes_of_one(space, row));
            let next = next.filter(|values| space.distance(values) < limit && seen.insert(space.key(values)));
            walk.ask_each(next, |found| {
                if found.is_nearer(&nearest) {
                    brings |= found.lacking < nearest.lacking;
                    nearest = found.clone();
                }
                if !found.is_reached() {
                    open.push(found);
                } else if reached.as_ref().is_none_or(|r| found.distance < r.distance) {
                    brings = true;
                    reached = Some(found);
                }
            })?;
            fruitless = if brings { 0 } else { fruitless + 1 };
            if fruitless == PATIENCE {
                break;
            }
            open.prune();
            kept = open.rows;
        }
        Ok((reached, nearest))
    }

    /// A row with each value of each column that is not changed yet.
    fn changes_of_one<'s>(
        &'s self,
        space: Space<'s>,
        row: &'s FoundChange,
    ) -> impl Iterator<Item = Vec<f64>> + 's {
        let both = row.values.iter().zip(space.start);
        let same = both.enumerate().filter(|(_, (value, start))| value == start);
        same.flat_map(move |(column, (_, start))| {
            let grid = space.columns[column].grid(self.points).into_iter();
            grid.filter(move |value| value != start).map(move |value| {
                let mut values = row.values.clone();
                values[column] = value;
                values
            })
        })
    }
}

/// Rows to go on from, of which only the most promising are held.
struct Open {
    /// What the row as it is lacks.
    own: f64,
    kept: usize,
    rows: Vec<FoundChange>,
}

impl Open {
    fn push(&mut self, found: FoundChange) {
        const MOST: usize = 1024;
        self.rows.push(found);
        if self.rows.len() >= MOST + 2 * self.kept {
            self.prune();
        }
    }

    /// Keeps the nearest ones, and of the others those that have come furthest for their distance.
    fn prune(&mut self) {
        let worth = |found: &FoundChange| (self.own - found.lacking) / found.distance;
        self.rows.sort_by(|a, b| a.lacking.total_cmp(&b.lacking));
        let nearest = self.rows.len().min(self.kept.div_ceil(2));
        self.rows[nearest..].sort_by(|a, b| worth(b).total_cmp(&worth(a)));
        self.rows.truncate(self.kept);
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

    /// Other values than one, in so many ways up to a distance from it and on both sides; of a category all others.
    #[allow(clippy::cast_precision_loss)]
    fn around(&self, value: f64, distance: f64, ways: usize) -> Vec<f64> {
        let mut others: Vec<f64> = match *self {
            Self::Category { .. } => self.grid(2),
            Self::Number { spread, .. } => {
                let way = |way: usize| distance * spread * way as f64 / ways as f64;
                let both = (1..=ways).flat_map(|step| [value - way(step), value + way(step)]);
                both.filter_map(|value| self.allowed(value)).collect()
            }
        };
        others.retain(|other| *other != value);
        others.sort_by(f64::total_cmp);
        // Ways that end at the edge.
        others.dedup();
        others
    }

    /// How far two values are from each other.
    pub fn distance(&self, a: f64, b: f64) -> f64 {
        match *self {
            Self::Number { spread, .. } => (a - b).abs() / spread,
            Self::Category { .. } => f64::from(u8::from(a != b)),
        }
    }

    /// Numbers with few digits around a value, those with the fewest first, of these the nearest to `start`.
    fn rounded(&self, value: f64, start: f64) -> Vec<f64> {
        // From a hundredth of the spread's leading digit on.
        const FEWEST: i32 = 2;
        const MOST: i32 = 5;
        let Self::Number {
            min,
            max,
            spread,
            whole: false,
        } = *self
        else {
            return Vec::new();
        };
        #[allow(clippy::cast_possible_truncation)]
        let leading = spread.log10().floor() as i32;
        let of_digits = |digits: i32| {
            // Powers of ten are exact where they are whole numbers.
            let scale = 10_f64.powi(digits.abs());
            let [low, high] = if digits < 0 {
                [(value / scale).floor() * scale, (value / scale).ceil() * scale]
            } else {
                [(value * scale).floor() / scale, (value * scale).ceil() / scale]
            };
            if value > start { [low, high] } else { [high, low] }
        };
        (FEWEST..=MOST)
            .map(|digits| digits - leading)
            .filter(|digits| digits.abs() <= 12)
            .flat_map(of_digits)
            .filter(|value| (min..=max).contains(value))
            .collect()
    }
}

impl FoundChange {
    fn is_nearer(&self, other: &Self) -> bool {
        (self.lacking, self.distance) < (other.lacking, other.distance)
    }
}
