//! Predicting and evaluating tables.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use hitcast_core::Features;
use hitcast_data::{CsvReader, DataError, Loaded, SchemaChoice, Table};
use serde::{Deserialize, Serialize};

use super::Bundle;
use super::row::PredictedValue;
use crate::error::{PipelineError, Result};
use crate::prepare::{self, group_metrics};
use crate::report::{GroupReport, group_table, metrics_sentence, metrics_table};
use crate::score::{Metrics, Predicted, class_name};
use crate::text::grouped;

/// Predictions for the rows of a table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TablePredictions {
    /// One value a row, in the target's unit, of classes the number of the one that is decided on; `None` where an input is
    /// missing that the recipe does not fill.
    pub values: Vec<Option<f64>>,
    /// The classes and their probabilities; `None` where the target is a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classes: Option<ClassPredictions>,
    /// Rows without a prediction, by the first input that they lack.
    pub incomplete: BTreeMap<String, usize>,
    /// Rows beyond the training rows' range, or of a category that they do not have, by input: there the model extrapolates.
    pub beyond_training: BTreeMap<String, usize>,
}

/// The predicted classes of rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClassPredictions {
    /// Names of the classes, in the order of their numbers.
    pub names: Vec<String>,
    /// The probability of each class for each row; `None` for a row without a prediction.
    pub probabilities: Vec<Option<Vec<f64>>>,
}

/// Complete rows of a table, and what is predicted for them.
struct Complete {
    rows: Vec<usize>,
    /// `None` without rows.
    predicted: Option<Predicted>,
    incomplete: BTreeMap<String, usize>,
    beyond_training: BTreeMap<String, usize>,
}

/// How good a bundle is on the rows of a table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Name of the model.
    pub model: String,
    /// Its metrics.
    #[serde(flatten)]
    pub metrics: Metrics,
    /// Metrics of predicting the training rows' mean, of classes their shares and the most frequent one.
    pub baseline: Metrics,
    /// Rows left out because they lack the target or an input, by column.
    pub incomplete: BTreeMap<String, usize>,
    /// About the share of these rows that the model learned from, in [0, 1]: the figures of such rows are too good. `None`
    /// if they are too few to tell.
    pub learned_share: Option<f64>,
    /// The same metrics by column, and there by group.
    pub by: BTreeMap<String, Vec<GroupReport>>,
    /// What the reader of the figures should know.
    pub warnings: Vec<String>,
}

impl TablePredictions {
    /// What is predicted for each row, numbers or names of classes.
    pub fn named(&self) -> impl Iterator<Item = Option<PredictedValue>> + '_ {
        let names = self.classes.as_ref().map(|classes| classes.names.as_slice());
        self.values.iter().map(move |value| match (value, names) {
            (Some(value), Some(names)) => {
                class_name(names, *value).map(|name| PredictedValue::Class(name.to_owned()))
            }
            (value, _) => value.map(PredictedValue::Number),
        })
    }
}

impl Bundle {
    /// Reads a CSV file for this bundle: the target and everything else that is no input may be missing from it. A file that
    /// is recognised by its header is read as what it is; else with the schema of the file learned from.
    ///
    /// # Errors
    /// [`PipelineError::Data`] if the file cannot be read or lacks an input.
    pub fn read(&self, path: impl AsRef<Path>, reader: &CsvReader) -> Result<Loaded> {
        let path = path.as_ref();
        let auto = CsvReader {
            schema: SchemaChoice::Auto,
            ..reader.clone()
        }
        .read(path);
        let Some(schema) = &self.manifest.schema else {
            return Ok(auto?);
        };
        match auto {
            Ok(loaded) if loaded.schema.is_some() && self.preparation.inputs(&loaded.table).is_ok() => {
                Ok(loaded)
            }
            _ => {
                let schema = schema.requiring_only(self.preparation.raw_columns());
                Ok(CsvReader {
                    schema: SchemaChoice::Given(schema),
                    ..reader.clone()
                }
                .read(path)?)
            }
        }
    }

