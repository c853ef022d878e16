//! Ridge, lasso, elastic net and logistic regression against scikit-learn, by what a minimum must fulfil, and on bad input.

use crate::support::{changed, classes, close, curve, fit, labels, matrix, numbers};
use hitcast_classical::{
    ElasticNet, Lasso, LogisticModel, LogisticRegression, PenalizedModel, PriorClassifier, PriorModel, Ridge,
};
use hitcast_core::{CoreError, Dataset, Model, TensorData};
use ndarray::{Array2, array};
use serde::Deserialize;
use serde_json::{Value, from_value};

#[derive(Deserialize)]
struct Golden {
    linear: Vec<Line>,
    logistic: Vec<Scores>,
}

#[derive(Deserialize)]
struct Line {
    name: String,
    kind: String,
    settings: Value,
    x: Vec<Vec<f32>>,
    y: Vec<f64>,
    new: Vec<Vec<f32>>,
    weights: Option<Vec<f64>>,
    coefficients: Vec<f64>,
    intercept: f64,
    predictions: Vec<f64>,
}

#[derive(Deserialize)]
struct Scores {
    name: String,
    n_classes: usize,
    settings: LogisticRegression,
    x: Vec<Vec<f32>>,
    classes: Vec<usize>,
    new: Vec<Vec<f32>>,
    weights: Option<Vec<f64>>,
    coefficients: Vec<f64>,
    intercepts: Vec<f64>,
    predictions: Vec<f64>,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("../golden/penalized.json")).unwrap()
}

fn weighted(data: Dataset, weights: Option<Vec<f64>>) -> Dataset {
    match weights {
        // Of weights only the ratios matter.
        Some(weights) => data
            .with_weights(weights.iter().map(|weight| weight * 3.0).collect())
            .unwrap(),
        None => data,
    }
}

fn line(kind: &str, settings: Value, data: &Dataset) -> Result<PenalizedModel, CoreError> {
    match kind {
        "ridge" => from_value::<Ridge>(settings).unwrap().fit_model(data),
        "lasso" => from_value::<Lasso>(settings).unwrap().fit_model(data),
        _ => from_value::<ElasticNet>(settings).unwrap().fit_model(data),
    }
}

#[test]
fn lines_agree_with_scikit_learn() {
    let cases = golden().linear;
    assert!(cases.len() > 12);
    for case in cases {
        let data = weighted(numbers(matrix(&case.x), case.y), case.weights);
        let model = line(&case.kind, case.settings, &data).unwrap();
        assert_eq!(model.kind(), case.kind);
        close(&model.coefficients, &case.coefficients, 1e-6, &case.name);
        close(&[model.intercept], &[case.intercept], 1e-6, &case.name);
        let predicted = model.predict(matrix(&case.new).view()).unwrap().into_values();
        close(&predicted, &case.predictions, 1e-6, &case.name);
        for (got, expected) in model.coefficients.iter().zip(&case.coefficients) {
            assert_eq!(*got == 0.0, *expected == 0.0, "{}", case.name);
        }
        assert_eq!(
            PenalizedModel::from_state(&model.state().unwrap()).unwrap(),
            model
        );
    }
}

#[test]
fn class_scores_agree_with_scikit_learn() {
    let cases = golden().logistic;
    assert!(cases.len() > 8);
    for case in cases {
        let data = weighted(
            labels(matrix(&case.x), &case.classes, case.n_classes),
            case.weights,
        );
        let model = case.settings.fit_model(&data).unwrap();
        close(model.coefficients(), &case.coefficients, 1e-6, &case.name);
        close(model.intercepts(), &case.intercepts, 1e-6, &case.name);
        let predicted = model.predict(matrix(&case.new).view()).unwrap().into_values();
        close(&predicted, &case.predictions, 1e-7, &case.name);
        assert_eq!(LogisticModel::from_state(&model.state().unwrap()).unwrap(), model);
    }
}

