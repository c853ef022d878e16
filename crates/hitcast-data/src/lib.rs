//! Typed tables with missing values, fast CSV reading, schemas of public track files, and cleaning that accounts for
//! every row. Columns have the names of one [`vocabulary`], whichever of the four public files in the [`catalogue`] they
//! come from.
//!
//! ```
//! use hitcast_data::clean::{DeriveScaled, DropDuplicates, Keep};
//! use hitcast_data::{Cleaning, CleaningStep, CsvReader, describe};
//!
//! let csv = "track_id,popularity,duration_ms\na,40,180000\na,60,180000\nb,20,90000\n";
//! let loaded = CsvReader::default().read_from(csv.as_bytes(), "example.csv")?;
//!
//! let one_row_a_track = DropDuplicates {
//!     keys: vec!["track_id".to_owned()],
//!     keep: Keep::Highest("popularity".to_owned()),
//! };
//! let cleaning = Cleaning {
//!     steps: vec![
//!         CleaningStep::DropDuplicates(one_row_a_track),
//!         CleaningStep::DeriveScaled(DeriveScaled::duration_min()),
//!     ],
//! };
//! let (table, report) = cleaning.apply(loaded.table, loaded.schema.as_ref())?;
//! assert_eq!(report.rows_in, report.rows_out + report.rows_dropped());
//! assert_eq!(table.numbers("popularity")?, [60.0, 20.0]);
//!
//! let description = describe(&table, Some("popularity"))?;
//! assert_eq!(description.columns[1].mean, Some(40.0));
//! # Ok::<(), hitcast_data::DataError>(())
//! ```
//!
//! - [`table`]: typed columns, rows that remember where they came from
//! - [`read`]: CSV files, on several threads or in bounded memory
//! - [`schema`]: what the columns of a file are; [`catalogue`]: those of the public files; [`vocabulary`]: one set of names
//! - [`clean`]: steps that say what they did, and outlier bounds learned from training rows
//! - [`mod@describe`]: counts, moments, quantiles, correlations

pub mod catalogue;
pub mod clean;
pub mod describe;
mod error;
mod grouping;
mod locate;
pub mod read;
pub mod schema;
pub mod table;
pub mod vocabulary;
mod write;

pub use clean::{Cleaning, CleaningReport, CleaningStep, FittedOutliers, OutlierRule, RowWiseCleaning};
pub use describe::{Description, describe};
pub use error::{DataError, Result};
pub use locate::{DATA_VARIABLE, data_folder, locate};
pub use read::{BadValues, Batches, CsvReader, EmptyColumns, Loaded, ReadReport, SchemaChoice};
pub use schema::{ColumnSchema, Schema, ValidRange, ValueFormat};
pub use table::{Column, ColumnKind, Dictionary, Table, TextColumn};
pub use write::write_csv;
