//! Gradient boosting on binned features (LightGBM, Ke et al. 2017; XGBoost, Chen and Guestrin 2016): trees grown leaf by leaf
//! from sums over bins, for many rows.

mod bins;
mod draws;
mod fit;
mod grow;
mod grown;
mod histogram;
mod scores;
mod split;
mod work;

use hitcast_core::parallel::threads_for;
use hitcast_core::{
    CoreError, Dataset, Estimator, FeatureBlock, Fit, FitContext, Result, Seed, StopSignal, Task,
};
use serde::{Deserialize, Serialize};

use self::bins::BINS;
use self::draws::part;
use self::fit::Boosting;
use self::grow::Ends;
use self::split::Limits;
use crate::checks::{at_least, expect, not_negative, numbered, positive, share};
use crate::ensemble::Link;
use crate::error::ClassicalError;
use crate::max_features::MaxFeatures;
use crate::saved::{Outcome, Size, reported};
use crate::tree_model::{TreeKind, TreeModel};

/// Numbers in bins below which another thread costs more than it brings.
const WORTH_A_THREAD: usize = 20_000;

/// Gradient boosting for many rows, of numbers (squared error) and classes (log loss). Each feature is divided into at most
/// 255 ranges before, and missing values (NaN, see [`Features::with_missing`](hitcast_core::Features::with_missing)) go to the
/// side of each split where they fit better.
///
/// Agrees with scikit-learn's `HistGradientBoostingRegressor` and `HistGradientBoostingClassifier` 1.9 as long as nothing is
/// drawn; names and defaults are theirs, and XGBoost's where theirs have none. Of sample weights only the ratios matter: their
/// mean counts as 1. Rows of weight 0 are left out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HistGradientBoosting {
    /// What share of its correction each tree makes, above 0. Default 0.1.
    pub learning_rate: f64,
    /// Number of iterations, at least 1; with three classes or more each has a tree for every class. Default 100.
    pub max_iter: usize,
    /// Leaves of a tree at most, at least 2. `None`: as many as it takes. Default 31.
    pub max_leaf_nodes: Option<usize>,
    /// Splits between the root and a leaf at most, at least 1. `None`, the default: as many as it takes.
    pub max_depth: Option<usize>,
    /// Rows that a leaf must have, at least 1. Default 20.
    pub min_samples_leaf: usize,
    /// Sum of second derivatives of the loss that a leaf must have, at least 0: for numbers that is its weight, for classes
    /// it is less where the prediction is certain. Default 0.001.
    pub min_child_weight: f64,
    /// Penalty on the squares of the leaves' values, at least 0. Default 0.
    pub l2_regularization: f64,
    /// Features looked at in each node, of those of the tree (`colsample_bytree`). Default all.
    pub max_features: MaxFeatures,
    /// Share of the features that each tree may ask for, above 0 and up to 1. Default 1.
    pub colsample_bytree: f64,
    /// Share of the rows that each iteration draws, without replacement; above 0 and up to 1. Default 1.
    pub subsample: f64,
    /// Ranges of a feature at most, from 2 to 255; missing values have one of their own. Default 255.
    pub max_bins: usize,
    /// Whether to stop when the loss of the validation rows no longer falls, and to keep the trees up to where it last fell by more
    /// than `tol`. There must be validation rows then; their weights count. Default no.
    pub early_stopping: bool,
    /// Iterations without improvement after which it stops, at least 1. Default 10.
    pub n_iter_no_change: usize,
    /// How much lower than the lowest so far the loss of the validation rows must be to count as better, at least 0. Default 1e-7.
    pub tol: f64,
    /// Number of threads, 0 for all cores. The result does not depend on it. Default 0.
    pub threads: usize,
}

impl Default for HistGradientBoosting {
    fn default() -> Self {
        Self {
            learning_rate: 0.1,
            max_iter: 100,
            max_leaf_nodes: Some(31),
            max_depth: None,
            min_samples_leaf: 20,
            min_child_weight: 1e-3,
            l2_regularization: 0.0,
            max_features: MaxFeatures::All,
            colsample_bytree: 1.0,
            subsample: 1.0,
            max_bins: 255,
            early_stopping: false,
            n_iter_no_change: 10,
            tol: 1e-7,
            threads: 0,
        }
    }
}

impl HistGradientBoosting {
    /// The kind under which it is saved.
    pub const KIND: &'static str = TreeKind::HistGradientBoosting.name();

    /// Learns from the training rows.
    ///
    /// # Errors
    /// [`CoreError::Model`] with [`ClassicalError::Setting`] on an impossible setting, with [`ClassicalError::OneClass`], with
    /// [`ClassicalError::NotFinite`] if the targets are too large, or with [`ClassicalError::NoValidation`] if it is to stop
    /// early.
    pub fn fit_model(&self, train: &Dataset, seed: Seed) -> Result<TreeModel> {
        let stop = StopSignal::new();
        self.boost(train, None, &FitContext::quiet(Self::KIND, seed, &stop))
            .map(|outcome| outcome.model)
    }

    fn check(&self, has_validation: bool) -> Result<(), ClassicalError> {
        positive("learning_rate", self.learning_rate)?;
        at_least("max_iter", self.max_iter, 1, "at least 1")?;
        at_least(
            "max_leaf_nodes",
            self.max_leaf_nodes.unwrap_or(2),
            2,
            "at least 2",
        )?;
        at_least("max_depth", self.max_depth.unwrap_or(1), 1, "at least 1")?;
        at_least("min_samples_leaf", self.min_samples_leaf, 1, "at least 1")?;
        not_negative("min_child_weight", self.min_child_weight)?;
        not_negative("l2_regularization", self.l2_regularization)?;
        share("colsample_bytree", self.colsample_bytree)?;
        share("subsample", self.subsample)?;
        #[allow(clippy::cast_precision_loss)]
        let bins = self.max_bins as f64;
        expect(
            (2..BINS).contains(&self.max_bins),
            "max_bins",
            bins,
            "from 2 to 255",
        )?;
        at_least("n_iter_no_change", self.n_iter_no_change, 1, "at least 1")?;
        not_negative("tol", self.tol)?;
        if self.early_stopping && !has_validation {
            return Err(ClassicalError::NoValidation {
                setting: "early_stopping",
            });
        }
        Ok(())
    }

