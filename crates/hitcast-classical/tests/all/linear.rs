//! Linear regression against scikit-learn, against what least squares must fulfil, and through its saved form.

use hitcast_classical::{
    ClassicalError, LeastSquares, LinearRegression, LinearRegressionModel, MeanModel, MeanRegressor,
};
use hitcast_core::dataset::FeatureColumn;
use hitcast_core::{
    CoreError, Dataset, Estimator, Features, FitContext, Model, ModelState, Seed, StopSignal, TensorData,
};
use ndarray::{Array2, array};
use proptest::prelude::*;
use serde::Deserialize;

#[derive(Deserialize)]
struct Golden {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    x: Vec<Vec<f32>>,
    y: Vec<f64>,
    new: Vec<Vec<f32>>,
    weights: Option<Vec<f64>>,
    intercept: bool,
    coefficients: Option<Vec<f64>>,
    model_intercept: f64,
    rank: usize,
    predictions: Vec<f64>,
}

fn matrix(rows: &[Vec<f32>]) -> Array2<f32> {
    let d = rows.first().map_or(0, Vec::len);
    Array2::from_shape_vec((rows.len(), d), rows.concat()).unwrap()
}

fn dataset(x: Array2<f32>, y: Vec<f64>) -> Dataset {
    let columns = (0..x.ncols())
        .map(|j| FeatureColumn::plain(format!("x{j}")))
        .collect();
    Dataset::new(Features::new(x, columns).unwrap(), y).unwrap()
}

#[test]
fn coefficients_and_predictions_agree_with_scikit_learn() {
    let golden: Golden = serde_json::from_str(include_str!("../golden/linear.json")).unwrap();
    assert!(golden.cases.len() > 18);
    for case in golden.cases {
        let settings = LinearRegression {
            intercept: case.intercept,
            ..LinearRegression::default()
        };
        let size = case.y.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
        let mut data = dataset(matrix(&case.x), case.y);
        if let Some(weights) = case.weights {
            data = data.with_weights(weights).unwrap();
        }
        let model = settings.fit_model(&data).unwrap();
        let predicted = model.predict(matrix(&case.new).view()).unwrap().into_values();
        assert_eq!(predicted.len(), case.predictions.len());
        for (got, expected) in predicted.iter().zip(&case.predictions) {
            assert!(
                (got - expected).abs() <= 1e-9 * size,
                "{}: predicted {got}, expected {expected}",
                case.name
            );
        }
        assert!(
            (model.intercept - case.model_intercept).abs() <= 1e-9 * size,
            "{}",
            case.name
        );
        for (got, expected) in model.coefficients.iter().zip(case.coefficients.iter().flatten()) {
            assert!(
                (got - expected).abs() <= 1e-9 * size,
                "{}: weight {got}, expected {expected}",
                case.name
            );
        }
        assert_eq!(model.rank, case.rank, "{}", case.name);
    }
}

#[test]
fn many_rows_are_reduced_block_by_block_to_the_same_answer() {
    let mut stream = Seed::new(3).stream("data");
    let x: Vec<Vec<f64>> = (0..5000)
        .map(|_| (0..6).map(|_| stream.normal()).collect())
        .collect();
    let weights = [1.0, -2.0, 3.0, 0.0, 0.5, 100.0];
    let mut system = LeastSquares::new(6);
    for row in &x {
        system.add(
            row.iter().copied(),
            row.iter().zip(weights).map(|(v, w)| v * w).sum(),
        );
    }
    let solution = system.solve(1e-12);
    assert_eq!(solution.rank, 6);
    for (got, expected) in solution.weights.iter().zip(weights) {
        assert!((got - expected).abs() < 1e-12, "{got} {expected}");
    }
}

#[test]
fn the_rank_does_not_depend_on_units() {
    let mut stream = Seed::new(5).stream("data");
    let x = Array2::from_shape_fn((50, 3), |_| stream.uniform() as f32);
    let y: Vec<f64> = (0..50).map(|_| stream.normal()).collect();
    let mut scaled = x.clone();
    scaled.column_mut(0).mapv_inplace(|v| v * 2.0_f32.powi(60));
    scaled.column_mut(2).mapv_inplace(|v| v * 2.0_f32.powi(-60));
    let fit = |x: &Array2<f32>| {
        LinearRegression::default()
            .fit_model(&dataset(x.clone(), y.clone()))
            .unwrap()
    };
    let (one, other) = (fit(&x), fit(&scaled));
    assert_eq!((one.rank, other.rank), (3, 3));
    let predict = |m: &LinearRegressionModel, x: &Array2<f32>| m.predict(x.view()).unwrap().into_values();
    for (a, b) in predict(&one, &x).into_iter().zip(predict(&other, &scaled)) {
        assert!((a - b).abs() < 1e-9, "{a} {b}");
    }
}

#[test]
fn a_column_that_is_a_sum_up_to_rounding_gets_no_wild_weight() {
    let mut stream = Seed::new(6).stream("data");
    let x = Array2::from_shape_fn((200, 3), |_| stream.uniform() as f32);
    let mut with_sum = Array2::zeros((200, 4));
    for (row, mut out) in x.rows().into_iter().zip(with_sum.rows_mut()) {
        out.assign(&array![row[0], row[1], row[2], row[0] * 0.1 + row[1] * 0.7]);
    }
    let y = (0..200).map(|_| stream.normal()).collect();
    let model = LinearRegression::default()
        .fit_model(&dataset(with_sum, y))
        .unwrap();
    assert_eq!(model.rank, 3);
    assert!(model.coefficients.iter().all(|w| w.abs() < 10.0), "{model:?}");
}

