//! How many rows have which class, and which have none.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The classes of some rows. It prints as sentences.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClassReport {
    /// Name of the column.
    pub column: String,
    /// Number of rows, with and without a class.
    pub rows: usize,
    /// The rows of each class, in their order; a class may be without rows here.
    pub classes: Vec<ClassCount>,
    /// Rows without a class, by reason; a row has one reason.
    pub left_out: Vec<LeftOut>,
}

/// The rows of one class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClassCount {
    /// Name of the class.
    pub name: String,
    /// Its rows.
    pub rows: usize,
}

/// Rows that have no class for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// The reason.
    pub reason: String,
    /// How many.
    pub rows: usize,
    /// The first few of them, counted from 0.
    pub first_rows: Vec<usize>,
}

/// How many rows are listed for a reason.
const LISTED: usize = 5;

impl ClassCount {
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            rows: 0,
        }
    }
}

impl LeftOut {
    pub(super) fn new(reason: String) -> Self {
        Self {
            reason,
            rows: 0,
            first_rows: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, row: usize) {
        self.rows += 1;
        if self.first_rows.len() < LISTED {
            self.first_rows.push(row);
        }
    }
}

impl ClassReport {
    /// Number of rows without a class.
    pub fn rows_left_out(&self) -> usize {
        self.left_out.iter().map(|left_out| left_out.rows).sum()
    }
}

impl fmt::Display for ClassReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let classes = self
            .classes
            .iter()
            .map(|class| format!("{} {}", class.name, class.rows));
        write!(
            f,
            "{}: {} of {} rows have a class: {}",
            self.column,
            self.rows - self.rows_left_out(),
            self.rows,
            classes.collect::<Vec<_>>().join(", ")
        )?;
        self.left_out
            .iter()
            .try_for_each(|left_out| write!(f, "\n{left_out}"))
    }
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows: Vec<String> = self.first_rows.iter().map(usize::to_string).collect();
        let more = if self.rows > rows.len() { ", …" } else { "" };
        write!(
            f,
            "{} left out, {} (counted from 0: {}{more})",
            self.rows,
            self.reason,
            rows.join(", ")
        )
    }
}
