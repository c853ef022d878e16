//! The errors of this crate.

use std::path::{Path, PathBuf};

use hitcast_core::{BoxError, CoreError};
use hitcast_data::DataError;
use hitcast_explain::ExplainError;
use hitcast_metrics::MetricsError;
use hitcast_preprocess::PreprocessError;
use thiserror::Error;

use crate::bundle::BundleError;

/// A result with [`PipelineError`].
pub type Result<T, E = PipelineError> = std::result::Result<T, E>;

/// What can go wrong between an experiment and its run.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PipelineError {
    /// Data could not be read, cleaned or selected.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A recipe or a split failed.
    #[error(transparent)]
    Preprocess(#[from] PreprocessError),
    /// Metrics could not be computed.
    #[error(transparent)]
    Metrics(#[from] MetricsError),
    /// A prediction could not be explained.
    #[error(transparent)]
    Explain(#[from] ExplainError),
    /// A data set, a fit or a prediction failed.
    #[error(transparent)]
    Core(#[from] CoreError),
    /// A bundle could not be loaded.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// A setting has a value that it may not have.
    #[error("{place}: {message}")]
    Setting {
        /// Where the setting stands, as in `experiment.toml, line 3, column 1` or `models[0].name`.
        place: String,
        /// What is wrong, and what it may be.
        message: String,
    },
    /// No kind of model of this name is registered.
    #[error("model {model:?}: no kind of model {kind:?}{suggestion}; the kinds are {available}")]
    UnknownKind {
        /// Name of the model.
        model: String,
        /// The kind asked for.
        kind: String,
        /// " (did you mean …?)", or nothing.
        suggestion: String,
        /// The kinds there are.
        available: String,
    },
    /// No preset of this name.
    #[error("no preset {name:?}{suggestion}; the presets are {available}")]
    UnknownPreset {
        /// The name asked for.
        name: String,
        /// " (did you mean …?)", or nothing.
        suggestion: String,
        /// The presets there are.
        available: String,
    },
    /// A model could not be built from its settings, fitted or saved.
    #[error("model {model:?}: {source}")]
    Model {
        /// Name of the model.
        model: String,
        /// What went wrong.
        source: BoxError,
    },
    /// A stop was requested before any model was fitted.
    #[error("stopped before any model was fitted: nothing to save")]
    Stopped,
    /// Too few rows are left to do what was asked.
    #[error("{rows} rows are left {stage}, at least {needed} are needed; {advice}")]
    TooFewRows {
        /// Rows there are.
        rows: usize,
        /// After which step, as in "after cleaning".
        stage: &'static str,
        /// Rows needed.
        needed: usize,
        /// What to do.
        advice: String,
    },
    /// A row to predict cannot be predicted.
    #[error("{0}")]
    Row(String),
    /// A file or folder could not be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
    /// Something is in the way of a folder that is to be written.
    #[error("{}: {message}", path.display())]
    Exists {
        /// The folder.
        path: PathBuf,
        /// What is in the way, and what to do.
        message: String,
    },
}

impl PipelineError {
    pub(crate) fn setting(place: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Setting {
            place: place.into(),
            message: message.into(),
        }
    }

    pub(crate) fn file(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::File { action, path, source }
    }

    pub(crate) fn model(model: &str) -> impl FnOnce(BoxError) -> Self {
        let model = model.to_owned();
        move |source| Self::Model { model, source }
    }
}
