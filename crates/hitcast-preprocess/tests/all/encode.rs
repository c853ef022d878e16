//! Encoders against scikit-learn, by their properties, inside recipes, and on bad input.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use hitcast_core::{FeatureBlock, Seed};
use hitcast_data::{Column, ColumnKind, Table};
use hitcast_preprocess::split::Codes;
use hitcast_preprocess::{
    Category, ColumnRecipe, CyclicEncoder, Encoded, Encoder, FrequencyEncoder, Imputer, MultiLabelEncoder,
    OneHotEncoder, OrdinalEncoder, PreprocessError, Preprocessor, Recipe, Scaler, Smoothing, StandardScaler,
    Target, TargetEncoder, TargetValues, UnknownCategory,
};
use ndarray::array;
use proptest::prelude::*;
use serde_json::Value;

fn golden() -> Value {
    serde_json::from_str(include_str!("../golden/encode.json")).unwrap()
}

/// A column of the golden values.
fn column(golden: &Value, name: &str, part: &str) -> Column {
    let values = golden["columns"][name][part].as_array().unwrap();
    if values.iter().any(Value::is_string) {
        Column::text(values.iter().map(Value::as_str))
    } else {
        let number = |value: &Value| value.as_f64().unwrap_or(f64::NAN);
        Column::Number(values.iter().map(number).collect())
    }
}

fn rows(value: &Value) -> Vec<Vec<Option<f64>>> {
    let row = |row: &Value| row.as_array().unwrap().iter().map(Value::as_f64).collect();
    value.as_array().unwrap().iter().map(row).collect()
}

/// Columns of what an encoder made.
fn columns(encoded: Encoded) -> Vec<Vec<f64>> {
    match encoded {
        Encoded::Numbers(columns) => columns,
        Encoded::Indicators(indicators) => (0..indicators.width())
            .map(|column| {
                let is_one = |row: usize| indicators.row(row).contains(&u32::try_from(column).unwrap());
                (0..indicators.n_rows())
                    .map(|row| f64::from(u8::from(is_one(row))))
                    .collect()
            })
            .collect(),
    }
}

#[track_caller]
fn same_rows(what: &str, got: Encoded, expected: &Value) {
    let (got, expected) = (columns(got), rows(expected));
    for (row, expected) in expected.iter().enumerate() {
        let got: Vec<Option<f64>> = got.iter().map(|column| Some(column[row])).collect();
        assert_eq!(&got, expected, "{what}, row {row}");
    }
}

#[test]
fn one_hot_columns_are_scikit_learns() {
    let golden = golden();
    for case in golden["one_hot"].as_array().unwrap() {
        let name = case["column"].as_str().unwrap();
        let encoder = |unknown| {
            Encoder::OneHot(OneHotEncoder {
                unknown,
                min_frequency: usize::try_from(case["min_frequency"].as_u64().unwrap()).unwrap(),
                max_columns: case["max_columns"]
                    .as_u64()
                    .map(|most| usize::try_from(most).unwrap()),
            })
        };
        let train = column(&golden, name, "train");
        let ignore = encoder(UnknownCategory::Ignore).fit(name, &train, None).unwrap();
        let other = encoder(UnknownCategory::Other).fit(name, &train, None).unwrap();
        let test = column(&golden, name, "test");
        let of =
            |encoder: &hitcast_preprocess::FittedEncoder, column| encoder.transform(name, column).unwrap();
        same_rows(name, of(&ignore, &train), &case["train"]);
        same_rows(name, of(&ignore, &test), &case["test_ignore"]);
        same_rows(name, of(&other, &test), &case["test_other"]);
    }
}

#[test]
fn ordinal_places_are_scikit_learns_and_missing_ones_come_last() {
    let golden = golden();
    for case in golden["ordinal"].as_array().unwrap() {
        let name = case["column"].as_str().unwrap();
        let encoder = OrdinalEncoder {
            unknown: Some(-1.0),
            ..OrdinalEncoder::default()
        };
        let train = column(&golden, name, "train");
        let fitted = encoder.fit(name, &train).unwrap();
        let last = fitted.places[fitted.places.len() - 1];
        for part in ["train", "test"] {
            let got = fitted.transform(name, &column(&golden, name, part)).unwrap();
            let expected = case[part].as_array().unwrap().iter().map(Value::as_f64);
            for (got, expected) in got.into_iter().zip(expected) {
                assert_eq!(got, expected.unwrap_or(last), "{name}");
            }
        }
    }
}

