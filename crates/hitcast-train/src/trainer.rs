//! The loop over epochs and batches.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Instant;

use hitcast_core::{EpochRecord, Event, FitContext, Seed, StopReason, Stream};
use hitcast_metrics::squared_deviations;
use hitcast_nn::Loss;
use serde::{Deserialize, Serialize};

use crate::callback::Callback;
use crate::checkpoint::{Checkpoint, CheckpointFolder};
use crate::engine::{Engine, Split};
use crate::error::{Result, TrainError};
use crate::schedule::ScheduleState;
use crate::settings::TrainingSettings;
use crate::stream::ShuffleBuffer;
use crate::sums::Sums;

/// Changed whenever what an engine saves means something else.
const CHECKPOINT_FORMAT: u32 = 2;

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
    /// [`TrainError::Setting`] and [`TrainError::NoValidation`] before anything is done,
    /// [`TrainError::NonFiniteLoss`] and [`TrainError::NonFinitePrediction`] when training diverges.
    pub fn run(
        &mut self,
        engine: &mut dyn Engine,
        targets: &Targets<'_>,
        context: &FitContext<'_>,
    ) -> Result<Outcome> {
        self.feed(engine, None, targets, context)
    }

    /// Does the same with rows from a buffer in place of those that the engine holds.
    pub(crate) fn run_stream(
        &mut self,
        engine: &mut dyn Engine,
        rows: &mut ShuffleBuffer<'_>,
        targets: &Targets<'_>,
        context: &FitContext<'_>,
    ) -> Result<Outcome> {
        self.feed(engine, Some(rows), targets, context)
    }

    fn feed<'a>(
        &mut self,
        engine: &'a mut dyn Engine,
        stream: Option<&'a mut ShuffleBuffer<'_>>,
        targets: &'a Targets<'_>,
        context: &'a FitContext<'_>,
    ) -> Result<Outcome> {
        let settings = self.settings.clone();
        settings.check(targets.n_train, targets.validation.is_some())?;
        let batches = batches(targets.n_train, settings.batch_size, targets.has_batch_norm)?;
        let base = settings.optimizer.learning_rate();
        let (format, version) = (CHECKPOINT_FORMAT, env!("CARGO_PKG_VERSION"));
        let (seed, of) = (context.seed.value(), targets.identity);
        let identity = format!("{format} {version} {settings:?} {seed} {of}");
        let checkpoints = context
            .checkpoints
            .map(|checkpoints| CheckpointFolder::new(checkpoints, &identity));
        let mut run = Run {
            schedule: ScheduleState::new(
                settings.schedule,
                base,
                settings.epochs,
                batches.len().div_ceil(settings.accumulate_batches),
            ),
            watch: settings.early_stopping.map(crate::EarlyStopping::watch),
            settings: &settings,
            engine,
            stream,
            targets,
            context,
            batches,
            checkpoints,
            within: Progress::default(),
            began: Instant::now(),
            elapsed_before: 0.0,
            history: Vec::new(),
            best: None,
            of_train: None,
            of_validation: None,
            next_order: None,
        };
        let mut stopped = run.resume()?;
        while stopped.is_none() {
            let epoch = run.history.len();
            stopped = run.epoch(epoch, &mut self.callbacks)?;
            if epoch + 1 == settings.epochs && stopped.is_none() {
                stopped = Some(StopReason::Completed);
            }
            // What was interrupted was kept at that step.
            if stopped != Some(StopReason::Requested) && (stopped.is_some() || run.is_checkpoint_due()) {
                run.keep(stopped, &Progress::default());
            }
        }
        run.finish(stopped.unwrap_or(StopReason::Completed))
    }
}

