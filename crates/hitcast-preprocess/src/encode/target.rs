//! The mean target of a category, learned so that no row is told its own target.

use hitcast_core::stats::mean;
use hitcast_core::{FeatureColumn, Seed};
use hitcast_data::Column;
use serde::{Deserialize, Serialize};

use super::category::{Category, Counted, check_categories, codes};
use crate::column::check_fitted;
use crate::error::{PreprocessError, Result};
use crate::split::{Codes, KFold};

pub(crate) const STEP: &str = "TargetEncoder";

/// Gives each category the mean target of its training rows, drawn towards the mean of all rows the more, the fewer rows it
/// has (Micci-Barreca 2001). With more than two classes it makes a column for each class.
///
/// What the training rows themselves become is learned out of fold: from the rows of the other folds only, else a category
/// of one row would carry that row's target. Agrees with scikit-learn's `TargetEncoder` 1.9. A missing value is a
/// category; an unknown one has the mean of all rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TargetEncoder {
    /// How far categories are drawn towards the mean of all rows.
    pub smooth: Smoothing,
    /// Number of folds for the training rows, at least 2. Default 5.
    pub folds: usize,
}

/// How far the mean of a category is drawn towards that of all rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Smoothing {
    /// By the variance within the category and that of all rows (empirical Bayes).
    #[default]
    Auto,
    /// As if so many rows with the mean of all rows stood in each category, at least 0.
    Rows(f64),
}

impl Default for TargetEncoder {
    fn default() -> Self {
        Self {
            smooth: Smoothing::Auto,
            folds: 5,
        }
    }
}

/// What is predicted, for encoders that learn from it: one value a row.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// The values.
    pub values: TargetValues<'a>,
    /// Rows that belong together, as those of one song: they are never divided between folds, because one would tell the
    /// target of the other.
    pub groups: Option<&'a Codes>,
}

/// The values of a target.
#[derive(Debug, Clone, Copy)]
pub enum TargetValues<'a> {
    /// Numbers.
    Numbers(&'a [f64]),
    /// Classes, numbered from 0; with two of them, the mean is the share of class 1.
    Classes {
        /// The class of each row.
        classes: &'a [usize],
        /// Number of classes, at least 2.
        n_classes: usize,
    },
}

impl TargetValues<'_> {
    /// Number of rows.
    pub fn len(&self) -> usize {
        match self {
            Self::Numbers(values) => values.len(),
            Self::Classes { classes, .. } => classes.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The numbers whose means are learned: one column, or one for each of more than two classes.
    fn columns(&self) -> Vec<Vec<f64>> {
        match *self {
            Self::Numbers(values) => vec![values.to_vec()],
            Self::Classes { classes, n_classes } => {
                let counted = if n_classes == 2 { 1..2 } else { 0..n_classes };
                let is = |wanted: usize| move |class: &usize| f64::from(u8::from(*class == wanted));
                counted
                    .map(|class| classes.iter().map(is(class)).collect())
                    .collect()
            }
        }
    }
}

/// A [`TargetEncoder`] after its fit on one column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FittedTargetEncoder {
    /// The categories, sorted.
    pub categories: Vec<Category>,
    /// For each column that is made, the number of each category.
    pub encodings: Vec<Vec<f64>>,
    /// For each column that is made, the mean of all training rows.
    pub means: Vec<f64>,
}

impl TargetEncoder {
    /// Learns the mean target of each category from all training rows: for rows to come.
    ///
    /// # Errors
    /// [`PreprocessError::Setting`], [`PreprocessError::NeedsTarget`], [`PreprocessError::Length`],
    /// [`PreprocessError::NoRows`], [`PreprocessError::AllMissing`], [`PreprocessError::NotFinite`] for an infinite
    /// category or a target that is no finite number.
    pub fn fit(
        &self,
        name: &str,
        column: &Column,
        target: Option<&Target<'_>>,
    ) -> Result<FittedTargetEncoder> {
        let (counted, targets) = self.checked(name, column, target)?;
        let rows: Vec<usize> = (0..column.len()).collect();
        let (encodings, means) = targets
            .iter()
            .map(|target| self.encode(&counted, target, &rows))
            .unzip();
        Ok(FittedTargetEncoder {
            categories: counted.categories,
            encodings,
            means,
        })
    }

    /// What the training rows become, each learned from the rows of other folds.
    ///
    /// # Errors
    /// As [`fit`](Self::fit), and [`PreprocessError::Folds`] or [`PreprocessError::TooFewGroups`] if there are too few rows
    /// or groups.
    pub fn out_of_fold(
        &self,
        name: &str,
        column: &Column,
        target: Option<&Target<'_>>,
        seed: Seed,
    ) -> Result<Vec<Vec<f64>>> {
        let (counted, targets) = self.checked(name, column, target)?;
        let folds = self.folds(column.len(), target, seed)?;
        let encoded = targets.iter().map(|target| {
            let mut values = vec![f64::NAN; column.len()];
            for fold in &folds {
                let (encodings, mean) = self.encode(&counted, target, &fold.train);
                for &row in &fold.test {
                    let known = encodings.get(counted.codes[row] as usize);
                    values[row] = known.copied().unwrap_or(mean);
                }
            }
            values
        });
        Ok(encoded.collect())
    }

