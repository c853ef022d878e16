//! Fitting every model on the training rows and choosing by the validation rows.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::time::Instant;

use hitcast_core::{
    Checkpoints, CoreError, Dataset, Estimator, Event, Fit, FitContext, Job, Model, Trained, train_many,
};

use super::RunContext;
use super::rows::Parts;
use crate::decision::Decision;
use crate::error::{PipelineError, Result};
use crate::experiment::{Experiment, ModelSpec};
use crate::folder::numbered_name;
use crate::pipeline::PartRows;
use crate::prepare::predict;
use crate::registry::Registry;
use crate::report::ModelReport;
use crate::score::{MetricIntervals, Metrics, Predicted};

/// A model to fit.
pub(super) struct Candidate<'a> {
    pub(super) spec: Cow<'a, ModelSpec>,
    pub(super) estimator: Box<dyn Estimator>,
    /// Whether it may be chosen.
    eligible: bool,
}

/// A model after its fit.
pub(super) struct Fitted {
    pub(super) report: ModelReport,
    pub(super) model: Box<dyn Model>,
    /// Of the training, validation and test rows.
    pub(super) predictions: [Predicted; 3],
    pub(super) decision: Decision,
    pub(super) eligible: bool,
    /// Place in the order of the experiment, references last.
    pub(super) place: usize,
}

/// The experiment's models and references, with everything checked that can be before rows are read.
pub(super) fn candidates<'a>(experiment: &'a Experiment, registry: &Registry) -> Result<Vec<Candidate<'a>>> {
    experiment.check()?;
    let models = experiment.models.iter().map(|spec| (Cow::Borrowed(spec), true));
    let references: Vec<Cow<'_, ModelSpec>> = match experiment.reference_models() {
        Cow::Borrowed(references) => references.iter().map(Cow::Borrowed).collect(),
        Cow::Owned(references) => references.into_iter().map(Cow::Owned).collect(),
    };
    models
        .chain(references.into_iter().map(|spec| (spec, false)))
        .map(|(spec, eligible)| {
            Ok(Candidate {
                estimator: spec.estimator(registry)?,
                spec,
                eligible,
            })
        })
        .collect()
}

/// Fits every candidate that was begun before a stop, and gives the place of the best.
pub(super) fn fit_all(
    candidates: &[Candidate<'_>],
    parts: &Parts<'_>,
    context: &RunContext<'_>,
    warnings: &mut Vec<String>,
) -> Result<(Vec<Fitted>, usize)> {
    let experiment = parts.sample.experiment();
    let folders = checkpoint_folders(candidates, context, "");
    let jobs: Vec<Job<'_>> = candidates
        .iter()
        .zip(&folders)
        .map(|(candidate, folder)| Job {
            estimator: &*candidate.estimator,
            train: parts.prepared.train(),
            validation: Some(&parts.validation.dataset),
            context: fit_context(experiment, candidate, folder.as_deref(), context),
        })
        .collect();
    let (mut all, mut failures) = (Vec::new(), Vec::new());
    let results = train_many(&jobs, context.fits_at_once(experiment));
    for (place, (candidate, result)) in candidates.iter().zip(results).enumerate() {
        let judged = match result {
            Ok(trained) => judge(candidate, place, parts, trained),
            Err(CoreError::NotBegun(name)) => {
                warnings.push(format!("a stop was requested before {name} was fitted"));
                continue;
            }
            Err(source) => Err(source.into()),
        };
        match judged {
            Ok(fitted) => all.push(fitted),
            Err(error) => failures.push(failure(candidate, error)),
        }
    }
    // What others have learned is not lost with one that failed.
    let is_lost = !failures.is_empty() && !all.iter().any(|fitted| fitted.eligible);
    let error = is_lost.then(|| failures.remove(0));
    for failure in &failures {
        context.progress.report(&Event::Note(&failure.to_string()));
    }
    if let Some(error) = error {
        return Err(error);
    }
    warnings.extend(
        failures
            .iter()
            .map(|error| format!("{error}; the other models do not depend on it")),
    );
    let selection = experiment.selection();
    let score = |fitted: &Fitted| {
        let validation = &fitted.report.metrics.validation;
        validation.get(selection).filter(|value| !value.is_nan())
    };
    let eligible = || all.iter().enumerate().filter(|(_, fitted)| fitted.eligible);
    let better = |best: (usize, f64), new: (usize, f64)| {
        if selection.direction().is_better(new.1, best.1) {
            new
        } else {
            best
        }
    };
    let best = eligible()
        .filter_map(|(place, fitted)| Some((place, score(fitted)?)))
        .reduce(better);
    let best = match best {
        Some((best, _)) => best,
        None => {
            let (first, _) = eligible().next().ok_or(PipelineError::Stopped)?;
            warnings.push(format!(
                "{selection} is not defined for the validation rows of any model, so the first one was chosen: stratify the split \
                 by the target, or choose another metrics.selection"
            ));
            first
        }
    };
    Ok((all, best))
}

/// The folder of each candidate's checkpoints, if they are wanted; `suffix` tells several fits of one candidate apart.
pub(super) fn checkpoint_folders(
    candidates: &[Candidate<'_>],
    context: &RunContext<'_>,
    suffix: &str,
) -> Vec<Option<PathBuf>> {
    let folder = |(place, candidate): (usize, &Candidate<'_>)| {
        let name = numbered_name(place, &candidate.spec.name) + suffix;
        Some(context.checkpoints?.folder.join(name))
    };
    candidates.iter().enumerate().map(folder).collect()
}

/// What a candidate's fit is given.
pub(super) fn fit_context<'a>(
    experiment: &Experiment,
    candidate: &'a Candidate<'_>,
    folder: Option<&'a Path>,
    context: &'a RunContext<'_>,
) -> FitContext<'a> {
    let name = &candidate.spec.name;
    FitContext {
        name,
        // By name, so that another model beside it changes nothing for this one.
        seed: experiment.seed.child("fit").child(name),
        device: context.device.unwrap_or(experiment.device),
        progress: context.progress,
        stop: context.stop,
        checkpoints: (context.checkpoints)
            .zip(folder)
            .map(|(all, folder)| Checkpoints { folder, ..all }),
    }
}

