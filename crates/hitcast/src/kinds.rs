//! The kinds of model that experiments and bundles name, and what a run should know about this machine.

use hitcast_core::StopSignal;
use hitcast_pipeline::{Environment, Registry, RunContext};

#[cfg(any(feature = "torch", feature = "classical"))]
use {
    hitcast_core::{BoxError, DeviceChoice, Estimator, Model, ModelState},
    hitcast_pipeline::{ModelKind, parse_settings},
    serde_json::Value,
};

/// Every kind of model that this build has: `network` (feature `torch`), `linear` and `mean` (feature `classical`).
pub fn registry() -> Registry {
    let registry = Registry::new();
    #[cfg(feature = "torch")]
    let registry = registry.with(Network);
    #[cfg(feature = "classical")]
    let registry = registry.with(Linear).with(Mean);
    registry
}

/// This machine and the libraries of this build, for the report of a run.
pub fn environment() -> Environment {
    let environment = Environment::detect();
    #[cfg(feature = "torch")]
    let environment = environment
        .with_version("libtorch", hitcast_torch_sys::libtorch_version())
        .with_device(if hitcast_torch_sys::cuda_is_available() {
            "cuda:0"
        } else {
            "cpu"
        });
    environment
}

/// A context that shows nothing and ends when `stop` is requested, with this machine's [`environment`].
pub fn run_context(stop: &StopSignal) -> RunContext<'_> {
    RunContext {
        environment: environment(),
        ..RunContext::quiet(stop)
    }
}

/// Networks: settings `network` (see [`NetworkSpec`](hitcast_nn::NetworkSpec)) and `training` (see
/// [`TrainingSettings`](hitcast_train::TrainingSettings)).
#[cfg(feature = "torch")]
#[derive(Debug, Clone, Copy)]
pub struct Network;

#[cfg(feature = "torch")]
impl ModelKind for Network {
    fn name(&self) -> &'static str {
        hitcast_nn::model::KIND
    }

    fn estimator(&self, settings: &Value) -> Result<Box<dyn Estimator>, BoxError> {
        Ok(Box::new(parse_settings::<hitcast_train::NetworkEstimator>(
            settings,
        )?))
    }

    fn load(&self, state: &ModelState, device: DeviceChoice) -> Result<Box<dyn Model>, BoxError> {
        Ok(Box::new(hitcast_nn::NetworkModel::from_state(state, device)?))
    }
}

/// Ordinary least squares, without settings.
#[cfg(feature = "classical")]
#[derive(Debug, Clone, Copy)]
pub struct Linear;

/// The mean of the training rows, without settings.
#[cfg(feature = "classical")]
#[derive(Debug, Clone, Copy)]
pub struct Mean;

#[cfg(feature = "classical")]
impl ModelKind for Linear {
    fn name(&self) -> &'static str {
        hitcast_classical::LinearRegressionModel::KIND
    }

    fn estimator(&self, settings: &Value) -> Result<Box<dyn Estimator>, BoxError> {
        Ok(Box::new(parse_settings::<hitcast_classical::LinearRegression>(
            settings,
        )?))
    }

    fn load(&self, state: &ModelState, _device: DeviceChoice) -> Result<Box<dyn Model>, BoxError> {
        Ok(Box::new(hitcast_classical::LinearRegressionModel::from_state(
            state,
        )?))
    }
}

#[cfg(feature = "classical")]
impl ModelKind for Mean {
    fn name(&self) -> &'static str {
        hitcast_classical::MeanModel::KIND
    }

    fn estimator(&self, settings: &Value) -> Result<Box<dyn Estimator>, BoxError> {
        Ok(Box::new(parse_settings::<hitcast_classical::MeanRegressor>(
            settings,
        )?))
    }

    fn load(&self, state: &ModelState, _device: DeviceChoice) -> Result<Box<dyn Model>, BoxError> {
        Ok(Box::new(hitcast_classical::MeanModel::from_state(state)?))
    }
}
