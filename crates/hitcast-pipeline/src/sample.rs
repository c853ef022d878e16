//! The cleaned rows that have a target, and how they are divided.

use hitcast_core::{Seed, Task};
use hitcast_data::{CleaningReport, Schema, Table};
use hitcast_preprocess::split::Codes;
use hitcast_preprocess::{ClassReport, Fold, Fractions, KFold, Split, SplitStrategy};
use sha2::{Digest, Sha256};

use crate::error::{PipelineError, Result};
use crate::experiment::{DataSettings, Experiment};
use crate::goal::{Classed, Goal};

/// An experiment's cleaned rows. Rows are named by their places in it, from 0.
#[derive(Debug)]
pub struct Sample<'a> {
    experiment: &'a Experiment,
    pub(crate) table: Table,
    pub(crate) schema: Option<Schema>,
    pub(crate) goal: Goal,
    /// Which rows have which class; `None` for numbers.
    pub(crate) classes: Option<ClassReport>,
    pub(crate) cleaning: CleaningReport,
}

impl Experiment {
    /// Cleans a table, and finds the target in it. Rows without a class are left out.
    ///
    /// # Errors
    /// [`PipelineError::Data`] if a cleaning step fails, [`PipelineError::Setting`] if the target or a weight is missing in a
    /// row or the target has not the classes asked for, [`PipelineError::TooFewRows`].
    pub fn sample(&self, table: Table, schema: Option<Schema>) -> Result<Sample<'_>> {
        let (table, cleaning) = self.cleaning.apply(table, schema.as_ref())?;
        check_weight(self, &table)?;
        check_target(self, &table)?;
        let (goal, classes) = Goal::find(self, &table)?;
        let (table, classes) = match classes {
            Some(Classed { kept, report }) => (table.take(&kept), Some(report)),
            None => (table, None),
        };
        if let Task::Classification { n_classes } = goal.task() {
            self.decision.check_for(n_classes)?;
        }
        check_rows(&table)?;
        Ok(Sample {
            experiment: self,
            table,
            schema,
            goal,
            classes,
            cleaning,
        })
    }

    /// Reads the experiment's file, and cleans it.
    ///
    /// # Errors
    /// As [`run`](Self::run) up to the split.
    pub fn read_sample(&self) -> Result<Sample<'_>> {
        let loaded = self.read(self.data_path()?)?;
        self.sample(loaded.table, loaded.schema)
    }
}

