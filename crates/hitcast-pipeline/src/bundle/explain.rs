//! Why a bundle predicts what it does: what matters to its model, and what made up one prediction.

use std::collections::BTreeMap;
use std::fmt;

use hitcast_core::{Features, Seed};
use hitcast_data::{Column, Table};
use hitcast_explain::{
    ClassScore, Encoded, ExactShapley, Explained, Importance, LocalExplanation, NumberScore, Output,
    PermutationImportance, RankAgreement, Raw, SampledShapley, Score, Source, Sources, Units,
    mean_magnitudes, own_shapley, rank_agreement,
};
use ndarray::Array2;
use serde::{Deserialize, Serialize};

use super::Bundle;
use super::row::{PredictedValue, RowPrediction, RowValue};
use crate::error::{PipelineError, Result};
use crate::score::{MetricName, class_numbers};

/// Columns up to which all their subsets are looked at.
const MOST_EXACT: usize = 10;

/// Learned numbers times features up to which a model's own Shapley values are asked for: those of trees are sums over all of
/// their nodes, of which large forests on wide rows have too many.
const MOST_OWN: usize = 200_000_000;

/// Learned numbers from which on fewer rows are explained.
const LARGE: usize = 1_000_000;

/// Rows that are explained of large models at least.
const FEWEST_EXPLAINED: usize = 10;

/// How explanations are made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ExplainSettings {
    /// How often each input is put into random order, at least 1. Default 5.
    pub repeats: usize,
    /// Rows that stand for what is usual, at least 1; of more, some are chosen at random. Default 100.
    pub background: usize,
    /// Rows whose Shapley values say what matters, at least 1, fewer for large models; of more, some are chosen at random.
    /// Default 50.
    pub explained_rows: usize,
    /// Where randomness comes from. Default 42.
    pub seed: Seed,
}

/// How Shapley values were found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ShapleyMethod {
    /// By the model's own structure, as trees have it: what is usual is what it was trained on.
    Model,
    /// Over all subsets of the inputs.
    Exact,
    /// Over some orders of the inputs.
    Sampled,
}

/// What made up the prediction for one row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RowExplanation {
    /// The prediction.
    #[serde(flatten)]
    pub prediction: RowPrediction,
    /// What is explained, in words: the target and its unit, or the probability of a class, before it is calibrated.
    pub explained: String,
    /// How.
    pub method: ShapleyMethod,
    /// The inputs, and how far each moved the prediction from what is usual.
    pub explanation: LocalExplanation,
}

/// What matters to a bundle's model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BundleImportances {
    /// Name of the model.
    pub model: String,
    /// The metric that gets worse.
    pub metric: MetricName,
    /// Its value for the rows as they are.
    pub baseline: f64,
    /// Complete rows.
    pub rows: usize,
    /// Each input, the most important first.
    pub inputs: Vec<InputImportance>,
    /// Whether the ways to look at it rank the inputs alike; `None` for fewer than two inputs.
    pub agreement: Option<RankAgreement>,
    /// What the reader of the figures should know.
    pub warnings: Vec<String>,
}

/// How much one input matters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InputImportance {
    /// Permutation importance: by how much the metric gets worse without what the input says.
    #[serde(flatten)]
    pub permutation: Importance,
    /// Mean magnitude of its Shapley values.
    pub shapley: f64,
    /// Pearson's correlation with the target; `None` for texts, and where one does not vary.
    pub correlation: Option<f64>,
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

impl Default for ExplainSettings {
    fn default() -> Self {
        Self {
            repeats: 5,
            background: 100,
            explained_rows: 50,
            seed: Seed::new(42),
        }
    }
}

