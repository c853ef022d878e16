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

    /// The mean over a batch of each row's loss, times its weight if there are weights, as a tensor that can be
    /// differentiated. All of shape `n`.
    ///
    /// # Errors
    /// [`NnError::Torch`] if the shapes differ.
    pub fn mean(&self, predicted: &Tensor, target: &Tensor, weights: Option<&Tensor>) -> Result<Tensor> {
        let reduction = match weights {
            Some(_) => Reduction::None,
            None => Reduction::Mean,
        };
        let loss = match *self {
            Self::Mse => predicted.f_mse_loss(target, reduction)?,
            Self::Mae => predicted.f_l1_loss(target, reduction)?,
            Self::Huber { delta } => predicted.f_huber_loss(target, reduction, delta)?,
        };
        Ok(match weights {
            Some(weights) => loss.f_mul(weights)?.f_mean(None)?,
            None => loss,
        })
    }

    /// The mean loss over plain numbers, weighted if there are weights, computed in f64; NaN without rows.
    pub fn mean_of(&self, predicted: &[f64], target: &[f64], weights: Option<&[f64]>) -> f64 {
        let (mut total, mut rows) = (0.0, 0.0);
        for (row, (p, t)) in predicted.iter().zip(target).enumerate() {
            let weight = weights.map_or(1.0, |weights| weights.get(row).copied().unwrap_or(0.0));
            total += weight * self.of_error((p - t).abs());
            rows += weight;
        }
        total / rows
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
            let (p, t) = (Tensor::from_slice(&predicted), Tensor::from_slice(&target));
            let tensor = loss.mean(&p, &t, None).unwrap();
            approx::assert_relative_eq!(tensor.double_value(&[]), loss.mean_of(&predicted, &target, None));
            // Of mean 1, so that both means are the same.
            let weights = [0.5, 2.0, 0.0, 1.5];
            let tensor = loss.mean(&p, &t, Some(&Tensor::from_slice(&weights))).unwrap();
            let ours = loss.mean_of(&predicted, &target, Some(&weights));
            approx::assert_relative_eq!(tensor.double_value(&[]), ours);
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
