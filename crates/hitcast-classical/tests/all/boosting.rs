//! Gradient boosting and AdaBoost.R2: against scikit-learn, by what they must fulfil, and on bad input.

use std::collections::BTreeMap;
use std::sync::Mutex;

use hitcast_classical::{
    AdaBoost, AdaBoostLoss, AdaBoostModel, Combination, GradientBoosting, Link, MaxFeatures, TreeEnsemble,
    TreeKind, TreeModel,
};
use hitcast_core::{
    CoreError, Dataset, DeviceChoice, Estimator, Event, FitContext, Model, Progress, Seed, StopReason,
    StopSignal, Task,
};
use ndarray::{Array2, array};
use serde::Deserialize;

use crate::forest::friedman;
use crate::support::{changed, classes, close, curve, fit, labels, matrix, numbers};

#[derive(Deserialize)]
struct Golden {
    cases: Vec<Case>,
    errors: BTreeMap<String, f64>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    n_classes: usize,
    settings: GradientBoosting,
    x: Vec<Vec<f32>>,
    y: Vec<f64>,
    new: Vec<Vec<f32>>,
    weights: Option<Vec<f64>>,
    predictions: Vec<f64>,
    importances: Vec<f64>,
    train_loss: Vec<f64>,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("../golden/boosting.json")).unwrap()
}

#[test]
fn stages_on_all_rows_are_those_of_scikit_learn() {
    let cases = golden().cases;
    assert!(cases.len() > 5);
    for case in cases {
        let x = matrix(&case.x);
        let mut data = if case.n_classes > 0 {
            let classes: Vec<usize> = case.y.iter().map(|y| *y as usize).collect();
            labels(x, &classes, case.n_classes)
        } else {
            numbers(x, case.y)
        };
        if let Some(weights) = case.weights {
            data = data.with_weights(weights).unwrap();
        }
        let fit = fit(&case.settings, &data, 1).unwrap();
        let predicted = fit.model.predict(matrix(&case.new).view()).unwrap().into_values();
        close(&predicted, &case.predictions, 1e-9, &case.name);
        // scikit-learn tells the deviance of two classes, which is twice the loss.
        let factor = if case.n_classes == 2 { 2.0 } else { 1.0 };
        let losses: Vec<f64> = fit
            .history
            .iter()
            .map(|record| factor * record.train_loss)
            .collect();
        close(&losses, &case.train_loss, 1e-9, &case.name);
        let model = TreeModel::from_state(&fit.model.state().unwrap()).unwrap();
        close(model.importances(), &case.importances, 1e-9, &case.name);
        assert_eq!(
            (model.tree_kind(), model.kind()),
            (TreeKind::GradientBoosting, "gradient_boosting")
        );
        assert_eq!(
            model.predict(matrix(&case.new).view()).unwrap().into_values(),
            predicted
        );
    }
}

#[test]
fn where_rows_are_drawn_the_error_is_that_of_scikit_learn() {
    let (x, y, _) = friedman();
    let train = numbers(x.slice(ndarray::s![..1000, ..]).to_owned(), y[..1000].to_vec());
    let test = x.slice(ndarray::s![1000.., ..]);
    let ada = |loss, learning_rate, n_estimators| AdaBoost {
        n_estimators,
        learning_rate,
        loss,
        ..AdaBoost::default()
    };
    let drawn = GradientBoosting {
        subsample: 0.7,
        ..GradientBoosting::default()
    };
    let estimators: [(&str, Box<dyn Estimator>); 4] = [
        ("linear", Box::new(AdaBoost::default())),
        ("square", Box::new(ada(AdaBoostLoss::Square, 0.5, 50))),
        ("exponential", Box::new(ada(AdaBoostLoss::Exponential, 1.0, 30))),
        ("subsample", Box::new(drawn)),
    ];
    let expected = golden().errors;
    for (name, estimator) in estimators {
        let error = (0..4).map(|seed| {
            let predicted = fit(&*estimator, &train, seed)
                .unwrap()
                .model
                .predict(test)
                .unwrap()
                .into_values();
            let squares: f64 = predicted
                .iter()
                .zip(&y[1000..])
                .map(|(p, y)| (p - y).powi(2))
                .sum();
            (squares / 500.0).sqrt()
        });
        let error = error.sum::<f64>() / 4.0;
        assert!(
            (error / expected[name] - 1.0).abs() < 0.025,
            "{name}: {error}, scikit-learn {}",
            expected[name]
        );
    }
}

