//! A network on a device.

use std::collections::BTreeMap;

use hitcast_core::{CoreError, ModelState, Seed, Stream, TensorData, TensorValues};
use tch::{Device, Kind, Tensor};

use crate::error::{NnError, Result};
use crate::head::even_thresholds;
use crate::initialization::Initialization;
use crate::spec::{Activation, Head, LayerSpec, NetworkSpec};

/// A network with its weights on a device.
///
/// All parameters are views into one flat buffer ([`flat`](Self::flat)), so that an optimiser goes over them in one
/// pass. On the processor libtorch is set to one thread: a second one does not help networks of this size, and the
/// results then do not depend on how many there are.
#[derive(Debug)]
pub struct Network {
    spec: NetworkSpec,
    n_inputs: usize,
    device: Device,
    flat: Tensor,
    parameters: Vec<Parameter>,
    buffers: Vec<Buffer>,
    layers: Vec<Layer>,
}

/// Name of the learned numbers of an ordinal head's thresholds.
pub(crate) const THRESHOLDS: &str = "head.thresholds";

/// A learned tensor.
#[derive(Debug)]
pub struct Parameter {
    name: String,
    offset: usize,
    tensor: Tensor,
}

/// A tensor that is not learned by gradient: running statistics of batch norm.
#[derive(Debug)]
struct Buffer {
    name: String,
    tensor: Tensor,
}

/// A layer with the positions of its tensors in `parameters` and `buffers`.
#[derive(Debug, Clone, Copy)]
enum Layer {
    Linear {
        weight: usize,
        bias: Option<usize>,
    },
    Activation(Activation),
    BatchNorm {
        weight: usize,
        bias: usize,
        mean: usize,
        variance: usize,
        momentum: f64,
        epsilon: f64,
    },
    Dropout {
        rate: f64,
    },
}

/// Whether dropout and batch norm behave as in training.
#[derive(Debug)]
pub enum Mode<'a> {
    /// As in prediction: no dropout, running statistics.
    Evaluate,
    /// As in training; the masks of dropout are drawn from this stream.
    Train(&'a mut Stream),
}

impl Parameter {
    /// Name, as in `layers.0.weight`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it begins in the flat buffer.
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// The values, a view into the flat buffer that takes gradients.
    pub fn tensor(&self) -> &Tensor {
        &self.tensor
    }
}

/// What is put together while the layers are gone through, before there is a device.
struct Draft<'a> {
    initialization: Initialization,
    stream: &'a mut Stream,
    flat: Vec<f32>,
    parameters: Vec<(String, Vec<usize>, usize)>,
    buffers: Vec<(String, Vec<f32>)>,
}

impl Draft<'_> {
    fn parameter(&mut self, name: String, shape: &[usize], values: Vec<f32>) -> usize {
        self.parameters.push((name, shape.to_vec(), self.flat.len()));
        self.flat.extend(values);
        self.parameters.len() - 1
    }

    fn buffer(&mut self, name: String, values: Vec<f32>) -> usize {
        self.buffers.push((name, values));
        self.buffers.len() - 1
    }

    fn linear(&mut self, prefix: &str, fan_in: usize, fan_out: usize, bias: bool) -> Layer {
        let weights = self.initialization.weights(fan_in, fan_out, self.stream);
        let weight = self.parameter(format!("{prefix}.weight"), &[fan_out, fan_in], weights);
        let bias = bias.then(|| {
            let biases = self.initialization.biases(fan_in, fan_out, self.stream);
            self.parameter(format!("{prefix}.bias"), &[fan_out], biases)
        });
        Layer::Linear { weight, bias }
    }

    fn batch_norm(&mut self, prefix: &str, units: usize, momentum: f64, epsilon: f64) -> Layer {
        Layer::BatchNorm {
            weight: self.parameter(format!("{prefix}.weight"), &[units], vec![1.0; units]),
            bias: self.parameter(format!("{prefix}.bias"), &[units], vec![0.0; units]),
            mean: self.buffer(format!("{prefix}.running_mean"), vec![0.0; units]),
            variance: self.buffer(format!("{prefix}.running_var"), vec![1.0; units]),
            momentum,
            epsilon,
        }
    }
}

