//! Fitting the members, on folds for what they are worth and on all rows for what they predict.

use std::time::Instant;

use hitcast_core::parallel::available_threads;
use hitcast_core::{
    CoreError, Dataset, Estimator, Event, FeatureColumn, Features, Fit, FitContext, Job, Model, NoProgress,
    Seed, StopReason, Task, Trained, train_many,
};
use hitcast_pipeline::{ModelSpec, Registry};
use ndarray::Array2;

use super::model::{EnsembleModel, Member, Stacker};
use super::{Combine, EnsembleKind, EnsembleSettings, Keep, greedy};
use crate::division::{folds, hold_out};
use crate::error::{Result, TuneError};

/// An ensemble that can be fitted.
pub(super) struct Ensemble {
    settings: EnsembleSettings,
    members: Vec<Box<dyn Estimator>>,
    registry: Registry,
}

/// What the members predict for rows that they have not learned from, and the fits that did.
struct Folded {
    /// By member, row by row.
    predicted: Vec<Vec<f64>>,
    /// By member.
    models: Vec<Vec<Box<dyn Model>>>,
}

impl Ensemble {
    pub(super) fn new(settings: EnsembleSettings, registry: &Registry) -> Result<Self> {
        let members = settings.members.iter().map(|member| member.estimator(registry));
        if let Combine::Stacking { model: Some(model) } = &settings.combine {
            model.estimator(registry)?;
        }
        Ok(Self {
            members: members.collect::<Result<_, _>>()?,
            registry: registry.clone(),
            settings,
        })
    }

    fn fit_model(&self, train: &Dataset, context: &FitContext<'_>) -> Result<EnsembleModel> {
        let EnsembleSettings { combine, keep, .. } = &self.settings;
        let everyone: Vec<usize> = (0..self.members.len()).collect();
        #[allow(clippy::cast_precision_loss)]
        let equal = vec![1.0 / everyone.len() as f64; everyone.len()];
        let (weights, stacker, models) = if *combine == Combine::Average && *keep == Keep::AllRows {
            (equal, None, None)
        } else {
            let Folded { predicted, models } = self.fit_folds(train, context)?;
            let (weights, stacker) = match combine {
                Combine::Average => (equal, None),
                Combine::Greedy { rounds } => (greedy::weights(&predicted, train, *rounds), None),
                Combine::Stacking { model } => {
                    let stacker = self.fit_stacker(model.as_deref(), &predicted, train, context)?;
                    (vec![1.0; everyone.len()], Some(stacker))
                }
            };
            (weights, stacker, (*keep == Keep::Folds).then_some(models))
        };
        let used: Vec<usize> = everyone
            .into_iter()
            .filter(|&member| weights[member] > 0.0)
            .collect();
        let models = match models {
            Some(mut models) => used
                .iter()
                .map(|&member| std::mem::take(&mut models[member]))
                .collect(),
            None => self.fit_all(&used, train, context.seed.child("all rows"), context)?,
        };
        let members = used.iter().zip(models).map(|(&member, models)| Member {
            name: self.settings.members[member].name.clone(),
            kind: self.settings.members[member].kind.clone(),
            weight: weights[member],
            models,
        });
        EnsembleModel::new(train.task(), train.n_features(), members.collect(), stacker)
            .map_err(TuneError::Core)
    }

    /// Fits every member on each fold's training rows.
    fn fit_folds(&self, train: &Dataset, context: &FitContext<'_>) -> Result<Folded> {
        let (n, width) = (train.n_rows(), train.task().width());
        let everyone: Vec<usize> = (0..self.members.len()).collect();
        let mut folded = Folded {
            predicted: vec![vec![0.0; n * width]; everyone.len()],
            models: everyone.iter().map(|_| Vec::new()).collect(),
        };
        let divided = folds(train, self.settings.folds, context.seed.child("folds"))?;
        for (number, fold) in divided.iter().enumerate() {
            let note = format!(
                "{}: {} members on fold {} of {}",
                context.name,
                everyone.len(),
                number + 1,
                divided.len()
            );
            context.progress.report(&Event::Note(&note));
            let seed = context.seed.nth(number as u64);
            let models = self.fit_all(&everyone, &train.take(&fold.train)?, seed, context)?;
            let held_out = train.features().take(&fold.test);
            for (member, models) in models.into_iter().enumerate() {
                #[allow(clippy::cast_precision_loss)]
                let share = 1.0 / models.len() as f64;
                for model in &models {
                    let values = model.predict_features(&held_out)?.into_values();
                    for (&row, values) in fold.test.iter().zip(values.chunks_exact(width)) {
                        let to = &mut folded.predicted[member][row * width..][..width];
                        to.iter_mut()
                            .zip(values)
                            .for_each(|(to, value)| *to += share * value);
                    }
                }
                if self.settings.keep == Keep::Folds {
                    folded.models[member].extend(models);
                }
            }
        }
        Ok(folded)
    }

    /// Fits members on some rows, each with every seed.
    fn fit_all(
        &self,
        members: &[usize],
        train: &Dataset,
        seed: Seed,
        context: &FitContext<'_>,
    ) -> Result<Vec<Vec<Box<dyn Model>>>> {
        let needs_rows = members
            .iter()
            .any(|&member| self.members[member].uses_validation());
        let held = needs_rows
            .then(|| hold_out(train, seed.child("validation")))
            .transpose()?;
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
                    progress: &NoProgress,
                    checkpoints: None,
                    ..*context
                },
            }
        };
        let jobs: Vec<Job<'_>> = fits.map(job).collect();
        let mut models: Vec<Vec<Box<dyn Model>>> = Vec::new();
        for (place, result) in train_many(&jobs, available_threads()).into_iter().enumerate() {
            let Trained { fit, .. } = result?;
            if fit.stopped == StopReason::Requested {
                return Err(CoreError::NotBegun(context.name.to_owned()).into());
            }
            if place % self.settings.seeds == 0 {
                models.push(Vec::new());
            }
            if let Some(of_member) = models.last_mut() {
                of_member.push(fit.model);
            }
        }
        Ok(models)
    }

    fn fit_stacker(
        &self,
        spec: Option<&ModelSpec>,
        predicted: &[Vec<f64>],
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
        let rows = Self::stacked(train, matrix, columns.collect())?;
        let estimator = spec.estimator(&self.registry)?;
        let seed = context.seed.child("stacking");
        let fit = estimator.fit(
            &rows,
            None,
            &FitContext {
                seed,
                progress: &NoProgress,
                ..*context
            },
        )?;
        Ok(Stacker {
            kind: spec.kind,
            model: fit.model,
        })
    }

    fn stacked(train: &Dataset, matrix: Array2<f32>, columns: Vec<FeatureColumn>) -> Result<Dataset> {
        let features = Features::new(matrix, columns)?;
        let rows = match (train.task(), train.classes()) {
            (Task::Classification { n_classes }, Some(classes)) => {
                Dataset::of_classes(features, &classes, n_classes)?
            }
            _ => Dataset::new(features, train.target().to_vec())?,
        };
        Ok(match train.weights() {
            Some(weights) => rows.with_weights(weights.to_vec())?,
            None => rows,
        })
    }
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
        debug_assert_eq!(model.kind(), EnsembleKind::NAME);
        Ok(Fit {
            model: Box::new(model),
            history: Vec::new(),
            best_epoch: None,
            stopped: StopReason::Completed,
            rows: train.n_rows(),
        })
    }
}
