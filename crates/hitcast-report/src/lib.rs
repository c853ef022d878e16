//! A run, or a file of rows, as one page that a person can open: figures, metrics beside the baseline, explanations, settings,
//! and how to do it again. The page asks no other place for anything.
//!
//! ```no_run
//! use hitcast_pipeline::{Existing, Registry};
//! use hitcast_report::Report;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let report = Report::of_run("out/run", None, &Registry::new())?;
//! report.write("out/report", Existing::Replace)?;
//! # Ok(())
//! # }
//! ```

#![forbid(unsafe_code)]

mod data;
mod error;
mod explanations;
mod page;
mod results;

use std::fs;
use std::path::{Path, PathBuf};

use hitcast_core::DeviceChoice;
use hitcast_data::{CsvReader, EmptyColumns, Table, locate};
use hitcast_pipeline::folder::{FolderKind, write_file, write_folder};
use hitcast_pipeline::{
    Bundle, BundleImportances, Counterfactual, Existing, ExplainSettings, Explainer, PipelineError, Registry,
    RowExplanation, RunReport, grouped,
};

pub use error::{ReportError, Result};
pub use page::{Block, Section};

use data::View;

const FOLDER: FolderKind = FolderKind {
    what: "report",
    marker: "report.html",
    entries: &["report.html", "figures"],
};

/// Rows whose parts are drawn.
const EXPLAINED_ROWS: usize = 150;

/// A page in sections.
#[derive(Debug, Clone)]
pub struct Report {
    /// Its heading.
    pub title: String,
    /// What it is about, in a sentence.
    pub subtitle: String,
    /// Its parts, from top to bottom.
    pub sections: Vec<Section>,
}

impl Report {
    /// Of the folder that a run was saved as. `data` is the file that it learned from, where it is no longer at its place;
    /// without any, the page has no figures of the data and no explanations, and says so.
    ///
    /// # Errors
    /// [`ReportError::NoRun`] or [`ReportError::Read`] if the folder holds no run, [`ReportError::Pipeline`] if its bundle cannot be
    /// loaded, [`ReportError::Data`] if the file cannot be read, [`ReportError::OtherFile`] if it is not the one of this run.
    pub fn of_run(folder: impl AsRef<Path>, data: Option<&Path>, registry: &Registry) -> Result<Self> {
        let folder = folder.as_ref();
        let report = results::read(folder)?;
        let bundle = Bundle::load(folder.join("bundle"), registry, DeviceChoice::Cpu)?;
        let path = data
            .map(Path::to_path_buf)
            .or_else(|| report.data.path.as_ref().map(PathBuf::from));
        let path = path.map(locate).filter(|path| path.is_file());
        let mut sections = vec![results::rows(&report)];
        let mut table = None;
        if let Some(path) = &path {
            let read = bundle.read(path, &reader())?.table;
            sections.push(view(&read, &report).section()?);
            table = Some(read);
        }
        sections.push(results::models(&report));
        let tested = results::tested(folder)?;
        sections.push(results::results(&report, &tested)?);
        match &table {
            Some(table) => {
                let rows = results::test_rows(&report, &tested, table)?;
                let rows = table.take(&rows);
                let settings = ExplainSettings {
                    explained_rows: EXPLAINED_ROWS,
                    ..ExplainSettings::default()
                };
                let explained =
                    (bundle.explainer(&rows, &settings).map_err(ReportError::from)).and_then(|explainer| {
                        explanations::section(&explainer, &explainer.importances()?, "test rows")
                    });
                // A page without explanations is better than no page.
                sections.push(explained.unwrap_or_else(|error| {
                    let mut section = Section::new("Explanations");
                    section.note(format!("There are none: {error}."));
                    section
                }));
            }
            None => {
                let mut section = Section::new("Explanations");
                section.note(
                    "The file of the run is not there, so there are no figures of the data and no explanations; name it with --data.",
                );
                sections.push(section);
            }
        }
        sections.push(results::settings(&report)?);
        let target = &report.experiment.data.target;
        Ok(Self {
            title: report.name.clone(),
            subtitle: format!(
                "{target} from {} inputs; {} is the best of {} models.",
                report.experiment.data.features.len(),
                report.best,
                report.models.len()
            ),
            sections,
        })
    }

