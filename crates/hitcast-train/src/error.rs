//! The errors of this crate.

use hitcast_core::{BoxError, CoreError};
use hitcast_nn::NnError;
use thiserror::Error;

/// A result with [`TrainError`].
pub type Result<T, E = TrainError> = std::result::Result<T, E>;

/// What can go wrong while training.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TrainError {
    /// A setting has a value that it may not have.
    #[error("{setting} is {value}, but must be {expected}")]
    Setting {
        /// Name of the setting, as in `early_stopping.patience`.
        setting: &'static str,
        /// The value given.
        value: String,
        /// What it may be.
        expected: String,
    },
    /// Something needs validation rows and there are none.
    #[error(
        "{setting} watches the validation loss, but there are no validation rows; add some or remove the setting"
    )]
    NoValidation {
        /// The setting.
        setting: &'static str,
    },
    /// Batch norm cannot learn from one row, and nothing from none.
    #[error("a step needs a row, and with batch norm at least 2 training rows, got {rows}")]
    TooFewRows {
        /// Training rows.
        rows: usize,
    },
    /// Rows have other columns than the network, or than the training rows.
    #[error("the network is trained on {expected} features, but was given rows with {got}")]
    Columns {
        /// Features of the network and its training rows.
        expected: usize,
        /// Features of the other rows.
        got: usize,
    },
    /// A target that cannot be learned.
    #[error(
        "the target of row {row} is {value:e}: the loss of an error as large is beyond 32-bit floats; look whether the value is \
         right, or scale the target"
    )]
    Target {
        /// Row, counted from 0.
        row: usize,
        /// The target.
        value: f64,
    },
    /// Rows that come in chunks did not come.
    #[error("the training rows that come in chunks: {0}")]
    Stream(#[source] BoxError),
    /// Rows that come in chunks have other columns than the first chunk.
    #[error("a chunk of training rows has the columns {got:?}, the first chunk had {expected:?}")]
    StreamColumns {
        /// Of the first chunk.
        expected: Vec<String>,
        /// Of the other one.
        got: Vec<String>,
    },
    /// There are more or fewer of them than was said.
    #[error("the training rows that come in chunks were said to be {expected}, but {got} came")]
    StreamLength {
        /// The rows that an epoch was to have.
        expected: usize,
        /// The rows that came, or had come when they were too many.
        got: usize,
    },
    /// The loss is NaN or infinite.
    #[error(
        "the loss became {loss} in epoch {epoch}, step {step} (learning rate {learning_rate}): nothing is kept; lower the \
         learning rate, clip the gradient, or look for extreme feature values"
    )]
    NonFiniteLoss {
        /// Epoch, from 1.
        epoch: usize,
        /// Step within the epoch, from 1.
        step: usize,
        /// Learning rate of the step.
        learning_rate: f64,
        /// The loss.
        loss: f32,
    },
    /// The network predicts NaN or infinity although its losses were finite.
    #[error(
        "after epoch {epoch} the network predicts {value} for a {split} row: nothing is kept; lower the learning rate"
    )]
    NonFinitePrediction {
        /// Epoch, from 1.
        epoch: usize,
        /// Of which rows.
        split: &'static str,
        /// The prediction.
        value: f64,
    },
    /// The range test found no learning rate at which the loss falls.
    #[error(
        "the loss does not fall at any learning rate from {from} to {to}: check the features and the target"
    )]
    NoLearningRate {
        /// The smallest rate tried.
        from: f64,
        /// The largest rate tried.
        to: f64,
    },
    /// A checkpoint cannot be written, or is not one of this run.
    #[error("checkpoint {path} {problem}")]
    Checkpoint {
        /// The file or folder.
        path: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The network itself.
    #[error(transparent)]
    Network(#[from] NnError),
    /// The metrics.
    #[error(transparent)]
    Metrics(#[from] hitcast_metrics::MetricsError),
    /// The device.
    #[error(transparent)]
    Device(#[from] hitcast_torch_sys::TorchError),
    /// The GPU.
    #[error(transparent)]
    Cuda(#[from] hitcast_cuda::CudaError),
    /// libtorch refused an operation.
    #[error("libtorch: {0}")]
    Torch(#[from] tch::TchError),
}

impl TrainError {
    pub(crate) fn setting(
        setting: &'static str,
        value: impl std::fmt::Display,
        expected: impl Into<String>,
    ) -> Self {
        Self::Setting {
            setting,
            value: value.to_string(),
            expected: expected.into(),
        }
    }

    /// This about rows that so many others came before.
    pub(crate) fn behind(self, rows: usize) -> Self {
        match self {
            Self::Network(NnError::State(CoreError::NotFinite {
                what,
                row,
                column,
                value,
            })) => Self::Network(NnError::State(CoreError::NotFinite {
                what,
                row: row + rows,
                column,
                value,
            })),
            Self::Target { row, value } => Self::Target {
                row: row + rows,
                value,
            },
            other => other,
        }
    }
}

/// Checks that a setting is a finite number above 0.
pub(crate) fn positive(setting: &'static str, value: f64) -> Result<()> {
    if value > 0.0 && value.is_finite() {
        return Ok(());
    }
    Err(TrainError::setting(setting, value, "a finite number above 0"))
}

/// Checks that a setting is a finite number of at least 0.
pub(crate) fn at_least_zero(setting: &'static str, value: f64) -> Result<()> {
    if value >= 0.0 && value.is_finite() {
        return Ok(());
    }
    Err(TrainError::setting(
        setting,
        value,
        "a finite number of at least 0",
    ))
}

/// Checks that a setting lies in [0, 1).
pub(crate) fn share(setting: &'static str, value: f64) -> Result<()> {
    if (0.0..1.0).contains(&value) {
        return Ok(());
    }
    Err(TrainError::setting(setting, value, "at least 0 and below 1"))
}