impl<'a> Sample<'a> {
    /// The experiment whose rows they are.
    pub fn experiment(&self) -> &'a Experiment {
        self.experiment
    }

    /// What is predicted.
    pub fn task(&self) -> Task {
        self.goal.task()
    }

    /// Number of rows.
    pub fn n_rows(&self) -> usize {
        self.table.n_rows()
    }

    /// A hash of some of the rows, of all that can be learned from them and of how they are divided: equal for samples that lead
    /// to the same models. 64 hexadecimal digits.
    ///
    /// # Errors
    /// [`PipelineError::Data`] if a column of the experiment is not there.
    pub fn fingerprint(&self, rows: &[usize]) -> Result<String> {
        let Experiment { data, split, .. } = self.experiment;
        let mut digest = Sha256::new();
        let settings = DataSettings {
            path: None,
            ..data.clone()
        };
        digest.update(format!("{settings:?} {:?} {rows:?}", split.strategy));
        let table = self.table.take(rows);
        let named = split.strategy.columns();
        let columns = (data.features.iter().map(String::as_str))
            .chain([data.target.as_str()])
            .chain(data.weight.as_deref())
            .chain(data.group.as_deref())
            .chain(named);
        for name in columns {
            let column = table.column(name)?;
            for row in 0..column.len() {
                let value = column.display(row);
                digest.update(value.len().to_le_bytes());
                digest.update(value);
            }
        }
        let hash = digest.finalize();
        Ok(hash.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// The experiment's split.
    ///
    /// # Errors
    /// [`PipelineError::Preprocess`] if the rows cannot be divided so.
    pub fn split(&self) -> Result<Split> {
        let Experiment { split, seed, .. } = self.experiment;
        Ok(split.split(&*self.goal.split_by(&self.table)?, *seed)?)
    }

    /// Folds of some of the rows, by the strategy of the experiment's split.
    ///
    /// # Errors
    /// [`PipelineError::Preprocess`] if there are fewer rows, groups or members of a class than folds.
    pub fn folds(&self, rows: &[usize], folds: usize, seed: Seed) -> Result<Vec<Fold>> {
        let (classes, groups) = self.codes(rows)?;
        let settings = KFold {
            folds,
            ..KFold::default()
        };
        let of_places = settings.split_rows(rows.len(), classes.as_ref(), groups.as_ref(), seed)?;
        let named = |places: Vec<usize>| places.into_iter().map(|place| rows[place]).collect();
        Ok(of_places
            .into_iter()
            .map(|fold| Fold {
                train: named(fold.train),
                test: named(fold.test),
            })
            .collect())
    }

    /// Holds out a share of some of the rows, by the strategy of the experiment's split: the rest, and what is held out.
    ///
    /// # Errors
    /// [`PipelineError::Preprocess`] if the rows cannot be divided so.
    pub fn hold_out(&self, rows: &[usize], share: f64, seed: Seed) -> Result<(Vec<usize>, Vec<usize>)> {
        let (classes, groups) = self.codes(rows)?;
        let fractions = Fractions {
            train: 1.0 - share,
            validation: share,
            test: 0.0,
        };
        let Split {
            train, validation, ..
        } = fractions.split(rows.len(), classes.as_ref(), groups.as_ref(), seed)?;
        let named = |places: Vec<usize>| places.into_iter().map(|place| rows[place]).collect();
        Ok((named(train), named(validation)))
    }

    fn codes(&self, rows: &[usize]) -> Result<(Option<Codes>, Option<Codes>)> {
        let table = self.table.take(rows);
        Ok(self
            .experiment
            .split
            .strategy
            .codes(&*self.goal.split_by(&table)?)?)
    }

    /// The groups that the experiment's split keeps together, if it does.
    pub(crate) fn split_groups(&self, table: &Table) -> Result<Option<Vec<usize>>> {
        match &self.experiment.split.strategy {
            SplitStrategy::Grouped { groups } | SplitStrategy::GroupedStratified { groups, .. } => {
                Ok(Some(Codes::groups(table, groups)?.codes().to_vec()))
            }
            _ => Ok(None),
        }
    }
}

/// A target that is a number has to be there in every row.
fn check_target(experiment: &Experiment, table: &Table) -> Result<()> {
    if experiment.data.classes.is_some() {
        return Ok(());
    }
    let target = &experiment.data.target;
    let missing = table
        .numbers(target)?
        .iter()
        .filter(|value| value.is_nan())
        .count();
    if missing > 0 {
        let message = format!(
            "column {target:?} is missing in {missing} rows after cleaning; drop them with the cleaning step \
             {{ step = \"drop_missing\", columns = [{target:?}] }}"
        );
        return Err(PipelineError::setting("data.target", message));
    }
    Ok(())
}

fn check_rows(table: &Table) -> Result<()> {
    let needed = 3;
    if table.n_rows() < needed {
        let advice = "see what the cleaning steps dropped, and loosen them".to_owned();
        return Err(PipelineError::TooFewRows {
            rows: table.n_rows(),
            stage: "after cleaning",
            needed,
            advice,
        });
    }
    Ok(())
}

/// A weight has to be a number that is not negative in every row.
fn check_weight(experiment: &Experiment, table: &Table) -> Result<()> {
    let Some(weight) = &experiment.data.weight else {
        return Ok(());
    };
    let bad = table
        .numbers(weight)?
        .iter()
        .filter(|value| !(value.is_finite() && **value >= 0.0));
    let message = match bad.clone().next() {
        None => return Ok(()),
        Some(first) if first.is_nan() => format!(
            "column {weight:?} is missing in {} rows; drop them with the cleaning step {{ step = \"drop_missing\", columns = \
             [{weight:?}] }}",
            bad.count()
        ),
        Some(first) => format!("column {weight:?} holds {first}; weights are finite and at least 0"),
    };
    Err(PipelineError::setting("data.weight", message))
}
