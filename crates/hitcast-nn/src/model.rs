//! A trained network as a [`Model`].

use std::sync::{Mutex, OnceLock};

use hitcast_core::estimator::check_features;
use hitcast_core::{CoreError, DeviceChoice, Gradients, Model, ModelState, Predictions, Seed, Task};
use ndarray::ArrayView2;
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use crate::error::{NnError, Result};
use crate::inference::Inference;
use crate::network::{Mode, Network};
use crate::spec::NetworkSpec;

/// Kind of a network's saved form.
pub const KIND: &str = "network";

/// Rows that go through the network at a time.
const CHUNK: usize = 8192;

/// A trained network that predicts.
#[derive(Debug)]
pub struct NetworkModel {
    n_features: usize,
    n_parameters: usize,
    task: Task,
    /// On the processor; elsewhere the network itself predicts.
    inference: Option<Inference>,
    /// What gradients come from where the network is elsewhere; made when they are first asked for.
    differentiated: OnceLock<Inference>,
    // libtorch's tensors may move between threads but not be used by two at once.
    network: Mutex<Network>,
}

/// The settings in a saved network's state.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    n_features: usize,
    network: NetworkSpec,
}

impl NetworkModel {
    /// Wraps a trained network. On the processor it is compiled for [`Inference`].
    ///
    /// # Errors
    /// [`NnError::Torch`] if the device fails.
    pub fn new(network: Network) -> Result<Self> {
        let n_features = network.n_inputs();
        let inference = if network.device() == Device::Cpu {
            Some(Inference::compile(network.spec(), n_features, &network.state()?)?)
        } else {
            None
        };
        Ok(Self {
            n_features,
            n_parameters: network.n_parameters(),
            task: network.spec().head.task(),
            inference,
            differentiated: OnceLock::new(),
            network: Mutex::new(network),
        })
    }

    /// Builds a saved network again.
    ///
    /// # Errors
    /// [`NnError::Settings`] or [`NnError::State`] if the state is not a network's or does not fit its description,
    /// [`NnError::Device`] if the device is not there.
    pub fn from_state(state: &ModelState, device: DeviceChoice) -> Result<Self> {
        let settings: Settings = serde_json::from_value(state.settings.clone())?;
        check_size(&settings, state)?;
        let device = hitcast_torch_sys::device(device)?;
        let mut network = Network::new(&settings.network, settings.n_features, device, Seed::new(0))?;
        network.load_state(state)?;
        Self::new(network)
    }

    /// The network on the processor.
    fn on_processor(&self) -> Result<&Inference> {
        if let Some(inference) = self.inference.as_ref().or(self.differentiated.get()) {
            return Ok(inference);
        }
        let network = self.network.lock().map_err(|_| NnError::Poisoned)?;
        let compiled = Inference::compile(network.spec(), self.n_features, &network.state()?)?;
        Ok(self.differentiated.get_or_init(|| compiled))
    }

    fn predict_values(&self, features: ArrayView2<'_, f32>) -> Result<Vec<f64>> {
        if let Some(inference) = &self.inference {
            return Ok(inference.predict(features));
        }
        let network = self.network.lock().map_err(|_| NnError::Poisoned)?;
        let features = features.as_standard_layout();
        let rows = features.as_slice().unwrap_or_default();
        let mut predictions = Vec::with_capacity(features.nrows() * self.task.width());
        for chunk in rows.chunks(CHUNK * self.n_features) {
            let shape = [(chunk.len() / self.n_features) as i64, self.n_features as i64];
            let chunk = Tensor::f_from_slice(chunk)?
                .f_reshape(shape)?
                .f_to_device(network.device())?;
            let output = tch::no_grad(|| network.forward(&chunk, Mode::Evaluate))?;
            let output = output
                .f_to_kind(Kind::Double)?
                .f_to_device(Device::Cpu)?
                .f_reshape([-1])?;
            predictions.extend(Vec::<f64>::try_from(output)?);
        }
        Ok(predictions)
    }
}

/// Compares the sizes that a network would have with what was saved, before memory is taken for it.
fn check_size(settings: &Settings, state: &ModelState) -> Result<()> {
    let saved: usize = state.tensors.values().map(|t| t.values().len()).sum();
    let wanted = settings.network.size(settings.n_features);
    if wanted == Some(saved) {
        return Ok(());
    }
    let wanted = wanted.map_or_else(|| "far more".to_owned(), |n| n.to_string());
    Err(CoreError::State(format!(
        "the network has {wanted} numbers, but {saved} were saved"
    ))
    .into())
}

