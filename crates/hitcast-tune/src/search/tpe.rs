//! The tree of Parzen estimators (Bergstra, Bardenet, Bengio and Kégl 2011): each parameter for itself, on the scale of its
//! distribution.

use std::cmp::Ordering;

use hitcast_core::Stream;
use hitcast_metrics::Direction;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::trial::Trial;
use crate::error::{Result, TuneError};
use crate::space::distribution::nth;
use crate::space::{Assignment, Distribution, SearchSpace};

/// Settings of the tree of Parzen estimators.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tpe {
    /// Trials that are drawn at random first. Default 10.
    pub startup_trials: usize,
    /// Values drawn for each parameter, of which the most promising is taken; at least 1. Default 24.
    pub candidates: usize,
    /// Share of the trials that count as good, between 0 and 1; never more than 25 trials. Default 0.15.
    pub good_share: f64,
}

impl Default for Tpe {
    fn default() -> Self {
        Self {
            startup_trials: 10,
            candidates: 24,
            good_share: 0.15,
        }
    }
}

impl Tpe {
    pub(super) fn check(&self) -> Result<()> {
        let refuse = |setting, value: String, allowed| {
            Err(TuneError::Setting {
                setting,
                value,
                allowed,
            })
        };
        if self.candidates == 0 {
            return refuse("candidates", self.candidates.to_string(), "at least 1");
        }
        if !(self.good_share > 0.0 && self.good_share < 1.0) {
            return refuse("good_share", self.good_share.to_string(), "between 0 and 1");
        }
        Ok(())
    }

    /// The values of the next trial, from those that are known.
    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss
    )]
    pub(super) fn suggest(
        &self,
        space: &SearchSpace,
        known: &[&Trial],
        direction: Direction,
        random: &mut Stream,
    ) -> Result<Assignment> {
        let (mut scored, ended): (Vec<&Trial>, Vec<&Trial>) =
            known.iter().partition(|trial| trial.score.is_some());
        if known.len() < self.startup_trials.max(2) || scored.is_empty() {
            return space.sample(random);
        }
        scored.sort_by(|a, b| {
            match direction {
                Direction::Minimize => a.score.partial_cmp(&b.score),
                Direction::Maximize => b.score.partial_cmp(&a.score),
            }
            .unwrap_or(Ordering::Equal)
        });
        let n_good = ((self.good_share * known.len() as f64).ceil() as usize).clamp(1, 25);
        let (good, others) = scored.split_at(n_good.min(scored.len()));
        // Those that were hopeless or failed are the worst.
        let bad = [others, &ended].concat();
        let values = |trials: &[&Trial], name: &str| -> Vec<Value> {
            let of = trials.iter().filter_map(|trial| trial.values.get(name));
            of.cloned().collect()
        };
        space.draw(|name, distribution| {
            let good = Density::new(distribution, &values(good, name));
            let bad = Density::new(distribution, &values(&bad, name));
            let mut best: Option<(f64, f64)> = None;
            for _ in 0..self.candidates {
                let place = good.draw(random);
                let promise = good.at(place).ln() - bad.at(place).ln();
                if best.is_none_or(|(most, _)| promise > most) {
                    best = Some((promise, place));
                }
            }
            distribution.at(best.map_or(0.5, |(_, place)| place))
        })
    }
}

/// How likely a parameter's places in [0, 1] are, from the values seen and as one more the distribution itself.
enum Density {
    /// A share for each value of a choice.
    Shares(Vec<f64>),
    /// A bell about each value, cut off at the bounds: place and width. Logistic ones, whose cumulative distribution is
    /// known in closed form.
    Bells(Vec<(f64, f64)>),
}

