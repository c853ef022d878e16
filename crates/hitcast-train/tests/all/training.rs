//! What training does and refuses, by behaviour.

#![allow(clippy::unwrap_used, clippy::expect_used)]
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss
)]

use std::error::Error;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::sync::Mutex;

use hitcast_core::testing::report_skipped;
use hitcast_core::{
    Dataset, EpochRecord, Estimator, Event, FeatureBlock, FeatureColumn, Features, FitContext, Indicators,
    Job, Progress, Seed, StopReason, StopSignal,
};
use hitcast_nn::{Head, Loss, Network, NetworkSpec};
use hitcast_train::{
    AutogradEngine, EarlyStopping, Engine, EngineChoice, LearningRateFinder, NetworkEstimator,
    OptimizerSettings, PART_ROWS, PlanEngine, Schedule, Split, TrainError, Trainer, TrainingSettings,
    train_many,
};
use ndarray::Array2;
use tch::Device;

type Outcome = Result<(), Box<dyn Error>>;

/// y = 20 + 3 · (a + b + c)², which no straight line can learn.
fn data(rows: usize, seed: u64) -> Result<Dataset, Box<dyn Error>> {
    let mut stream = Seed::new(seed).stream("rows");
    let features = Array2::from_shape_fn((rows, 3), |_| (stream.uniform() * 4.0 - 2.0) as f32);
    let target = features
        .outer_iter()
        .map(|row| 20.0 + 3.0 * f64::from(row.sum()).powi(2))
        .collect();
    let columns = ["a", "b", "c"].map(FeatureColumn::plain).to_vec();
    Ok(Dataset::new(Features::new(features, columns)?, target)?)
}

#[test]
fn encoded_columns_are_learned_from_as_if_they_were_written_out() -> Result<(), Box<dyn Error>> {
    let n = 150;
    let mut stream = Seed::new(8).stream("rows");
    let numbers = Array2::from_shape_fn((n, 2), |_| stream.normal() as f32);
    let genres: Vec<u32> = (0..n).map(|_| stream.below(5) as u32).collect();
    let blocks = vec![
        FeatureBlock::Dense(numbers.clone()),
        FeatureBlock::Indicators(Indicators::one_hot(5, genres.iter().copied())),
    ];
    let names = ["a", "b", "g=0", "g=1", "g=2", "g=3", "g=4"]
        .map(FeatureColumn::plain)
        .to_vec();
    let encoded = Features::from_blocks(n, blocks, names.clone())?;
    let written = Features::new(encoded.matrix().into_owned(), names)?;
    assert_ne!(encoded, written);
    let target: Vec<f64> = genres.iter().map(|genre| f64::from(*genre)).collect();
    for engine in [EngineChoice::Plan, EngineChoice::Autograd] {
        let mut estimator = estimator(100);
        estimator.training.engine = engine;
        let learned = |features: &Features| -> Result<Vec<f64>, Box<dyn Error>> {
            let data = Dataset::new(features.clone(), target.clone())?;
            let stop = StopSignal::new();
            let fit = estimator.fit(&data, Some(&data), &FitContext::quiet("net", Seed::new(1), &stop))?;
            Ok(fit.model.predict_features(features)?.into_values())
        };
        let (from_encoded, from_written) = (learned(&encoded)?, learned(&written)?);
        assert_eq!(from_encoded, from_written);
        let error = |(predicted, target): (&f64, &f64)| (predicted - target).powi(2);
        let mse = from_encoded.iter().zip(&target).map(error).sum::<f64>() / n as f64;
        // That of their mean is 2.
        assert!(mse < 0.5, "{mse}");
    }
    Ok(())
}

fn estimator(epochs: usize) -> NetworkEstimator {
    NetworkEstimator {
        network: NetworkSpec::mlp(&[32, 16]).with_batch_norm().with_dropout(0.1),
        training: TrainingSettings {
            epochs,
            optimizer: OptimizerSettings::adam(1e-2),
            ..Default::default()
        },
    }
}

fn fit(estimator: &NetworkEstimator, seed: u64) -> Result<hitcast_core::Fit, Box<dyn Error>> {
    let (train, validation) = (data(700, 1)?, data(200, 2)?);
    let stop = StopSignal::new();
    Ok(estimator.fit(
        &train,
        Some(&validation),
        &FitContext::quiet("test", Seed::new(seed), &stop),
    )?)
}