impl Network {
    /// A network for `n_inputs` features with weights drawn from `seed`.
    ///
    /// # Errors
    /// [`NnError::Setting`] if a setting or `n_inputs` is out of range, [`NnError::Torch`] if the device cannot hold it.
    pub fn new(spec: &NetworkSpec, n_inputs: usize, device: Device, seed: Seed) -> Result<Self> {
        spec.check()?;
        if spec.head.task().width() == 0 {
            return Err(NnError::setting(
                "head.classes",
                0,
                "given; only an estimator sees it in its rows",
            ));
        }
        if n_inputs == 0 {
            return Err(NnError::setting("number of features", n_inputs, "at least 1"));
        }
        if device == Device::Cpu {
            tch::set_num_threads(1);
        }
        let mut stream = seed.stream("initialization");
        let mut draft = Draft {
            initialization: spec.initialization,
            stream: &mut stream,
            flat: Vec::new(),
            parameters: Vec::new(),
            buffers: Vec::new(),
        };
        let mut units = n_inputs;
        let mut layers = Vec::with_capacity(spec.layers.len() + 1);
        for (index, layer) in spec.layers.iter().enumerate() {
            let prefix = format!("layers.{index}");
            layers.push(match *layer {
                LayerSpec::Linear { units: out, bias } => {
                    let linear = draft.linear(&prefix, units, out, bias);
                    units = out;
                    linear
                }
                LayerSpec::Activation { function } => Layer::Activation(function),
                LayerSpec::BatchNorm { momentum, epsilon } => {
                    draft.batch_norm(&prefix, units, momentum, epsilon)
                }
                LayerSpec::Dropout { rate } => Layer::Dropout { rate },
            });
        }
        let is_ordinal = matches!(spec.head, Head::Ordinal { .. });
        layers.push(draft.linear("head", units, spec.head.n_units(), !is_ordinal));
        if let Head::Ordinal { classes } = spec.head {
            draft.parameter(THRESHOLDS.to_owned(), &[classes - 1], even_thresholds(classes));
        }
        Self::from_draft(spec, n_inputs, device, layers, &draft)
    }

    fn from_draft(
        spec: &NetworkSpec,
        n_inputs: usize,
        device: Device,
        layers: Vec<Layer>,
        draft: &Draft<'_>,
    ) -> Result<Self> {
        let flat = Tensor::f_from_slice(&draft.flat)?.f_to_device(device)?;
        let view = |(name, shape, offset): &(String, Vec<usize>, usize)| -> Result<Parameter> {
            let shape: Vec<i64> = shape.iter().map(|&n| n as i64).collect();
            let part = flat
                .f_narrow(0, *offset as i64, shape.iter().product())?
                .f_reshape(&shape[..])?;
            let tensor = part.f_detach()?.f_set_requires_grad(true)?;
            Ok(Parameter {
                name: name.clone(),
                offset: *offset,
                tensor,
            })
        };
        let parameters = draft.parameters.iter().map(view).collect::<Result<_>>()?;
        let buffer = |(name, values): &(String, Vec<f32>)| -> Result<Buffer> {
            Ok(Buffer {
                name: name.clone(),
                tensor: Tensor::f_from_slice(values)?.f_to_device(device)?,
            })
        };
        let buffers = draft.buffers.iter().map(buffer).collect::<Result<_>>()?;
        Ok(Self {
            spec: spec.clone(),
            n_inputs,
            device,
            flat,
            parameters,
            buffers,
            layers,
        })
    }

    /// What the network is.
    pub fn spec(&self) -> &NetworkSpec {
        &self.spec
    }

    /// Number of features that go in.
    pub fn n_inputs(&self) -> usize {
        self.n_inputs
    }

    /// Where it is.
    pub fn device(&self) -> Device {
        self.device
    }

