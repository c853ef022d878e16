//! Typed tables with missing values, fast CSV reading, schemas of public track files, and cleaning that accounts for
//! every row.

mod error;
pub mod schema;
pub mod table;

pub use error::{DataError, Result};
pub use schema::{ColumnSchema, Schema, ValidRange, ValueFormat};
pub use table::{Column, ColumnKind, Dictionary, Table, TextColumn};