    /// Predicts every row of a table that has the inputs, or the columns that they are derived from.
    ///
    /// # Errors
    /// [`PipelineError::Data`] if a column is missing or of another type, [`PipelineError::Core`] if the model fails.
    pub fn predict_table(&self, table: &Table) -> Result<TablePredictions> {
        let Complete {
            rows,
            predicted,
            incomplete,
            beyond_training,
        } = self.predict_complete(table)?;
        let mut values = vec![None; table.n_rows()];
        for (&row, value) in rows.iter().zip(predicted.iter().flat_map(Predicted::decided)) {
            values[row] = Some(value);
        }
        let classes = self.manifest.target.classes.as_ref().map(|classes| {
            let mut probabilities = vec![None; table.n_rows()];
            if let Some(predicted) = &predicted {
                for (place, row) in rows.into_iter().enumerate() {
                    probabilities[row] = Some(predicted.probabilities_of(place));
                }
            }
            ClassPredictions {
                names: classes.rule.names().to_vec(),
                probabilities,
            }
        });
        Ok(TablePredictions {
            values,
            classes,
            incomplete,
            beyond_training,
        })
    }

    /// Calibrated predictions and decisions for features.
    pub(super) fn predict_features(&self, features: &Features) -> Result<Predicted> {
        let task = self.manifest.target.task();
        let predictions = prepare::predict(&self.manifest.model.name, &*self.model, task, features)?;
        match &self.manifest.target.classes {
            Some(classes) => classes.decision.apply(predictions),
            None => Ok(Predicted {
                predictions,
                classes: None,
            }),
        }
    }

    /// The inputs of a table, its rows that have all that are not filled in, and how many lack which.
    pub(super) fn complete_inputs(
        &self,
        table: &Table,
    ) -> Result<(Table, Vec<usize>, BTreeMap<String, usize>)> {
        let inputs = self.preparation.inputs(table)?;
        let mut incomplete = BTreeMap::new();
        let mut complete = Vec::with_capacity(inputs.n_rows());
        let needed: Vec<_> = self
            .manifest
            .inputs
            .iter()
            .filter(|input| !input.imputed)
            .collect();
        let columns = needed
            .iter()
            .map(|input| inputs.column(&input.column))
            .collect::<Result<Vec<_>, DataError>>()?;
        for row in 0..inputs.n_rows() {
            match columns.iter().position(|column| column.is_missing(row)) {
                None => complete.push(row),
                Some(lacking) => *incomplete.entry(needed[lacking].column.clone()).or_insert(0) += 1,
            }
        }
        Ok((inputs, complete, incomplete))
    }

    fn predict_complete(&self, table: &Table) -> Result<Complete> {
        let (inputs, complete, incomplete) = self.complete_inputs(table)?;
        let rows = inputs.take(&complete);
        let predicted = if complete.is_empty() {
            None
        } else {
            Some(self.predict_features(&self.preparation.features(&rows)?)?)
        };
        Ok(Complete {
            rows: complete,
            predicted,
            incomplete,
            beyond_training: self.beyond_training(&rows)?,
        })
    }

    fn beyond_training(&self, rows: &Table) -> Result<BTreeMap<String, usize>> {
        let mut beyond = BTreeMap::new();
        for input in &self.manifest.inputs {
            let column = rows.column(&input.column)?;
            let encoder = self.preparation.preprocessor.encoder(&input.column);
            let unknown = encoder.map_or(0, |encoder| encoder.n_unknown(column));
            let values = prepare::as_numbers(column);
            let count = unknown
                + values
                    .iter()
                    .filter(|value| {
                        !value.is_nan() && input.training.is_some_and(|range| !range.contains(**value))
                    })
                    .count();
            if count > 0 {
                beyond.insert(input.column.clone(), count);
            }
        }
        Ok(beyond)
    }

