//! Which engine trains a network.

use hitcast_core::{Dataset, Seed};
use hitcast_nn::Network;
use serde::{Deserialize, Serialize};

use crate::engine::{AutogradEngine, Engine};
use crate::error::{Result, TrainError};
use crate::plan::PlanEngine;
use crate::settings::TrainingSettings;

/// Which engine trains a network. Both learn the same but for rounding and for the masks of dropout.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum EngineChoice {
    /// The step plan where there is one for the network, its loss and its device, else automatic differentiation.
    #[default]
    Auto,
    /// The [step plan](PlanEngine), or an error.
    Plan,
    /// libtorch's [automatic differentiation](AutogradEngine).
    Autograd,
}

/// The chosen engine with the network that it trains, see
/// [`NetworkEstimator::engine_for`](crate::NetworkEstimator::engine_for).
#[non_exhaustive]
pub enum NetworkEngine {
    /// A plan, and the network as it was in the beginning.
    Plan(Box<PlanEngine>, Network),
    /// Automatic differentiation, which holds the network.
    Autograd(Box<AutogradEngine>),
}

impl NetworkEngine {
    pub(crate) fn new(
        network: Network,
        settings: &TrainingSettings,
        train: &Dataset,
        validation: Option<&Dataset>,
        seed: Seed,
    ) -> Result<Self> {
        if settings.engine != EngineChoice::Autograd {
            let plan = PlanEngine::compile(&network, settings, train, validation, seed)?;
            if let Some(engine) = plan {
                return Ok(Self::Plan(Box::new(engine), network));
            }
            if settings.engine == EngineChoice::Plan {
                let expected = "auto or autograd for this network on this device";
                return Err(TrainError::setting("engine", "plan", expected));
            }
        }
        let engine = AutogradEngine::new(network, settings, train, validation, seed)?;
        Ok(Self::Autograd(Box::new(engine)))
    }

    /// What trains.
    pub fn engine(&mut self) -> &mut dyn Engine {
        match self {
            Self::Plan(engine, _) => &mut **engine,
            Self::Autograd(engine) => &mut **engine,
        }
    }

    /// The network as it is now.
    ///
    /// # Errors
    /// [`TrainError::Network`] if a number is not finite.
    pub fn into_network(self) -> Result<Network> {
        match self {
            Self::Plan(mut engine, mut network) => engine.write_to(&mut network).map(|()| network),
            Self::Autograd(engine) => engine.into_network(),
        }
    }
}
