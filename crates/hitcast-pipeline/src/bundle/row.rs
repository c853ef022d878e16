//! Predicting one row given by hand.

use std::collections::BTreeMap;
use std::fmt;

use hitcast_core::suggest::did_you_mean;
use hitcast_data::{
    BadValues, Column, ColumnKind, ColumnSchema, CsvReader, Schema, SchemaChoice, Table, ValidRange,
    ValueFormat, write_csv,
};
use hitcast_preprocess::FittedEncoder;
use serde::{Deserialize, Serialize};

use super::{Bundle, InputInfo};
use crate::error::{PipelineError, Result};
use crate::prepare::as_numbers;
use crate::score::Predicted;

/// A value given by hand, in the unit of the column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum RowValue {
    /// A number.
    Number(f64),
    /// Yes or no.
    Flag(bool),
    /// A text in the form that the column has in files, as `0.7`, `C#` or `true`.
    Text(String),
}

impl fmt::Display for RowValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(value) => write!(f, "{value}"),
            Self::Flag(value) => write!(f, "{value}"),
            Self::Text(value) => f.write_str(value),
        }
    }
}

impl From<f64> for RowValue {
    fn from(value: f64) -> Self {
        Self::Number(value)
    }
}

impl From<bool> for RowValue {
    fn from(value: bool) -> Self {
        Self::Flag(value)
    }
}

impl From<&str> for RowValue {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

/// What is predicted for a row: a number in the target's unit, or the name of a class. As JSON a number or a text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum PredictedValue {
    /// A number.
    Number(f64),
    /// The class that is decided on.
    Class(String),
}

impl PredictedValue {
    /// The number; `None` for a class.
    pub fn number(&self) -> Option<f64> {
        match self {
            Self::Number(value) => Some(*value),
            Self::Class(_) => None,
        }
    }

    /// The name of the class; `None` for a number.
    pub fn class(&self) -> Option<&str> {
        match self {
            Self::Number(_) => None,
            Self::Class(name) => Some(name),
        }
    }
}

impl fmt::Display for PredictedValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(value) => value.fmt(f),
            Self::Class(name) => f.pad(name),
        }
    }
}

/// The prediction for one row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RowPrediction {
    /// Name of the target.
    pub target: String,
    /// The predicted value.
    pub value: PredictedValue,
    /// The probability of each class, in their order; left out where the target is a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probabilities: Option<Vec<ClassProbability>>,
    /// Where the row is unlike the training rows, in words.
    pub notes: Vec<String>,
}

/// How likely a class is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClassProbability {
    /// Name of the class.
    pub class: String,
    /// Its probability, from 0 to 1.
    pub probability: f64,
}

impl Bundle {
    /// Predicts one row given by name, in raw units. A derived input may be given itself or by what it is derived from.
    ///
    /// # Errors
    /// [`PipelineError::Row`] if an input is missing, a name is unknown (with the nearest), or a value has not the form
    /// of its column or lies outside the valid range (with range and unit).
    pub fn predict_row(&self, row: &BTreeMap<String, RowValue>) -> Result<RowPrediction> {
        let (inputs, notes) = self.read_row(row)?;
        let predicted = self.predict_features(&self.preparation.features(&inputs)?)?;
        self.prediction(&predicted, notes)
    }

    /// The inputs of a row given by name, and where it is unlike the training rows.
    pub(super) fn read_row(&self, row: &BTreeMap<String, RowValue>) -> Result<(Table, Vec<String>)> {
        let known = self.known_columns();
        let mut notes = self.check_names(row, &known)?;
        let table = self.parse(row, &known)?;
        self.check_given(&table)?;
        let lacking = self.lacking(&table);
        if !lacking.is_empty() {
            return Err(PipelineError::Row(format!(
                "the row lacks {}",
                lacking.join(", ")
            )));
        }
        let table = self.with_blanks(table)?;
        let inputs = self.preparation.inputs(&table)?;
        notes.extend(self.notes_of(&inputs)?);
        Ok((inputs, notes))
    }