/// The error of a model that was fitted or judged, which names the model once.
pub(super) fn failure(candidate: &Candidate<'_>, error: PipelineError) -> PipelineError {
    let name = &candidate.spec.name;
    let source = match error {
        PipelineError::Model { .. } => return error,
        PipelineError::Core(CoreError::Model { model, source }) if model == *name => source,
        PipelineError::Core(other) => other.into(),
        other => other.into(),
    };
    PipelineError::model(name)(source)
}

/// Predicts all rows by a model that was fitted, and measures it.
fn judge(candidate: &Candidate<'_>, place: usize, parts: &Parts<'_>, trained: Trained) -> Result<Fitted> {
    let ModelSpec { name, kind, .. } = &*candidate.spec;
    let experiment = parts.sample.experiment();
    let model = &*trained.fit.model;
    if model.kind() != kind {
        let message = format!("its kind {kind:?} fitted a model of kind {:?}", model.kind());
        return Err(PipelineError::model(name)(message.into()));
    }
    let started = Instant::now();
    let of = |part: &PartRows| predict(name, model, parts.sample.task(), part.dataset.features());
    let [train, validation, test] = parts.all();
    let predictions = [of(train)?, of(validation)?, of(test)?];
    let predict_seconds = started.elapsed().as_secs_f64();
    let decision = experiment
        .decision
        .fit(&predictions[1], validation.dataset.target())
        .map_err(|error| PipelineError::model(name)(error.into()))?;
    let [on_train, on_validation, on_test] = predictions.map(|predictions| decision.apply(predictions));
    let predictions = [on_train?, on_validation?, on_test?];
    let metrics = parts.metrics(predictions.each_ref())?;
    let Trained {
        fit:
            Fit {
                model,
                history,
                best_epoch,
                stopped,
                rows,
            },
        seconds,
    } = trained;
    let report = ModelReport {
        size_bytes: size_bytes(name, &*model)?,
        intervals: intervals(experiment, &test.dataset, &predictions[2])?,
        name: name.clone(),
        kind: kind.clone(),
        n_parameters: model.n_parameters(),
        training_rows: rows,
        best_epoch,
        stopped,
        fit_seconds: seconds,
        predict_seconds,
        is_refitted: false,
        metrics,
        history,
    };
    Ok(Fitted {
        report,
        model,
        predictions,
        decision,
        eligible: candidate.eligible,
        place,
    })
}

impl Fitted {
    /// Takes the place of what was fitted on the training rows alone: a fit on more rows, and what it says to the test rows.
    pub(super) fn replace(&mut self, trained: Trained, whole: &Parts<'_>) -> Result<()> {
        let Trained { fit, seconds } = trained;
        let (name, test) = (&self.report.name, &whole.test.dataset);
        let predictions = predict(name, &*fit.model, whole.sample.task(), test.features())?;
        let predicted = self.decision.apply(predictions)?;
        let size_bytes = size_bytes(name, &*fit.model)?;
        let intervals = intervals(whole.sample.experiment(), test, &predicted)?;
        let metrics = Metrics::compute(test.target(), &predicted)?;
        let report = &mut self.report;
        report.size_bytes = size_bytes;
        report.intervals = intervals;
        report.metrics.test = metrics;
        report.n_parameters = fit.model.n_parameters();
        report.training_rows = fit.rows;
        report.best_epoch = fit.best_epoch;
        report.stopped = fit.stopped;
        report.fit_seconds = seconds;
        report.history = fit.history;
        report.is_refitted = true;
        self.predictions[2] = predicted;
        self.model = fit.model;
        Ok(())
    }
}

/// Bytes of what a model has learned, as they are saved.
fn size_bytes(name: &str, model: &dyn Model) -> Result<usize> {
    let state = model
        .state()
        .map_err(|error| PipelineError::model(name)(error.into()))?;
    Ok(state
        .tensors
        .values()
        .map(|tensor| tensor.values().n_bytes())
        .sum())
}

/// Confidence intervals of a model's test metrics, if those of every model are asked for.
fn intervals(
    experiment: &Experiment,
    test: &Dataset,
    predicted: &Predicted,
) -> Result<Option<MetricIntervals>> {
    let metrics = &experiment.metrics;
    let compute = || MetricIntervals::compute(&metrics.bootstrap, test.target(), predicted, experiment.seed);
    metrics.every_model.then(compute).transpose()
}
