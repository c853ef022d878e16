//! Code of your own after each epoch.

use std::ops::ControlFlow;

use hitcast_core::EpochRecord;

/// Called after each epoch; a closure of the same shape is one too.
pub trait Callback {
    /// Looks at what the epoch brought; [`ControlFlow::Break`] ends the training after it.
    fn on_epoch_end(&mut self, record: &EpochRecord) -> ControlFlow<()>;

    /// Takes the epochs before a checkpoint that the training goes on from, or that it had ended with, before anything else.
    ///
    /// By default each is looked at by [`on_epoch_end`](Self::on_epoch_end), so that a callback that counts or watches breaks
    /// where it would have broken without the interruption; what it gives for them counts no more. One that writes or prints
    /// what it sees, and has done so before, may do nothing here.
    fn on_resume(&mut self, history: &[EpochRecord]) {
        for record in history {
            let _ = self.on_epoch_end(record);
        }
    }
}

impl<F: FnMut(&EpochRecord) -> ControlFlow<()>> Callback for F {
    fn on_epoch_end(&mut self, record: &EpochRecord) -> ControlFlow<()> {
        self(record)
    }
}