impl Bundle {
    /// What matters to the model, by the complete rows of a table that has the target. Take rows that the model did not learn
    /// from: a warning says when it did.
    ///
    /// # Errors
    /// [`PipelineError::Data`] if a column is missing or of another type, [`PipelineError::TooFewRows`] if no row is complete,
    /// [`PipelineError::Explain`] on an impossible setting, or if the metric is not defined for the rows.
    pub fn importances(&self, table: &Table, settings: &ExplainSettings) -> Result<BundleImportances> {
        let actual = self.manifest.goal().actual(table)?;
        let known: Vec<usize> = (0..table.n_rows()).filter(|&row| !actual[row].is_nan()).collect();
        let ready = self.complete_rows(&table.take(&known))?;
        let actual: Vec<f64> = ready.rows.iter().map(|&row| actual[known[row]]).collect();
        let classes = class_numbers(&actual);
        let metric = MetricName::default_of(self.manifest.target.task());
        let score: Box<dyn Score> = match metric {
            MetricName::Regression(metric) => Box::new(NumberScore {
                metric,
                actual: &actual,
            }),
            MetricName::Classification(metric) => Box::new(ClassScore {
                metric,
                actual: &classes,
            }),
        };
        let sources = Sources::by_source(&ready.features);
        let permutation = PermutationImportance {
            repeats: settings.repeats,
            ..PermutationImportance::default()
        };
        let seed = settings.seed.child("importances");
        let permutation = permutation.compute(self.model(), &ready.features, &sources, &*score, seed)?;
        let shapley = self.mean_shapley(&ready, settings)?;
        let correlations = correlations(&ready.inputs, &actual)?;
        let (baseline, n) = (permutation.baseline, ready.rows.len());
        let mut inputs: Vec<InputImportance> = permutation
            .importances
            .into_iter()
            .map(|permutation| InputImportance {
                shapley: shapley.get(&permutation.source).copied().unwrap_or(0.0),
                correlation: correlations.get(&permutation.source).copied().flatten(),
                permutation,
            })
            .collect();
        inputs.sort_by(|a, b| b.permutation.mean.total_cmp(&a.permutation.mean));
        let agreement = agreement(&inputs)?;
        let learned =
            (self.manifest.learned_rows).share_of(&ready.inputs, &self.preparation.inputs, &actual)?;
        let warnings = learned.filter(|share| *share > 0.0).map(|share| {
            format!(
                "about {:.0} % of these rows were learned from, so inputs may seem to matter that only helped to learn them by heart",
                (100.0 * share).max(1.0)
            )
        });
        Ok(BundleImportances {
            model: self.manifest.model.name.clone(),
            metric,
            baseline,
            rows: n,
            inputs,
            agreement,
            warnings: warnings.into_iter().collect(),
        })
    }

    /// What made up the prediction for a row given by name, as [`predict_row`](Self::predict_row) takes it; `usual` are rows to
    /// compare it with, as those that the model learned from.
    ///
    /// # Errors
    /// As [`predict_row`](Self::predict_row), and as [`importances`](Self::importances) without a target.
    pub fn explain_row(
        &self,
        row: &BTreeMap<String, RowValue>,
        usual: &Table,
        settings: &ExplainSettings,
    ) -> Result<RowExplanation> {
        let (inputs, notes) = self.read_row(row)?;
        self.explain_inputs(&inputs, notes, usual, settings)
    }

    /// What made up the prediction for a row of a table, counted from 0, compared with all of its rows.
    ///
    /// # Errors
    /// [`PipelineError::Row`] if there is no such row, or it lacks an input, else as [`explain_row`](Self::explain_row).
    pub fn explain_table_row(
        &self,
        table: &Table,
        row: usize,
        settings: &ExplainSettings,
    ) -> Result<RowExplanation> {
        if row >= table.n_rows() {
            return Err(PipelineError::Row(format!(
                "there is no row {row}, counted from 0, of {}",
                table.n_rows()
            )));
        }
        let inputs = self.preparation.inputs(&table.take(&[row]))?;
        let lacks = |input: &&super::InputInfo| {
            !input.imputed
                && inputs
                    .column(&input.column)
                    .is_ok_and(|column| column.is_missing(0))
        };
        if let Some(input) = self.manifest.inputs.iter().find(lacks) {
            return Err(PipelineError::Row(format!(
                "the row lacks {}",
                self.describe_input(input)
            )));
        }
        let notes = self.notes_of(&inputs)?;
        self.explain_inputs(&inputs, notes, table, settings)
    }