#[test]
fn a_class_without_rows_changes_nothing_for_the_others() {
    let (x, y) = curve(80, 3, 1);
    let own = classes(&y);
    let shifted: Vec<usize> = own.iter().map(|class| class + usize::from(*class > 0)).collect();
    let settings = LogisticRegression::default();
    let three = settings.fit_model(&labels(x.clone(), &own, 3)).unwrap();
    let four = settings.fit_model(&labels(x.clone(), &shifted, 4)).unwrap();
    assert_eq!(four.seen_classes(), [0, 2, 3]);
    assert_eq!(four.coefficients(), three.coefficients());
    let (three, four) = (three.predict(x.view()).unwrap(), four.predict(x.view()).unwrap());
    for (three, four) in three
        .probabilities()
        .unwrap()
        .rows()
        .into_iter()
        .zip(four.probabilities().unwrap().rows())
    {
        assert_eq!(
            [four[0], four[1], four[2], four[3]],
            [three[0], 0.0, three[1], three[2]]
        );
    }
    let two: Vec<usize> = own.iter().map(|class| 2 * class.min(&1)).collect();
    let two = settings.fit_model(&labels(x, &two, 3)).unwrap();
    assert_eq!((two.intercepts().len(), two.seen_classes()), (1, &[0, 2][..]));
}

#[test]
fn rows_that_teach_nothing_leave_a_constant_or_are_refused() {
    let constant = |x: Array2<f32>, y: Vec<f64>, expected: f64| {
        for kind in ["ridge", "lasso", "elastic_net"] {
            let model = line(kind, serde_json::json!({}), &numbers(x.clone(), y.clone())).unwrap();
            assert!(model.coefficients.iter().all(|weight| *weight == 0.0), "{kind}");
            close(&[model.intercept], &[expected], 1e-12, kind);
        }
    };
    constant(array![[1.0, 2.0]], vec![7.0], 7.0);
    constant(Array2::ones((4, 2)), vec![1.0, 2.0, 3.0, 4.0], 2.5);
    constant(array![[1.0], [2.0], [4.0]], vec![0.1; 3], 0.1);
    constant(Array2::zeros((2, 0)), vec![1.0, 2.0], 1.5);
    let shares = |data: &Dataset| {
        let x = Array2::ones((1, data.n_features()));
        LogisticRegression::default()
            .fit_model(data)
            .unwrap()
            .predict(x.view())
            .unwrap()
            .into_values()
    };
    close(
        &shares(&labels(Array2::ones((4, 2)), &[0, 1, 1, 1], 2)),
        &[0.25, 0.75],
        1e-8,
        "constant features",
    );
    close(
        &shares(&labels(Array2::zeros((4, 0)), &[0, 1, 2, 2], 3)),
        &[0.25, 0.25, 0.5],
        1e-8,
        "no features",
    );
    let one = LogisticRegression::default()
        .fit_model(&labels(Array2::ones((4, 1)), &[1; 4], 3))
        .unwrap_err();
    assert!(
        one.to_string().contains("all training rows are of class 1"),
        "{one}"
    );
    let row = LogisticRegression::default()
        .fit_model(&labels(Array2::ones((1, 1)), &[0], 2))
        .unwrap_err();
    assert!(row.to_string().contains("of class 0"), "{row}");
}

