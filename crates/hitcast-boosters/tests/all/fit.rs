//! Fits through the libraries, each where it is on this machine; where it is not, a line says that it was skipped.

use std::sync::Mutex;

use hitcast_boosters::Booster;
use hitcast_classical::TreeModel;
use hitcast_core::testing::report_skipped;
use hitcast_core::{Dataset, DeviceChoice, Event, FitContext, Progress, Seed, StopReason, StopSignal, Task};
use ndarray::Array2;
use serde_json::json;

use crate::support::{close, curve, dataset, estimator, fit, golden, here, predicted};

/// Root of the mean squared error, or the share of rows whose likeliest class is wrong.
fn error(predictions: &[f64], data: &Dataset) -> f64 {
    let width = data.task().width();
    let rows = predictions.chunks_exact(width).zip(data.target());
    let sum: f64 = match data.task() {
        Task::Regression => rows.map(|(row, y)| (row[0] - y).powi(2)).sum(),
        _ => rows
            .map(|(row, y)| {
                let likeliest = (0..width).max_by(|a, b| row[*a].total_cmp(&row[*b])).unwrap();
                f64::from(u8::from(likeliest as f64 != *y))
            })
            .sum(),
    };
    let mean = sum / data.n_rows() as f64;
    if data.task() == Task::Regression {
        mean.sqrt()
    } else {
        mean
    }
}

#[test]
fn numbers_and_classes_are_learned_and_the_saved_model_predicts_the_same() {
    for booster in here() {
        for (n_classes, most) in [(0, 0.75), (2, 0.25), (3, 0.4)] {
            let (train, test) = (curve(600, n_classes, 1), curve(300, n_classes, 2));
            let fit = fit(&*estimator(booster, json!({"rounds": 60})), &train, Some(&test)).unwrap();
            let predictions = predicted(&fit, &test);
            let error = error(&predictions, &test);
            assert!(error < most, "{booster}, {n_classes} classes: {error}");
            assert_eq!((fit.history.len(), fit.best_epoch), (60, Some(60)));
            assert_eq!(fit.stopped, StopReason::Completed);
            // Losses fall, and are those of the predictions.
            let (first, last) = (&fit.history[0], &fit.history[59]);
            assert!(last.train_loss < first.train_loss && last.learning_rate > 0.0);
            let loss = mean_loss(&predictions, &test);
            close(&[last.validation_loss.unwrap()], &[loss], 1e-6, booster.name());
            let model = TreeModel::from_state(&fit.model.state().unwrap()).unwrap();
            let again = hitcast_core::Model::predict_features(&model, test.features()).unwrap();
            assert_eq!(again.into_values(), predictions);
            assert!(model.importances()[0] > model.importances()[2], "{booster}");
        }
    }
}

/// The mean squared error, or the mean negative logarithm of the probability of a row's class.
fn mean_loss(predictions: &[f64], data: &Dataset) -> f64 {
    let width = data.task().width();
    let rows = predictions.chunks_exact(width).zip(data.target());
    let sum: f64 = match data.task() {
        Task::Regression => rows.map(|(row, y)| (row[0] - y).powi(2)).sum(),
        _ => rows.map(|(row, y)| -row[*y as usize].ln()).sum(),
    };
    sum / data.n_rows() as f64
}

#[test]
fn settings_mean_what_they_mean_in_python() {
    let (golden, here) = (golden(), here());
    let mut compared = 0;
    for case in &golden.cases {
        let (Some(data), booster) = (case.data(), case.booster()) else {
            continue;
        };
        if !here.contains(&booster) {
            continue;
        }
        let version = match booster {
            Booster::XGBoost => &golden.xgboost,
            Booster::LightGBM => &golden.lightgbm,
            _ => &golden.catboost,
        };
        let found = booster.find().unwrap().version;
        if found.as_ref().is_some_and(|found| found != version) {
            report_skipped(&format!(
                "{booster} is {found:?}, the golden values are of {version}"
            ));
            continue;
        }
        let settings = case.fit.as_ref().unwrap().settings.clone();
        let fit = fit(&*estimator(booster, settings), &data, None).unwrap();
        let predictions = fit.model.predict(case.rows().view()).unwrap().into_values();
        close(
            &predictions,
            &case.predictions,
            1e-6,
            &format!("{booster}, {}", case.name),
        );
        compared += 1;
    }
    assert!(compared == 0 || compared >= 3);
}

