//! Gradient boosting (Friedman 2001) with trees on all splits, and its stochastic form (Friedman 2002).

mod scores;

use std::time::Instant;

use hitcast_core::{
    CoreError, Dataset, EpochRecord, Estimator, Event, Fit, FitContext, Result, Seed, StopReason, StopSignal,
    Stream,
};
use serde::{Deserialize, Serialize};

use self::scores::{Scores, correct};
use crate::checks::{at_least, not_negative, numbered, positive, share};
use crate::ensemble::{Combination, Link, TreeEnsemble};
use crate::error::ClassicalError;
use crate::grow::{Columns, Grower, Limits, Sorted, Squares};
use crate::loss::Loss;
use crate::max_features::MaxFeatures;
use crate::saved::{Outcome, Size, reported};
use crate::tree_model::{TreeKind, TreeModel};

/// Gradient boosting for numbers (squared error) and classes (log loss): each tree corrects what those before it leave.
///
/// Agrees with scikit-learn's `GradientBoostingRegressor` and `GradientBoostingClassifier` 1.9 as long as no rows are drawn;
/// names and defaults are theirs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GradientBoosting {
    /// Number of stages, at least 1; with three classes or more each has a tree for every class. Default 100.
    pub n_estimators: usize,
    /// What share of its correction each tree makes, above 0. Default 0.1.
    pub learning_rate: f64,
    /// Splits between the root and a leaf at most, at least 1. Default 3.
    pub max_depth: usize,
    /// Share of the rows that each stage draws, without replacement; above 0 and up to 1. Default 1.
    pub subsample: f64,
    /// Rows that a node must have to be split, at least 2. Default 2.
    pub min_samples_split: usize,
    /// Rows that a leaf must have, at least 1. Default 1.
    pub min_samples_leaf: usize,
    /// How much a split must lower the impurity of all rows, at least 0. Default 0.
    pub min_impurity_decrease: f64,
    /// Features looked at in each node. Default all.
    pub max_features: MaxFeatures,
}

impl Default for GradientBoosting {
    fn default() -> Self {
        Self {
            n_estimators: 100,
            learning_rate: 0.1,
            max_depth: 3,
            subsample: 1.0,
            min_samples_split: 2,
            min_samples_leaf: 1,
            min_impurity_decrease: 0.0,
            max_features: MaxFeatures::All,
        }
    }
}

impl GradientBoosting {
    /// The kind under which it is saved.
    pub const KIND: &'static str = TreeKind::GradientBoosting.name();

    /// Learns from the training rows.
    ///
    /// # Errors
    /// [`CoreError::Model`] with [`ClassicalError::Setting`] on an impossible setting, with [`ClassicalError::OneClass`], or
    /// with [`ClassicalError::Tree`] if the targets are too large to be summed.
    pub fn fit_model(&self, train: &Dataset, seed: Seed) -> Result<TreeModel> {
        let stop = StopSignal::new();
        self.boost(train, None, &FitContext::quiet(Self::KIND, seed, &stop))
            .map(|outcome| outcome.model)
    }

    fn limits(&self, d: usize) -> Result<Limits, ClassicalError> {
        at_least("n_estimators", self.n_estimators, 1, "at least 1")?;
        at_least("max_depth", self.max_depth, 1, "at least 1")?;
        at_least("min_samples_split", self.min_samples_split, 2, "at least 2")?;
        at_least("min_samples_leaf", self.min_samples_leaf, 1, "at least 1")?;
        positive("learning_rate", self.learning_rate)?;
        share("subsample", self.subsample)?;
        not_negative("min_impurity_decrease", self.min_impurity_decrease)?;
        Ok(Limits {
            max_depth: self.max_depth,
            min_samples_split: self.min_samples_split,
            min_samples_leaf: self.min_samples_leaf,
            min_impurity_decrease: self.min_impurity_decrease,
            max_features: self.max_features.of(d)?,
        })
    }

    fn boost(
        &self,
        train: &Dataset,
        validation: Option<&Dataset>,
        context: &FitContext<'_>,
    ) -> Result<Outcome<TreeModel>> {
        train.features().expect_complete()?;
        if let Some(validation) = validation {
            validation.expect_task(train.task())?;
        }
        self.stages(train, validation, context)
            .map_err(|error| CoreError::model(Self::KIND, error))
    }

