//! From one changed row to better ones.

use super::{FoundChange, Movable};

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

    /// Columns that are changed.
    fn changed(&self, values: &[f64]) -> Vec<usize> {
        (0..values.len())
            .filter(|&column| values[column] != self.start[column])
            .collect()
    }
}

impl<E, F: Fn(&[Vec<f64>]) -> Result<Vec<f64>, E>> Walk<'_, F> {
    pub(super) fn ask_all(&self, rows: Vec<Vec<f64>>) -> Result<Vec<FoundChange>, E> {
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

    pub(super) fn ask_one(&self, values: Vec<f64>) -> Result<FoundChange, E> {
        let lacking = (self.ask)(std::slice::from_ref(&values))?;
        Ok(FoundChange {
            distance: self.space.distance(&values),
            values,
            lacking: lacking.first().copied().unwrap_or(f64::INFINITY),
        })
    }

    /// Goes nearer to the aim, column by column, until that leads nowhere.
    pub(super) fn descend(&self, mut found: FoundChange) -> Result<FoundChange, E> {
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
