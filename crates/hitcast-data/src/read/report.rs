//! What a reading tells besides the table.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::table::ColumnKind;

/// What was read, what was skipped and why, and what was made of the header.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ReadReport {
    /// The file, or the name given to what was read.
    pub file: String,
    /// Name of the schema that was followed.
    pub schema: Option<String>,
    /// Bytes of text, unpacked.
    pub bytes: u64,
    /// Rows in the table.
    pub rows_read: u64,
    /// Rows of the file that are not in the table.
    pub rows_skipped: u64,
    /// Skipped rows by reason; they add up to `rows_skipped`.
    pub skipped_by_reason: BTreeMap<String, u64>,
    /// The first skipped rows, in file order.
    pub skipped: Vec<SkippedRow>,
    /// Columns of the file that are not in the table, with the reason.
    pub columns_ignored: Vec<IgnoredColumn>,
    /// Columns whose name in the header could not be used as it is.
    pub columns_renamed: Vec<RenamedColumn>,
    /// Columns that no schema describes, with the type that was found.
    pub columns_inferred: Vec<InferredColumn>,
}

/// A row that was skipped.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SkippedRow {
    /// Line in the file, from 1, counting line breaks inside quotes.
    pub line: u64,
    /// Number of the data row, from 0.
    pub row: u64,
    /// Why.
    #[serde(flatten)]
    pub problem: RowProblem,
}

/// What is wrong with a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
#[non_exhaustive]
pub enum RowProblem {
    /// A value has not the form of its column.
    BadValue {
        /// Name of the column in the header.
        column: String,
        /// The value, shortened if it is long.
        value: String,
        /// What the column expects.
        expected: String,
    },
    /// The row has another number of fields than the header.
    FieldCount {
        /// Fields of the header.
        expected: usize,
        /// Fields of the row.
        got: usize,
    },
    /// A value is not UTF-8.
    InvalidUtf8 {
        /// Name of the column in the header.
        column: String,
        /// The value, with � for what is not UTF-8.
        value: String,
    },
}

impl RowProblem {
    /// The reason under which the row is counted.
    pub fn reason(&self) -> String {
        match self {
            Self::BadValue { column, .. } => format!("bad value in column {column:?}"),
            Self::FieldCount { .. } => "wrong number of fields".to_owned(),
            Self::InvalidUtf8 { column, .. } => format!("invalid UTF-8 in column {column:?}"),
        }
    }
}

impl fmt::Display for RowProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadValue {
                column,
                value,
                expected,
            } => {
                write!(f, "column {column:?}: {value:?} is not {expected}")
            }
            Self::FieldCount { expected, got } => {
                write!(f, "the row has {got} fields, the header has {expected}")
            }
            Self::InvalidUtf8 { column, value } => {
                write!(f, "column {column:?}: {value:?} is not valid UTF-8")
            }
        }
    }
}

/// A column of the file that is not in the table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IgnoredColumn {
    /// Name in the header; empty if it has none.
    pub header: String,
    /// Position in the file, from 1.
    pub position: usize,
    /// Why it is not there.
    pub reason: IgnoredReason,
}

/// Why a column is not in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum IgnoredReason {
    /// The schema says so.
    Schema,
    /// Every value is missing.
    AllMissing,
    /// The caller did not ask for it.
    NotAsked,
}

/// A column whose name in the header is blank, or is taken by another column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RenamedColumn {
    /// Name in the header.
    pub header: String,
    /// Position in the file, from 1.
    pub position: usize,
    /// Name in the table.
    pub name: String,
}

/// A column whose type was found by looking at its values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InferredColumn {
    /// Name in the table.
    pub name: String,
    /// The type that holds all its values.
    pub kind: ColumnKind,
}

impl fmt::Display for ReadReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} rows read", self.file, self.rows_read)?;
        if let Some(schema) = &self.schema {
            write!(f, " as {schema}")?;
        }
        if self.rows_skipped > 0 {
            write!(f, ", {} skipped", self.rows_skipped)?;
            for (reason, count) in &self.skipped_by_reason {
                write!(f, "\n  {count} for {reason}")?;
            }
            for SkippedRow { line, problem, .. } in &self.skipped {
                write!(f, "\n  line {line}: {problem}")?;
            }
            let listed = self.skipped.len() as u64;
            if listed < self.rows_skipped {
                write!(f, "\n  … and {} more", self.rows_skipped - listed)?;
            }
        }
        for IgnoredColumn {
            header,
            position,
            reason,
        } in &self.columns_ignored
        {
            let reason = match reason {
                IgnoredReason::Schema => "as the schema says",
                IgnoredReason::AllMissing => "it has no values",
                IgnoredReason::NotAsked => "it was not asked for",
            };
            write!(f, "\n  column {position} ({header:?}) left out: {reason}")?;
        }
        for RenamedColumn {
            header,
            position,
            name,
        } in &self.columns_renamed
        {
            write!(f, "\n  column {position} ({header:?}) is called {name:?}")?;
        }
        Ok(())
    }
}
