//! Recipes over tables: what becomes a feature, what is refused, what is learned, and from which rows.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use hitcast_core::Seed;
use hitcast_data::{Column, Table};
use hitcast_preprocess::{
    ColumnRecipe, Imputer, MinMaxScaler, PreprocessError, Preprocessor, Recipe, RobustScaler, Scaler,
    SplitSettings, StandardScaler,
};
use ndarray::array;
use proptest::prelude::*;

fn table() -> Table {
    Table::new([
        ("tempo", Column::Number(vec![100.0, 120.0, f64::NAN, 140.0])),
        (
            "explicit",
            Column::Flag(vec![Some(true), Some(false), None, Some(false)]),
        ),
        ("energy", Column::Number(vec![0.0, 0.5, 0.75, 1.0])),
        ("genre", Column::text([Some("a"), Some("b"), None, Some("a")])),
    ])
    .unwrap()
}

fn standard() -> Scaler {
    Scaler::Standard(StandardScaler::default())
}

#[test]
fn numbers_and_flags_become_features_in_the_recipes_order() {
    let recipe = Recipe::new([
        ColumnRecipe::new(["energy"]),
        ColumnRecipe::new(["explicit"]).with_impute(Imputer::MostFrequent),
        ColumnRecipe::new(["tempo"])
            .with_impute(Imputer::Mean)
            .with_scale(Scaler::MinMax(MinMaxScaler::default())),
    ]);
    let fitted = recipe.fit(&table()).unwrap();
    let features = fitted.transform(&table()).unwrap();
    assert_eq!(
        features.matrix(),
        array![
            [0.0_f32, 1.0, 0.0],
            [0.5, 0.0, 0.5],
            [0.75, 0.0, 0.5],
            [1.0, 0.0, 1.0]
        ]
    );
    assert_eq!(
        fitted.input_columns().collect::<Vec<_>>(),
        ["energy", "explicit", "tempo"]
    );
    assert_eq!(features.columns(), fitted.feature_columns());
    let back = fitted.inverse_transform(features.matrix().view()).unwrap();
    assert_eq!(back.numbers("tempo").unwrap(), [100.0, 120.0, 120.0, 140.0]);
    assert_eq!(
        back.flags("explicit").unwrap(),
        [Some(true), Some(false), Some(false), Some(false)]
    );
}

#[test]
fn what_cannot_be_a_feature_is_refused_with_its_place() {
    let fit = |columns: &[ColumnRecipe], table: &Table| Recipe::new(columns.to_vec()).fit(table).unwrap_err();
    let plain = |name: &str| [ColumnRecipe::new([name])];
    let text = fit(&plain("genre"), &table()).to_string();
    assert!(
        text.contains("\"genre\" holds text") && text.contains("encoder"),
        "{text}"
    );
    let text = fit(&plain("temp"), &table()).to_string();
    assert!(text.contains("did you mean \"tempo\"?"), "{text}");
    let taken = table().take(&[3, 2, 1]);
    let text = fit(&plain("tempo"), &taken).to_string();
    assert!(
        text.contains("\"tempo\" has no value in row 1 (data row 2 of the file"),
        "{text}"
    );
    assert!(matches!(
        fit(&plain("explicit"), &table()),
        PreprocessError::Missing { row: 2, .. }
    ));
    assert!(matches!(fit(&[], &table()), PreprocessError::NoColumns));
    assert!(matches!(
        fit(&[ColumnRecipe::default()], &table()),
        PreprocessError::NoColumns
    ));
    let twice = [ColumnRecipe::new(["energy"]), ColumnRecipe::new(["energy"])];
    assert!(matches!(
        fit(&twice, &table()),
        PreprocessError::DuplicateColumn { .. }
    ));
    assert!(matches!(
        fit(&plain("energy"), &table().take(&[])),
        PreprocessError::NoRows { .. }
    ));
    let missing = Table::new([("a", Column::Number(vec![f64::NAN; 3]))]).unwrap();
    for column in [
        ColumnRecipe::new(["a"]),
        ColumnRecipe::new(["a"]).with_impute(Imputer::Constant(0.0)),
    ] {
        let error = fit(&[column], &missing);
        assert!(
            matches!(&error, PreprocessError::AllMissing { column, .. } if column == "a"),
            "{error}"
        );
    }
    let infinite = Table::new([("a", Column::Number(vec![1.0, f64::INFINITY]))]).unwrap();
    assert!(matches!(
        fit(&plain("a"), &infinite),
        PreprocessError::NotFinite { row: 1, .. }
    ));
    let bad = ColumnRecipe::new(["energy"]).with_impute(Imputer::Constant(f64::NAN));
    assert!(matches!(fit(&[bad], &table()), PreprocessError::Setting { .. }));
}

