//! AdaBoost.R2 (Drucker 1997): trees on draws of the rows that the ones before them predict worst.

use std::collections::BTreeMap;

use hitcast_core::{
    CoreError, Dataset, Estimator, Fit, FitContext, Model, ModelState, Predictions, Result, Seed, StopReason,
    StopSignal, Task, TensorData,
};
use ndarray::ArrayView2;
use serde::{Deserialize, Serialize};

use crate::checks::{at_least, numbered, positive};
use crate::draws::Draws;
use crate::ensemble::{Combination, EnsembleFacts, Link, Tree, TreeEnsemble};
use crate::error::ClassicalError;
use crate::grow::{Columns, Grower, Limits, Sorted, Squares};
use crate::saved::{Outcome, Size, finite, from_settings, reported, to_settings};
use crate::tree_model::shares;

/// How a row's error counts, from 0 for none to 1 for the largest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AdaBoostLoss {
    /// As it is.
    #[default]
    Linear,
    /// Its square.
    Square,
    /// 1 − e^(−error).
    Exponential,
}

/// AdaBoost.R2 for numbers; names and defaults are those of scikit-learn's `AdaBoostRegressor` 1.9 with a
/// `DecisionTreeRegressor`. Which rows are drawn differs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdaBoost {
    /// Number of trees at most, at least 1: it ends before if one is perfect, or wrong for half of the weight. Default 50.
    pub n_estimators: usize,
    /// How much each tree changes the weights, above 0. Default 1.
    pub learning_rate: f64,
    /// How errors count. Default linear.
    pub loss: AdaBoostLoss,
    /// Splits between the root and a leaf at most, at least 1. Default 3.
    pub max_depth: usize,
}

impl Default for AdaBoost {
    fn default() -> Self {
        Self {
            n_estimators: 50,
            learning_rate: 1.0,
            loss: AdaBoostLoss::Linear,
            max_depth: 3,
        }
    }
}

/// An [`AdaBoost`] after its fit: trees, of whose predictions the weighted median counts.
#[derive(Debug, Clone, PartialEq)]
pub struct AdaBoostModel {
    ensemble: TreeEnsemble,
    weights: Vec<f64>,
    importances: Vec<f64>,
}

impl AdaBoost {
    /// Learns from the training rows.
    ///
    /// # Errors
    /// [`CoreError::WrongTask`] for classes, [`CoreError::Model`] with [`ClassicalError::Setting`] on an impossible setting, or
    /// with [`ClassicalError::Tree`] if the targets are too large to be summed.
    pub fn fit_model(&self, train: &Dataset, seed: Seed) -> Result<AdaBoostModel> {
        let stop = StopSignal::new();
        self.boost(train, &FitContext::quiet(AdaBoostModel::KIND, seed, &stop))
            .map(|outcome| outcome.model)
    }

    fn boost(&self, train: &Dataset, context: &FitContext<'_>) -> Result<Outcome<AdaBoostModel>> {
        train.expect_task(Task::Regression)?;
        train.features().expect_complete()?;
        self.rounds(train, context)
            .map_err(|error| CoreError::model(AdaBoostModel::KIND, error))
    }

