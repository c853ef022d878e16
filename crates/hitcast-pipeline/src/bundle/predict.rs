//! Predicting and evaluating tables.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use hitcast_data::{CsvReader, DataError, Loaded, SchemaChoice, Table};
use hitcast_metrics::{MeanBaseline, RegressionMetrics};
use serde::{Deserialize, Serialize};

use super::Bundle;
use crate::error::{PipelineError, Result};
use crate::prepare::{self, group_metrics};
use crate::report::{GroupReport, group_table};
use crate::text::{TextTable, grouped, short};

/// Predictions for the rows of a table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TablePredictions {
    /// One value a row, in the target's unit; `None` where an input is missing that the recipe does not fill.
    pub values: Vec<Option<f64>>,
    /// Rows without a prediction, by the first input that they lack.
    pub incomplete: BTreeMap<String, usize>,
    /// Rows beyond the training rows' range, or of a category that they do not have, by input: there the model extrapolates.
    pub beyond_training: BTreeMap<String, usize>,
}

/// How good a bundle is on the rows of a table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Name of the model.
    pub model: String,
    /// Its metrics.
    #[serde(flatten)]
    pub metrics: RegressionMetrics,
    /// Metrics of predicting the training rows' mean.
    pub baseline: RegressionMetrics,
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
        let rows = inputs.take(&complete);
        let mut values = vec![None; inputs.n_rows()];
        if !complete.is_empty() {
            let features = self.preparation.features(&rows)?;
            let predictions = prepare::predict(&self.manifest.model.name, &*self.model, &features)?;
            for (&row, value) in complete.iter().zip(predictions) {
                values[row] = Some(value);
            }
        }
        Ok(TablePredictions {
            values,
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
        let RegressionMetrics { rmse, mae, r2, n, .. } = self.manifest.metrics.test;
        let [rmse, mae, r2] = [rmse, mae, r2].map(short);
        match learned_share {
            None => Some(
                "these rows are too few to tell whether the model learned from them; if it did, the figures are too good"
                    .to_owned(),
            ),
            Some(share) if share > 0.0 => {
                let percent = (100.0 * share).max(1.0);
                Some(format!(
                    "about {percent:.0} % of these rows were learned from, so the figures are too good for new rows; on \
                     the {} test rows of its own run the model has RMSE {rmse}, MAE {mae} and R² {r2}",
                    grouped(n)
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
        let actual = table.numbers(&target.column)?;
        let by_columns: Vec<&str> = by.iter().map(AsRef::as_ref).collect();
        for column in &by_columns {
            table.column(column)?;
        }
        let TablePredictions {
            values,
            mut incomplete,
            beyond_training,
        } = self.predict_table(table)?;
        let mut rows = Vec::new();
        let (mut known, mut predicted) = (Vec::new(), Vec::new());
        for (row, (value, &actual)) in values.iter().zip(actual).enumerate() {
            match value {
                Some(_) if actual.is_nan() => *incomplete.entry(target.column.clone()).or_insert(0) += 1,
                Some(value) => {
                    rows.push(row);
                    known.push(actual);
                    predicted.push(*value);
                }
                None => {}
            }
        }
        if rows.is_empty() {
            let advice = "give rows that have the target and every input".to_owned();
            return Err(PipelineError::TooFewRows {
                rows: 0,
                stage: "to evaluate on",
                needed: 1,
                advice,
            });
        }
        let baseline = MeanBaseline {
            mean: target.training_mean,
        };
        let evaluated = table.take(&rows);
        let inputs = self.preparation.inputs(&evaluated)?;
        let learned = &self.manifest.learned_rows;
        let learned_share = learned.share_of(&inputs, &self.preparation.inputs, &known)?;
        let by = (by_columns.into_iter())
            .map(|column| {
                Ok((
                    column.to_owned(),
                    group_metrics(&evaluated, column, &known, &predicted, baseline)?,
                ))
            })
            .collect::<Result<_>>()?;
        Ok(Evaluation {
            model: self.manifest.model.name.clone(),
            metrics: RegressionMetrics::compute(&known, &predicted)?,
            baseline: baseline.evaluate(&known)?,
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
        writeln!(f, "{} rows", grouped(self.metrics.n))?;
        for (column, rows) in &self.incomplete {
            writeln!(f, "  {} left out: {column} is missing", grouped(*rows))?;
        }
        let mut table = TextTable::new(["model", "RMSE", "MAE", "R²", "median error", "largest error"]);
        for (name, metrics) in [
            (self.model.as_str(), &self.metrics),
            ("predict the mean", &self.baseline),
        ] {
            let RegressionMetrics {
                rmse,
                mae,
                r2,
                median_absolute_error,
                max_error,
                ..
            } = *metrics;
            let numbers = [rmse, mae, r2, median_absolute_error, max_error].map(short);
            table.row(std::iter::once(name.to_owned()).chain(numbers));
        }
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
