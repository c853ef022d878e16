//! Networks as data.
//!
//! In TOML a network has a long form, layer by layer, and a short one for the usual stack
//! linear → batch norm → activation → dropout:
//!
//! ```toml
//! hidden = [128, 64, 32]
//! activation = "relu"            # the default
//! dropout = 0.2                  # 0 is the default
//! batch_norm = true              # false is the default
//! head = { kind = "bounded", min = 0.0, max = 100.0 }   # or kind = "linear", the default; for classes binary, softmax, ordinal
//! initialization = "keras"       # or "pytorch", the default
//! ```

use hitcast_core::Task;
use hitcast_kernels::pointwise::Function;
use serde::{Deserialize, Serialize};

use crate::error::{NnError, Result};
use crate::initialization::Initialization;

/// A feed-forward network: layers, then a head that gives a number a row, or the probability of each class.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(try_from = "NetworkForm")]
pub struct NetworkSpec {
    /// The layers in order. Without any, the network is its head: a linear model.
    pub layers: Vec<LayerSpec>,
    /// What turns the last layer's units into the prediction.
    pub head: Head,
    /// Where the weights start.
    pub initialization: Initialization,
}

/// One layer. Shapes: a batch of `n` rows with `k` units goes in as `n × k`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum LayerSpec {
    /// `x · Wᵀ + b`, to `n × units`.
    Linear {
        /// Units that come out, at least 1.
        units: usize,
        /// Whether `b` is there.
        #[serde(default = "yes")]
        bias: bool,
    },
    /// A function of each unit alone.
    Activation {
        /// Which one.
        function: Activation,
    },
    /// Batch normalisation (Ioffe and Szegedy 2015) as in PyTorch: normalises by the biased variance of the batch and
    /// keeps a running mean and the unbiased variance for prediction.
    BatchNorm {
        /// Weight of the newest batch in the running statistics, in (0, 1].
        #[serde(default = "batch_norm_momentum")]
        momentum: f64,
        /// Added to the variance, above 0.
        #[serde(default = "batch_norm_epsilon")]
        epsilon: f64,
    },
    /// Dropout (Srivastava et al. 2014): while training, sets units to zero and scales the others up.
    Dropout {
        /// Chance of a unit to be zero, in [0, 1).
        rate: f64,
    },
}

/// A function of one unit, as PyTorch defines it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Activation {
    /// `max(0, x)`.
    #[default]
    Relu,
    /// `x` above 0, `0.01 x` below.
    LeakyRelu,
    /// `x` above 0, `exp(x) − 1` below.
    Elu,
    /// Self-normalising ELU (Klambauer et al. 2017).
    Selu,
    /// `x · Φ(x)` with the exact normal distribution (Hendrycks and Gimpel 2016).
    Gelu,
    /// `x · sigmoid(x)`, also called swish.
    Silu,
    /// Hyperbolic tangent.
    Tanh,
    /// Logistic function.
    Sigmoid,
    /// `ln(1 + exp(x))`.
    Softplus,
}

impl Activation {
    /// The same on plain slices.
    pub const fn kernel(self) -> Function {
        match self {
            Self::Relu => Function::Relu,
            Self::LeakyRelu => Function::LeakyRelu,
            Self::Elu => Function::Elu,
            Self::Selu => Function::Selu,
            Self::Gelu => Function::Gelu,
            Self::Silu => Function::Silu,
            Self::Tanh => Function::Tanh,
            Self::Sigmoid => Function::Sigmoid,
            Self::Softplus => Function::Softplus,
        }
    }
}

/// What turns the last layer's units into the prediction: linear units, and a function of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Head {
    /// The linear unit itself.
    #[default]
    Linear,
    /// A sigmoid scaled to lie between `min` and `max`, for targets that cannot leave a range, like 0 to 100.
    Bounded {
        /// The smallest prediction.
        min: f64,
        /// The largest prediction.
        max: f64,
    },
    /// Softplus, for targets that cannot be negative.
    Positive,
    /// The probability of the second of two classes: a sigmoid of one logit.
    Binary,
    /// A logit for each class, and softmax.
    Softmax {
        /// Number of classes; 0, the default, for as many as the rows to learn from have.
        #[serde(default)]
        classes: usize,
    },
    /// Ordered classes: one unit `u`, and rising thresholds `θ` of it, `P(class ≤ j) = σ(θⱼ − u)` (cumulative link,
    /// `McCullagh` 1980).
    Ordinal {
        /// Number of classes; 0, the default, for as many as the rows to learn from have.
        #[serde(default)]
        classes: usize,
    },
}

