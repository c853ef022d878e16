//! The training rows as trees are grown from them: column by column, with the order of each column's values. All trees share
//! them.

use hitcast_core::Features;
use hitcast_core::parallel::{map, threads_for};

/// Columns of `n` values.
#[derive(Debug)]
pub(crate) struct Columns {
    n: usize,
    columns: Vec<Column>,
}

#[derive(Debug)]
pub(super) struct Column {
    /// The value of each row.
    pub(super) values: Vec<f32>,
    /// The rows in rising order of their values; empty if no order was asked for, or none is needed.
    pub(super) order: Vec<u32>,
    /// The lower and the higher value of a column that has at most two, if an order was asked for.
    pub(super) two: Option<(f32, f32)>,
}

impl Columns {
    /// Reads the columns; there are fewer than 2³² rows.
    pub(crate) fn new(features: &Features, sorted: bool, threads: usize) -> Self {
        let matrix = features.matrix();
        let n = features.n_rows();
        let d = features.n_features();
        let read = |column: usize| {
            // A negative zero is a zero: they are equal, but would be sorted apart.
            let values: Vec<f32> = matrix.column(column).iter().map(|value| value + 0.0).collect();
            let two = if sorted { two_values(&values) } else { None };
            let order = if sorted && two.is_none() {
                order(&values)
            } else {
                Vec::new()
            };
            Column { values, order, two }
        };
        Self {
            n,
            columns: map(d, threads_for(threads, d), read),
        }
    }

    pub(crate) fn n_rows(&self) -> usize {
        self.n
    }

    pub(crate) fn n_features(&self) -> usize {
        self.columns.len()
    }

    pub(super) fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The same columns, all of them sorted.
    #[cfg(test)]
    pub(super) fn all_sorted(&self) -> Self {
        let sorted = |column: &Column| Column {
            values: column.values.clone(),
            order: order(&column.values),
            two: None,
        };
        Self {
            n: self.n,
            columns: self.columns.iter().map(sorted).collect(),
        }
    }

    /// Bytes that they take, with the written-out rows that they are read from.
    pub(crate) fn bytes(n: usize, d: usize, sorted: bool) -> usize {
        n.saturating_mul(d).saturating_mul(if sorted { 12 } else { 8 })
    }
}

/// The lower and the higher of a column's values, if there are no others.
fn two_values(values: &[f32]) -> Option<(f32, f32)> {
    let (mut low, mut high) = (*values.first()?, *values.first()?);
    for &value in values {
        if value != low && value != high {
            if low != high {
                return None;
            }
            (low, high) = (low.min(value), high.max(value));
        }
    }
    Some((low, high))
}

/// Row numbers in rising order of their values.
fn order(values: &[f32]) -> Vec<u32> {
    // Bits of floats rise with them once the negative ones are turned round.
    let rising = |value: f32| {
        let bits = value.to_bits();
        bits ^ if bits >> 31 == 1 { u32::MAX } else { 1 << 31 }
    };
    let mut keys: Vec<u64> = (0_u64..)
        .zip(values)
        .map(|(row, value)| u64::from(rising(*value)) << 32 | row)
        .collect();
    keys.sort_unstable();
    #[allow(clippy::cast_possible_truncation)]
    keys.into_iter().map(|key| key as u32).collect()
}
