//! Whole fits by the estimator on an emulated device.

use std::num::NonZeroUsize;
use std::path::Path;

use hitcast_core::dataset::FeatureColumn;
use hitcast_core::{
    BoxError, Checkpoints, Dataset, DeviceChoice, Estimator, Features, Fit, FitContext, Seed, StopSignal,
};
use hitcast_nn::NetworkSpec;
use hitcast_train::stream::{Chunks, StreamSettings};
use hitcast_train::{
    EarlyStopping, EngineChoice, Job, NetworkEstimator, OptimizerSettings, TrainingSettings, train_many,
};
use ndarray::Array2;

use crate::emulator::Emulator;

fn data(rows: usize, seed: u64) -> Dataset {
    let mut stream = Seed::new(seed).stream("data");
    #[allow(clippy::cast_possible_truncation)]
    let x = Array2::from_shape_simple_fn((rows, 4), || stream.normal() as f32);
    let y = x
        .rows()
        .into_iter()
        .map(|row| f64::from(row[0] * row[1] + row[2]) + 0.1 * stream.normal());
    let y = y.collect();
    let columns = (0..4).map(|n| FeatureColumn::plain(format!("x{n}"))).collect();
    Dataset::new(Features::new(x, columns).unwrap(), y).unwrap()
}

fn estimator(epochs: usize) -> NetworkEstimator {
    NetworkEstimator {
        network: NetworkSpec::mlp(&[12, 6]).with_batch_norm().with_dropout(0.1),
        training: TrainingSettings {
            epochs,
            batch_size: 16,
            optimizer: OptimizerSettings::adamw(1e-2, 0.01),
            clip_gradient_norm: Some(2.0),
            ema_decay: Some(0.9),
            early_stopping: Some(EarlyStopping::default()),
            engine: EngineChoice::Plan,
            ..TrainingSettings::default()
        },
    }
}

fn context<'a>(seed: u64, stop: &'a StopSignal, folder: Option<&'a Path>) -> FitContext<'a> {
    FitContext {
        device: DeviceChoice::Cuda(0),
        checkpoints: folder.map(|folder| Checkpoints {
            every: std::time::Duration::ZERO,
            ..Checkpoints::new(folder)
        }),
        ..FitContext::quiet("network", Seed::new(seed), stop)
    }
}

fn state(fit: &Fit) -> String {
    format!("{:?}", fit.model.state().unwrap())
}

#[test]
fn a_network_learns_and_learns_the_same_again_whatever_the_order_of_threads() {
    let emulator = Emulator::take();
    let (train, validation, stop) = (data(240, 1), data(80, 2), StopSignal::new());
    let fit = || {
        estimator(12)
            .fit(&train, Some(&validation), &context(5, &stop, None))
            .unwrap()
    };
    let first = fit();
    let r2 = first.history.last().unwrap().validation["r2"];
    assert!(r2 > 0.5, "{r2}");
    emulator.falls(true);
    assert_eq!(state(&fit()), state(&first));
}

#[test]
fn networks_side_by_side_come_to_what_each_comes_to_alone() {
    let _emulator = Emulator::take();
    let rows = [(100, 3), (140, 4), (70, 5)];
    let (rows, stop) = (
        rows.map(|(n, seed)| (data(n, seed), data(40, seed + 10))),
        StopSignal::new(),
    );
    let estimator = estimator(4);
    let jobs: Vec<Job<'_>> = rows
        .iter()
        .enumerate()
        .map(|(place, (train, validation))| Job {
            estimator: &estimator,
            train,
            validation: Some(validation),
            context: context(place as u64, &stop, None),
        })
        .collect();
    let together = train_many(&jobs, NonZeroUsize::MIN);
    for (job, trained) in jobs.iter().zip(together) {
        let alone = job
            .estimator
            .fit(job.train, job.validation, &job.context)
            .unwrap();
        assert_eq!(state(&trained.unwrap().fit), state(&alone));
    }
}

