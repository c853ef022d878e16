//! What is predicted: a column's numbers, or the classes that are made of it.

use std::borrow::Cow;

use hitcast_core::{Dataset, Features, Task};
use hitcast_data::{Column, Table};
use hitcast_preprocess::{ClassReport, FittedClasses, PreprocessError};

use crate::error::{PipelineError, Result};
use crate::experiment::Experiment;

/// The target of an experiment or a bundle.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Goal {
    /// Name of the column.
    pub(crate) column: String,
    /// How it becomes classes; `None` for numbers.
    pub(crate) classes: Option<FittedClasses>,
}

/// The rows that have a class.
pub(crate) struct Classed {
    /// Their places in the table.
    pub(crate) kept: Vec<usize>,
    pub(crate) report: ClassReport,
}

impl Goal {
    /// Finds the experiment's target in the cleaned table, and of classes the rows that have one.
    pub(crate) fn find(experiment: &Experiment, table: &Table) -> Result<(Self, Option<Classed>)> {
        let column = experiment.data.target.clone();
        let Some(rule) = &experiment.data.classes else {
            let goal = Self {
                column,
                classes: None,
            };
            return Ok((goal, None));
        };
        let named = |error| PipelineError::from(in_file(error, table.source_rows()));
        let values = table.column(&column)?;
        let classes = rule.fit(&column, values).map_err(named)?;
        let (codes, mut report) = classes.codes(&column, values).map_err(named)?;
        for left_out in &mut report.left_out {
            for row in &mut left_out.first_rows {
                *row = table.source_rows().get(*row).map_or(*row, |row| *row as usize);
            }
        }
        let kept = (0..codes.len()).filter(|&row| codes[row].is_some()).collect();
        let goal = Self {
            column,
            classes: Some(classes),
        };
        Ok((goal, Some(Classed { kept, report })))
    }

    pub(crate) fn task(&self) -> Task {
        match &self.classes {
            Some(classes) => Task::Classification {
                n_classes: classes.names().len(),
            },
            None => Task::Regression,
        }
    }

    /// The target of each row, of classes their numbers; NaN for a row that has none.
    #[allow(clippy::cast_precision_loss)]
    pub(crate) fn actual(&self, table: &Table) -> Result<Vec<f64>> {
        let Some(classes) = &self.classes else {
            return Ok(table.numbers(&self.column)?.to_vec());
        };
        let (codes, _) = classes.codes(&self.column, table.column(&self.column)?)?;
        let number = |class: Option<usize>| class.map_or(f64::NAN, |class| class as f64);
        Ok(codes.into_iter().map(number).collect())
    }

    /// The table that is split: with the numbers of the classes in the target's place, so that a split that is stratified by
    /// the target is so by its classes.
    pub(crate) fn split_by<'t>(&self, table: &'t Table) -> Result<Cow<'t, Table>> {
        if self.classes.is_none() {
            return Ok(Cow::Borrowed(table));
        }
        let numbers = Column::Number(self.actual(table)?);
        Ok(Cow::Owned(
            table.clone().set_column(self.column.as_str(), numbers)?,
        ))
    }

    /// Rows to learn from or to be judged on, which all have a target.
    pub(crate) fn dataset(&self, features: Features, actual: Vec<f64>) -> Result<Dataset> {
        Ok(match self.task() {
            Task::Classification { n_classes } => {
                Dataset::of_classes(features, &crate::score::class_numbers(&actual), n_classes)?
            }
            _ => Dataset::new(features, actual)?,
        })
    }
}

/// An error that names the row of the file in place of that of the cleaned table.
fn in_file(mut error: PreprocessError, source_rows: &[u32]) -> PreprocessError {
    if let PreprocessError::NoTarget { row, .. }
    | PreprocessError::OutsideBins { row, .. }
    | PreprocessError::UnknownCategory { row, .. }
    | PreprocessError::NotFinite { row, .. } = &mut error
        && let Some(&source_row) = source_rows.get(*row)
    {
        *row = source_row as usize;
    }
    error
}