#[test]
fn a_seed_decides_and_the_number_of_threads_does_not() {
    let train = curve(20_000, 0, 4);
    for booster in here() {
        let mut settings = json!({"rounds": 20, "subsample": 0.5, "threads": 1});
        match booster {
            Booster::LightGBM => settings["subsample_freq"] = json!(1),
            Booster::CatBoost => settings["bootstrap_type"] = json!("Bernoulli"),
            _ => {}
        }
        let mut fitted = |threads: usize, seed: u64| {
            settings["threads"] = json!(threads);
            let stop = StopSignal::new();
            let context = FitContext::quiet("test", Seed::new(seed), &stop);
            let fit = estimator(booster, settings.clone())
                .fit(&train, None, &context)
                .unwrap();
            predicted(&fit, &train)
        };
        let one = fitted(1, 1);
        assert_eq!(fitted(1, 1), one, "{booster}");
        for threads in [2, 3, 0] {
            assert_eq!(fitted(threads, 1), one, "{booster}, {threads} threads");
        }
        assert_ne!(fitted(1, 2), one, "{booster}");
    }
}

#[test]
fn a_weight_of_two_counts_as_two_rows_and_one_of_zero_as_none() {
    for booster in here() {
        // Few values, so that each has its bin whatever the weights are.
        let train = curve(400, 0, 5);
        let coarse = train
            .features()
            .matrix()
            .mapv(|value| value.clamp(-1.5, 1.5).round());
        let train = dataset(coarse, train.target(), 0);
        let mut settings = json!({"rounds": 10, "learning_rate": 0.3});
        match booster {
            Booster::CatBoost => {
                settings["random_strength"] = json!(0.0);
                settings["bootstrap_type"] = json!("No");
            }
            // It counts rows, not their weights.
            Booster::LightGBM => settings["min_child_samples"] = json!(0),
            _ => {}
        }
        let estimator = estimator(booster, settings);
        let weights: Vec<f64> = (0..400).map(|row| f64::from(row % 3)).collect();
        let rows: Vec<usize> = (0..400)
            .flat_map(|row| std::iter::repeat_n(row, row % 3))
            .collect();
        let y: Vec<f64> = rows.iter().map(|row| train.target()[*row]).collect();
        let repeated = Dataset::new(train.features().take(&rows), y).unwrap();
        let weighted = train.clone().with_weights(weights).unwrap();
        let one = predicted(&fit(&*estimator, &weighted, None).unwrap(), &weighted);
        let other = predicted(&fit(&*estimator, &repeated, None).unwrap(), &weighted);
        let plain = predicted(&fit(&*estimator, &train, None).unwrap(), &weighted);
        // A row of weight 0 may lie on either side of a split between two others.
        let heavy = |predicted: &[f64]| -> Vec<f64> {
            let rows = predicted.iter().enumerate().filter(|(row, _)| row % 3 > 0);
            rows.map(|(_, value)| *value).collect()
        };
        // CatBoost's penalty grows with the mean weight of the rows.
        let tolerance = if booster == Booster::CatBoost { 5e-3 } else { 1e-4 };
        close(&heavy(&one), &heavy(&other), tolerance, booster.name());
        let apart = one
            .iter()
            .zip(&plain)
            .map(|(a, b)| (a - b).abs())
            .fold(0.0, f64::max);
        assert!(apart > 0.1, "{booster}: {apart}");
    }
}

#[test]
fn validation_rows_count_by_their_weights() {
    let (train, test) = (curve(200, 0, 6), curve(90, 0, 7));
    let weights: Vec<f64> = (0..90).map(|row| f64::from(row % 3)).collect();
    let weighted = test.clone().with_weights(weights.clone()).unwrap();
    for booster in here() {
        let fit = fit(
            &*estimator(booster, json!({"rounds": 5})),
            &train,
            Some(&weighted),
        )
        .unwrap();
        let predictions = predicted(&fit, &test);
        let squares = predictions.iter().zip(test.target()).zip(&weights);
        let sum: f64 = squares.map(|((p, y), weight)| weight * (p - y).powi(2)).sum();
        let told = fit.history[4].validation_loss.unwrap();
        close(
            &[told],
            &[sum / weights.iter().sum::<f64>()],
            1e-5,
            booster.name(),
        );
        assert!((told - mean_loss(&predictions, &test)).abs() > 1e-3, "{booster}");
    }
}