#[test]
fn wrong_tasks_settings_and_overflow_are_errors() {
    let (x, y) = curve(30, 2, 1);
    let (data, of_classes) = (numbers(x.clone(), y.clone()), labels(x, &classes(&y), 3));
    assert!(matches!(
        fit(&Ridge::default(), &of_classes, 1),
        Err(CoreError::WrongTask { .. })
    ));
    assert!(matches!(
        fit(&Lasso::default(), &of_classes, 1),
        Err(CoreError::WrongTask { .. })
    ));
    assert!(matches!(
        fit(&ElasticNet::default(), &of_classes, 1),
        Err(CoreError::WrongTask { .. })
    ));
    assert!(matches!(
        fit(&LogisticRegression::default(), &data, 1),
        Err(CoreError::WrongTask { .. })
    ));
    assert!(matches!(
        fit(&PriorClassifier::default(), &data, 1),
        Err(CoreError::WrongTask { .. })
    ));
    for (kind, settings, part) in [
        ("ridge", r#"{"alpha": -1}"#, "alpha is -1"),
        ("lasso", r#"{"alpha": -1}"#, "alpha is -1"),
        ("lasso", r#"{"tol": 0}"#, "tol is 0"),
        ("lasso", r#"{"max_iter": 0}"#, "max_iter is 0"),
        (
            "lasso",
            r#"{"alpha": 1e-3, "max_iter": 1}"#,
            "not converged after max_iter = 1",
        ),
        ("elastic_net", r#"{"l1_ratio": 1.5}"#, "l1_ratio is 1.5"),
    ] {
        let error = line(kind, serde_json::from_str(settings).unwrap(), &data)
            .unwrap_err()
            .to_string();
        assert!(error.contains(part), "{error}");
    }
    for (settings, part) in [
        (r#"{"C": 0}"#, "c is 0"),
        (r#"{"tol": -1}"#, "tol is -1"),
        (r#"{"max_iter": 1}"#, "not converged"),
    ] {
        let settings: LogisticRegression = serde_json::from_str(settings).unwrap();
        let error = settings.fit_model(&of_classes).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
    assert!(serde_json::from_str::<Ridge>(r#"{"alhpa": 1}"#).is_err());
    let huge = numbers(array![[1.0], [2.0]], vec![f64::MAX, -f64::MAX]);
    assert!(fit(&Ridge::default(), &huge, 1).is_err());
    assert!(fit(&Lasso::default(), &huge, 1).is_err());
}

#[test]
fn damaged_states_are_refused() {
    let (x, y) = curve(40, 2, 1);
    let state = Ridge::default()
        .fit_model(&numbers(x.clone(), y.clone()))
        .unwrap()
        .state()
        .unwrap();
    let mut damaged = state.clone();
    damaged.tensors.insert(
        "coefficients".into(),
        changed(&state.tensors["coefficients"], 0, f64::NAN),
    );
    assert!(
        PenalizedModel::from_state(&damaged)
            .unwrap_err()
            .to_string()
            .contains("NaN")
    );
    let mut damaged = state.clone();
    damaged.settings["penalty"] = "none".into();
    assert!(PenalizedModel::from_state(&damaged).is_err());
    let state = LogisticRegression::default()
        .fit_model(&labels(x, &classes(&y), 3))
        .unwrap()
        .state()
        .unwrap();
    for (key, value) in [
        ("seen", serde_json::json!([0, 1])),
        ("seen", serde_json::json!([0, 2, 1])),
        ("seen", serde_json::json!([0, 1, 3])),
        ("seen", serde_json::json!([])),
        ("n_classes", u64::MAX.into()),
        ("n_features", 3.into()),
    ] {
        let mut damaged = state.clone();
        damaged.settings[key] = value;
        assert!(LogisticModel::from_state(&damaged).is_err(), "{key}");
    }
    let mut damaged = state.clone();
    damaged.tensors.insert(
        "coefficients".into(),
        changed(&state.tensors["coefficients"], 0, f64::INFINITY),
    );
    assert!(LogisticModel::from_state(&damaged).is_err());
}

#[test]
fn the_shares_of_the_classes_are_a_model_too() {
    let data = labels(array![[1.0], [2.0], [3.0], [4.0]], &[0, 2, 2, 2], 4);
    let model = fit(&PriorClassifier::default(), &data, 1).unwrap().model;
    let expected = [0.25, 0.0, 0.75, 0.0, 0.25, 0.0, 0.75, 0.0];
    assert_eq!(
        model.predict(array![[9.0], [8.0]].view()).unwrap().into_values(),
        expected
    );
    assert!(model.predict(array![[9.0, 8.0]].view()).is_err());
    let state = model.state().unwrap();
    assert_eq!(
        (model.kind(), PriorModel::from_state(&state).unwrap().shares()),
        ("prior", &expected[..4])
    );
    let weighted = data.with_weights(vec![3.0, 1.0, 0.0, 0.0]).unwrap();
    let weighted = fit(&PriorClassifier::default(), &weighted, 1).unwrap().model;
    assert_eq!(
        weighted.predict(array![[9.0]].view()).unwrap().into_values(),
        [0.75, 0.0, 0.25, 0.0]
    );
    for shares in [
        vec![0.5, 0.0, 0.0, 0.0],
        vec![-0.5, 1.5, 0.0, 0.0],
        vec![f64::NAN, 0.0, 0.0, 1.0],
        vec![1.0],
    ] {
        let mut damaged = state.clone();
        damaged
            .tensors
            .insert("shares".into(), TensorData::f64_vector(shares));
        assert!(PriorModel::from_state(&damaged).is_err());
    }
}
