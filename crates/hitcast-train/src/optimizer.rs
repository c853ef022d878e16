//! SGD, Adam and AdamW over one flat buffer, step for step as PyTorch's.

use serde::{Deserialize, Serialize};
use tch::{Device, Tensor};

use crate::error::{Result, TrainError, at_least_zero, positive, share};

/// Which optimiser, and its settings.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum OptimizerSettings {
    /// Stochastic gradient descent with momentum (Sutskever et al. 2013), as `torch.optim.SGD`.
    Sgd {
        /// Step length, above 0.
        learning_rate: f64,
        /// Share of the last step that is kept, in [0, 1).
        #[serde(default)]
        momentum: f64,
        /// Whether to look ahead along the momentum.
        #[serde(default)]
        nesterov: bool,
        /// Added to the gradient as this many times the weights, at least 0.
        #[serde(default)]
        weight_decay: f64,
    },
    /// Adam (Kingma and Ba 2015), as `torch.optim.Adam`; Keras' has an `epsilon` of 1e-7.
    Adam {
        /// Step length, above 0.
        #[serde(default = "learning_rate")]
        learning_rate: f64,
        /// Decay of the mean and of the mean square of the gradient, each in [0, 1).
        #[serde(default = "betas")]
        betas: (f64, f64),
        /// Added to the root of the mean square, above 0.
        #[serde(default = "epsilon")]
        epsilon: f64,
        /// Added to the gradient as this many times the weights, at least 0.
        #[serde(default)]
        weight_decay: f64,
    },
    /// Adam with decoupled weight decay (Loshchilov and Hutter 2019), as `torch.optim.AdamW`.
    #[serde(rename = "adamw")]
    AdamW {
        /// Step length, above 0.
        #[serde(default = "learning_rate")]
        learning_rate: f64,
        /// Decay of the mean and of the mean square of the gradient, each in [0, 1).
        #[serde(default = "betas")]
        betas: (f64, f64),
        /// Added to the root of the mean square, above 0.
        #[serde(default = "epsilon")]
        epsilon: f64,
        /// Share of the weights taken away each step, times the learning rate; at least 0.
        #[serde(default = "decoupled_decay")]
        weight_decay: f64,
    },
}

/// Which parameters weight decay applies to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DecayedParameters {
    /// All, as in PyTorch with one parameter group.
    #[default]
    All,
    /// The weights of linear layers, not biases and not the scales of batch norm: all tensors of two axes.
    Weights,
}

impl DecayedParameters {
    /// Whether a parameter with so many axes decays.
    pub(crate) fn includes(self, axes: usize) -> bool {
        match self {
            Self::All => true,
            Self::Weights => axes >= 2,
        }
    }
}

const fn learning_rate() -> f64 {
    1e-3
}

const fn betas() -> (f64, f64) {
    (0.9, 0.999)
}

const fn epsilon() -> f64 {
    1e-8
}

const fn decoupled_decay() -> f64 {
    1e-2
}

impl Default for OptimizerSettings {
    fn default() -> Self {
        Self::adam(learning_rate())
    }
}

impl OptimizerSettings {
    /// Adam with PyTorch's other settings.
    pub const fn adam(learning_rate: f64) -> Self {
        Self::Adam {
            learning_rate,
            betas: betas(),
            epsilon: epsilon(),
            weight_decay: 0.0,
        }
    }

    /// AdamW with PyTorch's other settings.
    pub const fn adamw(learning_rate: f64, weight_decay: f64) -> Self {
        Self::AdamW {
            learning_rate,
            betas: betas(),
            epsilon: epsilon(),
            weight_decay,
        }
    }

    /// Plain stochastic gradient descent with momentum.
    pub const fn sgd(learning_rate: f64, momentum: f64) -> Self {
        Self::Sgd {
            learning_rate,
            momentum,
            nesterov: false,
            weight_decay: 0.0,
        }
    }

    /// The learning rate that a [`Schedule`](crate::Schedule) starts from.
    pub const fn learning_rate(&self) -> f64 {
        match *self {
            Self::Sgd { learning_rate, .. }
            | Self::Adam { learning_rate, .. }
            | Self::AdamW { learning_rate, .. } => learning_rate,
        }
    }

    /// Checks every setting.
    ///
    /// # Errors
    /// [`TrainError::Setting`] naming the setting, its value and what it may be.
    pub fn check(&self) -> Result<()> {
        positive("optimizer.learning_rate", self.learning_rate())?;
        let decay = match *self {
            Self::Sgd {
                momentum,
                nesterov,
                weight_decay,
                ..
            } => {
                share("optimizer.momentum", momentum)?;
                if nesterov && momentum == 0.0 {
                    return Err(TrainError::setting(
                        "optimizer.momentum",
                        momentum,
                        "above 0 with nesterov",
                    ));
                }
                weight_decay
            }
            Self::Adam {
                betas,
                epsilon,
                weight_decay,
                ..
            }
            | Self::AdamW {
                betas,
                epsilon,
                weight_decay,
                ..
            } => {
                share("optimizer.betas", betas.0)?;
                share("optimizer.betas", betas.1)?;
                positive("optimizer.epsilon", epsilon)?;
                weight_decay
            }
        };
        at_least_zero("optimizer.weight_decay", decay)
    }
}

/// An optimiser with its state: up to two buffers as long as the parameters, and the number of steps.
#[derive(Debug)]
pub struct Optimizer {
    settings: OptimizerSettings,
    steps: i32,
    /// Momentum of SGD, mean gradient of Adam.
    first: Tensor,
    /// Mean square of the gradient of Adam.
    second: Tensor,
    /// One where weight decay applies and zero elsewhere; `None` for everywhere.
    decayed: Option<Tensor>,
}

