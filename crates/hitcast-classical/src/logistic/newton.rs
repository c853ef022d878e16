//! The smallest loss by Newton's method, whose steps come from conjugate gradients, so that no matrix is kept.

use hitcast_core::Dataset;
use hitcast_core::stats::{sum, weighted_mean};

use super::LogisticRegression;
use crate::error::ClassicalError;
use crate::probability::{logistic, softmax};

/// What is minimised: the loss of rows whose features have mean 0 and variance 1, so that one step fits all, with the penalty
/// in the features' own units.
pub(super) struct Problem<'a> {
    n: usize,
    d: usize,
    /// Scores: 1 for two classes.
    scores: usize,
    rows: Vec<f64>,
    places: &'a [usize],
    weights: &'a [f64],
    means: Vec<f64>,
    scales: Vec<f64>,
    /// Of each scaled weight, then 0 for the intercept.
    penalties: Vec<f64>,
    intercept: bool,
}

/// The loss at some parameters, and what its slopes follow from.
struct Place {
    value: f64,
    /// The probability of each score's class for each row.
    shares: Vec<f64>,
}

impl<'a> Problem<'a> {
    #[allow(clippy::cast_precision_loss)]
    pub(super) fn new(
        train: &Dataset,
        places: &'a [usize],
        weights: &'a [f64],
        n_seen: usize,
        settings: &LogisticRegression,
    ) -> Self {
        let (n, d) = (train.n_rows(), train.n_features());
        let matrix = train.features().matrix();
        let mut means = vec![0.0; d];
        let mut scales = vec![1.0; d];
        for ((column, mean), scale) in matrix.columns().into_iter().zip(&mut means).zip(&mut scales) {
            let own = weighted_mean(column.iter().copied().map(f64::from), Some(weights));
            let squares: Vec<f64> = column
                .iter()
                .map(|value| (f64::from(*value) - own).powi(2))
                .collect();
            let variance = weighted_mean(squares.into_iter(), Some(weights));
            if settings.intercept {
                *mean = own;
            }
            if variance > 0.0 {
                *scale = variance.sqrt();
            }
        }
        let mut rows = Vec::with_capacity(n * d);
        for row in matrix.rows() {
            let scaled = row.iter().zip(&means).zip(&scales);
            rows.extend(scaled.map(|((value, mean), scale)| (f64::from(*value) - mean) / scale));
        }
        // By the number of rows, so that the slopes do not grow with it.
        let penalty = |scale: &f64| 1.0 / (settings.c * n as f64) / (scale * scale);
        let penalties = scales.iter().map(penalty).chain([0.0]).collect();
        Self {
            n,
            d,
            scores: if n_seen == 2 { 1 } else { n_seen },
            rows,
            places,
            weights,
            means,
            scales,
            penalties,
            intercept: settings.intercept,
        }
    }

    /// Each row, with its number.
    fn rows(&self) -> impl Iterator<Item = (usize, &[f64])> {
        (0..self.n).map(|row| (row, &self.rows[row * self.d..(row + 1) * self.d]))
    }

    /// What parameters make of a row.
    fn score(&self, parameters: &[f64], row: &[f64]) -> f64 {
        let weighted: f64 = row
            .iter()
            .zip(parameters)
            .map(|(value, weight)| value * weight)
            .sum();
        weighted + parameters[self.d]
    }

    /// The weight of a row in the mean loss.
    #[allow(clippy::cast_precision_loss)]
    fn weight(&self, row: usize) -> f64 {
        self.weights[row] / self.n as f64
    }

    /// Adds `factors` times the row to the sums.
    fn add(&self, sums: &mut [f64], row: &[f64], factor: f64) {
        sums.iter_mut()
            .zip(row)
            .for_each(|(sum, value)| *sum += factor * value);
        if self.intercept {
            sums[self.d] += factor;
        }
    }

