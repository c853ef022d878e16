//! Dropping rows that stand more than once.

use serde::{Deserialize, Serialize};

use super::report::{StepReport, list};
use crate::error::Result;
use crate::grouping::equal_rows;
use crate::table::{Column, Table};

/// Of rows that are duplicates of each other, keeps one.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DropDuplicates {
    /// Rows with equal values in these columns are duplicates, unless one of the values is missing: what is not known
    /// is not known to be equal. With no column here, duplicates are rows that are equal in all columns of the table,
    /// missing values included.
    #[serde(default)]
    pub keys: Vec<String>,
    /// Which one is kept.
    #[serde(default)]
    pub keep: Keep,
}

/// Which of several duplicates is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Keep {
    /// The first in the table.
    #[default]
    First,
    /// The last in the table.
    Last,
    /// The one with the highest number in this column, the first of them if several have it; in TOML
    /// `keep = { highest = "popularity" }`. A missing number is lower than any.
    Highest(String),
}

impl DropDuplicates {
    pub(super) fn apply(&self, table: Table, report: &mut StepReport) -> Result<Table> {
        let columns: Vec<&Column> = if self.keys.is_empty() {
            table.iter().map(|(_, column)| column).collect()
        } else {
            self.keys
                .iter()
                .map(|key| table.column(key))
                .collect::<Result<_>>()?
        };
        let n_rows = table.n_rows();
        let classes = equal_rows(&columns, n_rows);
        let identified: Vec<bool> = (0..n_rows)
            .map(|row| self.keys.is_empty() || !columns.iter().any(|column| column.is_missing(row)))
            .collect();
        let kept = self.kept(&table, &classes, &identified)?;
        let reason_of: Vec<Option<usize>> = (classes.iter().zip(&identified).enumerate())
            .map(|(row, (&class, &identified))| {
                (identified && kept.get(class).copied().flatten() != Some(row)).then_some(0)
            })
            .collect();
        let equal = if self.keys.is_empty() {
            "all columns".to_owned()
        } else {
            list(&self.keys)
        };
        let which = match &self.keep {
            Keep::First => "the first".to_owned(),
            Keep::Last => "the last".to_owned(),
            Keep::Highest(column) => format!("the one with the highest {column}"),
        };
        report.summary = format!("of rows equal in {equal}, kept {which}");
        let unidentified = identified.iter().filter(|&&identified| !identified).count();
        if unidentified > 0 {
            report
                .summary
                .push_str(&format!("; {unidentified} rows without a value in {equal} stay"));
        }
        Ok(report.drop_rows(
            table,
            &reason_of,
            &[format!("equal in {equal} to the row that was kept, {which}")],
        ))
    }

    /// For each class of equal rows the one to keep.
    fn kept(&self, table: &Table, classes: &[usize], identified: &[bool]) -> Result<Vec<Option<usize>>> {
        let better = self.better(table)?;
        let mut kept: Vec<Option<usize>> = vec![None; classes.len()];
        for (row, &class) in classes
            .iter()
            .enumerate()
            .filter(|&(row, _)| identified.get(row) == Some(&true))
        {
            if let Some(best) = kept.get_mut(class)
                && best.is_none_or(|best| better(row, best))
            {
                *best = Some(row);
            }
        }
        Ok(kept)
    }

    /// Whether a later row is preferred to an earlier one.
    fn better<'a>(&self, table: &'a Table) -> Result<Box<dyn Fn(usize, usize) -> bool + 'a>> {
        Ok(match &self.keep {
            Keep::First => Box::new(|_, _| false),
            Keep::Last => Box::new(|_, _| true),
            Keep::Highest(column) => {
                let values = table.numbers(column)?;
                // NaN, a missing number, is above nothing; any number is above it.
                Box::new(move |row, best| match (values.get(row), values.get(best)) {
                    (Some(row), Some(best)) => row > best || (best.is_nan() && !row.is_nan()),
                    _ => false,
                })
            }
        })
    }
}
