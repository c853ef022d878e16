//! Reading CSV files into tables, on several threads, and in bounded memory.
//!
//! - `source`: files, memory, `.gz` and `.zip`
//! - `header`: the first line, and whether the file is text
//! - `plan`: the header held against a schema
//! - `split`: bytes to records and fields
//! - `value`: fields to numbers, flags and texts
//! - `column`, `intern`: values to columns
//! - `block`, `merge`, `run`: chunks of a file on several threads, put together in file order
//! - `batches`: a few rows at a time
//! - `report`: what was read and skipped

mod batches;
mod block;
mod column;
mod header;
mod intern;
mod merge;
mod plan;
mod report;
mod run;
mod source;
mod split;
pub(crate) mod value;
mod word;

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::catalogue;
use crate::error::{DataError, Result};
use crate::schema::Schema;
use crate::table::Table;

use header::{Headed, read_header};
use merge::Merger;
use plan::Plan;
use run::Work;
use source::Source;
use split::Splitter;

pub use batches::Batches;
pub use report::{
    IgnoredColumn, IgnoredReason, InferredColumn, ReadReport, RenamedColumn, RowProblem, SkippedRow,
};

/// Settings for reading a CSV file.
///
/// The file has a header, fields are quoted by `"` and a quote in them is doubled; lines end in `\n`, `\r\n` or `\r`, a
/// quoted field may hold line breaks, blank lines are passed over, and a byte-order mark is no part of the header. A
/// file packed by gzip, or alone in a ZIP archive, is read as it is. What is read does not depend on the number of
/// threads.
///
/// ```
/// use hitcast_data::{BadValues, CsvReader};
///
/// let file = "track,energy\nA,0.5\nB,\nC,0.7,too many\n";
/// let reader = CsvReader { bad_values: BadValues::Skip, ..CsvReader::default() };
/// let loaded = reader.read_from(file.as_bytes(), "tracks.csv")?;
/// assert_eq!(loaded.table.numbers("energy")?[0], 0.5);
/// assert!(loaded.table.column("energy")?.is_missing(1));
/// assert_eq!(loaded.report.skipped[0].line, 4);
/// # Ok::<(), hitcast_data::DataError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct CsvReader {
    /// Threads that read; 0 for as many as there are processors.
    pub threads: usize,
    /// Where the types of the columns come from.
    pub schema: SchemaChoice,
    /// The columns that are read, by their names in the table; others are passed over, in a fraction of the time, and what
    /// stands in them is not checked. `None` for all.
    pub columns: Option<Vec<String>>,
    /// What to do with a row that has a bad value, the wrong number of fields, or text that is not UTF-8.
    pub bad_values: BadValues,
    /// What to do with a column that has no values.
    pub empty_columns: EmptyColumns,
    /// What separates fields: an ASCII character.
    pub delimiter: u8,
    /// How many skipped rows the report lists; all are counted.
    pub listed_skips: usize,
    /// Bytes that are read at once by each thread, at least 1. The memory besides the table is about four times that,
    /// for each thread.
    pub chunk_bytes: usize,
    /// The longest record, in bytes. A longer one is an error: as a rule it is a quote that is never closed.
    pub max_record_bytes: usize,
}

impl Default for CsvReader {
    fn default() -> Self {
        Self {
            threads: 0,
            schema: SchemaChoice::Auto,
            columns: None,
            bad_values: BadValues::Error,
            empty_columns: EmptyColumns::Error,
            delimiter: b',',
            listed_skips: 20,
            chunk_bytes: 1 << 19,
            max_record_bytes: 1 << 24,
        }
    }
}

/// Where the types of the columns come from.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SchemaChoice {
    /// From the schema in the [`catalogue`] that the header fits; else they are inferred.
    #[default]
    Auto,
    /// From the values: a column whose values are all numbers holds numbers, one whose values are all `True` or `False`
    /// (in any case) holds flags, any other holds texts.
    Infer,
    /// From this schema; columns that it does not name are inferred.
    Given(Schema),
}

/// What to do with a bad row.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BadValues {
    /// The first one in the file is an error.
    #[default]
    Error,
    /// Such rows are left out, counted, and listed in the report.
    Skip,
}

/// What to do with a column that has no values.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EmptyColumns {
    /// It is an error, unless the schema makes the column optional; then it is left out.
    #[default]
    Error,
    /// It is left out, and listed in the report.
    Ignore,
}

/// A table that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// The rows.
    pub table: Table,
    /// The schema that was followed: the given or the recognised one.
    pub schema: Option<Schema>,
    /// What was read and skipped.
    pub report: ReadReport,
}

impl CsvReader {
    /// Reads a file: text, or packed by gzip, or alone in a ZIP archive.
    ///
    /// # Errors
    /// [`DataError::ReadFile`] and [`DataError::Archive`] if it cannot be read, [`DataError::EmptyFile`],
    /// [`DataError::NoRows`], [`DataError::NotText`]; [`DataError::MissingColumn`] and [`DataError::AmbiguousHeader`]
    /// if it does not fit the schema; [`DataError::NoColumn`] if it lacks one of [`columns`](Self::columns);
    /// [`DataError::BadValue`], [`DataError::FieldCount`] and
    /// [`DataError::InvalidUtf8`] for the first bad row; [`DataError::UnclosedQuote`] and [`DataError::LongRecord`]
    /// for one that never ends; [`DataError::EmptyColumn`] for a column without values; [`DataError::ReaderSetting`]
    /// for a setting that cannot be.
    pub fn read(&self, path: impl AsRef<Path>) -> Result<Loaded> {
        self.read_source(&Source::file(path.as_ref())?)
    }

