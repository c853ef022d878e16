//! Random forests (Breiman 2001) and extremely randomised trees (Geurts, Ernst and Wehenkel 2006).

use hitcast_core::parallel::{map_with, threads_for};
use hitcast_core::{
    CoreError, Dataset, Estimator, FeatureBlock, Fit, FitContext, Result, Seed, StopReason, Task,
};
use serde::{Deserialize, Serialize};

use crate::checks::{at_least, not_negative, numbered};
use crate::draws::Draws;
use crate::ensemble::{Combination, Link, TreeEnsemble};
use crate::error::ClassicalError;
use crate::grow::{
    Classes, Columns, Criterion, Entropy, Gini, Grower, Grown, Limits, Random, Sorted, Splitter, Squares,
};
use crate::max_features::MaxFeatures;
use crate::saved::{Outcome, Size, reported};
use crate::tree_model::{TreeKind, TreeModel, shares};

/// What makes a good split.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SplitCriterion {
    /// The sum of squares around each side's mean, for numbers.
    SquaredError,
    /// Gini's impurity, for classes.
    Gini,
    /// Shannon's entropy, for classes.
    Entropy,
}

/// Settings of a forest, for numbers and for classes; names and defaults are those of scikit-learn 1.9.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ForestSettings {
    /// Number of trees, at least 1. Default 100.
    pub n_estimators: usize,
    /// What makes a good split. `None`, the default: squared error for numbers, Gini for classes.
    pub criterion: Option<SplitCriterion>,
    /// Splits between the root and a leaf at most, at least 1. `None`, the default: as many as it takes.
    pub max_depth: Option<usize>,
    /// Rows that a node must have to be split, at least 2. Default 2.
    pub min_samples_split: usize,
    /// Rows that a leaf must have, at least 1. Default 1.
    pub min_samples_leaf: usize,
    /// Features looked at in each node. `None`, the default: all for numbers, √d for classes.
    pub max_features: Option<MaxFeatures>,
    /// How much a split must lower the impurity of all rows, at least 0. Default 0.
    pub min_impurity_decrease: f64,
    /// Whether each tree learns from as many rows as there are, drawn with replacement, in proportion to their weights.
    /// `None`, the default: yes for a random forest, no for extra trees.
    pub bootstrap: Option<bool>,
    /// Number of threads, 0 for all cores. The result does not depend on it. Default 0.
    pub threads: usize,
}

impl Default for ForestSettings {
    fn default() -> Self {
        Self {
            n_estimators: 100,
            criterion: None,
            max_depth: None,
            min_samples_split: 2,
            min_samples_leaf: 1,
            max_features: None,
            min_impurity_decrease: 0.0,
            bootstrap: None,
            threads: 0,
        }
    }
}

/// A forest whose trees take the best of all splits, each on a draw of the rows.
///
/// Grows trees as scikit-learn's `RandomForestRegressor` and `RandomForestClassifier` 1.9 do; which rows and features are
/// drawn differs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RandomForest(pub ForestSettings);

/// A forest whose trees take the best of one random split for each feature, on all rows.
///
/// Grows trees as scikit-learn's `ExtraTreesRegressor` and `ExtraTreesClassifier` 1.9 do; what is drawn differs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ExtraTrees(pub ForestSettings);

impl RandomForest {
    /// The kind under which it is saved.
    pub const KIND: &'static str = TreeKind::RandomForest.name();

    /// Learns from the training rows.
    ///
    /// # Errors
    /// [`CoreError::Model`] with [`ClassicalError::Setting`] or [`ClassicalError::Choice`] on an impossible setting, with
    /// [`ClassicalError::Tree`] if the targets are too large to be summed.
    pub fn fit_model(&self, train: &Dataset, seed: Seed) -> Result<TreeModel> {
        let none = hitcast_core::StopSignal::new();
        fit::<Sorted>(
            &self.0,
            TreeKind::RandomForest,
            train,
            &FitContext::quiet(Self::KIND, seed, &none),
        )
        .map(|outcome| outcome.model)
    }
}