#[test]
fn a_network_learns_what_a_line_cannot() -> Outcome {
    let history = fit(&estimator(40), 1)?.history;
    let (first, last) = (&history[0], &history[39]);
    assert!(last.validation["r2"] > 0.6, "{last:?}");
    assert!(last.train_loss < first.train_loss);
    assert_eq!(last.train.keys().collect::<Vec<_>>(), ["mae", "r2", "rmse"]);
    Ok(())
}

#[test]
fn the_same_seed_gives_the_same_weights_and_another_seed_others() -> Outcome {
    let state = |seed| -> Result<_, Box<dyn Error>> { Ok(fit(&estimator(3), seed)?.model.state()?) };
    assert_eq!(state(7)?, state(7)?);
    assert_ne!(state(7)?, state(8)?);
    Ok(())
}

#[test]
fn validation_rows_are_only_looked_at() -> Outcome {
    let train = data(300, 1)?;
    let stop = StopSignal::new();
    let context = FitContext::quiet("test", Seed::new(3), &stop);
    let state = |validation: &Dataset| -> Result<_, Box<dyn Error>> {
        Ok(estimator(4)
            .fit(&train, Some(validation), &context)?
            .model
            .state()?)
    };
    assert_eq!(state(&data(100, 2)?)?, state(&data(80, 9)?)?);
    Ok(())
}

#[test]
fn early_stopping_brings_the_best_weights_back() -> Outcome {
    let mut estimator = estimator(200);
    estimator.training.early_stopping = Some(EarlyStopping {
        patience: 3,
        ..Default::default()
    });
    let fit = fit(&estimator, 2)?;
    assert_eq!(fit.stopped, StopReason::EarlyStopping);
    let best = fit.best_epoch.ok_or("no best epoch")?;
    assert_eq!(best + 3, fit.history.len());
    let loss = |record: &EpochRecord| record.validation_loss.unwrap_or(f64::NAN);
    assert!(
        fit.history
            .iter()
            .all(|record| loss(record) >= loss(&fit.history[best - 1]))
    );

    let validation = data(200, 2)?;
    let predicted = fit.model.predict_features(validation.features())?;
    let again = Loss::Mse.mean_of(&predicted, validation.target(), None);
    approx::assert_relative_eq!(again, loss(&fit.history[best - 1]), max_relative = 1e-6);
    Ok(())
}

#[test]
fn the_learning_rate_follows_its_schedule() -> Outcome {
    let mut estimator = estimator(6);
    estimator.training.schedule = Schedule::Step {
        every: 2,
        factor: 0.1,
    };
    let rates: Vec<f64> = fit(&estimator, 1)?
        .history
        .iter()
        .map(|r| r.learning_rate)
        .collect();
    for (rate, expected) in rates.iter().zip([1e-2, 1e-2, 1e-3, 1e-3, 1e-4, 1e-4]) {
        approx::assert_relative_eq!(*rate, expected, max_relative = 1e-9);
    }
    Ok(())
}

/// Requests a stop after so many epochs, as Ctrl-C would.
struct Interrupts(StopSignal, usize);

impl Progress for Interrupts {
    fn report(&self, event: &Event<'_>) {
        if matches!(event, Event::EpochEnded { record, .. } if record.epoch == self.1) {
            self.0.request();
        }
    }
}

#[test]
fn a_requested_stop_ends_cleanly_with_the_best_weights() -> Outcome {
    let (train, validation) = (data(700, 1)?, data(200, 2)?);
    let stop = StopSignal::new();
    let progress = Interrupts(stop.clone(), 4);
    let context = FitContext {
        progress: &progress,
        ..FitContext::quiet("test", Seed::new(1), &stop)
    };
    let fit = estimator(50).fit(&train, Some(&validation), &context)?;
    assert_eq!((fit.stopped, fit.history.len()), (StopReason::Requested, 4));
    let losses: Vec<f64> = fit.history.iter().filter_map(|r| r.validation_loss).collect();
    let best = losses
        .iter()
        .position(|&l| losses.iter().all(|&o| l <= o))
        .map(|i| i + 1);
    assert_eq!(fit.best_epoch, best);

    // A stop before the first epoch is over still gives a model that predicts.
    let fit = estimator(50).fit(&train, Some(&validation), &context)?;
    assert_eq!((fit.stopped, fit.history.len()), (StopReason::Requested, 1));
    Ok(())
}