    /// Reads all that a reader gives, which is kept in memory meanwhile; `name` is what messages call it.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn read_from(&self, reader: impl Read, name: impl Into<String>) -> Result<Loaded> {
        self.read_source(&Source::memory(reader, name.into())?)
    }

    /// Reads a file a few rows at a time, in memory that does not grow with the file. All batches have the same
    /// columns; a bad row ends them, and rows shortly before it may not be handed out. If types are to be inferred, the file is read twice, for they depend on all rows.
    ///
    /// # Errors
    /// As [`read`](Self::read); what can only be known later comes from the iterator, which ends with it.
    pub fn batches(&self, path: impl AsRef<Path>, rows_per_batch: usize) -> Result<Batches> {
        if rows_per_batch == 0 {
            return Err(DataError::reader_setting("rows_per_batch", "0", "at least 1"));
        }
        let source = Source::file(path.as_ref())?;
        let (mut plan, schema, mut headed) = self.plan(&source)?;
        let threads = self.threads();
        let mut kept = vec![true; plan.columns.len()];
        if !plan.is_typed() {
            let shared = Arc::new(plan);
            let merger = Merger::new(self, &shared, &source.name, headed.lines, None, true);
            let merger = run::run(self, &shared, &source.name, &mut headed.chunks, merger, threads)?;
            kept = merger.check()?;
            let found = merger.into_columns();
            (plan, _, headed) = self.plan(&source)?;
            plan.settle(&found);
        }
        let plan = Arc::new(plan);
        let mut merger =
            Merger::new(self, &plan, &source.name, headed.lines, None, false).with_schema(schema.as_ref());
        merger.report_columns(&kept);
        let mut splitters = Vec::new();
        splitters.resize_with(threads, || Splitter::new(self.delimiter));
        let mut works = Vec::new();
        works.resize_with(threads, Work::default);
        Ok(Batches {
            reader: self.clone(),
            plan,
            schema,
            file: source.name,
            chunks: headed.chunks,
            merger,
            splitters,
            works,
            rows_per_batch,
            kept,
            at_end: false,
            over: false,
        })
    }

    fn read_source(&self, source: &Source) -> Result<Loaded> {
        let (plan, schema, mut headed) = self.plan(source)?;
        let plan = Arc::new(plan);
        loop {
            let threads = self.threads_for(headed.rows_bytes);
            let merger = Merger::new(self, &plan, &source.name, headed.lines, headed.rows_bytes, false)
                .with_schema(schema.as_ref());
            let merger = run::run(self, &plan, &source.name, &mut headed.chunks, merger, threads)?;
            // Where numbers at the begin of a column were followed by text, the column is read again as text. This ends,
            // because a column never stops being text.
            if !merger.note_texts() {
                let (table, report) = merger.finish(headed.chunks.bytes)?;
                return Ok(Loaded {
                    table,
                    schema,
                    report,
                });
            }
            headed = read_header(source, self.delimiter, self.max_record_bytes)?;
        }
    }

    /// Opens the source, and holds its header against the schema.
    fn plan(&self, source: &Source) -> Result<(Plan, Option<Schema>, Headed)> {
        self.check()?;
        let headed = read_header(source, self.delimiter, self.max_record_bytes)?;
        let schema = match &self.schema {
            SchemaChoice::Auto => catalogue::recognise(&headed.names).cloned(),
            SchemaChoice::Infer => None,
            SchemaChoice::Given(schema) => Some(schema.clone()),
        };
        let plan = Plan::new(
            &source.name,
            &headed.names,
            schema.as_ref(),
            self.columns.as_deref(),
        )?;
        Ok((plan, schema, headed))
    }

    fn check(&self) -> Result<()> {
        if matches!(self.delimiter, 0 | b'"' | b'\n' | b'\r' | 128..) {
            let value = format!("{:?}", char::from(self.delimiter));
            let allowed = "an ASCII character that is neither a quote nor a line break";
            return Err(DataError::reader_setting("delimiter", value, allowed));
        }
        if self.chunk_bytes == 0 {
            return Err(DataError::reader_setting("chunk_bytes", "0", "at least 1"));
        }
        if self.max_record_bytes == 0 {
            return Err(DataError::reader_setting("max_record_bytes", "0", "at least 1"));
        }
        match &self.schema {
            SchemaChoice::Given(schema) => schema.check(),
            SchemaChoice::Auto | SchemaChoice::Infer => Ok(()),
        }
    }

    fn threads(&self) -> usize {
        match self.threads {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            threads => threads,
        }
    }

    /// No more threads than chunks.
    fn threads_for(&self, bytes: Option<u64>) -> usize {
        let chunks = bytes.map_or(u64::MAX, |bytes| bytes / self.chunk_bytes as u64 + 1);
        self.threads().min(usize::try_from(chunks).unwrap_or(usize::MAX))
    }
}
