//! Code of your own after each epoch.

use std::ops::ControlFlow;

use hitcast_core::EpochRecord;

/// Called after each epoch; a closure of the same shape is one too.
pub trait Callback {
    /// Looks at what the epoch brought; [`ControlFlow::Break`] ends the training after it.
    fn on_epoch_end(&mut self, record: &EpochRecord) -> ControlFlow<()>;
}

impl<F: FnMut(&EpochRecord) -> ControlFlow<()>> Callback for F {
    fn on_epoch_end(&mut self, record: &EpochRecord) -> ControlFlow<()> {
        self(record)
    }
}