    fn explain_inputs(
        &self,
        inputs: &Table,
        notes: Vec<String>,
        usual: &Table,
        settings: &ExplainSettings,
    ) -> Result<RowExplanation> {
        let features = self.preparation.features(inputs)?;
        let predicted = self.predict_features(&features)?;
        let usual = self.complete_rows(usual)?;
        let target = &self.manifest.target;
        let (output, explained) = match (&target.classes, &predicted.classes) {
            (Some(classes), Some(decided)) => {
                let class = decided.first().copied().unwrap_or(0);
                let name = classes.rule.names().get(class).cloned().unwrap_or_default();
                (Output::Probability { class }, format!("probability of {name}"))
            }
            _ => {
                let unit = target.unit.as_ref().map(|unit| format!(", {unit}"));
                (
                    Output::Number,
                    format!("{}{}", target.column, unit.unwrap_or_default()),
                )
            }
        };
        let (method, output, mut explanations) =
            self.shapley(output, &features, &usual.features, settings)?;
        let explained = match output {
            Output::LogOdds { .. } => format!("log-odds of the {explained}"),
            _ => explained,
        };
        let Some(mut explanation) = explanations.pop() else {
            return Err(PipelineError::Row("there is no row to explain".to_owned()));
        };
        for attribution in &mut explanation.attributions {
            attribution.raw = raw(inputs.column(&attribution.source)?);
        }
        Ok(RowExplanation {
            prediction: self.prediction(&predicted, notes)?,
            explained,
            method,
            explanation,
        })
    }

    /// Shapley values of every row of `features`, by the way that serves the model best: its own where it has one for the
    /// output, or for the log-odds of a class whose probability is asked for.
    ///
    /// # Errors
    /// [`PipelineError::Explain`].
    pub fn shapley(
        &self,
        output: Output,
        features: &Features,
        usual: &Features,
        settings: &ExplainSettings,
    ) -> Result<(ShapleyMethod, Output, Vec<LocalExplanation>)> {
        let log_odds = match output {
            Output::Probability { class } => Some(Output::LogOdds { class }),
            _ => None,
        };
        let d = features.n_features();
        let own = self.model().n_parameters().saturating_mul(d) <= MOST_OWN;
        for output in [Some(output), log_odds].into_iter().flatten().filter(|_| own) {
            let explained = Explained::new(self.model(), output);
            if let Some(all) = own_shapley(&explained, features, &Encoded)? {
                return Ok((ShapleyMethod::Model, output, all));
            }
        }
        let explained = Explained::new(self.model(), output);
        let background = settings.background;
        let is_few = Sources::by_source(features).len() <= MOST_EXACT;
        let one = |row: usize| {
            let seed = settings.seed.child("local");
            if is_few {
                ExactShapley { background }.explain(&explained, usual, features, row, &Encoded, seed)
            } else {
                let sampled = SampledShapley {
                    background,
                    ..SampledShapley::default()
                };
                sampled.explain(&explained, usual, features, row, &Encoded, seed)
            }
        };
        let method = if is_few {
            ShapleyMethod::Exact
        } else {
            ShapleyMethod::Sampled
        };
        let all = (0..features.n_rows()).map(one).collect::<Result<Vec<_>, _>>()?;
        Ok((method, output, all))
    }

    /// The mean magnitude of each input's Shapley values over some rows.
    fn mean_shapley(
        &self,
        ready: &CompleteRows,
        settings: &ExplainSettings,
    ) -> Result<BTreeMap<String, f64>> {
        let n = ready.features.n_rows();
        let mut chosen = settings.seed.stream("explained rows").permutation(n);
        chosen.truncate(self.affordable_rows(settings.explained_rows.max(1)));
        let rows = ready.features.take(&chosen);
        let (_, _, explanations) = self.shapley(self.output(), &rows, &ready.features, settings)?;
        Ok(mean_magnitudes(&explanations).into_iter().collect())
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

    /// How many of so many rows should be explained: fewer where the model is large, and with it each prediction dear.
    pub fn affordable_rows(&self, wanted: usize) -> usize {
        let share = self.model().n_parameters().div_ceil(LARGE).max(1);
        (wanted / share).max(FEWEST_EXPLAINED.min(wanted))
    }

    /// How features are shown in the units of the table.
    pub fn units(&self) -> TableUnits<'_> {
        TableUnits(self)
    }

