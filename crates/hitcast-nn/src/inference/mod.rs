//! Prediction on the processor without libtorch: a trained network compiled into a few passes over one buffer, ready for a
//! row in microseconds and shared by threads.
//!
//! Batch norm becomes part of the linear layer before it; dropout is gone. Predictions are those of
//! [`Network::forward`](crate::Network::forward) but for rounding, and so are their derivatives.

mod end;
mod gradients;

use std::sync::OnceLock;

use hitcast_core::ModelState;
use hitcast_kernels::pointwise::{self, Function};
use hitcast_kernels::product::{Finish, Product};
use hitcast_kernels::{Buffer, Level, layout, norm, padded};
use ndarray::ArrayView2;

use crate::error::Result;
use crate::head::{HeadFunction, thresholds};
use crate::network::THRESHOLDS;
use crate::spec::{Head, LayerSpec, NetworkSpec};
use end::End;

/// Rows whose activations are in the caches at the same time.
const BLOCK: usize = 128;

/// A network that only predicts.
#[derive(Debug, Clone)]
pub struct Inference {
    level: Level,
    n_inputs: usize,
    passes: Vec<Pass>,
    /// The widest row.
    stride: usize,
    end: End,
    /// The weights of each pass transposed, for the way back; made when it is first gone.
    back: OnceLock<Vec<Buffer>>,
}

/// From rows of numbers to rows of numbers.
#[derive(Debug, Clone)]
enum Pass {
    Linear(Linear),
    Scale { scale: Vec<f32>, shift: Vec<f32> },
    Function(Function),
}

/// From rows of `inputs` numbers to rows of `units`.
#[derive(Debug, Clone)]
struct Linear {
    inputs: usize,
    units: usize,
    /// `inputs × padded(units)`.
    weights: Buffer,
    bias: Vec<f32>,
    relu: bool,
}

impl Inference {
    /// Compiles a network's saved numbers.
    ///
    /// # Errors
    /// [`NnError::State`](crate::NnError::State) if a tensor is missing or of another shape.
    pub fn compile(spec: &NetworkSpec, n_inputs: usize, state: &ModelState) -> Result<Self> {
        let level = Level::best();
        let (mut passes, mut units) = (Vec::new(), n_inputs);
        let mut stride = padded(n_inputs);
        for (index, layer) in spec.layers.iter().enumerate() {
            let tensor = |name: &str, shape: &[usize]| state.f32(&format!("layers.{index}.{name}"), shape);
            match *layer {
                LayerSpec::Linear { units: out, bias } => {
                    let bias = if bias {
                        tensor("bias", &[out])?.to_vec()
                    } else {
                        vec![0.0; out]
                    };
                    let weight = tensor("weight", &[out, units])?;
                    passes.push(Pass::Linear(Linear::new(level, weight, bias, units, out)));
                    units = out;
                    stride = stride.max(padded(units));
                }
                LayerSpec::BatchNorm { epsilon, .. } => {
                    let shape = [units];
                    let [weight, bias, mean, variance] = [
                        tensor("weight", &shape)?,
                        tensor("bias", &shape)?,
                        tensor("running_mean", &shape)?,
                        tensor("running_var", &shape)?,
                    ];
                    let scale: Vec<f32> = weight
                        .iter()
                        .zip(variance)
                        .map(|(weight, variance)| scaled(*weight, *variance, epsilon))
                        .collect();
                    let shift = bias.iter().zip(mean).zip(&scale);
                    let shift = shift.map(|((bias, mean), scale)| bias - mean * scale).collect();
                    normalise(&mut passes, scale, shift);
                }
                LayerSpec::Activation { function } => {
                    let function = function.kernel();
                    match passes.last_mut() {
                        Some(Pass::Linear(linear)) if function == Function::Relu => linear.relu = true,
                        _ => passes.push(Pass::Function(function)),
                    }
                }
                LayerSpec::Dropout { .. } => {}
            }
        }
        let weight = state.f32("head.weight", &[spec.head.n_units(), units])?;
        let bias = |n: usize| state.f32("head.bias", &[n]);
        let end = match (spec.head, HeadFunction::of(spec.head)) {
            (Head::Softmax { classes }, _) => {
                let bias = bias(classes)?.to_vec();
                passes.push(Pass::Linear(Linear::new(level, weight, bias, units, classes)));
                stride = stride.max(padded(classes));
                End::Softmax { classes }
            }
            (Head::Ordinal { classes }, _) => End::OneUnit {
                weight: weight.to_vec(),
                bias: 0.0,
                thresholds: Some(thresholds(state.f32(THRESHOLDS, &[classes - 1])?)),
            },
            (_, Some(function)) => End::Number {
                weight: weight.to_vec(),
                bias: bias(1)?[0],
                function,
            },
            (_, None) => End::OneUnit {
                weight: weight.to_vec(),
                bias: bias(1)?[0],
                thresholds: None,
            },
        };
        Ok(Self {
            level,
            n_inputs,
            passes,
            stride,
            end,
            back: OnceLock::new(),
        })
    }

