//! A training run under way: the loop over epochs and batches.
//!
//! - `batches`: which rows make up each batch
//! - `measure`: what an epoch came to
//! - `resume`: checkpoints of the run

mod batches;
mod measure;
mod resume;

use std::ops::Range;
use std::time::Instant;

use hitcast_core::{EpochRecord, Event, FitContext, Seed, StopReason, Stream};
use serde::{Deserialize, Serialize};

use self::batches::batches;
pub(crate) use self::batches::check_batch_norm;
use crate::callback::Callback;
use crate::checkpoint::CheckpointFolder;
use crate::engine::Engine;
use crate::error::{Result, TrainError};
use crate::schedule::ScheduleState;
use crate::settings::TrainingSettings;
use crate::stream::ShuffleBuffer;
use crate::trainer::{Outcome, Targets};

/// A training run under way.
pub(crate) struct Run<'a, 's> {
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
    /// Those learned from in the epochs of the history, each as often as it was.
    rows: usize,
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

impl<'a, 's> Run<'a, 's> {
    pub(crate) fn begin(
        settings: &'a TrainingSettings,
        engine: &'a mut dyn Engine,
        stream: Option<&'a mut ShuffleBuffer<'s>>,
        targets: &'a Targets<'a>,
        context: &'a FitContext<'a>,
    ) -> Result<Self> {
        settings.check(targets.n_train, targets.validation.is_some())?;
        let batches = batches(targets.n_train, settings.batch_size, targets.has_batch_norm)?;
        let steps = batches.len().div_ceil(settings.accumulate_batches);
        let base = settings.optimizer.learning_rate();
        Ok(Self {
            settings,
            engine,
            stream,
            targets,
            context,
            batches,
            schedule: ScheduleState::new(settings.schedule, base, settings.epochs, steps),
            watch: settings.early_stopping.map(crate::EarlyStopping::watch),
            checkpoints: Self::checkpoints(settings, targets, context),
            within: Progress::default(),
            began: Instant::now(),
            elapsed_before: 0.0,
            history: Vec::new(),
            rows: 0,
            best: None,
            of_train: None,
            of_validation: None,
            next_order: None,
        })
    }

    /// Takes the run up where a checkpoint has left it, and goes on.
    pub(crate) fn until_it_ends(mut self, callbacks: &mut [Box<dyn Callback + '_>]) -> Result<Outcome> {
        let mut stopped = self.resume()?;
        if !self.history.is_empty() {
            callbacks
                .iter_mut()
                .for_each(|callback| callback.on_resume(&self.history));
        }
        while stopped.is_none() {
            let epoch = self.history.len();
            stopped = self.epoch(epoch, callbacks)?;
            if epoch + 1 == self.settings.epochs && stopped.is_none() {
                stopped = Some(StopReason::Completed);
            }
            // What was interrupted was kept at that step.
            if stopped != Some(StopReason::Requested) && (stopped.is_some() || self.is_checkpoint_due()) {
                self.keep(stopped, &Progress::default());
            }
        }
        self.finish(stopped.unwrap_or(StopReason::Completed))
    }

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
        self.rows += done.rows;
        let early = self.watch.as_mut().is_some_and(|watch| watch.observe(loss));
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
                    step: batch / self.settings.accumulate_batches + 1,
                    learning_rate,
                    loss,
                });
            }
            done.loss += f64::from(loss) * rows as f64;
            done.rows += rows;
        }
        Ok(())
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
            rows: self.rows,
            best_epoch,
            stopped,
        })
    }
}

/// The seed of an epoch's order, which does not depend on the epochs before it.
fn epoch_seed(seed: Seed, epoch: usize) -> Seed {
    seed.child("epoch").nth(epoch as u64)
}
