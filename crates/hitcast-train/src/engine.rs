//! One training step, behind a trait: the [`Trainer`](crate::Trainer) says when, an [`Engine`] does.

use std::ops::Range;

use hitcast_core::{Dataset, ModelState, Predictions};
use hitcast_nn::Loss;

use crate::error::Result;
use crate::sums::Sums;

/// Rows that an engine holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Split {
    /// The rows that are learned from.
    Train,
    /// The rows that are only looked at.
    Validation,
}

/// Does the work of training: holds the data, the weights and the optimiser's state where the work is done.
///
/// [`AutogradEngine`](crate::AutogradEngine) is the reference. Implement it to train another kind of module, or the same one faster.
pub trait Engine {
    /// Takes other training rows of the same columns in place of those it holds, in their own order.
    ///
    /// # Errors
    /// As where the engine was made, if they are of another task or have other columns; what it runs into.
    fn replace_rows(&mut self, rows: &Dataset) -> Result<()>;

    /// Puts the training rows into this order for the epoch that begins.
    ///
    /// # Errors
    /// What the engine runs into, as do all methods.
    fn begin_epoch(&mut self, order: &[usize]) -> Result<()>;

    /// Takes in the gradient of the rows at these places of the order, for the next step.
    ///
    /// # Errors
    /// What the engine runs into.
    fn accumulate(&mut self, rows: Range<usize>) -> Result<()>;

    /// Learns from the rows at these places of the order and from those taken in since the last step: follows the mean
    /// gradient over all of them.
    ///
    /// # Errors
    /// What the engine runs into.
    fn step(&mut self, rows: Range<usize>, learning_rate: f64) -> Result<()>;

    /// What computes, and so decides how results are rounded, as in `avx512`: from a state of this engine, one that names
    /// something else comes near to the same results, but not to the same bits.
    fn arithmetic(&self) -> String {
        String::new()
    }

    /// Whether steps are only queued when they return, so that something else can be done meanwhile.
    fn is_ahead(&self) -> bool {
        false
    }

    /// Batches after which the trainer asks for losses: few where asking costs little.
    fn look_every(&self) -> usize {
        64
    }

    /// The losses of the batches since the last call, in order. May wait for the device; the trainer asks rarely.
    ///
    /// # Errors
    /// What the engine runs into.
    fn take_losses(&mut self) -> Result<Vec<f32>>;

    /// Predicts all rows of a split in their own order, as they would be predicted later (no dropout; by the average of the
    /// weights, where one is kept).
    ///
    /// # Errors
    /// What the engine runs into.
    fn predict(&mut self, split: Split) -> Result<Predictions>;

    /// Predicts all rows of a split as [`predict`](Self::predict) does, and gives `take` so many at a time, in order, that they
    /// need not all be held: a multiple of [`PART_ROWS`](crate::PART_ROWS) but for the last. All at once by default.
    ///
    /// # Errors
    /// What the engine runs into.
    fn predict_in_parts(&mut self, split: Split, take: &mut dyn FnMut(Predictions)) -> Result<()> {
        take(self.predict(split)?);
        Ok(())
    }

    /// Sums over what it would predict for a split by this loss, computed where the rows are; `None`, the default, where they
    /// are predicted first.
    ///
    /// # Errors
    /// What the engine runs into.
    fn measure(&mut self, _split: Split, _loss: Loss) -> Result<Option<Sums>> {
        Ok(None)
    }

    /// Remembers the weights as they are (or their average, where one is kept), in place of those remembered before.
    ///
    /// # Errors
    /// What the engine runs into.
    fn remember(&mut self) -> Result<()>;

    /// Brings the remembered weights back; an average begins anew.
    ///
    /// # Errors
    /// What the engine runs into.
    fn recall(&mut self) -> Result<()>;

    /// Everything that the steps to come depend on, besides the rows: weights, remembered weights, the optimiser's state,
    /// random states; tensors of 32-bit floats, and the rest as settings. A gradient that was taken in since the last step is
    /// no part of it: ask between a step and what comes next.
    ///
    /// # Errors
    /// What the engine runs into.
    fn state(&mut self) -> Result<ModelState>;

    /// Goes back to such a state, with no gradient taken in since.
    ///
    /// # Errors
    /// [`TrainError::Network`](crate::TrainError::Network) if it is of another engine or network.
    fn restore(&mut self, state: &ModelState) -> Result<()>;
}