#[test]
fn a_seed_decides_and_a_saved_model_predicts_the_same() {
    let (x, y) = curve(200, 3, 1);
    let data = numbers(x.clone(), y.clone());
    let ada = AdaBoost {
        n_estimators: 7,
        ..AdaBoost::default()
    };
    let model = ada.fit_model(&data, Seed::new(1)).unwrap();
    assert_eq!(ada.fit_model(&data, Seed::new(1)).unwrap(), model);
    assert_ne!(ada.fit_model(&data, Seed::new(2)).unwrap(), model);
    let state = model.state().unwrap();
    assert_eq!(AdaBoostModel::from_state(&state).unwrap(), model);
    close(&[model.importances().iter().sum()], &[1.0], 1e-12, "shares");
    for (name, to) in [
        ("weights", -1.0),
        ("weights", f64::NAN),
        ("importances", f64::INFINITY),
        ("trees.values", f64::NAN),
    ] {
        let mut damaged = state.clone();
        damaged
            .tensors
            .insert(name.into(), changed(&state.tensors[name], 0, to));
        assert!(AdaBoostModel::from_state(&damaged).is_err(), "{name}");
    }
    let boosting = GradientBoosting {
        n_estimators: 5,
        subsample: 0.5,
        max_features: MaxFeatures::Count(1),
        ..GradientBoosting::default()
    };
    let model = boosting.fit_model(&data, Seed::new(1)).unwrap();
    assert_eq!(boosting.fit_model(&data, Seed::new(1)).unwrap(), model);
    assert_ne!(boosting.fit_model(&data, Seed::new(2)).unwrap(), model);
}

#[test]
fn the_median_of_the_trees_counts_by_their_weights() {
    let (x, y) = curve(150, 3, 2);
    let model = AdaBoost {
        n_estimators: 9,
        ..AdaBoost::default()
    };
    let model = model.fit_model(&numbers(x.clone(), y), Seed::new(1)).unwrap();
    let alone: Vec<Vec<f64>> = (model.ensemble().trees().iter())
        .map(|tree| {
            let tree = TreeEnsemble::new(
                3,
                Task::Regression,
                Link::Identity,
                Combination::Sum,
                vec![0.0],
                vec![tree.clone()],
            );
            tree.unwrap().predict(x.view()).unwrap().into_values()
        })
        .collect();
    assert!(alone.len() > 4);
    let half = model.weights().iter().sum::<f64>() / 2.0;
    for (row, predicted) in model
        .predict(x.view())
        .unwrap()
        .into_values()
        .into_iter()
        .enumerate()
    {
        let weight_of = |keep: &dyn Fn(f64) -> bool| -> f64 {
            let pairs = alone.iter().zip(model.weights());
            pairs
                .filter(|(own, _)| keep(own[row]))
                .map(|(_, weight)| weight)
                .sum()
        };
        assert!(weight_of(&|own| own <= predicted) >= half - 1e-12);
        assert!(weight_of(&|own| own < predicted) < half);
    }
}

#[test]
fn a_perfect_tree_is_the_last() {
    let x = Array2::from_shape_fn((40, 1), |(row, _)| {
        row as f32 + if row < 20 { 0.0 } else { 1000.0 }
    });
    let y: Vec<f64> = (0..40).map(|row| if row < 20 { 1.0 } else { 5.0 }).collect();
    let model = AdaBoost::default()
        .fit_model(&numbers(x.clone(), y.clone()), Seed::new(3))
        .unwrap();
    assert_eq!(model.weights(), [1.0]);
    let predicted = model.predict(x.view()).unwrap().into_values();
    close(&predicted, &y, 1e-12, "a perfect tree");
}

#[test]
fn rows_that_teach_nothing_leave_a_constant_or_are_refused() {
    for data in [
        numbers(array![[1.0, 2.0]], vec![7.0]),
        numbers(Array2::ones((9, 2)), vec![7.0; 9]),
        numbers(curve(30, 2, 1).0, vec![7.0; 30]),
        numbers(Array2::zeros((4, 0)), vec![7.0; 4]),
    ] {
        let x = Array2::from_elem((1, data.n_features()), 0.3);
        for estimator in [
            &GradientBoosting::default() as &dyn Estimator,
            &AdaBoost::default(),
        ] {
            let model = fit(estimator, &data, 1).unwrap().model;
            close(
                &model.predict(x.view()).unwrap().into_values(),
                &[7.0],
                1e-12,
                model.kind(),
            );
        }
    }
    let two = labels(Array2::ones((4, 1)), &[0, 1, 1, 1], 2);
    let model = fit(&GradientBoosting::default(), &two, 1).unwrap().model;
    close(
        &model.predict(array![[1.0]].view()).unwrap().into_values(),
        &[0.25, 0.75],
        1e-12,
        "prior",
    );
    let one = fit(
        &GradientBoosting::default(),
        &labels(Array2::ones((4, 1)), &[2; 4], 3),
        1,
    )
    .unwrap_err();
    assert!(
        one.to_string().contains("all training rows are of class 2"),
        "{one}"
    );
}

