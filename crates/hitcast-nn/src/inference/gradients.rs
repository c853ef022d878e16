//! How predictions move with the features: back through the passes.

use hitcast_kernels::product::{Finish, Product};
use hitcast_kernels::{Buffer, layout, norm, padded, pointwise};
use ndarray::{Array2, ArrayView2};

use super::end::End;
use super::{BLOCK, Inference, Pass, read_rows};

/// What a block of rows leaves on its way forward.
struct Trace {
    /// The rows in front of each pass, and behind the last one.
    rows: Vec<Buffer>,
    /// Their strides.
    strides: Vec<usize>,
    /// Of a pass that is a function, its derivatives.
    slopes: Vec<Buffer>,
    /// Of the prediction, with respect to the last units.
    end: Vec<f32>,
}

impl Inference {
    /// Predicts the rows of `features` (`n × d`), as [`predict`](Self::predict), and differentiates one of the
    /// [`width`](Self::width) numbers with respect to each feature (`n × d`).
    ///
    /// # Panics
    /// If `d` is another than [`n_inputs`](Self::n_inputs), or there is no such output.
    pub fn gradients(&self, features: ArrayView2<'_, f32>, output: usize) -> (Vec<f64>, Array2<f32>) {
        assert_eq!(features.ncols(), self.n_inputs, "another number of features");
        assert!(output < self.width(), "no such output");
        let n = features.nrows();
        let mut predictions = Vec::with_capacity(n * self.width());
        let mut gradients = Array2::zeros(features.dim());
        let back = self.back.get_or_init(|| self.transposed());
        let mut trace = self.trace(n.min(BLOCK));
        let mut buffers = [(); 2].map(|()| Buffer::zeros(n.min(BLOCK) * self.stride));
        for first in (0..n).step_by(BLOCK) {
            let rows = BLOCK.min(n - first);
            if let Some(input) = trace.rows.first_mut() {
                read_rows(features, first, input, padded(self.n_inputs), rows);
            }
            self.forward(&mut trace, rows, output, &mut predictions);
            self.backward(&trace, back, &mut buffers, rows);
            let from = buffers[0].chunks_exact(padded(self.n_inputs));
            for (row, from) in (first..first + rows).zip(from) {
                let to = gradients.row_mut(row);
                to.into_iter().zip(from).for_each(|(to, from)| *to = *from);
            }
        }
        (predictions, gradients)
    }

    /// The weights of each linear pass, `padded(units) × padded(inputs)`.
    fn transposed(&self) -> Vec<Buffer> {
        let of = |pass: &Pass| match pass {
            Pass::Linear(linear) => {
                let (units, stride) = (padded(linear.units), padded(linear.inputs));
                let mut to = Buffer::zeros(units * stride);
                layout::transpose(self.level, &linear.weights, linear.inputs, units, &mut to, stride);
                to
            }
            _ => Buffer::zeros(0),
        };
        self.passes.iter().map(of).collect()
    }

    fn trace(&self, rows: usize) -> Trace {
        let mut strides = vec![padded(self.n_inputs)];
        let mut slopes = Vec::with_capacity(self.passes.len());
        for pass in &self.passes {
            let stride = strides.last().copied().unwrap_or_default();
            let is_function = matches!(pass, Pass::Function(_));
            slopes.push(Buffer::zeros(if is_function { rows * stride } else { 0 }));
            strides.push(match pass {
                Pass::Linear(linear) => padded(linear.units),
                _ => stride,
            });
        }
        Trace {
            rows: strides
                .iter()
                .map(|stride| Buffer::zeros(rows * stride))
                .collect(),
            strides,
            slopes,
            end: vec![0.0; rows * self.end.n_units()],
        }
    }