const fn yes() -> bool {
    true
}

const fn batch_norm_momentum() -> f64 {
    0.1
}

const fn batch_norm_epsilon() -> f64 {
    1e-5
}

impl LayerSpec {
    /// A linear layer with bias.
    pub const fn linear(units: usize) -> Self {
        Self::Linear { units, bias: true }
    }

    /// An activation.
    pub const fn activation(function: Activation) -> Self {
        Self::Activation { function }
    }

    /// Batch norm with PyTorch's momentum 0.1 and epsilon 1e-5.
    pub const fn batch_norm() -> Self {
        Self::BatchNorm {
            momentum: batch_norm_momentum(),
            epsilon: batch_norm_epsilon(),
        }
    }

    /// Dropout at this rate.
    pub const fn dropout(rate: f64) -> Self {
        Self::Dropout { rate }
    }
}

impl Head {
    /// A head for targets from `min` to `max`.
    ///
    /// # Errors
    /// [`NnError::Setting`] unless both are finite and `min` is below `max`.
    pub fn bounded(min: f64, max: f64) -> Result<Self> {
        let head = Self::Bounded { min, max };
        head.check().map(|()| head)
    }

    /// What it predicts.
    pub const fn task(&self) -> Task {
        match *self {
            Self::Linear | Self::Bounded { .. } | Self::Positive => Task::Regression,
            Self::Binary => Task::Classification { n_classes: 2 },
            Self::Softmax { classes } | Self::Ordinal { classes } => {
                Task::Classification { n_classes: classes }
            }
        }
    }

    /// Whether it is a head for classes.
    pub const fn is_of_classes(&self) -> bool {
        matches!(self.task(), Task::Classification { .. })
    }

    /// This head for rows of a task: the linear one becomes the one that fits classes, binary for two and softmax for more;
    /// a number of classes that was left open is filled in.
    ///
    /// # Errors
    /// [`NnError::Setting`] if it is a head for something else.
    pub fn for_task(self, task: Task) -> Result<Self> {
        let wrong = |expected: &'static str| Err(NnError::setting("head", format!("{self:?}"), expected));
        let Task::Classification { n_classes } = task else {
            return if self.is_of_classes() {
                wrong("linear, bounded or positive for a target of numbers")
            } else {
                Ok(self)
            };
        };
        match self {
            Self::Linear if n_classes == 2 => Ok(Self::Binary),
            Self::Linear | Self::Softmax { classes: 0 } => Ok(Self::Softmax { classes: n_classes }),
            Self::Ordinal { classes: 0 } => Ok(Self::Ordinal { classes: n_classes }),
            Self::Binary | Self::Softmax { .. } | Self::Ordinal { .. } => {
                if self.task() == task {
                    Ok(self)
                } else {
                    wrong("one for as many classes as the target has")
                }
            }
            Self::Bounded { .. } | Self::Positive => {
                wrong("binary, softmax or ordinal for a target of classes")
            }
        }
    }

    /// Linear units behind the last layer: one, or one for each class.
    pub(crate) const fn n_units(&self) -> usize {
        match *self {
            Self::Softmax { classes } => classes,
            _ => 1,
        }
    }

    /// Numbers that it learns besides the weights of its units: their biases, or thresholds.
    pub(crate) const fn n_biases(&self) -> usize {
        match *self {
            Self::Softmax { classes } => classes,
            Self::Ordinal { classes } => classes.saturating_sub(1),
            _ => 1,
        }
    }

    fn check(&self) -> Result<()> {
        match *self {
            Self::Softmax { classes } | Self::Ordinal { classes } if classes == 1 || classes > 1 << 20 => {
                Err(NnError::setting(
                    "head.classes",
                    classes,
                    "0 or from 2 to 1048576",
                ))
            }
            Self::Bounded { min, max } if !(min.is_finite() && max.is_finite() && min < max) => {
                Err(NnError::setting(
                    "head.min..max",
                    format!("{min}..{max}"),
                    "finite, with min below max",
                ))
            }
            _ => Ok(()),
        }
    }
}

