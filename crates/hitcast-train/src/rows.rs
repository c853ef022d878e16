//! Rows that engines take: what they must be, and how much each counts.

use hitcast_core::{Dataset, Task};
use hitcast_nn::{Loss, Network, NnError};

use crate::error::{Result, TrainError};
use crate::settings::TrainingSettings;

/// The largest loss that an error as large as a row's target may have: a batch of a million such rows can still be added up
/// in 32-bit floats.
const LARGEST_LOSS: f64 = f32::MAX as f64 / 1_048_576.0;

/// What rows must be that a network learns from, or is measured by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ExpectedRows {
    pub(crate) task: Task,
    pub(crate) n_features: usize,
    pub(crate) loss: Loss,
}

impl ExpectedRows {
    pub(crate) fn of(network: &Network, settings: &TrainingSettings) -> Self {
        let task = network.spec().head.task();
        Self {
            task,
            n_features: network.n_inputs(),
            loss: settings.loss_of(task),
        }
    }

    /// Refuses rows of another task or other columns, with missing values, or with targets that 32-bit floats cannot learn.
    pub(crate) fn check(&self, rows: &Dataset) -> Result<()> {
        rows.expect_task(self.task).map_err(NnError::from)?;
        if rows.n_features() != self.n_features {
            return Err(TrainError::Columns {
                expected: self.n_features,
                got: rows.n_features(),
            });
        }
        rows.features().expect_complete().map_err(NnError::from)?;
        if self.task != Task::Regression {
            return Ok(());
        }
        let is_too_large = |target: f64| self.loss.of_error(target.abs()) > LARGEST_LOSS;
        let mut targets = rows.target().iter().copied().enumerate();
        match targets.find(|(_, value)| is_too_large(*value)) {
            Some((row, value)) => Err(TrainError::Target { row, value }),
            None => Ok(()),
        }
    }
}

/// The weights of the rows, scaled to a mean of 1, so that they do not change how long steps are on the whole.
#[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss)]
pub(crate) fn scaled_weights(data: &Dataset) -> Option<Vec<f32>> {
    let weights = data.weights()?;
    let largest = weights
        .iter()
        .fold(0.0, |largest: f64, weight| largest.max(*weight));
    let mean = hitcast_core::stats::sum(weights.iter().map(|weight| weight / largest)) / weights.len() as f64;
    Some(
        weights
            .iter()
            .map(|weight| (weight / largest / mean) as f32)
            .collect(),
    )
}
