//! Ending trials early that will not be the best.
//!
//! What is compared are losses after the same epoch on the same fold, and mean scores over the same number of folds.

use hitcast_metrics::Direction;
use serde::{Deserialize, Serialize};

use super::trial::{Trial, mean};
use crate::error::{Result, TuneError};

/// When a trial is hopeless.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Pruner {
    /// It is worse than the median of the trials before it came to at the same place (Golovin et al. 2017).
    Median {
        /// Trials that must have come so far before any is ended. Default 5.
        #[serde(default = "startup")]
        startup_trials: usize,
        /// Epochs that every fit is given. Default 10.
        #[serde(default = "warm_up")]
        warm_up_epochs: usize,
    },
    /// At epochs `first_epochs`, `first_epochs · reduction`, … it is not among the best of `1 / reduction` of the trials that
    /// came so far (asynchronous successive halving, Li et al. 2020).
    Halving {
        /// Epochs before a trial is first compared, at least 1. Default 5.
        #[serde(default = "startup")]
        first_epochs: usize,
        /// One of how many goes on, at least 2. Default 3.
        #[serde(default = "reduction")]
        reduction: usize,
    },
}

const fn startup() -> usize {
    5
}

const fn warm_up() -> usize {
    10
}

const fn reduction() -> usize {
    3
}

impl Default for Pruner {
    fn default() -> Self {
        Self::Median {
            startup_trials: startup(),
            warm_up_epochs: warm_up(),
        }
    }
}

impl Pruner {
    /// Halving with its defaults.
    pub const fn halving() -> Self {
        Self::Halving {
            first_epochs: startup(),
            reduction: reduction(),
        }
    }

    pub(super) fn check(&self) -> Result<()> {
        let (setting, value, allowed) = match *self {
            Self::Halving { first_epochs: 0, .. } => ("first_epochs", 0, "at least 1"),
            Self::Halving { reduction, .. } if reduction < 2 => ("reduction", reduction, "at least 2"),
            _ => return Ok(()),
        };
        Err(TuneError::Setting {
            setting,
            value: value.to_string(),
            allowed,
        })
    }

    /// Whether a fit is hopeless whose losses on this fold came so far.
    pub(super) fn ends_fit(&self, curve: &[f64], fold: usize, known: &[&Trial]) -> bool {
        let epochs = curve.len();
        let is_time = match *self {
            Self::Median { warm_up_epochs, .. } => epochs > warm_up_epochs,
            Self::Halving {
                first_epochs,
                reduction,
            } => {
                let mut rung = first_epochs;
                while rung < epochs {
                    rung = rung.saturating_mul(reduction);
                }
                rung == epochs
            }
        };
        if !is_time {
            return false;
        }
        let others = known.iter().filter_map(|trial| {
            let curve = &trial.folds.get(fold)?.curve;
            lowest(curve.get(..epochs)?)
        });
        lowest(curve).is_some_and(|own| self.ends(own, others.collect(), Direction::Minimize))
    }

    /// Whether a trial is hopeless that has these scores on its first folds.
    pub(super) fn ends_trial(&self, scores: &[f64], direction: Direction, known: &[&Trial]) -> bool {
        let others = known
            .iter()
            .filter_map(|trial| mean(trial.scores().get(..scores.len())?));
        mean(scores).is_some_and(|own| self.ends(own, others.collect(), direction))
    }

    fn ends(&self, own: f64, mut others: Vec<f64>, direction: Direction) -> bool {
        let enough = match *self {
            Self::Median { startup_trials, .. } => startup_trials.max(1),
            Self::Halving { reduction, .. } => reduction,
        };
        if others.len() < enough {
            return false;
        }
        others.sort_by(|a, b| match direction {
            Direction::Minimize => a.total_cmp(b),
            Direction::Maximize => b.total_cmp(a),
        });
        let last_that_goes_on = match *self {
            Self::Median { .. } => others.len() / 2,
            Self::Halving { reduction, .. } => others.len() / reduction,
        };
        direction.is_better(others[last_that_goes_on], own)
    }
}

fn lowest(curve: &[f64]) -> Option<f64> {
    curve.iter().copied().reduce(f64::min)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::trial::{FoldScore, TrialState};

    fn trial(curve: &[f64]) -> Trial {
        Trial {
            number: 1,
            values: [].into(),
            state: TrialState::Completed,
            score: None,
            folds: vec![FoldScore {
                score: curve.last().copied(),
                seconds: 0.0,
                curve: curve.to_vec(),
            }],
            seconds: 0.0,
            elapsed_seconds: 0.0,
        }
    }

    #[test]
    fn the_median_ends_what_is_worse_than_most_were_at_that_epoch() {
        let before: Vec<Trial> = [1.0, 2.0, 3.0].map(|last| trial(&[9.0, 8.0, last])).to_vec();
        let known: Vec<&Trial> = before.iter().collect();
        let pruner = Pruner::Median {
            startup_trials: 3,
            warm_up_epochs: 2,
        };
        assert!(pruner.ends_fit(&[9.0, 9.0, 2.5], 0, &known));
        assert!(!pruner.ends_fit(&[9.0, 9.0, 2.0], 0, &known));
        // The best so far counts, not the last.
        assert!(!pruner.ends_fit(&[1.5, 9.0, 2.5], 0, &known));
        // Too early, another fold, too few to compare with.
        assert!(!pruner.ends_fit(&[99.0, 99.0], 0, &known));
        assert!(!pruner.ends_fit(&[9.0, 9.0, 2.5], 1, &known));
        assert!(!pruner.ends_fit(&[9.0, 9.0, 2.5], 0, &known[..2]));
        assert!(pruner.ends_trial(&[2.5], Direction::Minimize, &known));
        assert!(!pruner.ends_trial(&[2.5], Direction::Maximize, &known));
    }

    #[test]
    fn halving_lets_the_best_third_pass_each_rung() {
        let before: Vec<Trial> = (1..=6).map(|n| trial(&[f64::from(n); 7])).collect();
        let known: Vec<&Trial> = before.iter().collect();
        let pruner = Pruner::Halving {
            first_epochs: 2,
            reduction: 3,
        };
        for (epochs, is_rung) in [(1, false), (2, true), (3, false), (6, true), (7, false)] {
            assert_eq!(
                pruner.ends_fit(&vec![3.5; epochs], 0, &known),
                is_rung,
                "{epochs}"
            );
            assert!(!pruner.ends_fit(&vec![3.0; epochs], 0, &known));
        }
    }
}
