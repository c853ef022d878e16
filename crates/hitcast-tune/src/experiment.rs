//! Every model of an experiment tuned, on the rows that it may learn from and be chosen by.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroUsize;
use std::path::Path;

use hitcast_core::Event;
use hitcast_pipeline::folder::numbered_name;
use hitcast_pipeline::{Experiment, ModelSpec, Registry, Run, RunContext, Sample};
use serde::{Deserialize, Serialize};

use crate::ensemble::{Combine, EnsembleSettings};
use crate::error::{Result, TuneError};
use crate::search::{Found, Search, SearchTask};
use crate::space::SearchSpace;

/// How the models of an experiment are tuned.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TuneSettings {
    /// How settings are searched.
    pub search: Search,
    /// The space of a model, by its name. Default: the built-in one of its kind; a model of a kind that has none stays as it is.
    pub spaces: BTreeMap<String, SearchSpace>,
    /// The models that are tuned, by name. Default: all.
    pub models: Option<Vec<String>>,
    /// An ensemble of all models that is added at the end. Default: none.
    pub ensemble: Option<Combine>,
}

/// An experiment with the settings that were found.
#[derive(Debug, Clone, PartialEq)]
pub struct Tuned {
    /// The experiment, whose models have the settings that were found. Models that do not need the validation rows learn from
    /// them too, as the search did: [`Experiment::refit`] is set.
    pub experiment: Experiment,
    /// What each search found, in the order of the models.
    pub found: Vec<Found>,
    /// Why models were left as they are.
    pub notes: Vec<String>,
}

impl TuneSettings {
    /// Tunes the models of an experiment by cross-validation on its training and validation rows; its test rows are not looked at.
    /// With a folder, each search keeps its trials there and goes on from them.
    ///
    /// # Errors
    /// [`TuneError`] of the first search that cannot begin; one in which no trial came to a score leaves its model as it is,
    /// with a note. [`TuneError::Stopped`] if a stop was requested.
    pub fn tune(
        &self,
        sample: &Sample<'_>,
        registry: &Registry,
        context: &RunContext<'_>,
        folder: Option<&Path>,
    ) -> Result<Tuned> {
        let mut experiment: Experiment = sample.experiment().clone();
        self.check(&experiment, registry)?;
        let split = sample.split()?;
        let mut rows = [&split.train[..], &split.validation].concat();
        rows.sort_unstable();
        let (mut found, mut notes, mut hopeless) = (Vec::new(), Vec::new(), Vec::new());
        for (place, model) in experiment.models.iter_mut().enumerate() {
            if !self.is_tuned(model) {
                continue;
            }
            let Some(space) = self.space_of(model) else {
                let kind = &model.kind;
                notes.push(format!(
                    "{} stays as it is: kind {kind:?} has no built-in space",
                    model.name
                ));
                continue;
            };
            let history =
                folder.map(|folder| folder.join(format!("{}.jsonl", numbered_name(place, &model.name))));
            let pipeline = sample.experiment().pipeline(model.clone());
            let task = SearchTask {
                sample,
                rows: &rows,
                pipeline: &pipeline,
                space: &space,
            };
            match self.search.run(task, registry, context, history.as_deref()) {
                Ok(one) => {
                    *model = one.pipeline.model.clone();
                    experiment.recipe.clone_from(&one.pipeline.recipe);
                    experiment.outliers.clone_from(&one.pipeline.outliers);
                    found.push(one);
                }
                Err(error @ TuneError::AllFailed { .. }) => {
                    let note = format!("{error}; it stays as it is");
                    context.progress.report(&Event::Note(&note));
                    notes.push(note);
                    hopeless.push(model.name.clone());
                }
                Err(error) => return Err(error),
            }
            if context.stop.is_requested() {
                return Err(TuneError::Stopped(model.name.clone()));
            }
        }
        experiment.refit = true;
        Ok(Tuned {
            experiment: self.with_ensemble(experiment, &hopeless),
            found,
            notes,
        })
    }