    /// Where the only row of these inputs is unlike the training rows.
    pub(super) fn notes_of(&self, inputs: &Table) -> Result<Vec<String>> {
        let mut notes = Vec::new();
        for input in &self.manifest.inputs {
            let InputInfo { column, training, .. } = input;
            let values = inputs.column(column)?;
            let value = as_numbers(values).first().copied().unwrap_or(f64::NAN);
            let encoder = self.preparation.preprocessor.encoder(column);
            if encoder.is_some_and(|encoder| encoder.n_unknown(values) > 0) {
                let what = if values.is_missing(0) {
                    "missing".to_owned()
                } else {
                    values.display(0)
                };
                notes.push(format!(
                    "{column} is {what}, which no training row is: the model extrapolates"
                ));
            } else if values.is_missing(0) {
                notes.push(format!("{column} is missing and filled in as in training"));
            } else if let Some(training) = training.filter(|training| !training.contains(value)) {
                let (min, max, unit) = (training.min, training.max, spaced(input.unit.as_deref()));
                notes.push(format!(
                    "{column} is {value}{unit}, the training rows lay between {min} and {max}{unit}: the model extrapolates"
                ));
            }
        }
        Ok(notes)
    }

    pub(super) fn prediction(&self, predicted: &Predicted, notes: Vec<String>) -> Result<RowPrediction> {
        let (value, probabilities) = self.in_words(predicted)?;
        Ok(RowPrediction {
            target: self.manifest.target.column.clone(),
            value,
            probabilities,
            notes,
        })
    }

    /// The prediction for the only row.
    fn in_words(&self, predicted: &Predicted) -> Result<(PredictedValue, Option<Vec<ClassProbability>>)> {
        let nothing = || PipelineError::Row("the row lacks an input".to_owned());
        let Some(classes) = &self.manifest.target.classes else {
            let value = predicted
                .predictions
                .values()
                .first()
                .copied()
                .ok_or_else(nothing)?;
            return Ok((PredictedValue::Number(value), None));
        };
        let names = classes.rule.names();
        let decided = predicted.classes.as_ref().and_then(|decided| decided.first());
        let name = decided.and_then(|&class| names.get(class)).ok_or_else(nothing)?;
        let probabilities = names.iter().zip(predicted.probabilities_of(0));
        let named = probabilities.map(|(class, probability)| ClassProbability {
            class: class.clone(),
            probability,
        });
        Ok((PredictedValue::Class(name.clone()), Some(named.collect())))
    }

    /// Predicts one row given as numbers, in raw units and in the order of the manifest's inputs: NaN for a missing one, 0
    /// and 1 for flags. The shortest way for a program that predicts row after row; nothing is noted.
    ///
    /// # Errors
    /// [`PipelineError::Row`] if there are not as many numbers as inputs, one is infinite, or one is missing that is not
    /// filled in, or if classes are predicted: see [`probabilities_of`](Self::probabilities_of).
    pub fn predict_numbers(&self, numbers: &[f64]) -> Result<f64> {
        if self.manifest.target.classes.is_some() {
            let message = "the target is a class, which has no number; ask for its probabilities";
            return Err(PipelineError::Row(message.to_owned()));
        }
        let predicted = self.predict_one(numbers)?;
        Ok(predicted
            .predictions
            .values()
            .first()
            .copied()
            .unwrap_or(f64::NAN))
    }

    /// The probability of each class for one row given as numbers, as [`predict_numbers`](Self::predict_numbers) takes them;
    /// empty where the target is a number.
    ///
    /// # Errors
    /// As [`predict_numbers`](Self::predict_numbers).
    pub fn probabilities_of(&self, numbers: &[f64]) -> Result<Vec<f64>> {
        Ok(self.predict_one(numbers)?.probabilities_of(0))
    }

