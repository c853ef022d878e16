//! What a GPU's engine comes to beside libtorch's automatic differentiation on the processor.

use hitcast_core::Seed;
use hitcast_cuda::Gpu;
use hitcast_nn::{Activation, LayerSpec, Network, NetworkSpec};
use hitcast_train::{
    AutogradEngine, CudaEngine, DecayedParameters, Engine, OptimizerSettings, Split, Sums, TrainingSettings,
};
use proptest::prelude::*;
use tch::Device;

use crate::networks::data;

pub(crate) fn network(spec: &NetworkSpec, inputs: usize) -> Network {
    Network::new(spec, inputs, Device::Cpu, Seed::new(3)).unwrap()
}

/// Everything that a network consists of.
fn numbers(network: &Network) -> Vec<f32> {
    let state = network.state().unwrap();
    let tensors = state.tensors.iter();
    tensors
        .flat_map(|(name, data)| state.f32(name, data.shape()).unwrap().to_vec())
        .collect()
}

/// The largest difference, in units of the largest number.
fn gap(ours: &[f32], theirs: &[f32]) -> f32 {
    assert_eq!(ours.len(), theirs.len());
    let scale = theirs
        .iter()
        .fold(1e-3_f32, |scale, value| scale.max(value.abs()));
    let gaps = ours.iter().zip(theirs).map(|(a, b)| (a - b).abs() / scale);
    // The larger of NaN and a number is the number.
    gaps.fold(0.0, |largest: f32, gap| {
        if largest.is_nan() || gap.is_nan() {
            f32::NAN
        } else {
            largest.max(gap)
        }
    })
}

/// Some steps in batches of `size`; the losses.
fn learn(engine: &mut dyn Engine, rows: usize, size: usize, rate: f64, accumulate: usize) -> Vec<f32> {
    let order: Vec<usize> = (0..rows).rev().collect();
    engine.begin_epoch(&order).unwrap();
    let batches = (0..rows)
        .step_by(size)
        .map(|start| start..(start + size).min(rows));
    let batches: Vec<_> = batches.filter(|batch| batch.len() > 1).collect();
    let last = batches.len() - 1;
    for (place, batch) in batches.into_iter().enumerate() {
        if place == last || (place + 1) % accumulate == 0 {
            engine.step(batch, rate).unwrap();
        } else {
            engine.accumulate(batch).unwrap();
        }
    }
    engine.take_losses().unwrap()
}

/// Two epochs by both engines: losses, predictions and all numbers agree.
pub(crate) fn compare(
    gpu: &Gpu,
    spec: &NetworkSpec,
    settings: &TrainingSettings,
    inputs: usize,
    (rows, size): (usize, usize),
    weighted: bool,
    tolerance: f32,
) -> Result<(), TestCaseError> {
    let rate = settings.optimizer.learning_rate();
    let train = data(rows, inputs, spec.head.task(), weighted, 1);
    let validation = data(11, inputs, spec.head.task(), false, 2);
    let mut theirs = AutogradEngine::new(
        network(spec, inputs),
        settings,
        &train,
        Some(&validation),
        Seed::new(4),
    )
    .unwrap();
    let mut net = network(spec, inputs);
    let engine = CudaEngine::compile(gpu, &net, settings, &train, Some(&validation), Seed::new(4)).unwrap();
    let mut ours = engine.unwrap();
    for _ in 0..2 {
        let by_us = learn(&mut ours, rows, size, rate, settings.accumulate_batches);
        let by_them = learn(&mut theirs, rows, size, rate, settings.accumulate_batches);
        prop_assert!(gap(&by_us, &by_them) < tolerance, "losses {by_us:?} {by_them:?}");
    }
    let loss = settings.loss_for(spec.head);
    for (split, rows) in [(Split::Train, &train), (Split::Validation, &validation)] {
        let by_us = ours.measure(split, loss).unwrap().unwrap();
        let by_them = Sums::of(loss, &ours.predict(split).unwrap(), rows.target(), rows.weights());
        prop_assert_eq!(&by_us.confusion, &by_them.confusion);
        prop_assert_eq!(by_us.rows, by_them.rows);
        for (ours, theirs) in [
            (by_us.loss / by_us.weight, by_them.loss / by_them.weight),
            (by_us.squared_error, by_them.squared_error),
            (by_us.absolute_error, by_them.absolute_error),
        ] {
            prop_assert!(
                (ours - theirs).abs() <= 1e-5 * theirs.abs(),
                "{split:?}: {ours} {theirs}"
            );
        }
    }
    for split in [Split::Train, Split::Validation] {
        #[allow(clippy::cast_possible_truncation)]
        let singles = |engine: &mut dyn Engine| -> Vec<f32> {
            engine
                .predict(split)
                .unwrap()
                .values()
                .iter()
                .map(|&value| value as f32)
                .collect()
        };
        let (by_us, by_them) = (singles(&mut ours), singles(&mut theirs));
        prop_assert!(
            gap(&by_us, &by_them) < 10.0 * tolerance,
            "{split:?} {by_us:?} {by_them:?}"
        );
    }
    ours.write_to(&mut net).unwrap();
    let (by_us, by_them) = (numbers(&net), numbers(&theirs.into_network().unwrap()));
    prop_assert!(gap(&by_us, &by_them) < tolerance, "{}", gap(&by_us, &by_them));
    Ok(())
}