    fn folds(
        &self,
        n_rows: usize,
        target: Option<&Target<'_>>,
        seed: Seed,
    ) -> Result<Vec<crate::split::Fold>> {
        let k_fold = KFold {
            folds: self.folds,
            ..KFold::default()
        };
        let seed = seed.child("target encoder");
        let groups = target.and_then(|target| target.groups);
        let classes = target.and_then(|target| match target.values {
            TargetValues::Numbers(_) => None,
            TargetValues::Classes { classes, .. } => {
                let keys: Vec<u64> = classes.iter().map(|&class| class as u64).collect();
                Some(Codes::new(&keys))
            }
        });
        match k_fold.split_rows(n_rows, classes.as_ref(), groups, seed) {
            // A class that is not in every fold is no reason to go without folds.
            Err(PreprocessError::ClassTooSmall { .. }) => k_fold.split_rows(n_rows, None, groups, seed),
            folds => folds,
        }
    }

    /// The number of each category, and the mean of all, from these rows.
    #[allow(clippy::cast_precision_loss)]
    fn encode(&self, counted: &Counted, target: &[f64], rows: &[usize]) -> (Vec<f64>, f64) {
        let values: Vec<f64> = rows.iter().map(|&row| target[row]).collect();
        let mean_of_all = mean(&values);
        let variance = mean(
            &values
                .iter()
                .map(|v| (v - mean_of_all).powi(2))
                .collect::<Vec<_>>(),
        );
        // Around the mean of all rows, so that sums of squares do not cancel.
        let mut sums = vec![(0_usize, 0.0, 0.0); counted.categories.len()];
        for (&row, value) in rows.iter().zip(&values) {
            if let Some((n, sum, squares)) = sums.get_mut(counted.codes[row] as usize) {
                let centred = value - mean_of_all;
                *n += 1;
                *sum += centred;
                *squares += centred * centred;
            }
        }
        let encode = |(n, sum, squares): (usize, f64, f64)| {
            if n == 0 {
                return mean_of_all;
            }
            let n = n as f64;
            match self.smooth {
                Smoothing::Rows(rows) => mean_of_all + sum / (n + rows),
                Smoothing::Auto => {
                    let within = (squares - sum * sum / n).max(0.0) / n;
                    let share = variance * n / (variance * n + within);
                    // Neither varies: all rows have the same target.
                    if share.is_nan() {
                        mean_of_all
                    } else {
                        mean_of_all + share * sum / n
                    }
                }
            }
        };
        (sums.into_iter().map(encode).collect(), mean_of_all)
    }

    fn checked(
        &self,
        name: &str,
        column: &Column,
        target: Option<&Target<'_>>,
    ) -> Result<(Counted, Vec<Vec<f64>>)> {
        self.check()?;
        let target = target.ok_or_else(|| PreprocessError::NeedsTarget {
            column: name.to_owned(),
        })?;
        if target.values.len() != column.len() {
            return Err(PreprocessError::Length {
                what: "values of the target",
                expected: column.len(),
                got: target.values.len(),
            });
        }
        let targets = target.values.columns();
        for values in &targets {
            if let Some(row) = values.iter().position(|v| !v.is_finite()) {
                return Err(PreprocessError::NotFinite {
                    step: STEP,
                    column: "of the target".to_owned(),
                    row,
                    value: values[row],
                });
            }
        }
        Ok((Counted::new(STEP, name, column)?, targets))
    }

    pub(crate) fn check(&self) -> Result<()> {
        let setting = |setting, value, allowed| {
            Err(PreprocessError::Setting {
                setting,
                value,
                allowed,
            })
        };
        if self.folds < 2 {
            return setting("encode.folds", self.folds.to_string(), "at least 2");
        }
        match self.smooth {
            Smoothing::Rows(rows) if !(rows.is_finite() && rows >= 0.0) => setting(
                "encode.smooth.rows",
                rows.to_string(),
                "a finite number, at least 0",
            ),
            _ => Ok(()),
        }
    }
}

impl FittedTargetEncoder {
    /// Encodes a column of rows that it did not learn from.
    pub fn transform(&self, column: &Column) -> Vec<Vec<f64>> {
        let codes = codes(&self.categories, column);
        let encode = |(encodings, mean): (&Vec<f64>, &f64)| {
            let known = |code: &u32| encodings.get(*code as usize).copied().unwrap_or(*mean);
            codes.iter().map(known).collect()
        };
        self.encodings.iter().zip(&self.means).map(encode).collect()
    }

    pub(super) fn feature_columns(&self, name: &str) -> Vec<FeatureColumn> {
        match self.means.len() {
            1 => vec![FeatureColumn::of(name, format!("{name}_target"))],
            n => (0..n)
                .map(|class| FeatureColumn::of(name, format!("{name}_target_{class}")))
                .collect(),
        }
    }

    pub(super) fn check(&self) -> Result<()> {
        check_categories(STEP, &self.categories)?;
        check_fitted(STEP, &[("means", &self.means)])?;
        if self.means.is_empty() || self.encodings.len() != self.means.len() {
            let message = format!("{STEP}: there is not one mean for each column");
            return Err(PreprocessError::Fitted(message));
        }
        for encodings in &self.encodings {
            check_fitted(STEP, &[("encodings", encodings)])?;
            if encodings.len() != self.categories.len() {
                let message = format!("{STEP}: there is not one number for each category");
                return Err(PreprocessError::Fitted(message));
            }
        }
        Ok(())
    }
}
