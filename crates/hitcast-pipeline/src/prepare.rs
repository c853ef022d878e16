//! From a table's columns to a model's features: one path, for the rows learned from and for those predicted.

use std::borrow::Cow;
use std::collections::BTreeMap;

use hitcast_core::{CoreError, Features, Model, Predictions, Task};
use hitcast_data::{Column, FittedOutliers, RowWiseCleaning, Schema, Table};
use hitcast_preprocess::Preprocessor;

use crate::error::{PipelineError, Result};
use crate::report::GroupReport;
use crate::score::{Baseline, Metrics, Predicted};

/// What happens to a row before the model sees it, as it was learned from the training rows.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Preparation {
    /// Where valid ranges come from.
    pub(crate) schema: Option<Schema>,
    /// What is done to values before anything is learned.
    pub(crate) cleaning: RowWiseCleaning,
    /// Bounds learned from the training rows.
    pub(crate) outliers: Vec<FittedOutliers>,
    /// From inputs to features.
    pub(crate) preprocessor: Preprocessor,
    /// Names of the inputs.
    pub(crate) inputs: Vec<String>,
}

impl Preparation {
    /// The columns that a table must have, unless it has what is derived from them.
    pub(crate) fn raw_columns(&self) -> &[String] {
        &self.cleaning.inputs
    }

    /// What a column is derived from.
    pub(crate) fn source_of(&self, column: &str) -> Option<&str> {
        let mut source = None;
        for (from, into) in self
            .cleaning
            .steps
            .iter()
            .rev()
            .filter_map(|step| step.derivation())
        {
            if into == source.unwrap_or(column) {
                source = Some(from);
            }
        }
        source
    }

    /// The inputs of a table that has them, or the columns that they are derived from; a row for each of its rows.
    pub(crate) fn inputs(&self, table: &Table) -> Result<Table> {
        let wanted = |name: &&str| {
            self.raw_columns()
                .iter()
                .chain(&self.inputs)
                .any(|column| column == name)
        };
        let table = table.select(table.names().filter(wanted))?;
        let n_rows = table.n_rows();
        let (table, _) = self.cleaning.apply(table, self.schema.as_ref())?;
        let inputs = table.select(&self.inputs)?;
        if inputs.n_rows() != n_rows {
            return Err(CoreError::Length {
                what: "rows after cleaning",
                expected: n_rows,
                got: inputs.n_rows(),
            }
            .into());
        }
        Ok(inputs)
    }

    /// The features of [`inputs`](Self::inputs), `n × d`.
    pub(crate) fn features(&self, inputs: &Table) -> Result<Features> {
        let mut bounded = inputs.clone();
        for outliers in &self.outliers {
            (bounded, _) = outliers.apply_to_held_out(bounded)?;
        }
        Ok(self.preprocessor.transform(&bounded)?)
    }
}

/// Predictions of the task for every row, all of them finite.
pub(crate) fn predict(name: &str, model: &dyn Model, task: Task, features: &Features) -> Result<Predictions> {
    let predictions = model.predict_features(features)?;
    let wrong = |message: String| Err(PipelineError::model(name)(message.into()));
    if predictions.task() != task {
        let error = CoreError::WrongTask {
            expected: task,
            got: predictions.task(),
        };
        return wrong(format!("its predictions are of another kind: {error}"));
    }
    if predictions.n_rows() != features.n_rows() {
        return wrong(format!(
            "predicts {} values for {} rows",
            predictions.n_rows(),
            features.n_rows()
        ));
    }
    let values = predictions.values();
    if let Some(place) = values.iter().position(|value| !value.is_finite()) {
        let row = place / task.width();
        return wrong(format!(
            "predicts {} for row {row}; its training has diverged",
            values[place]
        ));
    }
    drop(values);
    Ok(predictions)
}

/// The metrics of each group of rows, beside those of the baseline.
pub(crate) fn group_metrics(
    table: &Table,
    column: &str,
    actual: &[f64],
    predicted: &Predicted,
    baseline: &Baseline,
) -> Result<Vec<GroupReport>> {
    let column = table.column(column)?;
    let names: Vec<Option<String>> = (0..column.len())
        .map(|row| (!column.is_missing(row)).then(|| column.display(row)))
        .collect();
    let groups: Vec<Option<&str>> = names.iter().map(Option::as_deref).collect();
    let ours = Metrics::by_group(actual, predicted, &groups)?;
    let theirs = Metrics::by_group(actual, &baseline.predict(actual.len()), &groups)?;
    let mut baselines: BTreeMap<_, _> = theirs
        .into_iter()
        .map(|group| (group.group, group.metrics))
        .collect();
    let report = |group: hitcast_metrics::GroupMetrics<Metrics>| {
        let baseline = baselines.remove(&group.group)?;
        Some(GroupReport {
            group: group.group,
            metrics: group.metrics,
            baseline,
        })
    };
    Ok(ours.into_iter().filter_map(report).collect())
}

/// A column's values as numbers: flags as 0 and 1, texts and missing values as NaN.
pub(crate) fn as_numbers(column: &Column) -> Vec<f64> {
    let values = column.as_numbers();
    values.map_or_else(|| vec![f64::NAN; column.len()], Cow::into_owned)
}
