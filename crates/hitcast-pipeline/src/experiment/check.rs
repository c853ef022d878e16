//! What an experiment's parts must be to one another, checked before anything is read.

use std::collections::BTreeSet;

use super::{DataSettings, Experiment, ModelSpec};
use crate::error::{PipelineError, Result};

impl Experiment {
    /// Checks what can be checked without the data: names, and that the parts fit together. A run does so first.
    ///
    /// # Errors
    /// [`PipelineError::Setting`] that names the setting and what it may be.
    pub fn check(&self) -> Result<()> {
        if self.name.trim().is_empty() {
            return Err(PipelineError::setting(
                "name",
                "is empty; give the experiment a name",
            ));
        }
        self.data.check()?;
        if self.models.is_empty() {
            return Err(PipelineError::setting(
                "models",
                "is empty; list at least one [[models]]",
            ));
        }
        check_models(&self.models, &self.reference_models())?;
        self.check_task()?;
        let features: BTreeSet<&str> = self.data.features.iter().map(String::as_str).collect();
        for (index, outliers) in self.outliers.iter().enumerate() {
            check_features(
                &outliers.columns,
                &features,
                &format!("outliers[{index}].columns"),
            )?;
        }
        for (index, part) in self.recipe.columns.iter().enumerate() {
            check_features(&part.names, &features, &format!("recipe.columns[{index}].names"))?;
        }
        Ok(())
    }
}

impl Experiment {
    /// What is only for numbers, or only for classes.
    fn check_task(&self) -> Result<()> {
        let is_of_classes = self.data.classes.is_some();
        self.decision.check(is_of_classes)?;
        if let Some(selection) = self
            .metrics
            .selection
            .filter(|s| s.is_of_classes() != is_of_classes)
        {
            let (measured, target) = if is_of_classes {
                ("numbers", "a class")
            } else {
                ("classes", "a number (data.classes makes one of it)")
            };
            let message = format!("{selection} is a metric of {measured}, but the target is {target}");
            return Err(PipelineError::setting("metrics.selection", message));
        }
        for model in self.models.iter().chain(self.reference_models().iter()) {
            let place = |setting: &str| format!("model {:?}: {setting}", model.name);
            let set = [
                ("class_weights", model.class_weights.is_some()),
                ("sampler", model.sampler.is_some()),
            ];
            if let Some((setting, _)) = set.iter().find(|(_, is_set)| *is_set && !is_of_classes) {
                let message = "is about classes, but the target is a number";
                return Err(PipelineError::setting(place(setting), message));
            }
            if model.sampler.is_some() && self.data.weight.is_some() {
                let message = "makes rows that would have no weight; use data.weight or a sampler, not both";
                return Err(PipelineError::setting(place("sampler"), message));
            }
        }
        Ok(())
    }
}

impl DataSettings {
    fn check(&self) -> Result<()> {
        if self.target.is_empty() {
            return Err(PipelineError::setting(
                "data.target",
                "is empty; name the column to predict",
            ));
        }
        if self.features.is_empty() {
            return Err(PipelineError::setting(
                "data.features",
                "is empty; name the columns to learn from",
            ));
        }
        if self.weight.as_ref() == Some(&self.target) {
            let message = format!("is the target {:?}; name another column", self.target);
            return Err(PipelineError::setting("data.weight", message));
        }
        let mut seen = BTreeSet::new();
        for feature in &self.features {
            if *feature == self.target {
                let message =
                    format!("holds the target {feature:?}; a model must not learn from what it predicts");
                return Err(PipelineError::setting("data.features", message));
            }
            if !seen.insert(feature) {
                return Err(PipelineError::setting(
                    "data.features",
                    format!("names {feature:?} twice"),
                ));
            }
        }
        Ok(())
    }
}

fn check_models(models: &[ModelSpec], references: &[ModelSpec]) -> Result<()> {
    let mut seen = BTreeSet::new();
    let places = models
        .iter()
        .enumerate()
        .map(|(i, model)| (format!("models[{i}]"), model));
    let more = references
        .iter()
        .enumerate()
        .map(|(i, model)| (format!("references[{i}]"), model));
    for (place, model) in places.chain(more) {
        if model.name.trim().is_empty() {
            return Err(PipelineError::setting(
                format!("{place}.name"),
                "is empty; give the model a name",
            ));
        }
        if !seen.insert(&model.name) {
            let message = format!(
                "{:?} is the name of another model too; names must differ",
                model.name
            );
            return Err(PipelineError::setting(format!("{place}.name"), message));
        }
        if !model.settings.is_object() {
            let message = "must be a table, as in [models.settings]";
            return Err(PipelineError::setting(format!("{place}.settings"), message));
        }
    }
    Ok(())
}

fn check_features(names: &[String], features: &BTreeSet<&str>, place: &str) -> Result<()> {
    match names.iter().find(|name| !features.contains(name.as_str())) {
        None => Ok(()),
        Some(unknown) => {
            let suggestion = hitcast_core::suggest::did_you_mean(unknown, features.iter().copied());
            let message = format!("{unknown:?} is not among data.features{suggestion}");
            Err(PipelineError::setting(place, message))
        }
    }
}
