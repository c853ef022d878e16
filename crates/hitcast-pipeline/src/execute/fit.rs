//! Fitting every model on the training rows and choosing by the validation rows.

use std::borrow::Cow;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Instant;

use hitcast_core::{
    Checkpoints, CoreError, Dataset, DeviceChoice, Estimator, Event, Fit, FitContext, Job, Model, Trained,
    train_many,
};

use super::RunContext;
use super::rows::{PartRows, Prepared};
use crate::decision::Decision;
use crate::error::{PipelineError, Result};
use crate::experiment::{Experiment, ModelSpec};
use crate::imbalance::training_rows;
use crate::prepare::predict;
use crate::registry::Registry;
use crate::report::ModelReport;
use crate::score::{MetricIntervals, Predicted};

/// A model to fit.
pub(super) struct Candidate<'a> {
    spec: Cow<'a, ModelSpec>,
    estimator: Box<dyn Estimator>,
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
            let kind = registry.get(&spec.kind, &spec.name)?;
            let estimator = kind
                .estimator(&spec.settings)
                .map_err(PipelineError::model(&spec.name))?;
            Ok(Candidate {
                spec,
                estimator,
                eligible,
            })
        })
        .collect()
}

/// Fits every candidate that was begun before a stop, and gives the place of the best.
pub(super) fn fit_all(
    experiment: &Experiment,
    candidates: &[Candidate<'_>],
    prepared: &Prepared,
    context: &RunContext<'_>,
    warnings: &mut Vec<String>,
) -> Result<(Vec<Fitted>, usize)> {
    let folders: Vec<Option<PathBuf>> = candidates
        .iter()
        .enumerate()
        .map(|(place, candidate)| {
            Some(
                context
                    .checkpoints?
                    .folder
                    .join(folder_name(place, &candidate.spec.name)),
            )
        })
        .collect();
    let [train, validation, _] = &prepared.parts;
    let device = context.device.unwrap_or(experiment.device);
    // Networks beside each other on one GPU would wait for each other, and need its memory together.
    let on_gpu = match device {
        DeviceChoice::Cpu => false,
        DeviceChoice::Auto => context
            .environment
            .device
            .as_deref()
            .is_some_and(|device| device != "cpu"),
        _ => true,
    };
    let threads = if on_gpu {
        NonZeroUsize::MIN
    } else {
        context.threads
    };
    let rows = candidates.iter().map(|candidate| {
        let seed = experiment.seed.child("imbalance").child(&candidate.spec.name);
        training_rows(&candidate.spec, &train.dataset, seed)
    });
    let rows: Vec<Cow<'_, Dataset>> = rows.collect::<Result<_>>()?;
    let jobs: Vec<Job<'_>> = candidates
        .iter()
        .zip(&folders)
        .zip(&rows)
        .map(|((candidate, folder), rows)| {
            let name = &candidate.spec.name;
            Job {
                estimator: &*candidate.estimator,
                train: rows,
                validation: Some(&validation.dataset),
                context: FitContext {
                    name,
                    // By name, so that another model beside it changes nothing for this one.
                    seed: experiment.seed.child("fit").child(name),
                    device,
                    progress: context.progress,
                    stop: context.stop,
                    checkpoints: context
                        .checkpoints
                        .zip(folder.as_deref())
                        .map(|(all, folder)| Checkpoints { folder, ..all }),
                },
            }
        })
        .collect();
    let (mut all, mut failures) = (Vec::new(), Vec::new());
    for (place, (candidate, result)) in candidates.iter().zip(train_many(&jobs, threads)).enumerate() {
        match result {
            Ok(trained) => {
                let n_rows = rows[place].n_rows();
                all.push(judge(experiment, candidate, place, prepared, trained, n_rows)?);
            }
            Err(CoreError::NotBegun(name)) => {
                warnings.push(format!("a stop was requested before {name} was fitted"));
            }
            Err(source) => {
                let error = PipelineError::model(&candidate.spec.name)(source.into());
                context.progress.report(&Event::Note(&error.to_string()));
                failures.push(error);
            }
        }
    }
    // What others have learned is not lost with one that failed.
    if !failures.is_empty() && !all.iter().any(|fitted| fitted.eligible) {
        return Err(failures.swap_remove(0));
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

/// A name for a model's folder on every system.
fn folder_name(place: usize, name: &str) -> String {
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || c == '-' {
            c
        } else {
            '_'
        }
    };
    let name: String = name.chars().map(plain).take(40).collect();
    format!("{:02}-{name}", place + 1)
}

/// Predicts all rows by a model that was fitted, and measures it.
fn judge(
    experiment: &Experiment,
    candidate: &Candidate<'_>,
    place: usize,
    prepared: &Prepared,
    trained: Trained,
    training_rows: usize,
) -> Result<Fitted> {
    let ModelSpec { name, kind, .. } = &*candidate.spec;
    let [train, validation, test] = &prepared.parts;
    let Trained {
        fit:
            Fit {
                model,
                history,
                best_epoch,
                stopped,
            },
        seconds: fit_seconds,
    } = trained;
    if model.kind() != kind {
        let message = format!("its kind {kind:?} fitted a model of kind {:?}", model.kind());
        return Err(PipelineError::model(name)(message.into()));
    }
    let started = Instant::now();
    let of = |part: &PartRows| predict(name, &*model, prepared.goal.task(), part.dataset.features());
    let predictions = [of(train)?, of(validation)?, of(test)?];
    let predict_seconds = started.elapsed().as_secs_f64();
    let decision = experiment
        .decision
        .fit(&predictions[1], validation.dataset.target())
        .map_err(|error| PipelineError::model(name)(error.into()))?;
    let [on_train, on_validation, on_test] = predictions.map(|predictions| decision.apply(predictions));
    let predictions = [on_train?, on_validation?, on_test?];
    let metrics = prepared.metrics(predictions.each_ref())?;
    let intervals = if experiment.metrics.every_model {
        let (bootstrap, actual) = (&experiment.metrics.bootstrap, test.dataset.target());
        let intervals = MetricIntervals::compute(bootstrap, actual, &predictions[2], experiment.seed);
        Some(intervals?)
    } else {
        None
    };
    let state = model
        .state()
        .map_err(|error| PipelineError::model(name)(error.into()))?;
    let report = ModelReport {
        size_bytes: state
            .tensors
            .values()
            .map(|tensor| tensor.values().n_bytes())
            .sum(),
        intervals,
        name: name.clone(),
        kind: kind.clone(),
        n_parameters: model.n_parameters(),
        training_rows,
        best_epoch,
        stopped,
        fit_seconds,
        predict_seconds,
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