#[test]
fn early_stopping_keeps_the_rounds_up_to_the_best() {
    let (train, test) = (curve(150, 0, 6), curve(150, 0, 7));
    for booster in here() {
        let settings = |rounds: usize, patience: Option<usize>| {
            let mut settings = json!({"rounds": rounds, "learning_rate": 0.5});
            if let Some(patience) = patience {
                settings["early_stopping_rounds"] = json!(patience);
            }
            estimator(booster, settings)
        };
        let stopped = fit(&*settings(500, Some(5)), &train, Some(&test)).unwrap();
        assert_eq!(stopped.stopped, StopReason::EarlyStopping, "{booster}");
        let best = stopped.best_epoch.unwrap();
        assert_eq!(stopped.history.len(), best + 5);
        let losses = stopped
            .history
            .iter()
            .map(|record| record.validation_loss.unwrap());
        let lowest = losses.fold(f64::INFINITY, f64::min);
        assert_eq!(stopped.history[best - 1].validation_loss, Some(lowest));
        close(
            &[mean_loss(&predicted(&stopped, &test), &test)],
            &[lowest],
            1e-6,
            booster.name(),
        );
        let message = fit(&*settings(9, Some(5)), &train, None).unwrap_err().to_string();
        assert!(message.contains("early_stopping_rounds is 5"), "{message}");
    }
}

/// Requests a stop after some rounds.
struct StopAfter<'a>(usize, &'a StopSignal, Mutex<Vec<String>>);

impl Progress for StopAfter<'_> {
    fn report(&self, event: &Event<'_>) {
        match event {
            Event::EpochEnded { record, .. } if record.epoch == self.0 => self.1.request(),
            Event::Note(note) => self.2.lock().unwrap().push((*note).to_owned()),
            _ => {}
        }
    }
}

#[test]
fn a_stop_ends_the_fit_after_the_round_with_what_was_learned() {
    let train = curve(200, 3, 8);
    for booster in here() {
        let stop = StopSignal::new();
        let progress = StopAfter(7, &stop, Mutex::default());
        let context = FitContext {
            name: "test",
            seed: Seed::new(1),
            device: DeviceChoice::Auto,
            progress: &progress,
            stop: &stop,
            checkpoints: None,
        };
        let settings = json!({"rounds": 5_000, "subsample": 0.9});
        let fit = estimator(booster, settings).fit(&train, None, &context).unwrap();
        assert_eq!(
            (fit.stopped, fit.history.len()),
            (StopReason::Requested, 7),
            "{booster}"
        );
        let loss = mean_loss(&predicted(&fit, &train), &train);
        close(&[fit.history[6].train_loss], &[loss], 1e-6, booster.name());
        let notes = progress.2.into_inner().unwrap();
        let expected = usize::from(booster == Booster::LightGBM);
        assert_eq!(
            notes.len(),
            expected,
            "subsample without subsample_freq: {notes:?}"
        );
    }
}

#[test]
fn lightgbm_goes_on_after_a_round_without_a_split_if_it_draws_and_else_says_so() {
    if !here().contains(&Booster::LightGBM) {
        return;
    }
    // The second feature tells too little to be asked for.
    let mut stream = Seed::new(1).stream("rows");
    let x = Array2::from_shape_fn((200, 2), |_| stream.normal() as f32);
    let y: Vec<f64> = x.rows().into_iter().map(|row| 10.0 * f64::from(row[0])).collect();
    let train = dataset(x, &y, 0);
    let fitted = |settings: serde_json::Value| {
        let stop = StopSignal::new();
        let progress = StopAfter(usize::MAX, &stop, Mutex::default());
        let context = FitContext {
            progress: &progress,
            ..FitContext::quiet("test", Seed::new(1), &stop)
        };
        let fit = estimator(Booster::LightGBM, settings)
            .fit(&train, None, &context)
            .unwrap();
        (fit.history.len(), progress.2.into_inner().unwrap())
    };
    let part = json!({"rounds": 40, "learning_rate": 0.1, "min_split_gain": 2000.0, "colsample_bytree": 0.5});
    let (rounds, notes) = fitted(part);
    assert!((8..35).contains(&rounds), "{rounds}");
    assert!(notes[0].contains("nothing more to split after"), "{notes:?}");
    let (rounds, notes) = fitted(json!({"rounds": 40, "min_split_gain": 1e9}));
    assert_eq!(
        (rounds, &notes[..]),
        (
            1,
            &["LightGBM found nothing more to split after 1 of 40 rounds".to_owned()][..]
        )
    );
}

