//! The learning rate over time, as PyTorch's schedulers.

use serde::{Deserialize, Serialize};

use crate::error::{Result, TrainError, at_least_zero, positive, share};

/// How the learning rate changes, starting from the optimiser's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Schedule {
    /// It stays.
    #[default]
    Constant,
    /// Times `factor` every so many epochs, as `StepLR`.
    Step {
        /// Epochs between changes, at least 1.
        every: usize,
        /// In (0, 1).
        factor: f64,
    },
    /// Times `factor` every epoch, as `ExponentialLR`.
    Exponential {
        /// In (0, 1).
        factor: f64,
    },
    /// Down along half a cosine over all epochs (Loshchilov and Hutter 2017), as `CosineAnnealingLR`.
    Cosine {
        /// Where it would arrive after the last epoch, at least 0.
        #[serde(default)]
        final_rate: f64,
    },
    /// Up from a small rate and down to a tiny one, step by step (Smith and Topin 2019), as `OneCycleLR` with its
    /// cosine form; the momentum stays as it is. The optimiser's rate is the peak.
    OneCycle {
        /// Share of the steps that go up, in (0, 1).
        #[serde(default = "rising_share")]
        rising_share: f64,
        /// Peak divided by the first rate, above 0.
        #[serde(default = "start_divisor")]
        start_divisor: f64,
        /// First rate divided by the last, above 0.
        #[serde(default = "final_divisor")]
        final_divisor: f64,
    },
    /// Times `factor` when the validation loss has not improved for longer than `patience` epochs, as
    /// `ReduceLROnPlateau` with an absolute threshold.
    ReduceOnPlateau {
        /// In (0, 1).
        #[serde(default = "plateau_factor")]
        factor: f64,
        /// Epochs without improvement that are borne.
        #[serde(default = "plateau_patience")]
        patience: usize,
        /// How much smaller a loss must be to count as better, at least 0.
        #[serde(default)]
        min_delta: f64,
        /// The rate does not fall below this, at least 0.
        #[serde(default)]
        min_learning_rate: f64,
    },
}

const fn rising_share() -> f64 {
    0.3
}

const fn start_divisor() -> f64 {
    25.0
}

const fn final_divisor() -> f64 {
    1e4
}

const fn plateau_factor() -> f64 {
    0.5
}

const fn plateau_patience() -> usize {
    5
}

impl Schedule {
    /// One cycle with PyTorch's settings.
    pub const fn one_cycle() -> Self {
        Self::OneCycle {
            rising_share: rising_share(),
            start_divisor: start_divisor(),
            final_divisor: final_divisor(),
        }
    }

    pub(crate) const fn watches_validation(&self) -> bool {
        matches!(self, Self::ReduceOnPlateau { .. })
    }

    /// Checks every setting.
    ///
    /// # Errors
    /// [`TrainError::Setting`] naming the setting, its value and what it may be.
    pub fn check(&self) -> Result<()> {
        let factor_below_one =
            |factor: f64| positive("schedule.factor", factor).and(share("schedule.factor", factor));
        match *self {
            Self::Constant => Ok(()),
            Self::Step { every: 0, .. } => Err(TrainError::setting("schedule.every", 0, "at least 1")),
            Self::Step { factor, .. } | Self::Exponential { factor } => factor_below_one(factor),
            Self::Cosine { final_rate } => at_least_zero("schedule.final_rate", final_rate),
            Self::OneCycle {
                rising_share,
                start_divisor,
                final_divisor,
            } => {
                positive("schedule.rising_share", rising_share)?;
                share("schedule.rising_share", rising_share)?;
                positive("schedule.start_divisor", start_divisor)?;
                positive("schedule.final_divisor", final_divisor)
            }
            Self::ReduceOnPlateau {
                factor,
                min_delta,
                min_learning_rate,
                ..
            } => {
                factor_below_one(factor)?;
                at_least_zero("schedule.min_delta", min_delta)?;
                at_least_zero("schedule.min_learning_rate", min_learning_rate)
            }
        }
    }
}

/// A schedule under way.
#[derive(Debug, Clone)]
pub struct ScheduleState {
    schedule: Schedule,
    base: f64,
    epochs: usize,
    steps_per_epoch: usize,
    reduced: f64,
    best: f64,
    bad_epochs: usize,
}

impl ScheduleState {
    /// Starts a schedule at this learning rate.
    pub fn new(schedule: Schedule, base: f64, epochs: usize, steps_per_epoch: usize) -> Self {
        Self {
            schedule,
            base,
            epochs,
            steps_per_epoch,
            reduced: base,
            best: f64::INFINITY,
            bad_epochs: 0,
        }
    }

