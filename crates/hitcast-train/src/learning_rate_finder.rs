//! A range test for the learning rate (Smith 2017): train a fresh network with a rate that grows step by step, and look
//! where the loss falls fastest.

use hitcast_core::{Dataset, FitContext};
use serde::{Deserialize, Serialize};

use crate::choice::NetworkEngine;
use crate::error::{Result, TrainError, positive, share};
use crate::estimator::NetworkEstimator;
use crate::run::check_batch_norm;

/// How the range is tested.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LearningRateFinder {
    /// The first rate, above 0.
    pub from: f64,
    /// The last rate, above `from`.
    pub to: f64,
    /// Steps in between, equally far apart on a logarithmic scale; at least 10.
    pub steps: usize,
    /// Share of the past in the smoothed loss, in [0, 1).
    pub smoothing: f64,
    /// The test ends when the smoothed loss exceeds its smallest value this many times; above 1.
    pub divergence: f64,
}

impl Default for LearningRateFinder {
    fn default() -> Self {
        Self {
            from: 1e-6,
            to: 1.0,
            steps: 200,
            smoothing: 0.9,
            divergence: 4.0,
        }
    }
}

/// Loss against learning rate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LearningRateCurve {
    /// Rates and the smoothed losses at them, in ascending order of the rate.
    pub points: Vec<(f64, f64)>,
    /// The rate at which the loss falls most steeply on the logarithmic scale.
    pub suggestion: f64,
}

impl LearningRateFinder {
    /// Tests the range on training rows; the estimator's own rate and schedule play no part. Nothing is kept of the
    /// network that it trains.
    ///
    /// # Errors
    /// [`TrainError::Setting`] for bad settings, [`TrainError::NoLearningRate`] if the loss falls nowhere.
    pub fn find(
        &self,
        estimator: &NetworkEstimator,
        train: &Dataset,
        context: &FitContext<'_>,
    ) -> Result<LearningRateCurve> {
        self.check()?;
        let settings = &estimator.training;
        if settings.batch_size == 0 {
            return Err(TrainError::setting("batch_size", 0, "at least 1"));
        }
        let network = estimator.for_task(train.task())?.network;
        if network.has_batch_norm() {
            check_batch_norm(train.n_rows(), settings.batch_size)?;
        }
        let mut engine = NetworkEngine::new(&network, settings, train, None, context)?;
        let engine = engine.engine();
        let batch = settings.batch_size.min(train.n_rows());
        let batches_per_epoch = train.n_rows() / batch;
        let mut smoothed = Smoothed::new(self.smoothing);
        let mut points: Vec<(f64, f64)> = Vec::new();
        for step in 0..self.steps {
            let (epoch, place) = (step / batches_per_epoch, step % batches_per_epoch);
            if place == 0 {
                let seed = context.seed.child("range test").nth(epoch as u64);
                engine.begin_epoch(&seed.stream("order").permutation(train.n_rows()))?;
            }
            let rate = self.rate(step);
            engine.step(place * batch..(place + 1) * batch, rate)?;
            let loss = engine.take_losses()?.into_iter().map(f64::from).sum();
            let loss = smoothed.add(loss);
            let smallest = points
                .iter()
                .fold(f64::INFINITY, |smallest, point| smallest.min(point.1));
            if !loss.is_finite() || loss > self.divergence * smallest {
                break;
            }
            points.push((rate, loss));
        }
        let suggestion = steepest(&points).ok_or(TrainError::NoLearningRate {
            from: self.from,
            to: self.to,
        })?;
        Ok(LearningRateCurve { points, suggestion })
    }

    fn check(&self) -> Result<()> {
        positive("from", self.from)?;
        positive("to", self.to)?;
        share("smoothing", self.smoothing)?;
        if self.from >= self.to {
            return Err(TrainError::setting(
                "from",
                self.from,
                format!("below to, which is {}", self.to),
            ));
        }
        if self.steps < 10 {
            return Err(TrainError::setting("steps", self.steps, "at least 10"));
        }
        if self.divergence > 1.0 {
            Ok(())
        } else {
            Err(TrainError::setting("divergence", self.divergence, "above 1"))
        }
    }

    #[allow(clippy::cast_precision_loss)]
    fn rate(&self, step: usize) -> f64 {
        self.from * (self.to / self.from).powf(step as f64 / (self.steps - 1) as f64)
    }
}

/// An exponential average without the bias of its start.
struct Smoothed {
    keep: f64,
    value: f64,
    weight: f64,
}

impl Smoothed {
    fn new(keep: f64) -> Self {
        Self {
            keep,
            value: 0.0,
            weight: 0.0,
        }
    }

    fn add(&mut self, value: f64) -> f64 {
        self.value = self.keep * self.value + (1.0 - self.keep) * value;
        self.weight = self.keep * self.weight + (1.0 - self.keep);
        self.value / self.weight
    }
}

/// The rate with the steepest fall, by central differences over the logarithm of the rate.
fn steepest(points: &[(f64, f64)]) -> Option<f64> {
    let slope = |window: &[(f64, f64)]| (window[2].1 - window[0].1) / (window[2].0 / window[0].0).ln();
    points
        .windows(3)
        .map(|window| (slope(window), window[1].0))
        .filter(|(slope, _)| *slope < 0.0)
        .min_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, rate)| rate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_steepest_fall_is_found_and_a_rising_curve_has_none() {
        let points = [(1e-4, 10.0), (1e-3, 9.5), (1e-2, 4.0), (1e-1, 3.5), (1.0, 9.0)];
        assert_eq!(steepest(&points), Some(1e-3));
        assert_eq!(steepest(&[(0.1, 1.0), (0.2, 2.0), (0.3, 3.0)]), None);
        assert_eq!(steepest(&[(0.1, 1.0)]), None);
    }
}
