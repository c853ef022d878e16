//! Typed tables with missing values, fast CSV reading, schemas of public track files, and cleaning that accounts for
//! every row.

pub mod catalogue;
pub mod clean;
pub mod describe;
mod error;
mod grouping;
pub mod read;
pub mod schema;
pub mod table;
pub mod vocabulary;
mod write;

pub use clean::{Cleaning, CleaningReport, CleaningStep, FittedOutliers, OutlierRule, RowWiseCleaning};
pub use describe::{Description, describe};
pub use error::{DataError, Result};
pub use read::{BadValues, Batches, CsvReader, EmptyColumns, Loaded, ReadReport, SchemaChoice};
pub use schema::{ColumnSchema, Schema, ValidRange, ValueFormat};
pub use table::{Column, ColumnKind, Dictionary, Table, TextColumn};
pub use write::write_csv;
