//! Checkpoints of a run: how it is taken up again, and what is kept of it.

use hitcast_core::{Event, FitContext, StopReason};

use super::{Progress, Run};
use crate::checkpoint::{Checkpoint, CheckpointFolder};
use crate::error::Result;
use crate::settings::TrainingSettings;
use crate::trainer::Targets;

/// Changed whenever what an engine saves means something else.
const CHECKPOINT_FORMAT: u32 = 3;

impl<'a> Run<'a, '_> {
    /// Where checkpoints of this run belong, if they are wanted.
    pub(super) fn checkpoints(
        settings: &TrainingSettings,
        targets: &Targets<'_>,
        context: &FitContext<'a>,
    ) -> Option<CheckpointFolder<'a>> {
        let (format, version) = (CHECKPOINT_FORMAT, env!("CARGO_PKG_VERSION"));
        let (seed, of) = (context.seed.value(), targets.identity);
        let identity = format!("{format} {version} {settings:?} {seed} {of}");
        context
            .checkpoints
            .map(|checkpoints| CheckpointFolder::new(checkpoints, &identity))
    }

    /// Goes on from the newest whole checkpoint, if there is one; gives why the run had ended, if it had.
    pub(super) fn resume(&mut self) -> Result<Option<StopReason>> {
        let Some(checkpoints) = &mut self.checkpoints else {
            return Ok(None);
        };
        let not_taken = checkpoints.take()?;
        let newest = checkpoints.newest()?;
        if let Some(note) = not_taken {
            self.note(&note);
        }
        let Some((checkpoint, notes)) = newest else {
            return Ok(None);
        };
        for note in notes {
            self.note(&note);
        }
        self.engine
            .restore(&checkpoint.engine)
            .map_err(|error| match &self.checkpoints {
                Some(checkpoints) => checkpoints.not_here(&error),
                None => error,
            })?;
        let (before, now) = (checkpoint.arithmetic, self.engine.arithmetic());
        if before != now {
            self.note(&format!(
                "its checkpoint was made by {before}, and training goes on by {now}, which rounds otherwise: it ends near to \
                 where it would have ended there, but not with the same bits"
            ));
        }
        for record in checkpoint.history {
            let loss = record.validation_loss.unwrap_or(record.train_loss);
            self.schedule.observe(loss);
            if let Some(watch) = &mut self.watch {
                watch.observe(loss);
            }
            if self.best.is_none_or(|(_, best)| loss < best) {
                self.best = Some((record.epoch, loss));
            }
            self.history.push(record);
        }
        // An epoch that was cut short is in no checkpoint's history.
        self.rows = self.history.len() * self.targets.n_train;
        self.within = checkpoint.within;
        self.elapsed_before = checkpoint.elapsed_seconds;
        if checkpoint.stopped.is_none() {
            self.context.progress.report(&Event::FitResumed {
                model: self.context.name,
                done: self.history.len(),
                epochs: self.settings.epochs,
                elapsed_seconds: self.elapsed_before,
            });
        }
        Ok(checkpoint.stopped)
    }

    pub(super) fn is_checkpoint_due(&self) -> bool {
        self.checkpoints.as_ref().is_some_and(CheckpointFolder::is_due)
    }

    /// Makes a checkpoint, if they are wanted; training is worth more than one that cannot be made.
    pub(super) fn keep(&mut self, stopped: Option<StopReason>, within: &Progress) {
        let (elapsed_seconds, arithmetic) = (self.elapsed_seconds(), self.engine.arithmetic());
        let Some(checkpoints) = &mut self.checkpoints else {
            return;
        };
        let saved = self.engine.state().and_then(|engine| {
            let checkpoint = Checkpoint {
                history: self.history.clone(),
                within: within.clone(),
                elapsed_seconds,
                stopped,
                arithmetic,
                engine,
            };
            checkpoints.save(&checkpoint, self.best.map(|(epoch, _)| epoch))
        });
        if let Err(error) = saved {
            self.note(&format!("no checkpoint was made: {error}"));
        }
    }

    fn note(&self, text: &str) {
        let note = format!("{}: {text}", self.context.name);
        self.context.progress.report(&Event::Note(&note));
    }
}
