//! Saved models of the libraries are read so that they predict the same (`golden/models.py`), and damaged ones are refused. None of
//! this needs the libraries.

use hitcast_boosters::Booster;
use hitcast_classical::{TreeKind, TreeModel};
use hitcast_core::{ContributionScale, Model, Task};
use ndarray::s;
use proptest::prelude::*;

use crate::support::{Case, close, golden, read};

/// What the libraries compute in: XGBoost adds up in 32 bits, the others in 64.
fn tolerance(case: &Case) -> f64 {
    if case.booster() == Booster::XGBoost {
        1e-6
    } else {
        1e-12
    }
}

fn label(case: &Case) -> String {
    format!("{}, {}", case.library, case.name)
}

#[test]
fn a_model_predicts_what_its_library_does_at_thresholds_and_for_missing_values() {
    for case in golden().cases {
        let (model, rows) = (case.read(), case.rows());
        assert!(rows.iter().any(|value| value.is_nan()));
        let raw = model.ensemble().combined(rows.view()).unwrap();
        close(&raw, &case.raw, tolerance(&case), &label(&case));
        let predicted = model.predict(rows.view()).unwrap();
        assert_eq!(predicted.task(), case.task());
        close(
            &predicted.into_values(),
            &case.predictions,
            tolerance(&case),
            &label(&case),
        );
        assert_eq!(model.kind(), case.library);
    }
}

#[test]
fn importances_are_the_librarys_gains() {
    for case in golden().cases {
        close(case.read().importances(), &case.importances, 1e-5, &label(&case));
    }
}

#[test]
fn contributions_are_the_librarys_shapley_values_and_add_up() {
    let mut compared = 0;
    for case in golden().cases {
        let (model, rows) = (case.read(), case.rows());
        let got = model.contributions(rows.view()).unwrap().unwrap();
        let scale = match case.task() {
            Task::Regression => ContributionScale::Prediction,
            _ => ContributionScale::LogOdds,
        };
        assert_eq!(got.scale, scale);
        let width = got.base.len();
        let sums: Vec<f64> = (0..rows.nrows() * width)
            .map(|place| {
                let own = got.values.slice(s![place / width, .., place % width]);
                got.base[place % width] + own.sum()
            })
            .collect();
        close(&sums, &case.raw, 1e-5, &label(&case));
        let first = rows.nrows() - case.shapley.len();
        for (row, outputs) in case.shapley.iter().enumerate() {
            for (output, expected) in outputs.iter().enumerate() {
                let own = got.values.slice(s![first + row, .., output]);
                let own: Vec<f64> = own.iter().copied().chain([got.base[output]]).collect();
                close(&own, expected, 1e-5, &label(&case));
                compared += 1;
            }
        }
    }
    assert!(compared > 100);
}

#[test]
fn the_first_rounds_alone_can_be_read() {
    for case in golden().cases {
        let (all, some) = (case.read(), read(case.booster(), &case.model, Some(1)).unwrap());
        let per_round = match (case.booster(), case.n_classes) {
            (Booster::XGBoost | Booster::LightGBM, 3) => 3,
            _ => 1,
        };
        assert_eq!(some.ensemble().trees().len(), per_round, "{}", label(&case));
        assert_eq!(some.ensemble().trees(), &all.ensemble().trees()[..per_round]);
    }
}

#[test]
fn a_model_is_saved_and_loaded_without_its_library() {
    for case in golden().cases {
        let model = case.read();
        let loaded = TreeModel::from_state(&model.state().unwrap()).unwrap();
        assert_eq!(loaded, model);
        let kind = match case.booster() {
            Booster::XGBoost => TreeKind::XGBoost,
            Booster::LightGBM => TreeKind::LightGBM,
            _ => TreeKind::CatBoost,
        };
        assert_eq!(loaded.tree_kind(), kind);
    }
}

/// Refused with these words.
fn refused(booster: Booster, model: &str, words: &str) {
    let message = read(booster, model, None).unwrap_err().to_string();
    assert!(
        message.contains(booster.name()) && message.contains(words),
        "{words:?} in {message:?}"
    );
}

/// The model of the library's case of that name, with one text in place of another.
fn changed(library: &str, name: &str, from: &str, to: &str) -> String {
    let cases = golden().cases;
    let case = cases
        .iter()
        .find(|case| case.library == library && case.name == name)
        .unwrap();
    assert!(case.model.contains(from), "{from} in {}", case.model);
    case.model.replacen(from, to, 1)
}

