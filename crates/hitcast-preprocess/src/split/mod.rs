//! Training, validation and test rows, and folds: at random, stratified, by whole groups, or both.
//!
//! The same rows, settings and seed always give the same split. The rows of each part are in ascending order.

mod fractions;
mod group;
mod keys;
mod kfold;
mod stratify;

use hitcast_core::Seed;
use hitcast_data::Table;
use serde::{Deserialize, Serialize};

use crate::error::{PreprocessError, Result};

pub use fractions::Fractions;
pub use keys::{ClassColumn, Codes};
pub use kfold::{Fold, KFold};

/// What is kept together or in proportion when rows are divided.
///
/// In TOML: `strategy = { kind = "stratified", classes = { column = "popularity", bins = 10 } }`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum SplitStrategy {
    /// Every row for itself.
    #[default]
    Random,
    /// Each class has in each part its share of the part, to within one row.
    Stratified {
        /// Where the classes come from.
        classes: ClassColumn,
    },
    /// The rows of a group are all in the same part.
    Grouped {
        /// The column whose equal values are a group.
        groups: String,
    },
    /// The rows of a group are all in the same part, and classes have their shares as nearly as whole groups allow.
    GroupedStratified {
        /// The column whose equal values are a group.
        groups: String,
        /// Where the classes come from.
        classes: ClassColumn,
    },
}

/// How rows are divided into training, validation and test rows.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SplitSettings {
    /// What is kept together or in proportion. Default random.
    pub strategy: SplitStrategy,
    /// The sizes of the parts. Default 0.8, 0.1 and 0.1.
    pub fractions: Fractions,
}

/// The rows of each part, as indices into the table, in ascending order. No row is in two parts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct Split {
    /// Rows to learn from.
    pub train: Vec<usize>,
    /// Rows to stop early and to choose by.
    pub validation: Vec<usize>,
    /// Rows to measure on at the end.
    pub test: Vec<usize>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Unchecked {
    train: Vec<usize>,
    validation: Vec<usize>,
    test: Vec<usize>,
}

impl TryFrom<Unchecked> for Split {
    type Error = PreprocessError;

    fn try_from(saved: Unchecked) -> Result<Self> {
        let Unchecked {
            train,
            validation,
            test,
        } = saved;
        let mut rows: Vec<usize> = [&train[..], &validation[..], &test[..]].concat();
        rows.sort_unstable();
        match rows.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(PreprocessError::Fitted(format!(
                "row {} stands twice in the split",
                pair[0]
            ))),
            None => Ok(Self {
                train,
                validation,
                test,
            }),
        }
    }
}

impl Split {
    /// Number of rows in all parts together.
    pub fn n_rows(&self) -> usize {
        self.train.len() + self.validation.len() + self.test.len()
    }
}

impl SplitSettings {
    /// Divides the rows of a table.
    ///
    /// # Errors
    /// [`PreprocessError::Data`] if a column is not there, and what [`Fractions::split`] answers.
    pub fn split(&self, table: &Table, seed: Seed) -> Result<Split> {
        let (classes, groups) = self.strategy.codes(table)?;
        self.fractions
            .split(table.n_rows(), classes.as_ref(), groups.as_ref(), seed)
    }
}

impl SplitStrategy {
    /// The columns of the table that it looks at.
    pub fn columns(&self) -> Vec<&str> {
        match self {
            Self::Random => Vec::new(),
            Self::Stratified { classes } => vec![&classes.column],
            Self::Grouped { groups } => vec![groups],
            Self::GroupedStratified { groups, classes } => vec![groups, &classes.column],
        }
    }

    /// The classes and the groups of a table's rows.
    ///
    /// # Errors
    /// [`PreprocessError::Data`] if a column is not there, [`PreprocessError::NoGroup`] if a row has no group,
    /// [`PreprocessError::NoBins`] or [`PreprocessError::Setting`] on impossible bins.
    pub fn codes(&self, table: &Table) -> Result<(Option<Codes>, Option<Codes>)> {
        let (classes, groups) = match self {
            Self::Random => (None, None),
            Self::Stratified { classes } => (Some(classes), None),
            Self::Grouped { groups } => (None, Some(groups)),
            Self::GroupedStratified { groups, classes } => (Some(classes), Some(groups)),
        };
        let classes = classes.map(|column| Codes::classes(table, column)).transpose()?;
        Ok((
            classes,
            groups.map(|column| Codes::groups(table, column)).transpose()?,
        ))
    }
}

/// Divides rows into parts of these sizes (summing to their number) and returns the part of each row.
///
/// Without shuffling, rows, classes and groups are taken in the order in which they stand.
fn assign(
    sizes: &[usize],
    classes: Option<&Codes>,
    groups: Option<&Codes>,
    shuffle: bool,
    seed: Seed,
) -> Result<Vec<usize>> {
    let n_rows: usize = sizes.iter().sum();
    for (what, codes) in [("classes", classes), ("groups", groups)] {
        if let Some(got) = codes.map(Codes::len).filter(|got| *got != n_rows) {
            return Err(PreprocessError::Length {
                what,
                expected: n_rows,
                got,
            });
        }
    }
    let mut stream = seed.stream("split");
    let stream = shuffle.then_some(&mut stream);
    match (classes, groups) {
        (None, None) => Ok(stratify::by_class(sizes, &Codes::single(n_rows), stream)),
        (Some(classes), None) => {
            stratify::check_classes(sizes, classes, &classes.counts(), "rows")?;
            Ok(stratify::by_class(sizes, classes, stream))
        }
        (classes, Some(groups)) => group::by_group(sizes, classes, groups, stream),
    }
}

/// The rows of each of `n` parts.
fn rows_of(parts: &[usize], n: usize) -> Vec<Vec<usize>> {
    let mut rows = vec![Vec::new(); n];
    for (row, &part) in parts.iter().enumerate() {
        rows[part].push(row);
    }
    rows
}
