//! Several models that predict together.
//!
//! ```toml
//! [[models]]
//! name = "together"
//! kind = "ensemble"
//! settings.combine = { kind = "greedy" }
//! settings.members = [{ name = "forest", kind = "random_forest" }, { name = "boosting", kind = "gradient_boosting" }]
//! ```

mod fit;
mod greedy;
mod model;

use hitcast_core::{BoxError, DeviceChoice, Estimator, Model, ModelState};
use hitcast_pipeline::{ModelKind, ModelSpec, Registry, parse_settings};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::TuneError;

pub use model::EnsembleModel;

/// The kind `ensemble`, whose members are of the kinds of a registry. A sampler or class weights belong to a member, so that they
/// work inside of its folds.
#[derive(Debug, Clone)]
pub struct EnsembleKind {
    members: Registry,
}

/// How several models predict together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnsembleSettings {
    /// The models, each of another name.
    pub members: Vec<ModelSpec>,
    /// How their predictions become one. Default greedy.
    #[serde(default)]
    pub combine: Combine,
    /// Folds on whose held-out rows the members are judged, at least 2; rows of a group stay together. Default 5.
    #[serde(default = "five")]
    pub folds: usize,
    /// Which fits predict. Default those on all rows.
    #[serde(default)]
    pub keep: Keep,
    /// Fits of each member, which differ in their seed alone and are averaged; at least 1. Default 1.
    #[serde(default = "one")]
    pub seeds: usize,
}

/// How the predictions of members become one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Combine {
    /// The mean of all.
    Average,
    /// A weighted mean: members are added one by one, each as often as it helps, by the squared error or the log loss of what
    /// they predict for rows that they have not learned from (Caruana et al. 2004).
    Greedy {
        /// Members that are added, at least 1; the best of the ensembles on the way is taken. Default 50.
        #[serde(default = "fifty")]
        rounds: usize,
    },
    /// A model that learns the target from what the members predict for rows that they have not learned from (Wolpert 1992); of
    /// classes it is given the probabilities of all but the first.
    Stacking {
        /// The model, one that does not need validation rows. Default `ridge`, of classes `logistic`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        model: Option<Box<ModelSpec>>,
    },
}

/// Which fits of the members predict.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Keep {
    /// Each member is fitted once more, on all rows.
    #[default]
    AllRows,
    /// The mean of the fits on the folds, each of which has not seen some of the rows.
    Folds,
}

const fn one() -> usize {
    1
}

const fn five() -> usize {
    5
}

const fn fifty() -> usize {
    50
}

impl Default for Combine {
    fn default() -> Self {
        Self::Greedy { rounds: fifty() }
    }
}

impl EnsembleSettings {
    /// These models with the defaults.
    pub fn new(members: impl IntoIterator<Item = ModelSpec>) -> Self {
        Self {
            members: members.into_iter().collect(),
            combine: Combine::default(),
            folds: five(),
            keep: Keep::default(),
            seeds: one(),
        }
    }

    /// As a model of an experiment.
    pub fn into_spec(self, name: impl Into<String>) -> ModelSpec {
        let mut spec = ModelSpec::new(name, EnsembleKind::NAME);
        spec.settings = serde_json::to_value(self).unwrap_or_default();
        spec
    }

    fn check(&self) -> Result<(), TuneError> {
        let refuse = |setting, value: usize, allowed| {
            Err(TuneError::Setting {
                setting,
                value: value.to_string(),
                allowed,
            })
        };
        if self.members.is_empty() {
            return Err(TuneError::Ensemble(
                "has no members; list at least one".to_owned(),
            ));
        }
        for (place, member) in self.members.iter().enumerate() {
            if self.members[..place]
                .iter()
                .any(|other| other.name == member.name)
            {
                let message = format!("two members are called {:?}; names must differ", member.name);
                return Err(TuneError::Ensemble(message));
            }
        }
        if self.folds < 2 {
            return refuse("folds", self.folds, "at least 2");
        }
        if self.seeds == 0 {
            return refuse("seeds", self.seeds, "at least 1");
        }
        match self.combine {
            Combine::Greedy { rounds: 0 } => refuse("rounds", 0, "at least 1"),
            _ => Ok(()),
        }
    }
}

impl EnsembleKind {
    /// Its name.
    pub const NAME: &'static str = "ensemble";

    /// Ensembles of models of these kinds.
    pub fn new(members: Registry) -> Self {
        Self { members }
    }
}

impl ModelKind for EnsembleKind {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn divides_rows(&self) -> bool {
        true
    }

    fn estimator(&self, settings: &Value) -> Result<Box<dyn Estimator>, BoxError> {
        let settings: EnsembleSettings = parse_settings(settings)?;
        settings.check()?;
        Ok(Box::new(fit::Ensemble::new(settings, &self.members)?))
    }

    fn load(&self, state: &ModelState, device: DeviceChoice) -> Result<Box<dyn Model>, BoxError> {
        Ok(Box::new(EnsembleModel::load(state, &self.members, device)?))
    }
}
