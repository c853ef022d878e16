//! What is minimised.

use hitcast_core::{Predictions, Task};
use ndarray::ArrayView1;
use serde::{Deserialize, Serialize};
use tch::{Kind, Reduction, Tensor};

use crate::error::{NnError, Result};
use crate::spec::Head;

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
    /// Cross-entropy of the classes: of two by their logit, of ordered ones the cumulative link's likelihood.
    CrossEntropy {
        /// Share of each target that is spread evenly over all classes (Szegedy et al. 2016), at least 0 and below 1.
        label_smoothing: f64,
    },
    /// Cross-entropy in which rows count the less, the surer the network is of their class: `−(1 − p)^γ ln p` (Lin et al.
    /// 2017). What the paper calls α are class weights.
    Focal {
        /// γ, at least 0; 2 in the paper.
        gamma: f64,
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
    CrossEntropy,
    Focal,
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
    CrossEntropy {
        #[serde(default)]
        label_smoothing: f64,
    },
    Focal {
        #[serde(default = "focal_gamma")]
        gamma: f64,
    },
}

const fn huber_delta() -> f64 {
    1.0
}

const fn focal_gamma() -> f64 {
    2.0
}

impl From<LossForm> for Loss {
    fn from(form: LossForm) -> Self {
        match form {
            LossForm::Word(LossWord::Mse) | LossForm::Table(LossTable::Mse) => Self::Mse,
            LossForm::Word(LossWord::Mae) | LossForm::Table(LossTable::Mae) => Self::Mae,
            LossForm::Word(LossWord::Huber) => Self::Huber { delta: huber_delta() },
            LossForm::Table(LossTable::Huber { delta }) => Self::Huber { delta },
            LossForm::Word(LossWord::CrossEntropy) => Self::CrossEntropy { label_smoothing: 0.0 },
            LossForm::Table(LossTable::CrossEntropy { label_smoothing }) => {
                Self::CrossEntropy { label_smoothing }
            }
            LossForm::Word(LossWord::Focal) => Self::Focal { gamma: focal_gamma() },
            LossForm::Table(LossTable::Focal { gamma }) => Self::Focal { gamma },
        }
    }
}

impl From<Loss> for LossForm {
    fn from(loss: Loss) -> Self {
        match loss {
            Loss::Mse => Self::Word(LossWord::Mse),
            Loss::Mae => Self::Word(LossWord::Mae),
            Loss::Huber { delta } => Self::Table(LossTable::Huber { delta }),
            Loss::CrossEntropy { label_smoothing: 0.0 } => Self::Word(LossWord::CrossEntropy),
            Loss::CrossEntropy { label_smoothing } => {
                Self::Table(LossTable::CrossEntropy { label_smoothing })
            }
            Loss::Focal { gamma } => Self::Table(LossTable::Focal { gamma }),
        }
    }
}

impl Loss {
    /// What is minimised unless something else is asked for: squared errors of numbers, cross-entropy of classes.
    pub const fn of_task(task: Task) -> Self {
        match task {
            Task::Classification { .. } => Self::CrossEntropy { label_smoothing: 0.0 },
            _ => Self::Mse,
        }
    }

    /// Whether it is a loss of classes.
    pub const fn is_of_classes(&self) -> bool {
        matches!(self, Self::CrossEntropy { .. } | Self::Focal { .. })
    }

    /// Checks the settings.
    ///
    /// # Errors
    /// [`NnError::Setting`] if Huber's delta is not above 0, focal's gamma is negative, or label smoothing is not in [0, 1).
    pub fn check(&self) -> Result<()> {
        match *self {
            Self::Huber { delta } if !(delta > 0.0 && delta.is_finite()) => {
                Err(NnError::setting("loss.delta", delta, "a finite number above 0"))
            }
            Self::Focal { gamma } if !(gamma >= 0.0 && gamma.is_finite()) => Err(NnError::setting(
                "loss.gamma",
                gamma,
                "a finite number, at least 0",
            )),
            Self::CrossEntropy { label_smoothing } if !(0.0..1.0).contains(&label_smoothing) => Err(
                NnError::setting("loss.label_smoothing", label_smoothing, "at least 0 and below 1"),
            ),
            _ => Ok(()),
        }
    }

