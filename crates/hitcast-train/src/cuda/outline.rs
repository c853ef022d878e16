//! A network as the kernels see it.

use hitcast_cuda::outline::{
    ClassLoss, Classes, Function, Head, Linear, Norm, NumberLoss, Optimizer, Outline, Output, Stage, Update,
};
use hitcast_nn::{LayerSpec, Loss, NetworkSpec};

use crate::optimizer::OptimizerSettings;
use crate::settings::TrainingSettings;

/// The outline of a network, whose numbers stand as [`Network::numbers`](hitcast_nn::Network::numbers) gives them; `None` if it
/// has a part that the kernels do not know.
pub(super) fn outline(spec: &NetworkSpec, n_inputs: usize, loss: Loss) -> Option<Outline> {
    let mut stages: Vec<Stage> = Vec::new();
    let mut units = n_inputs;
    for layer in &spec.layers {
        match *layer {
            LayerSpec::Linear { units: out, bias } => {
                units = out;
                stages.push(Stage {
                    linear: Some(Linear { bias }),
                    ..empty(units)
                });
            }
            LayerSpec::BatchNorm { momentum, epsilon } => {
                let takes = |stage: &Stage| stage.norm.is_none() && takes_function(stage);
                #[allow(clippy::cast_possible_truncation)]
                let (momentum, epsilon) = (momentum as f32, epsilon as f32);
                open(&mut stages, units, takes).norm = Some(Norm { momentum, epsilon });
            }
            LayerSpec::Activation { function } => {
                open(&mut stages, units, takes_function).function = function.kernel();
            }
            LayerSpec::Dropout { rate } => {
                if rate > 0.0 {
                    open(&mut stages, units, |stage| stage.dropout.is_none()).dropout = Some(rate);
                }
            }
            _ => return None,
        }
    }
    Some(Outline {
        inputs: n_inputs,
        stages,
        output: output(spec.head, loss)?,
    })
}

fn takes_function(stage: &Stage) -> bool {
    stage.function == Function::Identity && stage.dropout.is_none()
}

/// The last stage if it can take one thing more, else a new one behind it.
fn open(stages: &mut Vec<Stage>, units: usize, takes: impl Fn(&Stage) -> bool) -> &mut Stage {
    if !stages.last().is_some_and(takes) {
        stages.push(empty(units));
    }
    let last = stages.len() - 1;
    &mut stages[last]
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
        }
        | OptimizerSettings::AdamW {
            betas,
            epsilon,
            weight_decay,
            ..
        } => Optimizer::Adam {
            betas,
            epsilon,
            weight_decay,
            decoupled: matches!(settings.optimizer, OptimizerSettings::AdamW { .. }),
        },
    };
    Update {
        optimizer,
        decays: [1, 2].map(|axes| settings.weight_decay_on.includes(axes)),
        clip_norm: settings.clip_gradient_norm,
        average_decay: settings.ema_decay,
    }
}
