//! What a device holds for one network.

use std::sync::Arc;

use cudarc::driver::CudaStream;

use super::kernels::Kernels;
use super::step::STEP_WORDS;
use super::{Rows, Split};
use crate::buffer::Buffer;
use crate::error::{CudaError, Result};
use crate::outline::{Optimizer, Outline, Output, Update};
use crate::program::predict_blocks;

/// Losses that the device keeps until they are asked for.
pub(super) const LOSSES: usize = 1 << 14;

/// 64-bit words of a network as the kernels know it.
pub(super) const NETWORK_WORDS: usize = 22;

/// Sums of a block of `measure`.
pub(super) const SUMS: usize = 5;

/// What the networks of a session have in common.
#[derive(Debug)]
pub(super) struct Kind {
    pub(super) n_inputs: usize,
    pub(super) n_parameters: usize,
    pub(super) n_statistics: usize,
    /// Numbers predicted for a row.
    pub(super) width: usize,
    pub(super) n_classes: Option<usize>,
    /// Of a batch.
    pub(super) least_rows: usize,
    pub(super) optimizer: Optimizer,
    pub(super) keeps_average: bool,
    pub(super) clips: bool,
}

impl Kind {
    pub(super) fn new(outline: &Outline, update: &Update) -> Self {
        let (n_parameters, n_statistics) = outline.sizes();
        Self {
            n_inputs: outline.inputs,
            n_parameters,
            n_statistics,
            width: outline.output.width(),
            n_classes: match outline.output {
                Output::Number { .. } => None,
                Output::Classes { n, .. } => Some(n),
            },
            least_rows: if outline.has_norm() { 2 } else { 1 },
            optimizer: update.optimizer,
            keeps_average: update.average_decay.is_some(),
            clips: update.clip_norm.is_some(),
        }
    }
}

/// Numbers that a network predicts by.
#[derive(Debug)]
pub(super) struct Remembered {
    pub(super) parameters: Buffer<f32>,
    pub(super) statistics: Buffer<f32>,
}

/// Rows on the device.
#[derive(Debug)]
pub(super) struct DeviceRows {
    pub(super) n: usize,
    features: Buffer<f32>,
    target: Buffer<f32>,
    weights: Option<Buffer<f32>>,
}

impl DeviceRows {
    /// Copies rows to the device, once they fit the network.
    pub(super) fn upload(stream: &Arc<CudaStream>, rows: Rows<'_>, kind: &Kind) -> Result<Self> {
        let n = rows.target.len();
        if let Some(n_classes) = kind.n_classes {
            #[allow(clippy::cast_precision_loss)]
            let is_class = |value: f32| value >= 0.0 && value < n_classes as f32 && value.fract() == 0.0;
            let mut targets = rows.target.iter().enumerate();
            if let Some((row, &value)) = targets.find(|(_, value)| !is_class(**value)) {
                return Err(CudaError::Class {
                    row,
                    value,
                    n_classes,
                });
            }
        }
        CudaError::expect_length("features", rows.features.len(), n * kind.n_inputs)?;
        if let Some(weights) = rows.weights {
            CudaError::expect_length("weights", weights.len(), n)?;
        }
        Ok(Self {
            n,
            features: Buffer::from(stream, rows.features)?,
            target: Buffer::from(stream, rows.target)?,
            weights: rows
                .weights
                .map(|weights| Buffer::from(stream, weights))
                .transpose()?,
        })
    }
}