    fn warning_of(&self, learned_share: Option<f64>) -> Option<String> {
        let test = &self.manifest.metrics.test;
        let metrics = metrics_sentence(test);
        match learned_share {
            None => Some(
                "these rows are too few to tell whether the model learned from them; if it did, the figures are too good"
                    .to_owned(),
            ),
            Some(share) if share > 0.0 => {
                let percent = (100.0 * share).max(1.0);
                Some(format!(
                    "about {percent:.0} % of these rows were learned from, so the figures are too good for new rows; on \
                     the {} test rows of its own run the model has {metrics}",
                    grouped(test.n())
                ))
            }
            Some(_) => None,
        }
    }

    /// Compares predictions with the target of a table, over all rows that have both, and by the groups of the columns `by`.
    ///
    /// # Errors
    /// As [`predict_table`](Self::predict_table); [`PipelineError::Data`] if the table lacks the target or a column of
    /// `by`, [`PipelineError::TooFewRows`] if no row is complete.
    pub fn evaluate<S: AsRef<str>>(&self, table: &Table, by: &[S]) -> Result<Evaluation> {
        let target = &self.manifest.target;
        let actual = self.manifest.goal().actual(table)?;
        let by_columns: Vec<&str> = by.iter().map(AsRef::as_ref).collect();
        for column in &by_columns {
            table.column(column)?;
        }
        let Complete {
            rows: complete,
            predicted,
            mut incomplete,
            beyond_training,
        } = self.predict_complete(table)?;
        let (mut places, mut rows, mut known) = (Vec::new(), Vec::new(), Vec::new());
        for (place, row) in complete.into_iter().enumerate() {
            if actual[row].is_nan() {
                *incomplete.entry(target.column.clone()).or_insert(0) += 1;
            } else {
                places.push(place);
                rows.push(row);
                known.push(actual[row]);
            }
        }
        let Some(predicted) = predicted.filter(|_| !rows.is_empty()) else {
            let advice = "give rows that have the target and every input".to_owned();
            return Err(PipelineError::TooFewRows {
                rows: 0,
                stage: "to evaluate on",
                needed: 1,
                advice,
            });
        };
        let predicted = predicted.select(&places);
        let baseline = target.baseline();
        let evaluated = table.take(&rows);
        let inputs = self.preparation.inputs(&evaluated)?;
        let learned = &self.manifest.learned_rows;
        let learned_share = learned.share_of(&inputs, &self.preparation.inputs, &known)?;
        let by = (by_columns.into_iter())
            .map(|column| {
                Ok((
                    column.to_owned(),
                    group_metrics(&evaluated, column, &known, &predicted, &baseline)?,
                ))
            })
            .collect::<Result<_>>()?;
        Ok(Evaluation {
            model: self.manifest.model.name.clone(),
            metrics: Metrics::compute(&known, &predicted)?,
            baseline: Metrics::compute(&known, &baseline.predict(known.len()))?,
            incomplete,
            learned_share,
            by,
            warnings: (self.warning_of(learned_share).into_iter())
                .chain(beyond_training.iter().map(|(column, rows)| {
                    format!("{} rows lie beyond the training rows' {column}", grouped(*rows))
                }))
                .collect(),
        })
    }
}

impl fmt::Display for Evaluation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} rows", grouped(self.metrics.n()))?;
        for (column, rows) in &self.incomplete {
            writeln!(f, "  {} left out: {column} is missing", grouped(*rows))?;
        }
        let table = metrics_table(&self.model, &self.metrics, &self.baseline);
        write!(f, "\n{table}")?;
        for (column, groups) in &self.by {
            write!(f, "\nBy {column}:\n{}", group_table(column, groups))?;
        }
        for warning in &self.warnings {
            writeln!(f, "\nNote: {warning}")?;
        }
        Ok(())
    }
}
