//! What a run found out, as data: what `run.json` holds and `hitcast train --json` prints.
//!
//! The chosen model's metrics stand at the top (`train`, `validation`, `test`, so `test.rmse`), those of predicting the
//! training rows' mean in the same form under `baseline` (`baseline.test.rmse`), every model's under `models` and
//! `references`. Keys are only ever added; a change of meaning raises `format_version`.
//!
//! ```json
//! {
//!   "format_version": 1, "name": "code-pudding", "best": "MLP3LayerDropout",
//!   "train": {"n": 186180, "mse": 0, "rmse": 0, "mae": 0, "r2": 0, "…": 0}, "validation": {}, "test": {},
//!   "intervals": {"n": 23273, "resamples": 1000, "confidence": 0.95,
//!                 "intervals": {"rmse": {"estimate": 0, "low": 0, "high": 0}}},
//!   "baseline": {"train": {}, "validation": {}, "test": {}},
//!   "models": [{"name": "", "kind": "", "n_parameters": 0, "best_epoch": 0, "stopped": "completed",
//!               "fit_seconds": 0, "predict_seconds": 0, "train": {}, "validation": {}, "test": {}, "history": []}],
//!   "references": [],
//!   "by": {"genre": [{"group": "Jazz", "n": 0, "rmse": 0, "…": 0, "baseline": {}}]},
//!   "rows": {"train": 0, "validation": 0, "test": 0}, "warnings": [],
//!   "data": {"path": "", "schema": "", "read": {}, "cleaning": {}, "outliers": []},
//!   "seconds": {"read": 0, "clean": 0, "prepare": 0, "fit": 0, "evaluate": 0},
//!   "environment": {}, "experiment": {}
//! }
//! ```

use std::collections::BTreeMap;
use std::fmt;

use hitcast_core::{EpochRecord, StopReason};
use hitcast_data::clean::StepReport;
use hitcast_data::{CleaningReport, ReadReport};
use hitcast_metrics::ConfusionMatrix;
use hitcast_preprocess::{ClassReport, SplitStrategy};
use serde::{Deserialize, Serialize};

use crate::decision::Decision;
use crate::environment::Environment;
use crate::experiment::Experiment;
use crate::score::{Baseline, MetricIntervals, MetricName, Metrics};
use crate::text::{TextTable, grouped, short};

/// Version of the form of [`RunReport`].
pub const REPORT_VERSION: u32 = 1;

/// What a run found out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunReport {
    /// Version of this form, [`REPORT_VERSION`].
    pub format_version: u32,
    /// Name of the experiment.
    pub name: String,
    /// Name of the chosen model.
    pub best: String,
    /// The chosen model's metrics.
    #[serde(flatten)]
    pub metrics: SplitMetrics,
    /// Confidence intervals of the chosen model's test metrics.
    pub intervals: MetricIntervals,
    /// Metrics of predicting the training rows' mean everywhere, of classes their shares and the most frequent one.
    pub baseline: SplitMetrics,
    /// What was found out about the classes; left out where the target is a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classes: Option<ClassesReport>,
    /// Every model, in the experiment's order.
    pub models: Vec<ModelReport>,
    /// Every reference, in the experiment's order.
    pub references: Vec<ModelReport>,
    /// The chosen model's test metrics by column, and there by group.
    pub by: BTreeMap<String, Vec<GroupReport>>,
    /// Rows of each part.
    pub rows: SplitSizes,
    /// What the reader of the figures should know.
    pub warnings: Vec<String>,
    /// Where the rows came from.
    pub data: DataReport,
    /// How long each stage took.
    pub seconds: Seconds,
    /// Machine and libraries.
    pub environment: Environment,
    /// What was asked for.
    pub experiment: Experiment,
}

/// Metrics of the three parts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SplitMetrics {
    /// Of the rows learned from.
    pub train: Metrics,
    /// Of the rows chosen by.
    pub validation: Metrics,
    /// Of the rows that nothing was learned from or chosen by.
    pub test: Metrics,
}

/// Rows of the three parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SplitSizes {
    /// Rows learned from.
    pub train: usize,
    /// Rows chosen by.
    pub validation: usize,
    /// Rows tested on.
    pub test: usize,
}

/// One model's fit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelReport {
    /// Its name in the experiment.
    pub name: String,
    /// Its kind.
    pub kind: String,
    /// Number of learned numbers.
    pub n_parameters: usize,
    /// Rows that it learned from, those included that a sampler made.
    pub training_rows: usize,
    /// The epoch whose weights it has, from 1; `None` for a model without epochs.
    pub best_epoch: Option<usize>,
    /// Why the fit ended.
    pub stopped: StopReason,
    /// Seconds of the fit.
    pub fit_seconds: f64,
    /// Seconds of predicting all rows once.
    pub predict_seconds: f64,
    /// Bytes of what it has learned, as they are saved.
    #[serde(default)]
    pub size_bytes: usize,
    /// Confidence intervals of its test metrics, if those of every model are asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intervals: Option<MetricIntervals>,
    /// Whether it was fitted again on training and validation rows together: its test metrics and all that describes the fit
    /// are then of that fit, its other metrics of the first.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_refitted: bool,
    /// Its metrics.
    #[serde(flatten)]
    pub metrics: SplitMetrics,
    /// One record an epoch; empty for a model without epochs.
    pub history: Vec<EpochRecord>,
}