/// One of the networks.
#[derive(Debug)]
pub(super) struct Member {
    seed: u64,
    pub(super) train: DeviceRows,
    pub(super) validation: Option<DeviceRows>,
    pub(super) order: Buffer<u32>,
    pub(super) parameters: Buffer<f32>,
    pub(super) statistics: Buffer<f32>,
    gradient: Buffer<f32>,
    pub(super) first: Buffer<f32>,
    pub(super) second: Buffer<f32>,
    pub(super) average: Buffer<f32>,
    accumulated: Buffer<f32>,
    partials: Buffer<f32>,
    partial_losses: Buffer<f32>,
    partial_squares: Buffer<f32>,
    pub(super) losses: Buffer<f32>,
    tiles: Buffer<f32>,
    moments: Buffer<f32>,
    norms: Buffer<f32>,
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

impl Member {
    /// One whose numbers are zero, without rows.
    pub(super) fn new(kernels: &Kernels, kind: &Kind, seed: u64) -> Result<Self> {
        let (stream, program) = (&kernels.stream, &kernels.program);
        let floats = |n: usize| Buffer::<f32>::zeros(stream, n);
        let if_so = |wanted: bool, n: usize| floats(if wanted { n } else { 0 });
        let (parameters, statistics) = (kind.n_parameters, kind.n_statistics);
        let (has_first, has_second) = match kind.optimizer {
            Optimizer::Sgd { momentum, .. } => (momentum != 0.0, false),
            Optimizer::Adam { .. } => (true, true),
        };
        let pairs = if kind.width > 1 { kind.width.pow(2) } else { 0 };
        Ok(Self {
            seed,
            train: DeviceRows {
                n: 0,
                features: floats(0)?,
                target: floats(0)?,
                weights: None,
            },
            validation: None,
            order: Buffer::zeros(stream, 0)?,
            parameters: floats(parameters)?,
            statistics: floats(statistics)?,
            gradient: if_so(kind.clips, parameters)?,
            first: if_so(has_first, parameters)?,
            second: if_so(has_second, parameters)?,
            average: if_so(kind.keeps_average, parameters + statistics)?,
            accumulated: floats(parameters)?,
            partials: floats(program.blocks * parameters)?,
            partial_losses: floats(program.tiles)?,
            partial_squares: floats(kernels.update_blocks)?,
            losses: floats(LOSSES)?,
            tiles: floats(program.kept)?,
            moments: floats(program.moments)?,
            norms: floats(program.norms)?,
            predictions: floats(0)?,
            sums: Buffer::zeros(stream, SUMS * predict_blocks(kernels.geometry))?,
            confusion: Buffer::zeros(stream, pairs)?,
            remembered: None,
            has_average: false,
            steps: 0,
            batches: 0,
            accumulated_rows: 0,
            untaken: 0,
            taken: Vec::new(),
            waiting: Vec::new(),
        })
    }

    /// The rows of a split, if there are any.
    pub(super) fn rows(&self, split: Split) -> Option<&DeviceRows> {
        match split {
            Split::Train => Some(&self.train),
            Split::Validation => self.validation.as_ref(),
        }
    }

    /// Makes room for the predictions of either split.
    pub(super) fn make_room_for_predictions(&mut self, stream: &Arc<CudaStream>, width: usize) -> Result<()> {
        let validation = self.validation.as_ref().map_or(0, |rows| rows.n);
        let wanted = width * self.train.n.max(validation);
        if self.predictions.len() < wanted {
            self.predictions = Buffer::zeros(stream, wanted)?;
        }
        Ok(())
    }

    /// What tells the kernels where everything stands, with the rows of this split to look at.
    pub(super) fn words(&self, split: Split) -> Option<[u64; NETWORK_WORDS]> {
        let rows = self.rows(split)?;
        Some([
            rows.features.address(),
            rows.target.address(),
            rows.weights.as_ref().map_or(0, Buffer::address),
            self.order.address(),
            self.parameters.address(),
            self.statistics.address(),
            self.gradient.address(),
            self.first.address(),
            self.second.address(),
            self.average.address(),
            self.accumulated.address(),
            self.partials.address(),
            self.partial_losses.address(),
            self.partial_squares.address(),
            self.losses.address(),
            self.tiles.address(),
            self.moments.address(),
            self.norms.address(),
            self.predictions.address(),
            self.sums.address(),
            self.confusion.address(),
            self.seed,
        ])
    }
}
