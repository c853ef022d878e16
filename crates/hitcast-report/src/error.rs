//! The errors of this crate.

use std::path::PathBuf;

use hitcast_data::DataError;
use hitcast_explain::ExplainError;
use hitcast_metrics::MetricsError;
use hitcast_pipeline::PipelineError;
use hitcast_plot::PlotError;
use thiserror::Error;

/// A result with [`ReportError`].
pub type Result<T, E = ReportError> = std::result::Result<T, E>;

/// What can go wrong while a report is made.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReportError {
    /// A folder that holds no run.
    #[error("{} is no run: it has no run.json; give a folder that `train` has written, or a CSV file", path.display())]
    NoRun {
        /// The folder.
        path: PathBuf,
    },
    /// A file of a run could not be read.
    #[error("cannot read {}: {message}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// A file that the run has not learned from.
    #[error(
        "the run tested on {rows} rows, of which {found} are in this file, not all with the target that they had: give the file that \
         the run learned from, as it was"
    )]
    OtherFile {
        /// Test rows of the run.
        rows: usize,
        /// How many of them the file has.
        found: usize,
    },
    /// The bundle, or the folder of the report.
    #[error(transparent)]
    Pipeline(#[from] PipelineError),
    /// The rows.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A metric.
    #[error(transparent)]
    Metrics(#[from] MetricsError),
    /// An explanation.
    #[error(transparent)]
    Explain(#[from] ExplainError),
    /// A figure.
    #[error(transparent)]
    Plot(#[from] PlotError),
}