#[test]
fn target_encodings_are_scikit_learns() {
    let golden = golden();
    for case in golden["target_encoder"].as_array().unwrap() {
        let (name, kind) = (case["column"].as_str().unwrap(), case["target"].as_str().unwrap());
        let numbers: Vec<f64> = golden["target"][kind]
            .as_array()
            .unwrap()
            .iter()
            .map(|v| v.as_f64().unwrap())
            .collect();
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let classes: Vec<usize> = numbers.iter().map(|class| class.abs() as usize).collect();
        let values = match kind {
            "two" | "three" => TargetValues::Classes {
                classes: &classes,
                n_classes: if kind == "two" { 2 } else { 3 },
            },
            _ => TargetValues::Numbers(&numbers),
        };
        let target = Target { values, groups: None };
        let encoder = TargetEncoder {
            smooth: case["smooth"].as_f64().map_or(Smoothing::Auto, Smoothing::Rows),
            ..TargetEncoder::default()
        };
        let train = column(&golden, name, "train");
        let fitted = encoder.fit(name, &train, Some(&target)).unwrap();
        let got = fitted.transform(&column(&golden, name, "test"));
        let expected = rows(&case["test"]);
        assert_eq!(got.len(), expected.len());
        for (got, expected) in got.iter().flatten().zip(expected.iter().flatten()) {
            let expected = expected.unwrap();
            assert!(
                (got - expected).abs() <= 1e-12 * expected.abs().max(1.0),
                "{case}: {got} {expected}"
            );
        }
    }
}

#[test]
fn lists_of_labels_are_scikit_learns() {
    let golden = golden();
    let lists = golden["multi_label"]["lists"].as_array().unwrap();
    let column = Column::text(lists.iter().map(Value::as_str));
    let encoder = Encoder::MultiLabel(MultiLabelEncoder::default());
    let fitted = encoder.fit("genres", &column, None).unwrap();
    same_rows(
        "genres",
        fitted.transform("genres", &column).unwrap(),
        &golden["multi_label"]["encoded"],
    );
    let spaced = Column::text([Some(" b ; a;b;"), None]);
    let encoded = columns(fitted.transform("genres", &spaced).unwrap());
    assert_eq!(
        encoded.iter().map(|column| column[0]).collect::<Vec<_>>(),
        [1.0, 1.0, 0.0, 0.0]
    );
    assert!(encoded.iter().all(|column| column[1] == 0.0));
    let error = fitted
        .transform("genres", &Column::text([Some("a;e")]))
        .unwrap_err();
    assert!(
        error.to_string().contains("\"genres\" is \"e\" in data row 0"),
        "{error}"
    );
}

#[test]
fn neighbours_on_a_circle_are_equally_far() {
    let encoder = CyclicEncoder { period: 12.0 };
    let keys = Column::Number((0..12).map(f64::from).collect());
    let [sin, cos] = encoder.transform("key", &keys).unwrap();
    let distance = |a: usize, b: usize| (sin[a] - sin[b]).hypot(cos[a] - cos[b]);
    for key in 0..12 {
        assert!((distance(key, (key + 1) % 12) - distance(0, 1)).abs() < 1e-12);
        assert!((distance(key, (key + 6) % 12) - 2.0).abs() < 1e-12);
    }
    let same = encoder
        .transform("key", &Column::Number(vec![-1.0, 11.0, 23.0]))
        .unwrap();
    assert!(
        same.iter()
            .all(|values| (values[0] - values[1]).abs() + (values[0] - values[2]).abs() < 1e-12)
    );
    let text = encoder.transform("key", &Column::text([Some("C")])).unwrap_err();
    assert!(matches!(text, PreprocessError::NeedsEncoder { .. }));
}

