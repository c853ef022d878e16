//! A [`NetworkSpec`] compiled into a fixed sequence of passes over preallocated buffers.
//!
//! A *stage* is a linear layer with the batch norm, activation and dropout behind it. Forward, the product of a stage
//! writes its output once, bias, ReLU and dropout included; backward, the product that leads to the stage before
//! multiplies by that stage's derivative as it is stored. Without batch norm a batch is gone through in blocks of rows
//! whose activations stay in the first caches, so that large batches cost no more a row than small ones.
//!
//! - `rows`: the rows to learn from
//! - `stage`: one stage, forward and back
//! - `output`: the head and the loss
//! - `flat_optimizer`: the optimisers over the flat buffers
//! - `engine`: all of it behind the trait [`Engine`](crate::Engine)

mod engine;
mod flat_optimizer;
mod output;
#[cfg(test)]
mod parity;
mod rows;
mod stage;

pub use engine::PlanEngine;

use std::ops::Range;

use hitcast_core::{ModelState, Stream, TensorData, TensorValues};
use hitcast_kernels::denormals::FlushDenormals;
use hitcast_kernels::mask::MaskGenerator;
use hitcast_kernels::{Buffer, Level, layout, padded};
use hitcast_nn::{ClassFunction, ClassLoss, Head, HeadFunction, LayerSpec, Loss, Network, NetworkSpec};

use crate::error::{Result, TrainError};
use output::{ClassRows, End, NumberLoss, Output, Unit};
pub(crate) use rows::Rows;
use stage::{Linear, Norm, Stage};

/// Name of the widest vector instructions of this processor that plans use, as in `avx512`.
pub fn instructions() -> &'static str {
    Level::best().name()
}

/// Rows whose activations are in the caches at the same time.
pub(crate) const BLOCK_ROWS: usize = 128;

/// Where the numbers of a saved tensor stand in the plan.
#[derive(Debug, Clone)]
struct Slot {
    name: String,
    shape: Vec<usize>,
    place: Place,
}

#[derive(Debug, Clone, Copy)]
enum Place {
    /// In the flat parameters, from here.
    Parameters(usize),
    /// A matrix in the flat parameters, from here, column by column with this stride.
    Transposed(usize, usize),
    /// In the flat running statistics, from here.
    Statistics(usize),
}

impl Slot {
    /// Rows and columns.
    fn matrix(&self) -> (usize, usize) {
        let rows = self.shape.first().copied().unwrap_or(1);
        (rows, self.shape.get(1).copied().unwrap_or(1))
    }

    /// The tensor's values, row by row, from buffers as the plan's.
    fn values(&self, parameters: &[f32], statistics: &[f32]) -> Vec<f32> {
        let n: usize = self.shape.iter().product();
        match self.place {
            Place::Parameters(start) => parameters[start..start + n].to_vec(),
            Place::Statistics(start) => statistics[start..start + n].to_vec(),
            Place::Transposed(start, stride) => {
                let (rows, columns) = self.matrix();
                let place = |row, column| start + column * stride + row;
                let places = (0..rows).flat_map(|row| (0..columns).map(move |column| place(row, column)));
                places.map(|place| parameters[place]).collect()
            }
        }
    }
}

/// The compiled network with its numbers, its gradient, and all the buffers that a step needs.
#[derive(Debug)]
pub(crate) struct Plan {
    level: Level,
    stride: usize,
    stages: Vec<Stage>,
    output: Output,
    slots: Vec<Slot>,
    has_norm: bool,
    pub(crate) parameters: Buffer,
    pub(crate) gradient: Buffer,
    /// Running means and variances of batch norm.
    pub(crate) statistics: Buffer,
    pub(crate) masks: MaskGenerator,
    /// Rows that the buffers have room for.
    capacity: usize,
    features: Buffer,
    target: Buffer,
    weights: Buffer,
    predicted: Buffer,
    /// The gradient before and behind the stage that is gone back through.
    behind: Buffer,
    before: Buffer,
}