    fn rounds(
        &self,
        train: &Dataset,
        context: &FitContext<'_>,
    ) -> Result<Outcome<AdaBoostModel>, ClassicalError> {
        let (n, d) = (train.n_rows(), train.n_features());
        numbered(n)?;
        at_least("n_estimators", self.n_estimators, 1, "at least 1")?;
        at_least("max_depth", self.max_depth, 1, "at least 1")?;
        positive("learning_rate", self.learning_rate)?;
        let limits = Limits {
            max_depth: self.max_depth,
            min_samples_split: 2,
            min_samples_leaf: 1,
            min_impurity_decrease: 0.0,
            max_features: d.max(1),
        };
        let columns = Columns::new(train.features(), true, 0);
        let matrix = train.features().matrix();
        let seeds = context.seed.child("trees");
        let mut grower = Grower::<Sorted>::default();
        let mut squares = Squares::default();
        let mut weights = train.weights().map_or_else(|| vec![1.0; n], <[f64]>::to_vec);
        let (mut trees, mut tree_weights, mut shares) = (Vec::<Tree>::new(), Vec::new(), Vec::new());
        let mut drawn = Vec::new();
        let mut stopped = StopReason::Completed;
        for round in 0..self.n_estimators {
            if round > 0 && context.stop.is_requested() {
                stopped = StopReason::Requested;
                break;
            }
            normalise(&mut weights);
            let seed = seeds.nth(round as u64);
            Draws::bootstrap(&weights).fill(&mut drawn, &mut seed.stream("rows"));
            squares.load(train.target(), &drawn);
            let grown = grower.grow(
                &columns,
                &drawn,
                &mut squares,
                &limits,
                &mut seed.stream("splits"),
            )?;
            let tree = grown.tree;
            let mut errors: Vec<f64> = (matrix.rows().into_iter().zip(train.target()))
                .map(|(row, y)| {
                    let leaf = row.as_slice().map_or(0, |row| tree.leaf_of(row));
                    (tree.leaf_values()[leaf] - y).abs()
                })
                .collect();
            let counting = errors.iter().zip(&weights).filter(|(_, weight)| **weight > 0.0);
            let largest = counting.map(|(error, _)| *error).fold(0.0, f64::max);
            for error in &mut errors {
                let share = if largest > 0.0 { *error / largest } else { 0.0 };
                *error = match self.loss {
                    AdaBoostLoss::Linear => share,
                    AdaBoostLoss::Square => share * share,
                    AdaBoostLoss::Exponential => 1.0 - (-share).exp(),
                };
            }
            let error: f64 = errors
                .iter()
                .zip(&weights)
                .map(|(error, weight)| error * weight)
                .sum();
            if error >= 0.5 && !trees.is_empty() {
                break;
            }
            trees.push(tree);
            shares.push(grown.importances);
            if error <= 0.0 || error >= 0.5 {
                tree_weights.push(1.0);
                break;
            }
            let beta = error / (1.0 - error);
            tree_weights.push(-self.learning_rate * beta.ln());
            for (weight, error) in weights.iter_mut().zip(&errors) {
                *weight *= beta.powf((1.0 - error) * self.learning_rate);
            }
        }
        let importances = weighted_importances(&shares, &tree_weights, d);
        let ensemble = TreeEnsemble::new(
            d,
            Task::Regression,
            Link::Identity,
            Combination::Mean,
            vec![0.0],
            trees,
        )?;
        Ok(Outcome {
            model: AdaBoostModel::new(ensemble, tree_weights, importances)?,
            history: Vec::new(),
            best_epoch: None,
            stopped,
        })
    }
}

/// To a sum of 1, by way of the largest so that the sum is finite.
fn normalise(weights: &mut [f64]) {
    let largest = weights.iter().copied().fold(0.0, f64::max);
    weights.iter_mut().for_each(|weight| *weight /= largest);
    let sum: f64 = weights.iter().sum();
    weights.iter_mut().for_each(|weight| *weight /= sum);
}

/// The mean of the trees' shares by their weights.
fn weighted_importances(trees: &[Vec<f64>], weights: &[f64], d: usize) -> Vec<f64> {
    let mut total = vec![0.0; d];
    for (tree, weight) in trees.iter().zip(weights) {
        let own = shares(tree.clone());
        total
            .iter_mut()
            .zip(own)
            .for_each(|(sum, own)| *sum += weight * own);
    }
    shares(total)
}

