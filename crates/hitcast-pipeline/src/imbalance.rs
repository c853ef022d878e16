//! Rare classes: weights and samplers for one model's training rows. The rows that it is chosen by and tested on stay as
//! they are.

use std::borrow::Cow;

use hitcast_core::{CoreError, Dataset, DeviceChoice, Estimator, Fit, FitContext, Job, Seed, Task, Trained};
use hitcast_preprocess::Sampler;
use hitcast_preprocess::resample::weights::{balanced_class_weights, sample_weights};
use serde::{Deserialize, Serialize};

use crate::error::{PipelineError, Result};
use crate::experiment::ModelSpec;
use crate::registry::Registry;

/// How much each class counts while a model learns: `"balanced"`, or a list with a number for each class in their order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Form", into = "Form")]
#[non_exhaustive]
pub enum ClassWeights {
    /// All classes count the same in the whole: `n ÷ (classes × rows of the class)`.
    Balanced,
    /// As given, at least 0; only the ratios matter.
    Given(Vec<f64>),
}

/// The form on disk: a word or a list.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Form {
    Word(String),
    List(Vec<f64>),
}

const BALANCED: &str = "balanced";

impl From<ClassWeights> for Form {
    fn from(weights: ClassWeights) -> Self {
        match weights {
            ClassWeights::Balanced => Self::Word(BALANCED.to_owned()),
            ClassWeights::Given(weights) => Self::List(weights),
        }
    }
}

impl TryFrom<Form> for ClassWeights {
    type Error = String;

    fn try_from(form: Form) -> std::result::Result<Self, String> {
        match form {
            Form::Word(word) if word == BALANCED => Ok(Self::Balanced),
            // In the form of serde, from which the nearest name is found.
            Form::Word(word) => Err(format!(
                "unknown variant `{word}`, expected `{BALANCED}` or a number for each class"
            )),
            Form::List(weights) => Ok(Self::Given(weights)),
        }
    }
}

impl ModelSpec {
    /// An estimator with these settings, that puts its classes into balance itself, on the rows that it is given to learn from.
    ///
    /// # Errors
    /// [`PipelineError::UnknownKind`], or [`PipelineError::Model`] if the kind does not know a setting.
    pub fn estimator(&self, registry: &Registry) -> Result<Box<dyn Estimator>> {
        let kind = registry.get(&self.kind, &self.name)?;
        if self.sampler.is_some() && kind.divides_rows() {
            let place = format!("model {:?}: sampler", self.name);
            let message =
                "belongs to the members, so that it works inside of the folds that they are judged on";
            return Err(PipelineError::setting(place, message));
        }
        let estimator = kind
            .estimator(&self.settings)
            .map_err(PipelineError::model(&self.name))?;
        Ok(match (&self.sampler, &self.class_weights) {
            (None, None) => estimator,
            (sampler, class_weights) => Box::new(Balanced {
                sampler: sampler.clone(),
                class_weights: class_weights.clone(),
                estimator,
            }),
        })
    }
}

/// An estimator that learns from its training rows after a sampler, and with weights of their classes.
struct Balanced {
    sampler: Option<Sampler>,
    class_weights: Option<ClassWeights>,
    estimator: Box<dyn Estimator>,
}

impl Estimator for Balanced {
    fn fit(
        &self,
        train: &Dataset,
        validation: Option<&Dataset>,
        context: &FitContext<'_>,
    ) -> hitcast_core::Result<Fit> {
        let rows = self
            .rows(train, context.seed.child("imbalance"))
            .map_err(|error| CoreError::model(context.name, error))?;
        self.estimator.fit(&rows, validation, context)
    }

    fn prefers_side_by_side(&self, device: DeviceChoice) -> bool {
        self.estimator.prefers_side_by_side(device)
    }

    fn fit_side_by_side(&self, jobs: &[Job<'_>]) -> Vec<Option<hitcast_core::Result<Trained>>> {
        let rows = jobs
            .iter()
            .map(|job| self.rows(job.train, job.context.seed.child("imbalance")));
        // What goes wrong here goes wrong again with each fit alone, and is told there.
        let Ok(rows) = rows.collect::<Result<Vec<_>>>() else {
            return Vec::new();
        };
        let jobs: Vec<Job<'_>> = jobs
            .iter()
            .zip(&rows)
            .map(|(job, train)| Job { train, ..*job })
            .collect();
        self.estimator.fit_side_by_side(&jobs)
    }

    fn uses_validation(&self) -> bool {
        self.estimator.uses_validation()
    }
}

impl Balanced {
    /// The rows that the model learns from.
    fn rows<'a>(&self, train: &'a Dataset, seed: Seed) -> Result<Cow<'a, Dataset>> {
        let mut rows = Cow::Borrowed(train);
        let (Task::Classification { n_classes }, Some(classes)) = (train.task(), train.classes()) else {
            let message = "is about classes, but the target is a number";
            return Err(PipelineError::setting("sampler or class_weights", message));
        };
        if let Some(sampler) = &self.sampler {
            if train.weights().is_some() {
                let message = "makes rows that would have no weight; use data.weight or a sampler, not both";
                return Err(PipelineError::setting("sampler", message));
            }
            let resampled = sampler.resample(train.features(), &classes, n_classes, seed)?;
            rows = Cow::Owned(Dataset::of_classes(
                resampled.features,
                &resampled.classes,
                n_classes,
            )?);
        }
        if let Some(weights) = &self.class_weights {
            // Of the rows as they are after the sampler.
            let classes = rows.classes().unwrap_or_default();
            let of_class = match weights {
                ClassWeights::Balanced => balanced_class_weights(&classes, n_classes)?,
                ClassWeights::Given(weights) if weights.len() == n_classes => weights.clone(),
                ClassWeights::Given(weights) => {
                    let message = format!("{} weights for {n_classes} classes", weights.len());
                    return Err(PipelineError::setting("class_weights", message));
                }
            };
            let mut of_rows = sample_weights(&classes, &of_class)?;
            if let Some(own) = rows.weights() {
                of_rows
                    .iter_mut()
                    .zip(own)
                    .for_each(|(weight, own)| *weight *= own);
            }
            rows = Cow::Owned(rows.into_owned().with_weights(of_rows)?);
        }
        Ok(rows)
    }
}
