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
    /// Metrics over the training rows after the epoch, by name.
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

/// A request to stop that clones share, as of a Ctrl-C handler and the fit that it stops.
#[derive(Debug, Clone, Default)]
pub struct StopSignal(Arc<AtomicBool>);

impl StopSignal {
    /// A signal that is not set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks every holder to stop; a fit ends after its current step and keeps its best weights.
    pub fn request(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether a stop was requested.
    pub fn is_requested(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
