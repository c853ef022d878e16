//! How the models were trained, and how good they are.

use std::collections::BTreeMap;
use std::path::Path;

use hitcast_data::{Column, CsvReader, Table};
use hitcast_metrics::{BinStrategy, PrecisionRecallCurve, RocCurve, reliability_curve};
use hitcast_pipeline::{GroupReport, MetricName, Metrics, ModelReport, RunReport, grouped};
use hitcast_plot::{
    ConfusionHeatmap, EpochLoss, Estimate, GroupErrors, Labels, LossCurves, ModelComparison,
    PrecisionRecallFigure, PredictedActual, ReliabilityDiagram, Residuals, RocFigure, TrainingTimes,
};

use crate::error::{ReportError, Result};
use crate::page::Section;

/// Bins of a reliability diagram.
const BINS: usize = 10;

/// Every model beside the baseline, and how the best one was trained.
pub(crate) fn models(report: &RunReport) -> Section {
    let mut section = Section::new("Models");
    let selection = report.experiment.selection();
    section.text(format!(
        "Chosen by the {selection} of the validation rows: {}. The figures that count are those of the test rows.",
        report.best
    ));
    let shown = shown(report);
    let mut head = vec!["model".to_owned()];
    for part in ["validation", "test"] {
        head.extend(shown.iter().map(|metric| format!("{part} {metric}")));
    }
    head.push("seconds".to_owned());
    let all = || report.models.iter().chain(&report.references);
    let mut rows: Vec<Vec<String>> = all()
        .map(|model| {
            let mut row = vec![model.name.clone()];
            row.extend(cells(&model.metrics.validation, &shown));
            row.extend(cells(&model.metrics.test, &shown));
            row.push(format!("{:.1}", model.fit_seconds));
            row
        })
        .collect();
    let mut row = vec!["baseline".to_owned()];
    row.extend(cells(&report.baseline.validation, &shown));
    row.extend(cells(&report.baseline.test, &shown));
    row.push(String::new());
    rows.push(row);
    section.table(head, rows);
    let estimates: Vec<Estimate> = all()
        .filter_map(|model| {
            let estimate = Estimate::new(&model.name, model.metrics.test.get(selection)?);
            let interval = report
                .intervals
                .get(selection)
                .filter(|_| model.name == report.best);
            Some(match interval {
                Some(interval) => estimate.between(interval.low, interval.high),
                None => estimate,
            })
        })
        .collect();
    let comparison = ModelComparison {
        labels: Labels::new("Test rows by model").x(selection.to_string()),
        ..ModelComparison::default()
    };
    section.figure(
        "models",
        comparison.figure(&estimates, report.baseline.test.get(selection)),
    );
    let times: Vec<(&str, f64)> = all()
        .map(|model| (model.name.as_str(), model.fit_seconds))
        .collect();
    section.figure("training_times", TrainingTimes::default().figure(&times));
    if let Some(best) = report.best_model().filter(|model| !model.history.is_empty()) {
        section.figure("losses", losses(best));
    }
    section
}

fn losses(model: &ModelReport) -> hitcast_plot::Result<hitcast_plot::Figure> {
    let epochs: Vec<EpochLoss> = (model.history.iter())
        .map(|epoch| EpochLoss {
            epoch: epoch.epoch,
            train: epoch.train_loss,
            validation: epoch.validation_loss,
        })
        .collect();
    let curves = LossCurves {
        labels: Labels::new(format!("Losses of {}", model.name)),
        best_epoch: model.best_epoch,
        ..LossCurves::default()
    };
    curves.figure(&epochs)
}

/// What the chosen model does to the test rows.
pub(crate) fn results(report: &RunReport, tested: &Table) -> Result<Section> {
    let mut section = Section::new("Test rows");
    let test = &report.metrics.test;
    let rows: Vec<Vec<String>> = shown(report)
        .into_iter()
        .filter_map(|metric| {
            let interval = report.intervals.get(metric);
            let interval =
                interval.map_or_else(String::new, |one| format!("{:.3} to {:.3}", one.low, one.high));
            let value = |metrics: &Metrics| metrics.get(metric).map(|value| format!("{value:.3}"));
            let baseline = value(&report.baseline.test).unwrap_or_default();
            Some(vec![metric.to_string(), value(test)?, interval, baseline])
        })
        .collect();
    let confidence = format!("{:.0} % interval", 100.0 * report.intervals.confidence());
    section.table(["metric", "value", confidence.as_str(), "baseline"], rows);
    match &report.classes {
        None => numbers(&mut section, tested)?,
        Some(classes) => {
            let confusion = ConfusionHeatmap::default().figure(&classes.confusion, &classes.names);
            section.figure("confusion", confusion);
            if let [_, second] = classes.names.as_slice() {
                two_classes(&mut section, tested, second, &report.best)?;
            }
        }
    }
    for (column, groups) in &report.by {
        section.figure(&format!("error_by_{column}"), by_group(report, column, groups));
    }
    Ok(section)
}

/// The test rows of `predictions.csv`.
pub(crate) fn tested(folder: &Path) -> Result<Table> {
    let table = CsvReader::default().read(folder.join("predictions.csv"))?.table;
    let parts = table.texts("split")?;
    let test: Vec<usize> = (0..table.n_rows())
        .filter(|&row| parts.get(row) == Some("test"))
        .collect();
    Ok(table.take(&test))
}