    /// The learning rate of a step; epoch and step within it from 0.
    #[allow(clippy::cast_precision_loss)]
    pub fn rate(&self, epoch: usize, step: usize) -> f64 {
        match self.schedule {
            Schedule::Constant => self.base,
            Schedule::Step { every, factor } => self.base * factor.powf((epoch / every.max(1)) as f64),
            Schedule::Exponential { factor } => self.base * factor.powf(epoch as f64),
            Schedule::Cosine { final_rate } => {
                cosine(self.base, final_rate, epoch as f64 / self.epochs.max(1) as f64)
            }
            Schedule::OneCycle {
                rising_share,
                start_divisor,
                final_divisor,
            } => {
                let last = (self.epochs * self.steps_per_epoch) as f64 - 1.0;
                let peak = rising_share * (last + 1.0) - 1.0;
                let now = (epoch * self.steps_per_epoch + step) as f64;
                let first = self.base / start_divisor;
                if now <= peak {
                    cosine(first, self.base, if peak > 0.0 { now / peak } else { 1.0 })
                } else {
                    cosine(
                        self.base,
                        first / final_divisor,
                        ((now - peak) / (last - peak)).min(1.0),
                    )
                }
            }
            Schedule::ReduceOnPlateau { .. } => self.reduced,
        }
    }

    /// Takes the validation loss of an epoch that ended.
    pub fn observe(&mut self, validation_loss: f64) {
        let Schedule::ReduceOnPlateau {
            factor,
            patience,
            min_delta,
            min_learning_rate,
        } = self.schedule
        else {
            return;
        };
        if validation_loss < self.best - min_delta {
            self.best = validation_loss;
            self.bad_epochs = 0;
            return;
        }
        self.bad_epochs += 1;
        if self.bad_epochs > patience {
            self.reduced = (self.reduced * factor).max(min_learning_rate);
            self.bad_epochs = 0;
        }
    }
}

/// From one rate to another along half a cosine.
fn cosine(from: f64, to: f64, share: f64) -> f64 {
    to + (from - to) * 0.5 * (1.0 + (std::f64::consts::PI * share).cos())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn golden(name: &str) -> Vec<f64> {
        let all: BTreeMap<String, Vec<f64>> =
            serde_json::from_str(include_str!("../tests/golden/schedules.json")).unwrap();
        all[name].clone()
    }

    fn rates(schedule: Schedule, epochs: usize, steps: usize) -> Vec<f64> {
        let state = ScheduleState::new(schedule, 0.1, epochs, steps);
        (0..epochs)
            .flat_map(|epoch| (0..steps).map(move |step| (epoch, step)))
            .map(|(e, s)| state.rate(e, s))
            .collect()
    }

    fn assert_same(ours: &[f64], name: &str) {
        let pytorch = golden(name);
        assert_eq!(ours.len(), pytorch.len());
        for (ours, pytorch) in ours.iter().zip(pytorch) {
            approx::assert_relative_eq!(*ours, pytorch, max_relative = 1e-6, epsilon = 1e-12);
        }
    }

    #[test]
    fn every_schedule_gives_pytorchs_rates() {
        assert_eq!(rates(Schedule::Constant, 3, 1), [0.1; 3]);
        assert_same(
            &rates(
                Schedule::Step {
                    every: 3,
                    factor: 0.5,
                },
                10,
                1,
            ),
            "step",
        );
        assert_same(
            &rates(Schedule::Exponential { factor: 0.9 }, 10, 1),
            "exponential",
        );
        assert_same(&rates(Schedule::Cosine { final_rate: 0.001 }, 10, 1), "cosine");
        assert_same(&rates(Schedule::one_cycle(), 10, 4), "one_cycle");

        let schedule = Schedule::ReduceOnPlateau {
            factor: 0.5,
            patience: 2,
            min_delta: 0.0,
            min_learning_rate: 0.0,
        };
        let mut state = ScheduleState::new(schedule, 0.1, 12, 1);
        let losses = [5.0, 4.0, 4.0, 4.0, 4.0, 3.9, 3.95, 3.95, 3.95, 3.95, 3.95, 3.95];
        let mut seen = Vec::new();
        for (epoch, loss) in losses.into_iter().enumerate() {
            seen.push(state.rate(epoch, 0));
            state.observe(loss);
        }
        assert_same(&seen, "plateau");
    }

    #[test]
    fn one_cycle_of_a_single_step_has_a_rate() {
        assert!(rates(Schedule::one_cycle(), 1, 1)[0].is_finite());
        assert!(rates(Schedule::one_cycle(), 1, 2).iter().all(|r| r.is_finite()));
    }

    #[test]
    fn bad_settings_are_named() {
        let message = |schedule: Schedule| schedule.check().unwrap_err().to_string();
        assert!(
            message(Schedule::Step {
                every: 0,
                factor: 0.5
            })
            .contains("schedule.every is 0")
        );
        assert!(message(Schedule::Exponential { factor: 1.5 }).contains("schedule.factor is 1.5"));
        assert!(message(Schedule::Cosine { final_rate: f64::NAN }).contains("final_rate is NaN"));
    }
}