    /// The rows of a table that have every input that is not filled in.
    ///
    /// # Errors
    /// [`PipelineError::Data`] if a column is missing or of another type, [`PipelineError::TooFewRows`] if no row is complete.
    pub fn complete_rows(&self, table: &Table) -> Result<CompleteRows> {
        let (inputs, rows, _) = self.complete_inputs(table)?;
        if rows.is_empty() {
            let advice = "give rows that have every input".to_owned();
            return Err(PipelineError::TooFewRows {
                rows: 0,
                stage: "to explain by",
                needed: 1,
                advice,
            });
        }
        let inputs = inputs.take(&rows);
        let features = self.preparation.features(&inputs)?;
        Ok(CompleteRows {
            rows,
            inputs,
            features,
        })
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

/// Pearson's correlation of each input with the target.
fn correlations(inputs: &Table, actual: &[f64]) -> Result<BTreeMap<String, Option<f64>>> {
    const TARGET: &str = "(target)";
    let table = inputs
        .clone()
        .set_column(TARGET, Column::Number(actual.to_vec()))?;
    let described = hitcast_data::describe(&table, Some(TARGET))?;
    let columns = described.columns.into_iter();
    Ok(columns.map(|column| (column.name, column.correlation)).collect())
}

fn agreement(inputs: &[InputImportance]) -> Result<Option<RankAgreement>> {
    if inputs.len() < 2 {
        return Ok(None);
    }
    let of = |value: fn(&InputImportance) -> f64| inputs.iter().map(value).collect::<Vec<f64>>();
    let permutation = of(|input| input.permutation.mean);
    let shapley = of(|input| input.shapley);
    let mut methods = vec![("permutation", &permutation[..]), ("Shapley", &shapley[..])];
    let correlation = of(|input| input.correlation.map_or(f64::NAN, f64::abs));
    if correlation.iter().all(|value| value.is_finite()) {
        methods.push(("correlation", &correlation[..]));
    }
    Ok(Some(rank_agreement(&methods)?))
}

impl fmt::Display for BundleImportances {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            model,
            metric,
            baseline,
            rows,
            inputs,
            agreement,
            warnings,
        } = self;
        let names = inputs
            .iter()
            .map(|input| input.permutation.source.chars().count());
        let width = names.max().unwrap_or(0).max("input".len());
        writeln!(
            f,
            "{model}, {} rows, {metric} {baseline:.3}; how much worse without what an input says:\n",
            crate::text::grouped(*rows)
        )?;
        writeln!(
            f,
            "  {:width$}  {:>9}  {:>19}  {:>9}  {:>11}",
            "input", "worse by", "repeats between", "Shapley", "correlation"
        )?;
        for input in inputs {
            let Importance {
                source,
                mean,
                low,
                high,
                ..
            } = &input.permutation;
            let correlation = input
                .correlation
                .map_or_else(|| "-".to_owned(), |value| format!("{value:.2}"));
            let between = format!("{low:.4} and {high:.4}");
            writeln!(
                f,
                "  {source:width$}  {mean:>9.4}  {between:>19}  {:>9.4}  {correlation:>11}",
                input.shapley
            )?;
        }
        if let Some(agreement) = agreement {
            writeln!(f, "\nWhether these rank the inputs alike, 1 for the same order:")?;
            for line in agreement.to_string().lines() {
                writeln!(f, "  {line}")?;
            }
        }
        for warning in warnings {
            writeln!(f, "\nNote: {warning}")?;
        }
        Ok(())
    }
}

impl fmt::Display for RowExplanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = match self.method {
            ShapleyMethod::Model => "Shapley values from the model's own trees",
            ShapleyMethod::Exact => "Shapley values over all subsets of the inputs",
            ShapleyMethod::Sampled => "sampled Shapley values",
        };
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
