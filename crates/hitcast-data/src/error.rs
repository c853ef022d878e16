//! The errors of this crate.

use thiserror::Error;

use hitcast_core::suggest::did_you_mean;

use crate::read::RowProblem;
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
    #[error(
        "{step}: column {column:?} has no values in the {rows} rows to learn from; leave it out or fill it first"
    )]
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
    /// A file cannot be opened or read.
    #[error("cannot read {file}: {source}")]
    ReadFile {
        /// The file.
        file: String,
        /// Why.
        source: std::io::Error,
    },
    /// An archive cannot be read as one table.
    #[error("cannot read the archive {file}: {message}")]
    Archive {
        /// The archive.
        file: String,
        /// Why, with the members where they matter.
        message: String,
    },
    /// A file has nothing in it.
    #[error("{file} is empty; expected a line of column names and rows below it")]
    EmptyFile {
        /// The file.
        file: String,
    },
    /// A file has a header and nothing else.
    #[error("{file} has a header but no rows")]
    NoRows {
        /// The file.
        file: String,
    },
    /// A file's first line names no column.
    #[error("line 1 of {file} names none of its {columns} columns; expected a line of column names")]
    BlankHeader {
        /// The file.
        file: String,
        /// Fields of the line.
        columns: usize,
    },
    /// A file is no text in UTF-8.
    #[error("{file} is {what}, not a CSV file as text in UTF-8; export or save it as CSV in UTF-8")]
    NotText {
        /// The file.
        file: String,
        /// What it seems to be.
        what: &'static str,
    },
    /// A file lacks a column of its schema.
    #[error("{file} has no column {column:?}{suggestion}; its columns are {available}")]
    MissingColumn {
        /// The file.
        file: String,
        /// Name in the header that was expected.
        column: String,
        /// " (did you mean …?)", or nothing.
        suggestion: String,
        /// The names there are.
        available: String,
    },
    /// A column of the schema stands more than once in the header.
    #[error(
        "{file} has several columns {column:?}, so which one is meant is not clear; rename all but one in its header"
    )]
    AmbiguousHeader {
        /// The file.
        file: String,
        /// The name.
        column: String,
    },
    /// A value has not the form of its column.
    #[error(
        "{file}, line {line}, column {column:?}: {value:?} is not {expected}; mend it, or have bad rows skipped"
    )]
    BadValue {
        /// The file.
        file: String,
        /// Line, from 1, counting line breaks inside quotes.
        line: u64,
        /// Name of the column in the header.
        column: String,
        /// The value, shortened if it is long.
        value: String,
        /// What the column expects.
        expected: String,
    },
    /// A row has another number of fields than the header.
    #[error(
        "{file}, line {line}: the row has {got} fields, the header has {expected}; mend it, or have bad rows skipped"
    )]
    FieldCount {
        /// The file.
        file: String,
        /// Line on which the row begins, from 1.
        line: u64,
        /// Fields of the header.
        expected: usize,
        /// Fields of the row.
        got: usize,
    },
    /// A value is not UTF-8.
    #[error(
        "{file}, line {line}, column {column:?}: {value:?} is not valid UTF-8; save the file as UTF-8, or have bad rows skipped"
    )]
    InvalidUtf8 {
        /// The file.
        file: String,
        /// Line, from 1, counting line breaks inside quotes.
        line: u64,
        /// Name of the column in the header.
        column: String,
        /// The value, with � for what is not UTF-8.
        value: String,
    },
    /// A quote is opened and never closed.
    #[error(
        "{file}, line {line}: the row opens a quote that is not closed before the end of the file; close or double it"
    )]
    UnclosedQuote {
        /// The file.
        file: String,
        /// Line on which the row begins, from 1.
        line: u64,
    },
    /// A row is longer than the reader allows.
    #[error(
        "{file}, line {line}: the row is longer than {limit} bytes, as if a quote were never closed; close it, or set max_record_bytes higher"
    )]
    LongRecord {
        /// The file.
        file: String,
        /// Line on which the row begins, from 1.
        line: u64,
        /// The longest row allowed, in bytes.
        limit: usize,
    },
    /// A column has no values.
    #[error(
        "{file}: column {column:?} has no value in any of the {rows} rows; drop it from the file, skip it in the schema, or have empty columns ignored"
    )]
    EmptyColumn {
        /// The file.
        file: String,
        /// Name of the column in the header.
        column: String,
        /// Rows that were read.
        rows: u64,
    },
    /// Every row is bad.
    #[error("{file}: all {rows} rows were skipped{first}")]
    AllSkipped {
        /// The file.
        file: String,
        /// Rows of the file.
        rows: u64,
        /// The first problem, or nothing.
        first: String,
    },
    /// A file has more rows than a table can number.
    #[error("{file} has more than {limit} rows; read it in parts")]
    TooManyRows {
        /// The file.
        file: String,
        /// Rows at most.
        limit: u32,
    },
    /// A setting of the reader is not as it must be.
    #[error("reading CSV: {setting} is {value}, expected {expected}")]
    ReaderSetting {
        /// The setting.
        setting: &'static str,
        /// What it is.
        value: String,
        /// What it may be.
        expected: &'static str,
    },
}

impl DataError {
    pub(crate) fn missing_column(file: &str, column: &str, header: &[String]) -> Self {
        let available: Vec<&str> = header.iter().map(String::as_str).collect();
        Self::MissingColumn {
            file: file.to_owned(),
            column: column.to_owned(),
            suggestion: did_you_mean(column, available.iter().copied()),
            available: available.join(", "),
        }
    }

    pub(crate) fn bad_row(file: String, line: u64, problem: RowProblem) -> Self {
        match problem {
            RowProblem::BadValue {
                column,
                value,
                expected,
            } => Self::BadValue {
                file,
                line,
                column,
                value,
                expected,
            },
            RowProblem::FieldCount { expected, got } => Self::FieldCount {
                file,
                line,
                expected,
                got,
            },
            RowProblem::InvalidUtf8 { column, value } => Self::InvalidUtf8 {
                file,
                line,
                column,
                value,
            },
        }
    }

    pub(crate) fn reader_setting(
        setting: &'static str,
        value: impl Into<String>,
        expected: &'static str,
    ) -> Self {
        Self::ReaderSetting {
            setting,
            value: value.into(),
            expected,
        }
    }

    pub(crate) fn no_column<'a>(column: &str, available: impl Iterator<Item = &'a str>) -> Self {
        let available: Vec<&str> = available.collect();
        let suggestion = did_you_mean(column, available.iter().copied());
        Self::NoColumn {
            column: column.to_owned(),
            suggestion,
            available: available.join(", "),
        }
    }

    pub(crate) fn column_kind(column: &str, expected: ColumnKind, got: ColumnKind) -> Self {
        Self::ColumnKind {
            column: column.to_owned(),
            expected,
            got,
        }
    }
}
