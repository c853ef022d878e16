//! The errors of this crate.

use hitcast_core::CoreError;
use thiserror::Error;

/// A result with [`NnError`].
pub type Result<T, E = NnError> = std::result::Result<T, E>;

/// What can go wrong with networks.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum NnError {
    /// A setting has a value that it may not have.
    #[error("{setting} is {value}, but must be {expected}")]
    Setting {
        /// Name of the setting, as in `layers[2].rate`.
        setting: String,
        /// The value given.
        value: String,
        /// What it may be.
        expected: &'static str,
    },
    /// The short and the long form of a network were mixed.
    #[error(
        "a network is given by `hidden` (with activation, dropout, batch_norm) or by `layers`, not by both"
    )]
    TwoForms,
    /// Batch norm cannot learn from one row.
    #[error("batch norm needs at least 2 rows in a training batch, got {rows}")]
    TooFewRows {
        /// Rows of the batch.
        rows: usize,
    },
    /// A saved network does not fit its description.
    #[error(transparent)]
    State(#[from] CoreError),
    /// The saved settings could not be read.
    #[error("settings of a saved network: {0}")]
    Settings(#[from] serde_json::Error),
    /// A device that is not there, or could not be used.
    #[error(transparent)]
    Device(#[from] hitcast_torch_sys::TorchError),
    /// libtorch refused an operation.
    #[error("libtorch: {0}")]
    Torch(#[from] tch::TchError),
    /// A thread that used the network before panicked.
    #[error("the network was left in the middle of a prediction by a thread that panicked; load it again")]
    Poisoned,
}

impl NnError {
    pub(crate) fn setting(
        setting: impl Into<String>,
        value: impl std::fmt::Display,
        expected: &'static str,
    ) -> Self {
        Self::Setting {
            setting: setting.into(),
            value: value.to_string(),
            expected,
        }
    }
}