    /// Features of a row.
    pub fn n_inputs(&self) -> usize {
        self.n_inputs
    }

    /// Numbers predicted for a row: 1, or a probability for each class.
    pub fn width(&self) -> usize {
        self.end.width()
    }

    /// Predicts the rows of `features` (`n × d`): [`width`](Self::width) numbers for each, row by row. Probabilities sum to 1 but
    /// for the rounding of 32 bits.
    ///
    /// # Panics
    /// If `d` is another than [`n_inputs`](Self::n_inputs).
    pub fn predict(&self, features: ArrayView2<'_, f32>) -> Vec<f64> {
        assert_eq!(features.ncols(), self.n_inputs, "another number of features");
        let n = features.nrows();
        let mut predictions = Vec::with_capacity(n * self.width());
        let mut buffers = [(); 2].map(|()| Buffer::zeros(n.min(BLOCK) * self.stride));
        let input_stride = padded(self.n_inputs);
        for first in (0..n).step_by(BLOCK) {
            let rows = BLOCK.min(n - first);
            read_rows(features, first, &mut buffers[0], input_stride, rows);
            self.predict_block(&mut buffers, rows, &mut predictions);
        }
        predictions
    }

    /// From rows in the first buffer to predictions.
    fn predict_block(&self, buffers: &mut [Buffer; 2], rows: usize, predictions: &mut Vec<f64>) {
        let [from, to] = buffers;
        let mut stride = padded(self.n_inputs);
        for pass in &self.passes {
            match pass {
                Pass::Linear(linear) => {
                    linear.run(self.level, from, stride, rows, to);
                    stride = padded(linear.units);
                    std::mem::swap(from, to);
                }
                Pass::Scale { scale, shift } => {
                    norm::evaluate(self.level, &mut from[..rows * stride], stride, scale, shift);
                }
                Pass::Function(function) => {
                    pointwise::apply(self.level, *function, None, &mut from[..rows * stride], None);
                }
            }
        }
        self.end.predict(self.level, from, stride, rows, predictions);
    }
}

/// Copies rows of the features, from the `first` on, into a buffer with this stride.
fn read_rows(features: ArrayView2<'_, f32>, first: usize, to: &mut [f32], stride: usize, rows: usize) {
    for (row, to) in (first..).zip(to.chunks_exact_mut(stride).take(rows)) {
        let row = features.row(row);
        match row.as_slice() {
            Some(row) => to[..row.len()].copy_from_slice(row),
            None => to.iter_mut().zip(row).for_each(|(to, from)| *to = *from),
        }
    }
}

impl Linear {
    /// From PyTorch's form of the weights, `units × inputs`.
    fn new(level: Level, weight: &[f32], bias: Vec<f32>, inputs: usize, units: usize) -> Self {
        let mut weights = Buffer::zeros(inputs * padded(units));
        layout::transpose(level, weight, units, inputs, &mut weights, padded(units));
        Self {
            inputs,
            units,
            weights,
            bias,
            relu: false,
        }
    }

    /// From rows with this stride to rows with that of the units.
    fn run(&self, level: Level, from: &[f32], stride: usize, rows: usize, to: &mut [f32]) {
        let product = Product {
            a: from,
            a_row: stride,
            a_column: 1,
            b: &self.weights,
            b_row: padded(self.units),
            b_column: 1,
            rows,
            columns: self.units,
            inner: self.inputs,
        };
        let finish = if self.relu {
            Finish::BiasRelu(&self.bias)
        } else {
            Finish::Bias(&self.bias)
        };
        product.run(level, to, padded(self.units), finish);
    }
}

#[allow(clippy::cast_possible_truncation)]
fn scaled(weight: f32, variance: f32, epsilon: f64) -> f32 {
    (f64::from(weight) / (f64::from(variance) + epsilon).sqrt()) as f32
}

