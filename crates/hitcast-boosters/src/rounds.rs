//! Round after round: what each brought, when to stop, and how many are kept.

use std::collections::BTreeMap;
use std::time::Instant;

use hitcast_classical::checks::finite_losses;
use hitcast_classical::saved::Outcome;
use hitcast_core::{EpochRecord, Event, FitContext, StopReason};

use crate::error::Result;

/// The mean losses after a round: squared error, or the negative logarithm of the probability of a row's class.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Losses {
    pub(crate) train: f64,
    pub(crate) validation: Option<f64>,
}

/// How long to go on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rounds<'a> {
    pub(crate) context: &'a FitContext<'a>,
    /// At most.
    pub(crate) rounds: usize,
    /// Of the records.
    pub(crate) learning_rate: f64,
    /// Rounds without a smaller validation loss after which it ends; then those up to the best are kept.
    pub(crate) patience: Option<usize>,
}

/// What the rounds brought.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Learned {
    pub(crate) history: Vec<EpochRecord>,
    /// Rounds whose trees are kept, at least 1.
    pub(crate) kept: usize,
    pub(crate) stopped: StopReason,
}

impl Learned {
    /// The fit's outcome, of a model of the rounds that are kept.
    pub(crate) fn outcome<M>(self, model: M) -> Outcome<M> {
        Outcome {
            model,
            history: self.history,
            best_epoch: Some(self.kept),
            stopped: self.stopped,
        }
    }
}

impl Rounds<'_> {
    /// Calls `next` with the number of each round, from 0, until it says that there is nothing left to learn, which it may not
    /// of the first, or one of the reasons to stop comes.
    ///
    /// # Errors
    /// Those of `next`, and [`ClassicalError::NotFinite`](hitcast_classical::ClassicalError::NotFinite) for a loss that is no number.
    pub(crate) fn run(&self, mut next: impl FnMut(usize) -> Result<Option<Losses>>) -> Result<Learned> {
        let began = Instant::now();
        let mut history = Vec::new();
        let (mut best, mut lowest) = (0, f64::INFINITY);
        let mut stopped = StopReason::Completed;
        for round in 0..self.rounds {
            if round > 0 && self.context.stop.is_requested() {
                stopped = StopReason::Requested;
                break;
            }
            let Some(losses) = next(round)? else {
                if self.context.stop.is_requested() {
                    stopped = StopReason::Requested;
                }
                break;
            };
            finite_losses(losses.train, losses.validation)?;
            let record = EpochRecord {
                epoch: round + 1,
                learning_rate: self.learning_rate,
                train_loss: losses.train,
                validation_loss: losses.validation,
                train: BTreeMap::new(),
                validation: BTreeMap::new(),
                elapsed_seconds: began.elapsed().as_secs_f64(),
            };
            self.context.progress.report(&Event::EpochEnded {
                model: self.context.name,
                record: &record,
                epochs: self.rounds,
            });
            history.push(record);
            let (Some(patience), Some(loss)) = (self.patience, losses.validation) else {
                continue;
            };
            if loss < lowest {
                (best, lowest) = (round, loss);
            } else if round - best >= patience {
                stopped = StopReason::EarlyStopping;
                break;
            }
        }
        let kept = match self.patience {
            Some(_) => best + 1,
            None => history.len(),
        };
        Ok(Learned {
            history,
            kept: kept.max(1),
            stopped,
        })
    }
}

#[cfg(test)]
mod tests {
    use hitcast_core::{Seed, StopSignal};

    use super::*;

    fn run(patience: Option<usize>, losses: &[f64], stop: &StopSignal) -> Result<Learned> {
        let context = FitContext::quiet("test", Seed::new(1), stop);
        let rounds = Rounds {
            context: &context,
            rounds: 6,
            learning_rate: 0.1,
            patience,
        };
        rounds.run(|round| {
            Ok(losses.get(round).map(|&loss| Losses {
                train: 1.0,
                validation: Some(loss),
            }))
        })
    }

    #[test]
    fn the_best_round_is_kept_where_there_is_patience_and_all_where_there_is_none() {
        let (stop, losses) = (StopSignal::new(), [3.0, 1.0, 2.0, 2.0, 2.0, 2.0]);
        let learned = run(Some(2), &losses, &stop).unwrap();
        assert_eq!((learned.kept, learned.history.len()), (2, 4));
        assert_eq!(learned.stopped, StopReason::EarlyStopping);
        let learned = run(Some(9), &losses, &stop).unwrap();
        assert_eq!((learned.kept, learned.history.len()), (2, 6));
        assert_eq!(learned.stopped, StopReason::Completed);
        let learned = run(None, &losses, &stop).unwrap();
        assert_eq!((learned.kept, learned.history.len()), (6, 6));
        let learned = run(None, &losses[..3], &stop).unwrap();
        assert_eq!((learned.kept, learned.history.len()), (3, 3));
    }

    #[test]
    fn a_stop_ends_after_the_round_and_a_loss_that_is_none_is_an_error() {
        let stop = StopSignal::new();
        stop.request();
        let learned = run(None, &[1.0; 6], &stop).unwrap();
        assert_eq!((learned.kept, learned.stopped), (1, StopReason::Requested));
        let error = run(None, &[1.0, f64::NAN], &StopSignal::new()).unwrap_err();
        assert!(
            error.to_string().contains("the validation loss came out as NaN"),
            "{error}"
        );
    }
}