#[test]
fn frequencies_are_shares_of_the_training_rows() {
    let column = Column::text([Some("a"), Some("b"), Some("a"), None]);
    let fitted = FrequencyEncoder {}.fit("genre", &column).unwrap();
    let test = Column::text([None, Some("a"), Some("c")]);
    assert_eq!(fitted.transform(&test), [0.25, 0.5, 0.0]);
}

fn table() -> Table {
    Table::new([
        ("tempo", Column::Number(vec![100.0, 120.0, 80.0, 140.0])),
        ("key", Column::Number(vec![0.0, 11.0, 5.0, 0.0])),
        (
            "mode",
            Column::Flag(vec![Some(true), Some(false), None, Some(true)]),
        ),
        (
            "genre",
            Column::text([Some("pop"), Some("rock"), None, Some("pop")]),
        ),
        ("energy", Column::Number(vec![0.1, 0.2, 0.3, 0.4])),
    ])
    .unwrap()
}

fn one_hot() -> Encoder {
    Encoder::OneHot(OneHotEncoder::default())
}

#[test]
fn encoded_features_stand_in_the_recipes_order_and_know_their_source() {
    let recipe = Recipe::new([
        ColumnRecipe::new(["tempo"]),
        ColumnRecipe::new(["genre", "mode"]).with_encode(one_hot()),
        ColumnRecipe::new(["energy"]),
        ColumnRecipe::new(["key"]).with_encode(Encoder::Cyclic(CyclicEncoder { period: 12.0 })),
    ]);
    let fitted = recipe.fit(&table()).unwrap();
    let features = fitted.transform(&table()).unwrap();
    let names: Vec<(&str, &str)> = features
        .columns()
        .iter()
        .map(|c| (&*c.name, &*c.source))
        .collect();
    assert_eq!(
        names,
        [
            ("tempo", "tempo"),
            ("genre=pop", "genre"),
            ("genre=rock", "genre"),
            ("genre=(missing)", "genre"),
            ("mode=false", "mode"),
            ("mode=true", "mode"),
            ("mode=(missing)", "mode"),
            ("energy", "energy"),
            ("key_sin", "key"),
            ("key_cos", "key"),
        ]
    );
    let matrix = features.matrix();
    assert_eq!(
        matrix.slice_axis(ndarray::Axis(1), ndarray::Slice::from(..8)),
        array![
            [100.0_f32, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.1],
            [120.0, 0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 0.2],
            [80.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.3],
            [140.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.4],
        ]
    );
    // Numbers beside each other are one matrix; ones are kept as their places.
    let kinds: Vec<bool> = features
        .blocks()
        .iter()
        .map(|b| matches!(b, FeatureBlock::Dense(_)))
        .collect();
    assert_eq!(kinds, [true, false, false, true]);
    let json = serde_json::to_string(&fitted).unwrap();
    assert_eq!(serde_json::from_str::<Preprocessor>(&json).unwrap(), fitted);
    let toml: Recipe = serde_json::from_str(&serde_json::to_string(&recipe).unwrap()).unwrap();
    assert_eq!(toml, recipe);
    let back = fitted.inverse_transform(matrix.view()).unwrap();
    assert_eq!(back.texts("genre").unwrap(), table().texts("genre").unwrap());
    assert_eq!(back.flags("mode").unwrap(), table().flags("mode").unwrap());
    for (back, raw) in back
        .numbers("key")
        .unwrap()
        .iter()
        .zip(table().numbers("key").unwrap())
    {
        assert!((back - raw).abs() < 1e-5, "{back} {raw}");
    }
}

#[test]
fn encoded_features_can_be_imputed_and_scaled() {
    let mut recipe = Recipe::new([ColumnRecipe::new(["mode"])
        .with_impute(Imputer::MostFrequent)
        .with_encode(one_hot())
        .with_scale(Scaler::Standard(StandardScaler::default()))]);
    let fitted = recipe.fit(&table()).unwrap();
    let features = fitted.transform(&table()).unwrap();
    assert_eq!(features.n_features(), 2);
    let matrix = features.matrix();
    let low = -(1.0_f32 / 3.0).sqrt();
    let high = 3.0_f32.sqrt();
    for (row, expected) in [[low, -low], [high, -high], [low, -low], [low, -low]]
        .iter()
        .enumerate()
    {
        assert!(
            (matrix[(row, 0)] - expected[0]).abs() < 1e-6 && (matrix[(row, 1)] - expected[1]).abs() < 1e-6
        );
    }
    let back = fitted.inverse_transform(matrix.view()).unwrap();
    assert_eq!(back.flags("mode").unwrap()[2], Some(true));
    recipe.columns[0].names = vec!["genre".to_owned()];
    assert!(matches!(
        recipe.fit(&table()),
        Err(PreprocessError::NeedsEncoder { .. })
    ));
}