impl Plan {
    /// Compiles the network, with its numbers as they are now; `None` if it has a part that plans do not know.
    pub(crate) fn new(
        network: &Network,
        level: Level,
        loss: Loss,
        masks: &mut Stream,
    ) -> Result<Option<Self>> {
        let (spec, n_inputs) = (network.spec(), network.n_inputs());
        let mut draft = Draft::default();
        let Some(mut stages) = draft.stages(spec, n_inputs) else {
            return Ok(None);
        };
        let Some(output) = draft.output(spec.head, loss, n_inputs, &mut stages) else {
            return Ok(None);
        };
        let (n_parameters, n_statistics) = (draft.n_parameters, draft.n_statistics);
        let mut plan = Self {
            level,
            stride: padded(n_inputs),
            stages,
            output,
            slots: draft.slots,
            has_norm: spec.has_batch_norm(),
            parameters: Buffer::zeros(n_parameters),
            gradient: Buffer::zeros(n_parameters),
            statistics: Buffer::zeros(n_statistics),
            masks: MaskGenerator::new(|| masks.next_u64()),
            capacity: 0,
            features: Buffer::default(),
            target: Buffer::default(),
            weights: Buffer::default(),
            predicted: Buffer::default(),
            behind: Buffer::default(),
            before: Buffer::default(),
        };
        plan.take_state(&network.state()?)?;
        plan.reserve(BLOCK_ROWS);
        Ok(Some(plan))
    }

    /// Takes the numbers of a network of the same specification.
    pub(crate) fn take_state(&mut self, state: &ModelState) -> Result<()> {
        for slot in &self.slots {
            let values = state
                .f32(&slot.name, &slot.shape)
                .map_err(hitcast_nn::NnError::from)?;
            match slot.place {
                Place::Parameters(start) => {
                    self.parameters[start..start + values.len()].copy_from_slice(values);
                }
                Place::Transposed(start, stride) => {
                    let (rows, columns) = slot.matrix();
                    let to = &mut self.parameters[start..start + columns * stride];
                    layout::transpose(self.level, values, rows, columns, to, stride);
                }
                Place::Statistics(start) => {
                    self.statistics[start..start + values.len()].copy_from_slice(values);
                }
            }
        }
        Ok(())
    }

    /// The numbers as they are now, by the names that the network gives them.
    pub(crate) fn state(&self, settings: serde_json::Value) -> Result<ModelState> {
        let mut tensors = std::collections::BTreeMap::new();
        for slot in &self.slots {
            let values = slot.values(&self.parameters, &self.statistics);
            let data = TensorData::new(slot.shape.clone(), TensorValues::F32(values));
            tensors.insert(slot.name.clone(), data.map_err(hitcast_nn::NnError::from)?);
        }
        Ok(ModelState { settings, tensors })
    }

    /// The gradient in the order in which the network's parameters stand.
    #[cfg(test)]
    fn gradient_in_order(&self) -> Vec<f32> {
        let learned = self
            .slots
            .iter()
            .filter(|slot| !matches!(slot.place, Place::Statistics(_)));
        learned
            .flat_map(|slot| slot.values(&self.gradient, &self.statistics))
            .collect()
    }

    /// Makes room for blocks of so many rows.
    fn reserve(&mut self, rows: usize) {
        if rows <= self.capacity {
            return;
        }
        self.capacity = rows;
        let widest = self.stages.iter().map(|stage| stage.stride).max().unwrap_or(0);
        self.features.resize(rows * self.stride);
        self.target.resize(rows);
        self.weights.resize(rows);
        self.predicted.resize(rows);
        self.behind.resize(rows * widest);
        self.before.resize(rows * widest);
        for stage in &mut self.stages {
            stage.reserve(rows);
        }
    }

    /// The parameters one behind the other, and the number of axes of each.
    fn parameter_axes(&self) -> impl Iterator<Item = (Range<usize>, usize)> {
        self.slots.iter().filter_map(|slot| {
            let (start, n) = match slot.place {
                Place::Parameters(start) => (start, slot.shape.iter().product()),
                Place::Transposed(start, stride) => (start, slot.matrix().1 * stride),
                Place::Statistics(_) => return None,
            };
            Some((start..start + n, slot.shape.len()))
        })
    }

    /// Whether a step can be made of so many rows.
    pub(crate) fn check_batch(&self, rows: usize) -> Result<()> {
        if rows < if self.has_norm { 2 } else { 1 } {
            return Err(TrainError::TooFewRows { rows });
        }
        Ok(())
    }

    /// Puts the gradient of the mean loss over these rows (places in `rows`, in their order) into
    /// [`gradient`](Self::gradient), and returns that loss.
    pub(crate) fn loss_and_gradient(&mut self, rows: &Rows, order: &[u32]) -> f32 {
        let _flush = FlushDenormals::begin();
        let block = if self.has_norm { order.len() } else { BLOCK_ROWS };
        self.reserve(block);
        self.gradient.fill(0.0);
        self.prepare_weights();
        let mut total = 0.0_f64;
        #[allow(clippy::cast_precision_loss)]
        let share = 1.0 / order.len() as f32;
        for order in order.chunks(block) {
            rows.features.gather(self.stride, order, &mut self.features);
            for (to, &row) in self.target.iter_mut().zip(order) {
                *to = rows.target[row as usize];
            }
            if let Some(weights) = &rows.weights {
                for (to, &row) in self.weights.iter_mut().zip(order) {
                    *to = weights[row as usize];
                }
            }
            self.forward(order.len(), true);
            total += self.backward(order.len(), share, rows.weights.is_some());
        }
        #[allow(clippy::cast_possible_truncation)]
        let mean = (total * f64::from(share)) as f32;
        mean
    }

