//! Fitting the members, on folds for what they are worth and on all rows for what they predict.

use std::time::Instant;

use hitcast_core::parallel::available_threads;
use hitcast_core::{
    CoreError, Dataset, Estimator, Event, FeatureColumn, Features, Fit, FitContext, Job, Model, NotesOnly,
    Seed, StopReason, Task, Trained, train_many,
};
use hitcast_pipeline::{ModelSpec, Registry};

use super::model::{EnsembleModel, Member, Stacker};
use super::{Combine, EnsembleSettings, Keep, greedy};
use crate::division::{folds, hold_out};
use crate::error::{Result, TuneError};

/// An ensemble that can be fitted.
pub(super) struct Ensemble {
    settings: EnsembleSettings,
    members: Vec<Box<dyn Estimator>>,
    registry: Registry,
}

/// The fits of one member on some rows, one a seed.
type Fits = Vec<Box<dyn Model>>;

/// A member that could be fitted on every fold.
struct Folded {
    /// Its place in the settings.
    member: usize,
    /// What it predicts for rows that it has not learned from, row by row.
    predicted: Vec<f64>,
    /// Its fits on the folds, if they are kept.
    models: Fits,
}

impl Ensemble {
    pub(super) fn new(settings: EnsembleSettings, registry: &Registry) -> Result<Self> {
        let members = settings.members.iter().map(|member| member.estimator(registry));
        if let Combine::Stacking { model: Some(model) } = &settings.combine
            && model.estimator(registry)?.uses_validation()
        {
            let message = format!(
                "model {:?} that combines the members needs validation rows, but there are none left for it; take another",
                model.name
            );
            return Err(TuneError::Ensemble(message));
        }
        Ok(Self {
            members: members.collect::<Result<_, _>>()?,
            registry: registry.clone(),
            settings,
        })
    }

    fn fit_model(&self, train: &Dataset, context: &FitContext<'_>) -> Result<EnsembleModel> {
        let EnsembleSettings { combine, keep, .. } = &self.settings;
        let is_plain = *combine == Combine::Average && *keep == Keep::AllRows;
        let folded: Vec<Folded> = if is_plain {
            let unfitted = |member| Folded {
                member,
                predicted: Vec::new(),
                models: Vec::new(),
            };
            (0..self.members.len()).map(unfitted).collect()
        } else {
            self.fit_folds(train, context)?
        };
        let predicted = || folded.iter().map(|one| &one.predicted[..]).collect::<Vec<_>>();
        let (weights, stacker) = match combine {
            // Made to sum to 1 in the end.
            Combine::Average => (vec![1.0; folded.len()], None),
            Combine::Greedy { rounds } => (greedy::weights(&predicted(), train, *rounds), None),
            Combine::Stacking { model } => {
                let stacker = self.fit_stacker(model.as_deref(), &predicted(), train, context)?;
                (vec![1.0; folded.len()], Some(stacker))
            }
        };
        let used = folded
            .into_iter()
            .zip(weights)
            .filter(|(_, weight)| *weight > 0.0);
        let (used, weights): (Vec<Folded>, Vec<f64>) = used.unzip();
        let places: Vec<usize> = used.iter().map(|one| one.member).collect();
        let models: Vec<Option<Fits>> = match keep {
            Keep::Folds => used.into_iter().map(|one| Some(one.models)).collect(),
            Keep::AllRows => {
                let seed = context.seed.child("all rows");
                let fitted = self.fit_all(&places, train, seed, context)?.into_iter();
                let fitted = fitted.zip(&places);
                fitted
                    .map(|(result, &member)| self.or_left_out(member, result, context))
                    .collect()
            }
        };
        if stacker.is_some() && models.iter().any(Option::is_none) {
            let message = "a member that was fitted on every fold could not be fitted on all rows";
            return Err(TuneError::Ensemble(message.to_owned()));
        }
        let members = places.into_iter().zip(weights).zip(models);
        let members = members.filter_map(|((member, weight), models)| {
            let spec = &self.settings.members[member];
            Some(Member {
                name: spec.name.clone(),
                kind: spec.kind.clone(),
                weight,
                models: models?,
            })
        });
        let members: Vec<Member> = members.collect();
        none_left(&members)?;
        Ok(EnsembleModel::new(
            train.task(),
            train.n_features(),
            members,
            stacker,
        )?)
    }