/// The metrics of one group of rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GroupReport {
    /// Name of the group; `None` for rows that lack one.
    pub group: Option<String>,
    /// The model's metrics on its rows.
    #[serde(flatten)]
    pub metrics: Metrics,
    /// Metrics of the baseline on its rows.
    pub baseline: Metrics,
}

/// What was found out about the classes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClassesReport {
    /// Their names, in the order of their numbers.
    pub names: Vec<String>,
    /// The rows of each class in the cleaned table, and those that have none.
    pub rows: ClassReport,
    /// What the chosen model takes test rows for.
    pub confusion: ConfusionMatrix,
    /// How the chosen model's classes are decided on.
    pub decision: Decision,
}

/// Where the rows came from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DataReport {
    /// The file; `None` for a table from memory.
    pub path: Option<String>,
    /// Name of the schema, if there was one.
    pub schema: Option<String>,
    /// What the reader found; `None` for a table from memory.
    pub read: Option<ReadReport>,
    /// What cleaning did.
    pub cleaning: CleaningReport,
    /// What each outlier rule did to the training rows.
    pub outliers: Vec<StepReport>,
}

/// How long each stage took, in seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Seconds {
    /// Reading the file.
    pub read: f64,
    /// Cleaning.
    pub clean: f64,
    /// Splitting, and fitting bounds and recipe.
    pub prepare: f64,
    /// Fitting all models and references.
    pub fit: f64,
    /// Predicting and metrics.
    pub evaluate: f64,
}

impl RunReport {
    /// The report of the chosen model.
    pub fn best_model(&self) -> Option<&ModelReport> {
        self.models.iter().find(|model| model.name == self.best)
    }
}

impl fmt::Display for RunReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, rows, data, .. } = self;
        writeln!(f, "{name}")?;
        if let Some(read) = &data.read {
            writeln!(f, "{}", read.to_string().trim_end())?;
        }
        writeln!(f, "{}", data.cleaning.to_string().trim_end())?;
        for step in &data.outliers {
            writeln!(
                f,
                "outliers: {}, {} rows, {} values",
                step.summary,
                step.rows_dropped(),
                step.values_changed()
            )?;
        }
        let [train, validation, test] = [rows.train, rows.validation, rows.test].map(grouped);
        let strategy = strategy(&self.experiment.split.strategy);
        writeln!(
            f,
            "Rows: {train} to learn from, {validation} to choose by, {test} to test on ({strategy})."
        )?;
        writeln!(f)?;
        write!(f, "{}", self.model_table())?;
        writeln!(f)?;
        if let Some(classes) = &self.classes {
            writeln!(f, "{classes}")?;
        }
        let selection = self.experiment.selection();
        writeln!(f, "Best by validation {selection}: {}.", self.best)?;
        self.fmt_intervals(f)?;
        for (column, groups) in &self.by {
            writeln!(f, "\nTest rows by {column}, {}:", self.best)?;
            write!(f, "{}", group_table(column, groups))?;
        }
        for warning in &self.warnings {
            writeln!(f, "\nNote: {warning}")?;
        }
        Ok(())
    }
}

impl RunReport {
    fn is_of_classes(&self) -> bool {
        self.classes.is_some()
    }

    fn model_table(&self) -> TextTable {
        let shown = MetricName::shown(self.is_of_classes());
        let mut header: Vec<String> = ["model", "parameters", "epoch", "seconds"]
            .map(str::to_owned)
            .to_vec();
        for part in ["validation", "test"] {
            for (place, (_, name)) in shown.iter().enumerate() {
                header.push(if place == 0 {
                    format!("{part} {name}")
                } else {
                    (*name).to_owned()
                });
            }
        }
        let mut table = TextTable::new(header);
        let metrics = |metrics: &SplitMetrics| {
            let of = |metrics: &Metrics| cells(metrics, shown);
            [of(&metrics.validation), of(&metrics.test)].concat()
        };
        for model in self.models.iter().chain(&self.references) {
            let best = if model.name == self.best { " *" } else { "" };
            let epoch = model
                .best_epoch
                .map_or_else(String::new, |epoch| epoch.to_string());
            let facts = [
                format!("{}{best}", model.name),
                grouped(model.n_parameters),
                epoch,
                format!("{:.1}", model.fit_seconds),
            ];
            table.row(facts.into_iter().chain(metrics(&model.metrics)));
        }
        let facts = [
            Baseline::name(self.is_of_classes()).to_owned(),
            String::new(),
            String::new(),
            String::new(),
        ];
        table.row(facts.into_iter().chain(metrics(&self.baseline)));
        table
    }

