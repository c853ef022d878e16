//! Ten steps from the same weights on the same batches end where PyTorch's end (`golden/parity.py`).

#![allow(clippy::unwrap_used, clippy::expect_used)]
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss
)]

use std::collections::BTreeMap;
use std::error::Error;

use hitcast_core::dataset::FeatureColumn;
use hitcast_core::{Dataset, Features, ModelState, Seed, TensorData, TensorValues};
use hitcast_nn::{Activation, Head, LayerSpec, Loss, Network, NetworkSpec};
use hitcast_train::{
    AutogradEngine, DecayedParameters, Engine, OptimizerSettings, PlanEngine, TrainingSettings,
};
use ndarray::Array2;
use safetensors::SafeTensors;
use tch::Device;

const BATCH: usize = 64;
const STEPS: usize = 10;
const FEATURES: usize = 10;
const GOLDEN: &[u8] = include_bytes!("../golden/parity.safetensors");

type Outcome = Result<(), Box<dyn Error>>;

/// n numbers in (-1, 1), the same as in the script.
fn waves(n: usize, phase: f64) -> Vec<f32> {
    (0..n)
        .map(|i| (i as f64 * 0.739_085_1 + phase).sin() as f32)
        .collect()
}

fn batches() -> Result<Dataset, Box<dyn Error>> {
    let rows = BATCH * STEPS;
    let features = Array2::from_shape_vec((rows, FEATURES), waves(rows * FEATURES, 0.5))?;
    let columns = (0..FEATURES)
        .map(|i| FeatureColumn::plain(format!("x{i}")))
        .collect();
    let target = waves(rows, 0.25)
        .into_iter()
        .map(|v| f64::from(v * 15.0 + 41.0))
        .collect();
    Ok(Dataset::new(Features::new(features, columns)?, target)?)
}

/// The same rows with classes, and weights if they are wanted.
fn batches_of_classes(n_classes: usize, weighted: bool) -> Result<Dataset, Box<dyn Error>> {
    let rows = BATCH * STEPS;
    let class = |v: f32| (((v + 1.0) / 2.0 * n_classes as f32).floor() as usize).min(n_classes - 1);
    let classes: Vec<usize> = waves(rows, 0.25).into_iter().map(class).collect();
    let data = Dataset::of_classes(batches()?.features().clone(), &classes, n_classes)?;
    if !weighted {
        return Ok(data);
    }
    let weights = waves(rows, 0.75).into_iter().map(|v| f64::from(v + 1.5));
    Ok(data.with_weights(weights.collect())?)
}

/// The script's starting weights, in the order of the network's parameters.
fn starting_weights(network: &Network) -> Result<ModelState, Box<dyn Error>> {
    let mut state = network.state()?;
    for (index, parameter) in network.parameters().iter().enumerate() {
        let shape: Vec<usize> = parameter.tensor().size().iter().map(|&n| n as usize).collect();
        let values = waves(shape.iter().product(), 0.1 * (index + 1) as f64);
        let values = if is_batch_norm(network, parameter.name()) {
            let shift = if parameter.name().ends_with("weight") {
                1.0
            } else {
                0.0
            };
            values.into_iter().map(|v| v * 0.1 + shift).collect()
        } else {
            let fan_in = fan_in(network, parameter.name());
            values
                .into_iter()
                .map(|v| v / (fan_in as f64).sqrt() as f32)
                .collect()
        };
        state.tensors.insert(
            parameter.name().to_owned(),
            TensorData::new(shape, TensorValues::F32(values))?,
        );
    }
    Ok(state)
}

fn layer_of<'a>(network: &'a Network, name: &str) -> Option<&'a LayerSpec> {
    let index = name.strip_prefix("layers.")?.split('.').next()?;
    network.spec().layers.get(index.parse::<usize>().ok()?)
}

fn is_batch_norm(network: &Network, name: &str) -> bool {
    matches!(layer_of(network, name), Some(LayerSpec::BatchNorm { .. }))
}

fn fan_in(network: &Network, name: &str) -> usize {
    let weight = format!(
        "{}.weight",
        name.rsplit_once('.').map_or(name, |(layer, _)| layer)
    );
    let parameter = network.parameters().iter().find(|p| p.name() == weight);
    parameter.map_or(1, |p| p.tensor().size()[1] as usize)
}

/// A PyTorch module's number in its `nn.Sequential`: layers as they stand, the head last.
fn pytorch_name(network: &Network, name: &str) -> String {
    match name.strip_prefix("layers.") {
        Some(rest) => rest.to_owned(),
        None => name.replacen("head", &network.spec().layers.len().to_string(), 1),
    }
}