    /// The predictions for all rows in their own order, row by row, without dropout and by running statistics.
    /// Gives `take` the predictions for so many rows at a time, a multiple of [`BLOCK_ROWS`] but for the last.
    pub(crate) fn predict(&mut self, rows: &Rows, part: usize, mut take: impl FnMut(Vec<f64>)) {
        let _flush = FlushDenormals::begin();
        self.prepare_weights();
        for stage in &mut self.stages {
            stage.prepare_statistics(&self.parameters, &self.statistics);
        }
        let room = part.min(rows.len()) * self.output.width();
        let mut predictions = Vec::with_capacity(room);
        for first in (0..rows.len()).step_by(BLOCK_ROWS) {
            let n = BLOCK_ROWS.min(rows.len() - first);
            rows.features.copy(self.stride, first, n, &mut self.features);
            self.forward(n, false);
            let input = match self.stages.last() {
                Some(last) => (&last.output[..], last.stride),
                None => (&self.features[..], self.stride),
            };
            self.output
                .predict(&self.predicted[..n], input, &self.parameters, &mut predictions);
            if predictions.len() >= room || first + n == rows.len() {
                take(std::mem::replace(&mut predictions, Vec::with_capacity(room)));
            }
        }
    }

    fn prepare_weights(&mut self) {
        for stage in &mut self.stages {
            stage.transpose_weights(self.level, &self.parameters);
        }
    }

    /// From the gathered features to what goes into the head's function, in `predicted`.
    fn forward(&mut self, n: usize, training: bool) {
        let mut input: (&[f32], usize) = (&self.features, self.stride);
        for stage in &mut self.stages {
            let masks = training.then_some(&mut self.masks);
            stage.forward(
                self.level,
                n,
                input,
                &self.parameters,
                &mut self.statistics,
                masks,
            );
            input = (&stage.output, stage.stride);
        }
        self.output
            .forward(self.level, input, &self.parameters, &mut self.predicted[..n]);
    }

    /// Adds the gradient of `share` times the sum of the losses, weighted or not; returns that sum.
    fn backward(&mut self, n: usize, share: f32, weighted: bool) -> f64 {
        let weights = weighted.then_some(&self.weights[..n]);
        let (input, factors) = match self.stages.last() {
            Some(last) => ((&last.output[..], last.stride), Some(last.factors())),
            None => ((&self.features[..], self.stride), None),
        };
        let total = self.output.loss_gradient(
            &mut self.predicted[..n],
            input,
            &mut self.behind,
            &self.target[..n],
            weights,
            share,
            &self.parameters,
            &mut self.gradient,
        );
        self.output.backward(
            self.level,
            &self.predicted[..n],
            input,
            factors.map(|factors| (factors, &mut self.behind[..])),
            &self.parameters,
            &mut self.gradient,
        );
        for at in (0..self.stages.len()).rev() {
            let (earlier, later) = self.stages.split_at_mut(at);
            let Some(stage) = later.first_mut() else { break };
            let (input, before) = match earlier.last() {
                Some(last) => (
                    (&last.output[..], last.stride),
                    Some((last.factors(), &mut self.before[..])),
                ),
                None => ((&self.features[..], self.stride), None),
            };
            stage.backward(
                self.level,
                n,
                input,
                &mut self.behind,
                before,
                &self.parameters,
                &mut self.gradient,
            );
            std::mem::swap(&mut self.behind, &mut self.before);
        }
        total
    }

    /// Bytes of all buffers, besides the data.
    pub(crate) fn bytes(&self) -> usize {
        let own = [
            &self.parameters,
            &self.gradient,
            &self.statistics,
            &self.features,
            &self.target,
            &self.weights,
            &self.predicted,
            &self.behind,
            &self.before,
        ];
        let stages: usize = self.stages.iter().map(Stage::bytes).sum();
        own.iter().map(|buffer| buffer.len() * 4).sum::<usize>() + stages
    }
}

/// Goes through the layers as [`Network`] does, so that parameters stand in the same order.
#[derive(Default)]
struct Draft {
    slots: Vec<Slot>,
    n_parameters: usize,
    n_statistics: usize,
}