#[test]
fn numbers_and_flags_stand_for_each_other_as_categories() {
    let recipe = Recipe::new([ColumnRecipe::new(["mode"]).with_encode(one_hot())]);
    let flags = Table::new([("mode", Column::Flag(vec![Some(true), Some(false)]))]).unwrap();
    let numbers = Table::new([("mode", Column::Number(vec![1.0, 0.0]))]).unwrap();
    for (fit, other) in [(&flags, &numbers), (&numbers, &flags)] {
        let fitted = recipe.fit(fit).unwrap();
        assert_eq!(fitted.transform(fit).unwrap(), fitted.transform(other).unwrap());
    }
}

#[test]
fn bad_input_is_an_error_that_says_where() {
    let fit = |encoder: Encoder, name: &str| {
        let recipe = Recipe::new([ColumnRecipe::new([name]).with_encode(encoder)]);
        recipe.fit(&table()).map_err(|error| error.to_string())
    };
    let fitted = fit(one_hot(), "genre").unwrap();
    let unseen = Table::new([("genre", Column::text([Some("pop"), Some("rokc")]))]).unwrap();
    let error = fitted.transform(&unseen).unwrap_err().to_string();
    assert!(
        error.contains("\"rokc\" in data row 1") && error.contains("did you mean \"rock\"?"),
        "{error}"
    );
    let wide = OneHotEncoder {
        max_columns: Some(0),
        ..OneHotEncoder::default()
    };
    assert!(
        fit(Encoder::OneHot(wide), "genre")
            .unwrap_err()
            .contains("max_columns is 0")
    );
    assert!(
        fit(Encoder::Target(TargetEncoder::default()), "genre")
            .unwrap_err()
            .contains("fit_transform")
    );
    assert!(
        fit(Encoder::Cyclic(CyclicEncoder { period: 0.0 }), "key")
            .unwrap_err()
            .contains("period is 0")
    );
    assert!(
        fit(Encoder::MultiLabel(MultiLabelEncoder::default()), "key")
            .unwrap_err()
            .contains("number values")
    );
    let order = |order: &[&str]| {
        Encoder::Ordinal(OrdinalEncoder {
            order: Some(
                order
                    .iter()
                    .map(|text| Category::Text((*text).to_owned()))
                    .collect(),
            ),
            unknown: None,
        })
    };
    assert!(
        fit(order(&["rock", "rock"]), "genre")
            .unwrap_err()
            .contains("standing once")
    );
    let fitted = fit(order(&["rock", "pop"]), "genre").unwrap();
    assert_eq!(
        fitted.transform(&table()).unwrap().matrix(),
        array![[1.0_f32], [0.0], [2.0], [1.0]]
    );
    assert!(fit(order(&["rock"]), "genre").unwrap_err().contains("\"pop\""));
    let strange = OrdinalEncoder {
        order: None,
        unknown: Some(f64::NAN),
    };
    let error = fit(Encoder::Ordinal(strange), "genre").unwrap_err();
    assert!(error.contains("encode.unknown is NaN"), "{error}");
    let as_numbers = Table::new([("genre", Column::Number(vec![1.0]))]).unwrap();
    assert!(matches!(
        fitted.transform(&as_numbers),
        Err(PreprocessError::KindChanged { .. })
    ));
    let empty = Table::new([("genre", Column::text::<&str>([None, None]))]).unwrap();
    let recipe = Recipe::new([ColumnRecipe::new(["genre"]).with_encode(one_hot())]);
    assert!(matches!(
        recipe.fit(&empty),
        Err(PreprocessError::AllMissing { .. })
    ));
    let infinite = Table::new([("genre", Column::Number(vec![1.0, f64::INFINITY]))]).unwrap();
    assert!(matches!(
        recipe.fit(&infinite),
        Err(PreprocessError::NotFinite { row: 1, .. })
    ));
    let twins = Table::new([
        ("key_sin", Column::Number(vec![1.0])),
        ("key", Column::Number(vec![1.0])),
    ])
    .unwrap();
    let cyclic = ColumnRecipe::new(["key"]).with_encode(Encoder::Cyclic(CyclicEncoder { period: 12.0 }));
    let error = Recipe::new([ColumnRecipe::new(["key_sin"]), cyclic])
        .fit(&twins)
        .unwrap_err();
    assert!(error.to_string().contains("called \"key_sin\""), "{error}");
    let frequency = Encoder::Frequency(FrequencyEncoder {});
    let fitted = fit(frequency, "genre").unwrap();
    let matrix = fitted.transform(&table()).unwrap();
    assert!(matches!(
        fitted.inverse_transform(matrix.matrix().view()),
        Err(PreprocessError::OneWay { .. })
    ));
}

