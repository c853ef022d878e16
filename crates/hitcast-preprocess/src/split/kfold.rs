//! Folds for cross-validation.

use hitcast_core::Seed;
use hitcast_data::Table;
use serde::{Deserialize, Serialize};

use super::{Codes, SplitStrategy, assign, rows_of};
use crate::error::{PreprocessError, Result};

/// Settings of k-fold cross-validation: every row is a test row in exactly one fold.
///
/// Folds differ in size by at most one row, the larger ones first, as in scikit-learn's `KFold`; with groups as little
/// as whole groups allow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KFold {
    /// Number of folds, at least 2. Default 5.
    pub folds: usize,
    /// Whether rows (or groups) are put into random order first. Default true.
    pub shuffle: bool,
    /// What is kept together or in proportion. Default random.
    pub strategy: SplitStrategy,
}

/// One fold: the rows to learn from and the rows to test on, in ascending order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fold {
    /// Rows to learn from.
    pub train: Vec<usize>,
    /// Rows to test on.
    pub test: Vec<usize>,
}

impl Default for KFold {
    fn default() -> Self {
        Self {
            folds: 5,
            shuffle: true,
            strategy: SplitStrategy::Random,
        }
    }
}

impl KFold {
    /// The folds of a table's rows.
    ///
    /// # Errors
    /// [`PreprocessError::Data`] if a column is not there, and what [`split_rows`](Self::split_rows) answers.
    pub fn split(&self, table: &Table, seed: Seed) -> Result<Vec<Fold>> {
        let (classes, groups) = self.strategy.codes(table)?;
        self.split_rows(table.n_rows(), classes.as_ref(), groups.as_ref(), seed)
    }

    /// The folds of `n_rows` rows, in proportion of their classes and by whole groups where these are given; the
    /// [`strategy`](Self::strategy) is not looked at.
    ///
    /// # Errors
    /// [`PreprocessError::Folds`] on fewer than 2 folds or fewer rows than folds; [`PreprocessError::Length`] if there is
    /// not one class or group a row; [`PreprocessError::ClassTooSmall`] if a class has fewer rows (or, with groups, is
    /// in fewer groups) than there are folds; [`PreprocessError::TooFewGroups`].
    pub fn split_rows(
        &self,
        n_rows: usize,
        classes: Option<&Codes>,
        groups: Option<&Codes>,
        seed: Seed,
    ) -> Result<Vec<Fold>> {
        let folds = self.folds;
        if folds < 2 || n_rows < folds {
            return Err(PreprocessError::Folds { folds, n_rows });
        }
        let sizes: Vec<usize> = (0..folds)
            .map(|fold| n_rows / folds + usize::from(fold < n_rows % folds))
            .collect();
        let parts = assign(&sizes, classes, groups, self.shuffle, seed)?;
        Ok(rows_of(&parts, folds)
            .into_iter()
            .enumerate()
            .map(|(fold, test)| Fold {
                train: (0..n_rows).filter(|&row| parts[row] != fold).collect(),
                test,
            })
            .collect())
    }
}