    /// Checks the settings, and that the loss is one of what the head predicts.
    ///
    /// # Errors
    /// [`NnError::Setting`].
    pub fn check_for(&self, head: Head) -> Result<()> {
        self.check()?;
        match (self.is_of_classes(), head.is_of_classes()) {
            (true, false) => Err(NnError::setting(
                "loss",
                self.name(),
                "mse, mae or huber for numbers",
            )),
            (false, true) => Err(NnError::setting(
                "loss",
                self.name(),
                "cross_entropy or focal for classes",
            )),
            _ => Ok(()),
        }
    }

    const fn name(&self) -> &'static str {
        match self {
            Self::Mse => "mse",
            Self::Mae => "mae",
            Self::Huber { .. } => "huber",
            Self::CrossEntropy { .. } => "cross_entropy",
            Self::Focal { .. } => "focal",
        }
    }

    /// The mean over a batch of each row's loss, times its weight if there are weights, as a tensor that can be
    /// differentiated: of what goes into the head ([`Network::units`](crate::Network::units)), and the targets (`n`, of
    /// classes their numbers).
    ///
    /// # Errors
    /// [`NnError::Torch`] if the shapes differ.
    pub fn mean(
        &self,
        head: Head,
        units: &Tensor,
        target: &Tensor,
        weights: Option<&Tensor>,
    ) -> Result<Tensor> {
        let reduction = match weights {
            Some(_) => Reduction::None,
            None => Reduction::Mean,
        };
        let loss = match *self {
            Self::Mse => head.predict(units)?.f_mse_loss(target, reduction)?,
            Self::Mae => head.predict(units)?.f_l1_loss(target, reduction)?,
            Self::Huber { delta } => head.predict(units)?.f_huber_loss(target, reduction, delta)?,
            Self::CrossEntropy { label_smoothing } => {
                let logs = head.log_probabilities(units)?;
                let mut loss = actual(&logs, target)?.f_mul_scalar(label_smoothing - 1.0)?;
                if label_smoothing > 0.0 {
                    let even = logs.f_mean_dim(1, false, None)?;
                    loss = loss.f_sub(&even.f_mul_scalar(label_smoothing)?)?;
                }
                reduced(loss, reduction)?
            }
            Self::Focal { gamma } => {
                let log = actual(&head.log_probabilities(units)?, target)?;
                // A power of 0 has no derivative that could be multiplied by 0.
                let missing = log
                    .f_expm1()?
                    .f_neg()?
                    .f_clamp_min(f64::from(f32::MIN_POSITIVE))?;
                let loss = missing.f_pow_tensor_scalar(gamma)?.f_mul(&log)?.f_neg()?;
                reduced(loss, reduction)?
            }
        };
        Ok(match weights {
            Some(weights) => loss.f_mul(weights)?.f_mean(None)?,
            None => loss,
        })
    }

    /// The mean loss of predictions, weighted if there are weights, computed in f64; NaN without rows. Of classes the
    /// targets are their numbers, and a probability counts as at least 1e-38.
    pub fn mean_of(&self, predicted: &Predictions, target: &[f64], weights: Option<&[f64]>) -> f64 {
        match predicted {
            Predictions::Classification(probabilities) => {
                let rows = probabilities.rows().into_iter().zip(target);
                self.weighted_mean(rows.map(|(row, &class)| self.of_class(row, class)), weights)
            }
            other => {
                let values = other.values();
                let errors = values.iter().zip(target);
                self.weighted_mean(errors.map(|(p, t)| self.of_error((p - t).abs())), weights)
            }
        }
    }

    fn weighted_mean(&self, losses: impl Iterator<Item = f64>, weights: Option<&[f64]>) -> f64 {
        let (mut total, mut rows) = (0.0, 0.0);
        for (row, loss) in losses.enumerate() {
            let weight = weights.map_or(1.0, |weights| weights.get(row).copied().unwrap_or(0.0));
            total += weight * loss;
            rows += weight;
        }
        total / rows
    }

    /// The loss of a number that lies `error`, at least 0, from its target.
    pub fn of_error(self, error: f64) -> f64 {
        match self {
            Self::Mse => error * error,
            Self::Huber { delta } if error <= delta => 0.5 * error * error,
            Self::Huber { delta } => delta * (error - 0.5 * delta),
            _ => error,
        }
    }

    /// The loss of a row of this class, given the probability of each class (`k`); one counts as at least 1e-38.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss
    )]
    pub fn of_class(self, probabilities: ArrayView1<'_, f64>, class: f64) -> f64 {
        let log = |p: f64| p.max(f64::from(f32::MIN_POSITIVE)).ln();
        let p = probabilities.get(class as usize).copied().unwrap_or(0.0);
        match self {
            Self::Focal { gamma } => -(1.0 - p).powf(gamma) * log(p),
            Self::CrossEntropy { label_smoothing } if label_smoothing > 0.0 => {
                let even = probabilities.iter().copied().map(log).sum::<f64>() / probabilities.len() as f64;
                (label_smoothing - 1.0) * log(p) - label_smoothing * even
            }
            _ => -log(p),
        }
    }
}