#[test]
fn damaged_encoders_are_not_loaded() {
    let encoders = [
        one_hot(),
        Encoder::Ordinal(OrdinalEncoder::default()),
        Encoder::Frequency(FrequencyEncoder {}),
    ];
    for encoder in encoders {
        let recipe = Recipe::new([ColumnRecipe::new(["genre"]).with_encode(encoder)]);
        let saved = serde_json::to_value(recipe.fit(&table()).unwrap()).unwrap();
        assert!(serde_json::from_value::<Preprocessor>(saved.clone()).is_ok());
        let text = saved.to_string();
        for (from, to) in [
            ("[\"pop\",\"rock\",null]", "[\"rock\",\"pop\",null]"),
            ("[\"pop\",\"rock\",null]", "[\"pop\",\"pop\",null]"),
            ("[\"pop\",\"rock\",null]", "[]"),
            ("[0.0,1.0,2.0]", "[0.0,1.0]"),
            ("[0.5,0.25,0.25]", "[0.5,7.0,0.25]"),
        ] {
            if text.contains(from) {
                let damaged = text.replace(from, to);
                assert!(
                    serde_json::from_str::<Preprocessor>(&damaged).is_err(),
                    "{damaged}"
                );
            }
        }
    }
}

#[test]
fn a_rows_own_target_does_not_reach_its_encoding() {
    let n = 60;
    let mut stream = Seed::new(1).stream("rows");
    let texts: Vec<String> = (0..n).map(|_| stream.below(9).to_string()).collect();
    let table = Table::new([("genre", Column::text(texts.iter().map(Some)))]).unwrap();
    let recipe =
        Recipe::new([ColumnRecipe::new(["genre"]).with_encode(Encoder::Target(TargetEncoder::default()))]);
    let mut values: Vec<f64> = (0..n).map(|_| stream.normal()).collect();
    let encode = |values: &[f64]| {
        let target = Target {
            values: TargetValues::Numbers(values),
            groups: None,
        };
        recipe.fit_transform(&table, Some(&target), Seed::new(5)).unwrap()
    };
    let (_, before) = encode(&values);
    for row in 0..n {
        let kept = std::mem::replace(&mut values[row], 1000.0);
        let (fitted, after) = encode(&values);
        assert_eq!(after.matrix()[(row, 0)], before.matrix()[(row, 0)], "row {row}");
        // Others hear of it, and so do rows to come.
        assert_ne!(after, before);
        assert_ne!(
            fitted.transform(&table).unwrap().matrix()[(row, 0)],
            before.matrix()[(row, 0)]
        );
        values[row] = kept;
    }
    assert_eq!(encode(&values).1, before);
}