#[test]
fn a_saved_model_predicts_the_same_and_a_damaged_one_is_refused() {
    let train = dataset(array![[1.0, 2.0], [2.0, 1.0], [3.0, 5.0]], vec![1.0, 2.0, 2.5]);
    let stop = StopSignal::new();
    let context = FitContext::quiet("linear", Seed::new(1), &stop);
    let fit = LinearRegression::default().fit(&train, None, &context).unwrap();
    let state = fit.model.state().unwrap();
    let loaded = LinearRegressionModel::from_state(&state).unwrap();
    assert_eq!(
        (fit.model.kind(), loaded.n_features(), loaded.n_parameters()),
        ("linear", 2, 3)
    );
    assert_eq!(
        loaded.predict_features(train.features()).unwrap(),
        fit.model.predict_features(train.features()).unwrap()
    );
    assert!(matches!(
        loaded.predict(array![[1.0_f32]].view()),
        Err(CoreError::WrongFeatures { expected: 2, got: 1 })
    ));
    assert!(matches!(
        loaded.predict(array![[f32::NAN, 1.0]].view()),
        Err(CoreError::NotFinite { row: 0, .. })
    ));

    let damage = |change: &dyn Fn(&mut ModelState)| {
        let mut state = state.clone();
        change(&mut state);
        LinearRegressionModel::from_state(&state).unwrap_err().to_string()
    };
    let tensor = |values: Vec<f64>| TensorData::f64_vector(values);
    assert!(damage(&|s| drop(s.tensors.remove("intercept"))).contains("\"intercept\" is missing"));
    assert!(
        damage(&|s| drop(s.tensors.insert("coefficients".into(), tensor(vec![1.0])))).contains("shape [1]")
    );
    let nan = tensor(vec![1.0, f64::NAN]);
    assert!(damage(&|s| drop(s.tensors.insert("coefficients".into(), nan.clone()))).contains("NaN"));
    assert!(damage(&|s| s.settings = serde_json::json!({"n_features": 2})).contains("missing field `rank`"));
    assert!(
        damage(&|s| s.settings = serde_json::json!({"n_features": u64::MAX, "rank": 1})).contains("shape")
    );
    assert!(damage(&|s| s.settings["rank"] = 3.into()).contains("rank 3"));
}

#[test]
fn the_mean_is_a_model_too() {
    let train = dataset(array![[1.0], [2.0]], vec![1.0, 4.0]);
    let stop = StopSignal::new();
    let fit = MeanRegressor::default()
        .fit(&train, None, &FitContext::quiet("mean", Seed::new(1), &stop))
        .unwrap();
    assert_eq!(
        *fit.model
            .predict(array![[9.0_f32], [8.0], [7.0]].view())
            .unwrap()
            .values(),
        [2.5; 3]
    );
    let loaded = MeanModel::from_state(&fit.model.state().unwrap()).unwrap();
    assert_eq!(
        loaded,
        MeanModel {
            mean: 2.5,
            n_features: 1
        }
    );
    assert!(loaded.predict(array![[1.0_f32, 2.0]].view()).is_err());
}

#[test]
fn impossible_settings_and_overflow_are_errors() {
    let train = dataset(array![[1.0], [2.0]], vec![1.0, 4.0]);
    for tolerance in [-1.0, 1.0, f64::NAN] {
        let error = LinearRegression {
            tolerance,
            intercept: true,
        }
        .fit_model(&train)
        .unwrap_err();
        assert!(error.to_string().contains("tolerance is"), "{error}");
    }
    let large = dataset(array![[1.0], [2.0]], vec![f64::MAX, -f64::MAX]);
    let error = LinearRegression::default().fit_model(&large).unwrap_err();
    let CoreError::Model { source, .. } = error else {
        panic!("{error}")
    };
    assert!(matches!(
        source.downcast_ref(),
        Some(ClassicalError::NotFinite { .. })
    ));
}

#[test]
fn no_feature_at_all_leaves_the_mean() {
    let model = LinearRegression::default()
        .fit_model(&dataset(Array2::zeros((3, 0)), vec![1.0, 2.0, 6.0]))
        .unwrap();
    assert_eq!((model.intercept, model.rank), (3.0, 0));
}

proptest! {
    #[test]
    fn residuals_are_orthogonal_to_every_feature(seed: u64, n in 1_usize..600, d in 1_usize..9) {
        let mut stream = Seed::new(seed).stream("data");
        let x = Array2::from_shape_fn((n, d), |_| stream.normal() as f32);
        let y: Vec<f64> = (0..n).map(|_| stream.normal()).collect();
        let model = LinearRegression::default().fit_model(&dataset(x.clone(), y.clone())).unwrap();
        prop_assert_eq!(model.rank, d.min(n - 1));
        let predicted = model.predict(x.view()).unwrap().into_values();
        let residuals: Vec<f64> = y.iter().zip(&predicted).map(|(y, p)| y - p).collect();
        prop_assert!(residuals.iter().sum::<f64>().abs() < 1e-6);
        for column in x.columns() {
            let along: f64 = column.iter().zip(&residuals).map(|(v, r)| f64::from(*v) * r).sum();
            prop_assert!(along.abs() < 1e-6, "{}", along);
        }
    }
}