    fn forward(&self, trace: &mut Trace, rows: usize, output: usize, predictions: &mut Vec<f64>) {
        for (number, pass) in self.passes.iter().enumerate() {
            let stride = trace.strides[number];
            let (before, behind) = trace.rows.split_at_mut(number + 1);
            let (from, to) = (&before[number], &mut behind[0]);
            let extent = rows * stride;
            match pass {
                Pass::Linear(linear) => linear.run(self.level, from, stride, rows, to),
                Pass::Scale { scale, shift } => {
                    to[..extent].copy_from_slice(&from[..extent]);
                    norm::evaluate(self.level, &mut to[..extent], stride, scale, shift);
                }
                Pass::Function(function) => {
                    to[..extent].copy_from_slice(&from[..extent]);
                    let slopes = &mut trace.slopes[number][..extent];
                    pointwise::apply(self.level, *function, None, &mut to[..extent], Some(slopes));
                }
            }
        }
        let last = self.passes.len();
        let (from, stride) = (&trace.rows[last], trace.strides[last]);
        let slopes = &mut trace.end[..rows * self.end.n_units()];
        (self.end).differentiate(self.level, from, stride, rows, output, predictions, slopes);
    }

    /// Leaves the derivatives with respect to the features in the first buffer.
    fn backward(&self, trace: &Trace, back: &[Buffer], buffers: &mut [Buffer; 2], rows: usize) {
        let [from, to] = buffers;
        let last = self.passes.len();
        let mut stride = trace.strides[last];
        match &self.end {
            End::Number { weight, .. } | End::OneUnit { weight, .. } => {
                let product = Product {
                    a: &trace.end,
                    a_row: 1,
                    a_column: 1,
                    b: weight,
                    b_row: weight.len(),
                    b_column: 1,
                    rows,
                    columns: weight.len(),
                    inner: 1,
                };
                product.run(self.level, from, stride, self.way_back(trace, last));
            }
            // The last pass is linear.
            End::Softmax { classes } => {
                for (to, slopes) in from
                    .chunks_exact_mut(stride)
                    .zip(trace.end.chunks_exact(*classes))
                {
                    to[..*classes].copy_from_slice(slopes);
                }
            }
        }
        for (number, pass) in self.passes.iter().enumerate().rev() {
            let way_back = self.way_back(trace, number);
            match pass {
                Pass::Linear(linear) => {
                    let product = Product {
                        a: from,
                        a_row: stride,
                        a_column: 1,
                        b: &back[number],
                        b_row: padded(linear.inputs),
                        b_column: 1,
                        rows,
                        columns: linear.inputs,
                        inner: linear.units,
                    };
                    stride = trace.strides[number];
                    product.run(self.level, to, stride, way_back);
                    std::mem::swap(from, to);
                }
                Pass::Scale { scale, .. } => {
                    for row in from.chunks_exact_mut(stride).take(rows) {
                        row.iter_mut()
                            .zip(scale)
                            .for_each(|(slope, scale)| *slope *= scale);
                    }
                    apply(way_back, &mut from[..rows * stride]);
                }
                // Its own derivatives came with the pass behind it.
                Pass::Function(_) => apply(way_back, &mut from[..rows * stride]),
            }
        }
    }

    /// Back through what stands in front of a pass, as far as it works on each unit alone.
    fn way_back<'t>(&self, trace: &'t Trace, pass: usize) -> Finish<'t> {
        let Some(before) = pass.checked_sub(1) else {
            return Finish::Store;
        };
        match &self.passes[before] {
            Pass::Linear(linear) if linear.relu => Finish::WherePositive {
                of: &trace.rows[pass],
                scale: 1.0,
            },
            Pass::Function(_) => Finish::Times(&trace.slopes[before]),
            _ => Finish::Store,
        }
    }
}

