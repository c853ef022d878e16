//! What cleaning did, for people and for programs.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::table::Table;

/// What each step of a cleaning did: every row that went in came out or was dropped for one reason.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CleaningReport {
    /// Rows before the first step.
    pub rows_in: usize,
    /// Rows after the last step.
    pub rows_out: usize,
    /// The steps in order.
    pub steps: Vec<StepReport>,
}

/// What one step did.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct StepReport {
    /// Name of the step, as in `drop_duplicates`.
    pub step: String,
    /// What it did, in one sentence.
    pub summary: String,
    /// Rows before it.
    pub rows_in: usize,
    /// Rows after it.
    pub rows_out: usize,
    /// Rows dropped, by reason; a row has one reason.
    pub dropped: Vec<DroppedRows>,
    /// Values changed, by column.
    pub changed: Vec<ChangedValues>,
    /// Names of new columns.
    pub columns_added: Vec<String>,
    /// Names of columns dropped.
    pub columns_dropped: Vec<String>,
}

/// Rows dropped for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DroppedRows {
    /// The reason.
    pub reason: String,
    /// How many.
    pub rows: usize,
    /// The first few of them: numbers of their data rows in the file they were read from, counted from 0.
    pub first_source_rows: Vec<u32>,
}

/// Values of a column that were changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangedValues {
    /// The column.
    pub column: String,
    /// How many.
    pub values: usize,
    /// How, as in "set to missing".
    pub change: String,
}

/// How many dropped rows are listed for a reason.
const LISTED: usize = 5;

impl CleaningReport {
    /// The report on a table to which nothing has been done.
    pub fn new(table: &Table) -> Self {
        Self {
            rows_in: table.n_rows(),
            rows_out: table.n_rows(),
            steps: Vec::new(),
        }
    }

    /// Adds what the next step did.
    pub fn push(&mut self, step: StepReport) {
        self.rows_out = step.rows_out;
        self.steps.push(step);
    }

    /// Number of rows dropped by all steps.
    pub fn rows_dropped(&self) -> usize {
        self.steps.iter().map(StepReport::rows_dropped).sum()
    }
}

impl StepReport {
    /// A report on a step that has not done anything yet.
    pub(crate) fn new(step: &str, table: &Table) -> Self {
        Self {
            step: step.to_owned(),
            rows_in: table.n_rows(),
            rows_out: table.n_rows(),
            ..Self::default()
        }
    }

    /// Number of rows dropped.
    pub fn rows_dropped(&self) -> usize {
        self.dropped.iter().map(|dropped| dropped.rows).sum()
    }

    /// Number of values changed.
    pub fn values_changed(&self) -> usize {
        self.changed.iter().map(|changed| changed.values).sum()
    }

    /// Drops the rows that have a reason, and counts them under it: the one place where cleaning loses a row.
    ///
    /// `reason_of` holds an index into `reasons` for each row.
    pub(crate) fn drop_rows(
        &mut self,
        table: Table,
        reason_of: &[Option<usize>],
        reasons: &[String],
    ) -> Table {
        let mut by_reason: Vec<DroppedRows> = reasons
            .iter()
            .map(|reason| DroppedRows {
                reason: reason.clone(),
                rows: 0,
                first_source_rows: Vec::new(),
            })
            .collect();
        let mut kept = Vec::with_capacity(table.n_rows());
        for (row, &source_row) in table.source_rows().iter().enumerate() {
            match reason_of
                .get(row)
                .copied()
                .flatten()
                .and_then(|reason| by_reason.get_mut(reason))
            {
                None => kept.push(row),
                Some(dropped) => {
                    dropped.rows += 1;
                    if dropped.first_source_rows.len() < LISTED {
                        dropped.first_source_rows.push(source_row);
                    }
                }
            }
        }
        self.dropped
            .extend(by_reason.into_iter().filter(|dropped| dropped.rows > 0));
        self.rows_out = kept.len();
        if kept.len() == table.n_rows() {
            table
        } else {
            table.take(&kept)
        }
    }

    /// Notes changed values of a column, if there are any.
    pub(crate) fn note_change(&mut self, column: &str, values: usize, change: impl Into<String>) {
        if values > 0 {
            self.changed.push(ChangedValues {
                column: column.to_owned(),
                values,
                change: change.into(),
            });
        }
    }
}

impl fmt::Display for CleaningReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dropped = self.rows_dropped();
        writeln!(
            f,
            "cleaning: {} rows in, {dropped} dropped, {} out",
            self.rows_in, self.rows_out
        )?;
        let width = self.steps.iter().map(|step| step.step.len()).max().unwrap_or(0);
        for (number, step) in self.steps.iter().enumerate() {
            writeln!(f, "{:>3}. {:<width$}  {}", number + 1, step.step, step.summary)?;
            let indent = width + 7;
            for DroppedRows { reason, rows, .. } in &step.dropped {
                writeln!(f, "{:indent$}{rows:>9} rows dropped: {reason}", "")?;
            }
            for ChangedValues {
                column,
                values,
                change,
            } in &step.changed
            {
                writeln!(f, "{:indent$}{values:>9} values of {column} {change}", "")?;
            }
        }
        Ok(())
    }
}

/// "a, b and c".
pub(crate) fn list<S: AsRef<str>>(names: &[S]) -> String {
    match names {
        [] => "nothing".to_owned(),
        [one] => one.as_ref().to_owned(),
        [start @ .., last] => {
            let start: Vec<&str> = start.iter().map(AsRef::as_ref).collect();
            format!("{} and {}", start.join(", "), last.as_ref())
        }
    }
}
