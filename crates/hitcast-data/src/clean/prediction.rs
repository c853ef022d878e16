//! The part of a cleaning that applies to rows that are to be predicted.

use serde::{Deserialize, Serialize};

use super::report::{CleaningReport, StepReport};
use super::{Cleaning, CleaningStep, RangeAction};
use crate::error::Result;
use crate::schema::Schema;
use crate::table::Table;

/// The steps of a [`Cleaning`] that change values row by row, as far as a model's inputs need them.
///
/// It never drops a row and works on a single one, and on a table without the target: what is asked for is answered.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RowWiseCleaning {
    /// The steps in order.
    pub steps: Vec<CleaningStep>,
    /// The columns that a table must have for them, in no order of meaning.
    pub inputs: Vec<String>,
}

impl Cleaning {
    /// The steps that make the columns `needed` (a model's inputs) out of those of a file, without those that drop
    /// rows, and the columns that the file must have.
    pub fn for_prediction<S: AsRef<str>>(&self, needed: &[S]) -> RowWiseCleaning {
        let mut inputs: Vec<String> = Vec::new();
        for name in needed {
            if !inputs.iter().any(|input| input == name.as_ref()) {
                inputs.push(name.as_ref().to_owned());
            }
        }
        let mut steps = Vec::new();
        // From the last step to the first, so that what a step makes is replaced by what it makes it from.
        for step in self.steps.iter().rev() {
            if let Some((from, into)) = step.derivation() {
                if let Some(position) = inputs.iter().position(|input| input == into) {
                    if inputs.iter().any(|input| input == from) {
                        if from != into {
                            inputs.remove(position);
                        }
                    } else if let Some(input) = inputs.get_mut(position) {
                        from.clone_into(input);
                    }
                    steps.push(step.clone());
                }
            } else if let CleaningStep::OutOfRange(range) = step
                && range.action == RangeAction::SetMissing
            {
                let mut range = range.clone();
                let every = range.columns.is_empty();
                range.columns.retain(|column| inputs.contains(column));
                if every || !range.columns.is_empty() {
                    steps.push(CleaningStep::OutOfRange(range));
                }
            }
        }
        steps.reverse();
        RowWiseCleaning { steps, inputs }
    }
}

impl RowWiseCleaning {
    /// Applies the steps. Where the table has a derived column and not the column it is made from, what was given
    /// stands; so does a column that a range is for and the table lacks.
    ///
    /// # Errors
    /// As [`Cleaning::apply`].
    pub fn apply(&self, table: Table, schema: Option<&Schema>) -> Result<(Table, CleaningReport)> {
        let mut report = CleaningReport::new(&table);
        let mut table = table;
        for step in &self.steps {
            let mut step = step.clone();
            if let CleaningStep::OutOfRange(range) = &mut step
                && !range.columns.is_empty()
            {
                range.columns.retain(|column| table.contains(column));
                if range.columns.is_empty() {
                    continue;
                }
            }
            if let Some((from, into)) = step.derivation()
                && !table.contains(from)
                && table.contains(into)
            {
                let mut given = StepReport::new(step.name(), &table);
                given.summary = format!("{into} was given, so it was not made from {from}");
                report.push(given);
                continue;
            }
            table = step.apply(table, schema, &mut report)?;
        }
        Ok((table, report))
    }
}
