//! Folds of one trial: learn from the training rows of each alone, and score its test rows.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use hitcast_core::{
    Dataset, DeviceChoice, Estimator, Event, FitContext, Job, Model, Progress, Seed, StopReason, StopSignal,
    Trained, train_many,
};
use hitcast_pipeline::{MetricName, Metrics, Pipeline, Registry, Sample};
use hitcast_preprocess::Fold;

use super::trial::FoldScore;
use crate::division::INNER_SHARE;
use crate::error::{Result, TuneError};

/// The rows of a fold as models take them.
pub(super) struct FoldRows {
    train: Dataset,
    /// Rows of the fold's training rows that are not learned from, for models that stop by them.
    validation: Option<Dataset>,
    held_out: Dataset,
}

/// What fitting a fold needs besides the pipeline.
#[derive(Clone, Copy)]
pub(super) struct FoldContext<'a> {
    pub(super) sample: &'a Sample<'a>,
    pub(super) registry: &'a Registry,
    pub(super) metric: MetricName,
    pub(super) device: DeviceChoice,
    pub(super) stop: &'a StopSignal,
    /// Where inner divisions and fits draw from, the same for all trials and models.
    pub(super) seed: Seed,
}

/// How a fold ended.
pub(super) enum FoldEnd {
    Scored(FoldScore),
    /// The watcher found it hopeless.
    Hopeless(FoldScore),
    Failed(String),
    /// A stop was requested.
    Stopped,
}

/// What was prepared of the folds for the pipeline's own preprocessing, which most trials share.
pub(super) struct Cache<'a> {
    pipeline: &'a Pipeline,
    rows: Vec<[Mutex<Option<Arc<FoldRows>>>; 2]>,
}

impl<'a> Cache<'a> {
    pub(super) fn new(pipeline: &'a Pipeline, folds: usize) -> Self {
        Self {
            pipeline,
            rows: (0..folds).map(|_| Default::default()).collect(),
        }
    }

    fn rows(
        &self,
        context: &FoldContext<'_>,
        pipeline: &Pipeline,
        holds_out: bool,
        number: usize,
        fold: &Fold,
    ) -> Result<Arc<FoldRows>> {
        let make = || prepare(context, pipeline, holds_out, fold).map(Arc::new);
        let is_shared =
            pipeline.recipe == self.pipeline.recipe && pipeline.outliers == self.pipeline.outliers;
        let Some(place) = self.rows.get(number).filter(|_| is_shared) else {
            return make();
        };
        // Whoever comes second waits for the first instead of doing the same.
        let mut place = place[usize::from(holds_out)]
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(rows) = &*place {
            return Ok(Arc::clone(rows));
        }
        let rows = make()?;
        *place = Some(Arc::clone(&rows));
        Ok(rows)
    }
}

fn prepare(context: &FoldContext<'_>, pipeline: &Pipeline, holds_out: bool, fold: &Fold) -> Result<FoldRows> {
    let sample = context.sample;
    let (train, validation) = if holds_out {
        let seed = context.seed.child("validation");
        let (train, validation) = sample.hold_out(&fold.train, INNER_SHARE, seed)?;
        (train, Some(validation))
    } else {
        (fold.train.clone(), None)
    };
    let prepared = pipeline.prepare(sample, &train)?;
    let validation = validation
        .map(|rows| prepared.dataset(sample, &rows))
        .transpose()?;
    Ok(FoldRows {
        held_out: prepared.dataset(sample, &fold.test)?,
        validation,
        train: prepared.into_train(),
    })
}

/// A fold of a trial that is ready to be fitted.
struct Fitting<'a> {
    rows: Arc<FoldRows>,
    watcher: Watcher<'a>,
    seed: Seed,
    /// Seconds that the rows took.
    prepared: f64,
}

