//! Values outside of the valid range.

use serde::{Deserialize, Serialize};

use super::report::{StepReport, list};
use crate::error::{DataError, Result};
use crate::schema::{Schema, ValidRange};
use crate::table::{Column, Table};

/// Finds values outside of the valid range, and sets them to missing or drops their rows.
///
/// A range is a fact about what was measured (a tempo is above 0), not about these rows; it learns nothing. Bounds that
/// come from the data are an [`OutlierRule`](super::OutlierRule).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutOfRange {
    /// The columns of numbers; if there are none here, all of the table that have a range in the schema.
    #[serde(default)]
    pub columns: Vec<String>,
    /// The range of all these columns; the schema's for each if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<ValidRange>,
    /// What happens to a value outside.
    #[serde(default)]
    pub action: RangeAction,
}

/// What happens to a value outside of the valid range.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RangeAction {
    /// It is set to missing, to be imputed or dropped later.
    #[default]
    SetMissing,
    /// Its row is dropped; a row is counted under the first column that is outside.
    DropRow,
}

const STEP: &str = "out_of_range";

impl OutOfRange {
    pub(super) fn apply(
        &self,
        table: Table,
        schema: Option<&Schema>,
        report: &mut StepReport,
    ) -> Result<Table> {
        let ranges = self.ranges(&table, schema)?;
        let names: Vec<&str> = ranges.iter().map(|(name, _)| name.as_str()).collect();
        let outside = |range: &ValidRange, value: f64| !value.is_nan() && !range.contains(value);
        match self.action {
            RangeAction::DropRow => {
                report.summary = format!("dropped rows out of range in {}", list(&names));
                let mut reason_of = vec![None; table.n_rows()];
                for (index, (name, range)) in ranges.iter().enumerate() {
                    for (reason, &value) in reason_of.iter_mut().zip(table.numbers(name)?) {
                        if reason.is_none() && outside(range, value) {
                            *reason = Some(index);
                        }
                    }
                }
                let reasons: Vec<String> = ranges
                    .iter()
                    .map(|(name, range)| format!("{name} is not in {} to {}", range.min, range.max))
                    .collect();
                Ok(report.drop_rows(table, &reason_of, &reasons))
            }
            RangeAction::SetMissing => {
                report.summary = format!("set values out of range to missing in {}", list(&names));
                let mut table = table;
                for (name, range) in &ranges {
                    let values = table.numbers(name)?;
                    let count = values.iter().filter(|&&value| outside(range, value)).count();
                    if count > 0 {
                        let valid = |&value: &f64| if outside(range, value) { f64::NAN } else { value };
                        let column = Column::Number(values.iter().map(valid).collect());
                        table = table.set_column(name.as_str(), column)?;
                    }
                    report.note_change(
                        name,
                        count,
                        format!("set to missing: not in {} to {}", range.min, range.max),
                    );
                }
                Ok(table)
            }
        }
    }

    /// The columns to look at with the range of each.
    fn ranges(&self, table: &Table, schema: Option<&Schema>) -> Result<Vec<(String, ValidRange)>> {
        let fail = |setting, value: String, expected| {
            Err(DataError::CleaningSetting {
                step: STEP,
                setting,
                value,
                expected,
            })
        };
        let of_schema = |name: &str| {
            schema
                .and_then(|schema| schema.column(name))
                .and_then(|column| column.range)
        };
        if let Some(range) = self.range {
            if range.fault().is_some() {
                let value = format!("{} to {}", range.min, range.max);
                return fail("range", value, "two numbers with min not above max");
            }
            if self.columns.is_empty() {
                return fail("columns", "empty".to_owned(), "the columns that `range` is for");
            }
        }
        let mut ranges = Vec::new();
        if self.columns.is_empty() {
            ranges.extend(
                table
                    .names()
                    .filter_map(|name| Some((name.to_owned(), of_schema(name)?))),
            );
            if schema.is_none() {
                let value = "left out, and there is no schema".to_owned();
                return fail(
                    "range",
                    value,
                    "a range and its columns, or a file whose schema gives ranges",
                );
            }
        }
        for name in &self.columns {
            table.numbers(name)?;
            match self.range.or_else(|| of_schema(name)) {
                Some(range) => ranges.push((name.clone(), range)),
                None => {
                    let value = format!("left out, and the schema gives {name:?} none");
                    return fail("range", value, "a range such as { min = 0, max = 1 }");
                }
            }
        }
        Ok(ranges)
    }
}