impl ExtraTrees {
    /// The kind under which it is saved.
    pub const KIND: &'static str = TreeKind::ExtraTrees.name();

    /// Learns from the training rows.
    ///
    /// # Errors
    /// As [`RandomForest::fit_model`].
    pub fn fit_model(&self, train: &Dataset, seed: Seed) -> Result<TreeModel> {
        let none = hitcast_core::StopSignal::new();
        fit::<Random>(
            &self.0,
            TreeKind::ExtraTrees,
            train,
            &FitContext::quiet(Self::KIND, seed, &none),
        )
        .map(|outcome| outcome.model)
    }
}

impl Estimator for RandomForest {
    fn fit(&self, train: &Dataset, _validation: Option<&Dataset>, context: &FitContext<'_>) -> Result<Fit> {
        let size = self.0.size(train, true);
        reported(context, size, 0, || {
            fit::<Sorted>(&self.0, TreeKind::RandomForest, train, context)
        })
    }
}

impl Estimator for ExtraTrees {
    fn fit(&self, train: &Dataset, _validation: Option<&Dataset>, context: &FitContext<'_>) -> Result<Fit> {
        let size = self.0.size(train, false);
        reported(context, size, 0, || {
            fit::<Random>(&self.0, TreeKind::ExtraTrees, train, context)
        })
    }
}

impl ForestSettings {
    /// What growing will take: the sorted rows, shared and once a thread, and trees whose leaves hold the fewest rows.
    fn size(&self, train: &Dataset, sorted: bool) -> Size {
        let (rows, d) = (train.n_rows(), train.n_features());
        let width = train.task().width();
        let by_depth = |depth| {
            1_usize
                .checked_shl(u32::try_from(depth).unwrap_or(u32::MAX))
                .unwrap_or(usize::MAX)
        };
        let leaves = (rows / self.min_samples_leaf.max(1)).min(self.max_depth.map_or(usize::MAX, by_depth));
        let leaves = leaves.max(1).saturating_mul(self.n_estimators);
        let threads = threads_for(self.threads, self.n_estimators);
        // Columns of two values, as one-hot ones are, are not sorted.
        let dense = |block: &FeatureBlock| match block {
            FeatureBlock::Dense(matrix) => matrix.ncols(),
            _ => 0,
        };
        let thread = if sorted {
            8 * rows * train.features().blocks().iter().map(dense).sum::<usize>() + 32 * rows
        } else {
            32 * rows
        };
        Size {
            rows,
            parameters: leaves.saturating_mul(2 + width),
            bytes: Columns::bytes(rows, d, sorted)
                .saturating_add(threads.saturating_mul(thread))
                .saturating_add(leaves.saturating_mul(40 + 8 * width)),
        }
    }

    fn limits(&self, task: Task, n_features: usize) -> Result<Limits, ClassicalError> {
        at_least("n_estimators", self.n_estimators, 1, "at least 1")?;
        at_least("min_samples_split", self.min_samples_split, 2, "at least 2")?;
        at_least("min_samples_leaf", self.min_samples_leaf, 1, "at least 1")?;
        at_least("max_depth", self.max_depth.unwrap_or(1), 1, "at least 1")?;
        not_negative("min_impurity_decrease", self.min_impurity_decrease)?;
        let by_task = match task {
            Task::Regression => MaxFeatures::All,
            _ => MaxFeatures::Sqrt,
        };
        Ok(Limits {
            max_depth: self.max_depth.unwrap_or(usize::MAX),
            min_samples_split: self.min_samples_split,
            min_samples_leaf: self.min_samples_leaf,
            min_impurity_decrease: self.min_impurity_decrease,
            max_features: self.max_features.unwrap_or(by_task).of(n_features)?,
        })
    }
}

fn fit<S: Splitter>(
    settings: &ForestSettings,
    kind: TreeKind,
    train: &Dataset,
    context: &FitContext<'_>,
) -> Result<Outcome<TreeModel>> {
    train.features().expect_complete()?;
    grow_forest::<S>(settings, kind, train, context).map_err(|error| CoreError::model(kind.name(), error))
}

