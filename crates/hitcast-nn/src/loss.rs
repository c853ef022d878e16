//! What is minimised.

use serde::{Deserialize, Serialize};
use tch::{Reduction, Tensor};

use crate::error::{NnError, Result};

/// A loss between predictions and targets, as a mean over the rows of a batch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "LossForm", into = "LossForm")]
#[non_exhaustive]
pub enum Loss {
    /// Mean squared error.
    #[default]
    Mse,
    /// Mean absolute error.
    Mae,
    /// Squared near zero, absolute beyond `delta` (Huber 1964), as PyTorch's `HuberLoss`.
    Huber {
        /// Where it changes, above 0, in the target's unit.
        delta: f64,
    },
}

/// A loss in a file: a word, or a table with a word and its settings.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum LossForm {
    Word(LossWord),
    Table(LossTable),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum LossWord {
    Mse,
    Mae,
    Huber,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
enum LossTable {
    Mse,
    Mae,
    Huber {
        #[serde(default = "huber_delta")]
        delta: f64,
    },
}

const fn huber_delta() -> f64 {
    1.0
}

impl From<LossForm> for Loss {
    fn from(form: LossForm) -> Self {
        match form {
            LossForm::Word(LossWord::Mse) | LossForm::Table(LossTable::Mse) => Self::Mse,
            LossForm::Word(LossWord::Mae) | LossForm::Table(LossTable::Mae) => Self::Mae,
            LossForm::Word(LossWord::Huber) => Self::Huber { delta: huber_delta() },
            LossForm::Table(LossTable::Huber { delta }) => Self::Huber { delta },
        }
    }
}

impl From<Loss> for LossForm {
    fn from(loss: Loss) -> Self {
        match loss {
            Loss::Mse => Self::Word(LossWord::Mse),
            Loss::Mae => Self::Word(LossWord::Mae),
            Loss::Huber { delta } => Self::Table(LossTable::Huber { delta }),
        }
    }
}

impl Loss {
    /// Checks the settings.
    ///
    /// # Errors
    /// [`NnError::Setting`] if Huber's delta is not above 0.
    pub fn check(&self) -> Result<()> {
        match *self {
            Self::Huber { delta } if !(delta > 0.0 && delta.is_finite()) => {
                Err(NnError::setting("loss.delta", delta, "a finite number above 0"))
            }
            _ => Ok(()),
        }
    }

    /// The mean loss over a batch, as a tensor that can be differentiated. Both of shape `n`.
    ///
    /// # Errors
    /// [`NnError::Torch`] if the shapes differ.
    pub fn mean(&self, predicted: &Tensor, target: &Tensor) -> Result<Tensor> {
        Ok(match *self {
            Self::Mse => predicted.f_mse_loss(target, Reduction::Mean)?,
            Self::Mae => predicted.f_l1_loss(target, Reduction::Mean)?,
            Self::Huber { delta } => predicted.f_huber_loss(target, Reduction::Mean, delta)?,
        })
    }

    /// The mean loss over plain numbers, computed in f64; NaN without rows.
    #[allow(clippy::cast_precision_loss)]
    pub fn mean_of(&self, predicted: &[f64], target: &[f64]) -> f64 {
        let total: f64 = predicted
            .iter()
            .zip(target)
            .map(|(p, t)| self.of_error((p - t).abs()))
            .sum();
        total / predicted.len().min(target.len()) as f64
    }

    fn of_error(self, error: f64) -> f64 {
        match self {
            Self::Mse => error * error,
            Self::Mae => error,
            Self::Huber { delta } if error <= delta => 0.5 * error * error,
            Self::Huber { delta } => delta * (error - 0.5 * delta),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plain_mean_is_libtorchs() {
        let (predicted, target) = ([1.0, 5.0, -2.0, 0.5], [1.5, 2.0, -2.0, 9.0]);
        for loss in [
            Loss::Mse,
            Loss::Mae,
            Loss::Huber { delta: 1.0 },
            Loss::Huber { delta: 4.0 },
        ] {
            let tensor = loss
                .mean(&Tensor::from_slice(&predicted), &Tensor::from_slice(&target))
                .unwrap();
            approx::assert_relative_eq!(tensor.double_value(&[]), loss.mean_of(&predicted, &target));
        }
    }

    #[test]
    fn a_loss_is_a_word_or_a_table() {
        let read = |json: &str| serde_json::from_str::<Loss>(json);
        assert_eq!(read("\"mae\"").unwrap(), Loss::Mae);
        assert_eq!(read("\"huber\"").unwrap(), Loss::Huber { delta: 1.0 });
        let huber = Loss::Huber { delta: 2.5 };
        assert_eq!(read(&serde_json::to_string(&huber).unwrap()).unwrap(), huber);
        assert!(read("\"mape\"").is_err());
        assert!(Loss::Huber { delta: 0.0 }.check().is_err());
    }
}
