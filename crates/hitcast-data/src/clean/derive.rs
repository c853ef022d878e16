//! Columns made from other columns, row by row.

use serde::{Deserialize, Serialize};

use super::report::StepReport;
use crate::error::{DataError, Result};
use crate::table::{Column, Table};

/// Makes a column of numbers by multiplying another, as in `duration_min` from `duration_ms`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeriveScaled {
    /// The column of numbers to multiply.
    pub from: String,
    /// Name of the new column; a column of this name is replaced.
    pub into: String,
    /// What each number is multiplied by; finite and not 0.
    pub factor: f64,
}

/// Makes a column of ln(1 + x) from a column of numbers x > −1; the logarithm of any other is missing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeriveLog1p {
    /// The column of numbers.
    pub from: String,
    /// Name of the new column; a column of this name is replaced.
    pub into: String,
}

/// Makes a column of years from a column of dates that are a year, a month or a day (`1969`, `1969-12`, `1969-12-16`).
///
/// A column of numbers, which is what a file of bare years is read as, is taken as it is. What begins with no year is
/// missing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DeriveYear {
    /// The column of dates.
    pub from: String,
    /// Name of the new column; a column of this name is replaced.
    pub into: String,
}

impl Default for DeriveYear {
    fn default() -> Self {
        Self {
            from: "release_date".to_owned(),
            into: "release_year".to_owned(),
        }
    }
}

/// Makes a column of months, 1 to 12, from a column of dates that are a month or a day (`1969-12`, `1969-12-16`). What has no
/// month is missing, as a bare year.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DeriveMonth {
    /// The column of dates.
    pub from: String,
    /// Name of the new column; a column of this name is replaced.
    pub into: String,
}

impl Default for DeriveMonth {
    fn default() -> Self {
        Self {
            from: "release_date".to_owned(),
            into: "release_month".to_owned(),
        }
    }
}

impl DeriveScaled {
    /// Minutes in `duration_min` from milliseconds in `duration_ms`.
    pub fn duration_min() -> Self {
        Self {
            from: "duration_ms".to_owned(),
            into: "duration_min".to_owned(),
            factor: 1.0 / 60_000.0,
        }
    }

    pub(super) fn apply(&self, table: Table, report: &mut StepReport) -> Result<Table> {
        if !self.factor.is_finite() || self.factor == 0.0 {
            return Err(DataError::CleaningSetting {
                step: "derive_scaled",
                setting: "factor",
                value: self.factor.to_string(),
                expected: "a finite number that is not 0",
            });
        }
        let values: Vec<f64> = table
            .numbers(&self.from)?
            .iter()
            .map(|value| value * self.factor)
            .collect();
        report.summary = format!("made {} from {} times {}", self.into, self.from, self.factor);
        add(table, report, &self.from, &self.into, values)
    }
}

impl DeriveLog1p {
    pub(super) fn apply(&self, table: Table, report: &mut StepReport) -> Result<Table> {
        let values: Vec<f64> = table
            .numbers(&self.from)?
            .iter()
            .map(|value| value.ln_1p())
            .collect();
        report.summary = format!("made {} from the logarithm of 1 + {}", self.into, self.from);
        add(table, report, &self.from, &self.into, values)
    }
}

impl DeriveYear {
    pub(super) fn apply(&self, table: Table, report: &mut StepReport) -> Result<Table> {
        let values = match table.column(&self.from)? {
            Column::Number(values) => values.clone(),
            _ => of_dates(&table, &self.from, year)?,
        };
        report.summary = format!("made {} from {}", self.into, self.from);
        add(table, report, &self.from, &self.into, values)
    }
}

impl DeriveMonth {
    pub(super) fn apply(&self, table: Table, report: &mut StepReport) -> Result<Table> {
        let values = match table.column(&self.from)? {
            // A file of bare years is read as numbers.
            Column::Number(years) => vec![f64::NAN; years.len()],
            _ => of_dates(&table, &self.from, month)?,
        };
        report.summary = format!("made {} from the month of {}", self.into, self.from);
        add(table, report, &self.from, &self.into, values)
    }
}

/// What a part of each date is, NaN where there is none.
fn of_dates(table: &Table, from: &str, part: fn(&str) -> Option<f64>) -> Result<Vec<f64>> {
    let dates = table.texts(from)?.iter();
    Ok(dates
        .map(|date| date.and_then(part).unwrap_or(f64::NAN))
        .collect())
}

/// The month of a date that begins with a year and a month.
fn month(date: &str) -> Option<f64> {
    year(date)?;
    let mut parts = date.trim().split('-').skip(1);
    let month = parts.next().filter(|month| month.len() == 2)?;
    let number: u8 = month.parse().ok()?;
    (1..=12).contains(&number).then(|| f64::from(number))
}

/// The year that a date begins with.
fn year(date: &str) -> Option<f64> {
    let (year, rest) = date.trim().split_at_checked(4)?;
    let whole = rest.is_empty() || rest.starts_with('-');
    if whole && year.bytes().all(|byte| byte.is_ascii_digit()) {
        year.parse::<u16>().ok().map(f64::from)
    } else {
        None
    }
}

fn add(table: Table, report: &mut StepReport, from: &str, into: &str, mut values: Vec<f64>) -> Result<Table> {
    for value in values.iter_mut().filter(|value| value.is_infinite()) {
        *value = f64::NAN;
    }
    let source = table.column(from)?;
    let lost = values
        .iter()
        .enumerate()
        .filter(|&(row, value)| value.is_nan() && !source.is_missing(row))
        .count();
    report.note_change(
        into,
        lost,
        format!("missing: there is none for the value of {from}"),
    );
    if table.contains(into) {
        report.summary.push_str(", in place of the column of that name");
    } else {
        report.columns_added.push(into.to_owned());
    }
    table.set_column(into, Column::Number(values))
}
