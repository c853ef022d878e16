//! The errors of this crate.

use std::path::PathBuf;

use hitcast_classical::ClassicalError;
use thiserror::Error;

use crate::find::Booster;

/// A result with [`BoosterError`].
pub(crate) type Result<T, E = BoosterError> = std::result::Result<T, E>;

/// What can go wrong with the libraries and what they learned; [`hitcast_core::CoreError::Model`] carries it.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BoosterError {
    /// The library is not on this machine.
    #[error(
        "{booster} is not here ({looked}): run `cargo xtask setup --boosters` in a checkout of hitcast, or `pip install {}` and set \
         {} to {}", .booster.package(), .booster.variable(), .booster.wanted()
    )]
    Absent {
        /// Which one.
        booster: Booster,
        /// Where it was looked for.
        looked: String,
    },
    /// The environment names something that is not there, or is not what it should be.
    #[error("{variable} is {value:?}: {detail}")]
    Named {
        /// The variable.
        variable: &'static str,
        /// Its value.
        value: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// The library's file cannot be opened, or is of another version than can be used.
    #[error("{booster}'s library {} cannot be used: {detail}", path.display())]
    Open {
        /// Which one.
        booster: Booster,
        /// The file.
        path: PathBuf,
        /// Why.
        detail: String,
    },
    /// The library refused something; these are its own words.
    #[error("{booster} says: {message}")]
    Library {
        /// Which one.
        booster: Booster,
        /// What it said.
        message: String,
    },
    /// The Python program that trains ended badly.
    #[error("CatBoost in {} failed: {detail}", python.display())]
    Python {
        /// The Python that ran it.
        python: PathBuf,
        /// The last that it said.
        detail: String,
    },
    /// A file for the Python program cannot be written or read.
    #[error("cannot {action} {}: {source}", path.display())]
    File {
        /// What was being done.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
    /// A stop was requested and the library did not come to the end of a round, or of the fit, in time.
    #[error(
        "{booster} was ended, because a stop was requested and {doing} did not end within {seconds} seconds"
    )]
    Stopped {
        /// Which one.
        booster: Booster,
        /// What it was doing, as in "its round".
        doing: &'static str,
        /// How long it was waited for.
        seconds: u64,
    },
    /// A library's model cannot be read, or has something that [`TreeEnsemble`](hitcast_classical::TreeEnsemble) cannot say.
    #[error("this is no model of {booster} that can be read: {detail}")]
    Model {
        /// Which one.
        booster: Booster,
        /// What is wrong.
        detail: String,
    },
    /// The trees that were read predict something else than the library.
    #[error(
        "{booster} predicts {library} where its trees, as they were read, predict {ours}: this version's models mean something else; \
         use the version that `cargo xtask setup --boosters` brings"
    )]
    Disagrees {
        /// Which one.
        booster: Booster,
        /// Prediction of the library, before the link.
        library: f64,
        /// Prediction of the trees, before the link.
        ours: f64,
    },
    /// Rows that there is nothing to learn from.
    #[error("there are no features: trees have nothing to ask for")]
    NoFeatures,
    /// A target or a weight that the libraries, which compute in 32 bits, cannot hold.
    #[error("{what} of row {row} is {value}, more than 32 bits can hold: scale it first")]
    TooLarge {
        /// The target or the weight.
        what: &'static str,
        /// Row, counted from 0.
        row: usize,
        /// The value.
        value: f64,
    },
    /// A weight above 0 of which 32 bits make 0, so that the row would not count.
    #[error("the weight of row {row} is {value:e}, which is 0 in 32 bits: scale the weights")]
    TooSmall {
        /// Row, counted from 0.
        row: usize,
        /// The weight.
        value: f64,
    },
    /// More rows or features than the library can number.
    #[error("{rows} rows of {features} features are more than {booster} can number")]
    TooMany {
        /// Which one.
        booster: Booster,
        /// Rows.
        rows: usize,
        /// Features.
        features: usize,
    },
    /// Early stopping was asked for where nothing tells when.
    #[error(
        "early_stopping_rounds is {rounds}, but there are no validation rows: give some, or leave it out"
    )]
    NoValidation {
        /// The setting.
        rounds: usize,
    },
    /// A setting, the rows, or trees that do not make a model.
    #[error(transparent)]
    Classical(#[from] ClassicalError),
    /// Validation rows of other features than the training rows.
    #[error(transparent)]
    Core(#[from] hitcast_core::CoreError),
}

impl BoosterError {
    pub(crate) fn model(booster: Booster, detail: impl Into<String>) -> Self {
        Self::Model {
            booster,
            detail: detail.into(),
        }
    }

    /// For `map_err`: what was being done to which file.
    pub(crate) fn file(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { action, path, source }
    }
}
