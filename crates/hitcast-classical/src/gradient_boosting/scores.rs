//! The predictions that boosting has made so far, and how they are corrected.

use hitcast_core::stats::weighted_mean;
use hitcast_core::{Dataset, Features};

use crate::ensemble::{Link, Tree};
use crate::loss::Loss;

/// The scores of some rows so far, row by row.
pub(super) struct Scores {
    rows: Vec<f32>,
    d: usize,
    target: Vec<f64>,
    width: usize,
    values: Vec<f64>,
}

impl Scores {
    pub(super) fn new(data: &Dataset, loss: &Loss) -> Self {
        Self {
            rows: written(data.features()),
            d: data.n_features(),
            target: data.target().to_vec(),
            width: loss.width(),
            values: loss.base.repeat(data.n_rows()),
        }
    }

    /// What the scores predict, row by row.
    pub(super) fn predicted(&self, loss: &Loss) -> Vec<f64> {
        let mut predicted = self.values.clone();
        predicted
            .chunks_exact_mut(self.width)
            .for_each(|row| loss.predict(row));
        predicted
    }

    /// What an output of each row lacks.
    pub(super) fn residuals(&self, loss: &Loss, predicted: &[f64], output: usize) -> Vec<f64> {
        let rows = self.target.iter().zip(predicted.chunks_exact(self.width));
        rows.map(|(target, predicted)| loss.wanted(*target, output) - predicted[output])
            .collect()
    }

    /// The leaf of each row.
    pub(super) fn leaves(&self, tree: &Tree) -> Vec<usize> {
        if self.d == 0 {
            return vec![0; self.target.len()];
        }
        self.rows
            .chunks_exact(self.d)
            .map(|row| tree.leaf_of(row))
            .collect()
    }

    pub(super) fn add(&mut self, tree: &Tree, leaves: &[usize], output: usize) {
        for (scores, leaf) in self.values.chunks_exact_mut(self.width).zip(leaves) {
            scores[output] += tree.leaf_values()[*leaf];
        }
    }

    /// The mean loss.
    pub(super) fn mean_loss(&self, loss: &Loss, weights: Option<&[f64]>) -> f64 {
        let predicted = self.predicted(loss);
        let rows = self.values.chunks_exact(self.width);
        let losses: Vec<f64> = rows
            .zip(predicted.chunks_exact(self.width))
            .zip(&self.target)
            .map(|((scores, predicted), target)| loss.of_row(*target, scores, predicted))
            .collect();
        weighted_mean(losses.into_iter(), weights)
    }
}

/// All rows, row by row.
fn written(features: &Features) -> Vec<f32> {
    features.matrix().iter().copied().collect()
}

/// Puts into the leaves what lowers the loss most, by one Newton step; of squared error that is the mean they have.
#[allow(clippy::cast_precision_loss)]
pub(super) fn correct(
    loss: &Loss,
    tree: &mut Tree,
    leaves: &[usize],
    residuals: &[f64],
    shares: &[f64],
    weights: &[f64],
    output: usize,
) {
    let width = loss.width();
    let factor = match loss.link() {
        Link::Identity => return,
        Link::Logistic => 1.0,
        Link::Softmax => (width - 1) as f64 / width as f64,
    };
    let mut sums = vec![(0.0, 0.0); tree.n_leaves()];
    for (row, (leaf, weight)) in leaves.iter().zip(weights).enumerate() {
        let share = shares[row * width + output];
        let (slope, curvature) = &mut sums[*leaf];
        *slope += weight * residuals[row];
        *curvature += weight * share * (1.0 - share);
    }
    for (value, (slope, curvature)) in tree.leaf_values_mut().iter_mut().zip(sums) {
        // Where all is certain there is nothing to correct.
        *value = if curvature < 1e-150 {
            0.0
        } else {
            factor * slope / curvature
        };
    }
}
