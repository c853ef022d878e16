//! The errors of the program: those of the libraries, and a few of its own.

use thiserror::Error;

/// What a command can end with.
#[derive(Debug, Error)]
#[non_exhaustive]
pub(crate) enum CliError {
    /// Running an experiment, loading a bundle, predicting.
    #[error(transparent)]
    Pipeline(#[from] hitcast::pipeline::PipelineError),
    /// Reading or describing a file.
    #[error(transparent)]
    Data(#[from] hitcast::data::DataError),
    /// Searching settings.
    #[error(transparent)]
    Tune(#[from] hitcast::tune::TuneError),
    /// An option of searches where nothing is searched.
    #[error("--{0} is about searches; add --tune")]
    NeedsTune(&'static str),
    /// Settings of a search, or what is in the way of one.
    #[error("{}: {message}", path.display())]
    Settings {
        /// The file or folder.
        path: std::path::PathBuf,
        /// What is wrong, and what to do.
        message: String,
    },
    /// Making a report.
    #[error(transparent)]
    Report(#[from] hitcast::report::ReportError),
    /// Writing a file.
    #[error(transparent)]
    Core(#[from] hitcast::core::CoreError),
    /// A result that is no JSON.
    #[error("cannot write the result as JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// Standard output is closed.
    #[error("cannot print the result: {0}")]
    Output(#[source] std::io::Error),
    /// A `--set` that is none.
    #[error("--set {0:?} is not of the form name=value, as in energy=0.8")]
    Set(String),
    /// A row that the file has not.
    #[error("row {row} is to be explained, but the file has {rows} rows")]
    NoRow {
        /// The row, counted from 1.
        row: usize,
        /// The rows there are.
        rows: usize,
    },
    /// Neither a file nor values.
    #[error("nothing to predict: give a file by --data PATH, or values by --set name=value")]
    NothingToPredict,
}

/// A result with [`CliError`].
pub(crate) type Result<T> = std::result::Result<T, CliError>;
