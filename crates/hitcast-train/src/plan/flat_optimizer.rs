//! The optimisers over the flat buffers.

use std::ops::Range;

use hitcast_kernels::optimizer::{Adam, Sgd};
use hitcast_kernels::{Buffer, Level};

use crate::optimizer::OptimizerSettings;

/// An optimiser with its state.
#[derive(Debug)]
pub(super) struct FlatOptimizer {
    settings: OptimizerSettings,
    steps: i32,
    /// Velocity, or mean of gradients.
    first: Buffer,
    /// Mean of squared gradients.
    second: Buffer,
    /// Parts of the parameters one behind the other, and whether weight decay applies to them.
    groups: Vec<(Range<usize>, bool)>,
}

impl FlatOptimizer {
    /// For parameters in these groups, one behind the other, each with whether weight decay applies to it.
    pub(super) fn new(
        settings: OptimizerSettings,
        groups: impl IntoIterator<Item = (Range<usize>, bool)>,
    ) -> Self {
        let mut joined: Vec<(Range<usize>, bool)> = Vec::new();
        for (range, decays) in groups {
            match joined.last_mut() {
                Some((last, same)) if *same == decays => last.end = range.end,
                _ => joined.push((range, decays)),
            }
        }
        let n = joined.last().map_or(0, |(range, _)| range.end);
        let zeros = |needed: bool| Buffer::zeros(if needed { n } else { 0 });
        let sgd_momentum = match settings {
            OptimizerSettings::Sgd { momentum, .. } => Some(momentum),
            _ => None,
        };
        Self {
            settings,
            steps: 0,
            first: zeros(sgd_momentum.is_none_or(|momentum| momentum != 0.0)),
            second: zeros(sgd_momentum.is_none()),
            groups: joined,
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
        let step = self.steps;
        for (range, decays) in &self.groups {
            let (p, g) = (&mut parameters[range.clone()], &gradient[range.clone()]);
            let decay = |weight_decay: f64| if *decays { weight_decay } else { 0.0 };
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
                        weight_decay: decay(weight_decay),
                    };
                    // Empty without momentum.
                    let velocity = self.first.get_mut(range.clone()).unwrap_or_default();
                    sgd.run(level, p, g, scale, velocity);
                    continue;
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
                weight_decay: decay(weight_decay),
                decoupled,
                step,
            };
            let (first, second) = (&mut self.first[range.clone()], &mut self.second[range.clone()]);
            adam.run(level, p, g, scale, first, second);
        }
    }

    /// Steps so far.
    pub(super) fn steps(&self) -> u32 {
        self.steps.unsigned_abs()
    }

    /// Both buffers, each as long as the parameters, or empty where the optimiser has no need of it.
    pub(super) fn buffers(&self) -> [&[f32]; 2] {
        [&self.first, &self.second]
    }

    /// Takes such buffers, after so many steps.
    pub(super) fn restore(&mut self, steps: u32, first: &[f32], second: &[f32]) {
        self.first.copy_from(first);
        self.second.copy_from(second);
        self.steps = i32::try_from(steps).unwrap_or(i32::MAX);
    }

    /// Bytes of the state.
    pub(super) fn bytes(&self) -> usize {
        4 * (self.first.len() + self.second.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optimizer::Optimizer;
    use safetensors::SafeTensors;
    use tch::Tensor;

    const N: usize = 50;

    /// n numbers in (-1, 1), the same as in `golden/parity.py`.
    #[allow(clippy::cast_possible_truncation)]
    fn waves(n: usize, phase: f64) -> Vec<f32> {
        (0..n)
            .map(|i| (f64::from(u32::try_from(i).unwrap()) * 0.739_085_1 + phase).sin() as f32)
            .collect()
    }

    fn gradient(step: u32) -> Vec<f32> {
        waves(N, 0.01 * f64::from(step))
    }

    fn start() -> Vec<f32> {
        [waves(N / 2, 0.3), waves(N / 2, 0.6)].concat()
    }

    fn by_kernels(settings: OptimizerSettings, half: bool, decay: Option<f64>, level: Level) -> Vec<f32> {
        let groups = [(0..N / 2, true), (N / 2..N, !half)];
        let (mut optimizer, mut parameters) = (FlatOptimizer::new(settings, groups), start());
        let mut averaged: Option<Vec<f32>> = None;
        for step in 0..1000 {
            optimizer.step(
                level,
                &mut parameters,
                &gradient(step),
                1.0,
                settings.learning_rate(),
            );
            match &mut averaged {
                None => averaged = Some(parameters.clone()),
                Some(averaged) => {
                    hitcast_kernels::optimizer::average(level, averaged, &parameters, decay.unwrap_or(0.0));
                }
            }
        }
        averaged.unwrap()
    }

    fn by_libtorch(settings: OptimizerSettings, half: bool) -> Vec<f32> {
        let parameters = Tensor::from_slice(&start());
        let mut optimizer = Optimizer::new(settings, &parameters).unwrap();
        if half {
            let decays: Vec<f32> = (0..N).map(|i| if i < N / 2 { 1.0 } else { 0.0 }).collect();
            optimizer = optimizer.with_decay_mask(Tensor::from_slice(&decays));
        }
        for step in 0..1000 {
            let gradient = Tensor::from_slice(&gradient(step));
            optimizer
                .step(&parameters, &gradient, settings.learning_rate())
                .unwrap();
        }
        Vec::try_from(parameters).unwrap()
    }

    #[test]
    fn a_thousand_steps_end_where_pytorchs_end() {
        let golden =
            SafeTensors::deserialize(include_bytes!("../../tests/golden/optimizers.safetensors")).unwrap();
        let sgd = |momentum, nesterov, weight_decay| OptimizerSettings::Sgd {
            learning_rate: 1e-3,
            momentum,
            nesterov,
            weight_decay,
        };
        let adam = |weight_decay| OptimizerSettings::Adam {
            learning_rate: 1e-2,
            betas: (0.9, 0.999),
            epsilon: 1e-8,
            weight_decay,
        };
        let adamw = OptimizerSettings::adamw(1e-2, 0.1);
        let cases = [
            ("adam", adam(0.0), None),
            ("adam_decay", adam(0.1), None),
            ("adamw", adamw, None),
            ("adamw_half", adamw, None),
            ("sgd", sgd(0.0, false, 0.0), None),
            ("sgd_momentum", sgd(0.9, false, 0.1), None),
            ("sgd_half", sgd(0.9, false, 0.1), None),
            ("sgd_nesterov", sgd(0.9, true, 0.0), None),
            ("averaged", adam(0.0), Some(0.99)),
        ];
        for (case, settings, decay) in cases {
            let half = case.ends_with("half");
            let mut ours: Vec<(&str, Vec<f32>)> = Level::available()
                .into_iter()
                .map(|level| (level.name(), by_kernels(settings, half, decay, level)))
                .collect();
            if decay.is_none() {
                ours.push(("libtorch", by_libtorch(settings, half)));
            }
            let golden: Vec<f32> = golden
                .tensor(case)
                .unwrap()
                .data()
                .chunks_exact(4)
                .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
                .collect();
            assert_eq!(golden.len(), N);
            for (by, ours) in ours {
                for (place, (ours, theirs)) in ours.iter().zip(&golden).enumerate() {
                    let gap = (ours - theirs).abs() / theirs.abs().max(1.0);
                    assert!(
                        gap <= 1e-5,
                        "{case} by {by}: [{place}] is {ours}, PyTorch has {theirs}"
                    );
                }
            }
        }
    }
}
