//! Training of the four networks of `code_pudding`, hitcast alone: a step of each at several batch sizes, and its optimiser.

// What `criterion_group!` makes is public and has no documentation.
#![allow(missing_docs, unreachable_pub)]

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use hitcast::core::Seed;
use hitcast::train::{Engine, OptimizerSettings};
use hitcast_benches::networks::{NETS, engine};
use hitcast_kernels::Level;
use hitcast_kernels::optimizer::Adam;

fn step(criterion: &mut Criterion) {
    for net in NETS {
        let mut group = criterion.benchmark_group(format!("step/{net}"));
        for batch in [64, 256, 1024, 4096] {
            let rows = 16 * batch;
            let Ok(mut engine) = engine(net, rows, OptimizerSettings::adam(1e-3)) else {
                continue;
            };
            group.throughput(Throughput::Elements(batch as u64));
            let mut order = Seed::new(1).stream("order");
            let mut place = rows;
            group.bench_function(BenchmarkId::new("plan", batch), |bencher| {
                bencher.iter(|| {
                    if place == rows {
                        place = 0;
                        // As in training, batches do not lie one behind the other in memory.
                        let _ = engine.begin_epoch(&order.permutation(rows));
                    }
                    let done = engine.step(place..place + batch, 1e-3);
                    place += batch;
                    done.is_ok() && engine.take_losses().is_ok()
                });
            });
        }
        group.finish();
    }
}

fn optimizer(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("optimizer/adam");
    for n in [769_usize, 11_777, 1_000_000] {
        let gradient: Vec<f32> = (0..n).map(|i| ((i % 13) as f32 - 6.0) * 1e-2).collect();
        let (mut parameters, mut first, mut second) = (vec![0.5_f32; n], vec![0.0; n], vec![0.0; n]);
        let mut adam = Adam {
            learning_rate: 1e-3,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            weight_decay: 0.0,
            decoupled: false,
            step: 0,
        };
        group.throughput(Throughput::Elements(n as u64));
        for level in Level::available() {
            group.bench_function(BenchmarkId::new(level.name(), n), |bencher| {
                bencher.iter(|| {
                    adam.step = adam.step.wrapping_add(1).max(1);
                    adam.run(
                        level,
                        &mut parameters,
                        black_box(&gradient),
                        1.0,
                        &mut first,
                        &mut second,
                    );
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, step, optimizer);
criterion_main!(benches);
