//! Scalers and imputers against scikit-learn, there and back, and on what they cannot use.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use hitcast_preprocess::{
    FittedScaler, Imputer, MinMaxScaler, PreprocessError, RobustScaler, Scaler, StandardScaler,
};
use ndarray::{Array2, array};
use proptest::prelude::*;
use serde::Deserialize;
use std::collections::BTreeMap;

type Rows = Vec<Vec<Option<f64>>>;

#[derive(Deserialize)]
struct Golden {
    scaled: Vec<Scaled>,
    imputed: Vec<Imputed>,
}

#[derive(Deserialize)]
struct Scaled {
    name: String,
    scaler: Scaler,
    x: Rows,
    new: Rows,
    fitted: BTreeMap<String, Vec<f64>>,
    transformed: Rows,
    back: Rows,
}

#[derive(Deserialize)]
struct Imputed {
    name: String,
    imputer: Imputer,
    x: Rows,
    transformed: Rows,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("../golden/scale.json")).unwrap()
}

fn matrix(rows: &[Vec<Option<f64>>]) -> Array2<f64> {
    let values = rows.concat().into_iter().map(|v| v.unwrap_or(f64::NAN)).collect();
    Array2::from_shape_vec((rows.len(), rows[0].len()), values).unwrap()
}

fn assert_close(what: &str, got: &Array2<f64>, expected: &Array2<f64>, size: &Array2<f64>) {
    assert_eq!(got.dim(), expected.dim(), "{what}");
    for (((place, got), expected), size) in got.indexed_iter().zip(expected).zip(size) {
        let close = (got - expected).abs() <= 1e-12 * size.abs().max(expected.abs());
        assert!(
            close || (got.is_nan() && expected.is_nan()),
            "{what} {place:?}: got {got}, expected {expected}"
        );
    }
}

#[test]
fn every_scaler_agrees_with_scikit_learn_to_1e_12() {
    let golden = golden();
    assert!(golden.scaled.len() > 100);
    for case in golden.scaled {
        let what = format!("{}, {:?}", case.name, case.scaler);
        let fitted = case.scaler.fit(matrix(&case.x).view()).unwrap();
        let saved = serde_json::to_value(&fitted).unwrap();
        for (name, expected) in &case.fitted {
            let got: Vec<f64> = serde_json::from_value(saved[name].clone()).unwrap();
            assert_eq!(got.len(), expected.len());
            for (column, (got, expected)) in got.iter().zip(expected).enumerate() {
                // A variance that is nothing but the rounding of its mean has no digits to agree in.
                let noise = if name == "variance" {
                    1e-30 * saved["mean"][column].as_f64().unwrap().powi(2)
                } else {
                    0.0
                };
                assert!(
                    (got - expected).abs() <= 1e-12 * expected.abs() + noise,
                    "{what} {name} {column}: {got} {expected}"
                );
            }
        }
        let new = matrix(&case.new);
        let transformed = fitted.transform(new.view()).unwrap();
        // Values far from zero lose the digits that centring takes away, in scikit-learn as here.
        let size = lost_digits(&fitted, &new);
        assert_close(&what, &transformed, &matrix(&case.transformed), &size);
        let back = fitted.inverse_transform(transformed.view()).unwrap();
        assert_close(
            &what,
            &back,
            &matrix(&case.back),
            &(new.mapv(f64::abs) + centers(&fitted)),
        );
    }
}

fn field(fitted: &FittedScaler, name: &str) -> Vec<f64> {
    serde_json::from_value(serde_json::to_value(fitted).unwrap()[name].clone()).unwrap()
}

/// What is subtracted from each column, roughly.
fn centers(fitted: &FittedScaler) -> Array2<f64> {
    let name = match fitted {
        FittedScaler::Standard(_) => "mean",
        FittedScaler::Robust(_) => "center",
        _ => "data_max",
    };
    let values = field(fitted, name);
    Array2::from_shape_vec((1, values.len()), values)
        .unwrap()
        .mapv(f64::abs)
}

fn lost_digits(fitted: &FittedScaler, x: &Array2<f64>) -> Array2<f64> {
    let scale = field(fitted, "scale");
    let scale = Array2::from_shape_vec((1, scale.len()), scale).unwrap();
    let raw = x.mapv(f64::abs) + centers(fitted);
    if matches!(fitted, FittedScaler::MinMax(_)) {
        raw * scale + 3.0
    } else {
        raw / scale
    }
}

#[test]
fn every_imputer_agrees_with_scikit_learn() {
    for case in golden().imputed {
        let x = matrix(&case.x);
        let got = case.imputer.fit(x.view()).unwrap().transform(x.view()).unwrap();
        let expected = matrix(&case.transformed);
        assert_close(
            &format!("{}, {:?}", case.name, case.imputer),
            &got,
            &expected,
            &expected,
        );
    }
}

