//! The step plan behind the trait that trainers use.

use std::collections::BTreeMap;
use std::ops::Range;

use hitcast_core::{CoreError, Dataset, ModelState, Seed, TensorData};
use hitcast_kernels::denormals::FlushDenormals;
use hitcast_kernels::mask::MaskGenerator;
use hitcast_kernels::{Level, reduce};
use hitcast_nn::{Loss, Network, NnError};
use serde::Deserialize;
use tch::Device;

use super::flat_optimizer::FlatOptimizer;
use super::{Plan, Rows};
use crate::engine::{BEST, Engine, OPTIMIZER, Split, prefixed, take_prefixed};
use crate::error::{Result, TrainError};
use crate::optimizer::OptimizerSettings;

/// Trains a [`Network`] on the processor by a plan of fused passes, many times faster than libtorch at small batches.
///
/// Losses and gradients are those of [`AutogradEngine`](crate::AutogradEngine) but for rounding; the masks of dropout are
/// others, from the same seed.
#[derive(Debug)]
pub struct PlanEngine {
    plan: Plan,
    optimizer: FlatOptimizer,
    clip_gradient_norm: Option<f64>,
    train: Rows,
    validation: Option<Rows>,
    order: Vec<u32>,
    losses: Vec<f32>,
    best: Option<(Vec<f32>, Vec<f32>)>,
    level: Level,
}

impl PlanEngine {
    /// An engine for these rows that begins with the numbers of `network`, and works with the widest instructions of the
    /// processor. `None` if the network is not on the processor, if it or the loss has a part that plans do not know, or
    /// if there are 2³² rows or more.
    ///
    /// # Errors
    /// [`TrainError::Setting`] for bad settings of the optimiser or the loss, [`TrainError::Columns`] if there are not as
    /// many features as the network takes.
    pub fn compile(
        network: &Network,
        optimizer: OptimizerSettings,
        loss: Loss,
        clip_gradient_norm: Option<f64>,
        train: &Dataset,
        validation: Option<&Dataset>,
        seed: Seed,
    ) -> Result<Option<Self>> {
        optimizer.check()?;
        loss.check()?;
        for data in [Some(train), validation].into_iter().flatten() {
            if data.n_features() != network.n_inputs() {
                return Err(TrainError::Columns {
                    training: network.n_inputs(),
                    validation: data.n_features(),
                });
            }
        }
        let Ok(n_rows) = u32::try_from(train.n_rows()) else {
            return Ok(None);
        };
        if network.device() != Device::Cpu {
            return Ok(None);
        }
        let level = Level::best();
        let Some(plan) = Plan::new(network, level, loss, &mut seed.stream("dropout"))? else {
            return Ok(None);
        };
        Ok(Some(Self {
            optimizer: FlatOptimizer::new(optimizer, plan.parameters.len()),
            clip_gradient_norm,
            train: Rows::new(train),
            validation: validation.map(Rows::new),
            order: (0..n_rows).collect(),
            losses: Vec::new(),
            best: None,
            level,
            plan,
        }))
    }

    /// Writes the numbers as they are now to the network that this engine was made from.
    ///
    /// # Errors
    /// [`TrainError::Network`] if it is another network, or if a number is not finite.
    pub fn write_to(&self, network: &mut Network) -> Result<()> {
        let settings = network.state()?.settings;
        Ok(network.load_state(&self.plan.state(settings)?)?)
    }

    /// Bytes that training takes besides the data: parameters, gradient, moments, and the buffers of a step.
    pub fn bytes(&self) -> usize {
        self.plan.bytes() + self.optimizer.bytes()
    }

    /// The mean loss over some of the training rows and its gradient, in the order of the flat parameters; takes no step.
    ///
    /// # Errors
    /// [`TrainError::TooFewRows`] for no row, or for one with batch norm.
    ///
    /// # Panics
    /// If a row is not there.
    pub fn loss_and_gradient(&mut self, rows: &[u32]) -> Result<(f32, &[f32])> {
        self.plan.check_batch(rows.len())?;
        let loss = self.plan.loss_and_gradient(&self.train, rows);
        Ok((loss, &self.plan.gradient))
    }
}

impl Engine for PlanEngine {
    fn begin_epoch(&mut self, order: &[usize]) -> Result<()> {
        self.order.clear();
        // Fewer than 2³² rows, as checked in the beginning.
        #[allow(clippy::cast_possible_truncation)]
        self.order.extend(order.iter().map(|&row| row as u32));
        Ok(())
    }

