//! What engines save of themselves.

use std::collections::BTreeMap;

use hitcast_core::{CoreError, ModelState, TensorData};
use hitcast_nn::NnError;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::Result;

/// Begin the names of the remembered weights and of the averaged ones.
const BEST: &str = "best.";
const AVERAGE: &str = "average.";

/// Everything that the steps of an engine depend on, besides its rows; draws of dropout go on from `D`.
#[derive(Debug)]
pub(crate) struct EngineState<D> {
    pub(crate) now: Learned,
    pub(crate) best: Option<Learned>,
    pub(crate) average: Option<Learned>,
    /// Velocity, or means of gradients.
    pub(crate) first: Vec<f32>,
    /// Means of squared gradients.
    pub(crate) second: Vec<f32>,
    pub(crate) steps: u32,
    pub(crate) draws: D,
}

/// What a network has learned: its parameters, and the running statistics of batch norm.
#[derive(Debug)]
pub(crate) struct Learned {
    pub(crate) parameters: Vec<f32>,
    pub(crate) statistics: Vec<f32>,
}

impl From<(Vec<f32>, Vec<f32>)> for Learned {
    fn from((parameters, statistics): (Vec<f32>, Vec<f32>)) -> Self {
        Self {
            parameters,
            statistics,
        }
    }
}

/// How many numbers an engine has.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sizes {
    pub(crate) parameters: usize,
    pub(crate) statistics: usize,
    pub(crate) first: usize,
    pub(crate) second: usize,
}

/// What is no tensor.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Facts {
    engine: String,
    steps: u32,
    draws: Value,
}

impl<D: Serialize + DeserializeOwned> EngineState<D> {
    /// As one of the engine of this name.
    pub(crate) fn save(self, engine: &str) -> Result<ModelState> {
        let facts = Facts {
            engine: engine.to_owned(),
            steps: self.steps,
            draws: serde_json::to_value(self.draws).map_err(NnError::from)?,
        };
        let mut tensors = BTreeMap::new();
        let mut insert = |name: String, values| tensors.insert(name, TensorData::f32_vector(values));
        let learned = [("", Some(self.now)), (BEST, self.best), (AVERAGE, self.average)];
        for (prefix, learned) in learned {
            if let Some(learned) = learned {
                insert(format!("{prefix}parameters"), learned.parameters);
                insert(format!("{prefix}statistics"), learned.statistics);
            }
        }
        insert("optimizer.first".to_owned(), self.first);
        insert("optimizer.second".to_owned(), self.second);
        Ok(ModelState {
            settings: serde_json::to_value(facts).map_err(NnError::from)?,
            tensors,
        })
    }

    /// What the engine of this name saved, which has so many numbers.
    ///
    /// # Errors
    /// [`TrainError::Network`](crate::TrainError::Network) if it is of another engine or network.
    pub(crate) fn load(state: &ModelState, engine: &str, sizes: Sizes) -> Result<Self> {
        let facts: Facts = serde_json::from_value(state.settings.clone()).map_err(NnError::from)?;
        if facts.engine != engine {
            return Err(wrong(format!("is of the engine {:?}", facts.engine)).into());
        }
        let vector = |name: &str, n| -> Result<Vec<f32>> {
            Ok(state.f32(name, &[n]).map_err(NnError::from)?.to_vec())
        };
        let learned = |prefix: &str| -> Result<Learned> {
            Ok(Learned {
                parameters: vector(&format!("{prefix}parameters"), sizes.parameters)?,
                statistics: vector(&format!("{prefix}statistics"), sizes.statistics)?,
            })
        };
        let kept = |prefix: &str| {
            let is_kept = state.tensors.keys().any(|name| name.starts_with(prefix));
            is_kept.then(|| learned(prefix)).transpose()
        };
        Ok(Self {
            now: learned("")?,
            best: kept(BEST)?,
            average: kept(AVERAGE)?,
            first: vector("optimizer.first", sizes.first)?,
            second: vector("optimizer.second", sizes.second)?,
            steps: facts.steps,
            draws: serde_json::from_value(facts.draws).map_err(NnError::from)?,
        })
    }
}

/// That a saved state is not what it should be.
pub(crate) fn wrong(problem: impl Into<String>) -> NnError {
    CoreError::State(problem.into()).into()
}