    fn fmt_intervals(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = self.intervals.confidence() * 100.0;
        for (metric, _) in MetricName::shown(self.is_of_classes()) {
            if let Some(interval) = self.intervals.get(*metric) {
                let [estimate, low, high] =
                    [interval.estimate, interval.low, interval.high].map(|v| rounded(*metric, v));
                writeln!(
                    f,
                    "  test {metric} {estimate} ({percent:.0} % between {low} and {high})"
                )?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for ClassesReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.rows)?;
        let header = std::iter::once("actual".to_owned())
            .chain(self.names.iter().map(|name| format!("as {name}")))
            .chain(["precision", "recall", "F1"].map(str::to_owned));
        let mut table = TextTable::new(header);
        for (class, name) in self.names.iter().enumerate() {
            let counts = (0..self.names.len()).map(|other| grouped(count(&self.confusion, class, other)));
            let metrics = self.confusion.class(class);
            let numbers = [metrics.precision, metrics.recall, metrics.f1].map(|v| format!("{v:.3}"));
            table.row(std::iter::once(name.clone()).chain(counts).chain(numbers));
        }
        write!(f, "Test rows, by what they are taken for:\n{table}")?;
        if let Some(threshold) = &self.decision.threshold {
            let yes = self.names.get(1).map_or("1", String::as_str);
            write!(
                f,
                "Decided for {yes} from a probability of {} on.",
                short(threshold.value)
            )?;
        }
        Ok(())
    }
}

#[allow(clippy::cast_possible_truncation)]
fn count(confusion: &ConfusionMatrix, actual: usize, predicted: usize) -> usize {
    confusion.count(actual, predicted) as usize
}

/// The shown metrics as text; one that is not defined is a dash.
fn cells(metrics: &Metrics, shown: &[(MetricName, &str)]) -> Vec<String> {
    let cell = |(metric, _): &(MetricName, &str)| match metrics.get(*metric) {
        Some(value) => rounded(*metric, value),
        None => "-".to_owned(),
    };
    shown.iter().map(cell).collect()
}

/// A metric of numbers by its size, one of classes to three places, as they lie between 0 and 1.
fn rounded(metric: MetricName, value: f64) -> String {
    if metric.is_of_classes() {
        format!("{value:.3}")
    } else {
        short(value)
    }
}

/// How rows were divided, in words.
fn strategy(strategy: &SplitStrategy) -> String {
    match strategy {
        SplitStrategy::Random => "random".to_owned(),
        SplitStrategy::Stratified { classes } => format!("stratified by {}", classes.column),
        SplitStrategy::Grouped { groups } => format!("grouped by {groups}"),
        SplitStrategy::GroupedStratified { groups, classes } => {
            format!("grouped by {groups}, stratified by {}", classes.column)
        }
        other => format!("divided by {}", other.columns().join(" and ")),
    }
}

/// Groups as a table, the largest first.
pub(crate) fn group_table(column: &str, groups: &[GroupReport]) -> TextTable {
    let is_of_classes = groups
        .first()
        .is_some_and(|group| group.metrics.classification().is_some());
    let shown = MetricName::shown(is_of_classes);
    let (first, name) = shown[0];
    let header = [column.to_owned(), "rows".to_owned()]
        .into_iter()
        .chain(shown.iter().map(|(_, name)| (*name).to_owned()))
        .chain([format!(
            "{name} of {}",
            if is_of_classes { "the majority" } else { "the mean" }
        )]);
    let mut table = TextTable::new(header);
    let mut order: Vec<&GroupReport> = groups.iter().collect();
    order.sort_by_key(|group| std::cmp::Reverse(group.metrics.n()));
    for group in order {
        let name = group.group.clone().unwrap_or_else(|| "(none)".to_owned());
        let numbers = cells(&group.metrics, shown);
        let baseline = cells(&group.baseline, &[(first, "")]);
        let facts = [name, grouped(group.metrics.n())];
        table.row(facts.into_iter().chain(numbers).chain(baseline));
    }
    table
}

/// Metrics beside those of the baseline.
pub(crate) fn metrics_table(name: &str, metrics: &Metrics, baseline: &Metrics) -> TextTable {
    let is_of_classes = metrics.classification().is_some();
    let shown = MetricName::shown(is_of_classes);
    let header = std::iter::once("model").chain(shown.iter().map(|(_, name)| *name));
    let mut table = TextTable::new(header);
    for (name, metrics) in [(name, metrics), (Baseline::name(is_of_classes), baseline)] {
        table.row(std::iter::once(name.to_owned()).chain(cells(metrics, shown)));
    }
    table
}

/// Metrics in a sentence.
pub(crate) fn metrics_sentence(metrics: &Metrics) -> String {
    let shown = MetricName::shown(metrics.classification().is_some());
    let named = shown.iter().zip(cells(metrics, shown));
    let all: Vec<String> = named
        .map(|((_, name), value)| format!("{name} {value}"))
        .collect();
    all.join(", ")
}