#[test]
fn impossible_settings_and_tasks_are_named() {
    let (x, y) = curve(20, 2, 1);
    let (data, of_classes) = (numbers(x.clone(), y.clone()), labels(x, &classes(&y), 3));
    assert!(matches!(
        fit(&AdaBoost::default(), &of_classes, 1),
        Err(CoreError::WrongTask { .. })
    ));
    for (settings, part) in [
        (r#"{"n_estimators": 0}"#, "n_estimators is 0"),
        (r#"{"learning_rate": 0}"#, "learning_rate is 0"),
        (r#"{"max_depth": 0}"#, "max_depth is 0"),
        (r#"{"subsample": 0}"#, "subsample is 0"),
        (r#"{"subsample": 1.5}"#, "subsample is 1.5"),
        (r#"{"min_samples_split": 1}"#, "min_samples_split is 1"),
        (r#"{"min_samples_leaf": 0}"#, "min_samples_leaf is 0"),
        (r#"{"min_impurity_decrease": -1}"#, "min_impurity_decrease is -1"),
        (r#"{"max_features": 3}"#, "max_features is 3"),
    ] {
        let settings_read: GradientBoosting = serde_json::from_str(settings).unwrap();
        let error = fit(&settings_read, &data, 1).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
        if let Ok(settings) = serde_json::from_str::<AdaBoost>(settings) {
            let error = fit(&settings, &data, 1).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }
    assert!(serde_json::from_str::<GradientBoosting>(r#"{"eta": 0.1}"#).is_err());
    let huge = numbers(array![[1.0], [2.0]], vec![f64::MAX, -f64::MAX]);
    assert!(fit(&GradientBoosting::default(), &huge, 1).is_err());
    let huge = numbers(array![[1.0], [2.0], [3.0]], vec![f64::MAX; 3]);
    assert!(fit(&AdaBoost::default(), &huge, 1).is_err());
}

/// Counts stages, keeps the validation losses, and asks for a stop at the third.
struct Watching<'a>(&'a StopSignal, Mutex<Vec<f64>>);

impl Progress for Watching<'_> {
    fn report(&self, event: &Event<'_>) {
        if let Event::EpochEnded { record, .. } = event {
            self.1.lock().unwrap().push(record.validation_loss.unwrap());
            if record.epoch == 3 {
                self.0.request();
            }
        }
    }
}

#[test]
fn stages_are_told_with_their_losses_and_a_stop_keeps_them() {
    let (x, y) = curve(300, 3, 1);
    let data = numbers(x, y);
    let rows: Vec<usize> = (0..200).collect();
    let rest: Vec<usize> = (200..300).collect();
    let of = |rows: &[usize]| {
        Dataset::new(
            data.features().take(rows),
            rows.iter().map(|row| data.target()[*row]).collect(),
        )
        .unwrap()
    };
    let (train, validation) = (of(&rows), of(&rest));
    let stop = StopSignal::new();
    let watching = Watching(&stop, Mutex::default());
    let context = FitContext {
        name: "boosting",
        seed: Seed::new(1),
        device: DeviceChoice::Auto,
        progress: &watching,
        stop: &stop,
        checkpoints: None,
    };
    let fit = GradientBoosting::default()
        .fit(&train, Some(&validation), &context)
        .unwrap();
    assert_eq!((fit.stopped, fit.history.len()), (StopReason::Requested, 3));
    assert!(fit.history[2].train_loss < fit.history[0].train_loss);
    let predicted = fit
        .model
        .predict_features(validation.features())
        .unwrap()
        .into_values();
    let loss = predicted
        .iter()
        .zip(validation.target())
        .map(|(p, y)| (p - y).powi(2))
        .sum::<f64>()
        / 100.0;
    close(
        &[watching.1.lock().unwrap()[2]],
        &[loss],
        1e-12,
        "validation loss",
    );
    let classes = labels(Array2::ones((3, 3)), &[0, 1, 1], 2);
    assert!(matches!(
        GradientBoosting::default().fit(&train, Some(&classes), &context),
        Err(CoreError::WrongTask { .. })
    ));
}