    /// Number of learned numbers.
    pub fn n_parameters(&self) -> usize {
        self.parameters.iter().map(|p| p.tensor.numel()).sum()
    }

    /// All parameters in one vector; changing it under [`tch::no_grad`] changes the network.
    pub fn flat(&self) -> &Tensor {
        &self.flat
    }

    /// The parameters in the order in which they stand in the flat buffer.
    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// Predicts a batch: `n × d` in; `n` numbers out, or `n × k` probabilities of classes.
    ///
    /// # Errors
    /// As [`units`](Self::units).
    pub fn forward(&self, features: &Tensor, mode: Mode<'_>) -> Result<Tensor> {
        self.spec.head.predict(&self.units(features, mode)?)
    }

    /// What goes into the head's function, which losses are computed from: `n × d` in; `n` out, or `n × k` logits of
    /// softmax, or `n × (k − 1)` cumulative logits of ordered classes.
    ///
    /// # Errors
    /// [`NnError::TooFewRows`] if batch norm is to learn from one row, [`NnError::Torch`] on a wrong shape.
    pub fn units(&self, features: &Tensor, mut mode: Mode<'_>) -> Result<Tensor> {
        let rows = features.size().first().copied().unwrap_or(0);
        if matches!(mode, Mode::Train(_)) && self.spec.has_batch_norm() && rows < 2 {
            return Err(NnError::TooFewRows {
                rows: usize::try_from(rows).unwrap_or(0),
            });
        }
        let mut units = features.shallow_clone();
        for layer in &self.layers {
            units = self.apply(layer, &units, &mut mode)?;
        }
        Ok(match (self.spec.head, self.parameters.last()) {
            (Head::Softmax { .. }, _) => units,
            (Head::Ordinal { .. }, Some(thresholds)) => {
                rising(thresholds.tensor())?.f_unsqueeze(0)?.f_sub(&units)?
            }
            _ => units.f_squeeze_dim(1)?,
        })
    }

    fn apply(&self, layer: &Layer, units: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        let parameter = |index: usize| &self.parameters[index].tensor;
        Ok(match *layer {
            Layer::Linear { weight, bias } => units.f_linear(parameter(weight), bias.map(parameter))?,
            Layer::Activation(function) => activate(function, units)?,
            Layer::BatchNorm {
                weight,
                bias,
                mean,
                variance,
                momentum,
                epsilon,
            } => units.f_batch_norm(
                Some(parameter(weight)),
                Some(parameter(bias)),
                Some(&self.buffers[mean].tensor),
                Some(&self.buffers[variance].tensor),
                matches!(mode, Mode::Train(_)),
                momentum,
                epsilon,
                true,
            )?,
            Layer::Dropout { rate } => match mode {
                Mode::Train(stream) if rate > 0.0 => {
                    let mask = dropout_mask(units.numel(), rate, stream);
                    let mask = Tensor::f_from_slice(&mask)?.f_to_device(self.device)?;
                    units.f_mul(&mask.f_reshape(units.size())?)?
                }
                _ => units.shallow_clone(),
            },
        })
    }

    /// A copy of every number of the network, to come back to.
    ///
    /// # Errors
    /// [`NnError::Torch`] if the device fails.
    pub fn snapshot(&self) -> Result<Snapshot> {
        let buffers = self
            .buffers
            .iter()
            .map(|b| copied(&b.tensor))
            .collect::<Result<_>>()?;
        Ok(Snapshot {
            flat: copied(&self.flat)?,
            buffers,
        })
    }

    /// Brings back the numbers of a snapshot of this network.
    ///
    /// # Errors
    /// [`NnError::Torch`] if it is another network's.
    pub fn restore(&mut self, snapshot: &Snapshot) -> Result<()> {
        tch::no_grad(|| -> Result<()> {
            self.flat.f_copy_(&snapshot.flat)?;
            for (buffer, saved) in self.buffers.iter_mut().zip(&snapshot.buffers) {
                buffer.tensor.f_copy_(saved)?;
            }
            Ok(())
        })
    }