impl NetworkSpec {
    /// Hidden layers of these widths, each followed by a ReLU, and a linear head.
    pub fn mlp(hidden: &[usize]) -> Self {
        Self::stacked(
            &NetworkForm {
                hidden: Some(hidden.to_vec()),
                ..NetworkForm::default()
            },
            hidden,
        )
    }

    fn stacked(form: &NetworkForm, hidden: &[usize]) -> Self {
        let mut layers = Vec::new();
        for &units in hidden {
            layers.push(LayerSpec::linear(units));
            if form.batch_norm == Some(true) {
                layers.push(LayerSpec::batch_norm());
            }
            layers.push(LayerSpec::activation(form.activation.unwrap_or_default()));
            if let Some(rate) = form.dropout.filter(|&rate| rate != 0.0) {
                layers.push(LayerSpec::dropout(rate));
            }
        }
        Self {
            layers,
            head: form.head,
            initialization: form.initialization,
        }
    }

    /// This network with dropout after every activation.
    #[must_use]
    pub fn with_dropout(self, rate: f64) -> Self {
        self.insert_after(
            |layer| matches!(layer, LayerSpec::Activation { .. }),
            &LayerSpec::dropout(rate),
        )
    }

    /// This network with batch norm after every linear layer.
    #[must_use]
    pub fn with_batch_norm(self) -> Self {
        self.insert_after(
            |layer| matches!(layer, LayerSpec::Linear { .. }),
            &LayerSpec::batch_norm(),
        )
    }

    fn insert_after(mut self, after: impl Fn(&LayerSpec) -> bool, new: &LayerSpec) -> Self {
        let doubled = |layer: LayerSpec| {
            let follow = after(&layer).then(|| new.clone());
            std::iter::once(layer).chain(follow)
        };
        self.layers = self.layers.into_iter().flat_map(doubled).collect();
        self
    }

    /// This network with another head.
    #[must_use]
    pub fn with_head(mut self, head: Head) -> Self {
        self.head = head;
        self
    }

    /// This network with another initialisation.
    #[must_use]
    pub fn with_initialization(mut self, initialization: Initialization) -> Self {
        self.initialization = initialization;
        self
    }

    /// Whether a layer normalises over the batch, so that one row is too few to train on.
    pub fn has_batch_norm(&self) -> bool {
        self.layers
            .iter()
            .any(|layer| matches!(layer, LayerSpec::BatchNorm { .. }))
    }

    /// How many numbers a network for `n_inputs` features consists of, running statistics included; `None` if more than
    /// a `usize` can count.
    pub fn size(&self, n_inputs: usize) -> Option<usize> {
        let (learned, statistics) = self.sizes(n_inputs)?;
        learned.checked_add(statistics)
    }

    /// How many of them are learned by gradients; `None` as above.
    pub fn n_parameters(&self, n_inputs: usize) -> Option<usize> {
        Some(self.sizes(n_inputs)?.0)
    }

    /// Numbers learned by gradients, and running statistics.
    fn sizes(&self, n_inputs: usize) -> Option<(usize, usize)> {
        let (mut units, mut size, mut statistics) = (n_inputs, 0_usize, 0_usize);
        for layer in &self.layers {
            let own = match *layer {
                LayerSpec::Linear { units: out, bias } => {
                    let own = units.checked_mul(out)?.checked_add(if bias { out } else { 0 })?;
                    units = out;
                    own
                }
                LayerSpec::BatchNorm { .. } => {
                    let own = units.checked_mul(2)?;
                    statistics = statistics.checked_add(own)?;
                    own
                }
                LayerSpec::Activation { .. } | LayerSpec::Dropout { .. } => 0,
            };
            size = size.checked_add(own)?;
        }
        let of_head = units
            .checked_mul(self.head.n_units())?
            .checked_add(self.head.n_biases())?;
        Some((size.checked_add(of_head)?, statistics))
    }