    fn at(&self, parameters: &[f64]) -> Place {
        let width = self.d + 1;
        let mut shares = Vec::with_capacity(self.n * self.scores);
        let mut losses = Vec::with_capacity(self.n);
        let mut scores = vec![0.0; self.scores];
        for (number, row) in self.rows() {
            for (score, own) in scores.iter_mut().zip(parameters.chunks_exact(width)) {
                *score = self.score(own, row);
            }
            let place = self.places[number];
            let loss = if let [odds] = scores[..] {
                let against = if place == 1 { -odds } else { odds };
                shares.push(logistic(odds)[1]);
                against.max(0.0) + (-against.abs()).exp().ln_1p()
            } else {
                let own = scores[place];
                let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let all: f64 = scores.iter().map(|score| (score - largest).exp()).sum();
                softmax(&mut scores);
                shares.extend(&scores);
                all.ln() + largest - own
            };
            losses.push(self.weight(number) * loss);
        }
        let squares = parameters
            .chunks_exact(width)
            .flat_map(|own| own.iter().zip(&self.penalties));
        let penalty = sum(squares.map(|(weight, penalty)| penalty * weight * weight));
        Place {
            value: sum(losses) + penalty / 2.0,
            shares,
        }
    }

    fn gradient(&self, parameters: &[f64], place: &Place) -> Vec<f64> {
        let width = self.d + 1;
        let mut slopes = self.penalised(parameters);
        for (number, row) in self.rows() {
            let shares = &place.shares[number * self.scores..(number + 1) * self.scores];
            for (score, (slopes, share)) in slopes.chunks_exact_mut(width).zip(shares).enumerate() {
                // The one score of two classes is that of the second.
                let own = self.places[number] == if self.scores == 1 { 1 } else { score };
                self.add(
                    slopes,
                    row,
                    self.weight(number) * (share - f64::from(u8::from(own))),
                );
            }
        }
        slopes
    }

    fn penalised(&self, parameters: &[f64]) -> Vec<f64> {
        let penalties = self.penalties.iter().cycle();
        parameters
            .iter()
            .zip(penalties)
            .map(|(weight, penalty)| penalty * weight)
            .collect()
    }

    /// The curvature along a direction.
    fn curvature(&self, place: &Place, direction: &[f64]) -> Vec<f64> {
        let width = self.d + 1;
        let mut product = self.penalised(direction);
        let mut changes = vec![0.0; self.scores];
        for (number, row) in self.rows() {
            let shares = &place.shares[number * self.scores..(number + 1) * self.scores];
            for (change, own) in changes.iter_mut().zip(direction.chunks_exact(width)) {
                *change = self.score(own, row);
            }
            let mean: f64 = changes
                .iter()
                .zip(shares)
                .map(|(change, share)| change * share)
                .sum();
            for ((product, change), share) in product.chunks_exact_mut(width).zip(&changes).zip(shares) {
                let around = if self.scores == 1 {
                    change * (1.0 - share)
                } else {
                    change - mean
                };
                self.add(product, row, self.weight(number) * share * around);
            }
        }
        product
    }

    /// The curvature along each parameter by itself.
    fn diagonal(&self, place: &Place) -> Vec<f64> {
        let width = self.d + 1;
        let mut diagonal: Vec<f64> = self
            .penalties
            .iter()
            .copied()
            .cycle()
            .take(width * self.scores)
            .collect();
        let mut squares = vec![0.0; self.d];
        for (number, row) in self.rows() {
            squares
                .iter_mut()
                .zip(row)
                .for_each(|(square, value)| *square = value * value);
            let shares = &place.shares[number * self.scores..(number + 1) * self.scores];
            for (diagonal, share) in diagonal.chunks_exact_mut(width).zip(shares) {
                self.add(diagonal, &squares, self.weight(number) * share * (1.0 - share));
            }
        }
        diagonal
    }