impl Estimator for AdaBoost {
    fn fit(&self, train: &Dataset, _validation: Option<&Dataset>, context: &FitContext<'_>) -> Result<Fit> {
        let (rows, d) = (train.n_rows(), train.n_features());
        let by_depth = 1_usize.checked_shl(u32::try_from(self.max_depth).unwrap_or(u32::MAX));
        let leaves = by_depth
            .unwrap_or(usize::MAX)
            .min(rows)
            .saturating_mul(self.n_estimators);
        let size = Size {
            rows,
            parameters: leaves.saturating_mul(3),
            bytes: (Columns::bytes(rows, d, true) + 8 * rows * d + 64 * rows)
                .saturating_add(leaves.saturating_mul(48)),
        };
        reported(context, size, 0, || self.boost(train, context))
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Facts {
    ensemble: EnsembleFacts,
}

impl AdaBoostModel {
    /// The kind under which it is saved.
    pub const KIND: &'static str = "ada_boost";

    fn new(ensemble: TreeEnsemble, weights: Vec<f64>, importances: Vec<f64>) -> Result<Self, ClassicalError> {
        let possible = |value: &f64| value.is_finite() && *value >= 0.0;
        let fits = weights.len() == ensemble.trees().len()
            && importances.len() == ensemble.n_features()
            && ensemble.task() == Task::Regression
            && weights.iter().chain(&importances).all(possible)
            && weights.iter().sum::<f64>() > 0.0;
        if !fits {
            let what = format!(
                "{} trees for numbers need as many weights, and {} features as many importances, each finite and at least 0",
                ensemble.trees().len(),
                ensemble.n_features()
            );
            return Err(ClassicalError::Tree { what });
        }
        Ok(Self {
            ensemble,
            weights,
            importances,
        })
    }

    /// Loads a saved model.
    ///
    /// # Errors
    /// [`CoreError::State`] if something is missing, of another shape or type, not finite, or no tree.
    pub fn from_state(state: &ModelState) -> Result<Self> {
        let Facts { ensemble } = from_settings(Self::KIND, state)?;
        let ensemble = TreeEnsemble::load(ensemble, state)?;
        let weights = finite(state, "weights", ensemble.trees().len())?;
        let importances = finite(state, "importances", ensemble.n_features())?;
        Self::new(ensemble, weights, importances).map_err(|error| CoreError::State(error.to_string()))
    }

    /// The trees.
    pub fn ensemble(&self) -> &TreeEnsemble {
        &self.ensemble
    }

    /// How much each tree counts.
    pub fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// How much of what the trees explain each feature explains, length `d`: see
    /// [`TreeModel::importances`](crate::TreeModel::importances); each tree counts by its weight.
    pub fn importances(&self) -> &[f64] {
        &self.importances
    }

    /// The smallest prediction up to which half of the weight lies.
    fn median(&self, predictions: &[f64], order: &mut Vec<usize>) -> f64 {
        order.clear();
        order.extend(0..predictions.len());
        order.sort_by(|a, b| predictions[*a].total_cmp(&predictions[*b]));
        let half = 0.5 * order.iter().map(|tree| self.weights[*tree]).sum::<f64>();
        let mut below = 0.0;
        for &tree in order.iter() {
            below += self.weights[tree];
            if below >= half {
                return predictions[tree];
            }
        }
        f64::NAN
    }
}

impl Model for AdaBoostModel {
    fn kind(&self) -> &'static str {
        Self::KIND
    }

    fn n_features(&self) -> usize {
        self.ensemble.n_features()
    }

    fn n_parameters(&self) -> usize {
        self.ensemble.n_parameters() + self.weights.len()
    }

    fn predict(&self, features: ArrayView2<'_, f32>) -> Result<Predictions> {
        let values = self.ensemble.by_trees(features, |predictions, out| {
            let mut order = Vec::with_capacity(self.weights.len());
            for (predictions, out) in predictions.chunks_exact(self.weights.len()).zip(out) {
                *out = self.median(predictions, &mut order);
            }
        })?;
        Ok(Predictions::Regression(values))
    }

    fn learned_importances(&self) -> Option<&[f64]> {
        Some(&self.importances)
    }

    fn state(&self) -> Result<ModelState> {
        let (ensemble, mut tensors): (_, BTreeMap<_, _>) = self.ensemble.save()?;
        for (name, values) in [("weights", &self.weights), ("importances", &self.importances)] {
            tensors.insert(name.to_owned(), TensorData::f64_vector(values.clone()));
        }
        Ok(ModelState {
            settings: to_settings(Self::KIND, &Facts { ensemble })?,
            tensors,
        })
    }
}
