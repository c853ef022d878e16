//! A network as the kernels see it, and where its tensors stand in the flat numbers.

use hitcast_core::{ModelState, TensorData, TensorValues};
use hitcast_cuda::outline::{
    ClassLoss, Classes, Function, Head, Linear, Norm, NumberLoss, Optimizer, Outline, Output, Stage, Update,
};
use hitcast_kernels::pointwise;
use hitcast_nn::{LayerSpec, Loss, NetworkSpec, NnError};

use crate::error::Result;
use crate::optimizer::OptimizerSettings;
use crate::settings::TrainingSettings;

/// A tensor among the flat parameters, or the flat statistics.
#[derive(Debug, Clone)]
struct Slot {
    name: String,
    shape: Vec<usize>,
    is_statistic: bool,
}

/// The outline of a network, with the names of its tensors.
#[derive(Debug, Clone)]
pub(super) struct NamedOutline {
    pub(super) outline: Outline,
    slots: Vec<Slot>,
}

impl NamedOutline {
    /// `None` if the network has a part that the kernels do not know.
    pub(super) fn new(spec: &NetworkSpec, n_inputs: usize, loss: Loss) -> Option<Self> {
        let mut this = Self {
            outline: Outline {
                inputs: n_inputs,
                stages: Vec::new(),
                output: output(spec.head, loss)?,
            },
            slots: Vec::new(),
        };
        let mut units = n_inputs;
        for (index, layer) in spec.layers.iter().enumerate() {
            let prefix = format!("layers.{index}");
            match *layer {
                LayerSpec::Linear { units: out, bias } => {
                    this.slot(format!("{prefix}.weight"), &[out, units], false);
                    if bias {
                        this.slot(format!("{prefix}.bias"), &[out], false);
                    }
                    units = out;
                    this.outline.stages.push(Stage {
                        linear: Some(Linear { bias }),
                        ..empty(units)
                    });
                }
                LayerSpec::BatchNorm { momentum, epsilon } => {
                    for (name, is_statistic) in [
                        ("weight", false),
                        ("bias", false),
                        ("running_mean", true),
                        ("running_var", true),
                    ] {
                        this.slot(format!("{prefix}.{name}"), &[units], is_statistic);
                    }
                    let takes = |stage: &Stage| {
                        stage.norm.is_none()
                            && stage.function == Function::Identity
                            && stage.dropout.is_none()
                    };
                    #[allow(clippy::cast_possible_truncation)]
                    let (momentum, epsilon) = (momentum as f32, epsilon as f32);
                    this.open(units, takes).norm = Some(Norm { momentum, epsilon });
                }
                LayerSpec::Activation { function } => {
                    let takes =
                        |stage: &Stage| stage.function == Function::Identity && stage.dropout.is_none();
                    this.open(units, takes).function = function_of(function.kernel());
                }
                LayerSpec::Dropout { rate } => {
                    if rate > 0.0 {
                        this.open(units, |stage| stage.dropout.is_none()).dropout = Some(rate);
                    }
                }
                _ => return None,
            }
        }
        let n_units = match this.outline.output {
            Output::Classes {
                function: Classes::Softmax,
                n,
                ..
            } => n,
            _ => 1,
        };
        this.slot("head.weight".to_owned(), &[n_units, units], false);
        match this.outline.output {
            Output::Classes {
                function: Classes::Cumulative,
                n,
                ..
            } => this.slot("head.thresholds".to_owned(), &[n - 1], false),
            _ => this.slot("head.bias".to_owned(), &[n_units], false),
        }
        Some(this)
    }

    fn slot(&mut self, name: String, shape: &[usize], is_statistic: bool) {
        self.slots.push(Slot {
            name,
            shape: shape.to_vec(),
            is_statistic,
        });
    }

    /// The last stage if it can take one thing more, else a new one behind it.
    fn open(&mut self, units: usize, takes: impl Fn(&Stage) -> bool) -> &mut Stage {
        let stages = &mut self.outline.stages;
        if !stages.last().is_some_and(takes) {
            stages.push(empty(units));
        }
        let last = stages.len() - 1;
        &mut stages[last]
    }

