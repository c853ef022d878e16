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
