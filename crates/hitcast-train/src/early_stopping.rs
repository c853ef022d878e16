//! When to stop, and which weights to keep (Prechelt 1998).

use serde::{Deserialize, Serialize};

use crate::error::{Result, TrainError, at_least_zero};

/// Stops when the validation loss has not improved for `patience` epochs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EarlyStopping {
    /// Epochs without improvement after which training stops, at least 1.
    pub patience: usize,
    /// How much smaller a loss must be to count as better, at least 0.
    pub min_delta: f64,
    /// Epochs at the start whose losses are not counted as bad.
    pub warm_up: usize,
    /// Whether the weights of the best epoch are brought back at the end.
    pub restore_best: bool,
}

impl Default for EarlyStopping {
    fn default() -> Self {
        Self {
            patience: 10,
            min_delta: 0.0,
            warm_up: 0,
            restore_best: true,
        }
    }
}

impl EarlyStopping {
    /// Checks every setting.
    ///
    /// # Errors
    /// [`TrainError::Setting`] naming the setting, its value and what it may be.
    pub fn check(&self) -> Result<()> {
        if self.patience == 0 {
            return Err(TrainError::setting("early_stopping.patience", 0, "at least 1"));
        }
        at_least_zero("early_stopping.min_delta", self.min_delta)
    }

    /// Starts watching.
    pub fn watch(self) -> Watch {
        Watch {
            settings: self,
            best: f64::INFINITY,
            epochs: 0,
            bad_epochs: 0,
        }
    }
}

/// Early stopping under way; usable in any loop.
///
/// ```
/// use hitcast_train::EarlyStopping;
///
/// let mut watch = EarlyStopping { patience: 2, ..Default::default() }.watch();
/// assert!(!watch.observe(1.0));
/// assert!(!watch.observe(1.5));
/// assert!(watch.observe(1.2));
/// ```
#[derive(Debug, Clone)]
pub struct Watch {
    settings: EarlyStopping,
    best: f64,
    epochs: usize,
    bad_epochs: usize,
}

impl Watch {
    /// Takes the validation loss of an epoch that ended, and says whether to stop now.
    pub fn observe(&mut self, validation_loss: f64) -> bool {
        self.epochs += 1;
        if validation_loss < self.best - self.settings.min_delta {
            self.best = validation_loss;
            self.bad_epochs = 0;
        } else if self.epochs > self.settings.warm_up {
            self.bad_epochs += 1;
        }
        self.bad_epochs >= self.settings.patience
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stops_at(settings: EarlyStopping, losses: &[f64]) -> Option<usize> {
        let mut watch = settings.watch();
        losses.iter().position(|&loss| watch.observe(loss))
    }

    #[test]
    fn patience_counts_epochs_since_the_best() {
        let settings = EarlyStopping {
            patience: 2,
            ..Default::default()
        };
        assert_eq!(stops_at(settings, &[3.0, 2.0, 2.5, 1.9, 2.0, 2.0, 0.0]), Some(5));
        assert_eq!(stops_at(settings, &[3.0, 2.0, 1.0]), None);
    }

    #[test]
    fn a_small_change_is_none_and_the_warm_up_does_not_count() {
        let settings = EarlyStopping {
            patience: 2,
            min_delta: 0.5,
            ..Default::default()
        };
        assert_eq!(stops_at(settings, &[3.0, 2.9, 2.8, 2.7]), Some(2));
        let settings = EarlyStopping {
            warm_up: 3,
            ..settings
        };
        assert_eq!(stops_at(settings, &[3.0, 2.9, 2.8, 2.7, 2.6]), Some(4));
    }
}