/// A training run under way.
struct Run<'a, 's> {
    settings: &'a TrainingSettings,
    engine: &'a mut dyn Engine,
    /// Where rows come from that the engine does not hold.
    stream: Option<&'a mut ShuffleBuffer<'s>>,
    targets: &'a Targets<'a>,
    context: &'a FitContext<'a>,
    /// Those of an epoch.
    batches: Vec<Range<usize>>,
    schedule: ScheduleState,
    watch: Option<crate::early_stopping::Watch>,
    checkpoints: Option<CheckpointFolder<'a>>,
    /// What the epoch had brought within which the run was taken up again.
    within: Progress,
    began: Instant,
    /// Seconds before the run was taken up again.
    elapsed_before: f64,
    history: Vec<EpochRecord>,
    /// The best epoch so far and its loss.
    best: Option<(usize, f64)>,
    /// Squared deviations of the targets, once they were asked for.
    of_train: Option<f64>,
    of_validation: Option<f64>,
    /// The order of an epoch that has not begun.
    next_order: Option<(usize, Vec<usize>)>,
}

/// What the batches of an epoch have brought so far.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Progress {
    /// Those learned from.
    pub(crate) batches: usize,
    /// Rows of the batches whose losses were not looked at yet.
    #[serde(skip)]
    pending: Vec<usize>,
    /// Of the others.
    rows: usize,
    /// Sum of the rows' losses.
    loss: f64,
}

impl Run<'_, '_> {
    /// Goes through all rows once; gives what that brought, and whether it was interrupted.
    fn go_through(&mut self, epoch: usize) -> Result<(Progress, bool)> {
        let mut done = std::mem::take(&mut self.within);
        let mut order = self.order(epoch);
        let n_batches = self.batches.len();
        let Some(stream) = self.stream.take() else {
            let prepared = self.next_order.take().filter(|(of, _)| *of == epoch);
            let order = prepared.map_or_else(|| order.permutation(self.targets.n_train), |(_, order)| order);
            self.engine.begin_epoch(&order)?;
            let batches = std::mem::take(&mut self.batches);
            let rest = batches.get(done.batches..).unwrap_or_default();
            let interrupted = self.learn(epoch, rest, n_batches, &mut done);
            self.batches = batches;
            return Ok((done, interrupted?));
        };
        stream.rewind()?;
        let (mut interrupted, mut before) = (false, 0);
        while let Some(rows) = stream.next(&mut order)? {
            let batches = batches(
                rows.n_rows(),
                self.settings.batch_size,
                self.targets.has_batch_norm,
            )?;
            // Of those that were learned from before the run was taken up again, nothing is left.
            let rest = batches
                .get(done.batches.saturating_sub(before)..)
                .unwrap_or_default();
            before += batches.len();
            if rest.is_empty() {
                continue;
            }
            self.engine.replace_rows(&rows)?;
            interrupted = self.learn(epoch, rest, n_batches, &mut done)?;
            if interrupted {
                break;
            }
        }
        self.stream = Some(stream);
        Ok((done, interrupted))
    }

    /// What the order of an epoch's rows is drawn from.
    fn order(&self, epoch: usize) -> Stream {
        epoch_seed(self.context.seed, epoch).stream("order")
    }

    /// Draws the order of the epoch to come while the device is still at work on the steps of this one.
    fn prepare_order(&mut self, epoch: usize) {
        if epoch < self.settings.epochs && self.targets.train.is_some() && self.engine.is_ahead() {
            self.next_order = Some((epoch, self.order(epoch).permutation(self.targets.n_train)));
        }
    }

