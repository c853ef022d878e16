//! Rare classes: weights and samplers for one model's training rows. The rows that it is chosen by and tested on stay as
//! they are.

use std::borrow::Cow;

use hitcast_core::{Dataset, Seed, Task};
use hitcast_preprocess::resample::weights::{balanced_class_weights, sample_weights};
use serde::{Deserialize, Serialize};

use crate::error::{PipelineError, Result};
use crate::experiment::ModelSpec;

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

/// The rows that a model learns from.
pub(crate) fn training_rows<'a>(
    spec: &ModelSpec,
    train: &'a Dataset,
    seed: Seed,
) -> Result<Cow<'a, Dataset>> {
    let mut rows = Cow::Borrowed(train);
    let (Task::Classification { n_classes }, Some(classes)) = (train.task(), train.classes()) else {
        return Ok(rows);
    };
    let setting = |what: &str| format!("model {:?}: {what}", spec.name);
    if let Some(sampler) = &spec.sampler {
        let resampled = sampler
            .resample(train.features(), &classes, n_classes, seed)
            .map_err(|error| PipelineError::model(&spec.name)(error.into()))?;
        rows = Cow::Owned(Dataset::of_classes(
            resampled.features,
            &resampled.classes,
            n_classes,
        )?);
    }
    if let Some(weights) = &spec.class_weights {
        // Of the rows as they are after the sampler.
        let classes = rows.classes().unwrap_or_default();
        let of_class = match weights {
            ClassWeights::Balanced => balanced_class_weights(&classes, n_classes)?,
            ClassWeights::Given(weights) if weights.len() == n_classes => weights.clone(),
            ClassWeights::Given(weights) => {
                let message = format!("{} weights for {n_classes} classes", weights.len());
                return Err(PipelineError::setting(setting("class_weights"), message));
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