    /// Moves a snapshot of this network towards its numbers as they are now: `decay` of the snapshot, and the rest of them.
    ///
    /// # Errors
    /// [`NnError::Torch`] if it is another network's.
    pub fn average_into(&self, snapshot: &mut Snapshot, decay: f64) -> Result<()> {
        tch::no_grad(|| -> Result<()> {
            let _ = snapshot.flat.f_lerp_(&self.flat, 1.0 - decay)?;
            for (average, buffer) in snapshot.buffers.iter_mut().zip(&self.buffers) {
                let _ = average.f_lerp_(&buffer.tensor, 1.0 - decay)?;
            }
            Ok(())
        })
    }

    /// Every parameter and running statistic by name.
    ///
    /// # Errors
    /// [`NnError::Torch`] if the device fails.
    pub fn state(&self) -> Result<ModelState> {
        let all = (self.parameters.iter().map(|p| (&p.name, &p.tensor)))
            .chain(self.buffers.iter().map(|b| (&b.name, &b.tensor)));
        let tensors = all
            .map(|(name, tensor)| Ok((name.clone(), data(tensor)?)))
            .collect::<Result<BTreeMap<_, _>>>()?;
        Ok(ModelState {
            settings: serde_json::to_value(&self.spec)?,
            tensors,
        })
    }

    /// Puts saved numbers in place of this network's.
    ///
    /// # Errors
    /// [`NnError::State`] if a tensor is missing, too much, of another shape or not finite. Nothing is changed then.
    pub fn load_state(&mut self, state: &ModelState) -> Result<()> {
        let own = self.parameters.len() + self.buffers.len();
        if state.tensors.len() != own {
            let known = |name: &String| self.tensors().any(|(own, _)| own == name);
            let extra: Vec<&String> = state.tensors.keys().filter(|name| !known(name)).collect();
            if !extra.is_empty() {
                return Err(CoreError::State(format!("the network has no tensors {extra:?}")).into());
            }
        }
        let mut checked = Vec::with_capacity(own);
        for (name, tensor) in self.tensors() {
            let shape = tensor
                .size()
                .iter()
                .map(|&n| usize::try_from(n).unwrap_or(0))
                .collect::<Vec<_>>();
            let values = state.f32(name, &shape)?;
            if let Some(value) = values.iter().find(|v| !v.is_finite()) {
                return Err(CoreError::State(format!("tensor {name:?} contains {value}")).into());
            }
            checked.push(Tensor::f_from_slice(values)?.f_reshape(tensor.size())?);
        }
        tch::no_grad(|| -> Result<()> {
            for ((_, tensor), values) in self.tensors().zip(&checked) {
                tensor.shallow_clone().f_copy_(values)?;
            }
            Ok(())
        })
    }

    /// All parameters, in the order of [`parameters`](Self::parameters), and all running statistics: of each batch norm the
    /// means, then the variances.
    ///
    /// # Errors
    /// [`NnError::Torch`] if the device fails.
    pub fn numbers(&self) -> Result<(Vec<f32>, Vec<f32>)> {
        numbers(&self.flat, self.buffers.iter().map(|buffer| &buffer.tensor))
    }

    /// Takes numbers in that order.
    ///
    /// # Errors
    /// [`NnError::State`] if they are more or fewer, or not finite. Nothing is changed then.
    pub fn set_numbers(&mut self, parameters: &[f32], statistics: &[f32]) -> Result<()> {
        let mut state = self.state()?;
        let mut rest = [parameters, statistics];
        for (place, (name, tensor)) in self.tensors().enumerate() {
            let rest = &mut rest[usize::from(place >= self.parameters.len())];
            let Some((own, left)) = rest.split_at_checked(tensor.numel()) else {
                return Err(CoreError::State(format!(
                    "there are no {} numbers for {name:?}",
                    tensor.numel()
                ))
                .into());
            };
            *rest = left;
            let shape = state
                .tensors
                .get(name)
                .map(|data| data.shape().to_vec())
                .unwrap_or_default();
            let data = TensorData::new(shape, TensorValues::F32(own.to_vec()))?;
            state.tensors.insert(name.clone(), data);
        }
        if let Some(left) = rest.iter().map(|rest| rest.len()).find(|left| *left > 0) {
            return Err(CoreError::State(format!("there are {left} numbers too many")).into());
        }
        self.load_state(&state)
    }

