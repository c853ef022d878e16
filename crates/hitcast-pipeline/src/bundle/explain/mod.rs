//! Why a bundle predicts what it does.
//!
//! - [`importances`]: what matters to its model
//! - [`attribution`]: how the parts of a prediction are found
//! - [`row`]: what made up one prediction
//! - [`counterfactual`]: what would have to be otherwise for another one
//! - [`wish`]: what is wanted of that

mod attribution;
mod counterfactual;
mod importances;
mod row;
mod wish;

use std::cell::OnceCell;

use hitcast_core::{Features, Seed};
use hitcast_data::{Column, Table};
use hitcast_explain::{Encoded, Output, Raw, Source, Units};
use ndarray::Array2;
use serde::{Deserialize, Serialize};

use super::Bundle;
use crate::error::{PipelineError, Result};

pub use attribution::{AttributionMethod, Attributions};
pub use counterfactual::{Change, Counterfactual, FixedInput};
pub use importances::{BundleImportances, InputImportance};
pub use row::RowExplanation;
pub use wish::Wish;

/// How explanations are made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ExplainSettings {
    /// How the parts of predictions are found. Default: the first of these that the model allows. Its own Shapley values, as trees
    /// have them; expected gradients, as networks have them, for which it takes fewer passes than for any of the next;
    /// exact Shapley values, for up to 10 inputs; sampled ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<AttributionMethod>,
    /// How often each input is put into random order to say what matters, at least 1; without effect on one prediction. Default 5.
    pub repeats: usize,
    /// Rows that stand for what is usual, at least 1; of more, some are chosen at random. Default 100. Without effect on a model's
    /// own Shapley values, which stand for its training rows, and on integrated gradients, which begin at the mean of all rows.
    pub background: usize,
    /// Rows whose attributions say what matters, at least 1, fewer for large models; of more, some are chosen at random.
    /// Default 50.
    pub explained_rows: usize,
    /// Where randomness comes from. Default 42.
    pub seed: Seed,
}

impl Default for ExplainSettings {
    fn default() -> Self {
        Self {
            method: None,
            repeats: 5,
            background: 100,
            explained_rows: 50,
            seed: Seed::new(42),
        }
    }
}

/// A bundle beside rows to explain it by. What is made of the rows is made once, whatever is asked for.
#[derive(Debug)]
pub struct Explainer<'a> {
    bundle: &'a Bundle,
    table: &'a Table,
    settings: ExplainSettings,
    ready: CompleteRows,
    attributions: OnceCell<Attributions>,
}

/// The complete rows of a table: those that have every input that is not filled in.
#[derive(Debug, Clone)]
pub struct CompleteRows {
    /// Their places in the table, length `n`.
    pub rows: Vec<usize>,
    /// Their inputs, in the units of the table.
    pub inputs: Table,
    /// Their features, `n × d`.
    pub features: Features,
}

/// Shows features in the units of the table, by the way back of the bundle's preprocessor.
#[derive(Debug, Clone, Copy)]
pub struct TableUnits<'b>(&'b Bundle);

impl Units for TableUnits<'_> {
    fn raw(&self, source: &Source, encoded: &[f32]) -> Raw {
        let preprocessor = &self.0.preparation.preprocessor;
        let mut row = Array2::zeros((1, preprocessor.n_features()));
        for (&column, &value) in source.columns.iter().zip(encoded) {
            row[(0, column)] = value;
        }
        let table = preprocessor.inverse_transform(row.view());
        match table.as_ref().map(|table| table.column(&source.name)) {
            Ok(Ok(column)) => raw(column),
            // There is no way back from some encoders.
            _ => Encoded.raw(source, encoded),
        }
    }
}

impl Bundle {
    /// The bundle beside the rows of a table, by which it is explained: rows that it did not learn from to say what matters, or
    /// usual ones to compare a row with.
    ///
    /// # Errors
    /// [`PipelineError::Data`] if a column is missing or of another type, [`PipelineError::TooFewRows`] if no row is complete.
    pub fn explainer<'a>(&'a self, table: &'a Table, settings: &ExplainSettings) -> Result<Explainer<'a>> {
        let (inputs, rows, _) = self.complete_inputs(table)?;
        if rows.is_empty() {
            return Err(no_rows("give rows that have every input"));
        }
        let inputs = inputs.take(&rows);
        let features = self.preparation.features(&inputs)?;
        Ok(Explainer {
            bundle: self,
            table,
            settings: settings.clone(),
            ready: CompleteRows {
                rows,
                inputs,
                features,
            },
            attributions: OnceCell::new(),
        })
    }

    /// What is explained of several rows together: the number, or the probability of the last class, which of two is the one that
    /// is looked for.
    pub fn output(&self) -> Output {
        match &self.manifest.target.classes {
            Some(classes) => Output::Probability {
                class: classes.rule.names().len().saturating_sub(1),
            },
            None => Output::Number,
        }
    }

    /// What is explained, in words: the target with its unit, or the probability or log-odds of a class by its name; where the
    /// bundle calibrates probabilities, that it is those before.
    pub fn describe_output(&self, output: Output) -> String {
        let target = &self.manifest.target;
        let name = |class: usize| {
            let names = target.classes.as_ref().map(|classes| classes.rule.names());
            names
                .and_then(|names| names.get(class))
                .map_or("", String::as_str)
        };
        let calibration = target
            .classes
            .as_ref()
            .and_then(|classes| classes.decision.calibration.as_ref());
        let before = if calibration.is_some() {
            " before calibration"
        } else {
            ""
        };
        match (output, &target.unit) {
            (Output::Probability { class }, _) => format!("probability of {}{before}", name(class)),
            (Output::LogOdds { class }, _) => format!("log-odds of {}{before}", name(class)),
            (_, Some(unit)) => format!("{} ({unit})", target.column),
            (_, None) => target.column.clone(),
        }
    }

    /// How features are shown in the units of the table.
    pub fn units(&self) -> TableUnits<'_> {
        TableUnits(self)
    }
}

impl<'a> Explainer<'a> {
    /// What is explained.
    pub fn bundle(&self) -> &'a Bundle {
        self.bundle
    }

    /// The rows that have every input that is not filled in.
    pub fn rows(&self) -> &CompleteRows {
        &self.ready
    }

    /// How explanations are made.
    pub fn settings(&self) -> &ExplainSettings {
        &self.settings
    }
}

fn no_rows(advice: &str) -> PipelineError {
    PipelineError::TooFewRows {
        rows: 0,
        stage: "to explain by",
        needed: 1,
        advice: advice.to_owned(),
    }
}

/// The value of a column's only row.
fn raw(column: &Column) -> Raw {
    match column {
        Column::Number(values) => Raw::Number(values.first().copied().unwrap_or(f64::NAN)),
        _ if column.is_missing(0) => Raw::Text("(missing)".to_owned()),
        _ => Raw::Text(column.display(0)),
    }
}
