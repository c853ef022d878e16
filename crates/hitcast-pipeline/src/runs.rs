//! Runs on disk side by side: what there is, what differs, and all figures as one table.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use hitcast_data::{Column, Table};
use serde::Serialize;
use serde_json::Value;

use crate::error::{PipelineError, Result};
use crate::report::{ModelReport, RunReport};
use crate::score::{MetricName, Metrics};
use crate::text::{TextTable, grouped, short};

/// How deep runs are looked for below a folder.
const DEPTH: usize = 4;

/// A saved run.
#[derive(Debug, Clone)]
pub struct SavedRun {
    /// Its folder.
    pub path: PathBuf,
    /// When it was written, if the system tells.
    pub written: Option<SystemTime>,
    /// What it found out.
    pub report: RunReport,
}

/// Saved runs, the oldest first.
#[derive(Debug, Clone, Default)]
pub struct SavedRuns {
    /// The runs.
    pub runs: Vec<SavedRun>,
    /// Folders that hold a `run.json` that is none, and why.
    pub unreadable: Vec<(PathBuf, String)>,
}

/// What two runs differ in.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunDifference {
    /// Names of the two, as they were asked for.
    pub runs: [String; 2],
    /// Settings that differ, by path; `None` where a run has no such setting.
    pub settings: BTreeMap<String, [Option<Value>; 2]>,
    /// Test metrics of each model that one of them has, by model and metric.
    pub metrics: BTreeMap<String, BTreeMap<String, [Option<f64>; 2]>>,
}

impl RunReport {
    /// Reads the report of the folder that a run was saved as.
    ///
    /// # Errors
    /// [`PipelineError::File`] if there is none, [`PipelineError::Setting`] with line and column if it is damaged.
    pub fn load(folder: impl AsRef<Path>) -> Result<Self> {
        let path = folder.as_ref().join("run.json");
        let text = fs::read_to_string(&path).map_err(PipelineError::file("read", &path))?;
        serde_json::from_str(&text)
            .map_err(|error| PipelineError::setting(path.display().to_string(), error.to_string()))
    }
}

impl SavedRun {
    /// Reads the run saved as this folder.
    ///
    /// # Errors
    /// As [`RunReport::load`].
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        Ok(Self {
            report: RunReport::load(path)?,
            written: fs::metadata(path.join("run.json"))
                .and_then(|facts| facts.modified())
                .ok(),
            path: path.to_path_buf(),
        })
    }
}

impl SavedRuns {
    /// The runs in a folder and the folders inside of it, four levels down.
    ///
    /// # Errors
    /// [`PipelineError::File`] if the folder cannot be read.
    pub fn find(folder: impl AsRef<Path>) -> Result<Self> {
        let folder = folder.as_ref();
        fs::read_dir(folder).map_err(PipelineError::file("read", folder))?;
        let mut found = Self::default();
        found.look(folder, DEPTH);
        found
            .runs
            .sort_by(|a, b| (a.written, &a.path).cmp(&(b.written, &b.path)));
        found.unreadable.sort();
        Ok(found)
    }

    fn look(&mut self, folder: &Path, depth: usize) {
        if folder.join("run.json").is_file() {
            match SavedRun::load(folder) {
                Ok(run) => self.runs.push(run),
                Err(error) => self.unreadable.push((folder.to_path_buf(), error.to_string())),
            }
            return;
        }
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        if depth > 0 {
            let inner = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
            inner.for_each(|entry| self.look(&entry.path(), depth - 1));
        }
    }

    /// Every model of every run as a row: `run`, `experiment`, `model`, `kind`, `is_best`, `training_rows`, `fit_seconds`,
    /// `predict_seconds`, `size_bytes`, and `validation_` and `test_` metrics, missing where a model has none.
    ///
    /// # Errors
    /// None that runs can meet; [`PipelineError::Data`] by its type.
    pub fn table(&self) -> Result<Table> {
        let rows: Vec<(&SavedRun, &ModelReport)> = (self.runs.iter())
            .flat_map(|run| {
                let models = run.report.models.iter().chain(&run.report.references);
                models.map(move |model| (run, model))
            })
            .collect();
        let text = |of: &dyn Fn(&(&SavedRun, &ModelReport)) -> String| {
            let values: Vec<String> = rows.iter().map(of).collect();
            Column::text(values.iter().map(|value| Some(value.as_str())))
        };
        #[allow(clippy::cast_precision_loss)]
        let count = |of: fn(&ModelReport) -> usize| {
            Column::Number(rows.iter().map(|(_, model)| of(model) as f64).collect())
        };
        let seconds =
            |of: fn(&ModelReport) -> f64| Column::Number(rows.iter().map(|(_, model)| of(model)).collect());
        let is_best = rows
            .iter()
            .map(|(run, model)| f64::from(u8::from(run.report.best == model.name)));
        let mut columns = vec![
            ("run".to_owned(), text(&|(run, _)| run.path.display().to_string())),
            ("experiment".to_owned(), text(&|(run, _)| run.report.name.clone())),
            ("model".to_owned(), text(&|(_, model)| model.name.clone())),
            ("kind".to_owned(), text(&|(_, model)| model.kind.clone())),
            ("is_best".to_owned(), Column::Number(is_best.collect())),
            ("training_rows".to_owned(), count(|model| model.training_rows)),
            ("fit_seconds".to_owned(), seconds(|model| model.fit_seconds)),
            (
                "predict_seconds".to_owned(),
                seconds(|model| model.predict_seconds),
            ),
            ("size_bytes".to_owned(), count(|model| model.size_bytes)),
        ];
        let is_of = |of_classes| {
            move |(_, model): &(&SavedRun, &ModelReport)| {
                model.metrics.test.classification().is_some() == of_classes
            }
        };
        for of_classes in [false, true] {
            if !rows.iter().any(is_of(of_classes)) {
                continue;
            }
            for metric in MetricName::of_tables(of_classes) {
                for part in ["validation", "test"] {
                    let value = |(_, model): &(&SavedRun, &ModelReport)| {
                        let metrics = if part == "test" {
                            &model.metrics.test
                        } else {
                            &model.metrics.validation
                        };
                        metrics.get(metric).unwrap_or(f64::NAN)
                    };
                    let values = rows.iter().map(value).collect();
                    columns.push((format!("{part}_{metric}"), Column::Number(values)));
                }
            }
        }
        Ok(Table::new(columns)?)
    }
}

