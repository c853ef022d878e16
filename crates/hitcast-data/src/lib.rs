//! Typed tables with missing values, fast CSV reading, schemas of public track files, and cleaning that accounts for
//! every row.

pub mod catalogue;
mod error;
#[allow(dead_code)]
mod grouping;
pub mod quantile;
pub mod schema;
pub mod table;
pub mod vocabulary;
mod write;

pub use error::{DataError, Result};
pub use schema::{ColumnSchema, Schema, ValidRange, ValueFormat};
pub use table::{Column, ColumnKind, Dictionary, Table, TextColumn};
pub use write::write_csv;
