//! Models side by side: the same experiment on a random split and on one that keeps together what belongs together, because the
//! two rank models differently.

use std::fmt;
use std::num::NonZeroUsize;

use hitcast_metrics::RegressionMetric;
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::execute::RunContext;
use crate::experiment::Experiment;
use crate::registry::Registry;
use crate::report::{ModelReport, RunReport};
use crate::run::Run;
use crate::score::{MetricIntervals, MetricName, Metrics};
use crate::text::TextTable;

/// What a model's rank is made of. Numbers: `r2 · R² − rmse · RMSE − seconds · (fit + predict)`; classes: their selection
/// metric, the better the higher, less the seconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CompositeScore {
    /// Weight of R². Default 1.
    pub r2: f64,
    /// Weight of the root mean squared error. Default 0.01.
    pub rmse: f64,
    /// Weight of a second of fitting and predicting. Default 0.005.
    pub seconds: f64,
}

impl Default for CompositeScore {
    fn default() -> Self {
        Self {
            r2: 1.0,
            rmse: 0.01,
            seconds: 0.005,
        }
    }
}

/// Models side by side.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// Name of the experiment.
    pub name: String,
    /// On the experiment's own split, the first in rank first.
    pub random: Vec<ComparedModel>,
    /// On a split that keeps groups together; `None` where the experiment names no groups.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grouped: Option<Vec<ComparedModel>>,
    /// What the reader of the figures should know.
    pub warnings: Vec<String>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ComparedModel {
    /// Place by `score`, from 1; equal scores in the experiment's order.
    pub rank: usize,
    /// Its name in the experiment.
    pub name: String,
    /// Its kind; `None` for the baseline.
    pub kind: Option<String>,
    /// Its metrics on the test rows.
    #[serde(flatten)]
    pub metrics: Metrics,
    /// Their confidence intervals; `None` for the baseline.
    pub intervals: Option<MetricIntervals>,
    /// Seconds of the fit.
    pub fit_seconds: f64,
    /// Seconds of predicting all rows once.
    pub predict_seconds: f64,
    /// Bytes of what it has learned.
    pub size_bytes: usize,
    /// See [`CompositeScore`].
    pub score: f64,
}

/// A comparison, and the runs that it is made of.
#[derive(Debug)]
pub struct Compared {
    /// The figures.
    pub comparison: Comparison,
    /// The run on the experiment's own split.
    pub random: Run,
    /// The run that keeps groups together, if there are groups.
    pub grouped: Option<Run>,
}

impl Experiment {
    /// Runs every model on the experiment's split and, if it names groups, on one that keeps them together, with intervals for each.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn compare(
        &self,
        registry: &Registry,
        context: &RunContext<'_>,
        score: CompositeScore,
    ) -> Result<Compared> {
        let mut experiment = self.clone();
        experiment.metrics.every_model = true;
        let context = &RunContext {
            // One after another, so that what each takes does not depend on the others.
            threads: NonZeroUsize::MIN,
            ..context.clone()
        };
        let random = experiment.run(registry, context)?;
        let grouped = match experiment.data.group {
            Some(_) => Some(experiment.with_grouped_split()?.run(registry, context)?),
            None => None,
        };
        Ok(Compared::new(random, grouped, score))
    }
}

impl Compared {
    /// Runs of the same rows on a random split and, if there are groups, on one that keeps them together.
    pub fn new(random: Run, grouped: Option<Run>, score: CompositeScore) -> Self {
        let of = |run: &Run| ranked(&run.report, score);
        let mut warnings = random.report.warnings.clone();
        warnings.extend(grouped.iter().flat_map(|run| run.report.warnings.iter().cloned()));
        if grouped.is_none() {
            warnings.push(
                "the experiment names no data.group, so there is no grouped split to compare with".to_owned(),
            );
        }
        let comparison = Comparison {
            name: random.report.name.clone(),
            random: of(&random),
            grouped: grouped.as_ref().map(of),
            warnings,
        };
        Self {
            comparison,
            random,
            grouped,
        }
    }
}

