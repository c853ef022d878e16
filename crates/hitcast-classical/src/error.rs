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
    /// A setting is one of several choices, but not one that fits the task.
    #[error("{setting} is {value:?}, but must be {allowed}")]
    Choice {
        /// Name of the setting.
        setting: &'static str,
        /// The choice it got.
        value: String,
        /// What it may be.
        allowed: &'static str,
    },
    /// Nodes, or trees, that do not make a model.
    #[error("these are no trees that predict: {what}")]
    Tree {
        /// What is wrong.
        what: String,
    },
    /// Fewer rows than the model needs, or more than it can number.
    #[error("{rows} training rows, but there must be {needed}")]
    Rows {
        /// Rows there are; of those with a weight above 0.
        rows: usize,
        /// How many there must be, in words.
        needed: String,
    },
    /// All training rows are of one class.
    #[error("all training rows are of class {class}: there must be rows of two classes or more")]
    OneClass {
        /// The class.
        class: usize,
    },
    /// Something needs validation rows and there are none.
    #[error(
        "{setting} watches the validation loss, but there are no validation rows; add some or remove the setting"
    )]
    NoValidation {
        /// The setting.
        setting: &'static str,
    },
    /// Other columns of the validation rows are encoded than of the training rows.
    #[error(
        "other columns of the validation rows are encoded than of the training rows: make both by the same recipe"
    )]
    Encoding,
    /// The numbers still move after the last pass.
    #[error(
        "not converged after {setting} = {value}, with {left:.1e} left of 1: allow more, scale the features, or ask for less"
    )]
    NotConverged {
        /// The setting that ended it.
        setting: &'static str,
        /// Its value.
        value: usize,
        /// How far it was from done, as a share.
        left: f64,
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