    /// Tunes the models of an experiment, reads its file for that, and runs it with what was found, one model after another so
    /// that what each takes does not depend on the others. Every model has intervals.
    ///
    /// # Errors
    /// As [`tune`](Self::tune) and [`Experiment::run`].
    pub fn tune_and_run(
        &self,
        experiment: &Experiment,
        registry: &Registry,
        context: &RunContext<'_>,
        folder: Option<&Path>,
    ) -> Result<(Tuned, Run)> {
        let mut tuned = self.tune(&experiment.read_sample()?, registry, context, folder)?;
        tuned.experiment.metrics.every_model = true;
        let one_by_one = RunContext {
            threads: NonZeroUsize::MIN,
            ..context.clone()
        };
        let run = tuned.experiment.run(registry, &one_by_one)?;
        Ok((tuned, run))
    }

    /// The models that are tuned.
    ///
    /// # Errors
    /// [`TuneError::Space`] if the experiment has no model of a name in these settings.
    pub fn tuned_models(&self, experiment: &Experiment) -> Result<Vec<ModelSpec>> {
        self.check_names(experiment)?;
        let models = experiment.models.iter().filter(|model| self.is_tuned(model));
        Ok(models.cloned().collect())
    }

    /// The space of a model: the one that is set, or the built-in one of its kind.
    pub fn space_of(&self, model: &ModelSpec) -> Option<SearchSpace> {
        let set = self.spaces.get(&model.name).cloned();
        set.or_else(|| SearchSpace::builtin(&model.kind))
    }

    /// The experiment with an ensemble of its models at the end, if one is asked for, but for those of some names.
    #[must_use]
    pub fn with_ensemble(&self, mut experiment: Experiment, without: &[String]) -> Experiment {
        if let Some(combine) = &self.ensemble {
            let members = experiment
                .models
                .iter()
                .filter(|model| !without.contains(&model.name));
            let settings = EnsembleSettings {
                combine: combine.clone(),
                ..EnsembleSettings::new(members.cloned())
            };
            let mut name = "ensemble".to_owned();
            while experiment.models.iter().any(|model| model.name == name) {
                name.push('+');
            }
            experiment.models.push(settings.into_spec(name));
        }
        experiment
    }

    /// Reads settings from TOML.
    ///
    /// # Errors
    /// [`TuneError::File`] with what is wrong, and where in `origin`.
    pub fn from_toml(text: &str, origin: &str) -> Result<Self> {
        toml::from_str(text).map_err(|error| TuneError::File {
            path: origin.to_owned(),
            message: error.to_string(),
        })
    }

    /// Checks everything that can be before the first search: settings, names, and spaces.
    ///
    /// # Errors
    /// [`TuneError::Setting`] and [`TuneError::Space`] that name what is wrong.
    pub fn check(&self, experiment: &Experiment, registry: &Registry) -> Result<()> {
        self.search.check()?;
        for model in self.tuned_models(experiment)? {
            let Some(space) = self.space_of(&model) else {
                continue;
            };
            let is_shared = |path: &&String| matches!(path.split('.').next(), Some("recipe" | "outliers"));
            if let Some(path) = space
                .parameters
                .keys()
                .find(is_shared)
                .filter(|_| experiment.models.len() > 1)
            {
                let message = "changes what all models of the experiment share; search it in an experiment of one model";
                return Err(TuneError::space(path, message));
            }
            space.check(&experiment.pipeline(model), registry)?;
        }
        Ok(())
    }

    fn is_tuned(&self, model: &ModelSpec) -> bool {
        self.models
            .as_ref()
            .is_none_or(|names| names.contains(&model.name))
    }

    fn check_names(&self, experiment: &Experiment) -> Result<()> {
        let names = || experiment.models.iter().map(|model| model.name.as_str());
        for asked in self.models.iter().flatten().chain(self.spaces.keys()) {
            if !names().any(|name| name == asked) {
                let suggestion = hitcast_core::suggest::did_you_mean(asked, names());
                let message = format!(
                    "the experiment has no model of this name{suggestion}; its models are {}",
                    names().collect::<Vec<_>>().join(", ")
                );
                return Err(TuneError::space(asked, message));
            }
        }
        Ok(())
    }
}

impl fmt::Display for Tuned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for found in &self.found {
            writeln!(f, "{found}")?;
        }
        for note in &self.notes {
            writeln!(f, "Note: {note}")?;
        }
        Ok(())
    }
}