    /// Fits every member on each fold's training rows. One that fails is left out from there on.
    fn fit_folds(&self, train: &Dataset, context: &FitContext<'_>) -> Result<Vec<Folded>> {
        let (n, width) = (train.n_rows(), train.task().width());
        let mut all: Vec<Folded> = (0..self.members.len())
            .map(|member| Folded {
                member,
                predicted: vec![0.0; n * width],
                models: Vec::new(),
            })
            .collect();
        let divided = folds(train, self.settings.folds, context.seed.child("folds"))?;
        for (number, fold) in divided.iter().enumerate() {
            let (name, n_folds) = (context.name, divided.len());
            let note = format!(
                "{name}: {} members on fold {} of {n_folds}",
                all.len(),
                number + 1
            );
            context.progress.report(&Event::Note(&note));
            let seed = context.seed.nth(number as u64);
            let places: Vec<usize> = all.iter().map(|one| one.member).collect();
            let fitted = self.fit_all(&places, &train.take(&fold.train)?, seed, context)?;
            let held_out = train.features().take(&fold.test);
            let mut left = Vec::new();
            for (mut one, result) in all.into_iter().zip(fitted) {
                let predicted = result.and_then(|models| {
                    one.predict(&models, &held_out, &fold.test, width)?;
                    Ok(models)
                });
                let Some(models) = self.or_left_out(one.member, predicted, context) else {
                    continue;
                };
                if self.settings.keep == Keep::Folds {
                    one.models.extend(models);
                }
                left.push(one);
            }
            none_left(&left)?;
            all = left;
        }
        Ok(all)
    }

    /// What came of a member, or nothing and a note why.
    fn or_left_out<T>(
        &self,
        member: usize,
        result: hitcast_core::Result<T>,
        context: &FitContext<'_>,
    ) -> Option<T> {
        result
            .map_err(|error| {
                let name = &self.settings.members[member].name;
                let note = format!("{}: {name} is left out: {error}", context.name);
                context.progress.report(&Event::Note(&note));
            })
            .ok()
    }

    /// Fits members on some rows, each with every seed; each has its own result.
    fn fit_all(
        &self,
        members: &[usize],
        train: &Dataset,
        seed: Seed,
        context: &FitContext<'_>,
    ) -> Result<Vec<hitcast_core::Result<Fits>>> {
        let needs_rows = members
            .iter()
            .any(|&member| self.members[member].uses_validation());
        let held = needs_rows
            .then(|| hold_out(train, seed.child("validation")))
            .transpose()?;
        let notes = NotesOnly(context.progress);
        let fits = members
            .iter()
            .flat_map(|&member| (0..self.settings.seeds).map(move |nth| (member, nth)));
        let job = |(member, nth): (usize, usize)| {
            let spec = &self.settings.members[member];
            let held = held.as_ref().filter(|_| self.members[member].uses_validation());
            Job {
                estimator: &*self.members[member],
                train: held.map_or(train, |(rest, _)| rest),
                validation: held.map(|(_, validation)| validation),
                context: FitContext {
                    name: &spec.name,
                    seed: seed.child(&spec.name).nth(nth as u64),
                    progress: &notes,
                    checkpoints: None,
                    ..*context
                },
            }
        };
        let jobs: Vec<Job<'_>> = fits.map(job).collect();
        let finds_gpu = || {
            let mut estimators = jobs.iter().map(|job| job.estimator);
            estimators.any(|estimator| estimator.prefers_side_by_side(context.device))
        };
        let at_once = context.device.fits_at_once(available_threads(), finds_gpu);
        let mut results = train_many(&jobs, at_once).into_iter();
        let mut all = Vec::new();
        for _ in members {
            let own: hitcast_core::Result<Vec<Trained>> =
                results.by_ref().take(self.settings.seeds).collect();
            all.push(own.map(|own| own.into_iter().map(|trained| trained.fit).collect::<Vec<Fit>>()));
        }
        let is_cut = |fit: &Fit| fit.stopped == StopReason::Requested;
        if context.stop.is_requested() || all.iter().flatten().flatten().any(is_cut) {
            return Err(CoreError::NotBegun(context.name.to_owned()).into());
        }
        let models = |fits: Vec<Fit>| fits.into_iter().map(|fit| fit.model).collect();
        Ok(all.into_iter().map(|result| result.map(models)).collect())
    }

