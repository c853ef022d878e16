//! Which engine trains a network, and where.

use hitcast_core::{Dataset, DeviceChoice, Event, FitContext};
use hitcast_cuda::{CudaError, Gpu};
use hitcast_nn::{Network, NetworkSpec};
use serde::{Deserialize, Serialize};
use tch::Device;

use crate::autograd::AutogradEngine;
use crate::cuda::CudaEngine;
use crate::engine::Engine;
use crate::error::{Result, TrainError};
use crate::plan::PlanEngine;
use crate::settings::TrainingSettings;

/// Which engine trains a network. All learn the same but for rounding and for the masks of dropout.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum EngineChoice {
    /// A plan made for the network where there is one for it, its loss and its device, else automatic differentiation.
    #[default]
    Auto,
    /// The plan made for the network, [of fused passes on the processor](PlanEngine) or [of kernels on a GPU](CudaEngine), or
    /// an error.
    Plan,
    /// libtorch's [automatic differentiation](AutogradEngine).
    Autograd,
}

/// The GPU that a choice of device means for an engine of our own kernels, which needs no libtorch for it; `None` for the
/// processor, and where any device will do and there is no driver for one.
///
/// # Errors
/// [`CudaError`] if it cannot be used so.
pub fn gpu(choice: DeviceChoice) -> Result<Option<Gpu>, CudaError> {
    let open = |index| Gpu::open(index, &[hitcast_torch_sys::library_dir()]);
    match choice {
        DeviceChoice::Cpu => Ok(None),
        DeviceChoice::Auto if !Gpu::has_driver() => Ok(None),
        DeviceChoice::Auto => open(0).map(Some),
        DeviceChoice::Cuda(index) => open(index).map(Some),
    }
}

/// The chosen engine with the network that it trains, see
/// [`NetworkEstimator::engine_for`](crate::NetworkEstimator::engine_for).
#[non_exhaustive]
pub enum NetworkEngine {
    /// A plan on the processor, and the network as it was in the beginning.
    Plan(Box<PlanEngine>, Network),
    /// Kernels on a GPU, and the network as it was in the beginning.
    Cuda(Box<CudaEngine>, Network),
    /// Automatic differentiation, which holds the network.
    Autograd(Box<AutogradEngine>),
}

impl NetworkEngine {
    /// The engine for a new network and its rows, on the device of the context.
    pub(crate) fn new(
        spec: &NetworkSpec,
        settings: &TrainingSettings,
        train: &Dataset,
        validation: Option<&Dataset>,
        context: &FitContext<'_>,
    ) -> Result<Self> {
        let seed = context.seed;
        let network = |device| Network::new(spec, train.n_features(), device, seed);
        let plans = settings.engine != EngineChoice::Autograd;
        // Why there are no kernels of our own where they could be.
        let mut missing = None;
        if plans {
            let by_kernels = || -> Result<Option<Self>> {
                let Some(gpu) = gpu(context.device)? else {
                    return Ok(None);
                };
                let network = network(Device::Cpu)?;
                let engine = CudaEngine::compile(&gpu, &network, settings, train, validation, seed)?;
                Ok(engine.map(|engine| Self::Cuda(Box::new(engine), network)))
            };
            match by_kernels() {
                Ok(Some(engine)) => return Ok(engine),
                Ok(None) => {}
                // A device that was not asked for by name is done without; one without a compiler has libtorch's kernels.
                Err(TrainError::Cuda(error))
                    if context.device == DeviceChoice::Auto || matches!(error, CudaError::Library { .. }) =>
                {
                    missing = Some(error);
                }
                Err(error) => return Err(error),
            }
        }
        let note = |how: &str, missing: &Option<CudaError>| {
            if let Some(error) = missing {
                let note = format!("{}: trained {how}: {error}", context.name);
                context.progress.report(&Event::Note(&note));
            }
        };
        // Without libtorch's CUDA half its error says how to get it, and that it is not there is what matters then.
        let network = network(hitcast_torch_sys::device(context.device)?)?;
        if plans {
            let plan = PlanEngine::compile(&network, settings, train, validation, seed)?;
            if let Some(engine) = plan {
                note("on the processor", &missing);
                return Ok(Self::Plan(Box::new(engine), network));
            }
            if settings.engine == EngineChoice::Plan {
                if let Some(error) = missing {
                    return Err(error.into());
                }
                let expected = "auto or autograd for this network on this device";
                return Err(TrainError::setting("engine", "plan", expected));
            }
        }
        note("by libtorch's kernels in place of our own", &missing);
        let engine = AutogradEngine::new(network, settings, train, validation, seed)?;
        Ok(Self::Autograd(Box::new(engine)))
    }

    /// What trains.
    pub fn engine(&mut self) -> &mut dyn Engine {
        match self {
            Self::Plan(engine, _) => &mut **engine,
            Self::Cuda(engine, _) => &mut **engine,
            Self::Autograd(engine) => &mut **engine,
        }
    }

    /// The network as it is now.
    ///
    /// # Errors
    /// [`TrainError::Network`] if a number is not finite, [`TrainError::Cuda`] if the GPU fails.
    pub fn into_network(self) -> Result<Network> {
        match self {
            Self::Plan(mut engine, mut network) => engine.write_to(&mut network).map(|()| network),
            Self::Cuda(engine, mut network) => engine.write_to(&mut network).map(|()| network),
            Self::Autograd(engine) => engine.into_network(),
        }
    }
}
