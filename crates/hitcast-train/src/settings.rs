//! Everything about a training run that is chosen beforehand.

use hitcast_core::Task;
use hitcast_nn::{Head, Loss};
use serde::{Deserialize, Serialize};

use crate::choice::EngineChoice;
use crate::early_stopping::EarlyStopping;
use crate::error::{Result, TrainError, positive, share};
use crate::optimizer::{DecayedParameters, OptimizerSettings};
use crate::schedule::Schedule;

/// How a network is trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainingSettings {
    /// Times that every training row is gone through, at most; at least 1.
    pub epochs: usize,
    /// Rows a step; at least 1. The last batch of an epoch may be shorter. With batch norm a last batch of one row is
    /// joined to the one before it.
    pub batch_size: usize,
    /// What is minimised; `None`: squared errors of numbers, cross-entropy of classes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loss: Option<Loss>,
    /// How weights follow gradients.
    pub optimizer: OptimizerSettings,
    /// The learning rate over time.
    pub schedule: Schedule,
    /// When to stop before the last epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub early_stopping: Option<EarlyStopping>,
    /// Largest Euclidean norm that the gradient of a step may have; a longer one is scaled down (Pascanu et al. 2013).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clip_gradient_norm: Option<f64>,
    /// What weight decay applies to.
    pub weight_decay_on: DecayedParameters,
    /// Batches whose gradients make one step; at least 1. A step then follows the mean gradient over all their rows, as
    /// one of a batch that large would, in the memory of a small one; batch norm still sees each batch alone. What is left
    /// at the end of an epoch makes a step of its own.
    pub accumulate_batches: usize,
    /// Decay of the exponential moving average of the weights after each step (Polyak and Juditsky 1992), in [0, 1), as in
    /// 0.999. The average, which begins with the weights after the first step, is what is validated, kept and returned;
    /// `None`: the weights themselves are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ema_decay: Option<f64>,
    /// Whether the training rows are measured after every epoch as the validation rows are, which takes about a quarter of the
    /// time of small networks; their loss while they are learned from is told anyway.
    pub measure_training_rows: bool,
    /// What does the work.
    pub engine: EngineChoice,
}

impl Default for TrainingSettings {
    fn default() -> Self {
        Self {
            epochs: 50,
            batch_size: 64,
            loss: None,
            optimizer: OptimizerSettings::default(),
            schedule: Schedule::default(),
            early_stopping: None,
            clip_gradient_norm: None,
            weight_decay_on: DecayedParameters::default(),
            accumulate_batches: 1,
            ema_decay: None,
            measure_training_rows: true,
            engine: EngineChoice::default(),
        }
    }
}

impl TrainingSettings {
    /// What is minimised by a network with this head.
    pub fn loss_for(&self, head: Head) -> Loss {
        self.loss_of(head.task())
    }

    /// What is minimised by a network for this task.
    pub(crate) fn loss_of(&self, task: Task) -> Loss {
        self.loss.unwrap_or_else(|| Loss::of_task(task))
    }

    /// Checks the settings that concern a single step of a network with this head.
    pub(crate) fn check_step(&self, head: Head) -> Result<()> {
        self.loss_for(head).check_for(head)?;
        self.check_update()
    }

    fn check_update(&self) -> Result<()> {
        self.optimizer.check()?;
        if let Some(norm) = self.clip_gradient_norm {
            positive("clip_gradient_norm", norm)?;
        }
        if let Some(decay) = self.ema_decay {
            share("ema_decay", decay)?;
        }
        Ok(())
    }

    /// Checks every setting, also against the number of training rows.
    ///
    /// # Errors
    /// [`TrainError::Setting`] naming the setting, its value and what it may be; [`TrainError::NoValidation`] if a
    /// setting needs validation rows and there are none.
    pub fn check(&self, training_rows: usize, has_validation: bool) -> Result<()> {
        if self.epochs == 0 {
            return Err(TrainError::setting("epochs", self.epochs, "at least 1"));
        }
        if self.batch_size == 0 || self.batch_size > training_rows {
            let expected = format!("from 1 to the {training_rows} training rows");
            return Err(TrainError::setting("batch_size", self.batch_size, expected));
        }
        if let Some(loss) = self.loss {
            loss.check()?;
        }
        self.check_update()?;
        self.schedule.check()?;
        if let Some(early_stopping) = &self.early_stopping {
            early_stopping.check()?;
        }
        if self.accumulate_batches == 0 {
            return Err(TrainError::setting(
                "accumulate_batches",
                self.accumulate_batches,
                "at least 1",
            ));
        }
        if !has_validation && self.early_stopping.is_some() {
            return Err(TrainError::NoValidation {
                setting: "early_stopping",
            });
        }
        if !has_validation && self.schedule.watches_validation() {
            return Err(TrainError::NoValidation {
                setting: "schedule reduce_on_plateau",
            });
        }
        Ok(())
    }
}