/// The logarithm of each row's actual class, of `n × k`.
fn actual(logs: &Tensor, target: &Tensor) -> Result<Tensor> {
    let places = target.f_to_kind(Kind::Int64)?.f_unsqueeze(1)?;
    Ok(logs.f_gather(1, &places, false)?.f_squeeze_dim(1)?)
}

fn reduced(loss: Tensor, reduction: Reduction) -> Result<Tensor> {
    Ok(match reduction {
        Reduction::None => loss,
        _ => loss.f_mean(None)?,
    })
}

/// A loss of classes in 32 bits, from the logarithm of each class's probability.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum ClassLoss {
    /// See [`Loss::CrossEntropy`].
    CrossEntropy {
        /// Share that is spread over all classes.
        label_smoothing: f32,
    },
    /// See [`Loss::Focal`].
    Focal {
        /// How little the rows count that are right already.
        gamma: f32,
    },
}

impl ClassLoss {
    /// The loss in 32 bits; `None` if it is one of numbers.
    #[allow(clippy::cast_possible_truncation)]
    pub fn of(loss: Loss) -> Option<Self> {
        match loss {
            Loss::CrossEntropy { label_smoothing } => Some(Self::CrossEntropy {
                label_smoothing: label_smoothing as f32,
            }),
            Loss::Focal { gamma } => Some(Self::Focal { gamma: gamma as f32 }),
            Loss::Mse | Loss::Mae | Loss::Huber { .. } => None,
        }
    }

