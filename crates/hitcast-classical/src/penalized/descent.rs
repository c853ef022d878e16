//! The rows around their means, and coordinate descent on the products of their columns.

use hitcast_core::Dataset;
use hitcast_core::stats::{sum, weighted_mean};

use super::{PenalizedModel, Penalty};
use crate::error::ClassicalError;

/// Sample weights with the mean 1, so that a penalty means the same whatever their sum.
pub(crate) fn weights_of_mean_one(train: &Dataset) -> Option<Vec<f64>> {
    let weights = train.weights()?;
    let mean = weighted_mean(weights.iter().copied(), None);
    Some(weights.iter().map(|weight| weight / mean).collect())
}

/// Rows around their means.
pub(super) struct Centered<'a> {
    train: &'a Dataset,
    weights: Option<Vec<f64>>,
    means: Vec<f64>,
    target_mean: f64,
}

impl<'a> Centered<'a> {
    pub(super) fn of(train: &'a Dataset, intercept: bool) -> Self {
        let weights = weights_of_mean_one(train);
        let d = train.n_features();
        let (mut means, mut target_mean) = (vec![0.0; d], 0.0);
        if intercept {
            let matrix = train.features().matrix();
            means = (matrix.columns().into_iter())
                .map(|column| weighted_mean(column.iter().copied().map(f64::from), weights.as_deref()))
                .collect();
            target_mean = weighted_mean(train.target().iter().copied(), weights.as_deref());
        }
        Self {
            train,
            weights,
            means,
            target_mean,
        }
    }

    /// Calls `take` with the root of a row's weight, its features and its target.
    pub(super) fn each(&self, mut take: impl FnMut(f64, &[f64], f64)) {
        let d = self.means.len();
        let (mut written, mut row) = (vec![0.0_f32; d], vec![0.0; d]);
        for (index, target) in self.train.target().iter().enumerate() {
            written.fill(0.0);
            self.train.features().write_row(index, &mut written);
            for ((to, from), mean) in row.iter_mut().zip(&written).zip(&self.means) {
                *to = f64::from(*from) - mean;
            }
            let root = self.weights.as_ref().map_or(1.0, |weights| weights[index].sqrt());
            take(root, &row, target - self.target_mean);
        }
    }

    pub(super) fn model(
        &self,
        penalty: Penalty,
        coefficients: Vec<f64>,
    ) -> Result<PenalizedModel, ClassicalError> {
        let offset = sum(coefficients
            .iter()
            .zip(&self.means)
            .map(|(weight, mean)| weight * mean));
        let intercept = self.target_mean - offset;
        let learned = coefficients.iter().map(|weight| ("a coefficient", *weight));
        let mut learned = learned.chain([("the intercept", intercept)]);
        if let Some((what, value)) = learned.find(|(_, value)| !value.is_finite()) {
            return Err(ClassicalError::NotFinite { what, value });
        }
        Ok(PenalizedModel {
            penalty,
            coefficients,
            intercept,
        })
    }
}

/// All that coordinate descent needs of the rows.
pub(super) struct Products {
    d: usize,
    /// Features with features, `d × d`.
    gram: Vec<f64>,
    /// Features with the target.
    target: Vec<f64>,
    /// The target with itself.
    squares: f64,
}

impl Products {
    pub(super) fn of(centered: &Centered<'_>, d: usize) -> Self {
        let mut products = Self {
            d,
            gram: vec![0.0; d * d],
            target: vec![0.0; d],
            squares: 0.0,
        };
        centered.each(|root, row, y| {
            let weight = root * root;
            for (left, line) in row.iter().zip(products.gram.chunks_exact_mut(d.max(1))) {
                let left = weight * left;
                line.iter_mut()
                    .zip(row)
                    .for_each(|(sum, right)| *sum += left * right);
            }
            for (sum, value) in products.target.iter_mut().zip(row) {
                *sum += weight * value * y;
            }
            products.squares += weight * y * y;
        });
        products
    }

    /// Minimises |y − Xw|²/2 + l1·Σ|w| + l2·Σw²/2, one weight after the other.
    pub(super) fn descend(
        &self,
        l1: f64,
        l2: f64,
        passes: usize,
        tol: f64,
    ) -> Result<Vec<f64>, ClassicalError> {
        let mut weights = vec![0.0; self.d];
        // Features with what the weights leave of the target.
        let mut left = self.target.clone();
        let mut gap = f64::INFINITY;
        for _ in 0..passes {
            let mut largest_change = 0.0_f64;
            for own in 0..self.d {
                let line = &self.gram[own * self.d..(own + 1) * self.d];
                let scale = line[own];
                // A feature that never varies tells nothing.
                if scale <= 0.0 {
                    continue;
                }
                let before = weights[own];
                let pull = left[own] + before * scale;
                let after = (pull.abs() - l1).max(0.0).copysign(pull) / (scale + l2);
                if after != before {
                    weights[own] = after;
                    let change = after - before;
                    left.iter_mut()
                        .zip(line)
                        .for_each(|(left, with)| *left -= change * with);
                    largest_change = largest_change.max(change.abs() * scale.sqrt());
                }
            }
            let limit = tol * self.squares;
            // The gap costs as much as a pass: it is only looked at once the weights hardly move.
            if largest_change * largest_change <= limit {
                gap = self.gap(&weights, &left, l1, l2);
                // What moves less than rounding has arrived, even if the gap cannot be computed to this.
                if gap <= limit || largest_change <= 1e-13 * self.squares.sqrt() {
                    return Ok(weights);
                }
            }
        }
        Err(ClassicalError::NotConverged {
            setting: "max_iter",
            value: passes,
            left: gap / self.squares,
        })
    }

    /// How far the weights may be from the minimum (Friedman, Hastie and Tibshirani 2010; Massias et al. 2018): the penalty on
    /// squares counts as further rows.
    fn gap(&self, weights: &[f64], left: &[f64], l1: f64, l2: f64) -> f64 {
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let fitted: f64 = weights
            .iter()
            .zip(&self.target)
            .zip(left)
            .map(|((w, y), r)| w * (y - r))
            .sum();
        let squares = (self.squares - 2.0 * dot(weights, &self.target) + fitted).max(0.0);
        let own = l2 * dot(weights, weights);
        let size: f64 = weights.iter().map(|weight| weight.abs()).sum();
        let steepest = (left.iter().zip(weights))
            .map(|(left, weight)| (left - l2 * weight).abs())
            .fold(0.0, f64::max);
        let shrink = if steepest > l1 { l1 / steepest } else { 1.0 };
        let with_target = self.squares - dot(weights, &self.target);
        0.5 * (squares + own) * (1.0 + shrink * shrink) + l1 * size - shrink * with_target
    }
}
