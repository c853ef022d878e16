//! The errors of this crate.

use thiserror::Error;

use hitcast_core::suggest::did_you_mean;

use crate::table::ColumnKind;

/// A result with [`DataError`].
pub type Result<T, E = DataError> = std::result::Result<T, E>;

/// What can go wrong with tables.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DataError {
    /// A name stands twice.
    #[error("there are two columns {column:?}: names must differ")]
    DuplicateColumn {
        /// The name.
        column: String,
    },
    /// A column has another number of rows than its table.
    #[error("column {column:?} has {got} rows, the table has {expected}")]
    ColumnLength {
        /// Name of the column.
        column: String,
        /// Rows of the table.
        expected: usize,
        /// Rows of the column.
        got: usize,
    },
    /// There is no such column.
    #[error("no column {column:?}{suggestion}; the columns are {available}")]
    NoColumn {
        /// The name asked for.
        column: String,
        /// " (did you mean …?)", or nothing.
        suggestion: String,
        /// The names there are.
        available: String,
    },
    /// A column holds another type.
    #[error("column {column:?} holds {got} values, expected {expected}")]
    ColumnKind {
        /// Name of the column.
        column: String,
        /// The type wanted.
        expected: ColumnKind,
        /// The type found.
        got: ColumnKind,
    },
    /// A schema is not as it must be.
    #[error("schema ({origin}): {message}")]
    Schema {
        /// The file, or where else it came from.
        origin: String,
        /// What is wrong, with the line where there is one.
        message: String,
    },
    /// A schema's file cannot be read.
    #[error("cannot read the schema {path}: {source}")]
    SchemaFile {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// A setting of a cleaning step is not as it must be.
    #[error("{step}: {setting} is {value}, expected {expected}")]
    CleaningSetting {
        /// The step, as in `drop_duplicates`.
        step: &'static str,
        /// The setting.
        setting: &'static str,
        /// What it is.
        value: String,
        /// What it may be.
        expected: &'static str,
    },
    /// Bounds cannot be learned because a column has no values in the training rows.
    #[error("{step}: column {column:?} has no values in the {rows} rows to learn from; leave it out or fill it first")]
    NothingToLearn {
        /// The step, as in `interquartile`.
        step: &'static str,
        /// The column.
        column: String,
        /// Rows that were looked at.
        rows: usize,
    },
    /// A table cannot be written.
    #[error("cannot write the table as CSV: {0}")]
    WriteCsv(csv::Error),
}

impl DataError {
    pub(crate) fn no_column<'a>(column: &str, available: impl Iterator<Item = &'a str>) -> Self {
        let available: Vec<&str> = available.collect();
        let suggestion = did_you_mean(column, available.iter().copied());
        Self::NoColumn { column: column.to_owned(), suggestion, available: available.join(", ") }
    }

    pub(crate) fn column_kind(column: &str, expected: ColumnKind, got: ColumnKind) -> Self {
        Self::ColumnKind { column: column.to_owned(), expected, got }
    }
}
