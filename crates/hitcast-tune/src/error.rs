//! The errors of this crate.

use hitcast_core::{BoxError, CoreError};
use hitcast_pipeline::PipelineError;
use hitcast_preprocess::PreprocessError;
use thiserror::Error;

/// A result with [`TuneError`].
pub type Result<T, E = TuneError> = std::result::Result<T, E>;

/// What can go wrong with a search or an ensemble.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TuneError {
    /// An experiment, a pipeline or a model failed.
    #[error(transparent)]
    Pipeline(#[from] PipelineError),
    /// A data set or a fit failed.
    #[error(transparent)]
    Core(#[from] CoreError),
    /// Rows could not be divided into folds.
    #[error(transparent)]
    Preprocess(#[from] PreprocessError),
    /// A setting of the search has a value that it may not have.
    #[error("{setting} is {value}, but must be {allowed}")]
    Setting {
        /// Name of the setting.
        setting: &'static str,
        /// Its value.
        value: String,
        /// What it may be.
        allowed: &'static str,
    },
    /// A parameter of a space cannot be what it is.
    #[error("space, parameter {name:?}: {message}")]
    Space {
        /// Name of the parameter.
        name: String,
        /// What is wrong, and what to do.
        message: String,
    },
    /// A file of settings is not one.
    #[error("{path}: {message}")]
    File {
        /// The file.
        path: String,
        /// What is wrong, and where.
        message: String,
    },
    /// No trial came to a score.
    #[error("model {model:?}: none of {trials} trials came to a score; trial {first}: {cause}")]
    AllFailed {
        /// Name of the model.
        model: String,
        /// How many there were.
        trials: usize,
        /// Number of the first that failed, from 1.
        first: usize,
        /// Why.
        cause: String,
    },
    /// A stop was requested, or the time was over, before the search came to something.
    #[error(
        "model {0:?}: the search was stopped before its end; trials that were written go on with the same search"
    )]
    Stopped(String),
    /// A folder holds the history of another search, or something that is none.
    #[error("{path}: {message}")]
    History {
        /// The file.
        path: String,
        /// What is wrong, and what to do.
        message: String,
    },
    /// The members of an ensemble cannot be combined.
    #[error("ensemble: {0}")]
    Ensemble(String),
}

impl TuneError {
    pub(crate) fn space(name: &str, message: impl Into<String>) -> Self {
        Self::Space {
            name: name.to_owned(),
            message: message.into(),
        }
    }

    /// As the error of an estimator of this name.
    pub(crate) fn of_model(self, name: &str) -> CoreError {
        let source: BoxError = self.into();
        CoreError::model(name, source)
    }
}