    fn boost(
        &self,
        train: &Dataset,
        validation: Option<&Dataset>,
        context: &FitContext<'_>,
    ) -> Result<Outcome<TreeModel>> {
        if let Some(validation) = validation {
            validation.expect_task(train.task())?;
            if validation.n_features() != train.n_features() {
                return Err(CoreError::WrongFeatures {
                    expected: train.n_features(),
                    got: validation.n_features(),
                });
            }
        }
        let fit = || {
            for data in [Some(train), validation].into_iter().flatten() {
                numbered(data.n_rows())?;
            }
            self.check(validation.is_some())?;
            let boosting = Boosting {
                settings: self,
                ends: self.ends(train.n_features())?,
                limits: self.limits(),
                train,
                validation,
                context,
            };
            boosting.fit()
        };
        fit().map_err(|error| CoreError::model(Self::KIND, error))
    }

    fn ends(&self, n_features: usize) -> Result<Ends, ClassicalError> {
        // A share is one of the features that the tree has drawn; a count must be one that the rows have.
        let all = self.max_features.of(n_features)?;
        let of_tree = part(self.colsample_bytree, n_features);
        let max_features = match self.max_features {
            MaxFeatures::Count(_) => all.min(of_tree),
            share => share.of(of_tree)?,
        };
        Ok(Ends {
            max_leaf_nodes: self.max_leaf_nodes,
            max_depth: self.max_depth,
            min_samples_leaf: self.min_samples_leaf,
            max_features,
        })
    }

    #[allow(clippy::cast_precision_loss)]
    fn limits(&self) -> Limits {
        Limits {
            min_samples_leaf: self.min_samples_leaf as f64,
            min_child_weight: self.min_child_weight,
            l2_regularization: self.l2_regularization,
        }
    }

    /// The threads for so many numbers.
    fn threads(&self, train: &Dataset) -> usize {
        threads_for(
            self.threads,
            train.n_rows().saturating_mul(train.n_features()) / WORTH_A_THREAD,
        )
    }

    /// What growing will take: rows in bins, histograms of the nodes that wait, and trees.
    fn size(&self, train: &Dataset, validation: Option<&Dataset>) -> Size {
        let rows = train.n_rows();
        let outputs = Link::n_scores(train.task());
        let by_depth = |depth| {
            1_usize
                .checked_shl(u32::try_from(depth).unwrap_or(u32::MAX))
                .unwrap_or(usize::MAX)
        };
        let leaves = (rows / self.min_samples_leaf.max(1))
            .min(self.max_leaf_nodes.unwrap_or(usize::MAX))
            .min(self.max_depth.map_or(usize::MAX, by_depth))
            .max(1);
        // Scores, slopes and numbers of the rows, of those that are watched without slopes.
        let watched = validation.map_or(0, Dataset::n_rows);
        let mut bytes = 8 * rows * (3 * outputs + 4) + 8 * watched * (outputs + 2);
        let mut entries = 0_usize;
        for block in train.features().blocks() {
            let (own, kept) = match block {
                FeatureBlock::Dense(matrix) => (BINS * matrix.ncols(), (rows + watched) * matrix.ncols()),
                _ => (block.width(), 0),
            };
            entries += own;
            bytes += kept;
        }
        // Without a limit the newest node is split next, and only those beside its way down wait.
        let waiting = match self.max_leaf_nodes {
            Some(_) => leaves,
            None => leaves.min(64),
        };
        let entry = if train.task() == Task::Regression && train.weights().is_none() {
            16
        } else {
            24
        };
        let grown = leaves.saturating_mul(self.max_iter).saturating_mul(outputs);
        Size {
            rows,
            parameters: grown.saturating_mul(3),
            bytes: bytes
                .saturating_add(waiting.saturating_mul(entries).saturating_mul(entry))
                .saturating_add(grown.saturating_mul(48)),
        }
    }
}

impl Estimator for HistGradientBoosting {
    fn fit(&self, train: &Dataset, validation: Option<&Dataset>, context: &FitContext<'_>) -> Result<Fit> {
        reported(context, self.size(train, validation), self.max_iter, || {
            self.boost(train, validation, context)
        })
    }

    fn uses_validation(&self) -> bool {
        self.early_stopping
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_of_a_node_are_a_part_of_those_of_its_tree() {
        let of_node = |max_features, colsample_bytree| {
            let settings = HistGradientBoosting {
                max_features,
                colsample_bytree,
                ..HistGradientBoosting::default()
            };
            settings.ends(16).map(|ends| ends.max_features)
        };
        assert_eq!(of_node(MaxFeatures::Share(0.5), 0.5).unwrap(), 4);
        assert_eq!(of_node(MaxFeatures::Share(0.5), 1.0).unwrap(), 8);
        assert_eq!(of_node(MaxFeatures::Sqrt, 0.25).unwrap(), 2);
        assert_eq!(of_node(MaxFeatures::All, 0.25).unwrap(), 4);
        assert_eq!(of_node(MaxFeatures::Count(3), 0.25).unwrap(), 3);
        assert_eq!(of_node(MaxFeatures::Count(9), 0.25).unwrap(), 4);
        assert!(of_node(MaxFeatures::Count(17), 0.25).is_err());
    }
}
