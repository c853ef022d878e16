//! The optimisers over the flat buffers.

use std::collections::BTreeMap;

use hitcast_core::{ModelState, TensorData};
use hitcast_kernels::Level;
use hitcast_kernels::optimizer::{Adam, Sgd};

use crate::error::Result;
use crate::optimizer::OptimizerSettings;

/// An optimiser with its state.
#[derive(Debug)]
pub(super) struct FlatOptimizer {
    settings: OptimizerSettings,
    steps: i32,
    /// Velocity, or mean of gradients.
    first: Vec<f32>,
    /// Mean of squared gradients.
    second: Vec<f32>,
}

impl FlatOptimizer {
    pub(super) fn new(settings: OptimizerSettings, n: usize) -> Self {
        let zeros = |needed: bool| vec![0.0; if needed { n } else { 0 }];
        let sgd_momentum = match settings {
            OptimizerSettings::Sgd { momentum, .. } => Some(momentum),
            _ => None,
        };
        Self {
            settings,
            steps: 0,
            first: zeros(sgd_momentum.is_none_or(|momentum| momentum != 0.0)),
            second: zeros(sgd_momentum.is_none()),
        }
    }

    /// Takes a step with the gradient multiplied by `scale`.
    pub(super) fn step(
        &mut self,
        level: Level,
        parameters: &mut [f32],
        gradient: &[f32],
        scale: f32,
        learning_rate: f64,
    ) {
        self.steps = self.steps.saturating_add(1);
        let (betas, epsilon, weight_decay, decoupled) = match self.settings {
            OptimizerSettings::Sgd {
                momentum,
                nesterov,
                weight_decay,
                ..
            } => {
                let sgd = Sgd {
                    learning_rate,
                    momentum,
                    nesterov,
                    weight_decay,
                };
                return sgd.run(level, parameters, gradient, scale, &mut self.first);
            }
            OptimizerSettings::Adam {
                betas,
                epsilon,
                weight_decay,
                ..
            } => (betas, epsilon, weight_decay, false),
            OptimizerSettings::AdamW {
                betas,
                epsilon,
                weight_decay,
                ..
            } => (betas, epsilon, weight_decay, true),
        };
        let adam = Adam {
            learning_rate,
            beta1: betas.0,
            beta2: betas.1,
            epsilon,
            weight_decay,
            decoupled,
            step: self.steps,
        };
        adam.run(
            level,
            parameters,
            gradient,
            scale,
            &mut self.first,
            &mut self.second,
        );
    }

    /// Steps so far, and the buffers by name.
    pub(super) fn state(&self) -> (i32, BTreeMap<String, TensorData>) {
        let named = [("first", &self.first), ("second", &self.second)];
        let tensors = named.map(|(name, buffer)| (name.to_owned(), TensorData::f32_vector(buffer.clone())));
        (self.steps, BTreeMap::from(tensors))
    }

    /// Takes what [`state`](Self::state) gave.
    pub(super) fn restore(&mut self, steps: i32, state: &ModelState) -> Result<()> {
        for (name, buffer) in [("first", &mut self.first), ("second", &mut self.second)] {
            let values = state
                .f32(name, &[buffer.len()])
                .map_err(hitcast_nn::NnError::from)?;
            buffer.copy_from_slice(values);
        }
        self.steps = steps;
        Ok(())
    }

    /// Bytes of the state.
    pub(super) fn bytes(&self) -> usize {
        4 * (self.first.len() + self.second.len())
    }
}
