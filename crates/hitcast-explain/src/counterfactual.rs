//! The smallest change of a row that reaches what is wanted (Wachter, Mittelstadt and Russell 2018), for any model.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use crate::error::{ExplainError, Result};

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

/// Rows that differ from one in some columns.
#[derive(Clone, Copy)]
struct Space<'a> {
    start: &'a [f64],
    columns: &'a [Movable],
}

/// A space with a model in it.
struct Walk<'a, F> {
    space: Space<'a>,
    points: usize,
    ask: F,
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

impl Space<'_> {
    fn distance(&self, values: &[f64]) -> f64 {
        let each = self.columns.iter().zip(values).zip(self.start);
        each.map(|((column, value), start)| column.distance(*value, *start))
            .sum()
    }

    /// Columns that are changed.
    fn changed(&self, values: &[f64]) -> Vec<usize> {
        (0..values.len())
            .filter(|&column| values[column] != self.start[column])
            .collect()
    }
}

impl<E, F: Fn(&[Vec<f64>]) -> Result<Vec<f64>, E>> Walk<'_, F> {
    fn ask_all(&self, rows: Vec<Vec<f64>>) -> Result<Vec<FoundChange>, E> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let lacking = (self.ask)(&rows)?;
        let found = rows
            .into_iter()
            .zip(lacking)
            .map(|(values, lacking)| FoundChange {
                distance: self.space.distance(&values),
                values,
                lacking,
            });
        Ok(found.collect())
    }

    fn ask_one(&self, values: Vec<f64>) -> Result<FoundChange, E> {
        let lacking = (self.ask)(std::slice::from_ref(&values))?;
        Ok(FoundChange {
            distance: self.space.distance(&values),
            values,
            lacking: lacking.first().copied().unwrap_or(f64::INFINITY),
        })
    }

    /// Goes nearer to the aim, column by column, until that leads nowhere.
    fn descend(&self, mut found: FoundChange) -> Result<FoundChange, E> {
        const MOST: usize = 30;
        for _ in 0..MOST {
            let mut next = Vec::new();
            for (column, movable) in self.space.columns.iter().enumerate() {
                for value in movable.grid(4 * self.points) {
                    let mut values = found.values.clone();
                    values[column] = value;
                    next.push(values);
                }
            }
            let best = self
                .ask_all(next)?
                .into_iter()
                .reduce(|a, b| if b.is_nearer(&a) { b } else { a });
            match best.filter(|best| best.lacking < found.lacking) {
                Some(best) => found = best,
                None => break,
            }
        }
        Ok(found)
    }

    /// Makes a change smaller that lacks no more than `aim`.
    fn tighten(&self, mut found: FoundChange, aim: f64) -> Result<FoundChange, E> {
        const MOST: usize = 12;
        const WORTH_IT: f64 = 1e-3;
        for _ in 0..MOST {
            let before = found.distance;
            found = self.shrink(found, aim)?;
            found = self.exchange(found, aim)?;
            if found.distance > before * (1.0 - WORTH_IT) {
                break;
            }
        }
        let found = self.shrink(found, aim)?;
        self.round(found, aim)
    }

    /// Takes each change back as far as it can be, the smallest first.
    fn shrink(&self, mut found: FoundChange, aim: f64) -> Result<FoundChange, E> {
        const HALVINGS: usize = 30;
        let Space { start, columns } = self.space;
        let mut changed = self.space.changed(&found.values);
        let way = |values: &[f64], column: usize| columns[column].distance(values[column], start[column]);
        changed.sort_by(|a, b| way(&found.values, *a).total_cmp(&way(&found.values, *b)));
        for column in changed {
            let with = |value: f64| {
                let mut values = found.values.clone();
                values[column] = value;
                values
            };
            let without = self.ask_one(with(start[column]))?;
            if without.lacking <= aim {
                found = without;
                continue;
            }
            if matches!(columns[column], Movable::Category { .. }) {
                continue;
            }
            let (mut too_near, mut far) = (start[column], found.clone());
            for _ in 0..HALVINGS {
                let Some(middle) = columns[column].allowed(too_near.midpoint(far.values[column])) else {
                    break;
                };
                if middle == far.values[column] || middle == too_near {
                    break;
                }
                let next = self.ask_one(with(middle))?;
                if next.lacking <= aim {
                    far = next;
                } else {
                    too_near = middle;
                }
            }
            found = far;
        }
        Ok(found)
    }

    /// Takes a part of one change back and goes a shorter way with another column, where that leads to the aim too.
    #[allow(clippy::cast_precision_loss)]
    fn exchange(&self, found: FoundChange, aim: f64) -> Result<FoundChange, E> {
        const PARTS: usize = 4;
        const WAYS: usize = 12;
        let Space { start, columns } = self.space;
        let mut next = Vec::new();
        for from in self.space.changed(&found.values) {
            let parts = match columns[from] {
                Movable::Number { .. } => PARTS,
                Movable::Category { .. } => 1,
            };
            for part in 1..=parts {
                let share = part as f64 / parts as f64;
                let back = found.values[from] + (start[from] - found.values[from]) * share;
                let Some(back) = columns[from].allowed(back) else {
                    continue;
                };
                let mut values = found.values.clone();
                values[from] = back;
                let saved = found.distance - self.space.distance(&values);
                for to in (0..columns.len()).filter(|to| *to != from) {
                    let others: Vec<f64> = match columns[to] {
                        Movable::Number { spread, .. } => {
                            let ways = (1..=WAYS).map(|way| saved * spread * way as f64 / WAYS as f64);
                            ways.flat_map(|way| [values[to] - way, values[to] + way])
                                .collect()
                        }
                        Movable::Category { .. } => columns[to].grid(2),
                    };
                    for other in others.into_iter().filter_map(|value| columns[to].allowed(value)) {
                        let mut values = values.clone();
                        values[to] = other;
                        if self.space.distance(&values) < found.distance {
                            next.push(values);
                        }
                    }
                }
            }
        }
        let good = self.ask_all(next)?.into_iter().filter(|next| next.lacking <= aim);
        Ok(good.fold(
            found,
            |best, next| if next.distance < best.distance { next } else { best },
        ))
    }

    /// Leaves each changed number few digits, where the aim is still reached.
    fn round(&self, mut found: FoundChange, aim: f64) -> Result<FoundChange, E> {
        for column in self.space.changed(&found.values) {
            let tidy = self.space.columns[column].rounded(found.values[column], self.space.start[column]);
            for value in tidy {
                let mut values = found.values.clone();
                values[column] = value;
                let next = self.ask_one(values)?;
                if next.lacking <= aim {
                    found = next;
                    break;
                }
            }
        }
        Ok(found)
    }
}