/// A bias in front of batch norm has no gradient but rounding errors, which Adam blows up to whole steps.
fn is_without_gradient(network: &Network, name: &str) -> bool {
    let Some(rest) = name.strip_prefix("layers.") else {
        return false;
    };
    let index = rest
        .split('.')
        .next()
        .and_then(|i| i.parse::<usize>().ok())
        .unwrap_or(0);
    name.ends_with("bias")
        && matches!(
            network.spec().layers.get(index + 1),
            Some(LayerSpec::BatchNorm { .. })
        )
}

/// The batches of a case: all of 64 rows, or each in two parts whose gradients are added up.
const PARTS: [usize; 2] = [40, 24];

fn assert_parity(case: &str, spec: &NetworkSpec, settings: &TrainingSettings) -> Outcome {
    assert_parity_on(&batches()?, case, spec, settings)
}

fn assert_parity_on(data: &Dataset, case: &str, spec: &NetworkSpec, settings: &TrainingSettings) -> Outcome {
    let mut network = Network::new(spec, FEATURES, Device::Cpu, Seed::new(0))?;
    let start = starting_weights(&network)?;
    network.load_state(&start)?;
    let steps = |engine: &mut dyn Engine| -> Outcome {
        let rate = settings.optimizer.learning_rate();
        for batch in (0..BATCH * STEPS).step_by(BATCH) {
            let end = batch + BATCH;
            if settings.accumulate_batches == 1 {
                engine.step(batch..end, rate)?;
            } else {
                engine.accumulate(batch..batch + PARTS[0])?;
                engine.step(batch + PARTS[0]..end, rate)?;
            }
        }
        Ok(())
    };
    let seed = Seed::new(0);
    let plan = PlanEngine::compile(&network, settings, data, None, seed)?;
    let mut plan = plan.ok_or("there is no plan for the network")?;
    steps(&mut plan)?;
    let mut planned = Network::new(spec, FEATURES, Device::Cpu, Seed::new(1))?;
    plan.write_to(&mut planned)?;
    assert_golden(&format!("{case}, planned"), case, &planned)?;
    let mut autograd = AutogradEngine::new(network, settings, data, None, seed)?;
    steps(&mut autograd)?;
    assert_golden(case, case, &autograd.into_network()?)
}

fn adam() -> TrainingSettings {
    with(OptimizerSettings::adam(1e-3))
}

fn with(optimizer: OptimizerSettings) -> TrainingSettings {
    TrainingSettings {
        optimizer,
        ..Default::default()
    }
}

/// That the network is where PyTorch ended.
fn assert_golden(what: &str, case: &str, network: &Network) -> Outcome {
    let golden = SafeTensors::deserialize(GOLDEN)?;
    let mut compared = 0;
    for (name, tensor) in network.state()?.tensors {
        let TensorValues::F32(ours) = tensor.values() else {
            return Err("not f32".into());
        };
        let pytorch = golden.tensor(&format!("{case}/{}", pytorch_name(network, &name)))?;
        let pytorch: Vec<f32> = pytorch
            .data()
            .chunks_exact(4)
            .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
            .collect();
        assert_eq!(ours.len(), pytorch.len(), "{what} {name}");
        if is_without_gradient(network, &name) || name.ends_with("running_mean") && has_free_bias(network) {
            continue;
        }
        for (i, (ours, theirs)) in ours.iter().zip(&pytorch).enumerate() {
            let gap = (ours - theirs).abs() / theirs.abs().max(1.0);
            assert!(gap <= 1e-5, "{what}: {name}[{i}] is {ours}, PyTorch has {theirs}");
        }
        compared += ours.len();
    }
    assert!(
        compared > network.n_parameters() / 2,
        "{what}: only {compared} numbers compared"
    );
    Ok(())
}

/// The running mean follows the free biases in front of batch norm.
fn has_free_bias(network: &Network) -> bool {
    network
        .parameters()
        .iter()
        .any(|p| is_without_gradient(network, p.name()))
}

#[test]
fn the_four_networks_take_ten_adam_steps_as_pytorch_does() -> Outcome {
    for (case, spec) in [
        ("mlp1", NetworkSpec::mlp(&[64])),
        ("mlp2", NetworkSpec::mlp(&[64, 32])),
        ("mlp3", NetworkSpec::mlp(&[128, 64, 32])),
        ("mlp2_batchnorm", NetworkSpec::mlp(&[64, 32]).with_batch_norm()),
    ] {
        assert_parity(case, &spec, &adam())?;
    }
    Ok(())
}

fn adam_with_decay() -> OptimizerSettings {
    OptimizerSettings::Adam {
        learning_rate: 1e-2,
        betas: (0.9, 0.999),
        epsilon: 1e-8,
        weight_decay: 0.1,
    }
}

