//! The search itself: trials and folds on all cores, with results that do not depend on how many there are.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use hitcast_core::parallel;
use hitcast_core::{Event, Seed};
use hitcast_pipeline::{Pipeline, Registry, RunContext};
use hitcast_preprocess::Fold;

use super::folds::{Cache, FoldContext, FoldEnd, fit_folds};
use super::history::{Header, History};
use super::trial::{FoldScore, Found, Trial, TrialState, best, described, mean};
use super::{Method, Plan, Search, SearchTask};
use crate::error::{Result, TuneError};
use crate::space::Assignment;

/// How often a trial is drawn again that was there before, until the space counts as exhausted.
const DRAWS: u64 = 200;

impl Search {
    /// Searches the settings with which a pipeline predicts best, by cross-validation on the rows named and on no others.
    ///
    /// With a `history` every trial is written there as it ends; the same search on the same rows goes on from what it finds, and
    /// ends as if it had not been interrupted. `context` gives progress, stop, device and threads.
    ///
    /// # Errors
    /// [`TuneError::Setting`] and [`TuneError::Space`] before anything is fitted; [`TuneError::AllFailed`] if no trial came to a
    /// score, [`TuneError::Stopped`] if a stop came before the first; [`TuneError::History`].
    pub fn run(
        &self,
        task: SearchTask<'_>,
        registry: &Registry,
        context: &RunContext<'_>,
        history: Option<&Path>,
    ) -> Result<Found> {
        self.check()?;
        task.space.check(task.pipeline, registry)?;
        let experiment = task.sample.experiment();
        let plan = Plan {
            search: self,
            task,
            metric: self.metric.unwrap_or_else(|| experiment.selection()),
        };
        // Folds, and what fits draw, are the same for every model.
        let common = experiment.seed.child("search");
        let (history, known) = match history {
            Some(path) => {
                let (history, known) = History::open(path, &Header::new(&plan, common)?)?;
                (Some(history), known)
            }
            None => (None, Vec::new()),
        };
        let folds = task.sample.folds(task.rows, self.folds, common.child("folds"))?;
        let spent = known.iter().map(|trial| trial.elapsed_seconds);
        let runner = Runner {
            plan: &plan,
            fold_context: FoldContext {
                sample: task.sample,
                registry,
                metric: plan.metric,
                device: context.device.unwrap_or(experiment.device),
                stop: context.stop,
                seed: common,
            },
            cache: Cache::new(task.pipeline, self.folds),
            folds: &folds,
            context,
            seed: common.child(&task.pipeline.model.name),
            began: Instant::now(),
            spent: spent.fold(0.0, f64::max),
            board: Mutex::new(Board {
                done: known.into_iter().map(|trial| (trial.number, trial)).collect(),
                history,
                ..Board::default()
            }),
            changed: Condvar::new(),
        };
        runner.run(context.fits_at_once(experiment).get())?;
        runner.found()
    }
}

/// What the threads share.
#[derive(Default)]
struct Board {
    /// Trials that ended, by number.
    done: BTreeMap<usize, Trial>,
    /// Trials that were chosen and have not ended.
    under_way: BTreeMap<usize, UnderWay>,
    /// Values of every trial that was chosen.
    chosen: BTreeMap<usize, Assignment>,
    /// No trial begins any more: a stop, the time limit, an error, or nothing new in the space.
    is_closed: bool,
    error: Option<TuneError>,
    history: Option<History>,
}

struct UnderWay {
    values: Assignment,
    pipeline: Arc<std::result::Result<Pipeline, String>>,
    /// How each fold ended, as far as it has.
    folds: BTreeMap<usize, FoldEnd>,
}

struct Runner<'a> {
    plan: &'a Plan<'a>,
    fold_context: FoldContext<'a>,
    cache: Cache<'a>,
    folds: &'a [Fold],
    context: &'a RunContext<'a>,
    /// Of the choices of this model's trials.
    seed: Seed,
    began: Instant,
    /// Seconds of former sittings.
    spent: f64,
    board: Mutex<Board>,
    changed: Condvar,
}