    /// The flat parameters and statistics of a network.
    pub(super) fn numbers(&self, state: &ModelState) -> Result<(Vec<f32>, Vec<f32>)> {
        let (mut parameters, mut statistics) = (Vec::new(), Vec::new());
        for slot in &self.slots {
            let values = state.f32(&slot.name, &slot.shape).map_err(NnError::from)?;
            let to = if slot.is_statistic {
                &mut statistics
            } else {
                &mut parameters
            };
            to.extend_from_slice(values);
        }
        Ok((parameters, statistics))
    }

    /// The tensors of a network from flat numbers.
    pub(super) fn state(
        &self,
        parameters: &[f32],
        statistics: &[f32],
        settings: serde_json::Value,
    ) -> Result<ModelState> {
        let mut tensors = std::collections::BTreeMap::new();
        let (mut parameters, mut statistics) = (parameters, statistics);
        for slot in &self.slots {
            let from = if slot.is_statistic {
                &mut statistics
            } else {
                &mut parameters
            };
            let n: usize = slot.shape.iter().product();
            let (own, rest) = from.split_at(n.min(from.len()));
            *from = rest;
            let data = TensorData::new(slot.shape.clone(), TensorValues::F32(own.to_vec()));
            tensors.insert(slot.name.clone(), data.map_err(NnError::from)?);
        }
        Ok(ModelState { settings, tensors })
    }
}

const fn empty(units: usize) -> Stage {
    Stage {
        units,
        linear: None,
        norm: None,
        function: Function::Identity,
        dropout: None,
    }
}

const fn function_of(function: pointwise::Function) -> Function {
    match function {
        pointwise::Function::Identity => Function::Identity,
        pointwise::Function::Relu => Function::Relu,
        pointwise::Function::LeakyRelu => Function::LeakyRelu,
        pointwise::Function::Elu => Function::Elu,
        pointwise::Function::Selu => Function::Selu,
        pointwise::Function::Gelu => Function::Gelu,
        pointwise::Function::Silu => Function::Silu,
        pointwise::Function::Tanh => Function::Tanh,
        pointwise::Function::Sigmoid => Function::Sigmoid,
        pointwise::Function::Softplus => Function::Softplus,
    }
}

#[allow(clippy::cast_possible_truncation)]
fn output(head: hitcast_nn::Head, loss: Loss) -> Option<Output> {
    use hitcast_nn::Head as Spec;
    let classes = |function, n| {
        let loss = match loss {
            Loss::CrossEntropy { label_smoothing } => ClassLoss::CrossEntropy {
                label_smoothing: label_smoothing as f32,
            },
            Loss::Focal { gamma } => ClassLoss::Focal { gamma: gamma as f32 },
            _ => return None,
        };
        (n > 1).then_some(Output::Classes { function, n, loss })
    };
    let head = match head {
        Spec::Linear => Head::Linear,
        Spec::Bounded { min, max } => Head::Bounded {
            min: min as f32,
            range: (max - min) as f32,
        },
        Spec::Positive => Head::Positive,
        Spec::Binary => return classes(Classes::Logistic, 2),
        Spec::Softmax { classes: n } => return classes(Classes::Softmax, n),
        Spec::Ordinal { classes: n } => return classes(Classes::Cumulative, n),
        _ => return None,
    };
    let loss = match loss {
        Loss::Mse => NumberLoss::Squared,
        Loss::Mae => NumberLoss::Absolute,
        Loss::Huber { delta } => NumberLoss::Huber { delta: delta as f32 },
        _ => return None,
    };
    Some(Output::Number { head, loss })
}

/// How the weights are updated.
pub(super) fn update(settings: &TrainingSettings) -> Update {
    let optimizer = match settings.optimizer {
        OptimizerSettings::Sgd {
            momentum,
            nesterov,
            weight_decay,
            ..
        } => Optimizer::Sgd {
            momentum,
            nesterov,
            weight_decay,
        },
        OptimizerSettings::Adam {
            betas,
            epsilon,
            weight_decay,
            ..
        } => Optimizer::Adam {
            betas,
            epsilon,
            weight_decay,
            decoupled: false,
        },
        OptimizerSettings::AdamW {
            betas,
            epsilon,
            weight_decay,
            ..
        } => Optimizer::Adam {
            betas,
            epsilon,
            weight_decay,
            decoupled: true,
        },
    };
    Update {
        optimizer,
        decays: [1, 2].map(|axes| settings.weight_decay_on.includes(axes)),
        clip_norm: settings.clip_gradient_norm,
        average_decay: settings.ema_decay,
    }
}
