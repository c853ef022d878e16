//! The errors of this crate.

use hitcast_core::CoreError;
use hitcast_data::{DataError, Table};
use thiserror::Error;

/// A result with [`PreprocessError`].
pub type Result<T, E = PreprocessError> = std::result::Result<T, E>;

/// What can go wrong while preparing data.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PreprocessError {
    /// There are no rows to learn from.
    #[error("{step}: there are no rows to learn from")]
    NoRows {
        /// What was to learn.
        step: &'static str,
    },
    /// A recipe names no columns.
    #[error("the recipe names no column: list the columns that become features under `columns`")]
    NoColumns,
    /// A matrix has another number of columns than the one learned from.
    #[error("{step} learned from {expected} columns, but was given {got}")]
    WrongColumns {
        /// What was asked.
        step: &'static str,
        /// Columns at the fit.
        expected: usize,
        /// Columns now.
        got: usize,
    },
    /// No row of a column has a value.
    #[error("{step}: column {column} has no value in any row to learn from; drop the column")]
    AllMissing {
        /// What was to learn.
        step: &'static str,
        /// Name or number of the column.
        column: String,
    },
    /// A value is infinite.
    #[error("{step}: column {column} is {value} in row {row}: numbers must be finite or missing")]
    NotFinite {
        /// What was to learn or to transform.
        step: &'static str,
        /// Name or number of the column.
        column: String,
        /// Row, counted from 0.
        row: usize,
        /// The value.
        value: f64,
    },
    /// A value is missing where none may be.
    #[error(
        "column {column:?} has no value in row {row} (data row {source_row} of the file, counted from 0): give the \
         column an imputer in the recipe (`impute`), or drop rows with missing values while cleaning"
    )]
    Missing {
        /// Name of the column.
        column: String,
        /// Row of the table, counted from 0.
        row: usize,
        /// The data row it was read from, counted from 0.
        source_row: u32,
    },
    /// What is learned is too large or too small for a number.
    #[error("{step}: the values of column {column} are so large or so close that its scale is {scale}")]
    Scale {
        /// The scaler.
        step: &'static str,
        /// Name or number of the column.
        column: String,
        /// What came out.
        scale: f64,
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
    /// A text column stands among numeric ones.
    #[error(
        "column {column:?} holds text, which needs an encoder to become a feature: give it one in the recipe (as \
         `encode = {{ kind = \"one_hot\" }}`), without `impute`, or take it out"
    )]
    NeedsEncoder {
        /// Name of the column.
        column: String,
    },
    /// A category that the training rows do not have.
    #[error(
        "{step}: column {column:?} is {value:?} in data row {row} of the file (counted from 0), a category that the training \
         rows do not have{suggestion}: correct it, or give the encoder another answer than an error (`unknown`)"
    )]
    UnknownCategory {
        /// The encoder.
        step: &'static str,
        /// Name of the column.
        column: String,
        /// Row that was encoded, or in recipes the data row that it was read from, counted from 0.
        row: usize,
        /// The category.
        value: String,
        /// " (did you mean …?)", or nothing.
        suggestion: String,
    },
    /// A column of lists is no text.
    #[error("{step}: column {column:?} holds {kind} values, but a list of labels is a text")]
    NotText {
        /// The encoder.
        step: &'static str,
        /// Name of the column.
        column: String,
        /// What it holds.
        kind: hitcast_data::ColumnKind,
    },
    /// An encoder learns from the target, which was not given.
    #[error(
        "column {column:?} is to be encoded by the target, which was not given: fit the recipe by `fit_transform`, with \
         the training rows' target"
    )]
    NeedsTarget {
        /// Name of the column.
        column: String,
    },
    /// There is no way back from encoded values.
    #[error(
        "column {column:?} is encoded in a way that several categories can share, so it cannot be taken back"
    )]
    OneWay {
        /// Name of the column.
        column: String,
    },
    /// A class that there is not.
    #[error("row {row} is of class {class}, but there are {n_classes} classes, numbered from 0")]
    UnknownClass {
        /// Row, counted from 0.
        row: usize,
        /// The class.
        class: usize,
        /// Number of classes.
        n_classes: usize,
    },
    /// A sampler cannot give a class that many rows.
    #[error("class {class} has {rows} rows and is to have {wanted}, but this sampler can give it {allowed}")]
    SampleCount {
        /// The class.
        class: usize,
        /// Rows that it has.
        rows: usize,
        /// Rows that it is to have.
        wanted: usize,
        /// What is possible.
        allowed: &'static str,
    },
    /// A class is too small to have so many neighbours.
    #[error(
        "{setting} is {k}, but there are only {rows} rows to find the neighbours of class {class} among, which must be more: \
         lower it, take the sampler `random_over`, or drop the class"
    )]
    TooFewNeighbors {
        /// Name of the setting.
        setting: &'static str,
        /// Neighbours wanted.
        k: usize,
        /// The class.
        class: usize,
        /// Rows there are.
        rows: usize,
    },
    /// A column holds another type than in the training rows.
    #[error(
        "column {column:?} holds {got} values, but held {expected} values in the training rows: read it with the same schema"
    )]
    KindChanged {
        /// Name of the column.
        column: String,
        /// What it held.
        expected: hitcast_data::ColumnKind,
        /// What it holds.
        got: hitcast_data::ColumnKind,
    },
    /// ADASYN finds no row that is hard to tell.
    #[error(
        "class {class} has no neighbour of another class, so ADASYN finds nothing that is hard to tell: take the sampler \
         `smote` instead"
    )]
    NoBorder {
        /// The class.
        class: usize,
    },
    /// A column stands twice in a recipe.
    #[error("column {column:?} stands twice in the recipe: each column can be one feature only")]
    DuplicateColumn {
        /// Name of the column.
        column: String,
    },
    /// Something saved is damaged: a preprocessor, a scaler, a split.
    #[error("what was saved is damaged: {0}")]
    Fitted(String),
    /// Fractions are not those of a split.
    #[error(
        "the fractions are train {train}, validation {validation} and test {test}: none may be negative, train must be \
         positive, and they must sum to 1"
    )]
    Fractions {
        /// Fraction of the training rows.
        train: f64,
        /// Fraction of the validation rows.
        validation: f64,
        /// Fraction of the test rows.
        test: f64,
    },
    /// A part of a split has no rows.
    #[error(
        "{n_rows} rows leave the {part} part empty: use more rows, another fraction, or 0 to go without it"
    )]
    EmptyPart {
        /// The part.
        part: &'static str,
        /// Rows there are.
        n_rows: usize,
    },
    /// A number of folds that cannot be.
    #[error("{folds} folds of {n_rows} rows: there must be at least 2 folds and at least one row a fold")]
    Folds {
        /// Number of folds.
        folds: usize,
        /// Rows there are.
        n_rows: usize,
    },
    /// A class is too small to be in every part.
    #[error(
        "class {class:?} has {got} {unit}, but {parts} parts need at least {parts}: merge or drop small classes, use \
         fewer bins, or do not stratify"
    )]
    ClassTooSmall {
        /// The class.
        class: String,
        /// What it has too few of: rows or groups.
        unit: &'static str,
        /// How many it has.
        got: usize,
        /// Number of parts.
        parts: usize,
    },
    /// There are fewer groups than parts.
    #[error(
        "there are {groups} groups for {parts} parts: a group is never divided, so there must be one a part"
    )]
    TooFewGroups {
        /// Number of groups.
        groups: usize,
        /// Number of parts.
        parts: usize,
    },
    /// A row has no group.
    #[error(
        "column {column:?}, which groups the rows, has no value in row {row}: drop rows without it while cleaning"
    )]
    NoGroup {
        /// Name of the column.
        column: String,
        /// Row of the table, counted from 0.
        row: usize,
    },
    /// A row has no value to make a class of.
    #[error(
        "column {column:?}, which the classes are made of, has no value in row {row} (counted from 0): drop such rows while \
         cleaning, or leave them out by `missing = \"drop\"`"
    )]
    NoTarget {
        /// Name of the column.
        column: String,
        /// Row, counted from 0.
        row: usize,
    },
    /// A number lies in none of the bins of the classes.
    #[error(
        "column {column:?} is {value} in row {row} (counted from 0), but its classes go from {low} to {high}: correct it, move \
         the outer `edges`, or leave such rows out by `outside = \"drop\"`"
    )]
    OutsideBins {
        /// Name of the column.
        column: String,
        /// Row, counted from 0.
        row: usize,
        /// The value.
        value: f64,
        /// The first edge.
        low: f64,
        /// The last edge.
        high: f64,
    },
    /// Classes are to be made of a column of another type.
    #[error(
        "column {column:?} holds {got} values, but a threshold or bins need {expected} values: take the rule `labels`, which \
         makes each value a class"
    )]
    TargetKind {
        /// Name of the column.
        column: String,
        /// What it must hold.
        expected: hitcast_data::ColumnKind,
        /// What it holds.
        got: hitcast_data::ColumnKind,
    },
    /// Fewer than two classes have rows enough.
    #[error(
        "fewer than two classes of column {column:?} have {needed} rows or more ({counts}): move the threshold or the edges, \
         lower `min_members`, or take more rows"
    )]
    TooFewClasses {
        /// Name of the column.
        column: String,
        /// The rows of each class.
        counts: String,
        /// Rows that a class must have.
        needed: usize,
    },
    /// Bins were asked for of a column that is no number.
    #[error(
        "column {column:?} holds {kind} values, which have no bins: leave out `bins`, each value is a class"
    )]
    NoBins {
        /// Name of the column.
        column: String,
        /// What it holds.
        kind: hitcast_data::ColumnKind,
    },
    /// Two things that belong together differ in length.
    #[error("there are {got} {what} for {expected} rows")]
    Length {
        /// What has the wrong length.
        what: &'static str,
        /// Number of rows.
        expected: usize,
        /// The length found.
        got: usize,
    },
    /// An error of the table.
    #[error(transparent)]
    Data(#[from] DataError),
    /// An error of the feature matrix.
    #[error(transparent)]
    Core(#[from] CoreError),
}

impl PreprocessError {
    /// Names the data row of the file where a row of this table is named.
    pub(crate) fn in_file(self, table: &Table) -> Self {
        match self {
            Self::UnknownCategory {
                step,
                column,
                row,
                value,
                suggestion,
            } => Self::UnknownCategory {
                step,
                column,
                row: table
                    .source_rows()
                    .get(row)
                    .map_or(row, |&source| source as usize),
                value,
                suggestion,
            },
            other => other,
        }
    }
}
