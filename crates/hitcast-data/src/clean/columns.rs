//! Dropping and keeping columns.

use serde::{Deserialize, Serialize};

use super::report::{StepReport, list};
use crate::error::Result;
use crate::table::Table;

/// Drops these columns.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DropColumns {
    /// Their names.
    pub columns: Vec<String>,
    /// Whether a name that the table lacks is passed over; otherwise it is an error.
    #[serde(default)]
    pub if_present: bool,
}

/// Keeps these columns, in the table's order, and drops all others.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeepColumns {
    /// Their names.
    pub columns: Vec<String>,
    /// Whether a name that the table lacks is passed over; otherwise it is an error.
    #[serde(default)]
    pub if_present: bool,
}

impl DropColumns {
    pub(super) fn apply(&self, table: &Table, report: &mut StepReport) -> Result<Table> {
        check_names(table, &self.columns, self.if_present)?;
        Ok(drop(table, report, |name| {
            self.columns.iter().any(|column| column == name)
        }))
    }
}

impl KeepColumns {
    pub(super) fn apply(&self, table: &Table, report: &mut StepReport) -> Result<Table> {
        check_names(table, &self.columns, self.if_present)?;
        Ok(drop(table, report, |name| {
            !self.columns.iter().any(|column| column == name)
        }))
    }
}

fn check_names(table: &Table, names: &[String], if_present: bool) -> Result<()> {
    if !if_present {
        for name in names {
            table.column(name)?;
        }
    }
    Ok(())
}

fn drop(table: &Table, report: &mut StepReport, goes: impl Fn(&str) -> bool) -> Table {
    report.columns_dropped = table
        .names()
        .filter(|name| goes(name))
        .map(str::to_owned)
        .collect();
    report.summary = format!("dropped {}", list(&report.columns_dropped));
    table.without(&report.columns_dropped)
}
