//! Prediction, hitcast alone: one row's latency through a bundle and through the network alone, and many rows at a
//! time, on a GPU too where there is one.

// What `criterion_group!` makes is public and has no documentation.
#![allow(missing_docs, unreachable_pub)]

use std::collections::BTreeMap;
use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use hitcast::core::{DeviceChoice, Model as _, StopSignal};
use hitcast::pipeline::{Experiment, RowValue, Run};
use hitcast_benches::networks::{DEVICES, NETS, data, model, or_skip};
use hitcast_benches::peers::{Result, workspace};

/// A short run of the built-in experiment on invented tracks.
fn run() -> Result<Run> {
    let mut experiment =
        Experiment::preset("code-pudding")?.with_data(workspace().join("fixtures/spotify_features.csv"));
    for model in &mut experiment.models {
        model.settings["training"]["epochs"] = 1.into();
    }
    let stop = StopSignal::new();
    Ok(experiment.run(&hitcast::registry(), &hitcast::run_context(&stop))?)
}

fn latency(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("predict/one row");
    for net in NETS {
        let (Ok(model), Ok(data)) = (model(net, DeviceChoice::Cpu), data(1)) else {
            continue;
        };
        group.bench_function(BenchmarkId::new("network", net), |bencher| {
            bencher.iter(|| model.predict_features(black_box(data.features())).is_ok());
        });
    }
    let Ok(run) = run() else { return };
    let bundle = run.bundle();
    let numbers: Vec<f64> = bundle
        .manifest()
        .inputs
        .iter()
        .filter_map(|input| input.training)
        .map(|range| (range.min + range.max) / 2.0)
        .collect();
    group.bench_function("bundle, numbers", |bencher| {
        bencher.iter(|| bundle.predict_numbers(black_box(&numbers)).is_ok());
    });
    let named: BTreeMap<String, RowValue> = bundle
        .manifest()
        .inputs
        .iter()
        .zip(&numbers)
        .map(|(input, value)| (input.column.clone(), RowValue::from(*value)))
        .collect();
    group.bench_function("bundle, by name", |bencher| {
        bencher.iter(|| bundle.predict_row(black_box(&named)).is_ok());
    });
    group.finish();
}

fn throughput(criterion: &mut Criterion) {
    const ROWS: usize = 1_000_000;
    let Ok(data) = data(ROWS) else { return };
    let mut group = criterion.benchmark_group("predict/a million rows");
    group.sample_size(10);
    group.throughput(Throughput::Elements(ROWS as u64));
    for (device, net) in DEVICES
        .into_iter()
        .flat_map(|device| NETS.map(|net| (device, net)))
    {
        let Some(model) = or_skip(&format!("a million rows on {device}"), model(net, device)) else {
            break;
        };
        group.bench_function(BenchmarkId::new(net, device), |bencher| {
            bencher.iter(|| model.predict_features(data.features()).is_ok());
        });
    }
    group.finish();
}

criterion_group!(benches, latency, throughput);
criterion_main!(benches);