#[test]
fn rows_of_one_group_do_not_tell_each_other_their_target() {
    // Each song stands twice with the same target, and has a genre of its own.
    let songs: Vec<u64> = (0..40).map(|row| row / 2).collect();
    let groups = Codes::new(&songs);
    let table = Table::new([(
        "genre",
        Column::text(songs.iter().map(|song| Some(song.to_string()))),
    )])
    .unwrap();
    #[allow(clippy::cast_precision_loss)]
    let values: Vec<f64> = songs.iter().map(|song| *song as f64).collect();
    let recipe = Recipe::new([
        ColumnRecipe::new(["genre"]).with_encode(Encoder::Target(TargetEncoder {
            smooth: Smoothing::Rows(0.0),
            folds: 4,
        })),
    ]);
    let told = |groups| {
        let target = Target {
            values: TargetValues::Numbers(&values),
            groups,
        };
        let (_, features) = recipe.fit_transform(&table, Some(&target), Seed::new(2)).unwrap();
        #[allow(clippy::cast_possible_truncation)]
        let same = features
            .matrix()
            .column(0)
            .iter()
            .zip(&values)
            .filter(|(a, b)| **a == **b as f32)
            .count();
        same
    };
    assert!(told(None) > 20);
    assert_eq!(told(Some(&groups)), 0);
}

#[test]
fn a_category_without_rows_in_the_other_folds_has_the_mean_of_theirs() {
    let table = Table::new([("genre", Column::text((0..10).map(|row| Some(row.to_string()))))]).unwrap();
    let values: Vec<f64> = (0..10).map(f64::from).collect();
    let target = Target {
        values: TargetValues::Numbers(&values),
        groups: None,
    };
    let encoder = TargetEncoder::default();
    let encoded = encoder
        .out_of_fold(
            "genre",
            table.column("genre").unwrap(),
            Some(&target),
            Seed::new(1),
        )
        .unwrap();
    // Of the other eight rows.
    assert!(
        encoded[0]
            .iter()
            .all(|mean| (mean * 8.0).fract().abs() < 1e-9 && (3.0..=6.0).contains(mean))
    );
}

proptest! {
    #[test]
    fn one_hot_goes_there_and_back(
        codes in prop::collection::vec(prop::option::of(0_u8..6), 1..40), as_numbers: bool, rare in 1_usize..4,
    ) {
        prop_assume!(codes.iter().any(Option::is_some));
        let column = if as_numbers {
            Column::Number(codes.iter().map(|code| code.map_or(f64::NAN, f64::from)).collect())
        } else {
            Column::text(codes.iter().map(|code| code.map(|code| code.to_string())))
        };
        let encoder = Encoder::OneHot(OneHotEncoder { min_frequency: rare, ..OneHotEncoder::default() });
        let fitted = encoder.fit("c", &column, None).unwrap();
        let encoded = columns(fitted.transform("c", &column).unwrap());
        prop_assert_eq!(encoded.len(), fitted.feature_columns("c").len());
        let matrix = ndarray::Array2::from_shape_fn((codes.len(), encoded.len()), |(row, c)| encoded[c][row]);
        for row in matrix.rows() {
            prop_assert_eq!(row.sum(), 1.0);
        }
        let kind = if as_numbers { ColumnKind::Number } else { ColumnKind::Text };
        let back = fitted.inverse_transform(matrix.view(), kind).unwrap();
        let often = |row: usize| codes.iter().filter(|code| **code == codes[row]).count() >= rare;
        for row in 0..codes.len() {
            let expected = if often(row) { column.display(row) } else { String::new() };
            prop_assert_eq!(back.display(row), expected);
        }
    }

    #[test]
    fn limits_hold_and_the_commonest_keep_their_columns(
        codes in prop::collection::vec(0_u8..12, 1..80), most in 1_usize..9,
    ) {
        let column = Column::Number(codes.iter().map(|code| f64::from(*code)).collect());
        let encoder = OneHotEncoder { max_columns: Some(most), ..OneHotEncoder::default() };
        let fitted = encoder.fit("c", &column).unwrap();
        let width = fitted.columns.width();
        prop_assert!(width <= most);
        let count = |category: &Category| match category {
            Category::Number(value) => codes.iter().filter(|code| f64::from(**code) == *value).count(),
            _ => 0,
        };
        let least = fitted.columns.categories.iter().map(count).min().unwrap_or(usize::MAX);
        prop_assert!(fitted.columns.rare.iter().all(|category| count(category) <= least));
        let distinct = codes.iter().collect::<std::collections::BTreeSet<_>>().len();
        prop_assert_eq!(fitted.columns.rare.is_empty(), distinct <= most);
    }
}
