//! What is reported of the fitted models, and the bundle of the chosen one.

use std::collections::BTreeMap;

use hitcast_core::StopReason;
use hitcast_metrics::ConfusionMatrix;

use super::RunContext;
use super::fit::Fitted;
use super::rows::Parts;
use crate::bundle::{
    Bundle, BundleParts, ClassesInfo, FORMAT, FORMAT_VERSION, LearnedRows, Manifest, ModelInfo, TargetInfo,
    WeightsInfo,
};
use crate::environment::Environment;
use crate::error::Result;
use crate::experiment::Experiment;
use crate::prepare::group_metrics;
use crate::report::{
    ClassesReport, DataReport, GroupReport, ModelReport, REPORT_VERSION, RunReport, Seconds, SplitMetrics,
};
use crate::run::{Part, PredictedRow, Run};
use crate::score::{Baseline, MetricIntervals, Metrics};

/// What was found out before the models are judged.
pub(super) struct Findings<'a> {
    pub(super) parts: Parts<'a>,
    /// Training and validation rows together, if models were fitted again on them.
    pub(super) whole: Option<Parts<'a>>,
    pub(super) fitted: Vec<Fitted>,
    /// Place of the chosen model.
    pub(super) best: usize,
    pub(super) data: DataReport,
    pub(super) warnings: Vec<String>,
    /// All but the time of judging.
    pub(super) seconds: Seconds,
}

/// Judges the chosen model on the test rows, and packs everything.
pub(super) fn judge(findings: Findings<'_>, context: &RunContext<'_>) -> Result<Run> {
    let mut clock = super::Clock::start();
    let Findings {
        parts,
        whole,
        mut fitted,
        best,
        data,
        mut warnings,
        mut seconds,
    } = findings;
    let experiment = parts.sample.experiment();
    let chosen = fitted.swap_remove(best);
    let mut in_order: Vec<&Fitted> = fitted.iter().chain([&chosen]).collect();
    in_order.sort_by_key(|one| one.place);
    let (models, references): (Vec<&Fitted>, Vec<&Fitted>) =
        in_order.into_iter().partition(|one| one.eligible);
    let [models, references] =
        [models, references].map(|list| list.into_iter().map(|one| one.report.clone()).collect::<Vec<_>>());

    let test = &parts.test;
    let [_, _, predicted] = &chosen.predictions;
    let actual = test.dataset.target();
    let simple = parts
        .all()
        .map(|part| parts.baseline.predict(part.dataset.n_rows()));
    let baseline = parts.metrics(simple.each_ref())?;
    let bootstrap = &experiment.metrics.bootstrap;
    let intervals = MetricIntervals::compute(bootstrap, actual, predicted, experiment.seed)?;
    let classes = classes_report(&parts, &chosen)?;
    let mut by: BTreeMap<String, Vec<GroupReport>> = BTreeMap::new();
    for column in &experiment.data.by {
        if test.table.contains(column) {
            let groups = group_metrics(&test.table, column, actual, predicted, &parts.baseline)?;
            by.insert(column.clone(), groups);
        } else {
            warnings.push(format!(
                "there is no column {column:?}, so nothing is reported by it"
            ));
        }
    }
    warn(&chosen.report, &references, &baseline, experiment, &mut warnings);

    let predictions = predicted_rows(&parts, &chosen);
    let rows = parts.sizes();
    let learned = whole
        .as_ref()
        .filter(|_| chosen.report.is_refitted)
        .unwrap_or(&parts);
    let manifest = manifest(learned, &chosen, &baseline, &context.environment)?;
    let bundle = Bundle::new(BundleParts {
        manifest,
        model: chosen.model,
    })?;
    seconds.evaluate = clock.lap();
    let report = RunReport {
        format_version: REPORT_VERSION,
        name: experiment.name.clone(),
        best: chosen.report.name,
        metrics: chosen.report.metrics,
        intervals,
        baseline,
        classes,
        models,
        references,
        by,
        rows,
        warnings,
        data,
        seconds,
        environment: context.environment.clone(),
        experiment: experiment.clone(),
    };
    Ok(Run {
        class_names: report.classes.as_ref().map(|classes| classes.names.clone()),
        report,
        predictions,
        bundle,
    })
}