#[test]
fn rows_with_little_in_them_are_learned_or_refused_in_words() {
    for booster in here() {
        let small = estimator(booster, json!({"rounds": 3}));
        let train = |x: Array2<f32>, y: &[f64], n_classes| fit(&*small, &dataset(x, y, n_classes), None);
        // A constant target, constant features, one row.
        let x = || Array2::from_shape_fn((40, 2), |(row, column)| ((row + column) % 7) as f32);
        let constant = train(x(), &[2.5; 40], 0).unwrap();
        close(
            &predicted(&constant, &dataset(x(), &[2.5; 40], 0)),
            &[2.5; 40],
            1e-6,
            booster.name(),
        );
        let y: Vec<f64> = (0..40).map(f64::from).collect();
        for (x, y) in [
            (Array2::zeros((40, 2)), &y[..]),
            (Array2::zeros((1, 1)), &y[3..4]),
        ] {
            let fit = train(x.clone(), y, 0).unwrap();
            let mean = y.iter().sum::<f64>() / y.len() as f64;
            let expected = vec![mean; y.len()];
            close(
                &predicted(&fit, &dataset(x, y, 0)),
                &expected,
                1e-5,
                booster.name(),
            );
        }
        // The shares of the classes by weight; a class without rows has none.
        let weights = vec![3.0, 1.0, 0.5, 0.5];
        let weighted = |y: &[f64], n_classes| {
            let data = dataset(Array2::ones((4, 2)), y, n_classes);
            let data = data.with_weights(weights.clone()).unwrap();
            let slow = json!({"rounds": 300, "learning_rate": 0.5});
            predicted(&fit(&*estimator(booster, slow), &data, None).unwrap(), &data)[..n_classes].to_vec()
        };
        close(
            &weighted(&[0.0, 1.0, 1.0, 0.0], 2),
            &[0.7, 0.3],
            1e-2,
            booster.name(),
        );
        let shares = weighted(&[0.0, 1.0, 1.0, 3.0], 4);
        close(&shares, &[0.6, 0.3, 0.0, 0.1], 2e-2, booster.name());
        // A class without rows keeps its place.
        let y: Vec<f64> = (0..40).map(|row| f64::from(2 * (row % 2))).collect();
        let absent = train(x(), &y, 3).unwrap();
        let shares = predicted(&absent, &dataset(x(), &y, 3));
        assert_eq!(shares.len(), 120);
        assert!(
            shares.chunks(3).all(|row| row[1] < row[0].max(row[2])),
            "{booster}: {shares:?}"
        );
        let message = train(x(), &[1.0; 40], 2).unwrap_err().to_string();
        assert!(message.contains("all training rows are of class 1"), "{message}");
        let message = train(x(), &[1e300; 40], 0).unwrap_err().to_string();
        assert!(message.contains("the target of row 0 is 1"), "{message}");
        let message = train(Array2::zeros((40, 0)), &[1.0; 40], 0)
            .unwrap_err()
            .to_string();
        assert!(message.contains("no features"), "{message}");
    }
}

#[test]
fn targets_far_below_zero_are_learned() {
    for booster in here() {
        let train = curve(300, 0, 9);
        let far: Vec<f64> = train.target().iter().map(|y| -1e6 + 1e4 * y).collect();
        let train = dataset(train.features().matrix().to_owned().into_owned(), &far, 0);
        let fit = fit(&*estimator(booster, json!({"rounds": 30})), &train, None).unwrap();
        let wrong = error(&predicted(&fit, &train), &train);
        assert!(wrong < 8e3, "{booster}: {wrong}");
    }
}

#[test]
fn rows_of_another_task_or_width_are_refused() {
    let (numbers, classes) = (curve(50, 0, 1), curve(50, 2, 1));
    for booster in here() {
        let small = estimator(booster, json!({"rounds": 2}));
        assert!(fit(&*small, &numbers, Some(&classes)).is_err());
        let narrow = dataset(Array2::zeros((5, 2)), &[0.0, 1.0, 2.0, 3.0, 4.0], 0);
        let message = fit(&*small, &numbers, Some(&narrow)).unwrap_err().to_string();
        assert!(
            message.contains("fitted on 3 features, but was given 2"),
            "{booster}: {message}"
        );
    }
}

#[test]
fn many_fits_at_once_are_those_one_after_the_other() {
    for booster in here() {
        let data: Vec<Dataset> = (0..4).map(|seed| curve(200, 0, seed)).collect();
        let small = estimator(booster, json!({"rounds": 5, "threads": 1}));
        let alone: Vec<Vec<f64>> = (data.iter())
            .map(|data| predicted(&fit(&*small, data, None).unwrap(), data))
            .collect();
        let together = hitcast_core::parallel::map(4, 4, |place| {
            predicted(&fit(&*small, &data[place], None).unwrap(), &data[place])
        });
        assert_eq!(together, alone, "{booster}");
    }
}
