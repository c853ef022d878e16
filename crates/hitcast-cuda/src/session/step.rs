//! A step as the kernels know it.

use crate::outline::Optimizer;

/// Its 32-bit words.
pub(super) const STEP_WORDS: usize = 10;

pub(super) const ACCUMULATES: u32 = 1;
pub(super) const HAS_ACCUMULATED: u32 = 2;
pub(super) const BEGINS_AVERAGE: u32 = 4;
pub(super) const SKIPS: u32 = 8;
pub(super) const OF_AVERAGE: u32 = 16;

/// One that a network takes no part in.
pub(super) const fn skipped_step() -> [u32; STEP_WORDS] {
    let mut step = [0; STEP_WORDS];
    step[2] = SKIPS;
    step
}

/// Rate, scale of the root, length of the step, and what decoupled decay leaves, as the kernels want them.
pub(super) fn rates_of(optimizer: Optimizer, rate: f64, step: u32) -> [f64; 4] {
    let Optimizer::Adam {
        betas, weight_decay, ..
    } = optimizer
    else {
        return [rate, 1.0, rate, 1.0];
    };
    let step = i32::try_from(step).unwrap_or(i32::MAX);
    let root_scale = 1.0 / (1.0 - betas.1.powi(step)).sqrt();
    let length = rate / (1.0 - betas.0.powi(step));
    [rate, root_scale, length, 1.0 - rate * weight_decay]
}