impl Runner<'_> {
    fn run(&self, threads: usize) -> Result<()> {
        let Search {
            trials,
            parallel_trials,
            pruner,
            ..
        } = *self.plan.search;
        let folds = self.folds.len();
        // No more threads than can be at work, so that each has its share of the cores.
        if pruner.is_some() || self.prefers_side_by_side() {
            // Whether a fold is worth it is known when the one before has ended.
            let beside = if pruner.is_some() { 1 } else { folds };
            let threads = threads.min(trials).min(parallel_trials);
            parallel::map(trials, threads, |place| {
                let first = (0..folds).step_by(beside);
                first.for_each(|first| self.step(place + 1, first..first + beside));
            });
        } else {
            let (jobs, at_once) = (trials * folds, parallel_trials.saturating_mul(folds));
            parallel::map(jobs, threads.min(jobs).min(at_once), |job| {
                let fold = job % folds;
                self.step(job / folds + 1, fold..fold + 1);
            });
        }
        match self.board().error.take() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the folds of a trial are better fitted all at once.
    fn prefers_side_by_side(&self) -> bool {
        let FoldContext { registry, device, .. } = self.fold_context;
        let estimator = self.plan.task.pipeline.model.estimator(registry);
        estimator.is_ok_and(|estimator| estimator.prefers_side_by_side(device))
    }

    /// Fits some folds of one trial, as far as there is still something to fit.
    fn step(&self, number: usize, folds: Range<usize>) {
        // A thread that dies must not leave the others waiting for its trial.
        let _guard = CloseOnPanic(self);
        let Some(pipeline) = self.begin(number) else {
            return;
        };
        let board = self.board();
        let Some(trial) = board.under_way.get(&number) else {
            return;
        };
        let left: Vec<(usize, &Fold)> = folds
            .filter(|&fold| !trial.is_over(fold))
            .map(|fold| (fold, &self.folds[fold]))
            .collect();
        drop(board);
        let known = self.known(number);
        let known: Vec<&Trial> = known.iter().collect();
        let ends = match &*pipeline {
            Err(cause) => left.iter().map(|_| FoldEnd::Failed(cause.clone())).collect(),
            Ok(pipeline) => {
                let pruner = self.plan.search.pruner;
                let is_hopeless = |fold: usize, curve: &[f64]| {
                    pruner.is_some_and(|pruner| pruner.ends_fit(curve, fold, &known))
                };
                fit_folds(&self.fold_context, &self.cache, pipeline, &left, &is_hopeless)
            }
        };
        for ((fold, _), end) in left.into_iter().zip(ends) {
            self.take(number, fold, end, &known);
        }
    }

    /// The pipeline of a trial, chosen by whoever comes first; `None` if the trial has ended or does not begin.
    fn begin(&self, number: usize) -> Option<Arc<std::result::Result<Pipeline, String>>> {
        let mut board = self.board();
        loop {
            if board.done.contains_key(&number) {
                return None;
            }
            if let Some(trial) = board.under_way.get(&number) {
                return Some(Arc::clone(&trial.pipeline));
            }
            if board.is_closed || self.context.stop.is_requested() || self.is_late() {
                board.is_closed = true;
                self.changed.notify_all();
                return None;
            }
            // What the choice may know must have ended, and the trials before it must have been chosen.
            let needed = number.saturating_sub(self.plan.search.parallel_trials);
            let is_ready = (1..=needed).all(|earlier| board.done.contains_key(&earlier))
                && (1..number).all(|earlier| {
                    board.done.contains_key(&earlier) || board.under_way.contains_key(&earlier)
                });
            if is_ready {
                break;
            }
            board = self.changed.wait(board).unwrap_or_else(PoisonError::into_inner);
        }
        match self.choose(number, &board) {
            Ok(Some(values)) => {
                let pipeline = self.plan.task.space.apply(self.plan.task.pipeline, &values);
                let pipeline = Arc::new(pipeline.map_err(|error| error.to_string()));
                board.chosen.insert(number, values.clone());
                board.under_way.insert(
                    number,
                    UnderWay {
                        values,
                        pipeline: Arc::clone(&pipeline),
                        folds: BTreeMap::new(),
                    },
                );
                self.changed.notify_all();
                Some(pipeline)
            }
            nothing => {
                board.error = nothing.err();
                board.is_closed = true;
                self.changed.notify_all();
                None
            }
        }
    }

    /// Seconds of the search, those of former sittings included.
    fn elapsed(&self) -> f64 {
        self.began.elapsed().as_secs_f64() + self.spent
    }

    fn is_late(&self) -> bool {
        let spent = self.elapsed();
        self.plan
            .search
            .time_limit_seconds
            .is_some_and(|limit| spent >= limit)
    }

    /// The values of a trial: of those that were not there before the first one drawn; `None` if nothing new is found.
    fn choose(&self, number: usize, board: &Board) -> Result<Option<Assignment>> {
        let before: BTreeSet<String> = (board.done.values())
            .filter(|trial| trial.number < number)
            .map(|trial| &trial.values)
            .chain(board.chosen.range(..number).map(|(_, values)| values))
            .map(key)
            .collect();
        let last = number.saturating_sub(self.plan.search.parallel_trials);
        let known: Vec<&Trial> = board.done.range(..=last).map(|(_, trial)| trial).collect();
        let seed = self.seed.child("trial").nth(number as u64);
        for draw in 0..DRAWS {
            let mut random = seed.nth(draw).stream("values");
            let values = match &self.plan.search.method {
                Method::Tpe(tpe) if draw < DRAWS / 2 => {
                    tpe.suggest(self.plan.task.space, &known, self.plan.direction(), &mut random)?
                }
                _ => self.plan.task.space.sample(&mut random)?,
            };
            if !before.contains(&key(&values)) {
                return Ok(Some(values));
            }
        }
        Ok(None)
    }

    /// The trials that the choice and the end of a trial may depend on.
    fn known(&self, number: usize) -> Vec<Trial> {
        if self.plan.search.pruner.is_none() {
            return Vec::new();
        }
        let last = number.saturating_sub(self.plan.search.parallel_trials);
        self.board()
            .done
            .range(..=last)
            .map(|(_, trial)| trial.clone())
            .collect()
    }

    /// Takes how a fold ended, and ends the trial if nothing of it is left to do.
    fn take(&self, number: usize, fold: usize, end: FoldEnd, known: &[&Trial]) {
        let mut board = self.board();
        if matches!(end, FoldEnd::Stopped) {
            board.is_closed = true;
        }
        let Some(trial) = board.under_way.get_mut(&number) else {
            return;
        };
        trial.folds.insert(fold, end);
        if let Some(mut ended) = trial.ended(number, self.folds.len(), |scores| {
            let pruner = self.plan.search.pruner;
            pruner.is_some_and(|pruner| pruner.ends_trial(scores, self.plan.direction(), known))
        }) {
            board.under_way.remove(&number);
            ended.elapsed_seconds = self.elapsed();
            let written = board
                .history
                .as_mut()
                .map_or(Ok(()), |history| history.append(&ended));
            if let Err(error) = written {
                board.error.get_or_insert(error);
                board.is_closed = true;
            }
            let outcome = match (&ended.state, ended.score) {
                (TrialState::Failed { cause }, _) => format!("failed: {cause}"),
                (TrialState::Completed, Some(score)) => {
                    format!(
                        "{} {score:.4} with {}",
                        self.plan.metric,
                        described(&ended.values)
                    )
                }
                _ => format!("ended early with {}", described(&ended.values)),
            };
            board.done.insert(number, ended);
            let best = best(board.done.values(), self.plan.direction()).map(|(_, score)| score);
            self.context.progress.report(&Event::TrialEnded {
                model: &self.plan.task.pipeline.model.name,
                trial: number,
                trials: self.plan.search.trials,
                outcome: &outcome,
                best,
            });
        }
        self.changed.notify_all();
    }

    fn found(self) -> Result<Found> {
        let board = self.board.into_inner().unwrap_or_else(PoisonError::into_inner);
        let trials: Vec<Trial> = board.done.into_values().collect();
        let model = &self.plan.task.pipeline.model.name;
        let Some((best, score)) = best(&trials, self.plan.direction()) else {
            let failed = trials.iter().find_map(|trial| match &trial.state {
                TrialState::Failed { cause } => Some((trial.number, cause.clone())),
                _ => None,
            });
            return Err(match failed {
                Some((first, cause)) => TuneError::AllFailed {
                    model: model.clone(),
                    trials: trials.len(),
                    first,
                    cause,
                },
                None => TuneError::Stopped(model.clone()),
            });
        };
        Ok(Found {
            model: model.clone(),
            metric: self.plan.metric,
            best: best.number,
            score,
            pipeline: self
                .plan
                .task
                .space
                .apply(self.plan.task.pipeline, &best.values)?,
            trials,
        })
    }
}