/// Puts a factor and a summand for each unit behind the passes: into the weights, where a linear layer is the last.
fn normalise(passes: &mut Vec<Pass>, scale: Vec<f32>, shift: Vec<f32>) {
    let Some(Pass::Linear(Linear {
        units,
        weights,
        bias,
        relu: false,
        ..
    })) = passes.last_mut()
    else {
        passes.push(Pass::Scale { scale, shift });
        return;
    };
    for row in weights.chunks_exact_mut(padded(*units)) {
        for (weight, scale) in row.iter_mut().zip(&scale) {
            *weight *= scale;
        }
    }
    for ((bias, scale), shift) in bias.iter_mut().zip(scale).zip(shift) {
        *bias = bias.mul_add(scale, shift);
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::network::{Mode, Network};
    use crate::spec::{Activation, Head};
    use hitcast_core::{Seed, TensorData, TensorValues};
    use ndarray::Array2;
    use tch::{Device, Tensor};

    /// A network whose numbers are all drawn, running statistics too.
    pub(crate) fn network(spec: &NetworkSpec, n_inputs: usize) -> Network {
        let mut network = Network::new(spec, n_inputs, Device::Cpu, Seed::new(3)).unwrap();
        let mut state = network.state().unwrap();
        let mut stream = Seed::new(4).stream("numbers");
        for (name, tensor) in &mut state.tensors {
            let shape = tensor.shape().to_vec();
            let n = shape.iter().product::<usize>();
            #[allow(clippy::cast_possible_truncation)]
            let values = (0..n).map(|_| {
                let value = stream.normal() as f32 * 0.3;
                if name.ends_with("running_var") {
                    0.2 + value.abs()
                } else {
                    value
                }
            });
            *tensor = TensorData::new(shape, TensorValues::F32(values.collect())).unwrap();
        }
        network.load_state(&state).unwrap();
        network
    }

    /// Networks of all kinds.
    pub(crate) fn specs() -> Vec<NetworkSpec> {
        let batch_norm = LayerSpec::BatchNorm {
            momentum: 0.1,
            epsilon: 1e-5,
        };
        vec![
            NetworkSpec::mlp(&[]),
            NetworkSpec::mlp(&[64]),
            NetworkSpec::mlp(&[130, 7, 32]).with_dropout(0.4),
            NetworkSpec::mlp(&[64, 33])
                .with_batch_norm()
                .with_head(Head::bounded(0.0, 100.0).unwrap()),
            NetworkSpec {
                layers: vec![
                    batch_norm.clone(),
                    LayerSpec::Linear {
                        units: 20,
                        bias: false,
                    },
                    LayerSpec::activation(Activation::Gelu),
                    batch_norm,
                    LayerSpec::activation(Activation::Relu),
                ],
                head: Head::Positive,
                ..NetworkSpec::default()
            },
            NetworkSpec::mlp(&[20]).with_head(Head::Binary),
            NetworkSpec::mlp(&[]).with_head(Head::Softmax { classes: 3 }),
            NetworkSpec::mlp(&[33, 18]).with_head(Head::Softmax { classes: 17 }),
            NetworkSpec::mlp(&[20]).with_head(Head::Ordinal { classes: 2 }),
            NetworkSpec::mlp(&[20, 9])
                .with_batch_norm()
                .with_head(Head::Ordinal { classes: 5 }),
        ]
    }

    #[test]
    fn predictions_are_those_of_libtorch() {
        for spec in &specs() {
            for d in [1, 10, 17] {
                let network = network(spec, d);
                let inference = Inference::compile(spec, d, &network.state().unwrap()).unwrap();
                for n in [0, 1, 5, 300] {
                    #[allow(clippy::cast_precision_loss)]
                    let rows =
                        Array2::from_shape_fn((n, d), |(i, j)| (i as f32 * 0.37 + j as f32 * 1.3).sin());
                    let features = Tensor::from_slice(rows.as_slice().unwrap()).reshape([n as i64, d as i64]);
                    let expected = tch::no_grad(|| network.forward(&features, Mode::Evaluate)).unwrap();
                    let expected = Vec::<f32>::try_from(expected.reshape([-1])).unwrap();
                    let predicted = inference.predict(rows.view());
                    assert_eq!(predicted.len(), n * inference.width());
                    for (ours, theirs) in predicted.iter().zip(expected) {
                        let gap = (ours - f64::from(theirs)).abs() / f64::from(theirs.abs().max(1.0));
                        assert!(gap < 1e-5, "{spec:?} of {d}: {ours} {theirs}");
                    }
                    // Other strides give the same, bit for bit, and so does each row alone.
                    let columns = rows.t().as_standard_layout().into_owned();
                    assert_eq!(inference.predict(columns.t()), predicted);
                    for (row, expected) in rows.outer_iter().zip(predicted.chunks(inference.width())) {
                        assert_eq!(inference.predict(row.insert_axis(ndarray::Axis(0))), expected);
                    }
                }
            }
        }
    }
}