    /// The loss of a row of this class, and its derivatives with respect to the logarithms (length `k`).
    #[inline]
    #[allow(clippy::cast_precision_loss)]
    pub fn value_and_slopes(self, logs: &[f32], class: usize, slopes: &mut [f32]) -> f32 {
        let log = logs[class];
        match self {
            Self::CrossEntropy { label_smoothing: 0.0 } => {
                slopes.fill(0.0);
                slopes[class] = -1.0;
                -log
            }
            Self::CrossEntropy { label_smoothing } => {
                let each = label_smoothing / logs.len() as f32;
                slopes.fill(-each);
                slopes[class] -= 1.0 - label_smoothing;
                let even: f32 = logs.iter().sum();
                (label_smoothing - 1.0) * log - each * even
            }
            Self::Focal { gamma } => {
                slopes.fill(0.0);
                let missing = (-log.exp_m1()).max(f32::MIN_POSITIVE);
                let weight = missing.powf(gamma);
                slopes[class] = gamma * log.exp() * log * (weight / missing) - weight;
                -weight * log
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::head::ClassFunction;

    /// Of mean 1, so that both means are the same.
    const WEIGHTS: [f64; 4] = [0.5, 2.0, 0.0, 1.5];

    #[test]
    fn the_plain_mean_is_libtorchs() {
        let (predicted, target) = ([1.0, 5.0, -2.0, 0.5], [1.5, 2.0, -2.0, 9.0]);
        let predictions = Predictions::Regression(predicted.to_vec());
        for loss in [
            Loss::Mse,
            Loss::Mae,
            Loss::Huber { delta: 1.0 },
            Loss::Huber { delta: 4.0 },
        ] {
            let (p, t) = (Tensor::from_slice(&predicted), Tensor::from_slice(&target));
            for weights in [None, Some(&WEIGHTS[..])] {
                let w = weights.map(Tensor::from_slice);
                let tensor = loss.mean(Head::Linear, &p, &t, w.as_ref()).unwrap();
                let ours = loss.mean_of(&predictions, &target, weights);
                approx::assert_relative_eq!(tensor.double_value(&[]), ours);
            }
        }
    }

    #[test]
    #[allow(clippy::cast_possible_truncation)]
    fn losses_of_classes_are_libtorchs_own_and_their_slopes_its_derivatives() {
        let logits = [0.3, -1.2, 2.0, 0.0, 0.5, -0.5, 4.0, 1.0, -3.0, 0.1, 0.2, 0.3];
        let target = [2.0, 0.0, 1.0, 1.0];
        let head = Head::Softmax { classes: 3 };
        for loss in [
            Loss::CrossEntropy { label_smoothing: 0.0 },
            Loss::CrossEntropy { label_smoothing: 0.2 },
            Loss::Focal { gamma: 0.0 },
            Loss::Focal { gamma: 2.0 },
            Loss::Focal { gamma: 0.5 },
        ] {
            let leaf = Tensor::from_slice(&logits)
                .reshape([4, 3])
                .set_requires_grad(true);
            let logs = head.log_probabilities(&leaf).unwrap();
            let t = Tensor::from_slice(&target);
            let ours = loss.mean(head, &leaf, &t, None).unwrap();
            if let Loss::CrossEntropy { label_smoothing } = loss {
                let places = t.to_kind(Kind::Int64);
                let theirs =
                    leaf.cross_entropy_loss(&places, None::<&Tensor>, Reduction::Mean, -100, label_smoothing);
                approx::assert_relative_eq!(
                    ours.double_value(&[]),
                    theirs.double_value(&[]),
                    epsilon = 1e-12
                );
            }
            let slopes = Tensor::run_backward(&[&ours], &[&leaf], false, false);
            let slopes = Vec::<f64>::try_from(slopes[0].reshape([-1])).unwrap();
            let plain = ClassLoss::of(loss).unwrap();
            let logs32 = Vec::<f32>::try_from(logs.detach().to_kind(Kind::Float).reshape([-1])).unwrap();
            for (row, class) in [2, 0, 1, 1].into_iter().enumerate() {
                let row = 3 * row..3 * row + 3;
                let units = logits[row.clone()]
                    .iter()
                    .map(|logit| *logit as f32)
                    .collect::<Vec<_>>();
                let (mut of_logs, mut own) = ([0.0; 3], [0.0; 3]);
                plain.value_and_slopes(&logs32[row.clone()], class, &mut of_logs);
                ClassFunction::Softmax.chain(&units, &logs32[row.clone()], &of_logs, &mut own);
                for (own, exact) in own.iter().zip(&slopes[row]) {
                    approx::assert_abs_diff_eq!(f64::from(*own) / 4.0, *exact, epsilon = 1e-6);
                }
            }
            let probabilities = Vec::<f64>::try_from(logs.detach().exp().reshape([-1])).unwrap();
            let task = Task::Classification { n_classes: 3 };
            let predictions = Predictions::from_values(task, probabilities).unwrap();
            for weights in [None, Some(&WEIGHTS[..])] {
                let w = weights.map(Tensor::from_slice);
                let tensor = loss.mean(head, &leaf, &t, w.as_ref()).unwrap();
                let ours = loss.mean_of(&predictions, &target, weights);
                approx::assert_relative_eq!(tensor.double_value(&[]), ours, epsilon = 1e-9);
            }
        }
    }

    #[test]
    fn a_sure_network_has_no_loss_and_no_nan() {
        for loss in [ClassLoss::Focal { gamma: 0.5 }, ClassLoss::Focal { gamma: 2.0 }] {
            let mut slopes = [0.0; 2];
            let value = loss.value_and_slopes(&[-100.0, 0.0], 1, &mut slopes);
            assert!(
                value == 0.0 && slopes.iter().all(|slope| slope.abs() < 1e-6),
                "{slopes:?}"
            );
        }
    }

    #[test]
    fn a_loss_is_a_word_or_a_table() {
        let read = |json: &str| serde_json::from_str::<Loss>(json);
        assert_eq!(read("\"mae\"").unwrap(), Loss::Mae);
        assert_eq!(read("\"huber\"").unwrap(), Loss::Huber { delta: 1.0 });
        let huber = Loss::Huber { delta: 2.5 };
        assert_eq!(read(&serde_json::to_string(&huber).unwrap()).unwrap(), huber);
        assert_eq!(read("\"focal\"").unwrap(), Loss::Focal { gamma: 2.0 });
        let smooth = Loss::CrossEntropy { label_smoothing: 0.1 };
        assert_eq!(read(&serde_json::to_string(&smooth).unwrap()).unwrap(), smooth);
        assert_eq!(
            serde_json::to_string(&Loss::of_task(Task::Classification { n_classes: 3 })).unwrap(),
            "\"cross_entropy\""
        );
        assert!(smooth.check_for(Head::Linear).is_err() && Loss::Mse.check_for(Head::Binary).is_err());
        assert!(Loss::CrossEntropy { label_smoothing: 1.0 }.check().is_err());
        assert!(read("\"mape\"").is_err());
        assert!(Loss::Huber { delta: 0.0 }.check().is_err());
    }
}
