//! The errors of this crate.

use thiserror::Error;

use hitcast_core::suggest::did_you_mean;

/// A result with [`MetricsError`].
pub type Result<T, E = MetricsError> = std::result::Result<T, E>;

/// What can go wrong with metrics.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum MetricsError {
    /// There are no rows.
    #[error("{what}: there are no rows to measure on")]
    NoRows {
        /// What was to be computed.
        what: &'static str,
    },
    /// Two things that belong together differ in length.
    #[error("there are {got} {what} for {expected} actual values: both need one value a row")]
    Length {
        /// What has the wrong length, as in "predictions".
        what: &'static str,
        /// The number of actual values.
        expected: usize,
        /// The length found.
        got: usize,
    },
    /// A value is NaN or infinite.
    #[error("{what} have {value} in row {row}: every value must be finite")]
    NotFinite {
        /// Which values, as in "predictions".
        what: &'static str,
        /// Row, counted from 0.
        row: usize,
        /// The value found.
        value: f64,
    },
    /// The values are so large that a metric is no finite number any more.
    #[error("{metric} is {value}: the values are too large for 64-bit floats; use a smaller unit")]
    Overflow {
        /// The metric.
        metric: &'static str,
        /// What came out.
        value: f64,
    },
    /// Fewer than two classes.
    #[error("there are {n_classes} classes, but telling classes apart takes at least two")]
    Classes {
        /// The number found.
        n_classes: usize,
    },
    /// A class that there is not.
    #[error("{what} have class {class} in row {row}, but there are {n_classes} classes, numbered from 0")]
    UnknownClass {
        /// Which classes, as in "actual classes".
        what: &'static str,
        /// Row, counted from 0.
        row: usize,
        /// The class found.
        class: usize,
        /// The number of classes.
        n_classes: usize,
    },
    /// A probability that cannot be one.
    #[error("the probability of class {class} in row {row} is {value}: it must lie between 0 and 1")]
    Probability {
        /// Row, counted from 0.
        row: usize,
        /// The class.
        class: usize,
        /// The value found.
        value: f64,
    },
    /// Probabilities that are not those of all classes.
    #[error(
        "the probabilities of row {row} sum to {sum}, not to 1: divide them by their sum, or pass a softmax's output"
    )]
    ProbabilitySum {
        /// Row, counted from 0.
        row: usize,
        /// Their sum.
        sum: f64,
    },
    /// A curve needs rows of both kinds.
    #[error("{} of the rows is positive: a curve needs positive and negative ones", if *.positive { "every one" } else { "none" })]
    OneClass {
        /// Whether all rows are positive; else none is.
        positive: bool,
    },
    /// A class without rows where each needs some.
    #[error(
        "{what} needs rows of {needed} classes, but {occurring} have some, and class {class} has none: take more rows, or fewer \
         classes"
    )]
    MissingClass {
        /// What was to be learned.
        what: &'static str,
        /// The first class without rows.
        class: usize,
        /// Classes that have some.
        occurring: usize,
        /// Classes that must have some.
        needed: usize,
    },
    /// Probabilities of another number of classes than what they are given to.
    #[error("{what} is for {expected} classes, but was given the probabilities of {got}")]
    WrongClasses {
        /// What they were given to.
        what: &'static str,
        /// Its number of classes.
        expected: usize,
        /// The number found.
        got: usize,
    },
    /// A cost that cannot be one.
    #[error(
        "deciding for class {decided} where it is class {actual} costs {cost}, which must be finite and at least the cost of \
         deciding rightly, {right}: a row of the cost matrix is an actual class, a column a decided one"
    )]
    Cost {
        /// The actual class.
        actual: usize,
        /// The decided class.
        decided: usize,
        /// The cost found.
        cost: f64,
        /// The cost of the right decision.
        right: f64,
    },
    /// Something saved is damaged: a calibration, a threshold.
    #[error("what was saved is damaged: {0}")]
    Fitted(String),
    /// A text that names no metric.
    #[error("unknown metric {name:?}{suggestion}: use one of {available}")]
    UnknownMetric {
        /// The text.
        name: String,
        /// " (did you mean …?)", or nothing.
        suggestion: String,
        /// The names there are.
        available: String,
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
}

impl MetricsError {
    pub(crate) fn unknown_metric(name: &str, names: &[&'static str]) -> Self {
        let suggestion = did_you_mean(name, names.iter().copied());
        Self::UnknownMetric {
            name: name.to_owned(),
            suggestion,
            available: names.join(", "),
        }
    }
}