impl Draft {
    fn parameter(&mut self, name: String, shape: &[usize]) -> usize {
        if shape.len() > 1 {
            // Matrices begin on a cache line.
            self.n_parameters = padded(self.n_parameters);
        }
        let start = self.n_parameters;
        self.n_parameters += shape.iter().product::<usize>();
        self.slots.push(Slot {
            name,
            shape: shape.to_vec(),
            place: Place::Parameters(start),
        });
        start
    }

    /// A matrix that stands column by column.
    fn transposed(&mut self, name: String, &[rows, columns]: &[usize; 2]) -> usize {
        let start = padded(self.n_parameters);
        let stride = padded(rows);
        self.n_parameters = start + columns * stride;
        self.slots.push(Slot {
            name,
            shape: vec![rows, columns],
            place: Place::Transposed(start, stride),
        });
        start
    }

    fn statistic(&mut self, name: String, units: usize) -> usize {
        let start = self.n_statistics;
        self.n_statistics += units;
        self.slots.push(Slot {
            name,
            shape: vec![units],
            place: Place::Statistics(start),
        });
        start
    }

    /// What is behind the stages, to which softmax adds the one that gives its logits; `None` if the head or the loss is of a
    /// kind that plans do not know.
    fn output(&mut self, head: Head, loss: Loss, n_inputs: usize, stages: &mut Vec<Stage>) -> Option<Output> {
        let inputs = stages.last().map_or(n_inputs, |stage| stage.units);
        let (name, bias) = ("head.weight".to_owned(), "head.bias".to_owned());
        let classes = || Some((ClassFunction::of(head)?, ClassLoss::of(loss)?));
        if let Head::Softmax { classes: k } = head {
            let (function, loss) = classes()?;
            stages.push(self.linear(name, Some(bias), inputs, k, stages.is_empty()));
            return Some(Output::Softmax(ClassRows::new(function, loss, k, k)));
        }
        let weight = self.parameter(name, &[1, inputs]);
        let (bias, end) = match head {
            Head::Ordinal { classes: k } => {
                let (function, loss) = classes()?;
                let rows = ClassRows::new(function, loss, k - 1, k);
                let thresholds = self.parameter("head.thresholds".to_owned(), &[k - 1]);
                (None, End::Ordinal { thresholds, rows })
            }
            Head::Binary => {
                let (function, loss) = classes()?;
                let rows = ClassRows::new(function, loss, 1, 2);
                (Some(self.parameter(bias, &[1])), End::Binary(rows))
            }
            _ => {
                let (head, loss) = (HeadFunction::of(head)?, NumberLoss::of(loss)?);
                (Some(self.parameter(bias, &[1])), End::Number { head, loss })
            }
        };
        Some(Output::Unit(Unit {
            weight,
            bias,
            inputs,
            end,
        }))
    }

    /// A linear layer, the first of all or not.
    fn linear(
        &mut self,
        weight: String,
        bias: Option<String>,
        inputs: usize,
        units: usize,
        is_first: bool,
    ) -> Stage {
        let weight = if is_first {
            self.transposed(weight, &[units, inputs])
        } else {
            self.parameter(weight, &[units, inputs])
        };
        let bias = bias.map(|bias| self.parameter(bias, &[units]));
        Stage::new(units, Some(Linear::new(inputs, units, weight, bias, is_first)))
    }

    /// `None` if a layer is of a kind that plans do not know.
    fn stages(&mut self, spec: &NetworkSpec, n_inputs: usize) -> Option<Vec<Stage>> {
        let mut stages: Vec<Stage> = Vec::new();
        let mut units = n_inputs;
        for (index, layer) in spec.layers.iter().enumerate() {
            let prefix = format!("layers.{index}");
            match *layer {
                LayerSpec::Linear { units: out, bias } => {
                    let bias = bias.then(|| format!("{prefix}.bias"));
                    let stage = self.linear(format!("{prefix}.weight"), bias, units, out, stages.is_empty());
                    stages.push(stage);
                    units = out;
                }
                LayerSpec::BatchNorm { momentum, epsilon } => {
                    let norm = Norm::new(
                        self.parameter(format!("{prefix}.weight"), &[units]),
                        self.parameter(format!("{prefix}.bias"), &[units]),
                        self.statistic(format!("{prefix}.running_mean"), units),
                        self.statistic(format!("{prefix}.running_var"), units),
                        units,
                        (momentum, epsilon),
                    );
                    Stage::open(&mut stages, units, Stage::takes_norm).norm = Some(norm);
                }
                LayerSpec::Activation { function } => {
                    Stage::open(&mut stages, units, Stage::takes_function).function = function.kernel();
                }
                LayerSpec::Dropout { rate } => {
                    if rate > 0.0 {
                        Stage::open(&mut stages, units, Stage::takes_dropout).set_dropout(rate);
                    }
                }
                _ => return None,
            }
        }
        Some(stages)
    }
}
