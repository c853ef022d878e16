//! The errors of this crate.

use hitcast_core::suggest::did_you_mean;
use hitcast_core::{BoxError, CoreError};
use thiserror::Error;

/// A result with [`ExplainError`].
pub type Result<T, E = ExplainError> = std::result::Result<T, E>;

/// What can go wrong while explaining.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ExplainError {
    /// There are no rows.
    #[error("{what}: there are no rows to explain by")]
    NoRows {
        /// What was to be computed.
        what: &'static str,
    },
    /// A row that there is not.
    #[error("row {row} is to be explained, but there are {n_rows} rows, counted from 0")]
    NoRow {
        /// The row.
        row: usize,
        /// Number of rows.
        n_rows: usize,
    },
    /// A setting has a value that it may not have.
    #[error("{setting} is {value}, but must be {allowed}")]
    Setting {
        /// Name of the setting.
        setting: &'static str,
        /// The value it got.
        value: String,
        /// What it may be.
        allowed: &'static str,
    },
    /// A source column that no feature comes from.
    #[error("no feature comes from column {name:?}{suggestion}: they come from {available}")]
    UnknownSource {
        /// The name.
        name: String,
        /// " (did you mean …?)", or nothing.
        suggestion: String,
        /// The names there are.
        available: String,
    },
    /// A source of several columns where a number is needed.
    #[error(
        "{what} follows a number from small to large, but column {name:?} is encoded in {columns} columns: use partial \
         dependence for it"
    )]
    NotNumeric {
        /// What was to be computed.
        what: &'static str,
        /// Name of the source column.
        name: String,
        /// Features that come from it.
        columns: usize,
    },
    /// Too many sources to go through all their subsets.
    #[error(
        "exact Shapley values go through all subsets of the columns, which are {got}; at most {most} can be: use sampled ones"
    )]
    TooManySources {
        /// Number of source columns.
        got: usize,
        /// The most that can be.
        most: usize,
    },
    /// Two sets of rows that belong together have other columns.
    #[error(
        "{what} has feature {got:?} where {expected:?} is expected: transform all rows by the same preprocessor"
    )]
    OtherColumns {
        /// Which rows.
        what: &'static str,
        /// The column wanted.
        expected: String,
        /// The column found.
        got: String,
    },
    /// An output that this model does not have.
    #[error("{wanted} is to be explained, but the model predicts {predicted}")]
    WrongOutput {
        /// What was asked for.
        wanted: String,
        /// What the model predicts.
        predicted: String,
    },
    /// A model that cannot be differentiated.
    #[error("a {model} model has no gradients; Shapley values, sampled or exact, explain any model")]
    NoGradients {
        /// Kind of the model.
        model: String,
    },
    /// A model without Shapley values of its own.
    #[error(
        "a {model} model has no Shapley values of its own for this; sampled or exact ones explain any model"
    )]
    NoOwnShapley {
        /// Kind of the model.
        model: String,
    },
    /// A prediction, a metric or an importance is no finite number.
    #[error("{what} is {value}: only finite numbers can be explained")]
    NotFinite {
        /// What it is.
        what: String,
        /// The value found.
        value: f64,
    },
    /// Two things that belong together differ in length.
    #[error("{what}: expected {expected}, got {got}")]
    Length {
        /// What was compared.
        what: &'static str,
        /// The length wanted.
        expected: usize,
        /// The length found.
        got: usize,
    },
    /// The metric of a permutation importance failed.
    #[error("the metric: {0}")]
    Score(BoxError),
    /// An error of the model or of the features.
    #[error(transparent)]
    Core(#[from] CoreError),
}

impl ExplainError {
    pub(crate) fn unknown_source<'a>(name: &str, names: impl Iterator<Item = &'a str> + Clone) -> Self {
        Self::UnknownSource {
            name: name.to_owned(),
            suggestion: did_you_mean(name, names.clone()),
            available: names.collect::<Vec<_>>().join(", "),
        }
    }

    pub(crate) fn setting(setting: &'static str, value: impl ToString, allowed: &'static str) -> Self {
        Self::Setting {
            setting,
            value: value.to_string(),
            allowed,
        }
    }
}