#[test]
fn rows_to_predict_are_checked_too() {
    let recipe = Recipe::new([ColumnRecipe::new(["energy"]).with_scale(standard())]);
    let fitted = recipe.fit(&table()).unwrap();
    let of = |column| fitted.transform(&Table::new([("energy", column)]).unwrap());
    assert!(matches!(
        of(Column::Number(vec![0.5, f64::NAN])),
        Err(PreprocessError::Missing { row: 1, .. })
    ));
    assert!(matches!(
        of(Column::Number(vec![f64::NEG_INFINITY])),
        Err(PreprocessError::NotFinite { row: 0, .. })
    ));
    assert!(matches!(
        of(Column::text([Some("x")])),
        Err(PreprocessError::NeedsEncoder { .. })
    ));
    assert!(matches!(
        of(Column::Number(vec![1e300])),
        Err(PreprocessError::Core(_))
    ));
    assert_eq!(of(Column::Number(vec![])).unwrap().n_rows(), 0);
    // A 0/1 column read as numbers stands for flags, and the other way round.
    assert_eq!(
        of(Column::Flag(vec![Some(true)])).unwrap(),
        of(Column::Number(vec![1.0])).unwrap()
    );
    assert!(
        fitted
            .transform(&Table::new([("tempo", Column::Number(vec![1.0]))]).unwrap())
            .is_err()
    );
    assert!(fitted.inverse_transform(array![[1.0_f32, 2.0]].view()).is_err());
}

#[test]
fn a_preprocessor_survives_json_and_a_damaged_one_is_refused() {
    let recipe = Recipe::new([
        ColumnRecipe::new(["tempo", "explicit"])
            .with_impute(Imputer::Median)
            .with_scale(Scaler::Robust(RobustScaler::default())),
        ColumnRecipe::new(["energy"]),
    ]);
    let fitted = recipe.fit(&table()).unwrap();
    let saved = serde_json::to_value(&fitted).unwrap();
    assert_eq!(
        serde_json::from_value::<Preprocessor>(saved.clone()).unwrap(),
        fitted
    );
    type Damage = fn(&mut serde_json::Value);
    let damages: [(&str, Damage); 9] = [
        ("imputer is for 1 columns", |s| {
            s["steps"][0]["imputer"]["values"] = serde_json::json!([1.0]);
        }),
        ("scale holds 0", |s| {
            s["steps"][0]["scaler"]["scale"][1] = 0.0.into();
        }),
        ("scaler is for", |s| {
            s["steps"][0]["scaler"]["scale"] = serde_json::json!([1.0]);
            s["steps"][0]["scaler"]["center"] = serde_json::json!([1.0]);
        }),
        ("kinds is for", |s| {
            s["steps"][0]["kinds"] = serde_json::json!(["number"]);
        }),
        ("text column", |s| {
            s["steps"][1]["kinds"] = serde_json::json!(["text"]);
        }),
        ("stands twice", |s| {
            s["steps"][1]["names"] = serde_json::json!(["tempo"]);
        }),
        ("no columns", |s| s["steps"] = serde_json::json!([])),
        ("quantile_range", |s| {
            s["steps"][0]["scaler"]["settings"]["quantile_range"] = serde_json::json!([9.0, 1.0]);
        }),
        ("unknown variant", |s| s["steps"][0]["kind"] = "spline".into()),
    ];
    for (message, damage) in damages {
        let mut damaged = saved.clone();
        damage(&mut damaged);
        let error = serde_json::from_value::<Preprocessor>(damaged)
            .unwrap_err()
            .to_string();
        assert!(error.contains(message), "{message}: {error}");
    }
}

