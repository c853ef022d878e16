//! The errors of this crate.

use thiserror::Error;

/// What can go wrong while fitting a classical model; [`hitcast_core::CoreError::Model`] carries it.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum ClassicalError {
    /// A setting has a value that it may not have.
    #[error("{setting} is {value}, but must be {allowed}")]
    Setting {
        /// Name of the setting.
        setting: &'static str,
        /// The value it got.
        value: f64,
        /// What it may be.
        allowed: &'static str,
    },
    /// What was learned is no finite number.
    #[error("{what} came out as {value}: the targets or features are too large; scale them first")]
    NotFinite {
        /// What was learned, as in "the intercept".
        what: &'static str,
        /// What came out.
        value: f64,
    },
}
