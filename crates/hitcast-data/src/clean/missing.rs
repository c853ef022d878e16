//! Dropping rows with missing values.

use serde::{Deserialize, Serialize};

use super::report::{StepReport, list};
use crate::error::Result;
use crate::table::Table;

/// Drops the rows in which one of these columns has no value.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DropMissing {
    /// The columns; all of the table if there are none here. A row is counted under the first that it lacks.
    #[serde(default)]
    pub columns: Vec<String>,
}

impl DropMissing {
    pub(super) fn apply(&self, table: Table, report: &mut StepReport) -> Result<Table> {
        let names: Vec<String> = if self.columns.is_empty() {
            table.names().map(str::to_owned).collect()
        } else {
            self.columns.clone()
        };
        let mut reason_of = vec![None; table.n_rows()];
        for (index, name) in names.iter().enumerate() {
            let column = table.column(name)?;
            for (row, reason) in reason_of
                .iter_mut()
                .enumerate()
                .filter(|(_, reason)| reason.is_none())
            {
                *reason = column.is_missing(row).then_some(index);
            }
        }
        let which = if self.columns.is_empty() {
            "any column".to_owned()
        } else {
            list(&self.columns)
        };
        report.summary = format!("dropped rows without a value in {which}");
        let reasons: Vec<String> = names.iter().map(|name| format!("{name} is missing")).collect();
        Ok(report.drop_rows(table, &reason_of, &reasons))
    }
}