    fn predict_one(&self, numbers: &[f64]) -> Result<Predicted> {
        let inputs = &self.manifest.inputs;
        if numbers.len() != inputs.len() {
            let (n, expected) = (numbers.len(), inputs.len());
            return Err(PipelineError::Row(format!(
                "the row has {n} numbers, but there are {expected} inputs"
            )));
        }
        for (input, number) in inputs.iter().zip(numbers) {
            if input.kind == ColumnKind::Text {
                let message = format!("{} is a text; give the row by name", input.column);
                return Err(PipelineError::Row(message));
            }
            if number.is_infinite() {
                return Err(PipelineError::Row(format!(
                    "{} is {number}; give a finite number",
                    input.column
                )));
            }
            if number.is_nan() && !input.imputed {
                return Err(PipelineError::Row(format!(
                    "the row lacks {}",
                    self.describe_input(input)
                )));
            }
        }
        let columns = inputs.iter().zip(numbers).map(|(input, &number)| {
            let column = match input.kind {
                ColumnKind::Flag => Column::Flag(vec![(!number.is_nan()).then_some(number != 0.0)]),
                _ => Column::Number(vec![number]),
            };
            (input.column.as_str(), column)
        });
        let inputs = self.preparation.inputs(&Table::new(columns)?)?;
        let features = self.preparation.features(&inputs)?;
        self.predict_features(&features)
    }

    /// The columns that a row may give: inputs, and what they are derived from.
    fn known_columns(&self) -> Vec<&str> {
        let mut known: Vec<&str> = self
            .manifest
            .inputs
            .iter()
            .map(|input| input.column.as_str())
            .collect();
        known.extend(
            self.preparation
                .raw_columns()
                .iter()
                .map(String::as_str)
                .filter(|name| !self.manifest.inputs.iter().any(|input| input.column == *name)),
        );
        known
    }

    /// Refuses names that mean nothing, and notes those that this model does not use.
    fn check_names(&self, row: &BTreeMap<String, RowValue>, known: &[&str]) -> Result<Vec<String>> {
        let mut notes = Vec::new();
        for name in row
            .keys()
            .map(String::as_str)
            .filter(|name| !known.contains(name))
        {
            if self
                .manifest
                .schema
                .as_ref()
                .is_some_and(|schema| schema.column(name).is_some())
            {
                notes.push(format!("{name} is not used by this model"));
                continue;
            }
            let suggestion = did_you_mean(name, known.iter().copied());
            let inputs: Vec<String> = self
                .manifest
                .inputs
                .iter()
                .map(|input| self.describe_input(input))
                .collect();
            let inputs = inputs.join(", ");
            return Err(PipelineError::Row(format!(
                "no input {name:?}{suggestion}; the inputs are {inputs}"
            )));
        }
        Ok(notes)
    }

    /// The given values as a table of one row, read as a file with these columns would be.
    fn parse(&self, row: &BTreeMap<String, RowValue>, known: &[&str]) -> Result<Table> {
        let given: Vec<(&str, String)> = (row.iter())
            .filter(|(name, _)| known.contains(&name.as_str()))
            .map(|(name, value)| (name.as_str(), value.to_string()))
            .filter(|(_, value)| !value.trim().is_empty())
            .collect();
        if given.is_empty() {
            return Ok(Table::default());
        }
        for (name, value) in row {
            if let RowValue::Number(number) = value
                && !number.is_finite()
            {
                return Err(PipelineError::Row(format!(
                    "{name} is {number}; give a finite number"
                )));
            }
        }
        let columns = given.iter().map(|(name, _)| self.column_schema(name)).collect();
        let schema = Schema {
            name: self.manifest.name.clone(),
            columns,
        };
        let texts = given
            .iter()
            .map(|(name, value)| (*name, Column::text([Some(value)])));
        let mut bytes = Vec::new();
        write_csv(&Table::new(texts)?, &mut bytes)?;
        let reader = CsvReader {
            schema: SchemaChoice::Given(schema),
            bad_values: BadValues::Error,
            ..CsvReader::default()
        };
        let loaded = reader.read_from(bytes.as_slice(), "the given row");
        Ok(loaded
            .map_err(|error| PipelineError::Row(error.to_string()))?
            .table)
    }

