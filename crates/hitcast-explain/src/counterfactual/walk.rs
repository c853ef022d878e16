//! From one changed row to better ones.

use super::{FoundChange, Movable};
use crate::explained::BATCH;

/// Rows that differ from one in some columns.
#[derive(Clone, Copy)]
pub(super) struct Space<'a> {
    pub(super) start: &'a [f64],
    pub(super) columns: &'a [Movable],
}

/// A space with a model in it.
pub(super) struct Walk<'a, F> {
    pub(super) space: Space<'a>,
    pub(super) points: usize,
    pub(super) ask: F,
}

impl Space<'_> {
    pub(super) fn distance(&self, values: &[f64]) -> f64 {
        let each = self.columns.iter().zip(values).zip(self.start);
        each.map(|((column, value), start)| column.distance(*value, *start))
            .sum()
    }

    /// What tells rows apart: the columns that are changed, and their values.
    pub(super) fn key(&self, values: &[f64]) -> Vec<(usize, u64)> {
        let changed = self.changed(values).into_iter();
        changed.map(|column| (column, values[column].to_bits())).collect()
    }

    /// Columns that are changed.
    fn changed(&self, values: &[f64]) -> Vec<usize> {
        (0..values.len())
            .filter(|&column| values[column] != self.start[column])
            .collect()
    }
}

impl<E, F: Fn(&[Vec<f64>]) -> Result<Vec<f64>, E>> Walk<'_, F> {
    /// Asks about rows block by block, so that however many they are only few are held.
    pub(super) fn ask_each(
        &self,
        mut rows: impl Iterator<Item = Vec<f64>>,
        mut take: impl FnMut(FoundChange),
    ) -> Result<(), E> {
        loop {
            let block: Vec<Vec<f64>> = rows.by_ref().take(BATCH).collect();
            if block.is_empty() {
                return Ok(());
            }
            let lacking = (self.ask)(&block)?;
            for (values, lacking) in block.into_iter().zip(lacking) {
                take(FoundChange {
                    distance: self.space.distance(&values),
                    values,
                    lacking,
                });
            }
        }
    }

    pub(super) fn ask_one(&self, values: Vec<f64>) -> Result<FoundChange, E> {
        let lacking = (self.ask)(std::slice::from_ref(&values))?;
        Ok(FoundChange {
            distance: self.space.distance(&values),
            values,
            lacking: lacking.first().copied().unwrap_or(f64::INFINITY),
        })
    }

    /// Goes nearer to the aim, each column in its turn as far as it leads, until none leads on.
    pub(super) fn descend(&self, mut found: FoundChange) -> Result<FoundChange, E> {
        const MOST: usize = 30;
        for _ in 0..MOST {
            let before = found.lacking;
            for (column, movable) in self.space.columns.iter().enumerate() {
                let from = found.values.clone();
                let next = movable.grid(4 * self.points).into_iter().map(|value| {
                    let mut values = from.clone();
                    values[column] = value;
                    values
                });
                self.ask_each(next, |next| {
                    if next.lacking < found.lacking {
                        found = next;
                    }
                })?;
                if found.is_reached() {
                    return Ok(found);
                }
            }
            if found.lacking >= before {
                break;
            }
        }
        Ok(found)
    }

    /// Makes a change smaller that lacks no more than `aim`.
    pub(super) fn tighten(&self, mut found: FoundChange, aim: f64) -> Result<FoundChange, E> {
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
        const MOST_ASKED: usize = 20_000;
        let Space { start, columns } = self.space;
        let changed = self.space.changed(&found.values);
        // Fewer ways of each pair of columns where there are many pairs.
        let pairs = changed.len() * columns.len();
        let ways = (MOST_ASKED / (2 * PARTS * pairs.max(1))).clamp(2, 12);
        let mut best = found.clone();
        for from in changed {
            let parts = match columns[from] {
                Movable::Number { .. } => PARTS,
                Movable::Category { .. } => 1,
            };
            let mut next = Vec::new();
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
                    for other in columns[to].around(values[to], saved, ways) {
                        let mut values = values.clone();
                        values[to] = other;
                        if self.space.distance(&values) < found.distance {
                            next.push(values);
                        }
                    }
                }
            }
            self.ask_each(next.into_iter(), |next| {
                if next.lacking <= aim && next.distance < best.distance {
                    best = next;
                }
            })?;
        }
        Ok(best)
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