/// Fits a pipeline on some folds and scores it on each: all at once where its model prefers that, else one after another.
/// `is_hopeless` is asked after each epoch with the fold's number and its losses so far.
pub(super) fn fit_folds(
    context: &FoldContext<'_>,
    cache: &Cache<'_>,
    pipeline: &Pipeline,
    folds: &[(usize, &Fold)],
    is_hopeless: &(dyn Fn(usize, &[f64]) -> bool + Sync),
) -> Vec<FoldEnd> {
    if context.stop.is_requested() {
        return folds.iter().map(|_| FoldEnd::Stopped).collect();
    }
    let estimator = match pipeline.model.estimator(context.registry) {
        Ok(estimator) => estimator,
        Err(error) => {
            let failed = |_| FoldEnd::Failed(error.to_string());
            return folds.iter().map(failed).collect();
        }
    };
    let prepare = |&(number, fold): &(usize, &Fold)| {
        let began = Instant::now();
        let of_fold = FoldContext {
            seed: context.seed.nth(number as u64),
            ..*context
        };
        let rows = cache.rows(&of_fold, pipeline, estimator.uses_validation(), number, fold)?;
        Ok(Fitting {
            rows,
            watcher: Watcher {
                stop: context.stop.child(),
                fold: number,
                is_hopeless,
                seen: Mutex::default(),
            },
            seed: of_fold.seed.child("fit"),
            prepared: began.elapsed().as_secs_f64(),
        })
    };
    let fittings: Vec<Result<Fitting<'_>>> = folds.iter().map(prepare).collect();
    let jobs: Vec<Job<'_>> = fittings
        .iter()
        .flatten()
        .map(|fitting| fitting.job(context, pipeline, &*estimator))
        .collect();
    // Threads are the caller's.
    let mut trained = train_many(&jobs, NonZeroUsize::MIN).into_iter();
    let ends = fittings.iter().map(|fitting| match fitting {
        Ok(fitting) => match trained.next() {
            Some(trained) => fitting.end(context, trained),
            None => FoldEnd::Stopped,
        },
        Err(error) => FoldEnd::Failed(error.to_string()),
    });
    ends.collect()
}

impl Fitting<'_> {
    fn job<'a>(
        &'a self,
        context: &FoldContext<'_>,
        pipeline: &'a Pipeline,
        estimator: &'a dyn Estimator,
    ) -> Job<'a> {
        let rows = &self.rows;
        Job {
            estimator,
            train: &rows.train,
            // A model that does not need validation rows only tells its loss on them, so these may be the rows that it is
            // judged on.
            validation: Some(rows.validation.as_ref().unwrap_or(&rows.held_out)),
            context: FitContext {
                name: &pipeline.model.name,
                seed: self.seed,
                device: context.device,
                progress: &self.watcher,
                stop: &self.watcher.stop,
                checkpoints: None,
            },
        }
    }

    fn end(&self, context: &FoldContext<'_>, trained: hitcast_core::Result<Trained>) -> FoldEnd {
        let Seen { curve, was_ended } = self.watcher.take();
        let seconds = trained.as_ref().map_or(0.0, |trained| trained.seconds);
        let of = |score| FoldScore {
            score,
            seconds: self.prepared + seconds,
            curve,
        };
        let score = trained
            .map_err(TuneError::from)
            .and_then(|trained| match trained.fit.stopped {
                StopReason::Requested => Ok(None),
                _ => self.score(context, &*trained.fit.model).map(Some),
            });
        match score {
            _ if was_ended => FoldEnd::Hopeless(of(None)),
            Ok(Some(score)) => FoldEnd::Scored(of(Some(score))),
            Ok(None) => FoldEnd::Stopped,
            Err(_) if context.stop.is_requested() => FoldEnd::Stopped,
            Err(error) => FoldEnd::Failed(error.to_string()),
        }
    }

    fn score(&self, context: &FoldContext<'_>, model: &dyn Model) -> Result<f64> {
        let held_out = &self.rows.held_out;
        let metrics = Metrics::of(held_out, &model.predict_features(held_out.features())?)?;
        let score = metrics.get(context.metric).filter(|score| score.is_finite());
        score.ok_or_else(|| TuneError::Setting {
            setting: "metric",
            value: context.metric.to_string(),
            allowed: "one that is defined for the rows of every fold; take fewer folds, or stratify the split by the target",
        })
    }
}

/// Takes the losses of a fit, and stops it when it is hopeless.
struct Watcher<'a> {
    stop: StopSignal,
    fold: usize,
    is_hopeless: &'a (dyn Fn(usize, &[f64]) -> bool + Sync),
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    curve: Vec<f64>,
    was_ended: bool,
}

impl Watcher<'_> {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was seen of a fit that is over.
    fn take(&self) -> Seen {
        std::mem::take(&mut *self.seen())
    }
}

impl Progress for Watcher<'_> {
    fn report(&self, event: &Event<'_>) {
        let Event::EpochEnded { record, .. } = event else {
            return;
        };
        let Some(loss) = record.validation_loss else {
            return;
        };
        let mut seen = self.seen();
        seen.curve.push(loss);
        // The last epoch's fit is as good as done.
        if !seen.was_ended && (self.is_hopeless)(self.fold, &seen.curve) {
            seen.was_ended = true;
            self.stop.request();
        }
    }
}