#[test]
fn one_of_several_that_fails_leaves_the_others_alone() {
    let _emulator = Emulator::take();
    let (train, stop) = (data(60, 1), StopSignal::new());
    // Fewer rows than a batch.
    let (few, validation) = (data(9, 2), data(30, 3));
    let estimator = estimator(3);
    let jobs = [&train, &few, &train].map(|train| Job {
        estimator: &estimator,
        train,
        validation: Some(&validation),
        context: context(1, &stop, None),
    });
    let results = train_many(&jobs, NonZeroUsize::MIN);
    assert!(results[0].is_ok() && results[2].is_ok());
    let message = results[1].as_ref().unwrap_err();
    let message = std::error::Error::source(message).unwrap().to_string();
    assert!(message.contains("batch_size is 16"), "{message}");
}

#[test]
fn a_device_that_vanishes_leaves_its_checkpoints_and_training_goes_on_from_them() {
    let emulator = Emulator::take();
    let (train, validation, stop) = (data(100, 1), data(40, 2), StopSignal::new());
    let fit = |folder: Option<&Path>| estimator(6).fit(&train, Some(&validation), &context(5, &stop, folder));
    let whole = state(&fit(None).unwrap());
    // An epoch is 7 steps of some launches each.
    for launches in [60, 150, 280] {
        let folder = tempfile::tempdir().unwrap();
        emulator.vanishes_after(launches);
        let error = fit(Some(folder.path())).err().unwrap();
        let message = std::error::Error::source(&error).unwrap().to_string();
        assert!(message.contains("the GPU failed while"), "{message}");
        assert!(message.contains("CUDA_ERROR_DEVICE_UNAVAILABLE"), "{message}");
        assert!(message.contains("--resume"), "{message}");
        emulator.vanishes_after(-1);
        let begun = std::fs::read_dir(folder.path()).unwrap().count();
        assert!(begun > 0, "no checkpoint after {launches} launches");
        assert_eq!(state(&fit(Some(folder.path())).unwrap()), whole);
    }
}

#[test]
fn a_device_that_is_full_says_so() {
    let emulator = Emulator::take();
    let (train, validation, stop) = (data(100, 1), data(40, 2), StopSignal::new());
    emulator.has_bytes(20_000);
    let error = estimator(3)
        .fit(&train, Some(&validation), &context(5, &stop, None))
        .err()
        .unwrap();
    let message = std::error::Error::source(&error).unwrap().to_string();
    assert!(message.contains("the GPU has no room for"), "{message}");
    assert!(message.contains("--device cpu"), "{message}");
}

/// The same rows with classes by the sign of the target.
fn of_classes(data: &Dataset) -> Dataset {
    let classes: Vec<usize> = data
        .target()
        .iter()
        .map(|target| usize::from(*target > 0.0))
        .collect();
    Dataset::of_classes(data.features().clone(), &classes, 2).unwrap()
}

#[test]
fn rows_in_chunks_are_learned_from_as_on_the_processor() {
    let _emulator = Emulator::take();
    let stop = StopSignal::new();
    let mut estimator = estimator(4);
    estimator.network = NetworkSpec::mlp(&[12, 6]);
    for of in [Dataset::clone, of_classes] {
        let validation = of(&data(40, 9));
        let losses = |device| -> Vec<f64> {
            let chunk = |seed| Ok::<_, BoxError>(of(&data(30, seed)));
            let mut chunks = Chunks::new(120, || Ok((0..4).map(chunk)));
            let settings = StreamSettings { buffer_rows: 50 };
            let context = FitContext {
                device,
                ..context(5, &stop, None)
            };
            let fit = estimator.fit_stream(&mut chunks, &settings, Some(&validation), &context);
            let history = fit.unwrap().history.into_iter();
            history
                .flat_map(|record| [record.train_loss, record.validation_loss.unwrap()])
                .collect()
        };
        let (here, there) = (losses(DeviceChoice::Cuda(0)), losses(DeviceChoice::Cpu));
        assert_eq!(here.len(), 8);
        for (here, there) in here.iter().zip(&there) {
            assert!((here - there).abs() < 1e-3 * there, "{here} {there}");
        }
        assert!(here[6] < here[0], "{here:?}");
    }
}