    /// Learns from these batches, some of an epoch's; says whether a stop was requested meanwhile.
    fn learn(
        &mut self,
        epoch: usize,
        batches: &[Range<usize>],
        n_batches: usize,
        done: &mut Progress,
    ) -> Result<bool> {
        let look_every = self.engine.look_every();
        for rows in batches {
            done.pending.push(rows.len());
            let batch = done.batches;
            done.batches += 1;
            let is_last = done.batches == n_batches;
            let is_step = is_last || done.batches.is_multiple_of(self.settings.accumulate_batches);
            if is_step {
                self.engine.step(rows.clone(), self.rate(epoch, batch))?;
            } else {
                self.engine.accumulate(rows.clone())?;
            }
            // Between two steps there is no gradient that a checkpoint would have to hold.
            let interrupted = is_step && self.context.stop.is_requested();
            let is_due = is_step && !is_last && self.is_checkpoint_due();
            if is_last {
                self.prepare_order(epoch + 1);
            }
            if interrupted || is_due || is_last || done.pending.len() >= look_every {
                self.look(epoch, done)?;
            }
            if interrupted || is_due {
                self.keep(None, done);
            }
            if interrupted {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn epoch(
        &mut self,
        epoch: usize,
        callbacks: &mut [Box<dyn Callback + '_>],
    ) -> Result<Option<StopReason>> {
        let (done, interrupted) = self.go_through(epoch)?;
        // An epoch that was cut short is only worth something when there is no whole one.
        let whole = done.rows == self.targets.n_train;
        if interrupted && !whole && self.best.is_some() {
            return Ok(Some(StopReason::Requested));
        }
        #[allow(clippy::cast_precision_loss)]
        let record = self.measure(
            epoch,
            done.batches.saturating_sub(1),
            done.loss / done.rows as f64,
        )?;
        let loss = record.validation_loss.unwrap_or(record.train_loss);
        self.schedule.observe(loss);
        if self.best.is_none_or(|(_, best)| loss < best) {
            self.best = Some((epoch + 1, loss));
            self.engine.remember()?;
        }
        let epochs = self.settings.epochs;
        self.context.progress.report(&Event::EpochEnded {
            model: self.context.name,
            record: &record,
            epochs,
        });
        let mut callback_breaks = false;
        for callback in callbacks {
            callback_breaks |= callback.on_epoch_end(&record).is_break();
        }
        self.history.push(record);
        let early = self.watch.as_mut().is_some_and(|watch| watch.should_stop(loss));
        Ok(match () {
            () if interrupted => Some(StopReason::Requested),
            () if callback_breaks => Some(StopReason::Callback),
            () if early && epoch + 1 < epochs => Some(StopReason::EarlyStopping),
            () => None,
        })
    }

    /// The learning rate at a batch.
    fn rate(&self, epoch: usize, batch: usize) -> f64 {
        self.schedule
            .rate(epoch, batch / self.settings.accumulate_batches)
    }

    /// Looks at the losses since the last look.
    #[allow(clippy::cast_precision_loss)]
    fn look(&mut self, epoch: usize, done: &mut Progress) -> Result<()> {
        let first = done.batches - done.pending.len();
        for ((batch, loss), rows) in (first..)
            .zip(self.engine.take_losses()?)
            .zip(done.pending.drain(..))
        {
            if !loss.is_finite() {
                let learning_rate = self.rate(epoch, batch);
                return Err(TrainError::NonFiniteLoss {
                    epoch: epoch + 1,
                    step: batch + 1,
                    learning_rate,
                    loss,
                });
            }
            done.loss += f64::from(loss) * rows as f64;
            done.rows += rows;
        }
        Ok(())
    }

    fn measure(&mut self, epoch: usize, last_step: usize, train_loss: f64) -> Result<EpochRecord> {
        let train = match self.targets.train.filter(|_| self.settings.measure_training_rows) {
            Some(target) => self.metrics(epoch, Split::Train, target, None)?.0,
            None => BTreeMap::new(),
        };
        let (validation, validation_loss) = match self.targets.validation {
            Some(target) => {
                let weights = self.targets.validation_weights;
                let (metrics, loss) = self.metrics(epoch, Split::Validation, target, weights)?;
                (metrics, Some(loss))
            }
            None => (BTreeMap::new(), None),
        };
        Ok(EpochRecord {
            epoch: epoch + 1,
            learning_rate: self.rate(epoch, last_step),
            train_loss,
            validation_loss,
            train,
            validation,
            elapsed_seconds: self.elapsed_seconds(),
        })
    }

    fn metrics(
        &mut self,
        epoch: usize,
        split: Split,
        target: &[f64],
        weights: Option<&[f64]>,
    ) -> Result<(BTreeMap<String, f64>, f64)> {
        let loss = self.targets.loss;
        let sums = match self.engine.measure(split, loss)? {
            Some(sums) => sums,
            None => Sums::of(loss, &self.engine.predict(split)?, target, weights),
        };
        let split_name = match split {
            Split::Train => "training",
            Split::Validation => "validation",
        };
        if let Some(value) = sums.not_finite {
            return Err(TrainError::NonFinitePrediction {
                epoch: epoch + 1,
                split: split_name,
                value,
            });
        }
        let of_target = match split {
            Split::Train => &mut self.of_train,
            Split::Validation => &mut self.of_validation,
        };
        let of_target = *of_target.get_or_insert_with(|| squared_deviations(target));
        Ok((sums.metrics(of_target)?, sums.mean_loss()?))
    }

    /// Goes on from the newest whole checkpoint, if there is one; gives why the run had ended, if it had.
    fn resume(&mut self) -> Result<Option<StopReason>> {
        let Some(checkpoints) = &self.checkpoints else {
            return Ok(None);
        };
        checkpoints.remove_unfinished();
        let Some((checkpoint, notes)) = checkpoints.newest()? else {
            return Ok(None);
        };
        for note in notes {
            self.note(&note);
        }
        self.engine
            .restore(&checkpoint.engine)
            .map_err(|error| checkpoints.not_here(&error))?;
        for record in checkpoint.history {
            let loss = record.validation_loss.unwrap_or(record.train_loss);
            self.schedule.observe(loss);
            if let Some(watch) = &mut self.watch {
                watch.should_stop(loss);
            }
            if self.best.is_none_or(|(_, best)| loss < best) {
                self.best = Some((record.epoch, loss));
            }
            self.history.push(record);
        }
        self.within = checkpoint.within;
        self.elapsed_before = checkpoint.elapsed_seconds;
        Ok(checkpoint.stopped)
    }

    fn is_checkpoint_due(&self) -> bool {
        self.checkpoints.as_ref().is_some_and(CheckpointFolder::is_due)
    }

    /// Makes a checkpoint, if they are wanted; training is worth more than one that cannot be made.
    fn keep(&mut self, stopped: Option<StopReason>, within: &Progress) {
        let elapsed_seconds = self.elapsed_seconds();
        let Some(checkpoints) = &mut self.checkpoints else {
            return;
        };
        let saved = self.engine.state().and_then(|engine| {
            let checkpoint = Checkpoint {
                history: self.history.clone(),
                within: within.clone(),
                elapsed_seconds,
                stopped,
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

    fn elapsed_seconds(&self) -> f64 {
        self.elapsed_before + self.began.elapsed().as_secs_f64()
    }

    fn finish(self, stopped: StopReason) -> Result<Outcome> {
        let last = self.history.len();
        let restores = self
            .settings
            .early_stopping
            .is_some_and(|early_stopping| early_stopping.restore_best);
        let best_epoch = match self.best {
            Some((best, _)) if restores || stopped == StopReason::Requested => {
                self.engine.recall()?;
                best
            }
            _ => last,
        };
        Ok(Outcome {
            history: self.history,
            best_epoch,
            stopped,
        })
    }
}

/// The seed of an epoch's order, which does not depend on the epochs before it.
fn epoch_seed(seed: Seed, epoch: usize) -> Seed {
    seed.child("epoch").nth(epoch as u64)
}

/// Places of the order that make up each batch. With batch norm, one row left over joins the batch before it.
fn batches(rows: usize, batch_size: usize, has_batch_norm: bool) -> Result<Vec<Range<usize>>> {
    if has_batch_norm && rows < 2 {
        return Err(TrainError::TooFewRows { rows });
    }
    if has_batch_norm && batch_size < 2 {
        return Err(TrainError::setting(
            "batch_size",
            batch_size,
            "at least 2 with batch norm",
        ));
    }
    let mut batches: Vec<_> = (0..rows)
        .step_by(batch_size)
        .map(|start| start..(start + batch_size).min(rows))
        .collect();
    if has_batch_norm && batches.last().is_some_and(|last| last.len() == 1) {
        batches.pop();
        if let Some(last) = batches.last_mut() {
            last.end = rows;
        }
    }
    Ok(batches)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_row_is_in_one_batch_and_batch_norm_never_sees_one_row(rows in 2_usize..400, size in 2_usize..90, norm: bool) {
            let batches = batches(rows, size, norm).unwrap();
            let covered: Vec<usize> = batches.iter().cloned().flatten().collect();
            prop_assert_eq!(covered, (0..rows).collect::<Vec<_>>());
            prop_assert!(!norm || batches.iter().all(|b| b.len() > 1));
            prop_assert!(batches.iter().all(|b| b.len() <= size + usize::from(norm)));
        }
    }
}