fn ranked(report: &RunReport, score: CompositeScore) -> Vec<ComparedModel> {
    let selection = report.experiment.selection();
    let mut all: Vec<ComparedModel> = (report.models.iter())
        .chain(&report.references)
        .map(|model| compared(model, selection, score))
        .collect();
    let test = &report.baseline.test;
    all.push(ComparedModel {
        rank: 0,
        name: "baseline".to_owned(),
        kind: None,
        metrics: test.clone(),
        intervals: None,
        fit_seconds: 0.0,
        predict_seconds: 0.0,
        size_bytes: 0,
        score: score.of(test, selection, 0.0),
    });
    all.sort_by(|a, b| b.score.total_cmp(&a.score));
    for (place, model) in all.iter_mut().enumerate() {
        model.rank = place + 1;
    }
    all
}

fn compared(model: &ModelReport, selection: MetricName, score: CompositeScore) -> ComparedModel {
    let seconds = model.fit_seconds + model.predict_seconds;
    ComparedModel {
        rank: 0,
        name: model.name.clone(),
        kind: Some(model.kind.clone()),
        metrics: model.metrics.test.clone(),
        intervals: model.intervals.clone(),
        fit_seconds: model.fit_seconds,
        predict_seconds: model.predict_seconds,
        size_bytes: model.size_bytes,
        score: score.of(&model.metrics.test, selection, seconds),
    }
}

impl CompositeScore {
    /// The score of a model that takes so long; the lowest of all for one whose metrics are not defined.
    pub fn of(&self, test: &Metrics, selection: MetricName, seconds: f64) -> f64 {
        let value = |metric: RegressionMetric| test.get(metric);
        let own = match test {
            Metrics::Regression(_) => value(RegressionMetric::R2)
                .zip(value(RegressionMetric::Rmse))
                .map(|(r2, rmse)| self.r2 * r2 - self.rmse * rmse),
            Metrics::Classification(_) => test.get(selection).map(|value| match selection.direction() {
                hitcast_metrics::Direction::Minimize => -value,
                hitcast_metrics::Direction::Maximize => value,
            }),
        };
        own.map_or(f64::NEG_INFINITY, |own| own - self.seconds * seconds)
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.name)?;
        writeln!(f, "\nTest rows, the experiment's split:\n{}", table(&self.random))?;
        if let Some(grouped) = &self.grouped {
            writeln!(
                f,
                "Test rows, what belongs together kept together:\n{}",
                table(grouped)
            )?;
        }
        for warning in &self.warnings {
            writeln!(f, "Note: {warning}")?;
        }
        Ok(())
    }
}

fn table(models: &[ComparedModel]) -> TextTable {
    let is_of_classes = models
        .iter()
        .any(|model| model.metrics.classification().is_some());
    let shown = MetricName::shown(is_of_classes);
    let header = ["", "model"].map(str::to_owned).into_iter();
    let metrics = shown.iter().map(|(_, name)| (*name).to_owned());
    let confidence = models
        .iter()
        .find_map(|model| Some(model.intervals.as_ref()?.confidence()));
    let interval = confidence.map_or_else(String::new, |share| format!("{:.0} % interval", 100.0 * share));
    let more = [interval.as_str(), "fit s", "predict s", "kB", "score"].map(str::to_owned);
    let mut table = TextTable::new(header.chain(metrics).chain(more));
    for model in models {
        let mut row = vec![model.rank.to_string(), model.name.clone()];
        row.extend(shown.iter().map(|(metric, _)| {
            model
                .metrics
                .get(*metric)
                .map_or_else(|| "-".to_owned(), |value| format!("{value:.3}"))
        }));
        let interval = shown
            .first()
            .and_then(|(metric, _)| model.intervals.as_ref()?.get(*metric));
        row.push(interval.map_or_else(String::new, |one| format!("{:.3} to {:.3}", one.low, one.high)));
        row.push(format!("{:.2}", model.fit_seconds));
        row.push(format!("{:.2}", model.predict_seconds));
        row.push((model.size_bytes / 1000).to_string());
        row.push(format!("{:.4}", model.score));
        table.row(row);
    }
    table
}