    fn stages(
        &self,
        train: &Dataset,
        validation: Option<&Dataset>,
        context: &FitContext<'_>,
    ) -> Result<Outcome<TreeModel>, ClassicalError> {
        let began = Instant::now();
        numbered(train.n_rows())?;
        let (n, d) = (train.n_rows(), train.n_features());
        let limits = self.limits(d)?;
        let loss = Loss::of(train)?;
        let columns = Columns::new(train.features(), true, 0);
        let weights = train.weights().map_or_else(|| vec![1.0; n], <[f64]>::to_vec);
        let seeds = context.seed.child("stages");
        let mut scores = Scores::new(train, &loss);
        let mut seen = validation.map(|validation| Scores::new(validation, &loss));
        let mut grower = Grower::<Sorted>::default();
        let mut squares = Squares::default();
        let mut importances = vec![0.0; d];
        let (mut trees, mut history) = (Vec::new(), Vec::new());
        let mut drawn = weights.clone();
        for stage in 0..self.n_estimators {
            if stage > 0 && context.stop.is_requested() {
                break;
            }
            let seed = seeds.nth(stage as u64);
            if self.subsample < 1.0 {
                draw(self.subsample, &weights, &mut drawn, &mut seed.stream("rows"));
            }
            // All trees of a stage correct the same predictions.
            let predicted = scores.predicted(&loss);
            for output in 0..loss.width() {
                let residuals = scores.residuals(&loss, &predicted, output);
                squares.load(&residuals, &drawn);
                let mut random = seed.nth(output as u64).stream("splits");
                let grown = grower.grow(&columns, &drawn, &mut squares, &limits, &mut random)?;
                let mut tree = grown.tree;
                importances
                    .iter_mut()
                    .zip(grown.importances)
                    .for_each(|(sum, own)| *sum += own);
                let leaves = scores.leaves(&tree);
                correct(&loss, &mut tree, &leaves, &residuals, &predicted, &drawn, output);
                tree.leaf_values_mut()
                    .iter_mut()
                    .for_each(|value| *value *= self.learning_rate);
                scores.add(&tree, &leaves, output);
                if let Some(seen) = &mut seen {
                    let leaves = seen.leaves(&tree);
                    seen.add(&tree, &leaves, output);
                }
                trees.push(tree);
            }
            let record = EpochRecord {
                epoch: stage + 1,
                learning_rate: self.learning_rate,
                train_loss: scores.mean_loss(&loss, train.weights()),
                validation_loss: seen
                    .as_ref()
                    .map(|seen| seen.mean_loss(&loss, validation.and_then(Dataset::weights))),
                train: std::collections::BTreeMap::new(),
                validation: std::collections::BTreeMap::new(),
                elapsed_seconds: began.elapsed().as_secs_f64(),
            };
            context.progress.report(&Event::EpochEnded {
                model: context.name,
                record: &record,
                epochs: self.n_estimators,
            });
            history.push(record);
        }
        let stopped = if history.len() < self.n_estimators {
            StopReason::Requested
        } else {
            StopReason::Completed
        };
        let ensemble = TreeEnsemble::new(d, train.task(), loss.link(), Combination::Sum, loss.base, trees)?;
        Ok(Outcome {
            model: TreeModel::of_gains(TreeKind::GradientBoosting, ensemble, importances)?,
            history,
            best_epoch: None,
            stopped,
        })
    }
}

/// Leaves the weights of a share of the rows that have one, and none of the others.
#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss
)]
fn draw(share: f64, weights: &[f64], drawn: &mut [f64], random: &mut Stream) {
    let mut rows: Vec<usize> = (0..weights.len()).filter(|row| weights[*row] > 0.0).collect();
    let count = ((share * rows.len() as f64) as usize).max(1);
    random.shuffle(&mut rows);
    drawn.fill(0.0);
    for row in rows.into_iter().take(count) {
        drawn[row] = weights[row];
    }
}

impl Estimator for GradientBoosting {
    fn fit(&self, train: &Dataset, validation: Option<&Dataset>, context: &FitContext<'_>) -> Result<Fit> {
        let (rows, d) = (train.n_rows(), train.n_features());
        let outputs = Link::n_scores(train.task());
        let by_depth = 1_usize.checked_shl(u32::try_from(self.max_depth).unwrap_or(u32::MAX));
        let leaves = by_depth.unwrap_or(usize::MAX).min(rows);
        let leaves = leaves.saturating_mul(self.n_estimators).saturating_mul(outputs);
        let size = Size {
            rows,
            parameters: leaves.saturating_mul(3),
            bytes: (Columns::bytes(rows, d, true) + 12 * rows * d + 8 * rows * (2 * outputs + 8))
                .saturating_add(leaves.saturating_mul(48)),
        };
        reported(context, size, self.n_estimators, || {
            self.boost(train, validation, context)
        })
    }
}