#[test]
fn what_cannot_be_said_in_our_trees_is_refused() {
    let x = |from, to, words| refused(Booster::XGBoost, &changed("xgboost", "numbers", from, to), words);
    x("\"name\":\"gbtree\"", "\"name\":\"dart\"", "must be gbtree");
    x(
        "reg:squarederror",
        "count:poisson",
        "its objective is \"count:poisson\"",
    );
    x("\"num_target\":\"1\"", "\"num_target\":\"2\"", "2 targets");
    let features = "\"num_feature\":\"4\",\"num_target\"";
    x(
        features,
        "\"num_feature\":\"x\",\"num_target\"",
        "num_feature is \"x\"",
    );
    x(features, "\"num_feature\":\"1\",\"num_target\"", "of 1");
    x("\"split_type\":[0,", "\"split_type\":[1,", "categories");
    x("\"tree_info\":[0,", "\"tree_info\":[1,", "class by class");
    x("\"left_children\":[1,", "\"left_children\":[0,", "circle");
    x("\"base_score\":\"[", "\"base_score\":\"[x", "base_score is");
    for (line, number, words) in [
        ("decision_type=", "6", "zeros count as missing"),
        ("decision_type=", "1", "of type 1"),
        ("left_child=", "0", "circle"),
        ("left_child=", "99", "no node 99"),
        ("left_child=", "-99", "no node -99"),
        ("threshold=", "-1e300", "a threshold is -1"),
        ("threshold=", "nan", "a threshold is NaN"),
        ("split_feature=", "4", "feature 4, of 4"),
    ] {
        let cases = golden().cases;
        let case = cases.iter().find(|case| case.library == "lightgbm").unwrap();
        let (before, from) = case.model.split_once(line).unwrap();
        let (_, behind) = from.split_once(' ').unwrap();
        refused(
            Booster::LightGBM,
            &format!("{before}{line}{number} {behind}"),
            words,
        );
    }
    let l = |from, to, words| {
        let model = changed("lightgbm", "numbers", from, to);
        refused(Booster::LightGBM, &model, words);
    };
    l("version=v4", "version=v3", "its version is \"v3\"");
    l(
        "objective=regression",
        "objective=poisson",
        "its objective is \"poisson\"",
    );
    l(
        "objective=regression",
        "objective=binary sigmoid:2",
        "its objective is",
    );
    l(
        "objective=regression",
        "objective=multiclass num_class:2",
        "its objective is",
    );
    l("version=v4", "version=v4\naverage_output", "averaged");
    l("num_cat=0", "num_cat=1", "categories");
    l("is_linear=0", "is_linear=1", "linear leaves");
    l("max_feature_idx=3", "max_feature_idx=0", "of 1");
    l(
        "max_feature_idx=3",
        "max_feature_idx=18446744073709551615",
        "18446744073709551615 features",
    );
    l("num_leaves=6", "num_leaves=7", "should");
    l("num_leaves=6", "num_leaves=0", "no leaves");
    l("\nTree=1", "\nTree 1", "trees of");
    l("\nend of trees", "", "end of trees");
    l(
        "num_tree_per_iteration=1",
        "num_tree_per_iteration=2",
        "2 trees a round",
    );
    let c = |from, to, words| {
        let model = changed("catboost", "numbers", from, to);
        refused(Booster::CatBoost, &model, words);
    };
    c("\"RMSE\"", "\"Poisson\"", "its loss is \"Poisson\"");
    c("\"oblivious_trees\"", "\"trees\"", "not symmetric");
    c(
        "\"FloatFeature\"",
        "\"OneHotFeature\"",
        "of type \"OneHotFeature\"",
    );
    c(
        "\"nan_value_treatment\": \"AsIs\"",
        "\"nan_value_treatment\": \"Else\"",
        "Else",
    );
    c(
        "\"leaf_weights\": [",
        "\"leaf_weights\": [1, ",
        "weights for the leaves",
    );
    c("\"leaf_values\": [", "\"leaf_values\": [1, ", "values and");
    c(
        "\"float_feature_index\": ",
        "\"float_feature_index\": 7",
        "asks for feature 7",
    );
    c(
        "\"features_info\": {",
        "\"features_info\": {\"categorical_features\": [{}], ",
        "categorical features",
    );
    for booster in Booster::ALL {
        for text in ["", "{}", "[]", "null", "tree\nversion=v4\nend of trees", "\u{0}"] {
            let message = read(booster, text, None).unwrap_err().to_string();
            assert!(message.contains(booster.name()), "{message}");
        }
    }
}

/// A text with some of it cut off, overwritten, or doubled.
fn damaged() -> impl Strategy<Value = (Booster, String)> {
    let cases: Vec<(Booster, String)> = (golden().cases.into_iter())
        .map(|case| (case.booster(), case.model))
        .collect();
    let pieces = prop_oneof![
        Just(""),
        Just("-1"),
        Just("0"),
        Just("999999999999"),
        Just("1e999"),
        Just("NaN"),
        Just("null"),
        Just(","),
        Just("]"),
        Just("{"),
        Just("\""),
        Just(" "),
        Just("\n"),
        Just("="),
        Just("\nTree=0\n"),
        Just("é"),
    ];
    let edits = prop::collection::vec((any::<prop::sample::Index>(), 0..24_usize, pieces), 1..4);
    (
        prop::sample::select(cases),
        edits,
        any::<prop::sample::Index>(),
        any::<bool>(),
    )
        .prop_map(|((booster, text), edits, end, cut)| {
            // Bytes, so that every place can be hit; what is then no text is mended.
            let mut bytes = text.into_bytes();
            for (at, length, piece) in edits {
                let from = at.index(bytes.len());
                let to = (from + length).min(bytes.len());
                bytes.splice(from..to, piece.bytes());
            }
            if cut {
                bytes.truncate(end.index(bytes.len() + 1));
            }
            (booster, String::from_utf8_lossy(&bytes).into_owned())
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_damaged_model_is_refused_or_predicts((booster, text) in damaged(), rounds in prop::option::of(0..5_usize)) {
        if let Ok(model) = read(booster, &text, rounds) {
            let rows = ndarray::Array2::from_elem((9, model.n_features().min(1000)), f32::NAN);
            if model.n_features() <= 1000 {
                prop_assert_eq!(model.predict(rows.view()).unwrap().n_rows(), 9);
                let state = model.state().unwrap();
                prop_assert_eq!(TreeModel::from_state(&state).unwrap(), model);
            }
        }
    }
}