#[test]
fn what_cannot_be_learned_from_is_named() {
    let text = |e: PreprocessError| e.to_string();
    let scalers = [
        Scaler::Standard(StandardScaler::default()),
        Scaler::Robust(RobustScaler::default()),
        Scaler::MinMax(MinMaxScaler::default()),
    ];
    for scaler in scalers {
        assert!(text(scaler.fit(Array2::zeros((0, 2)).view()).unwrap_err()).contains("no rows"));
        assert!(
            text(scaler.fit(array![[1.0, f64::NAN]].view()).unwrap_err()).contains("column 1 has no value")
        );
        assert!(
            text(scaler.fit(array![[1.0], [f64::INFINITY]].view()).unwrap_err()).contains("inf in row 1")
        );
        let wide = scaler.fit(array![[f64::MAX], [-f64::MAX]].view());
        assert!(matches!(wide, Err(PreprocessError::Scale { .. })), "{wide:?}");
        let fitted = scaler.fit(array![[1.0, 2.0], [3.0, 5.0]].view()).unwrap();
        assert!(
            text(fitted.transform(array![[1.0]].view()).unwrap_err()).contains("2 columns, but was given 1")
        );
        assert!(fitted.inverse_transform(array![[1.0]].view()).is_err());
    }
    assert!(text(Imputer::Mean.fit(array![[f64::NAN]].view()).unwrap_err()).contains("drop the column"));
    assert!(
        text(Imputer::Constant(f64::NAN).fit(array![[1.0]].view()).unwrap_err()).contains("impute.constant")
    );
}

#[test]
fn impossible_settings_are_named() {
    let x = array![[1.0], [2.0]];
    for quantile_range in [(75.0, 25.0), (-1.0, 50.0), (0.0, 101.0), (f64::NAN, 50.0)] {
        let error = RobustScaler {
            quantile_range,
            ..RobustScaler::default()
        }
        .fit(x.view())
        .unwrap_err();
        assert!(error.to_string().starts_with("quantile_range is ["), "{error}");
    }
    for quantile_range in [(0.0, 75.0), (25.0, 100.0), (50.0, 50.0)] {
        assert!(
            RobustScaler {
                quantile_range,
                unit_variance: true,
                ..RobustScaler::default()
            }
            .fit(x.view())
            .is_err()
        );
    }
    for feature_range in [(1.0, 1.0), (2.0, 1.0), (0.0, f64::INFINITY), (f64::NAN, 1.0)] {
        let error = MinMaxScaler {
            feature_range,
            clip: false,
        }
        .fit(x.view())
        .unwrap_err();
        assert!(error.to_string().starts_with("feature_range is ["), "{error}");
    }
}

#[test]
fn a_damaged_scaler_is_not_loaded() {
    let fitted = Scaler::Standard(StandardScaler::default())
        .fit(array![[1.0, 2.0], [3.0, 5.0]].view())
        .unwrap();
    let saved = serde_json::to_value(&fitted).unwrap();
    assert_eq!(
        serde_json::from_value::<FittedScaler>(saved.clone()).unwrap(),
        fitted
    );
    let damages = [
        ("scale", serde_json::json!([1.0, 0.0])),
        ("scale", serde_json::json!([1.0])),
        ("scale", serde_json::json!([1.0, -1.0])),
        ("mean", serde_json::json!([1.0, 2.0, 3.0])),
        ("n_seen", serde_json::json!([1])),
        ("mean", serde_json::json!([1.0, null])),
        ("more", serde_json::json!(1)),
    ];
    for (name, value) in damages {
        let mut damaged = saved.clone();
        damaged[name] = value;
        assert!(
            serde_json::from_value::<FittedScaler>(damaged.clone()).is_err(),
            "{damaged}"
        );
    }
}

fn any_scaler() -> impl Strategy<Value = Scaler> {
    prop_oneof![
        (any::<bool>(), any::<bool>())
            .prop_map(|(with_mean, with_std)| Scaler::Standard(StandardScaler { with_mean, with_std })),
        (
            any::<bool>(),
            any::<bool>(),
            1.0..49.0_f64,
            51.0..99.0_f64,
            any::<bool>()
        )
            .prop_map(
                |(with_centering, with_scaling, low, high, unit_variance)| Scaler::Robust(RobustScaler {
                    with_centering,
                    with_scaling,
                    quantile_range: (low, high),
                    unit_variance,
                })
            ),
        (-5.0..0.0_f64, 0.1..5.0_f64).prop_map(|(low, high)| Scaler::MinMax(MinMaxScaler {
            feature_range: (low, high),
            clip: false,
        })),
    ]
}

proptest! {
    #[test]
    fn scaled_values_come_back(
        values in prop::collection::vec(prop::option::weighted(0.9, -1e6..1e6_f64), 3..60), scaler in any_scaler(),
    ) {
        prop_assume!(values.iter().any(Option::is_some));
        let x = matrix(&values.into_iter().map(|v| vec![v]).collect::<Vec<_>>());
        let fitted = scaler.fit(x.view()).unwrap();
        let back = fitted.inverse_transform(fitted.transform(x.view()).unwrap().view()).unwrap();
        for (back, raw) in back.iter().zip(&x) {
            prop_assert!((back - raw).abs() <= 1e-8 || (back.is_nan() && raw.is_nan()), "{} {}", back, raw);
        }
        let saved = serde_json::to_string(&fitted).unwrap();
        prop_assert_eq!(serde_json::from_str::<FittedScaler>(&saved).unwrap(), fitted);
    }

    #[test]
    fn clipped_values_stay_in_the_range(train in prop::collection::vec(-1e3..1e3_f64, 1..30), new in -1e9..1e9_f64) {
        let x = Array2::from_shape_vec((train.len(), 1), train).unwrap();
        let scaler = MinMaxScaler { feature_range: (-1.0, 1.0), clip: true };
        let scaled = scaler.fit(x.view()).unwrap().transform(array![[new]].view()).unwrap()[[0, 0]];
        prop_assert!((-1.0..=1.0).contains(&scaled));
    }
}