    fn step(&mut self, rows: Range<usize>, learning_rate: f64) -> Result<()> {
        self.plan.check_batch(rows.len())?;
        // The moments of units that have died fall towards zero for ever.
        let _flush = FlushDenormals::begin();
        let loss = self.plan.loss_and_gradient(&self.train, &self.order[rows]);
        #[allow(clippy::cast_possible_truncation)]
        let scale = self.clip_gradient_norm.map_or(1.0, |largest| {
            // As clip_grad_norm_.
            let norm = reduce::sum_of_squares(self.level, &self.plan.gradient).sqrt();
            (largest / (norm + 1e-6)).min(1.0) as f32
        });
        let (parameters, gradient) = (&mut self.plan.parameters, &self.plan.gradient);
        self.optimizer
            .step(self.level, parameters, gradient, scale, learning_rate);
        self.losses.push(loss);
        Ok(())
    }

    fn take_losses(&mut self) -> Result<Vec<f32>> {
        Ok(std::mem::take(&mut self.losses))
    }

    fn predict(&mut self, split: Split) -> Result<Vec<f64>> {
        let rows = match split {
            Split::Train => Some(&self.train),
            Split::Validation => self.validation.as_ref(),
        };
        Ok(rows.map(|rows| self.plan.predict(rows)).unwrap_or_default())
    }

    fn remember(&mut self) -> Result<()> {
        let (parameters, statistics) = self.best.get_or_insert_with(Default::default);
        parameters.clone_from(&self.plan.parameters);
        statistics.clone_from(&self.plan.statistics);
        Ok(())
    }

    fn recall(&mut self) -> Result<()> {
        if let Some((parameters, statistics)) = &self.best {
            self.plan.parameters.clone_from(parameters);
            self.plan.statistics.clone_from(statistics);
        }
        Ok(())
    }

    fn state(&mut self) -> Result<ModelState> {
        let (steps, buffers) = self.optimizer.state();
        let mut tensors = prefixed(OPTIMIZER, buffers);
        let (parameters, statistics) = (&self.plan.parameters, &self.plan.statistics);
        tensors.extend(flat(parameters, statistics));
        if let Some((parameters, statistics)) = &self.best {
            tensors.extend(prefixed(BEST, flat(parameters, statistics)));
        }
        let settings = serde_json::json!({
            "engine": "plan",
            "steps": steps,
            "masks": self.plan.masks.state().as_slice(),
        });
        Ok(ModelState { settings, tensors })
    }

    fn restore(&mut self, state: &ModelState) -> Result<()> {
        let wrong = |message: String| NnError::from(CoreError::State(message));
        let saved: SavedPlan = serde_json::from_value(state.settings.clone()).map_err(NnError::from)?;
        if saved.engine != "plan" {
            return Err(wrong(format!("is of the engine {:?}", saved.engine)).into());
        }
        let masks: [u32; 64] = saved
            .masks
            .try_into()
            .map_err(|_| wrong("has no 64 random states".to_owned()))?;
        let mut own = state.tensors.clone();
        let best = take_prefixed(&mut own, BEST);
        let optimizer = take_prefixed(&mut own, OPTIMIZER);
        let of = |tensors| ModelState {
            settings: serde_json::Value::Null,
            tensors,
        };
        let (n_parameters, n_statistics) = (self.plan.parameters.len(), self.plan.statistics.len());
        let buffers = |state: &ModelState| -> Result<(Vec<f32>, Vec<f32>)> {
            let take = |name, n| state.f32(name, &[n]).map(<[f32]>::to_vec).map_err(NnError::from);
            Ok((
                take("parameters", n_parameters)?,
                take("statistics", n_statistics)?,
            ))
        };
        let now = buffers(&of(own))?;
        self.best = if best.is_empty() {
            None
        } else {
            Some(buffers(&of(best))?)
        };
        self.optimizer.restore(saved.steps, &of(optimizer))?;
        (self.plan.parameters, self.plan.statistics) = now;
        self.plan.masks = MaskGenerator::from_state(&masks);
        Ok(())
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedPlan {
    engine: String,
    steps: i32,
    masks: Vec<u32>,
}

fn flat(parameters: &[f32], statistics: &[f32]) -> BTreeMap<String, TensorData> {
    let named = [("parameters", parameters), ("statistics", statistics)];
    BTreeMap::from(named.map(|(name, values)| (name.to_owned(), TensorData::f32_vector(values.to_vec()))))
}
