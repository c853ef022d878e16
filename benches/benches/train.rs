//! Training of the four networks of `code_pudding`, hitcast alone, on the processor and on a GPU where there is one: a step of
//! each at several batch sizes, an epoch, many fits, and the optimisers.

// What `criterion_group!` makes is public and has no documentation.
#![allow(missing_docs, unreachable_pub)]

use std::hint::black_box;
use std::num::NonZeroUsize;
use std::time::Instant;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use hitcast::core::{DeviceChoice, FitContext, Job, Seed, StopSignal, train_many};
use hitcast::train::{NetworkEstimator, TrainingSettings};
use hitcast_benches::networks::{DEVICES, NETS, data, engine, or_skip, spec};
use hitcast_kernels::Level;
use hitcast_kernels::optimizer::{Adam, Sgd};

fn step(criterion: &mut Criterion) {
    for net in NETS {
        let mut group = criterion.benchmark_group(format!("step/{net}"));
        for (device, batch) in DEVICES
            .into_iter()
            .flat_map(|device| [64, 256, 1024, 4096].map(|n| (device, n)))
        {
            // On a GPU the beginning of an epoch waits for the device.
            let rows = batch * if device == DeviceChoice::Cpu { 16 } else { 256 };
            let Some(mut engine) = or_skip(
                &format!("step/{net} on {device}"),
                engine(net, rows, batch, device),
            ) else {
                break;
            };
            let engine = engine.engine();
            let look_every = engine.look_every() as u64;
            group.throughput(Throughput::Elements(batch as u64));
            let mut order = Seed::new(1).stream("order");
            let mut place = rows;
            group.bench_function(BenchmarkId::new(device.to_string(), batch), |bencher| {
                bencher.iter_custom(|steps| {
                    let begin = Instant::now();
                    for step in 1..=steps {
                        if place == rows {
                            place = 0;
                            // As in training, batches do not lie one behind the other in memory.
                            let _ = engine.begin_epoch(&order.permutation(rows));
                        }
                        let _ = black_box(engine.step(place..place + batch, 1e-3));
                        place += batch;
                        if step.is_multiple_of(look_every) || step == steps {
                            let _ = black_box(engine.take_losses());
                        }
                    }
                    begin.elapsed()
                });
            });
        }
        group.finish();
    }
}

/// Once through the rows of the public file's training part, shuffled.
fn epoch(criterion: &mut Criterion) {
    const ROWS: usize = 186_180;
    const BATCH: usize = 64;
    let mut group = criterion.benchmark_group("epoch");
    group.sample_size(10);
    group.throughput(Throughput::Elements(ROWS as u64));
    for (device, net) in DEVICES
        .into_iter()
        .flat_map(|device| NETS.map(|net| (device, net)))
    {
        let Some(mut engine) = or_skip(
            &format!("epoch/{net} on {device}"),
            engine(net, ROWS, BATCH, device),
        ) else {
            break;
        };
        let engine = engine.engine();
        let look_every = engine.look_every();
        let mut order = Seed::new(1).stream("order");
        group.bench_function(BenchmarkId::new(net, device), |bencher| {
            bencher.iter(|| {
                let mut done = engine.begin_epoch(&order.permutation(ROWS)).is_ok();
                for (step, first) in (0..ROWS).step_by(BATCH).enumerate() {
                    done &= engine.step(first..(first + BATCH).min(ROWS), 1e-3).is_ok();
                    if (step + 1).is_multiple_of(look_every) {
                        done &= engine.take_losses().is_ok();
                    }
                }
                done && engine.take_losses().is_ok()
            });
        });
    }
    group.finish();
}

/// Eight fits of an epoch each, on one thread and on two.
fn many(criterion: &mut Criterion) {
    let Ok(data) = data(20_000) else { return };
    let estimator = NetworkEstimator {
        network: spec("mlp3_dropout"),
        training: TrainingSettings {
            epochs: 1,
            ..TrainingSettings::default()
        },
    };
    let stop = StopSignal::new();
    let jobs: Vec<Job<'_>> = (0..8)
        .map(|seed| Job {
            estimator: &estimator,
            train: &data,
            validation: None,
            context: FitContext::quiet("fit", Seed::new(seed), &stop),
        })
        .collect();
    let mut group = criterion.benchmark_group("train_many");
    group.sample_size(10);
    for threads in [1, 2] {
        let Some(n) = NonZeroUsize::new(threads) else {
            continue;
        };
        group.bench_function(BenchmarkId::new("threads", threads), |bencher| {
            bencher.iter(|| train_many(&jobs, n).iter().all(Result::is_ok));
        });
    }
    group.finish();
}

/// One step of an optimiser on parameters, gradient and two moments of several lengths, by each set of instructions.
fn steps(
    criterion: &mut Criterion,
    name: &str,
    mut step: impl FnMut(Level, &mut [f32], &[f32], &mut [f32], &mut [f32]),
) {
    let mut group = criterion.benchmark_group(name);
    for n in [769_usize, 11_777, 1_000_000] {
        let gradient: Vec<f32> = (0..n).map(|i| ((i % 13) as f32 - 6.0) * 1e-2).collect();
        let (mut parameters, mut first, mut second) = (vec![0.5_f32; n], vec![0.0; n], vec![0.0; n]);
        group.throughput(Throughput::Elements(n as u64));
        for level in Level::available() {
            group.bench_function(BenchmarkId::new(level.name(), n), |bencher| {
                bencher.iter(|| {
                    step(
                        level,
                        &mut parameters,
                        black_box(&gradient),
                        &mut first,
                        &mut second,
                    );
                });
            });
        }
    }
    group.finish();
}

fn optimizer(criterion: &mut Criterion) {
    let mut adam = Adam {
        learning_rate: 1e-3,
        beta1: 0.9,
        beta2: 0.999,
        epsilon: 1e-8,
        weight_decay: 0.0,
        decoupled: false,
        step: 0,
    };
    steps(
        criterion,
        "optimizer/adam",
        |level, parameters, gradient, first, second| {
            adam.step = adam.step.wrapping_add(1).max(1);
            adam.run(level, parameters, gradient, 1.0, first, second);
        },
    );
    let sgd = Sgd {
        learning_rate: 1e-3,
        momentum: 0.9,
        nesterov: true,
        weight_decay: 0.0,
    };
    steps(
        criterion,
        "optimizer/sgd",
        |level, parameters, gradient, velocity, _| {
            sgd.run(level, parameters, gradient, 1.0, velocity);
        },
    );
}

criterion_group!(benches, step, epoch, many, optimizer);
criterion_main!(benches);