    fn tensors(&self) -> impl Iterator<Item = (&String, &Tensor)> {
        (self.parameters.iter().map(|p| (&p.name, &p.tensor)))
            .chain(self.buffers.iter().map(|b| (&b.name, &b.tensor)))
    }
}

/// A copy of a network's numbers.
#[derive(Debug)]
pub struct Snapshot {
    flat: Tensor,
    buffers: Vec<Tensor>,
}

impl Snapshot {
    /// Every parameter and running statistic, as [`Network::numbers`].
    ///
    /// # Errors
    /// [`NnError::Torch`] if the device fails.
    pub fn numbers(&self) -> Result<(Vec<f32>, Vec<f32>)> {
        numbers(&self.flat, self.buffers.iter())
    }
}

fn numbers<'t>(flat: &Tensor, buffers: impl Iterator<Item = &'t Tensor>) -> Result<(Vec<f32>, Vec<f32>)> {
    let parameters = Vec::try_from(flat.f_to_device(Device::Cpu)?)?;
    let mut statistics = Vec::new();
    for buffer in buffers {
        statistics.extend(Vec::<f32>::try_from(buffer.f_to_device(Device::Cpu)?)?);
    }
    Ok((parameters, statistics))
}

/// A copy with memory of its own.
fn copied(tensor: &Tensor) -> Result<Tensor> {
    let mut copy = tensor.f_zeros_like()?;
    tch::no_grad(|| copy.f_copy_(tensor))?;
    Ok(copy)
}

fn data(tensor: &Tensor) -> Result<TensorData> {
    let host = tensor
        .f_detach()?
        .f_to_device(Device::Cpu)?
        .f_contiguous()?
        .f_to_kind(Kind::Float)?;
    let mut values = vec![0.0_f32; host.numel()];
    host.f_copy_data(&mut values, host.numel())?;
    let shape = host
        .size()
        .iter()
        .map(|&n| usize::try_from(n).unwrap_or(0))
        .collect();
    Ok(TensorData::new(shape, TensorValues::F32(values))?)
}

fn activate(function: Activation, units: &Tensor) -> Result<Tensor> {
    Ok(match function {
        Activation::Relu => units.f_relu()?,
        Activation::LeakyRelu => units.f_leaky_relu()?,
        Activation::Elu => units.f_elu()?,
        Activation::Selu => units.f_selu()?,
        Activation::Gelu => units.f_gelu("none")?,
        Activation::Silu => units.f_silu()?,
        Activation::Tanh => units.f_tanh()?,
        Activation::Sigmoid => units.f_sigmoid()?,
        Activation::Softplus => units.f_softplus()?,
    })
}

/// The thresholds of an ordinal head, as [`thresholds`](crate::head::thresholds).
fn rising(learned: &Tensor) -> Result<Tensor> {
    let n = learned.size1()?;
    let first = learned.f_narrow(0, 0, 1)?;
    let steps = learned.f_narrow(0, 1, n - 1)?.f_softplus()?;
    Ok(Tensor::f_cat(&[first, steps], 0)?.f_cumsum(0, None::<Kind>)?)
}

