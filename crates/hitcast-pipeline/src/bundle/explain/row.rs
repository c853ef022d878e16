//! What made up one prediction.

use std::collections::BTreeMap;
use std::fmt;

use hitcast_core::Features;
use hitcast_data::Table;
use hitcast_explain::{LocalExplanation, Output};
use serde::{Deserialize, Serialize};

use super::{AttributionMethod, ExplainSettings, Explainer, raw};
use crate::bundle::row::{PredictedValue, RowPrediction, RowValue};
use crate::bundle::{Bundle, InputInfo};
use crate::error::{PipelineError, Result};

/// What made up the prediction for one row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RowExplanation {
    /// The prediction.
    #[serde(flatten)]
    pub prediction: RowPrediction,
    /// What is explained, in words: the target and its unit, or the probability of a class; said if that is before calibration.
    pub explained: String,
    /// How.
    pub method: AttributionMethod,
    /// The inputs, and how far each moved the prediction from what is usual.
    pub explanation: LocalExplanation,
}

impl Bundle {
    /// What made up the prediction for a row given by name, as [`predict_row`](Self::predict_row) takes it; `usual` are rows to
    /// compare it with, as those that the model learned from.
    ///
    /// # Errors
    /// As [`explainer`](Self::explainer) and [`Explainer::explain`].
    pub fn explain_row(
        &self,
        row: &BTreeMap<String, RowValue>,
        usual: &Table,
        settings: &ExplainSettings,
    ) -> Result<RowExplanation> {
        self.explainer(usual, settings)?.explain(row)
    }

    /// What made up the prediction for a row of a table, counted from 0, compared with all of its rows.
    ///
    /// # Errors
    /// As [`explainer`](Self::explainer) and [`Explainer::explain_table_row`].
    pub fn explain_table_row(
        &self,
        table: &Table,
        row: usize,
        settings: &ExplainSettings,
    ) -> Result<RowExplanation> {
        self.explainer(table, settings)?.explain_table_row(row)
    }
}

impl Explainer<'_> {
    /// What made up the prediction for a row given by name, as [`Bundle::predict_row`] takes it, compared with these rows.
    ///
    /// # Errors
    /// As [`Bundle::predict_row`], and [`PipelineError::Explain`] on an impossible setting.
    pub fn explain(&self, row: &BTreeMap<String, RowValue>) -> Result<RowExplanation> {
        let (inputs, notes) = self.bundle.read_row(row)?;
        let features = self.bundle.preparation.features(&inputs)?;
        self.explain_inputs(&inputs, &features, notes)
    }

    /// What made up the prediction for one of these rows, by its place in the table, counted from 0.
    ///
    /// # Errors
    /// [`PipelineError::Row`] if there is no such row, or it lacks an input, [`PipelineError::Explain`] on an impossible setting.
    pub fn explain_table_row(&self, row: usize) -> Result<RowExplanation> {
        let place = self.place_of(row)?;
        let inputs = self.ready.inputs.take(&[place]);
        let notes = self.bundle.notes_of(&inputs)?;
        self.explain_inputs(&inputs, &self.ready.features.take(&[place]), notes)
    }

    /// The place of a row of the table among the complete ones.
    pub(super) fn place_of(&self, row: usize) -> Result<usize> {
        if let Ok(place) = self.ready.rows.binary_search(&row) {
            return Ok(place);
        }
        let n = self.table.n_rows();
        if row >= n {
            return Err(PipelineError::Row(format!(
                "there is no row {row}, counted from 0, of {n}"
            )));
        }
        let inputs = self.bundle.preparation.inputs(&self.table.take(&[row]))?;
        let lacks = |input: &&InputInfo| {
            let column = inputs.column(&input.column);
            !input.imputed && column.is_ok_and(|column| column.is_missing(0))
        };
        let lacking = self.bundle.manifest.inputs.iter().find(lacks);
        let lacking = lacking.map_or_else(
            || "an input".to_owned(),
            |input| self.bundle.describe_input(input),
        );
        Err(PipelineError::Row(format!("the row lacks {lacking}")))
    }

    fn explain_inputs(
        &self,
        inputs: &Table,
        features: &Features,
        notes: Vec<String>,
    ) -> Result<RowExplanation> {
        let bundle = self.bundle;
        let predicted = bundle.predict_features(features)?;
        let output = match &predicted.classes {
            Some(decided) => Output::Probability {
                class: decided.first().copied().unwrap_or(0),
            },
            None => Output::Number,
        };
        let (method, output, mut explanations) =
            bundle.attribute(output, features, &self.ready.features, &self.settings)?;
        let Some(mut explanation) = explanations.pop() else {
            return Err(PipelineError::Row("there is no row to explain".to_owned()));
        };
        for attribution in &mut explanation.attributions {
            attribution.raw = raw(inputs.column(&attribution.source)?);
        }
        Ok(RowExplanation {
            prediction: bundle.prediction(&predicted, notes)?,
            explained: bundle.describe_output(output),
            method,
            explanation,
        })
    }
}

impl fmt::Display for RowExplanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = self.method.describe();
        let target = &self.prediction.target;
        match &self.prediction.value {
            PredictedValue::Number(value) => writeln!(f, "{target} {value:.1}")?,
            PredictedValue::Class(name) => writeln!(f, "{target} {name}")?,
        }
        writeln!(f, "{}, by {how}:", self.explained)?;
        write!(f, "{}", self.explanation)?;
        for note in &self.prediction.notes {
            write!(f, "\nNote: {note}")?;
        }
        Ok(())
    }
}