/// All optimisers with all that changes a step.
pub(crate) fn compare_optimisers(gpu: &Gpu) {
    let spec = NetworkSpec {
        layers: vec![
            LayerSpec::linear(9),
            LayerSpec::batch_norm(),
            LayerSpec::activation(Activation::Tanh),
            LayerSpec::linear(6),
            LayerSpec::activation(Activation::Silu),
        ],
        ..NetworkSpec::default()
    };
    let sgd = |momentum, nesterov, weight_decay| OptimizerSettings::Sgd {
        learning_rate: 0.02,
        momentum,
        nesterov,
        weight_decay,
    };
    let adam = OptimizerSettings::Adam {
        learning_rate: 1e-2,
        betas: (0.9, 0.99),
        epsilon: 1e-3,
        weight_decay: 0.1,
    };
    let adamw = OptimizerSettings::AdamW {
        learning_rate: 1e-2,
        betas: (0.8, 0.99),
        epsilon: 1e-3,
        weight_decay: 0.3,
    };
    for optimizer in [
        sgd(0.0, false, 0.2),
        sgd(0.9, false, 0.1),
        sgd(0.8, true, 0.0),
        adam,
        adamw,
    ] {
        for (weight_decay_on, clip_gradient_norm, accumulate_batches, ema_decay) in [
            (DecayedParameters::All, None, 1, None),
            (DecayedParameters::Weights, Some(0.4), 3, None),
            (DecayedParameters::Weights, None, 2, Some(0.9)),
        ] {
            let settings = TrainingSettings {
                batch_size: 7,
                optimizer,
                weight_decay_on,
                clip_gradient_norm,
                accumulate_batches,
                ema_decay,
                ..TrainingSettings::default()
            };
            compare(gpu, &spec, &settings, 4, (50, 7), true, 1e-4)
                .unwrap_or_else(|error| panic!("{settings:?}: {error}"));
        }
    }
}