    /// Of a CSV file that nothing has been learned from; `target` is the column that the others are looked at beside, by default
    /// `popularity` where there is one.
    ///
    /// # Errors
    /// [`ReportError::Data`] if the file cannot be read, or has no such column.
    pub fn of_data(path: impl AsRef<Path>, target: Option<&str>) -> Result<Self> {
        let path = locate(path.as_ref());
        let loaded = reader().read(&path)?;
        let table = loaded.table;
        if let Some(target) = target {
            table.column(target)?;
        }
        let target = target.or_else(|| table.contains("popularity").then_some("popularity"));
        let mut rows = Section::new("Rows");
        rows.lines(loaded.report.to_string().trim_end());
        let view = View {
            table: &table,
            target,
            features: Vec::new(),
        };
        let title = path
            .file_name()
            .map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        Ok(Self {
            title,
            subtitle: format!(
                "{} rows of {} columns.",
                grouped(table.n_rows()),
                table.n_columns()
            ),
            sections: vec![rows, view.section()?],
        })
    }

    /// Of what matters to a bundle's model: the importances that `explainer` has found, and what can be drawn of its rows.
    ///
    /// # Errors
    /// [`ReportError::Pipeline`] and [`ReportError::Explain`] if the model fails on these rows.
    pub fn of_importances(explainer: &Explainer<'_>, importances: &BundleImportances) -> Result<Self> {
        let section = explanations::section(explainer, importances, "rows")?;
        Ok(Self::explaining(explainer.bundle(), section))
    }

    /// Of what made up a bundle's prediction for one row, and what would have to be otherwise for the one that is wanted.
    pub fn of_prediction(
        bundle: &Bundle,
        explained: &RowExplanation,
        wanted: Option<&Counterfactual>,
    ) -> Self {
        Self::explaining(bundle, explanations::row_section(explained, wanted))
    }

    fn explaining(bundle: &Bundle, section: Section) -> Self {
        let manifest = bundle.manifest();
        Self {
            title: manifest.name.clone(),
            subtitle: format!(
                "{} from {} inputs by {}.",
                manifest.target.column,
                manifest.inputs.len(),
                manifest.model.name
            ),
            sections: vec![section],
        }
    }

    /// The page.
    pub fn to_html(&self) -> String {
        page::html(&self.title, &self.subtitle, &self.sections)
    }

    /// Writes a folder, whole or not at all: `report.html`, and under `figures` each figure as SVG, PNG and the CSV of its numbers.
    ///
    /// # Errors
    /// [`ReportError::Pipeline`] if something is in the way or cannot be written, [`ReportError::Plot`].
    pub fn write(&self, folder: impl AsRef<Path>, existing: Existing) -> Result<()> {
        let mut files = Vec::new();
        for (name, figure) in self.sections.iter().flat_map(Section::figures) {
            let (width, height) = figure.size();
            files.push((format!("{name}.svg"), figure.to_svg().into_bytes()));
            files.push((format!("{name}.png"), figure.to_png(width, height)?));
            files.push((format!("{name}.csv"), figure.data().as_bytes().to_vec()));
        }
        write_folder(folder.as_ref(), existing, &FOLDER, |folder| {
            write_file(&folder.join("report.html"), self.to_html().as_bytes())?;
            let figures = folder.join("figures");
            fs::create_dir(&figures).map_err(|source| PipelineError::File {
                action: "create the folder",
                path: figures.clone(),
                source,
            })?;
            files
                .iter()
                .try_for_each(|(name, bytes)| write_file(&figures.join(name), bytes))
        })?;
        Ok(())
    }
}

/// A column without values is one of the things that a page shows.
fn reader() -> CsvReader {
    CsvReader {
        empty_columns: EmptyColumns::Ignore,
        ..CsvReader::default()
    }
}

fn view<'a>(table: &'a Table, report: &'a RunReport) -> View<'a> {
    let data = &report.experiment.data;
    View {
        table,
        target: Some(&data.target),
        features: data.features.iter().map(String::as_str).collect(),
    }
}
