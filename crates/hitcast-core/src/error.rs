//! The errors of this crate, and the form in which models report theirs.

use thiserror::Error;

use crate::estimator::Task;

/// Any error of a model, boxed so that this crate need not know the crates below it.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A result with [`CoreError`].
pub type Result<T, E = CoreError> = std::result::Result<T, E>;

/// What can go wrong with data sets and models.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CoreError {
    /// Two things that belong together differ in length.
    #[error("{what}: expected {expected}, got {got}")]
    Length {
        /// What was compared, as in "rows of the target".
        what: &'static str,
        /// The length wanted.
        expected: usize,
        /// The length found.
        got: usize,
    },
    /// A model was given a matrix with another number of columns than it was fitted on.
    #[error("the model was fitted on {expected} features, but was given {got}")]
    WrongFeatures {
        /// Columns at the fit.
        expected: usize,
        /// Columns now.
        got: usize,
    },
    /// An output that the model does not have.
    #[error("output {output} was asked for, but the model has {outputs}, counted from 0")]
    NoOutput {
        /// The output asked for.
        output: usize,
        /// How many there are.
        outputs: usize,
    },
    /// A value that must be finite is not.
    #[error(
        "{what} has {value} in row {row}, column {column:?}: every value must be finite; impute or drop missing values first"
    )]
    NotFinite {
        /// Which matrix or vector.
        what: &'static str,
        /// Row, counted from 0.
        row: usize,
        /// Name of the column.
        column: String,
        /// The value found.
        value: f64,
    },
    /// A sample weight cannot be one.
    #[error(
        "the sample weight of row {row} is {value}, but must be finite and at least 0, and not all may be 0"
    )]
    Weight {
        /// Row, counted from 0.
        row: usize,
        /// The weight found.
        value: f64,
    },
    /// Numbers where classes were wanted, or the other way round, or another number of classes.
    #[error("expected {}, got {}", described(*expected), described(*got))]
    WrongTask {
        /// What was wanted.
        expected: Task,
        /// What was found.
        got: Task,
    },
    /// A row's class is none of the classes.
    #[error("row {row} is of class {class}, but there are {n_classes}, numbered from 0")]
    UnknownClass {
        /// Row, counted from 0.
        row: usize,
        /// Its class.
        class: usize,
        /// Number of classes.
        n_classes: usize,
    },
    /// Fewer than two classes.
    #[error("the target has {0} classes, but there is only something to learn where there are two or more")]
    TooFewClasses(usize),
    /// There are no rows.
    #[error("{what} has no rows")]
    NoRows {
        /// Which data set.
        what: &'static str,
    },
    /// A text that names no device.
    #[error("unknown device {0:?}: use auto, cpu, cuda or cuda:N")]
    UnknownDevice(String),
    /// A saved model lacks a tensor, or has it in another shape or type.
    #[error("saved model: {0}")]
    State(String),
    /// A file could not be written.
    #[error("cannot write {path}: {source}")]
    Write {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// Somebody else works in a folder.
    #[error(
        "{path} is in use by another run or fit that has not ended: wait for it, or end it, or give this one another folder"
    )]
    InUse {
        /// The folder.
        path: String,
    },
    /// One of many fits that a stop came before.
    #[error("{0} was not begun: a stop was requested before")]
    NotBegun(String),
    /// A model failed; `source` says how.
    #[error("{model}: {source}")]
    Model {
        /// Name of the model.
        model: String,
        /// The model's own error.
        source: BoxError,
    },
}

impl CoreError {
    /// Wraps a model's own error, naming the model.
    pub fn model(model: impl Into<String>, source: impl Into<BoxError>) -> Self {
        Self::Model {
            model: model.into(),
            source: source.into(),
        }
    }
}

/// A task in words.
fn described(task: Task) -> String {
    match task {
        Task::Regression => "numbers".to_owned(),
        Task::Classification { n_classes } => format!("{n_classes} classes"),
    }
}
