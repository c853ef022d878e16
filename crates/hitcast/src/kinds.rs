//! The kinds of model that experiments and bundles name, and what a run should know about this machine.

#[cfg(feature = "classical")]
use std::marker::PhantomData;

#[cfg(feature = "classical")]
use hitcast_classical::{
    AdaBoost, AdaBoostModel, ElasticNet, ExtraTrees, GradientBoosting, HistGradientBoosting, Lasso,
    LinearRegression, LinearRegressionModel, LogisticModel, LogisticRegression, MeanModel, MeanRegressor,
    Neighbors, NeighborsModel, PenalizedModel, PriorClassifier, PriorModel, RandomForest, Ridge, Svc,
    SvcModel, Svr, SvrModel, TreeModel,
};
use hitcast_core::StopSignal;
use hitcast_pipeline::{Environment, Registry, RunContext};
use hitcast_tune::EnsembleKind;
#[cfg(feature = "classical")]
use serde::de::DeserializeOwned;

#[cfg(any(feature = "torch", feature = "classical"))]
use {
    hitcast_core::{BoxError, DeviceChoice, Estimator, Model, ModelState},
    hitcast_pipeline::{ModelKind, parse_settings},
    serde_json::Value,
};

/// Every kind of model that this build has: `network` (feature `torch`); `linear`, `ridge`, `lasso`, `elastic_net`, `logistic`,
/// `neighbors`, `svr`, `svc`, `random_forest`, `extra_trees`, `gradient_boosting`, `hist_gradient_boosting`, `ada_boost`, `mean`
/// and `prior` (feature `classical`); `xgboost`, `lightgbm` and `catboost` (feature `boosters`), which fit where their libraries
/// are and load everywhere; and `ensemble` of all these.
pub fn registry() -> Registry {
    let registry = Registry::new();
    #[cfg(feature = "torch")]
    let registry = registry.with(Network);
    #[cfg(feature = "classical")]
    let registry = with_classical(registry);
    #[cfg(feature = "boosters")]
    let registry = with_boosters(registry);
    let members = registry.clone();
    registry.with(EnsembleKind::new(members))
}

/// This machine and the libraries of this build, for the report of a run.
pub fn environment() -> Environment {
    let environment = Environment::detect();
    #[cfg(feature = "torch")]
    let environment = environment
        .with_version("libtorch", hitcast_torch_sys::libtorch_version())
        .with_device(if has_gpu() { "cuda:0" } else { "cpu" });
    environment
}

/// Whether networks train on a GPU unless they are told not to, by kernels of our own or libtorch's.
#[cfg(feature = "torch")]
fn has_gpu() -> bool {
    let by_kernels = hitcast_train::choice::gpu(hitcast_core::DeviceChoice::Auto);
    by_kernels.is_ok_and(|gpu| gpu.is_some()) || hitcast_torch_sys::cuda_is_available()
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

/// A kind of `hitcast-classical` or `hitcast-boosters`: its estimator, with that one's settings, and how what it learned is loaded.
#[cfg(feature = "classical")]
pub struct Classical<E> {
    name: &'static str,
    load: LoadModel,
    estimator: PhantomData<fn() -> E>,
}

#[cfg(feature = "classical")]
type LoadModel = fn(&ModelState) -> hitcast_core::Result<Box<dyn Model>>;

#[cfg(feature = "classical")]
impl<E> Classical<E> {
    /// A kind of this name.
    pub const fn new(name: &'static str, load: LoadModel) -> Self {
        Self {
            name,
            load,
            estimator: PhantomData,
        }
    }
}

#[cfg(feature = "classical")]
impl<E> std::fmt::Debug for Classical<E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Classical").field(&self.name).finish()
    }
}

#[cfg(feature = "classical")]
impl<E: Estimator + DeserializeOwned + 'static> ModelKind for Classical<E> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn estimator(&self, settings: &Value) -> Result<Box<dyn Estimator>, BoxError> {
        Ok(Box::new(parse_settings::<E>(settings)?))
    }

    fn load(&self, state: &ModelState, _device: DeviceChoice) -> Result<Box<dyn Model>, BoxError> {
        Ok((self.load)(state)?)
    }
}

/// A model behind its trait.
#[cfg(feature = "classical")]
fn boxed<M: Model + 'static>(model: hitcast_core::Result<M>) -> hitcast_core::Result<Box<dyn Model>> {
    model.map(|model| Box::new(model) as Box<dyn Model>)
}

#[cfg(feature = "classical")]
fn with_classical(registry: Registry) -> Registry {
    let penalized: LoadModel = |state| boxed(PenalizedModel::from_state(state));
    let trees: LoadModel = |state| boxed(TreeModel::from_state(state));
    registry
        .with(Classical::<LinearRegression>::new(
            LinearRegressionModel::KIND,
            |state| boxed(LinearRegressionModel::from_state(state)),
        ))
        .with(Classical::<MeanRegressor>::new(MeanModel::KIND, |state| {
            boxed(MeanModel::from_state(state))
        }))
        .with(Classical::<PriorClassifier>::new(PriorModel::KIND, |state| {
            boxed(PriorModel::from_state(state))
        }))
        .with(Classical::<Ridge>::new(Ridge::KIND, penalized))
        .with(Classical::<Lasso>::new(Lasso::KIND, penalized))
        .with(Classical::<ElasticNet>::new(ElasticNet::KIND, penalized))
        .with(Classical::<LogisticRegression>::new(
            LogisticModel::KIND,
            |state| boxed(LogisticModel::from_state(state)),
        ))
        .with(Classical::<Neighbors>::new(NeighborsModel::KIND, |state| {
            boxed(NeighborsModel::from_state(state))
        }))
        .with(Classical::<Svr>::new(SvrModel::KIND, |state| {
            boxed(SvrModel::from_state(state))
        }))
        .with(Classical::<Svc>::new(SvcModel::KIND, |state| {
            boxed(SvcModel::from_state(state))
        }))
        .with(Classical::<RandomForest>::new(RandomForest::KIND, trees))
        .with(Classical::<ExtraTrees>::new(ExtraTrees::KIND, trees))
        .with(Classical::<GradientBoosting>::new(GradientBoosting::KIND, trees))
        .with(Classical::<HistGradientBoosting>::new(
            HistGradientBoosting::KIND,
            trees,
        ))
        .with(Classical::<AdaBoost>::new(AdaBoostModel::KIND, |state| {
            boxed(AdaBoostModel::from_state(state))
        }))
}

/// The model of XGBoost, LightGBM and CatBoost is loaded without them: it is a [`TreeModel`].
#[cfg(feature = "boosters")]
fn with_boosters(registry: Registry) -> Registry {
    use hitcast_boosters::{CatBoost, LightGBM, XGBoost};

    let trees: LoadModel = |state| boxed(TreeModel::from_state(state));
    registry
        .with(Classical::<XGBoost>::new(XGBoost::KIND, trees))
        .with(Classical::<LightGBM>::new(LightGBM::KIND, trees))
        .with(Classical::<CatBoost>::new(CatBoost::KIND, trees))
}
