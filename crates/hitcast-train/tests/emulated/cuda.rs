use hitcast_core::dataset::FeatureColumn;
use hitcast_core::{Dataset, Features, Seed, TensorData};
use hitcast_cuda::Gpu;
use hitcast_nn::{LayerSpec, NetworkSpec};
use hitcast_train::{CudaEngine, Engine, OptimizerSettings, Split, TrainingSettings};
use ndarray::Array2;
use proptest::prelude::*;

use crate::emulator::Emulator;
use crate::networks::{losses, specs};
use crate::parity::{compare, compare_large, compare_optimisers, compare_replays, network, trained};

fn gpu() -> Gpu {
    Gpu::open(0, &[]).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn steps_are_those_of_automatic_differentiation(
        spec in specs(false),
        losses in losses(),
        inputs in 1_usize..20,
        rows in 8_usize..60,
        size in 5_usize..40,
        weighted: bool,
    ) {
        let emulator = Emulator::take();
        emulator.falls(rows % 2 == 1);
        let settings = TrainingSettings {
            batch_size: size,
            loss: Some(losses[usize::from(spec.head.is_of_classes())]),
            optimizer: OptimizerSettings::Sgd { learning_rate: 0.01, momentum: 0.0, nesterov: false, weight_decay: 0.0 },
            ..TrainingSettings::default()
        };
        compare(&gpu(), &spec, &settings, inputs, (rows, size), weighted, 1e-4)?;
    }
}

#[test]
fn optimisers_clipping_averages_and_accumulation_are_those_of_libtorch() {
    let _emulator = Emulator::take();
    compare_optimisers(&gpu());
}

#[test]
fn steps_of_graphs_single_steps_and_resumed_ones_are_the_same() {
    let _emulator = Emulator::take();
    compare_replays(&gpu());
}

#[test]
fn large_batches_and_wide_networks_are_no_others() {
    let emulator = Emulator::take();
    for falls in [false, true] {
        emulator.falls(falls);
        compare_large(&gpu());
    }
}

/// One feature of 1, a weight of 1 and a target of 0: the loss of a batch tells how many rows dropout has kept.
#[test]
fn dropout_keeps_as_many_as_it_should_and_draws_anew_each_step() {
    const ROWS: usize = 400;
    const KEPT: f64 = 0.7;
    let _emulator = Emulator::take();
    let spec = NetworkSpec {
        layers: vec![LayerSpec::dropout(1.0 - KEPT)],
        ..NetworkSpec::default()
    };
    let features = Features::new(Array2::ones((ROWS, 1)), vec![FeatureColumn::plain("one")]).unwrap();
    let data = Dataset::new(features, vec![0.0; ROWS]).unwrap();
    let settings = TrainingSettings {
        batch_size: ROWS,
        optimizer: OptimizerSettings::Sgd {
            learning_rate: 1e-30,
            momentum: 0.0,
            nesterov: false,
            weight_decay: 0.0,
        },
        ..TrainingSettings::default()
    };
    let kept = |seed| {
        let net = network(&spec, 1);
        let engine = CudaEngine::compile(&gpu(), &net, &settings, &data, None, Seed::new(seed)).unwrap();
        let mut engine = engine.unwrap();
        let mut state = engine.state().unwrap();
        let numbers = TensorData::f32_vector(vec![1.0, 0.0]);
        state.tensors.insert("parameters".to_owned(), numbers);
        engine.restore(&state).unwrap();
        // More than a graph holds, and some left over.
        for _ in 0..50 {
            engine.step(0..ROWS, 1e-30).unwrap();
        }
        let losses = engine.take_losses().unwrap();
        let count = |loss: &f32| f64::from(*loss) * KEPT * KEPT * ROWS as f64;
        losses.iter().map(count).collect::<Vec<f64>>()
    };
    let counts = kept(1);
    assert!(
        counts.iter().all(|count| (count - count.round()).abs() < 1e-2),
        "{counts:?}"
    );
    let mean = counts.iter().sum::<f64>() / (ROWS * counts.len()) as f64;
    // Five standard errors of 20,000 draws.
    assert!((mean - KEPT).abs() < 0.017, "{mean}");
    let mut distinct: Vec<u64> = counts.iter().map(|count| count.round().to_bits()).collect();
    distinct.dedup();
    assert!(distinct.len() > 40, "{distinct:?}");
    assert_eq!(counts, kept(1));
    assert_ne!(counts, kept(2));
    // No dropout when predicting.
    let net = network(&spec, 1);
    let mut engine = CudaEngine::compile(&gpu(), &net, &settings, &data, None, Seed::new(1))
        .unwrap()
        .unwrap();
    let values = engine.predict(Split::Train).unwrap();
    assert!(
        values
            .values()
            .windows(2)
            .all(|pair| pair[0].to_bits() == pair[1].to_bits())
    );
}

#[test]
fn the_same_seed_gives_the_same_numbers_whatever_the_order_of_threads() {
    let emulator = Emulator::take();
    let spec = NetworkSpec {
        layers: vec![
            LayerSpec::linear(20),
            LayerSpec::batch_norm(),
            LayerSpec::dropout(0.2),
        ],
        ..NetworkSpec::default()
    };
    let first = trained(&gpu(), &spec);
    emulator.falls(true);
    assert_eq!(trained(&gpu(), &spec), first);
}