impl Density {
    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss
    )]
    fn new(distribution: &Distribution, values: &[Value]) -> Self {
        let mut places: Vec<f64> = values
            .iter()
            .filter_map(|value| distribution.place(value))
            .collect();
        if let (Distribution::Choice { .. }, Some(n)) = (distribution, distribution.n_values()) {
            let mut shares = vec![1.0 / n as f64; n];
            for place in &places {
                shares[nth(*place, n)] += 1.0;
            }
            let total = places.len() as f64 + 1.0;
            shares.iter_mut().for_each(|share| *share /= total);
            return Self::Shares(shares);
        }
        places.sort_by(f64::total_cmp);
        let n = places.len();
        let narrowest = 1.0 / (n as f64 + 2.0).min(100.0);
        let width = |nth: usize| {
            let below = nth.checked_sub(1).map_or(0.0, |nth| places[nth]);
            let above = places.get(nth + 1).copied().unwrap_or(1.0);
            (places[nth] - below)
                .max(above - places[nth])
                .clamp(narrowest, 1.0)
        };
        // The logistic distribution's standard deviation is 1.81 times its scale.
        let bells = (0..n).map(|nth| (places[nth], width(nth) / 1.81));
        Self::Bells(bells.chain([(0.5, 1.0)]).collect())
    }

    fn at(&self, place: f64) -> f64 {
        match self {
            Self::Shares(shares) => shares[nth(place, shares.len())],
            #[allow(clippy::cast_precision_loss)]
            Self::Bells(bells) => {
                let density = |&(middle, scale): &(f64, f64)| {
                    let (low, high) = (below(0.0, middle, scale), below(1.0, middle, scale));
                    let here = below(place, middle, scale);
                    here * (1.0 - here) / (scale * (high - low))
                };
                bells.iter().map(density).sum::<f64>() / bells.len() as f64
            }
        }
    }

    #[allow(clippy::cast_precision_loss)]
    fn draw(&self, random: &mut Stream) -> f64 {
        match self {
            Self::Shares(shares) => {
                let mut left = random.uniform();
                for (nth, share) in shares.iter().enumerate() {
                    if left < *share {
                        return (nth as f64 + 0.5) / shares.len() as f64;
                    }
                    left -= share;
                }
                1.0 - 0.5 / shares.len() as f64
            }
            Self::Bells(bells) => {
                let (middle, scale) = bells[random.below(bells.len())];
                let (low, high) = (below(0.0, middle, scale), below(1.0, middle, scale));
                let share = low + random.uniform() * (high - low);
                (middle + scale * (share / (1.0 - share)).ln()).clamp(0.0, 1.0)
            }
        }
    }
}

/// The cumulative logistic distribution.
fn below(place: f64, middle: f64, scale: f64) -> f64 {
    1.0 / (1.0 + (-(place - middle) / scale).exp())
}

#[cfg(test)]
mod tests {
    use super::*;
    use hitcast_core::Seed;

    #[test]
    fn densities_sum_to_one_and_are_what_is_drawn_from() {
        let numbers = Distribution::Uniform { low: -2.0, high: 6.0 };
        let choice = Distribution::choice_or_default(["a", "b"]);
        for (distribution, values) in [
            (
                &numbers,
                vec![Value::from(-2.0), 0.0.into(), 0.1.into(), 6.0.into()],
            ),
            (&choice, vec!["a".into(), "a".into(), Value::Null]),
        ] {
            let density = Density::new(distribution, &values);
            let steps = 3000;
            let of_step = |step: usize| (step as f64 + 0.5) / steps as f64;
            let all: f64 = (0..steps).map(|step| density.at(of_step(step))).sum();
            let norm = match &density {
                Density::Shares(shares) => steps as f64 / shares.len() as f64,
                Density::Bells(_) => steps as f64,
            };
            assert!((all / norm - 1.0).abs() < 1e-3, "{}", all / norm);
            let mut random = Seed::new(3).stream("draws");
            let draws = 20_000;
            let low = (0..draws)
                .filter(|_| density.draw(&mut random) < 1.0 / 3.0)
                .count();
            let expected: f64 = (0..steps / 3).map(|step| density.at(of_step(step))).sum::<f64>() / norm;
            assert!((low as f64 / f64::from(draws) - expected).abs() < 0.015);
        }
    }
}
