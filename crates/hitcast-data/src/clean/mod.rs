//! Cleaning as a list of steps, each of which says what it did.
//!
//! The steps of a [`Cleaning`] learn nothing from the rows, so they may be applied before the rows are split. What does
//! learn, bounds for outliers, is an [`OutlierRule`], fitted on the training rows.
//!
//! In TOML a step has its name in `step` and its settings beside it:
//!
//! ```
//! use hitcast_data::{Cleaning, Column, Table};
//!
//! #[derive(serde::Deserialize)]
//! struct File {
//!     cleaning: Cleaning,
//! }
//! let file: File = toml::from_str(
//!     r#"
//!     [[cleaning.steps]]
//!     step = "drop_duplicates"
//!     keys = ["track_id"]
//!     keep = { highest = "popularity" }
//!
//!     [[cleaning.steps]]
//!     step = "derive_scaled"
//!     from = "duration_ms"
//!     into = "duration_min"
//!     factor = 1.6666666666666667e-5
//!     "#,
//! )?;
//! let table = Table::new([
//!     ("track_id", Column::text([Some("a"), Some("a"), Some("b")])),
//!     ("popularity", Column::Number(vec![10.0, 30.0, 20.0])),
//!     ("duration_ms", Column::Number(vec![60_000.0, 120_000.0, 180_000.0])),
//! ])?;
//! let (table, report) = file.cleaning.apply(table, None)?;
//! assert_eq!(table.numbers("popularity")?, [30.0, 20.0]);
//! assert_eq!((report.rows_in, report.rows_dropped(), report.rows_out), (3, 1, 2));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | step | settings | what it does |
//! | --- | --- | --- |
//! | `drop_columns`, `keep_columns` | `columns`, `if_present` | columns go |
//! | `drop_duplicates` | `keys`, `keep` | of equal rows, one stays |
//! | `drop_missing` | `columns` | rows without a value go |
//! | `out_of_range` | `columns`, `range`, `action` | invalid values become missing, or their rows go |
//! | `derive_scaled` | `from`, `into`, `factor` | a column times a factor |
//! | `derive_log1p` | `from`, `into` | ln(1 + x) |
//! | `derive_year`, `derive_month` | `from`, `into` | the year of a date, or its month (1 to 12) |
//! | `song_key` | `into`, `ids`, `title`, `artists` | a text that is equal for all rows of one song |

mod columns;
mod derive;
mod duplicates;
mod missing;
mod outliers;
mod prediction;
mod range;
mod report;
mod song;

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::schema::Schema;
use crate::table::Table;

pub use columns::{DropColumns, KeepColumns};
pub use derive::{DeriveLog1p, DeriveMonth, DeriveScaled, DeriveYear};
pub use duplicates::{DropDuplicates, Keep};
pub use missing::DropMissing;
pub use outliers::{ColumnBounds, FittedOutliers, OutlierAction, OutlierBounds, OutlierRule};
pub use prediction::RowWiseCleaning;
pub use range::{OutOfRange, RangeAction};
pub use report::{ChangedValues, CleaningReport, DroppedRows, StepReport};
pub use song::SongKey;

/// Steps that make a table fit to learn from, in order.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cleaning {
    /// The steps.
    #[serde(default)]
    pub steps: Vec<CleaningStep>,
}

/// One step of a [`Cleaning`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case")]
#[non_exhaustive]
pub enum CleaningStep {
    /// Drops columns.
    DropColumns(DropColumns),
    /// Keeps columns and drops all others.
    KeepColumns(KeepColumns),
    /// Of equal rows, keeps one.
    DropDuplicates(DropDuplicates),
    /// Drops rows without a value.
    DropMissing(DropMissing),
    /// Finds invalid values.
    OutOfRange(OutOfRange),
    /// Multiplies a column.
    DeriveScaled(DeriveScaled),
    /// Takes the logarithm of a column.
    #[serde(rename = "derive_log1p")]
    DeriveLog1p(DeriveLog1p),
    /// Takes the year of a date.
    DeriveYear(DeriveYear),
    /// Takes the month of a date.
    DeriveMonth(DeriveMonth),
    /// Gives all rows of one song one key.
    SongKey(SongKey),
}

impl Cleaning {
    /// Applies the steps in order. `schema` is where valid ranges come from.
    ///
    /// # Errors
    /// [`DataError::CleaningSetting`](crate::DataError::CleaningSetting) for a setting that is not as it must be,
    /// [`DataError::NoColumn`](crate::DataError::NoColumn) with the nearest name for a column that is not there,
    /// [`DataError::ColumnKind`](crate::DataError::ColumnKind) for one of another type than the step is for.
    pub fn apply(&self, table: Table, schema: Option<&Schema>) -> Result<(Table, CleaningReport)> {
        let mut report = CleaningReport::new(&table);
        let mut table = table;
        for step in &self.steps {
            table = step.apply(table, schema, &mut report)?;
        }
        Ok((table, report))
    }
}

impl CleaningStep {
    /// Name of the step, as in TOML.
    pub fn name(&self) -> &'static str {
        match self {
            Self::DropColumns(_) => "drop_columns",
            Self::KeepColumns(_) => "keep_columns",
            Self::DropDuplicates(_) => "drop_duplicates",
            Self::DropMissing(_) => "drop_missing",
            Self::OutOfRange(_) => "out_of_range",
            Self::DeriveScaled(_) => "derive_scaled",
            Self::DeriveLog1p(_) => "derive_log1p",
            Self::DeriveYear(_) => "derive_year",
            Self::DeriveMonth(_) => "derive_month",
            Self::SongKey(_) => "song_key",
        }
    }

    fn apply(&self, table: Table, schema: Option<&Schema>, whole: &mut CleaningReport) -> Result<Table> {
        let mut report = StepReport::new(self.name(), &table);
        let table = match self {
            Self::DropColumns(step) => step.apply(&table, &mut report),
            Self::KeepColumns(step) => step.apply(&table, &mut report),
            Self::DropDuplicates(step) => step.apply(table, &mut report),
            Self::DropMissing(step) => step.apply(table, &mut report),
            Self::OutOfRange(step) => step.apply(table, schema, &mut report),
            Self::DeriveScaled(step) => step.apply(table, &mut report),
            Self::DeriveLog1p(step) => step.apply(table, &mut report),
            Self::DeriveYear(step) => step.apply(table, &mut report),
            Self::DeriveMonth(step) => step.apply(table, &mut report),
            Self::SongKey(step) => step.apply(table, &mut report),
        }?;
        whole.push(report);
        Ok(table)
    }

    /// For a step that makes one column from another: their names.
    pub fn derivation(&self) -> Option<(&str, &str)> {
        match self {
            Self::DeriveScaled(step) => Some((&step.from, &step.into)),
            Self::DeriveLog1p(step) => Some((&step.from, &step.into)),
            Self::DeriveYear(step) => Some((&step.from, &step.into)),
            Self::DeriveMonth(step) => Some((&step.from, &step.into)),
            _ => None,
        }
    }
}