/// The same on slopes that are there already.
fn apply(way_back: Finish<'_>, slopes: &mut [f32]) {
    match way_back {
        Finish::WherePositive { of, .. } => {
            for (slope, of) in slopes.iter_mut().zip(of) {
                *slope = if *of > 0.0 { *slope } else { 0.0 };
            }
        }
        Finish::Times(by) => slopes.iter_mut().zip(by).for_each(|(slope, by)| *slope *= by),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inference::tests::{network, specs};
    use crate::network::Mode;
    use crate::spec::{Activation, Head, LayerSpec, NetworkSpec};
    use ndarray::Axis;
    use tch::{Kind, Tensor};

    fn rows(n: usize, d: usize) -> Array2<f32> {
        #[allow(clippy::cast_precision_loss)]
        Array2::from_shape_fn((n, d), |(i, j)| (i as f32 * 0.37 + j as f32 * 1.3).sin())
    }

    #[test]
    fn gradients_are_those_of_libtorch() {
        let each = [
            Activation::LeakyRelu,
            Activation::Elu,
            Activation::Selu,
            Activation::Silu,
            Activation::Tanh,
            Activation::Sigmoid,
            Activation::Softplus,
        ];
        let activations = each.map(|function| NetworkSpec {
            layers: vec![
                LayerSpec::linear(9),
                LayerSpec::activation(function),
                LayerSpec::batch_norm(),
                LayerSpec::activation(function),
                LayerSpec::linear(5),
            ],
            ..NetworkSpec::default()
        });
        for spec in specs().iter().chain(&activations) {
            for d in [1, 10, 17] {
                let network = network(spec, d);
                let inference = Inference::compile(spec, d, &network.state().unwrap()).unwrap();
                for n in [0, 1, 5, 300] {
                    let rows = rows(n, d);
                    let leaf = Tensor::from_slice(rows.as_slice().unwrap())
                        .reshape([n as i64, d as i64])
                        .set_requires_grad(true);
                    let theirs = network
                        .forward(&leaf, Mode::Evaluate)
                        .unwrap()
                        .reshape([n as i64, inference.width() as i64]);
                    for output in 0..inference.width() {
                        let (predictions, ours) = inference.gradients(rows.view(), output);
                        assert_eq!(predictions, inference.predict(rows.view()));
                        assert_eq!(ours.dim(), (n, d));
                        let sum = theirs.narrow(1, output as i64, 1).sum(Kind::Float);
                        let exact = Tensor::run_backward(&[&sum], &[&leaf], true, false);
                        let exact = Vec::<f32>::try_from(exact[0].reshape([-1])).unwrap();
                        let largest = exact.iter().fold(1e-3_f32, |most, slope| most.max(slope.abs()));
                        for (ours, theirs) in ours.iter().zip(exact) {
                            let gap = (ours - theirs).abs() / largest;
                            assert!(gap < 1e-4, "{spec:?} of {d}, output {output}: {ours} {theirs}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn gradients_are_those_of_differences() {
        let spec = NetworkSpec {
            layers: vec![
                LayerSpec::linear(12),
                LayerSpec::activation(Activation::Tanh),
                LayerSpec::linear(6),
                LayerSpec::activation(Activation::Gelu),
            ],
            head: Head::Softmax { classes: 3 },
            ..NetworkSpec::default()
        };
        let inference = Inference::compile(&spec, 4, &network(&spec, 4).state().unwrap()).unwrap();
        let rows = rows(20, 4);
        for output in 0..3 {
            let (_, slopes) = inference.gradients(rows.view(), output);
            let each = |moved: &Array2<f32>| -> Vec<f64> {
                let all = inference.predict(moved.view());
                all.into_iter().skip(output).step_by(3).collect()
            };
            for feature in 0..4 {
                const STEP: f32 = 0.02;
                let [low, high] = [-STEP, STEP].map(|step| {
                    let mut moved = rows.clone();
                    moved.index_axis_mut(Axis(1), feature).map_inplace(|x| *x += step);
                    each(&moved)
                });
                for ((low, high), slope) in low.iter().zip(&high).zip(slopes.column(feature)) {
                    let difference = (high - low) / f64::from(2.0 * STEP);
                    assert!(
                        (difference - f64::from(*slope)).abs() < 1e-4,
                        "{difference} {slope}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_row_has_the_same_gradients_alone_and_whatever_its_strides() {
        let spec = NetworkSpec::mlp(&[33, 7]).with_batch_norm();
        let inference = Inference::compile(&spec, 10, &network(&spec, 10).state().unwrap()).unwrap();
        let rows = rows(300, 10);
        let (_, all) = inference.gradients(rows.view(), 0);
        let columns = rows.t().as_standard_layout().into_owned();
        assert_eq!(inference.gradients(columns.t(), 0).1, all);
        for (row, expected) in rows.outer_iter().zip(all.outer_iter()) {
            let (_, alone) = inference.gradients(row.insert_axis(Axis(0)), 0);
            assert_eq!(alone.row(0), expected);
        }
    }
}