impl Optimizer {
    /// An optimiser for parameters like these (a vector).
    ///
    /// # Errors
    /// [`TrainError::Setting`] for bad settings, [`TrainError::Torch`] if the device has no room.
    pub fn new(settings: OptimizerSettings, parameters: &Tensor) -> Result<Self> {
        settings.check()?;
        Ok(Self {
            settings,
            steps: 0,
            first: parameters.f_zeros_like()?,
            second: parameters.f_zeros_like()?,
            decayed: None,
        })
    }

    /// This optimiser with weight decay only where this vector, as long as the parameters, is one; it is zero elsewhere.
    #[must_use]
    pub fn with_decay_mask(mut self, mask: Tensor) -> Self {
        self.decayed = Some(mask);
        self
    }

    /// Steps so far.
    pub(crate) fn steps(&self) -> u32 {
        self.steps.unsigned_abs()
    }

    /// Both buffers.
    pub(crate) fn buffers(&self) -> Result<(Vec<f32>, Vec<f32>)> {
        let values =
            |tensor: &Tensor| -> Result<Vec<f32>> { Ok(Vec::try_from(tensor.f_to_device(Device::Cpu)?)?) };
        Ok((values(&self.first)?, values(&self.second)?))
    }

    /// Takes such buffers, after so many steps.
    pub(crate) fn restore(&mut self, steps: u32, first: &[f32], second: &[f32]) -> Result<()> {
        self.first.f_copy_(&Tensor::f_from_slice(first)?)?;
        self.second.f_copy_(&Tensor::f_from_slice(second)?)?;
        self.steps = i32::try_from(steps).unwrap_or(i32::MAX);
        Ok(())
    }

    /// Moves the parameters along a gradient, both vectors of the same length.
    ///
    /// # Errors
    /// [`TrainError::Torch`] if the lengths differ.
    pub fn step(&mut self, parameters: &Tensor, gradient: &Tensor, learning_rate: f64) -> Result<()> {
        self.steps += 1;
        tch::no_grad(|| match self.settings {
            OptimizerSettings::Sgd {
                momentum,
                nesterov,
                weight_decay,
                ..
            } => {
                let gradient = self.decayed(gradient, parameters, weight_decay)?;
                self.sgd(parameters, &gradient, learning_rate, momentum, nesterov)
            }
            OptimizerSettings::Adam {
                betas,
                epsilon,
                weight_decay,
                ..
            } => {
                let gradient = self.decayed(gradient, parameters, weight_decay)?;
                self.adam(parameters, &gradient, learning_rate, betas, epsilon)
            }
            OptimizerSettings::AdamW {
                betas,
                epsilon,
                weight_decay,
                ..
            } => {
                let mut decaying = parameters.shallow_clone();
                let _ = match &self.decayed {
                    None => decaying.f_mul_scalar_(1.0 - learning_rate * weight_decay)?,
                    Some(mask) => decaying.f_mul_(
                        &mask
                            .f_mul_scalar(-learning_rate * weight_decay)?
                            .f_add_scalar_(1.0)?,
                    )?,
                };
                self.adam(parameters, gradient, learning_rate, betas, epsilon)
            }
        })
    }

    fn sgd(
        &mut self,
        parameters: &Tensor,
        gradient: &Tensor,
        learning_rate: f64,
        momentum: f64,
        nesterov: bool,
    ) -> Result<()> {
        let direction = if momentum == 0.0 {
            gradient.shallow_clone()
        } else {
            let _ = self.first.f_mul_scalar_(momentum)?.f_add_(gradient)?;
            if nesterov {
                self.first.f_mul_scalar(momentum)?.f_add_(gradient)?
            } else {
                self.first.shallow_clone()
            }
        };
        let _ = parameters
            .shallow_clone()
            .f_sub_(&direction.f_mul_scalar(learning_rate)?)?;
        Ok(())
    }

    fn adam(
        &mut self,
        parameters: &Tensor,
        gradient: &Tensor,
        learning_rate: f64,
        (beta1, beta2): (f64, f64),
        epsilon: f64,
    ) -> Result<()> {
        let _ = self.first.f_lerp_(gradient, 1.0 - beta1)?;
        let square = gradient.f_square()?.f_mul_scalar_(1.0 - beta2)?;
        let _ = self.second.f_mul_scalar_(beta2)?.f_add_(&square)?;
        let step_length = learning_rate / (1.0 - beta1.powi(self.steps));
        let root = (1.0 - beta2.powi(self.steps)).sqrt();
        let denominator = self
            .second
            .f_sqrt()?
            .f_div_scalar_(root)?
            .f_add_scalar_(epsilon)?;
        let step = self.first.f_div(&denominator)?.f_mul_scalar_(step_length)?;
        let _ = parameters.shallow_clone().f_sub_(&step)?;
        Ok(())
    }

    /// The gradient with that of the penalty.
    fn decayed(&self, gradient: &Tensor, parameters: &Tensor, weight_decay: f64) -> Result<Tensor> {
        if weight_decay == 0.0 {
            return Ok(gradient.shallow_clone());
        }
        let mut penalty = parameters.f_mul_scalar(weight_decay)?;
        if let Some(mask) = &self.decayed {
            penalty = penalty.f_mul_(mask)?;
        }
        Ok(penalty.f_add_(gradient)?)
    }
}