fn grow_forest<S: Splitter>(
    settings: &ForestSettings,
    kind: TreeKind,
    train: &Dataset,
    context: &FitContext<'_>,
) -> Result<Outcome<TreeModel>, ClassicalError> {
    numbered(train.n_rows())?;
    let limits = settings.limits(train.task(), train.n_features())?;
    let columns = Columns::new(train.features(), S::SORTED, settings.threads);
    let forest = Forest {
        settings,
        columns: &columns,
        draws: Draws::of(
            train,
            settings.bootstrap.unwrap_or(kind == TreeKind::RandomForest),
        ),
        limits,
        context,
    };
    let (criterion, classes) = (settings.criterion, train.classes().unwrap_or_default());
    let grown = match (train.task(), criterion) {
        (Task::Regression, None | Some(SplitCriterion::SquaredError)) => {
            forest.grow::<S, Squares>(|criterion, weights| criterion.load(train.target(), weights))
        }
        (Task::Classification { n_classes }, None | Some(SplitCriterion::Gini)) => {
            forest.grow::<S, Classes<Gini>>(|criterion, weights| criterion.load(&classes, weights, n_classes))
        }
        (Task::Classification { n_classes }, Some(SplitCriterion::Entropy)) => forest
            .grow::<S, Classes<Entropy>>(|criterion, weights| criterion.load(&classes, weights, n_classes)),
        (_, criterion) => {
            return Err(ClassicalError::Choice {
                setting: "criterion",
                value: format!("{criterion:?}"),
                allowed: "squared_error for numbers, gini or entropy for classes",
            });
        }
    }?;
    let stopped = if grown.len() < settings.n_estimators {
        StopReason::Requested
    } else {
        StopReason::Completed
    };
    let gains = gains(grown.iter().map(|grown| &grown.importances), train.n_features());
    let trees = grown.into_iter().map(|grown| grown.tree).collect();
    let ensemble = TreeEnsemble::new(
        train.n_features(),
        train.task(),
        Link::Identity,
        Combination::Mean,
        vec![0.0; train.task().width()],
        trees,
    )?;
    Ok(Outcome {
        model: TreeModel::of_gains(kind, ensemble, gains)?,
        history: Vec::new(),
        best_epoch: None,
        stopped,
    })
}

/// What each feature gained: the sum of its shares in the trees.
fn gains<'a>(trees: impl Iterator<Item = &'a Vec<f64>>, d: usize) -> Vec<f64> {
    let mut total = vec![0.0; d];
    for tree in trees {
        let own = shares(tree.clone());
        total.iter_mut().zip(own).for_each(|(total, own)| *total += own);
    }
    total
}

struct Forest<'a> {
    settings: &'a ForestSettings,
    columns: &'a Columns,
    draws: Draws,
    limits: Limits,
    context: &'a FitContext<'a>,
}

impl Forest<'_> {
    /// All trees, or, when a stop is requested, those that had begun; at least the first.
    fn grow<S: Splitter, C: Criterion + Default>(
        &self,
        load: impl Fn(&mut C, &[f64]) + Sync,
    ) -> Result<Vec<Grown>, ClassicalError> {
        let seeds = self.context.seed.child("trees");
        let state = || (Grower::<S>::default(), C::default(), Vec::new());
        let trees = self.settings.n_estimators;
        let threads = threads_for(self.settings.threads, trees);
        let grown = map_with(trees, threads, state, |(grower, criterion, weights), number| {
            if number > 0 && self.context.stop.is_requested() {
                return None;
            }
            let seed = seeds.nth(number as u64);
            self.draws.fill(weights, &mut seed.stream("rows"));
            load(criterion, weights);
            let random = &mut seed.stream("splits");
            Some(grower.grow(self.columns, weights, criterion, &self.limits, random))
        });
        grown.into_iter().flatten().collect()
    }
}
