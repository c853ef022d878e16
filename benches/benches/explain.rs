//! Explanations of the largest network of `code_pudding`, on all cores.

// What `criterion_group!` makes is public and has no documentation.
#![allow(missing_docs, unreachable_pub)]

use std::fmt::Display;

use criterion::{Criterion, criterion_group, criterion_main};
use hitcast::core::{Estimator as _, FitContext, Model, Seed, StopSignal};
use hitcast::explain::{
    Encoded, ExpectedGradients, Explained, NumberScore, Output, PermutationImportance, Sources,
    gradient_importance,
};
use hitcast::metrics::RegressionMetric;
use hitcast::train::{NetworkEstimator, TrainingSettings};
use hitcast_benches::networks::{data, spec};
use hitcast_benches::peers::Result;

/// After a few epochs: a network that has learned nothing predicts about the same for all rows, which is harder to divide among
/// its inputs than anything that is asked of one.
fn trained() -> Result<Box<dyn Model>> {
    let estimator = NetworkEstimator {
        network: spec("mlp3_dropout"),
        training: TrainingSettings {
            epochs: 5,
            ..TrainingSettings::default()
        },
    };
    let stop = StopSignal::new();
    let context = FitContext::quiet("mlp3_dropout", Seed::new(1), &stop);
    Ok(estimator.fit(&data(23_000)?, None, &context)?.model)
}

/// What came of it. An error ends the benchmarks, as nothing that they measure would then be what their names say.
fn told<T, E: Display>(result: std::result::Result<T, E>) -> T {
    result.unwrap_or_else(|error| panic!("{error}"))
}

/// Five repeats over ten features of 23,000 rows.
fn permutation(criterion: &mut Criterion) {
    let (model, data) = (told(trained()), told(data(23_000)));
    let sources = Sources::by_source(data.features());
    let score = NumberScore {
        metric: RegressionMetric::Rmse,
        actual: data.target(),
    };
    let mut group = criterion.benchmark_group("explain/23,000 rows");
    group.sample_size(10);
    group.bench_function("permutation importance, 5 repeats", |bencher| {
        let importance = PermutationImportance::default();
        bencher.iter(|| told(importance.compute(&*model, data.features(), &sources, &score, Seed::new(1))));
    });
    group.bench_function("gradient importance", |bencher| {
        let explained = Explained::new(&*model, Output::Number);
        bencher.iter(|| told(gradient_importance(&explained, data.features())));
    });
    group.finish();
}

/// A thousand rows, each against a hundred others.
fn gradients(criterion: &mut Criterion) {
    let (model, data) = (told(trained()), told(data(1_000)));
    let explained = Explained::new(&*model, Output::Number);
    let (features, seed) = (data.features(), Seed::new(1));
    let mut group = criterion.benchmark_group("explain/1,000 rows");
    group.sample_size(10);
    group.bench_function("expected gradients, 100 references", |bencher| {
        let gradients = ExpectedGradients::default();
        bencher.iter(|| told(gradients.explain(&explained, features, features, &Encoded, seed)));
    });
    group.finish();
}

criterion_group!(benches, permutation, gradients);
criterion_main!(benches);
