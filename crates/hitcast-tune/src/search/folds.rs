//! One fold of one trial: learn from its training rows alone, and score its test rows.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use hitcast_core::{
    Dataset, DeviceChoice, Estimator, Event, FitContext, Progress, Seed, StopReason, StopSignal,
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

/// Fits a pipeline on a fold and scores it. `is_hopeless` is asked after each epoch with the losses so far.
pub(super) fn fit_fold(
    context: &FoldContext<'_>,
    cache: &Cache<'_>,
    pipeline: &Pipeline,
    (number, fold): (usize, &Fold),
    is_hopeless: &(dyn Fn(&[f64]) -> bool + Sync),
) -> FoldEnd {
    if context.stop.is_requested() {
        return FoldEnd::Stopped;
    }
    let began = Instant::now();
    let watcher = Watcher {
        stop: context.stop.child(),
        is_hopeless,
        seen: Mutex::default(),
    };
    let score = score(context, cache, pipeline, (number, fold), &watcher);
    let Seen { curve, was_ended } = watcher.seen.into_inner().unwrap_or_else(PoisonError::into_inner);
    let of = |score| FoldScore {
        score,
        seconds: began.elapsed().as_secs_f64(),
        curve,
    };
    match score {
        _ if was_ended => FoldEnd::Hopeless(of(None)),
        Ok(Some(score)) => FoldEnd::Scored(of(Some(score))),
        Ok(None) => FoldEnd::Stopped,
        Err(_) if context.stop.is_requested() => FoldEnd::Stopped,
        Err(error) => FoldEnd::Failed(error.to_string()),
    }
}

/// The score; `None` if a stop was requested.
fn score(
    context: &FoldContext<'_>,
    cache: &Cache<'_>,
    pipeline: &Pipeline,
    (number, fold): (usize, &Fold),
    watcher: &Watcher<'_>,
) -> Result<Option<f64>> {
    let estimator: Box<dyn Estimator> = pipeline.model.estimator(context.registry)?;
    let rows = cache.rows(context, pipeline, estimator.uses_validation(), number, fold)?;
    let fit_context = FitContext {
        name: &pipeline.model.name,
        seed: context.seed.child("fit"),
        device: context.device,
        progress: watcher,
        stop: &watcher.stop,
        checkpoints: None,
    };
    // A model that does not need validation rows only tells its loss on them, so these may be the rows that it is judged on.
    let validation = rows.validation.as_ref().unwrap_or(&rows.held_out);
    let fit = estimator.fit(&rows.train, Some(validation), &fit_context)?;
    if fit.stopped == StopReason::Requested {
        return Ok(None);
    }
    let predictions = fit.model.predict_features(rows.held_out.features())?;
    let metrics = Metrics::of(&rows.held_out, &predictions)?;
    let score = metrics.get(context.metric).filter(|score| score.is_finite());
    score.map(Some).ok_or_else(|| TuneError::Setting {
        setting: "metric",
        value: context.metric.to_string(),
        allowed: "one that is defined for the rows of every fold; take fewer folds, or stratify the split by the target",
    })
}

/// Takes the losses of a fit, and stops it when it is hopeless.
struct Watcher<'a> {
    stop: StopSignal,
    is_hopeless: &'a (dyn Fn(&[f64]) -> bool + Sync),
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    curve: Vec<f64>,
    was_ended: bool,
}

impl Progress for Watcher<'_> {
    fn report(&self, event: &Event<'_>) {
        let Event::EpochEnded { record, .. } = event else {
            return;
        };
        let Some(loss) = record.validation_loss else {
            return;
        };
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.curve.push(loss);
        // The last epoch's fit is as good as done.
        if !seen.was_ended && (self.is_hopeless)(&seen.curve) {
            seen.was_ended = true;
            self.stop.request();
        }
    }
}