    /// The parameters of the smallest loss.
    pub(super) fn minimise(&self, settings: &LogisticRegression) -> Result<Vec<f64>, ClassicalError> {
        let mut parameters = vec![0.0; (self.d + 1) * self.scores];
        let mut place = self.at(&parameters);
        let mut steepest = f64::INFINITY;
        for _ in 0..settings.max_iter {
            let slopes = self.gradient(&parameters, &place);
            steepest = slopes
                .iter()
                .fold(0.0, |largest: f64, slope| largest.max(slope.abs()));
            if steepest <= settings.tol {
                return Ok(parameters);
            }
            let direction = self.newton_direction(&place, &slopes);
            let descent: f64 = direction
                .iter()
                .zip(&slopes)
                .map(|(way, slope)| way * slope)
                .sum();
            let mut length = 1.0;
            let next = loop {
                let moved: Vec<f64> = (parameters.iter().zip(&direction))
                    .map(|(old, way)| old + length * way)
                    .collect();
                let there = self.at(&moved);
                if there.value <= place.value + 1e-4 * length * descent {
                    break Some((moved, there));
                }
                length /= 2.0;
                // Where rounding hides what a step gains, a smaller one gains nothing either.
                if length < 1e-10 {
                    break None;
                }
            };
            let Some(next) = next else {
                if steepest <= settings.tol.max(1e-7) {
                    return Ok(parameters);
                }
                break;
            };
            (parameters, place) = next;
        }
        Err(ClassicalError::NotConverged {
            setting: "max_iter",
            value: settings.max_iter,
            left: steepest,
        })
    }

    /// Where the slopes vanish if the curvature stays as it is, nearly: the nearer, the flatter it is already.
    fn newton_direction(&self, place: &Place, slopes: &[f64]) -> Vec<f64> {
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let scale: Vec<f64> = self
            .diagonal(place)
            .into_iter()
            .map(|own| if own > 0.0 { 1.0 / own } else { 1.0 })
            .collect();
        let scaled = |left: &[f64]| {
            left.iter()
                .zip(&scale)
                .map(|(left, scale)| left * scale)
                .collect::<Vec<f64>>()
        };
        let mut direction = vec![0.0; slopes.len()];
        let mut left: Vec<f64> = slopes.iter().map(|slope| -slope).collect();
        let mut near = scaled(&left);
        let mut way = near.clone();
        let mut size = dot(&left, &near);
        let first = size;
        for _ in 0..4 * slopes.len() + 20 {
            let bent = self.curvature(place, &way);
            let along = dot(&way, &bent);
            if along <= 0.0 {
                break;
            }
            let length = size / along;
            direction
                .iter_mut()
                .zip(&way)
                .for_each(|(sum, way)| *sum += length * way);
            left.iter_mut()
                .zip(&bent)
                .for_each(|(left, bent)| *left -= length * bent);
            near = scaled(&left);
            let next = dot(&left, &near);
            // Squares of lengths: to a thousandth, or the further the nearer the minimum is.
            if next <= first * 1e-6 * first.min(1.0) {
                break;
            }
            let keep = next / size;
            way.iter_mut()
                .zip(&near)
                .for_each(|(way, near)| *way = near + keep * *way);
            size = next;
        }
        if direction.iter().all(|way| *way == 0.0) {
            near
        } else {
            direction
        }
    }

    /// Weights and intercepts for the features as they came.
    pub(super) fn in_feature_units(&self, parameters: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let (mut coefficients, mut intercepts) = (Vec::new(), Vec::new());
        for own in parameters.chunks_exact(self.d + 1) {
            let weights: Vec<f64> = own
                .iter()
                .zip(&self.scales)
                .map(|(weight, scale)| weight / scale)
                .collect();
            let offset = sum(weights
                .iter()
                .zip(&self.means)
                .map(|(weight, mean)| weight * mean));
            intercepts.push(own[self.d] - offset);
            coefficients.extend(weights);
        }
        // A number that is added to all scores changes no probability: of all such intercepts those around 0.
        if self.intercept && self.scores > 1 {
            let mean = sum(intercepts.iter().copied()) / f64::from(u32::try_from(self.scores).unwrap_or(1));
            intercepts.iter_mut().for_each(|intercept| *intercept -= mean);
        }
        (coefficients, intercepts)
    }
}