/// Takes the seconds and the rows a second of a fit that ended.
#[derive(Default)]
struct Speed(Mutex<(f64, f64)>);

impl Progress for Speed {
    fn report(&self, event: &Event<'_>) {
        if let Event::FitEnded {
            elapsed_seconds,
            rows_per_second,
            ..
        } = *event
        {
            *self.0.lock().unwrap() = (elapsed_seconds, rows_per_second);
        }
    }
}

#[test]
fn rows_a_second_are_of_the_rows_that_were_learned_from() -> Outcome {
    let train = data(700, 1)?;
    let batch_size = estimator(3).training.batch_size;
    assert!(batch_size < 700);
    for (is_cut, rows) in [(false, 3 * 700), (true, batch_size)] {
        let (stop, speed) = (StopSignal::new(), Speed::default());
        if is_cut {
            stop.request();
        }
        let context = FitContext {
            progress: &speed,
            ..FitContext::quiet("test", Seed::new(1), &stop)
        };
        estimator(3).fit(&train, None, &context)?;
        let (seconds, rows_per_second) = *speed.0.lock().unwrap();
        assert!((rows_per_second * seconds - rows as f64).abs() < 1e-6 * rows as f64);
    }
    Ok(())
}

#[test]
fn callbacks_see_every_epoch_and_can_end_the_training() -> Outcome {
    let (train, stop) = (data(200, 1)?, StopSignal::new());
    let mut seen = Vec::new();
    let estimator = estimator(50);
    let mut trainer = Trainer::new(estimator.training.clone()).with_callback(|record: &EpochRecord| {
        seen.push(record.epoch);
        if record.epoch == 3 {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    let (_, outcome) = estimator.train(
        &mut trainer,
        &train,
        None,
        &FitContext::quiet("test", Seed::new(1), &stop),
    )?;
    drop(trainer);
    assert_eq!(outcome.stopped, StopReason::Callback);
    assert_eq!(seen, [1, 2, 3]);
    Ok(())
}

#[test]
fn a_loss_that_explodes_is_an_error_that_says_where() -> Outcome {
    let mut estimator = estimator(5);
    estimator.network = NetworkSpec::mlp(&[16]);
    estimator.training.optimizer = OptimizerSettings::sgd(1e6, 0.0);
    let message = fit(&estimator, 1).unwrap_err().to_string();
    assert!(
        message.contains("epoch 1, step") && message.contains("learning rate 1000000"),
        "{message}"
    );
    Ok(())
}

#[test]
fn the_step_of_a_loss_that_explodes_is_that_of_several_batches() -> Outcome {
    let mut estimator = estimator(1);
    estimator.network = NetworkSpec::mlp(&[16]);
    estimator.training.optimizer = OptimizerSettings::sgd(1e30, 0.0);
    estimator.training.accumulate_batches = 4;
    // The first four batches are the first step, whose weights the fifth one meets.
    let message = fit(&estimator, 1).unwrap_err().to_string();
    assert!(message.contains("epoch 1, step 2 "), "{message}");
    Ok(())
}

/// That every way to rows refuses these.
fn refused(rows: &Dataset, expected: &str) -> Outcome {
    let (good, stop) = (data(60, 1)?, StopSignal::new());
    let context = FitContext::quiet("test", Seed::new(1), &stop);
    for engine in [EngineChoice::Plan, EngineChoice::Autograd] {
        let mut estimator = estimator(1);
        estimator.training.engine = engine;
        estimator.training.batch_size = 20;
        let mut trainer = Trainer::new(estimator.training.clone());
        let finder = LearningRateFinder::default();
        let errors = [
            estimator.train(&mut trainer, rows, None, &context).err(),
            estimator.train(&mut trainer, &good, Some(rows), &context).err(),
            estimator.engine_for(rows, None, &context).err(),
            finder.find(&estimator, rows, &context).err(),
            estimator
                .engine_for(&good, None, &context)?
                .engine()
                .replace_rows(rows)
                .err(),
        ];
        for error in errors {
            let message = error.ok_or("taken")?.to_string();
            assert!(message.contains(expected), "{engine:?}: {message}");
        }
    }
    Ok(())
}

#[test]
fn rows_with_what_is_missing_or_too_large_are_named_before_anything_is_done() -> Outcome {
    let good = data(60, 2)?;
    let mut matrix = good.features().matrix().into_owned();
    matrix[[7, 1]] = f32::NAN;
    let columns = good.features().columns().to_vec();
    let missing = good.with_features(Features::with_missing(matrix, columns)?)?;
    refused(&missing, "NaN in row 7, column \"b\"")?;
    for value in [1e39, -1e25] {
        let mut target = good.target().to_vec();
        target[9] = value;
        let far = Dataset::new(good.features().clone(), target)?;
        refused(&far, &format!("the target of row 9 is {value:e}"))?;
    }
    Ok(())
}

#[test]
fn an_engine_takes_no_other_columns_and_no_other_task_in_place_of_its_rows() -> Outcome {
    let (good, stop) = (data(60, 1)?, StopSignal::new());
    let context = FitContext::quiet("test", Seed::new(1), &stop);
    let with_columns = |n: usize| -> Result<Dataset, Box<dyn Error>> {
        let columns = (0..n)
            .map(|column| FeatureColumn::plain(column.to_string()))
            .collect();
        Ok(Dataset::new(
            Features::new(Array2::zeros((60, n)), columns)?,
            vec![0.0; 60],
        )?)
    };
    for engine in [EngineChoice::Plan, EngineChoice::Autograd] {
        let mut estimator = estimator(1);
        estimator.training.engine = engine;
        estimator.training.batch_size = 20;
        let mut engine = estimator.engine_for(&good, None, &context)?;
        for n in [2, 4, 20] {
            let message = engine
                .engine()
                .replace_rows(&with_columns(n)?)
                .unwrap_err()
                .to_string();
            assert!(
                message.contains(&format!("on 3 features, but was given rows with {n}")),
                "{message}"
            );
        }
        let message = engine
            .engine()
            .replace_rows(&rings(60, 1, 3)?)
            .unwrap_err()
            .to_string();
        assert!(message.contains("expected numbers, got 3 classes"), "{message}");
        engine.engine().replace_rows(&data(30, 2)?)?;
        engine.engine().begin_epoch(&(0..30).collect::<Vec<_>>())?;
        engine.engine().step(0..30, 1e-3)?;
    }
    Ok(())
}

#[test]
fn a_bounded_head_trains_within_its_range() -> Outcome {
    let mut estimator = estimator(10);
    estimator.network = NetworkSpec::mlp(&[16]).with_head(Head::bounded(0.0, 100.0)?);
    let fit = fit(&estimator, 1)?;
    let predicted = fit.model.predict_features(data(100, 5)?.features())?;
    assert!(predicted.values().iter().all(|v| (0.0..=100.0).contains(v)));
    Ok(())
}

#[test]
fn the_range_test_suggests_a_rate_that_learns() -> Outcome {
    let (train, stop) = (data(700, 1)?, StopSignal::new());
    let mut estimator = estimator(15);
    let context = FitContext::quiet("test", Seed::new(1), &stop);
    let curve = LearningRateFinder::default().find(&estimator, &train, &context)?;
    assert!(curve.points.windows(2).all(|pair| pair[0].0 < pair[1].0));
    assert!((1e-4..0.5).contains(&curve.suggestion), "{}", curve.suggestion);
    estimator.training.optimizer = OptimizerSettings::adam(curve.suggestion);
    assert!(fit(&estimator, 1)?.history[14].validation["r2"] > 0.2);

    let wrong = LearningRateFinder {
        from: 1.0,
        to: 0.1,
        ..Default::default()
    };
    assert!(
        wrong
            .find(&estimator, &train, &context)
            .unwrap_err()
            .to_string()
            .contains("from is 1")
    );
    for (batch_size, expected) in [
        (0, "batch_size is 0"),
        (1, "batch_size is 1, but must be at least 2 with batch norm"),
    ] {
        estimator.training.batch_size = batch_size;
        let found = LearningRateFinder::default().find(&estimator, &train, &context);
        assert!(found.unwrap_err().to_string().contains(expected));
    }
    Ok(())
}

#[test]
fn settings_that_cannot_work_are_named_before_anything_is_done() -> Outcome {
    let train = data(50, 1)?;
    let one = data(1, 1)?;
    let stop = StopSignal::new();
    let context = FitContext::quiet("test", Seed::new(1), &stop);
    let message = |change: fn(&mut NetworkEstimator), data: &Dataset| {
        let mut changed = estimator(2);
        changed.training.batch_size = 10;
        change(&mut changed);
        changed.fit(data, None, &context).unwrap_err().to_string()
    };
    assert!(message(|e| e.training.batch_size = 0, &train).contains("batch_size is 0"));
    assert!(message(|e| e.training.batch_size = 51, &train).contains("from 1 to the 50 training rows"));
    assert!(message(|e| e.training.batch_size = 1, &train).contains("at least 2 with batch norm"));
    assert!(message(|e| e.training.batch_size = 1, &one).contains("at least 2 training rows, got 1"));
    assert!(message(|e| e.training.epochs = 0, &train).contains("epochs is 0"));
    assert!(
        message(
            |e| e.training.early_stopping = Some(EarlyStopping::default()),
            &train
        )
        .contains("no validation rows")
    );
    assert!(
        message(|e| e.training.accumulate_batches = 0, &train)
            .contains("accumulate_batches is 0, but must be at least 1")
    );
    assert!(message(|e| e.training.ema_decay = Some(1.0), &train).contains("ema_decay is 1"));
    assert!(message(|e| e.training.ema_decay = Some(f64::NAN), &train).contains("ema_decay is NaN"));
    assert!(
        message(|e| e.training.clip_gradient_norm = Some(0.0), &train).contains("clip_gradient_norm is 0")
    );
    assert!(
        message(|e| e.training.optimizer = OptimizerSettings::adam(-1.0), &train)
            .contains("learning_rate is -1")
    );
    let at_least_zero = |change: fn(&mut NetworkEstimator), setting: &str| {
        let expected = format!("{setting}, but must be a finite number of at least 0");
        let message = message(change, &train);
        assert!(message.contains(&expected), "{message}");
    };
    at_least_zero(
        |e| e.training.optimizer = OptimizerSettings::adamw(1e-3, -0.5),
        "optimizer.weight_decay is -0.5",
    );
    at_least_zero(
        |e| {
            e.training.early_stopping = Some(EarlyStopping {
                min_delta: f64::INFINITY,
                ..Default::default()
            });
        },
        "early_stopping.min_delta is inf",
    );
    at_least_zero(
        |e| e.training.schedule = Schedule::Cosine { final_rate: f64::NAN },
        "schedule.final_rate is NaN",
    );
    Ok(())
}

#[test]
fn a_cuda_device_that_is_not_there_is_an_error_and_one_that_is_gives_the_same_network() -> Outcome {
    let train = data(200, 1)?;
    let stop = StopSignal::new();
    let mut context = FitContext::quiet("test", Seed::new(1), &stop);
    let mut estimator = estimator(3);
    estimator.network = NetworkSpec::mlp(&[16]);
    context.device = "cpu".parse()?;
    let on_cpu = estimator.fit(&train, None, &context)?;
    context.device = "cuda".parse()?;
    if hitcast_torch_sys::cuda_device_count() == 0 {
        report_skipped("there is no CUDA device");
        let message = estimator.fit(&train, None, &context).unwrap_err().to_string();
        assert!(message.to_lowercase().contains("cuda"), "{message}");
        return Ok(());
    }
    let on_cuda = estimator.fit(&train, None, &context)?;
    let (on_cpu, on_cuda) = (
        on_cpu.model.predict_features(train.features())?,
        on_cuda.model.predict_features(train.features())?,
    );
    for (cpu, cuda) in on_cpu.values().iter().zip(on_cuda.values().iter()) {
        approx::assert_relative_eq!(*cpu, *cuda, max_relative = 1e-3);
    }
    Ok(())
}

#[test]
fn settings_survive_a_file_and_a_slip_is_named() -> Outcome {
    let text = r#"{"network": {"hidden": [4]}, "training": {"epochs": 3, "loss": "mae",
        "optimizer": {"kind": "adamw", "learning_rate": 0.01}, "schedule": {"kind": "one_cycle"},
        "early_stopping": {"patience": 4}}}"#;
    let read: NetworkEstimator = serde_json::from_str(text)?;
    assert_eq!(
        read.training.early_stopping,
        Some(EarlyStopping {
            patience: 4,
            ..Default::default()
        })
    );
    assert_eq!(
        serde_json::from_str::<NetworkEstimator>(&serde_json::to_string(&read)?)?,
        read
    );
    let slip = serde_json::from_str::<NetworkEstimator>(r#"{"training": {"epoch": 3}}"#).unwrap_err();
    assert!(
        slip.to_string()
            .contains("unknown field `epoch`, expected one of"),
        "{slip}"
    );
    assert!(matches!(
        TrainingSettings {
            epochs: 0,
            ..Default::default()
        }
        .check(100, false),
        Err(TrainError::Setting {
            setting: "epochs",
            ..
        })
    ));
    Ok(())
}

/// Predictions after two epochs by each engine.
fn predicted(training: &TrainingSettings, engine: EngineChoice) -> Result<Vec<f64>, Box<dyn Error>> {
    let estimator = NetworkEstimator {
        network: NetworkSpec::mlp(&[16]),
        training: TrainingSettings {
            epochs: 2,
            optimizer: OptimizerSettings::sgd(1e-3, 0.9),
            engine,
            ..training.clone()
        },
    };
    let model = fit(&estimator, 3)?.model;
    Ok(model.predict_features(data(50, 9)?.features())?.into_values())
}

#[test]
fn training_rows_that_are_not_measured_change_nothing_else() -> Outcome {
    let measured = estimator(4);
    let mut not_measured = measured.clone();
    not_measured.training.measure_training_rows = false;
    let (measured, not_measured) = (fit(&measured, 3)?, fit(&not_measured, 3)?);
    assert_eq!(measured.model.state()?, not_measured.model.state()?);
    assert_eq!(measured.history.len(), not_measured.history.len());
    for (with, without) in measured.history.iter().zip(&not_measured.history) {
        assert!(!with.train.is_empty() && without.train.is_empty());
        assert_eq!(with.train_loss.to_bits(), without.train_loss.to_bits());
        assert_eq!(
            (with.validation_loss, &with.validation),
            (without.validation_loss, &without.validation)
        );
    }
    Ok(())
}

#[test]
fn batches_that_are_added_up_learn_as_one_large_batch() -> Outcome {
    for engine in [EngineChoice::Plan, EngineChoice::Autograd] {
        // 700 rows: the last step of an epoch is shorter.
        let large = TrainingSettings {
            batch_size: 128,
            schedule: Schedule::one_cycle(),
            ..Default::default()
        };
        let small = TrainingSettings {
            batch_size: 32,
            accumulate_batches: 4,
            ..large.clone()
        };
        let (large, small) = (predicted(&large, engine)?, predicted(&small, engine)?);
        for (large, small) in large.iter().zip(&small) {
            assert!((large - small).abs() < 1e-3, "{engine:?}: {large} {small}");
        }
    }
    Ok(())
}

#[test]
fn an_average_that_forgets_at_once_is_the_weights_and_one_that_does_not_lags_behind() -> Outcome {
    for engine in [EngineChoice::Plan, EngineChoice::Autograd] {
        let averaged = |ema_decay| {
            let settings = TrainingSettings {
                ema_decay,
                ..Default::default()
            };
            predicted(&settings, engine)
        };
        let plain = averaged(None)?;
        let gap = |other: &[f64]| {
            let gaps = plain.iter().zip(other).map(|(a, b)| (a - b).abs());
            gaps.fold(0.0, f64::max)
        };
        assert!(gap(&averaged(Some(0.0))?) < 1e-3);
        assert!(gap(&averaged(Some(0.99))?) > 1.0);
    }
    Ok(())
}

#[test]
fn the_memory_that_is_foretold_is_what_the_engine_takes() -> Outcome {
    let seed = Seed::new(1);
    for (spec, ema_decay, train) in [
        (NetworkSpec::mlp(&[256, 128]), None, data(5000, 1)?),
        (NetworkSpec::mlp(&[256, 128]), Some(0.99), data(5000, 1)?),
        (
            NetworkSpec::mlp(&[64]).with_batch_norm().with_dropout(0.1),
            None,
            data(5000, 1)?,
        ),
        (
            NetworkSpec::mlp(&[32]).with_head(Head::Softmax { classes: 114 }),
            None,
            rings(5000, 1, 114)?,
        ),
    ] {
        let estimator = NetworkEstimator {
            network: spec,
            training: TrainingSettings {
                batch_size: 1024,
                ema_decay,
                ..Default::default()
            },
        };
        let network = Network::new(&estimator.network, 3, Device::Cpu, seed)?;
        let engine = PlanEngine::compile(&network, &estimator.training, &train, None, seed)?;
        let mut engine = engine.ok_or("no plan")?;
        engine.step(0..1024, 1e-3)?;
        engine.remember()?;
        let foretold = estimator.memory(5000, 0, 3);
        // 16 columns, target, and the place of a row, which the trainer has too.
        let rows = 5000 * (16 * 4 + 4 + 4 + 8);
        let taken = engine.bytes() + rows;
        assert!(
            foretold >= taken && foretold < 3 * taken,
            "{foretold} foretold, {taken} taken"
        );
    }
    Ok(())
}

#[test]
fn many_fits_at_once_learn_what_each_learns_alone() -> Outcome {
    let (train, validation) = (data(400, 1)?, data(100, 2)?);
    let stop = StopSignal::new();
    let estimators: Vec<NetworkEstimator> = (1..=5).map(estimator).collect();
    let names: Vec<String> = (1..=5).map(|n| format!("trial {n}")).collect();
    let jobs: Vec<Job<'_>> = estimators
        .iter()
        .zip(&names)
        .enumerate()
        .map(|(n, (estimator, name))| Job {
            estimator,
            train: &train,
            validation: Some(&validation),
            context: FitContext::quiet(name, Seed::new(n as u64), &stop),
        })
        .collect();
    let states = |threads: usize| -> Result<Vec<_>, Box<dyn Error>> {
        let threads = NonZeroUsize::new(threads).ok_or("no thread")?;
        let trained = train_many(&jobs, threads);
        trained
            .into_iter()
            .map(|trained| Ok(trained?.fit.model.state()?))
            .collect()
    };
    let alone = states(1)?;
    assert_eq!(states(2)?, alone);
    assert_eq!(states(4)?, alone);
    assert_ne!(alone[0], alone[1]);
    Ok(())
}

#[test]
fn predictions_in_parts_are_those_at_once() -> Outcome {
    let n_train = 9 * PART_ROWS + 100;
    let (train, validation) = (rings(n_train, 1, 3)?, rings(PART_ROWS, 2, 3)?);
    let spec = NetworkSpec::mlp(&[16]).with_head(Head::Softmax { classes: 3 });
    let network = Network::new(&spec, 3, Device::Cpu, Seed::new(1))?;
    let settings = TrainingSettings {
        ema_decay: Some(0.9),
        ..Default::default()
    };
    let plan = PlanEngine::compile(&network, &settings, &train, Some(&validation), Seed::new(1))?;
    let mut plan = plan.ok_or("no plan")?;
    let mut autograd = AutogradEngine::new(network, &settings, &train, Some(&validation), Seed::new(1))?;
    for (engine, most) in [
        (&mut plan as &mut dyn Engine, PART_ROWS),
        (&mut autograd, 8 * PART_ROWS),
    ] {
        engine.step(0..64, 0.1)?;
        for (split, n) in [(Split::Train, n_train), (Split::Validation, PART_ROWS)] {
            let (mut parts, mut rows) = (Vec::new(), Vec::new());
            engine.predict_in_parts(split, &mut |part| {
                rows.push(part.n_rows());
                parts.extend(part.into_values());
            })?;
            let (last, whole) = rows.split_last().ok_or("no rows")?;
            assert!(whole.iter().all(|rows| *rows == most) && *last <= most);
            assert_eq!(rows.iter().sum::<usize>(), n);
            assert_eq!(rows.len(), n.div_ceil(most));
            assert_eq!(parts, engine.predict(split)?.into_values());
        }
    }
    Ok(())
}

/// Three classes by rings around the middle, ordered from the inside out, which no line divides.
fn rings(rows: usize, seed: u64, n_classes: usize) -> Result<Dataset, Box<dyn Error>> {
    let numbers = data(rows, seed)?;
    let class = |row: ndarray::ArrayView1<'_, f32>| {
        let radius = row.iter().map(|x| x * x).sum::<f32>().sqrt();
        ((radius / 1.2) as usize).min(n_classes - 1)
    };
    let matrix = numbers.features().matrix();
    let classes: Vec<usize> = matrix.rows().into_iter().map(class).collect();
    Ok(Dataset::of_classes(
        numbers.features().clone(),
        &classes,
        n_classes,
    )?)
}

#[test]
fn every_head_of_classes_learns_with_either_engine() -> Outcome {
    let stop = StopSignal::new();
    let context = FitContext::quiet("test", Seed::new(3), &stop);
    let smooth = Loss::CrossEntropy {
        label_smoothing: 0.05,
    };
    for (head, n_classes, loss) in [
        (Head::Linear, 2, None),
        (Head::Linear, 3, None),
        (Head::Binary, 2, Some(Loss::Focal { gamma: 2.0 })),
        (Head::Softmax { classes: 0 }, 3, Some(smooth)),
        (Head::Ordinal { classes: 0 }, 3, None),
    ] {
        let (train, validation) = (rings(1500, 1, n_classes)?, rings(600, 2, n_classes)?);
        let mut of_engines = Vec::new();
        for engine in [EngineChoice::Plan, EngineChoice::Autograd] {
            let mut estimator = estimator(25);
            estimator.network = NetworkSpec::mlp(&[24]).with_head(head);
            estimator.training.loss = loss;
            estimator.training.engine = engine;
            let fit = estimator.fit(&train, Some(&validation), &context)?;
            let record = &fit.history[fit.history.len() - 1];
            assert!(
                record.validation["accuracy"] > 0.85,
                "{head:?} {engine:?}: {record:?}"
            );
            assert!(record.validation_loss < fit.history[0].validation_loss);
            let predictions = fit.model.predict_features(validation.features())?;
            let probabilities = predictions.probabilities().ok_or("numbers")?;
            assert_eq!(probabilities.dim(), (600, n_classes));
            for row in probabilities.rows() {
                assert!((row.sum() - 1.0).abs() < 1e-12 && row.iter().all(|p| (0.0..=1.0).contains(p)));
            }
            of_engines.push(predictions.into_values());
        }
        for (plan, autograd) in of_engines[0].iter().zip(&of_engines[1]) {
            assert!((plan - autograd).abs() < 1e-3, "{head:?}: {plan} {autograd}");
        }
    }
    Ok(())
}

#[test]
fn heads_and_losses_of_something_else_are_refused_in_words() -> Outcome {
    let stop = StopSignal::new();
    let context = FitContext::quiet("test", Seed::new(3), &stop);
    let (numbers, classes) = (data(200, 1)?, rings(200, 1, 3)?);
    let message = |head: Head, loss: Option<Loss>, train: &Dataset| {
        let mut estimator = estimator(1);
        estimator.network = NetworkSpec::mlp(&[4]).with_head(head);
        estimator.training.loss = loss;
        let error = estimator.fit(train, None, &context).unwrap_err();
        let mut text = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            text = format!("{text}: {error}");
            cause = error.source();
        }
        text
    };
    for (head, loss, train, part) in [
        (Head::Binary, None, &numbers, "for a target of numbers"),
        (Head::Binary, None, &classes, "as many classes as the target has"),
        (
            Head::Softmax { classes: 4 },
            None,
            &classes,
            "as many classes as the target has",
        ),
        (Head::Positive, None, &classes, "for a target of classes"),
        (Head::Linear, Some(Loss::Mse), &classes, "cross_entropy or focal"),
        (
            Head::Linear,
            Some(Loss::Focal { gamma: 1.0 }),
            &numbers,
            "mse, mae or huber",
        ),
    ] {
        let message = message(head, loss, train);
        assert!(message.contains(part), "{message}");
    }
    Ok(())
}