impl RunDifference {
    /// Compares two runs.
    pub fn of(one: &SavedRun, other: &SavedRun) -> Self {
        let both = [one, other];
        let [a, b] = both.map(|run| {
            let mut settings = BTreeMap::new();
            let whole = serde_json::to_value(&run.report.experiment).unwrap_or_default();
            flatten(&whole, "", &mut settings);
            settings
        });
        let mut settings = BTreeMap::new();
        for path in a.keys().chain(b.keys()) {
            if a.get(path) != b.get(path) {
                settings.insert(path.clone(), [a.get(path).cloned(), b.get(path).cloned()]);
            }
        }
        let mut metrics: BTreeMap<String, BTreeMap<String, [Option<f64>; 2]>> = BTreeMap::new();
        for (place, run) in both.iter().enumerate() {
            let models = run.report.models.iter().chain(&run.report.references);
            let baseline = ("baseline", &run.report.baseline.test);
            let all = models.map(|model| (model.name.as_str(), &model.metrics.test));
            for (name, test) in all.chain([baseline]) {
                let of_model = metrics.entry(name.to_owned()).or_default();
                for (metric, value) in shown(test) {
                    of_model.entry(metric.to_string()).or_default()[place] = Some(value);
                }
            }
        }
        Self {
            runs: both.map(|run| run.path.display().to_string()),
            settings,
            metrics,
        }
    }
}

/// The metrics that tables show.
fn shown(metrics: &Metrics) -> impl Iterator<Item = (MetricName, f64)> + '_ {
    let of_classes = metrics.classification().is_some();
    MetricName::of_tables(of_classes).filter_map(|metric| Some((metric, metrics.get(metric)?)))
}

/// The values of a JSON object by their paths. Items of a list that have a name go by it.
fn flatten(value: &Value, path: &str, to: &mut BTreeMap<String, Value>) {
    let inside = |name: &str| {
        if path.is_empty() {
            name.to_owned()
        } else {
            format!("{path}.{name}")
        }
    };
    match value {
        Value::Object(map) => map
            .iter()
            .for_each(|(name, value)| flatten(value, &inside(name), to)),
        Value::Array(items) if items.iter().any(Value::is_object) => {
            for (place, item) in items.iter().enumerate() {
                let name = item.get("name").and_then(Value::as_str);
                flatten(
                    item,
                    &inside(&name.map_or_else(|| place.to_string(), str::to_owned)),
                    to,
                );
            }
        }
        value => {
            to.insert(path.to_owned(), value.clone());
        }
    }
}

impl fmt::Display for SavedRuns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.runs.is_empty() {
            writeln!(f, "No run was found.")?;
        } else {
            let header = ["run", "experiment", "best", "rows", "test", "baseline", "seconds"];
            let mut table = TextTable::new(header);
            for SavedRun { path, report, .. } in &self.runs {
                let metric = report.experiment.selection();
                let value = |metrics: &Metrics| metrics.get(metric).map_or_else(|| "-".to_owned(), short);
                let seconds = &report.seconds;
                let all = seconds.read + seconds.clean + seconds.prepare + seconds.fit + seconds.evaluate;
                table.row([
                    path.display().to_string(),
                    report.name.clone(),
                    report.best.clone(),
                    grouped(report.rows.train + report.rows.validation + report.rows.test),
                    format!("{metric} {}", value(&report.metrics.test)),
                    value(&report.baseline.test),
                    format!("{all:.1}"),
                ]);
            }
            write!(f, "{table}")?;
        }
        for (path, why) in &self.unreadable {
            writeln!(f, "Note: {} cannot be read: {why}", path.display())?;
        }
        Ok(())
    }
}

impl fmt::Display for RunDifference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [one, other] = &self.runs;
        if self.settings.is_empty() {
            writeln!(f, "Same settings.")?;
        } else {
            let mut table = TextTable::new(["setting", one.as_str(), other.as_str()]);
            for (path, values) in &self.settings {
                let values = values
                    .each_ref()
                    .map(|value| value.as_ref().map_or_else(|| "-".to_owned(), Value::to_string));
                table.row([path.clone()].into_iter().chain(values));
            }
            writeln!(f, "{table}")?;
        }
        let mut table = TextTable::new(["model", "test", one.as_str(), other.as_str(), "difference"]);
        for (model, metrics) in &self.metrics {
            for (metric, [a, b]) in metrics {
                let value = |value: &Option<f64>| value.map_or_else(|| "-".to_owned(), short);
                let difference = a.zip(*b).map(|(a, b)| b - a);
                let difference = difference.map_or_else(String::new, |by| format!("{by:+.4}"));
                table.row([model.clone(), metric.clone(), value(a), value(b), difference]);
            }
        }
        write!(f, "{table}")
    }
}
