//! A run: what an experiment found out, and the bundle it made.

use std::fmt;
use std::fs;
use std::path::Path;

use hitcast_data::{Column, Table, write_csv};
use serde::{Deserialize, Serialize};

use crate::bundle::Bundle;
use crate::error::{PipelineError, Result};
use crate::folder::{Existing, FolderKind, check_existing, write_file, write_folder};
use crate::report::RunReport;
use crate::score::class_name;

const FOLDER: FolderKind = FolderKind {
    what: "run",
    marker: "run.json",
    entries: &["run.json", "experiment.toml", "predictions.csv", "bundle"],
};

/// What [`Experiment::run`](crate::Experiment::run) gives.
#[derive(Debug)]
pub struct Run {
    /// What was found out.
    pub report: RunReport,
    /// The chosen model's predictions for every row of the three parts, in the table's order.
    pub predictions: Vec<PredictedRow>,
    /// Names of the classes; `None` where the target is a number.
    pub class_names: Option<Vec<String>>,
    pub(crate) bundle: Bundle,
}

/// Part of the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// Learned from.
    Train,
    /// Chosen by.
    Validation,
    /// Tested on.
    Test,
}

impl Part {
    /// Name, as serde has it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Validation => "validation",
            Self::Test => "test",
        }
    }
}

/// The prediction for one row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PredictedRow {
    /// Number of the data row in the file, from 0.
    pub source_row: u32,
    /// Part that it belongs to.
    pub part: Part,
    /// The target; of classes its number.
    pub actual: f64,
    /// What the chosen model predicts; of classes the number of the one that was decided on.
    pub predicted: f64,
    /// What the baseline predicts.
    pub baseline: f64,
    /// The probability of each class; empty for numbers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub probabilities: Vec<f64>,
}

impl PredictedRow {
    /// Actual minus predicted.
    pub fn residual(&self) -> f64 {
        self.actual - self.predicted
    }
}

impl Run {
    /// The chosen model with everything needed to predict again.
    pub fn bundle(&self) -> &Bundle {
        &self.bundle
    }

    /// The chosen model with everything needed to predict again, on its own.
    pub fn into_bundle(self) -> Bundle {
        self.bundle
    }

    /// The report as one JSON object; its shape is documented at [`report`](crate::report).
    ///
    /// # Errors
    /// [`PipelineError::Setting`] if it cannot be JSON, which no report of a run is.
    pub fn to_json(&self) -> Result<serde_json::Value> {
        serde_json::to_value(&self.report)
            .map_err(|error| PipelineError::setting("report", error.to_string()))
    }

    /// Whether a run can be saved at `path`, to be asked before the hours of a training rather than after them.
    ///
    /// # Errors
    /// [`PipelineError::Exists`] as [`save`](Self::save) would.
    pub fn check_target(path: impl AsRef<Path>, existing: Existing) -> Result<()> {
        check_existing(path.as_ref(), existing, &FOLDER)
    }

    /// Writes the run as a folder, whole or not at all: `run.json` (the report), `experiment.toml`, `predictions.csv`
    /// (`source_row`, `split`, `actual`, `predicted`, `residual`, `baseline`; of classes the names of `actual`, `predicted` and
    /// `baseline`, and a column `p_NAME` for each) and the folder `bundle`.
    ///
    /// # Errors
    /// [`PipelineError::Exists`] if something is in the way: a former run is replaced on request, anything else never;
    /// [`PipelineError::File`] if the folder cannot be written.
    pub fn save(&self, path: impl AsRef<Path>, existing: Existing) -> Result<()> {
        write_folder(path.as_ref(), existing, &FOLDER, |folder| {
            let mut json = serde_json::to_vec_pretty(&self.report)
                .map_err(|error| PipelineError::setting("report", error.to_string()))?;
            json.push(b'\n');
            write_file(&folder.join("run.json"), &json)?;
            write_file(
                &folder.join("experiment.toml"),
                self.report.experiment.to_toml()?.as_bytes(),
            )?;
            let mut csv = Vec::new();
            write_csv(&self.prediction_table()?, &mut csv)?;
            write_file(&folder.join("predictions.csv"), &csv)?;
            let bundle = folder.join("bundle");
            fs::create_dir(&bundle).map_err(PipelineError::file("create the folder", &bundle))?;
            self.bundle.write_into(&bundle)
        })
    }

    /// The predictions as a table with the columns of `predictions.csv`.
    ///
    /// # Errors
    /// None that a run can meet; [`PipelineError::Data`] by its type.
    pub fn prediction_table(&self) -> Result<Table> {
        let rows = &self.predictions;
        let numbers = |of: fn(&PredictedRow) -> f64| Column::Number(rows.iter().map(of).collect());
        if let Some(names) = &self.class_names {
            return self.class_table(names);
        }
        Ok(Table::new([
            ("source_row", numbers(|row| f64::from(row.source_row))),
            (
                "split",
                Column::text(rows.iter().map(|row| Some(row.part.name()))),
            ),
            ("actual", numbers(|row| row.actual)),
            ("predicted", numbers(|row| row.predicted)),
            ("residual", numbers(PredictedRow::residual)),
            ("baseline", numbers(|row| row.baseline)),
        ])?)
    }
}

impl Run {
    fn class_table(&self, names: &[String]) -> Result<Table> {
        let rows = &self.predictions;
        let named =
            |of: fn(&PredictedRow) -> f64| Column::text(rows.iter().map(|row| class_name(names, of(row))));
        let number = |row: &PredictedRow| f64::from(row.source_row);
        let mut columns = vec![
            (
                "source_row".to_owned(),
                Column::Number(rows.iter().map(number).collect()),
            ),
            (
                "split".to_owned(),
                Column::text(rows.iter().map(|row| Some(row.part.name()))),
            ),
            ("actual".to_owned(), named(|row| row.actual)),
            ("predicted".to_owned(), named(|row| row.predicted)),
            ("baseline".to_owned(), named(|row| row.baseline)),
        ];
        for (class, name) in names.iter().enumerate() {
            let probability = |row: &PredictedRow| row.probabilities.get(class).copied().unwrap_or(f64::NAN);
            columns.push((
                format!("p_{name}"),
                Column::Number(rows.iter().map(probability).collect()),
            ));
        }
        Ok(Table::new(columns)?)
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.report.fmt(f)
    }
}
