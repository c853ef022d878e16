//! What a fit tells while it runs, and how it is asked to stop.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::{Deserialize, Serialize};

/// What one epoch of training brought.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// Number of the epoch, from 1.
    pub epoch: usize,
    /// Learning rate of the epoch's last step.
    pub learning_rate: f64,
    /// Mean training loss over the epoch's batches, as they were trained on (dropout on).
    pub train_loss: f64,
    /// Loss over the validation rows after the epoch.
    pub validation_loss: Option<f64>,
    /// Metrics over the training rows after the epoch, by name; empty where they are not measured.
    pub train: BTreeMap<String, f64>,
    /// Metrics over the validation rows after the epoch, by name.
    pub validation: BTreeMap<String, f64>,
    /// Seconds since the fit began.
    pub elapsed_seconds: f64,
}

/// Something that happened.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A fit begins.
    FitStarted {
        /// Name of the model.
        model: &'a str,
        /// Epochs at most; 0 for a model without epochs.
        epochs: usize,
        /// Numbers that will be learned, as far as they are known beforehand.
        parameters: usize,
        /// Rows to learn from.
        rows: usize,
        /// Bytes of memory that the fit takes, an estimate; 0 if it is not known.
        bytes: usize,
    },
    /// A fit that had been killed or interrupted goes on from its checkpoint.
    FitResumed {
        /// Name of the model.
        model: &'a str,
        /// Whole epochs that it had done.
        done: usize,
        /// Epochs at most.
        epochs: usize,
        /// Seconds that it had taken.
        elapsed_seconds: f64,
    },
    /// An epoch ended.
    EpochEnded {
        /// Name of the model.
        model: &'a str,
        /// What it brought.
        record: &'a EpochRecord,
        /// Epochs at most.
        epochs: usize,
    },
    /// A fit ended.
    FitEnded {
        /// Name of the model.
        model: &'a str,
        /// Why it ended, in words.
        reason: &'a str,
        /// Seconds it took.
        elapsed_seconds: f64,
        /// Rows learned from in a second; 0 for a model without epochs.
        rows_per_second: f64,
    },
    /// A trial of a search ended.
    TrialEnded {
        /// Name of the model that is searched for.
        model: &'a str,
        /// Number of the trial, from 1.
        trial: usize,
        /// Trials at most.
        trials: usize,
        /// What came out, in words: a score, or why there is none.
        outcome: &'a str,
        /// The best score so far; `None` before the first.
        best: Option<f64>,
    },
    /// Something the user should know.
    Note(&'a str),
}

/// Takes events. Calls come from the threads that fit, of several fits at once maybe; implementations must not block for
/// long.
pub trait Progress: Send + Sync {
    /// Takes one event.
    fn report(&self, event: &Event<'_>);
}

/// Takes events and shows nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoProgress;

impl Progress for NoProgress {
    fn report(&self, _event: &Event<'_>) {}
}

/// Passes on what the user should know, of fits whose steps are of no interest.
#[derive(Clone, Copy)]
pub struct NotesOnly<'a>(pub &'a dyn Progress);

impl Progress for NotesOnly<'_> {
    fn report(&self, event: &Event<'_>) {
        if let Event::Note(_) = event {
            self.0.report(event);
        }
    }
}

impl std::fmt::Debug for NotesOnly<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("NotesOnly").finish_non_exhaustive()
    }
}

/// A request to stop that clones share, as of a Ctrl-C handler and the fit that it stops.
#[derive(Debug, Clone, Default)]
pub struct StopSignal(Arc<Request>);

#[derive(Debug, Default)]
struct Request {
    is_set: AtomicBool,
    /// Stops this one too.
    parent: Option<StopSignal>,
}

impl StopSignal {
    /// A signal that is not set.
    pub fn new() -> Self {
        Self::default()
    }

    /// A signal for a part of the work: it is set with this one, but this one not with it.
    #[must_use]
    pub fn child(&self) -> Self {
        Self(Arc::new(Request {
            is_set: AtomicBool::new(false),
            parent: Some(self.clone()),
        }))
    }

    /// Asks every holder to stop; a fit ends after its current step and keeps its best weights.
    pub fn request(&self) {
        self.0.is_set.store(true, Ordering::Relaxed);
    }

    /// Whether a stop was requested.
    pub fn is_requested(&self) -> bool {
        self.0.is_set.load(Ordering::Relaxed) || self.0.parent.as_ref().is_some_and(Self::is_requested)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_stops_with_the_whole_but_not_the_whole_with_a_part() {
        let whole = StopSignal::new();
        let (part, other) = (whole.child(), whole.child());
        part.request();
        assert!(part.is_requested() && part.clone().is_requested());
        assert!(!whole.is_requested() && !other.is_requested());
        whole.request();
        assert!(other.is_requested() && other.child().is_requested());
    }
}