impl Model for NetworkModel {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn n_features(&self) -> usize {
        self.n_features
    }

    fn n_parameters(&self) -> usize {
        self.n_parameters
    }

    fn predict(&self, features: ArrayView2<'_, f32>) -> hitcast_core::Result<Predictions> {
        check_features(self.n_features, features)?;
        let values = self
            .predict_values(features)
            .map_err(|error| CoreError::model(KIND, error))?;
        Predictions::from_rounded_values(self.task, values)
    }

    fn gradients(
        &self,
        features: ArrayView2<'_, f32>,
        output: usize,
    ) -> Option<hitcast_core::Result<Gradients>> {
        let gradients = || {
            check_features(self.n_features, features)?;
            let outputs = self.task.width();
            if output >= outputs {
                return Err(CoreError::NoOutput { output, outputs });
            }
            let inference = self
                .on_processor()
                .map_err(|error| CoreError::model(KIND, error))?;
            let (values, slopes) = inference.gradients(features, output);
            let predictions = Predictions::from_rounded_values(self.task, values)?;
            Ok(Gradients { predictions, slopes })
        };
        Some(gradients())
    }

    fn state(&self) -> hitcast_core::Result<ModelState> {
        let state = || -> Result<ModelState> {
            let network = self.network.lock().map_err(|_| NnError::Poisoned)?;
            let settings = Settings {
                n_features: self.n_features,
                network: network.spec().clone(),
            };
            Ok(ModelState {
                settings: serde_json::to_value(settings)?,
                ..network.state()?
            })
        };
        state().map_err(|error| CoreError::model(KIND, error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array2;

    fn model() -> NetworkModel {
        let spec = NetworkSpec::mlp(&[5]).with_batch_norm();
        NetworkModel::new(Network::new(&spec, 2, Device::Cpu, Seed::new(4)).unwrap()).unwrap()
    }

    fn rows(n: usize) -> Array2<f32> {
        Array2::from_shape_fn((n, 2), |(row, column)| (row as f32 * 0.3 + column as f32).sin())
    }

    #[test]
    fn a_saved_network_predicts_the_same() {
        let (model, rows) = (model(), rows(20_000));
        let again = NetworkModel::from_state(&model.state().unwrap(), DeviceChoice::Cpu).unwrap();
        assert_eq!(
            model.predict(rows.view()).unwrap(),
            again.predict(rows.view()).unwrap()
        );
        assert_eq!(model.predict(rows.view()).unwrap().values().len(), 20_000);
        assert!(
            model
                .predict(Array2::zeros((0, 2)).view())
                .unwrap()
                .values()
                .is_empty()
        );
    }

    #[test]
    fn gradients_come_with_predictions_and_only_of_outputs_that_are_there() {
        let (model, rows) = (model(), rows(300));
        let gradients = model.gradients(rows.view(), 0).unwrap().unwrap();
        assert_eq!(gradients.predictions, model.predict(rows.view()).unwrap());
        assert_eq!(gradients.slopes.dim(), (300, 2));
        let error = model.gradients(rows.view(), 1).unwrap().unwrap_err();
        assert!(matches!(
            error,
            CoreError::NoOutput {
                output: 1,
                outputs: 1
            }
        ));
        let error = model
            .gradients(Array2::zeros((3, 4)).view(), 0)
            .unwrap()
            .unwrap_err();
        assert!(matches!(error, CoreError::WrongFeatures { expected: 2, got: 4 }));
    }

    #[test]
    fn a_matrix_of_another_width_is_refused() {
        let error = model().predict(Array2::zeros((3, 4)).view()).unwrap_err();
        assert!(matches!(error, CoreError::WrongFeatures { expected: 2, got: 4 }));
    }

    #[test]
    fn settings_that_ask_for_more_than_was_saved_take_no_memory() {
        let mut state = model().state().unwrap();
        state.settings["n_features"] = 1_000_000_000_000_u64.into();
        let error = NetworkModel::from_state(&state, DeviceChoice::Cpu).unwrap_err();
        assert!(error.to_string().contains("were saved"), "{error}");
        state.settings["n_features"] = u64::MAX.into();
        assert!(NetworkModel::from_state(&state, DeviceChoice::Cpu).is_err());
    }
}