    /// Checks every setting.
    ///
    /// # Errors
    /// [`NnError::Setting`] naming the layer, the setting, its value and what it may be.
    pub fn check(&self) -> Result<()> {
        for (index, layer) in self.layers.iter().enumerate() {
            let named = |setting: &str| format!("layers[{index}].{setting}");
            match *layer {
                LayerSpec::Linear { units, .. } if units == 0 || units > 1 << 20 => {
                    return Err(NnError::setting(named("units"), units, "from 1 to 1048576"));
                }
                LayerSpec::BatchNorm { momentum, .. } if !(momentum > 0.0 && momentum <= 1.0) => {
                    return Err(NnError::setting(
                        named("momentum"),
                        momentum,
                        "above 0 and at most 1",
                    ));
                }
                LayerSpec::BatchNorm { epsilon, .. } if !(epsilon > 0.0 && epsilon.is_finite()) => {
                    return Err(NnError::setting(named("epsilon"), epsilon, "above 0"));
                }
                LayerSpec::Dropout { rate } if !(0.0..1.0).contains(&rate) => {
                    return Err(NnError::setting(named("rate"), rate, "at least 0 and below 1"));
                }
                _ => {}
            }
        }
        self.head.check()
    }
}

/// How a network may stand in a file: long or short.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct NetworkForm {
    layers: Option<Vec<LayerSpec>>,
    hidden: Option<Vec<usize>>,
    activation: Option<Activation>,
    dropout: Option<f64>,
    batch_norm: Option<bool>,
    #[serde(default)]
    head: Head,
    #[serde(default)]
    initialization: Initialization,
}

impl TryFrom<NetworkForm> for NetworkSpec {
    type Error = NnError;

    fn try_from(form: NetworkForm) -> Result<Self> {
        let short = form.hidden.is_some()
            || form.activation.is_some()
            || form.dropout.is_some()
            || form.batch_norm.is_some();
        let spec = match &form.layers {
            Some(_) if short => return Err(NnError::TwoForms),
            Some(layers) => Self {
                layers: layers.clone(),
                head: form.head,
                initialization: form.initialization,
            },
            None => Self::stacked(&form, form.hidden.as_deref().unwrap_or_default()),
        };
        spec.check()?;
        Ok(spec)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<NetworkSpec, serde_json::Error> {
        serde_json::from_str(json)
    }

    #[test]
    fn the_short_form_is_the_usual_stack() {
        let spec = read(r#"{"hidden": [4, 2], "dropout": 0.5, "batch_norm": true}"#).unwrap();
        assert_eq!(
            spec,
            NetworkSpec::mlp(&[4, 2]).with_batch_norm().with_dropout(0.5)
        );
        assert_eq!(spec.layers.len(), 8);
        assert!(spec.has_batch_norm());
    }

    #[test]
    fn the_long_form_survives_a_round_trip() {
        let spec = NetworkSpec::mlp(&[3])
            .with_batch_norm()
            .with_dropout(0.1)
            .with_head(Head::Bounded { min: 0.0, max: 100.0 })
            .with_initialization(Initialization::Keras);
        assert_eq!(read(&serde_json::to_string(&spec).unwrap()).unwrap(), spec);
    }

    #[test]
    fn the_number_of_classes_may_be_left_to_the_rows() {
        let spec = read(r#"{"hidden": [4], "head": {"kind": "ordinal"}}"#).unwrap();
        assert_eq!(spec.head, Head::Ordinal { classes: 0 });
        let task = Task::Classification { n_classes: 5 };
        assert_eq!(spec.head.for_task(task).unwrap(), Head::Ordinal { classes: 5 });
    }

    #[test]
    fn bad_settings_are_named() {
        let error = |json: &str| read(json).unwrap_err().to_string();
        assert!(error(r#"{"hidden": [4], "dropout": 1.0}"#).contains("layers[2].rate is 1"));
        assert!(error(r#"{"hidden": [0]}"#).contains("layers[0].units is 0"));
        assert!(error(r#"{"hidden": [4], "layers": []}"#).contains("not by both"));
        assert!(error(r#"{"head": {"kind": "bounded", "min": 5.0, "max": 5.0}}"#).contains("min below max"));
        assert!(
            error(r#"{"hidden": [4], "head": {"kind": "softmax", "classes": 1}}"#)
                .contains("head.classes is 1")
        );
        assert!(error(r#"{"hiden": [4]}"#).contains("hiden"));
        assert!(error(r#"{"dropout": NaN}"#).contains("expected"));
    }
}