    fn fit_stacker(
        &self,
        spec: Option<&ModelSpec>,
        predicted: &[&[f64]],
        train: &Dataset,
        context: &FitContext<'_>,
    ) -> Result<Stacker> {
        let kind = match train.task() {
            Task::Regression => "ridge",
            _ => "logistic",
        };
        let spec = spec.cloned().unwrap_or_else(|| ModelSpec::new("stacking", kind));
        let matrix = Stacker::matrix(train.task(), predicted, train.n_rows());
        let columns =
            (0..matrix.ncols()).map(|column| FeatureColumn::plain(format!("member column {column}")));
        let rows = train.with_features(Features::new(matrix, columns.collect())?)?;
        let estimator = spec.estimator(&self.registry)?;
        let seed = context.seed.child("stacking");
        let fit = estimator.fit(
            &rows,
            None,
            &FitContext {
                seed,
                progress: &NotesOnly(context.progress),
                checkpoints: None,
                ..*context
            },
        )?;
        if fit.stopped == StopReason::Requested {
            return Err(CoreError::NotBegun(context.name.to_owned()).into());
        }
        Ok(Stacker {
            kind: spec.kind,
            model: fit.model,
        })
    }
}

impl Folded {
    /// Adds the mean of what the models predict for the held-out rows, which have these places.
    fn predict(
        &mut self,
        models: &[Box<dyn Model>],
        held_out: &Features,
        places: &[usize],
        width: usize,
    ) -> hitcast_core::Result<()> {
        #[allow(clippy::cast_precision_loss)]
        let share = 1.0 / models.len() as f64;
        for model in models {
            let values = model.predict_features(held_out)?.into_values();
            for (&row, values) in places.iter().zip(values.chunks_exact(width)) {
                let to = &mut self.predicted[row * width..][..width];
                to.iter_mut()
                    .zip(values)
                    .for_each(|(to, value)| *to += share * value);
            }
        }
        Ok(())
    }
}

fn none_left<T>(members: &[T]) -> Result<()> {
    if members.is_empty() {
        let message = "none of its members could be fitted; see the notes about them";
        return Err(TuneError::Ensemble(message.to_owned()));
    }
    Ok(())
}

impl Estimator for Ensemble {
    fn fit(
        &self,
        train: &Dataset,
        _validation: Option<&Dataset>,
        context: &FitContext<'_>,
    ) -> hitcast_core::Result<Fit> {
        let began = Instant::now();
        context.progress.report(&Event::FitStarted {
            model: context.name,
            epochs: 0,
            parameters: 0,
            rows: train.n_rows(),
            bytes: 0,
        });
        let model = self.fit_model(train, context).map_err(|error| match error {
            TuneError::Core(stopped @ CoreError::NotBegun(_)) => stopped,
            error => error.of_model(context.name),
        })?;
        let reason = model.to_string();
        context.progress.report(&Event::FitEnded {
            model: context.name,
            reason: &reason,
            elapsed_seconds: began.elapsed().as_secs_f64(),
            rows_per_second: 0.0,
        });
        Ok(Fit {
            model: Box::new(model),
            history: Vec::new(),
            best_epoch: None,
            stopped: StopReason::Completed,
            rows: train.n_rows(),
        })
    }
}