/// Batches of more tiles than the device has blocks, weights that have no room in the shared memory, and tiles that have none.
pub(crate) fn compare_large(gpu: &Gpu) {
    let sgd = OptimizerSettings::Sgd {
        learning_rate: 0.01,
        momentum: 0.0,
        nesterov: false,
        weight_decay: 0.0,
    };
    let relu = || LayerSpec::activation(Activation::Relu);
    let normed = vec![
        LayerSpec::linear(7),
        LayerSpec::batch_norm(),
        relu(),
        LayerSpec::linear(3),
    ];
    let wide_weights = vec![LayerSpec::linear(300), relu(), LayerSpec::linear(200), relu()];
    let wide_rows = vec![LayerSpec::linear(2500), relu(), LayerSpec::linear(2), relu()];
    // So many that tiles are as high as they become, and that there are more than blocks.
    let many = 33 * gpu.multiprocessors();
    for (layers, rows, size) in [
        (normed, many * 3 / 2, many),
        (vec![LayerSpec::linear(7), relu()], many * 3 / 2, many),
        (wide_weights, 50, 30),
        (wide_rows.clone(), 50, 30),
        (wide_rows, many * 3 / 2, many),
    ] {
        let spec = NetworkSpec {
            layers,
            ..NetworkSpec::default()
        };
        let settings = TrainingSettings {
            batch_size: size,
            optimizer: sgd,
            ..TrainingSettings::default()
        };
        compare(gpu, &spec, &settings, 3, (rows, size), false, 1e-4)
            .unwrap_or_else(|error| panic!("{spec:?}: {error}"));
    }
}

/// All numbers of a network after two epochs.
pub(crate) fn trained(gpu: &Gpu, spec: &NetworkSpec) -> Vec<f32> {
    let settings = TrainingSettings {
        batch_size: 64,
        ..TrainingSettings::default()
    };
    let train = data(1000, 10, spec.head.task(), true, 1);
    let mut net = network(spec, 10);
    let engine = CudaEngine::compile(gpu, &net, &settings, &train, None, Seed::new(4)).unwrap();
    let mut engine = engine.unwrap();
    for _ in 0..2 {
        learn(&mut engine, 1000, 64, 1e-3, 1);
    }
    engine.write_to(&mut net).unwrap();
    numbers(&net)
}

/// Steps that are replayed as graphs, those that are launched one by one, and those that go on from a saved state end with the
/// same numbers, bit for bit.
pub(crate) fn compare_replays(gpu: &Gpu) {
    const ROWS: usize = 400;
    const STEPS: usize = 101;
    let spec = NetworkSpec::mlp(&[20, 9]).with_batch_norm().with_dropout(0.2);
    let settings = TrainingSettings {
        batch_size: 16,
        optimizer: OptimizerSettings::adamw(1e-2, 0.1),
        clip_gradient_norm: Some(0.5),
        ema_decay: Some(0.95),
        ..TrainingSettings::default()
    };
    let data = data(ROWS, 5, spec.head.task(), true, 1);
    let engine = || {
        let net = network(&spec, 5);
        let engine = CudaEngine::compile(gpu, &net, &settings, &data, None, Seed::new(4)).unwrap();
        (engine.unwrap(), net)
    };
    let step = |engine: &mut CudaEngine, n: usize| {
        let start = n * 16 % ROWS;
        let batch = start..(start + 16).min(ROWS);
        if n % 3 == 1 {
            engine.accumulate(batch).unwrap();
        } else {
            engine.step(batch, 1e-2).unwrap();
        }
    };
    let ended = |engine: &CudaEngine, mut net: Network| {
        engine.write_to(&mut net).unwrap();
        numbers(&net)
    };
    let (mut whole, net) = engine();
    (0..STEPS).for_each(|n| step(&mut whole, n));
    let losses = whole.take_losses().unwrap();
    assert!(losses.len() == STEPS && losses.iter().all(|loss| loss.is_finite()));
    let whole = ended(&whole, net);
    let (mut single, net) = engine();
    for (n, loss) in losses.iter().enumerate() {
        step(&mut single, n);
        assert_eq!(single.take_losses().unwrap(), [*loss], "step {n}");
    }
    assert_eq!(ended(&single, net), whole);
    let (mut before, _) = engine();
    (0..57).for_each(|n| step(&mut before, n));
    let state = before.state().unwrap();
    let (mut after, net) = engine();
    // A gradient that is taken in already is none of the state.
    after.accumulate(0..16).unwrap();
    after.restore(&state).unwrap();
    (57..STEPS).for_each(|n| step(&mut after, n));
    assert_eq!(ended(&after, net), whole);
}
