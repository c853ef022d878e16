//! Which rows are equal, and which belong together.

use std::collections::HashMap;

use crate::table::{Column, MISSING, TextColumn};

/// A number for a value that is equal for equal values of one column; missing values are equal to each other.
fn value_code(column: &Column, row: usize) -> u64 {
    match column {
        Column::Number(values) => match values.get(row) {
            Some(value) if value.is_nan() => f64::NAN.to_bits(),
            Some(value) => (value + 0.0).to_bits(), // −0 + 0 is 0
            None => f64::NAN.to_bits(),
        },
        Column::Flag(values) => values.get(row).copied().flatten().map_or(2, u64::from),
        Column::Text(values) => {
            let code = values.codes().get(row).copied().unwrap_or(MISSING);
            u64::from(if (code as usize) < values.dictionary().len() {
                code
            } else {
                MISSING
            })
        }
    }
}

/// A number for each row, below the number of rows: equal for rows that are equal in all these columns.
pub(crate) fn equal_rows(columns: &[&Column], n_rows: usize) -> Vec<usize> {
    // Texts have numbers already, so that the first column of them needs no hashing.
    let (mut classes, columns) = match columns {
        [Column::Text(texts), rest @ ..] => (text_classes(texts, n_rows), rest),
        _ => (vec![0; n_rows], columns),
    };
    for column in columns {
        // Splitting the classes column by column needs one small key a row, never the whole row.
        let mut split: HashMap<(usize, u64), usize> = HashMap::new();
        for (row, class) in classes.iter_mut().enumerate() {
            let next = split.len();
            *class = *split.entry((*class, value_code(column, row))).or_insert(next);
        }
    }
    classes
}

/// A number for each row in the order in which its text is first seen; missing texts are equal to each other.
fn text_classes(texts: &TextColumn, n_rows: usize) -> Vec<usize> {
    let missing = texts.dictionary().len();
    let mut known: Vec<Option<usize>> = vec![None; missing + 1];
    let mut next = 0;
    let class = |row: usize| {
        let code = texts
            .codes()
            .get(row)
            .map_or(missing, |&code| (code as usize).min(missing));
        *known[code].get_or_insert_with(|| {
            next += 1;
            next - 1
        })
    };
    (0..n_rows).map(class).collect()
}

/// Disjoint sets of rows that can be joined (Tarjan 1975, with path halving).
#[derive(Debug)]
pub(crate) struct DisjointSets {
    parent: Vec<usize>,
}

impl DisjointSets {
    /// `n` sets of one row each.
    pub(crate) fn new(n: usize) -> Self {
        Self {
            parent: (0..n).collect(),
        }
    }

    /// The first row of the set that holds `row`.
    pub(crate) fn first(&mut self, mut row: usize) -> usize {
        while self.parent[row] != row {
            self.parent[row] = self.parent[self.parent[row]];
            row = self.parent[row];
        }
        row
    }

    /// Joins the sets of two rows.
    pub(crate) fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.first(a), self.first(b));
        self.parent[a.max(b)] = a.min(b);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_equal_when_all_their_values_are() {
        let numbers = Column::Number(vec![0.0, -0.0, f64::NAN, f64::NAN, 0.0]);
        let texts = Column::text([Some("a"), Some("a"), None, None, Some("b")]);
        assert_eq!(equal_rows(&[&numbers, &texts], 5), [0, 0, 1, 1, 2]);
        assert_eq!(equal_rows(&[&texts, &numbers], 5), [0, 0, 1, 1, 2]);
        assert_eq!(equal_rows(&[&texts], 5), [0, 0, 1, 1, 2]);
        assert_eq!(equal_rows(&[], 2), [0, 0]);
    }

    #[test]
    fn joined_sets_have_their_first_row_in_common() {
        let mut sets = DisjointSets::new(5);
        sets.join(4, 2);
        sets.join(2, 1);
        assert_eq!(
            (0..5).map(|row| sets.first(row)).collect::<Vec<_>>(),
            [0, 1, 1, 3, 1]
        );
    }
}
