//! Settings are checked before anything else, so that this holds without the libraries too.

use hitcast_boosters::{Booster, CatBoost, LightGBM, XGBoost};
use serde_json::{Value, json};

use crate::support::{curve, estimator, fit};

#[test]
fn an_impossible_setting_is_named_with_its_value_and_what_it_may_be() {
    let train = curve(20, 0, 1);
    let refused = |booster: Booster, settings: Value| {
        let (name, value) = settings.as_object().unwrap().iter().next_back().unwrap();
        let message = fit(&*estimator(booster, settings.clone()), &train, None)
            .unwrap_err()
            .to_string();
        assert!(
            message.contains(&format!("{name} is {value}").replace(".0", ""))
                && message.contains(", but must be "),
            "{settings}: {message}"
        );
    };
    let above_zero_up_to_one = [json!(0.0), json!(1.5), json!(-0.5)];
    for name in [
        "subsample",
        "colsample_bytree",
        "colsample_bylevel",
        "colsample_bynode",
    ] {
        for value in &above_zero_up_to_one {
            refused(Booster::XGBoost, json!({name: value}));
        }
    }
    for name in [
        "min_child_weight",
        "gamma",
        "max_delta_step",
        "reg_alpha",
        "reg_lambda",
    ] {
        refused(Booster::XGBoost, json!({name: -1.0}));
    }
    for (name, value) in [
        ("n_estimators", 0),
        ("learning_rate", 0),
        ("max_bin", 1),
        ("early_stopping_rounds", 0),
    ] {
        refused(Booster::XGBoost, json!({name: value}));
    }
    for name in ["subsample", "colsample_bytree"] {
        for value in &above_zero_up_to_one {
            refused(Booster::LightGBM, json!({name: value}));
        }
    }
    for name in ["min_child_weight", "min_split_gain", "reg_alpha", "reg_lambda"] {
        refused(Booster::LightGBM, json!({name: -1.0}));
    }
    for (name, value) in [
        ("n_estimators", 0),
        ("learning_rate", -1),
        ("num_leaves", 1),
        ("num_leaves", 131_073),
        ("max_depth", -2),
        ("max_bin", 1),
        ("subsample_for_bin", 0),
        ("early_stopping_rounds", 0),
    ] {
        refused(Booster::LightGBM, json!({name: value}));
    }
    for name in ["subsample", "rsm"] {
        for value in &above_zero_up_to_one {
            refused(Booster::CatBoost, json!({name: value}));
        }
    }
    for name in ["l2_leaf_reg", "random_strength", "bagging_temperature"] {
        refused(Booster::CatBoost, json!({name: -1.0}));
    }
    for (name, value) in [
        ("iterations", 0),
        ("learning_rate", 0),
        ("depth", 0),
        ("depth", 17),
        ("border_count", 0),
        ("border_count", 65_536),
        ("early_stopping_rounds", 0),
    ] {
        refused(Booster::CatBoost, json!({name: value}));
    }
    for booster in Booster::ALL {
        refused(booster, json!({"threads": 1025}));
        refused(booster, json!({"threads": 1_u64 << 40}));
    }
}

#[test]
fn settings_that_exclude_each_other_are_refused() {
    let train = curve(20, 0, 1);
    for (booster, settings, words) in [
        (
            Booster::XGBoost,
            json!({"tree_method": "exact", "max_leaves": 3}),
            "max_leaves is 3, but must be 0 where tree_method is exact",
        ),
        (
            Booster::CatBoost,
            json!({"bootstrap_type": "Bayesian", "subsample": 0.5}),
            "subsample is 0.5, but must be left out",
        ),
        (
            Booster::CatBoost,
            json!({"bootstrap_type": "MVS", "bagging_temperature": 0.5}),
            "bagging_temperature is 0.5, but must be left out",
        ),
    ] {
        let message = fit(&*estimator(booster, settings), &train, None)
            .unwrap_err()
            .to_string();
        assert!(message.contains(words), "{message}");
    }
}

#[test]
fn settings_are_written_and_read_and_unknown_ones_refused() {
    assert_eq!(serde_json::from_str::<XGBoost>("{}").unwrap(), XGBoost::default());
    let message = serde_json::from_str::<LightGBM>("{\"leaves\": 3}")
        .unwrap_err()
        .to_string();
    assert!(message.contains("unknown field `leaves`"), "{message}");
    let chosen = CatBoost {
        learning_rate: Some(0.1),
        bootstrap_type: Some(hitcast_boosters::BootstrapType::Mvs),
        ..CatBoost::default()
    };
    let text = serde_json::to_string(&chosen).unwrap();
    assert!(text.contains("\"MVS\""), "{text}");
    assert_eq!(serde_json::from_str::<CatBoost>(&text).unwrap(), chosen);
}

#[test]
fn the_libraries_own_names_are_read_too() {
    let read: XGBoost =
        serde_json::from_value(json!({"eta": 0.5, "lambda": 2.0, "alpha": 3.0, "n_jobs": 4})).unwrap();
    let written = XGBoost {
        learning_rate: 0.5,
        reg_lambda: 2.0,
        reg_alpha: 3.0,
        threads: 4,
        ..XGBoost::default()
    };
    assert_eq!(read, written);
    let read: LightGBM = serde_json::from_value(json!({
        "num_iterations": 5, "min_data_in_leaf": 6, "bagging_fraction": 0.5, "bagging_freq": 1, "feature_fraction": 0.25,
        "lambda_l1": 2.0, "lambda_l2": 3.0, "early_stopping_round": 7,
    }))
    .unwrap();
    let written = LightGBM {
        n_estimators: 5,
        min_child_samples: 6,
        subsample: 0.5,
        subsample_freq: 1,
        colsample_bytree: 0.25,
        reg_alpha: 2.0,
        reg_lambda: 3.0,
        early_stopping_rounds: Some(7),
        ..LightGBM::default()
    };
    assert_eq!(read, written);
    let read: CatBoost = serde_json::from_value(json!({
        "n_estimators": 5, "max_depth": 3, "reg_lambda": 2.0, "eta": 0.5, "colsample_bylevel": 0.25,
    }))
    .unwrap();
    let written = CatBoost {
        iterations: 5,
        depth: 3,
        l2_leaf_reg: Some(2.0),
        learning_rate: Some(0.5),
        rsm: 0.25,
        ..CatBoost::default()
    };
    assert_eq!(read, written);
    // One setting by two names.
    assert!(serde_json::from_value::<XGBoost>(json!({"eta": 0.5, "learning_rate": 0.5})).is_err());
}
