//! The engine for GPUs on a real one, if there is one.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../networks/mod.rs"]
mod networks;
#[path = "../emulated/parity.rs"]
mod parity;

use hitcast_core::testing::report_skipped;
use hitcast_cuda::Gpu;
use hitcast_nn::{Head, LayerSpec, NetworkSpec};
use hitcast_train::{OptimizerSettings, TrainingSettings};
use proptest::prelude::*;

/// The first GPU; without one, says that a test was skipped.
fn gpu() -> Option<Gpu> {
    match Gpu::open(0, &[hitcast_torch_sys::library_dir()]) {
        Ok(gpu) => Some(gpu),
        Err(error) => {
            report_skipped(&format!("there is no CUDA device: {error}"));
            None
        }
    }
}

#[test]
fn optimisers_clipping_averages_and_accumulation_are_those_of_libtorch() {
    if let Some(gpu) = gpu() {
        parity::compare_optimisers(&gpu);
    }
}

#[test]
fn steps_of_graphs_single_steps_and_resumed_ones_are_the_same() {
    if let Some(gpu) = gpu() {
        parity::compare_replays(&gpu);
    }
}

#[test]
fn large_batches_and_wide_networks_are_no_others() {
    if let Some(gpu) = gpu() {
        parity::compare_large(&gpu);
    }
}

#[test]
fn steps_are_those_of_automatic_differentiation() {
    let Some(gpu) = gpu() else { return };
    // Each compiles kernels of its own.
    let config = ProptestConfig {
        cases: 40,
        ..ProptestConfig::default()
    };
    proptest!(config, |(
        spec in networks::specs(false),
        losses in networks::losses(),
        inputs in 1_usize..20,
        rows in 8_usize..600,
        size in 5_usize..500,
        weighted: bool,
    )| {
        let settings = TrainingSettings {
            batch_size: size,
            loss: Some(losses[usize::from(spec.head.is_of_classes())]),
            optimizer: OptimizerSettings::Sgd { learning_rate: 0.01, momentum: 0.0, nesterov: false, weight_decay: 0.0 },
            ..TrainingSettings::default()
        };
        parity::compare(&gpu, &spec, &settings, inputs, (rows, size), weighted, 1e-4)?;
    });
}

#[test]
fn the_same_seed_gives_the_same_numbers() {
    let Some(gpu) = gpu() else { return };
    let spec = NetworkSpec {
        layers: vec![
            LayerSpec::linear(64),
            LayerSpec::batch_norm(),
            LayerSpec::dropout(0.2),
        ],
        head: Head::Linear,
        ..NetworkSpec::default()
    };
    let first = parity::trained(&gpu, &spec);
    assert_eq!(parity::trained(&gpu, &spec), first);
}