    /// The form of a column under its name in the table.
    fn column_schema(&self, name: &str) -> ColumnSchema {
        let known = self
            .manifest
            .schema
            .as_ref()
            .and_then(|schema| schema.column(name));
        let input = self.manifest.inputs.iter().find(|input| input.column == name);
        let by_kind = match input.map(|input| input.kind) {
            Some(ColumnKind::Flag) => ValueFormat::Flag,
            Some(ColumnKind::Text) => ValueFormat::Text,
            _ => ValueFormat::Number,
        };
        ColumnSchema {
            header: name.to_owned(),
            name: name.to_owned(),
            format: known.map_or(by_kind, |column| column.format),
            unit: None,
            range: None,
            missing: known.map(|column| column.missing.clone()).unwrap_or_default(),
            optional: true,
        }
    }

    /// Refuses values outside of what is valid for their column, which are most often in another unit.
    fn check_given(&self, table: &Table) -> Result<()> {
        for (name, column) in table.iter() {
            let value = as_numbers(column).first().copied().unwrap_or(f64::NAN);
            let Some(valid) = self
                .valid(name)
                .filter(|valid| !value.is_nan() && !valid.contains(value))
            else {
                continue;
            };
            let (min, max, unit) = (valid.min, valid.max, spaced(self.unit(name)));
            let message =
                format!("{name} is {value}{unit}, but lies between {min} and {max}{unit}; check the unit");
            return Err(PipelineError::Row(message));
        }
        Ok(())
    }

    /// The inputs that a row lacks, with their ranges and units.
    fn lacking(&self, table: &Table) -> Vec<String> {
        let given = |name: &str| table.column(name).is_ok_and(|column| !column.is_missing(0));
        let lacks = |input: &&InputInfo| {
            let source = self.preparation.source_of(&input.column);
            !input.imputed && !given(&input.column) && !source.is_some_and(given)
        };
        self.manifest
            .inputs
            .iter()
            .filter(lacks)
            .map(|input| self.describe_input(input))
            .collect()
    }

    /// The row with a missing value for each column that was not given and is filled in.
    fn with_blanks(&self, mut table: Table) -> Result<Table> {
        for input in self.manifest.inputs.iter().filter(|input| input.imputed) {
            let source = self.preparation.source_of(&input.column);
            if !table.contains(&input.column) && !source.is_some_and(|source| table.contains(source)) {
                let blank = match input.kind {
                    ColumnKind::Flag => Column::Flag(vec![None]),
                    ColumnKind::Text => Column::text::<&str>([None]),
                    _ => Column::Number(vec![f64::NAN]),
                };
                let columns: Vec<(String, Column)> = (table.iter())
                    .map(|(name, column)| (name.to_owned(), column.clone()))
                    .chain([(input.column.clone(), blank)])
                    .collect();
                table = Table::new(columns)?;
            }
        }
        Ok(table)
    }

    /// What a user gives for this input, as in `tempo (1 to 300 BPM)`.
    pub(super) fn describe_input(&self, input: &InputInfo) -> String {
        let name = self.preparation.source_of(&input.column).unwrap_or(&input.column);
        if let Some(range) = self.valid(name).or(input.training) {
            return format!(
                "{name} ({} to {}{})",
                range.min,
                range.max,
                spaced(self.unit(name))
            );
        }
        const SHOWN: usize = 5;
        let encoder = self.preparation.preprocessor.encoder(&input.column);
        let known = encoder.and_then(FittedEncoder::categories).unwrap_or_default();
        let shown: Vec<String> = known.iter().take(SHOWN).map(ToString::to_string).collect();
        let more = if known.len() > SHOWN { ", …" } else { "" };
        format!("{name} (one of {}: {}{more})", known.len(), shown.join(", "))
    }

    fn valid(&self, name: &str) -> Option<ValidRange> {
        let input = self.manifest.inputs.iter().find(|input| input.column == name);
        let schema = || self.manifest.schema.as_ref()?.column(name)?.range;
        input.and_then(|input| input.valid).or_else(schema)
    }

    fn unit(&self, name: &str) -> Option<&str> {
        let input = self.manifest.inputs.iter().find(|input| input.column == name);
        let schema = || self.manifest.schema.as_ref()?.column(name)?.unit.as_deref();
        input.and_then(|input| input.unit.as_deref()).or_else(schema)
    }
}

/// A unit with the space before it, or nothing.
fn spaced(unit: Option<&str>) -> String {
    unit.map(|unit| format!(" {unit}")).unwrap_or_default()
}
