//! What trains an engine, by which settings and callbacks, and what comes of it.

use hitcast_core::{EpochRecord, FitContext, StopReason};
use hitcast_nn::Loss;

use crate::callback::Callback;
use crate::engine::Engine;
use crate::error::Result;
use crate::run::Run;
use crate::settings::TrainingSettings;
use crate::stream::ShuffleBuffer;

/// Trains by an [`Engine`]: shuffles, steps, watches, keeps the best.
#[derive(Default)]
pub struct Trainer<'c> {
    settings: TrainingSettings,
    callbacks: Vec<Box<dyn Callback + 'c>>,
}

impl std::fmt::Debug for Trainer<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Trainer")
            .field("settings", &self.settings)
            .field("callbacks", &self.callbacks.len())
            .finish()
    }
}

/// The targets that an engine's predictions are measured against.
#[derive(Debug, Clone, Copy)]
pub struct Targets<'a> {
    /// Training rows of an epoch.
    pub n_train: usize,
    /// Of the training rows, of classes their numbers, if the engine holds them all; else only their losses are told.
    pub train: Option<&'a [f64]>,
    /// Of the validation rows, if there are any.
    pub validation: Option<&'a [f64]>,
    /// What is minimised, which the validation rows are measured by.
    pub loss: Loss,
    /// What the validation loss is weighted by.
    pub validation_weights: Option<&'a [f64]>,
    /// Whether a batch of one row must be avoided.
    pub has_batch_norm: bool,
    /// What tells this network and these rows from others: a checkpoint made under another identity is refused.
    pub identity: &'a str,
}

/// What a training run brought besides the weights, which the engine holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// One record an epoch.
    pub history: Vec<EpochRecord>,
    /// Rows learned from in these epochs, each as often as it was; a first epoch that was cut short had fewer than there are.
    pub rows: usize,
    /// The epoch whose weights the engine ended with, from 1.
    pub best_epoch: usize,
    /// Why training ended.
    pub stopped: StopReason,
}

impl<'c> Trainer<'c> {
    /// A trainer with these settings, which are checked when it runs.
    pub fn new(settings: TrainingSettings) -> Self {
        Self {
            settings,
            callbacks: Vec::new(),
        }
    }

    /// This trainer with one more callback.
    #[must_use]
    pub fn with_callback(mut self, callback: impl Callback + 'c) -> Self {
        self.callbacks.push(Box::new(callback));
        self
    }

    /// Trains until the epochs are over, the loss no longer improves, a callback breaks or a stop is requested.
    ///
    /// The engine ends with the weights of the last epoch, or of the best one (by validation loss, by training loss
    /// without validation rows) where early stopping restores it or a stop was requested.
    ///
    /// # Errors
    /// [`TrainError::Setting`](crate::TrainError::Setting) and [`TrainError::NoValidation`](crate::TrainError::NoValidation)
    /// before anything is done, [`TrainError::NonFiniteLoss`](crate::TrainError::NonFiniteLoss) and
    /// [`TrainError::NonFinitePrediction`](crate::TrainError::NonFinitePrediction) when training diverges.
    pub fn run(
        &mut self,
        engine: &mut dyn Engine,
        targets: &Targets<'_>,
        context: &FitContext<'_>,
    ) -> Result<Outcome> {
        Run::begin(&self.settings, engine, None, targets, context)?.until_it_ends(&mut self.callbacks)
    }

    /// Does the same with rows from a buffer in place of those that the engine holds.
    pub(crate) fn run_stream(
        &mut self,
        engine: &mut dyn Engine,
        rows: &mut ShuffleBuffer<'_>,
        targets: &Targets<'_>,
        context: &FitContext<'_>,
    ) -> Result<Outcome> {
        Run::begin(&self.settings, engine, Some(rows), targets, context)?.until_it_ends(&mut self.callbacks)
    }
}