/// The places in a table of the rows that the run tested on; the table must be of the file that it learned from.
pub(crate) fn test_rows(report: &RunReport, tested: &Table, table: &Table) -> Result<Vec<usize>> {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let wanted = tested.numbers("source_row")?.iter().map(|row| *row as u32);
    let places: BTreeMap<u32, usize> = (table.source_rows().iter().copied()).zip(0..).collect();
    let places: Vec<usize> = wanted.filter_map(|row| places.get(&row).copied()).collect();
    let target = table.column(&report.experiment.data.target)?;
    let is_same = places.len() == tested.n_rows()
        && match (target, tested.numbers("actual"), &report.classes) {
            (Column::Number(target), Ok(actual), None) => places
                .iter()
                .zip(actual)
                .all(|(&place, actual)| (target[place] - actual).abs() <= 1e-9 * actual.abs().max(1.0)),
            _ => true,
        };
    if is_same {
        return Ok(places);
    }
    Err(ReportError::OtherFile {
        rows: tested.n_rows(),
        found: places.len(),
    })
}

fn numbers(section: &mut Section, table: &Table) -> Result<()> {
    let (actual, predicted) = (table.numbers("actual")?, table.numbers("predicted")?);
    section.figure(
        "predicted_against_actual",
        PredictedActual::default().figure(actual, predicted),
    );
    section.figure("residuals", Residuals::default().figure(actual, predicted));
    Ok(())
}

fn two_classes(section: &mut Section, table: &Table, second: &str, model: &str) -> Result<()> {
    // Names that look like numbers are read as such, and shown as they are written.
    let actual = table.column("actual")?;
    let positive: Vec<bool> = (0..actual.len())
        .map(|row| actual.display(row) == second)
        .collect();
    let probabilities = table.numbers(&format!("p_{second}"))?;
    let (Ok(roc), Ok(recall)) = (
        RocCurve::compute(&positive, probabilities),
        PrecisionRecallCurve::compute(&positive, probabilities),
    ) else {
        section.note("All test rows are of one class: there are no curves.");
        return Ok(());
    };
    section.figure("roc", RocFigure::default().figure(&[(model, &roc)]));
    #[allow(clippy::cast_precision_loss)]
    let share = positive.iter().filter(|yes| **yes).count() as f64 / positive.len() as f64;
    let figure = PrecisionRecallFigure {
        positive_share: Some(share),
        ..PrecisionRecallFigure::default()
    };
    section.figure("precision_recall", figure.figure(&[(model, &recall)]));
    let bins = reliability_curve(&positive, probabilities, BINS, BinStrategy::Uniform)?;
    section.figure(
        "reliability",
        ReliabilityDiagram::default().figure(&[(model, &bins)]),
    );
    Ok(())
}

fn by_group(
    report: &RunReport,
    column: &str,
    groups: &[GroupReport],
) -> hitcast_plot::Result<hitcast_plot::Figure> {
    let metric = shown(report).first().copied();
    let metric = metric.unwrap_or_else(|| report.experiment.selection());
    let estimates: Vec<Estimate> = (groups.iter())
        .filter_map(|group| {
            let name = group.group.clone().unwrap_or_else(|| "(missing)".to_owned());
            Some(Estimate::new(name, group.metrics.get(metric)?).of_rows(group.metrics.n()))
        })
        .collect();
    let errors = GroupErrors {
        labels: Labels::new(format!("Test rows by {column}")).x(metric.to_string()),
        ..GroupErrors::default()
    };
    errors.figure(&estimates, report.metrics.test.get(metric))
}

/// What was asked for, and how to do it again.
pub(crate) fn settings(report: &RunReport) -> Result<Section> {
    let mut section = Section::new("Settings");
    section.text("Save these lines as experiment.toml and run: hitcast train --experiment experiment.toml --out out/again");
    section.lines(report.experiment.to_toml()?);
    let environment = serde_json::to_string_pretty(&report.environment).unwrap_or_default();
    section.text("The machine and the libraries of this run:");
    section.lines(environment);
    Ok(section)
}

/// How the rows were read, cleaned and divided.
pub(crate) fn rows(report: &RunReport) -> Section {
    let mut section = Section::new("Rows");
    let mut lines = String::new();
    if let Some(read) = &report.data.read {
        lines.push_str(read.to_string().trim_end());
        lines.push('\n');
    }
    lines.push_str(report.data.cleaning.to_string().trim_end());
    section.lines(lines);
    let sizes = &report.rows;
    section.text(format!(
        "{} rows to learn from, {} to choose by, {} to test on.",
        grouped(sizes.train),
        grouped(sizes.validation),
        grouped(sizes.test)
    ));
    for warning in &report.warnings {
        section.note(warning.clone());
    }
    section
}

/// The metrics that tables show.
fn shown(report: &RunReport) -> Vec<MetricName> {
    MetricName::of_tables(report.classes.is_some()).collect()
}

fn cells(metrics: &Metrics, shown: &[MetricName]) -> Vec<String> {
    let cell = |metric: &MetricName| {
        metrics
            .get(*metric)
            .map_or_else(|| "-".to_owned(), |value| format!("{value:.3}"))
    };
    shown.iter().map(cell).collect()
}

/// The report in a run's folder.
pub(crate) fn read(folder: &Path) -> Result<RunReport> {
    let path = folder.join("run.json");
    if !path.is_file() {
        return Err(ReportError::NoRun {
            path: folder.to_path_buf(),
        });
    }
    let wrong = |message: String| ReportError::Read {
        path: path.clone(),
        message,
    };
    let text = std::fs::read_to_string(&path).map_err(|error| wrong(error.to_string()))?;
    serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))
}