/// What a reader of the figures would want to be told.
fn warn(
    chosen: &ModelReport,
    references: &[ModelReport],
    baseline: &SplitMetrics,
    experiment: &Experiment,
    warnings: &mut Vec<String>,
) {
    let selection = experiment.selection();
    let of = |metrics: &Metrics| metrics.get(selection).unwrap_or(f64::NAN);
    let direction = selection.direction();
    let name = &chosen.name;
    if !direction.is_better(of(&chosen.metrics.test), of(&baseline.test)) {
        warnings.push(format!(
            "{name} does no better on the test rows than predicting {}",
            if selection.is_of_classes() {
                "the shares of the classes"
            } else {
                "the mean"
            }
        ));
    }
    for reference in references {
        if !direction.is_better(of(&chosen.metrics.test), of(&reference.metrics.test)) {
            warnings.push(format!(
                "{name} does no better on the test rows than the reference {}",
                reference.name
            ));
        }
    }
    if chosen.stopped == StopReason::Requested {
        warnings.push(format!("the fit of {name} was stopped before its end"));
    }
}

/// What was found out about the classes, if the target is one.
fn classes_report(parts: &Parts<'_>, chosen: &Fitted) -> Result<Option<ClassesReport>> {
    let (Some(fitted), Some(rows)) = (&parts.sample.goal.classes, &parts.sample.classes) else {
        return Ok(None);
    };
    let [_, _, predicted] = &chosen.predictions;
    let actual = parts.test.dataset.classes().unwrap_or_default();
    let decided = predicted.classes.as_deref().unwrap_or_default();
    Ok(Some(ClassesReport {
        names: fitted.names().to_vec(),
        rows: rows.clone(),
        confusion: ConfusionMatrix::compute(&actual, decided, fitted.names().len())?,
        decision: chosen.decision.clone(),
    }))
}

/// Every row of the three parts in the order of the file.
fn predicted_rows(parts: &Parts<'_>, chosen: &Fitted) -> Vec<PredictedRow> {
    let mut rows = Vec::new();
    let named = parts
        .all()
        .into_iter()
        .zip([Part::Train, Part::Validation, Part::Test])
        .zip(&chosen.predictions);
    for ((part, name), predictions) in named {
        let decided = predictions.decided();
        let baseline = parts.baseline.predict(1).decided();
        let values = part
            .table
            .source_rows()
            .iter()
            .zip(part.dataset.target())
            .zip(decided)
            .enumerate();
        rows.extend(
            values.map(|(row, ((&source_row, &actual), predicted))| PredictedRow {
                source_row,
                part: name,
                actual,
                predicted,
                baseline: baseline[0],
                probabilities: predictions.probabilities_of(row),
            }),
        );
    }
    rows.sort_by_key(|row| row.source_row);
    rows
}

/// What a bundle says of the chosen model, which learned from the training rows of these parts.
fn manifest(
    parts: &Parts<'_>,
    chosen: &Fitted,
    baseline: &SplitMetrics,
    environment: &Environment,
) -> Result<Manifest> {
    let experiment = parts.sample.experiment();
    let preparation = &parts.prepared.preparation;
    let target = &experiment.data.target;
    let known = preparation
        .schema
        .as_ref()
        .and_then(|schema| schema.column(target));
    let train = &parts.prepared.train;
    Ok(Manifest {
        format: FORMAT.to_owned(),
        format_version: FORMAT_VERSION,
        checksum: String::new(),
        name: experiment.name.clone(),
        versions: environment.versions.clone(),
        target: TargetInfo {
            column: target.clone(),
            unit: known.and_then(|column| column.unit.clone()),
            training_mean: match &parts.baseline {
                Baseline::Mean(baseline) => Some(baseline.mean),
                Baseline::Prior(_) => None,
            },
            classes: match (&parts.sample.goal.classes, &parts.baseline) {
                (Some(classes), Baseline::Prior(baseline)) => Some(ClassesInfo {
                    rule: classes.clone(),
                    shares: baseline.priors.clone(),
                    decision: chosen.decision.clone(),
                }),
                _ => None,
            },
        },
        inputs: parts.inputs.clone(),
        schema: preparation.schema.clone(),
        cleaning: preparation.cleaning.clone(),
        outliers: preparation.outliers.clone(),
        preprocessor: preparation.preprocessor.clone(),
        model: ModelInfo {
            name: chosen.report.name.clone(),
            kind: chosen.report.kind.clone(),
            n_parameters: chosen.report.n_parameters,
            settings: serde_json::Value::Null,
        },
        metrics: chosen.report.metrics.clone(),
        baseline: baseline.clone(),
        learned_rows: LearnedRows::sample(&train.table, &preparation.inputs, train.dataset.target())?,
        weights: WeightsInfo {
            bytes: 0,
            sha256: String::new(),
            tensors: BTreeMap::new(),
        },
        check: Vec::new(),
    })
}