impl UnderWay {
    /// Whether a fold need not be fitted any more.
    fn is_over(&self, fold: usize) -> bool {
        let is_end = |end: &FoldEnd| !matches!(end, FoldEnd::Scored(_));
        self.folds.contains_key(&fold) || self.folds.range(..fold).any(|(_, end)| is_end(end))
    }

    /// The trial, if it has ended: all folds are scored, or the first that is not ended it. What came after that one does not
    /// count, as it depends on the threads whether it was begun.
    fn ended(&self, number: usize, n_folds: usize, is_hopeless: impl Fn(&[f64]) -> bool) -> Option<Trial> {
        let mut folds: Vec<FoldScore> = Vec::new();
        let mut scores: Vec<f64> = Vec::new();
        let mut state = None;
        for fold in 0..n_folds {
            match self.folds.get(&fold)? {
                FoldEnd::Scored(score) => {
                    folds.push(score.clone());
                    scores.extend(score.score);
                    if fold + 1 < n_folds && is_hopeless(&scores) {
                        state = Some(TrialState::Pruned);
                    }
                }
                FoldEnd::Hopeless(score) => {
                    folds.push(score.clone());
                    state = Some(TrialState::Pruned);
                }
                FoldEnd::Failed(cause) => state = Some(TrialState::Failed { cause: cause.clone() }),
                FoldEnd::Stopped => return None,
            }
            if state.is_some() {
                break;
            }
        }
        let state = state.unwrap_or(TrialState::Completed);
        Some(Trial {
            number,
            values: self.values.clone(),
            score: mean(&scores).filter(|_| state == TrialState::Completed),
            seconds: folds.iter().map(|fold| fold.seconds).sum(),
            elapsed_seconds: 0.0,
            folds,
            state,
        })
    }
}

/// Values as a text that is equal for equal values.
fn key(values: &Assignment) -> String {
    serde_json::to_string(values).unwrap_or_default()
}

/// Closes the board when its thread panics.
struct CloseOnPanic<'r, 'a>(&'r Runner<'a>);

impl Drop for CloseOnPanic<'_, '_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.board().is_closed = true;
            self.0.changed.notify_all();
        }
    }
}