#[test]
fn recipes_are_read_strictly() {
    let text = r#"{"columns": [{"names": ["a"], "impute": {"constant": 0.0}, "scale": {"kind": "robust", "quantile_range": [5, 95]}},
        {"names": ["b"], "impute": "median", "scale": {"kind": "standard"}}, {"names": ["c"]}]}"#;
    let recipe: Recipe = serde_json::from_str(text).unwrap();
    assert_eq!(recipe.columns[0].impute, Some(Imputer::Constant(0.0)));
    assert_eq!(recipe.columns[1].scale, Some(standard()));
    assert_eq!(
        serde_json::from_str::<Recipe>(&serde_json::to_string(&recipe).unwrap()).unwrap(),
        recipe
    );
    for wrong in [
        r#"{"columns": [{"names": ["a"], "scal": 1}]}"#,
        r#"{"columns": [{"names": ["a"], "scale": {"kind": "standard", "with_men": true}}]}"#,
        r#"{"columns": [{"names": ["a"], "scale": {"kind": "log"}}]}"#,
        r#"{"columns": [], "colums": []}"#,
    ] {
        assert!(serde_json::from_str::<Recipe>(wrong).is_err(), "{wrong}");
    }
}

fn any_recipe() -> impl Strategy<Value = Recipe> {
    let imputer = prop_oneof![
        Just(Imputer::Mean),
        Just(Imputer::Median),
        Just(Imputer::MostFrequent),
        Just(Imputer::Constant(7.0))
    ];
    let scaler = prop::option::of(prop_oneof![
        Just(standard()),
        Just(Scaler::Robust(RobustScaler::default())),
        Just(Scaler::MinMax(MinMaxScaler::default())),
    ]);
    (imputer, scaler).prop_map(|(impute, scale)| {
        Recipe::new([ColumnRecipe {
            names: vec!["a".into(), "on".into()],
            impute: Some(impute),
            encode: None,
            scale,
        }])
    })
}

proptest! {
    /// No leakage: whatever stands in rows that are not for training, the same is learned.
    #[test]
    fn changing_rows_outside_training_changes_no_fitted_value(
        rows in prop::collection::vec(prop::option::weighted(0.8, -100.0..100.0_f64), 20..60),
        other in prop::collection::vec(prop_oneof![Just(f64::NAN), Just(f64::INFINITY), -1e9..1e9_f64], 60),
        recipe in any_recipe(),
        seed: u64,
    ) {
        let split = SplitSettings::default().split(&Table::new([("a", Column::Number(vec![0.0; rows.len()]))]).unwrap(), Seed::new(seed)).unwrap();
        let values: Vec<f64> = rows.iter().map(|v| v.unwrap_or(f64::NAN)).collect();
        let flags: Vec<Option<bool>> = rows.iter().map(|v| v.map(|v| v > 10.0)).collect();
        let (mut changed, mut changed_flags) = (values.clone(), flags.clone());
        for (&row, &value) in split.validation.iter().chain(&split.test).zip(&other) {
            changed[row] = value;
            changed_flags[row] = (!value.is_nan()).then_some(value > 0.0);
        }
        let fit = |a: Vec<f64>, on: Vec<Option<bool>>| {
            let table = Table::new([("a", Column::Number(a)), ("on", Column::Flag(on))]).unwrap();
            recipe.fit(&table.take(&split.train))
        };
        match (fit(values, flags), fit(changed, changed_flags)) {
            (Ok(before), Ok(after)) => prop_assert_eq!(before, after),
            (before, after) => prop_assert_eq!(before.unwrap_err().to_string(), after.unwrap_err().to_string()),
        }
    }

    #[test]
    fn features_come_back_to_raw_units(rows in prop::collection::vec((-1e3..1e3_f64, any::<bool>()), 2..80), recipe in any_recipe()) {
        let (a, on): (Vec<f64>, Vec<bool>) = rows.into_iter().unzip();
        let on: Vec<Option<bool>> = on.into_iter().map(Some).collect();
        let table = Table::new([("a", Column::Number(a.clone())), ("on", Column::Flag(on.clone()))]).unwrap();
        let fitted = recipe.fit(&table).unwrap();
        let back = fitted.inverse_transform(fitted.transform(&table).unwrap().matrix().view()).unwrap();
        prop_assert_eq!(back.flags("on").unwrap(), on);
        for (back, raw) in back.numbers("a").unwrap().iter().zip(a) {
            prop_assert!((back - raw).abs() <= 1e-3, "{} {}", back, raw);
        }
    }
}
