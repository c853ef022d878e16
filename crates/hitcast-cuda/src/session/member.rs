//! What a device holds for one network.

use super::step::STEP_WORDS;
use crate::buffer::Buffer;

/// What was remembered of a network.
#[derive(Debug)]
pub(super) struct Remembered {
    pub(super) parameters: Buffer<f32>,
    pub(super) statistics: Buffer<f32>,
}

/// Rows on the device.
#[derive(Debug)]
pub(super) struct DeviceRows {
    pub(super) n: usize,
    pub(super) features: Buffer<f32>,
    pub(super) target: Buffer<f32>,
    pub(super) weights: Option<Buffer<f32>>,
}

/// One of the networks.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) seed: u64,
    pub(super) train: DeviceRows,
    pub(super) validation: Option<DeviceRows>,
    pub(super) order: Buffer<u32>,
    pub(super) parameters: Buffer<f32>,
    pub(super) statistics: Buffer<f32>,
    pub(super) gradient: Buffer<f32>,
    pub(super) first: Buffer<f32>,
    pub(super) second: Buffer<f32>,
    pub(super) average: Buffer<f32>,
    pub(super) accumulated: Buffer<f32>,
    pub(super) partials: Buffer<f32>,
    pub(super) partial_losses: Buffer<f32>,
    pub(super) partial_squares: Buffer<f32>,
    pub(super) losses: Buffer<f32>,
    pub(super) tiles: Buffer<f32>,
    pub(super) moments: Buffer<f32>,
    pub(super) norms: Buffer<f32>,
    pub(super) predictions: Buffer<f32>,
    pub(super) sums: Buffer<f64>,
    pub(super) confusion: Buffer<u32>,
    pub(super) remembered: Option<Remembered>,
    pub(super) has_average: bool,
    pub(super) steps: u32,
    pub(super) batches: u32,
    /// Rows of the gradient that is kept for the next step.
    pub(super) accumulated_rows: usize,
    /// Batches whose losses were not taken yet, those of them that the host has, and steps that wait.
    pub(super) untaken: usize,
    pub(super) taken: Vec<f32>,
    pub(super) waiting: Vec<[u32; STEP_WORDS]>,
}