#[test]
fn every_optimiser_steps_as_pytorchs() -> Outcome {
    let sgd = |momentum, nesterov, weight_decay| OptimizerSettings::Sgd {
        learning_rate: 1e-4,
        momentum,
        nesterov,
        weight_decay,
    };
    let cases = BTreeMap::from([
        ("adam_decay", adam_with_decay()),
        ("adamw", OptimizerSettings::adamw(1e-2, 0.1)),
        ("sgd", sgd(0.0, false, 0.0)),
        ("sgd_momentum", sgd(0.9, false, 0.1)),
        ("sgd_nesterov", sgd(0.9, true, 0.0)),
    ]);
    for (case, optimizer) in cases {
        assert_parity(case, &NetworkSpec::mlp(&[16]), &with(optimizer))?;
    }
    Ok(())
}

#[test]
fn decay_of_weights_alone_agrees_with_pytorchs_parameter_groups() -> Outcome {
    let cases = [
        ("adam_groups", adam_with_decay()),
        ("adamw_groups", OptimizerSettings::adamw(1e-2, 0.1)),
    ];
    for (case, optimizer) in cases {
        let settings = TrainingSettings {
            weight_decay_on: DecayedParameters::Weights,
            ..with(optimizer)
        };
        assert_parity(case, &NetworkSpec::mlp(&[16]), &settings)?;
    }
    Ok(())
}

#[test]
fn gradients_of_several_batches_and_averaged_weights_agree_with_pytorch() -> Outcome {
    let spec = NetworkSpec::mlp(&[64, 32]).with_batch_norm();
    let accumulated = TrainingSettings {
        accumulate_batches: 2,
        clip_gradient_norm: Some(50.0),
        ..adam()
    };
    assert_parity("accumulated", &spec, &accumulated)?;
    let averaged = TrainingSettings {
        ema_decay: Some(0.9),
        ..adam()
    };
    assert_parity("averaged", &spec, &averaged)
}

#[test]
fn clipping_and_the_other_losses_agree_with_pytorch() -> Outcome {
    let spec = NetworkSpec::mlp(&[16]);
    let clipped = TrainingSettings {
        clip_gradient_norm: Some(1.0),
        ..with(OptimizerSettings::sgd(1e-2, 0.0))
    };
    assert_parity("clipped", &spec, &clipped)?;
    for (case, loss) in [("mae", Loss::Mae), ("huber", Loss::Huber { delta: 20.0 })] {
        assert_parity(
            case,
            &spec,
            &TrainingSettings {
                loss: Some(loss),
                ..adam()
            },
        )?;
    }
    Ok(())
}

#[test]
fn every_activation_agrees_with_pytorch() -> Outcome {
    let activations = [
        ("leakyrelu", Activation::LeakyRelu),
        ("elu", Activation::Elu),
        ("selu", Activation::Selu),
        ("gelu", Activation::Gelu),
        ("silu", Activation::Silu),
        ("tanh", Activation::Tanh),
        ("sigmoid", Activation::Sigmoid),
        ("softplus", Activation::Softplus),
    ];
    for (case, function) in activations {
        let layers = vec![LayerSpec::linear(8), LayerSpec::activation(function)];
        let spec = NetworkSpec {
            layers,
            ..NetworkSpec::default()
        };
        assert_parity(case, &spec, &adam())?;
    }
    Ok(())
}

#[test]
fn every_head_and_loss_of_classes_agrees_with_pytorch() -> Outcome {
    let softmax = |loss| {
        (
            NetworkSpec::mlp(&[32]).with_head(Head::Softmax { classes: 3 }),
            3,
            loss,
        )
    };
    let cross_entropy = |label_smoothing| Loss::CrossEntropy { label_smoothing };
    let binary = |spec: NetworkSpec| (spec.with_head(Head::Binary), 2, cross_entropy(0.0));
    let ordinal = NetworkSpec::mlp(&[32]).with_head(Head::Ordinal { classes: 4 });
    let cases = [
        ("binary", binary(NetworkSpec::mlp(&[32])), false),
        (
            "binary_weighted",
            binary(NetworkSpec::mlp(&[32, 16]).with_batch_norm()),
            true,
        ),
        ("softmax", softmax(cross_entropy(0.0)), false),
        ("softmax_smoothed", softmax(cross_entropy(0.1)), true),
        ("softmax_focal", softmax(Loss::Focal { gamma: 2.0 }), true),
        ("ordinal", (ordinal, 4, cross_entropy(0.0)), true),
    ];
    for (case, (spec, n_classes, loss), weighted) in cases {
        let settings = TrainingSettings {
            loss: Some(loss),
            ..adam()
        };
        let data = batches_of_classes(n_classes, weighted)?;
        assert_parity_on(&data, case, &spec, &settings)?;
    }
    Ok(())
}