/// 0 with chance `rate`, else 1 / (1 − rate); each draw of the stream decides two units.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn dropout_mask(n: usize, rate: f64, stream: &mut Stream) -> Vec<f32> {
    let scale = (1.0 / (1.0 - rate)) as f32;
    let threshold = (rate * 4_294_967_296.0) as u32;
    let mut mask = Vec::with_capacity(n + 1);
    while mask.len() < n {
        let bits = stream.next_u64();
        for half in [bits as u32, (bits >> 32) as u32] {
            mask.push(if half < threshold { 0.0 } else { scale });
        }
    }
    mask.truncate(n);
    mask
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(spec: &NetworkSpec) -> Network {
        Network::new(spec, 3, Device::Cpu, Seed::new(5)).unwrap()
    }

    fn rows(n: i64) -> Tensor {
        (Tensor::arange(n * 3, (Kind::Float, Device::Cpu)).reshape([n, 3]) - 7.0) / 5.0
    }

    #[test]
    fn a_bounded_head_stays_in_its_range_whatever_comes_in() {
        let network = network(&NetworkSpec::mlp(&[8]).with_head(Head::Bounded { min: 10.0, max: 20.0 }));
        let output = network.forward(&(rows(50) * 1e4), Mode::Evaluate).unwrap();
        assert!(output.min().double_value(&[]) >= 10.0 && output.max().double_value(&[]) <= 20.0);
    }

    #[test]
    fn dropout_keeps_the_mean_and_its_share() {
        let mut stream = Seed::new(9).stream("dropout");
        let mask = dropout_mask(100_001, 0.2, &mut stream);
        assert_eq!(mask.len(), 100_001);
        let zeros = mask.iter().filter(|&&v| v == 0.0).count();
        assert!((19_500..20_500).contains(&zeros), "{zeros}");
        let mean = mask.iter().sum::<f32>() / 100_001.0;
        assert!((mean - 1.0).abs() < 0.01, "{mean}");
    }

    #[test]
    fn batch_norm_refuses_one_training_row_but_predicts_one() {
        let network = network(&NetworkSpec::mlp(&[4]).with_batch_norm());
        let mut stream = Seed::new(1).stream("dropout");
        assert!(matches!(
            network.forward(&rows(1), Mode::Train(&mut stream)),
            Err(NnError::TooFewRows { rows: 1 })
        ));
        assert_eq!(network.forward(&rows(1), Mode::Evaluate).unwrap().size(), [1]);
    }

    #[test]
    fn a_state_survives_and_a_wrong_one_changes_nothing() {
        let spec = NetworkSpec::mlp(&[4]).with_batch_norm();
        let first = network(&spec);
        let mut second = Network::new(&spec, 3, Device::Cpu, Seed::new(6)).unwrap();
        let before = second.forward(&rows(5), Mode::Evaluate).unwrap();

        let mut state = first.state().unwrap();
        let weight = state.tensors.remove("head.weight").unwrap();
        assert!(
            second
                .load_state(&state)
                .unwrap_err()
                .to_string()
                .contains("\"head.weight\" is missing")
        );
        state
            .tensors
            .insert("head.weight".into(), TensorData::f32_vector(vec![0.0; 3]));
        assert!(
            second
                .load_state(&state)
                .unwrap_err()
                .to_string()
                .contains("shape [3], expected [1, 4]")
        );
        state.tensors.insert("head.weight".into(), weight);
        state
            .tensors
            .insert("other".into(), TensorData::f32_vector(vec![0.0]));
        assert!(
            second
                .load_state(&state)
                .unwrap_err()
                .to_string()
                .contains("other")
        );
        assert_eq!(second.forward(&rows(5), Mode::Evaluate).unwrap(), before);

        state.tensors.remove("other");
        second.load_state(&state).unwrap();
        let expected = first.forward(&rows(5), Mode::Evaluate).unwrap();
        assert_eq!(second.forward(&rows(5), Mode::Evaluate).unwrap(), expected);
    }

    #[test]
    fn the_flat_buffer_is_the_networks_memory() {
        let network = network(&NetworkSpec::mlp(&[4]));
        tch::no_grad(|| {
            let _ = network.flat().shallow_clone().zero_();
        });
        let output = network.forward(&rows(2), Mode::Evaluate).unwrap();
        assert_eq!(Vec::<f32>::try_from(output).unwrap(), [0.0, 0.0]);
    }
}
