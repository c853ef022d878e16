//! Experiments as TOML.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use hitcast_pipeline::{Experiment, PipelineError};

#[test]
fn every_preset_reads_and_comes_back_the_same() {
    for name in Experiment::presets() {
        let preset = Experiment::preset(name).unwrap();
        assert_eq!(preset.name, name);
        assert_eq!(Experiment::from_toml(&preset.to_toml().unwrap()).unwrap(), preset);
        assert_eq!(preset.data.path, None);
    }
    for (name, features, models) in [
        ("code-pudding", 10, 4),
        ("popularity-regressor", 10, 1),
        ("hit-or-not", 15, 3),
        ("song-temperature", 11, 11),
        ("audio-features", 10, 13),
    ] {
        let preset = Experiment::preset(name).unwrap();
        assert_eq!(
            (preset.data.features.len(), preset.models.len()),
            (features, models)
        );
    }
}

#[test]
fn an_unknown_preset_is_answered_with_the_nearest() {
    let error = Experiment::preset("code-puding").unwrap_err();
    assert!(matches!(error, PipelineError::UnknownPreset { .. }));
    assert!(
        error.to_string().contains("did you mean \"code-pudding\"?"),
        "{error}"
    );
}

/// The message for a preset in which one text is replaced.
fn message(from: &str, to: &str) -> String {
    let text = Experiment::preset_toml("code-pudding").unwrap();
    assert!(text.contains(from), "{from:?} is not in the preset");
    Experiment::from_toml(&text.replacen(from, to, 1))
        .unwrap_err()
        .to_string()
}

#[test]
fn a_wrong_setting_is_named_with_its_place() {
    let error = message("target = \"popularity\"", "targt = \"popularity\"");
    assert!(
        error.contains("line 10") && error.contains("did you mean \"target\"?"),
        "{error}"
    );
    let error = message("seed = 42", "seed = \"x\"");
    assert!(error.contains("line 6, column 8"), "{error}");
    assert!(message("selection = \"rmse\"", "selection = \"rsme\"").contains("did you mean \"rmse\"?"));
    assert!(
        message("step = \"drop_missing\"", "step = \"drop_mising\"")
            .contains("did you mean \"drop_missing\"?")
    );
    assert!(message("kind = \"robust\"", "kind = \"robst\"").contains("did you mean \"robust\"?"));
    assert!(message("kind = \"random\"", "kind = \"randm\"").contains("did you mean \"random\"?"));
    assert!(message("device = \"auto\"", "device = \"gpu\"").contains("cuda"));
}

#[test]
fn parts_that_do_not_fit_together_are_refused() {
    assert!(message("name = \"code-pudding\"", "name = \"\"").contains("name"));
    assert!(message("name = \"MLP2Layer\"", "name = \"MLP1Layer\"").contains("models[1].name"));
    assert!(message("name = \"linear\"", "name = \"MLP1Layer\"").contains("references[0].name"));
    let error = message(
        "    \"acousticness\", \"danceability\"",
        "    \"popularity\", \"danceability\"",
    );
    assert!(error.contains("must not learn from what it predicts"), "{error}");
    let error = message("    \"liveness\", \"loudness\"", "    \"loudness\", \"loudness\"");
    assert!(error.contains("twice"), "{error}");
    let error = message(
        "names = [\n    \"acousticness\"",
        "names = [\n    \"acousticnes\"",
    );
    assert!(error.contains("did you mean \"acousticness\"?"), "{error}");
}

#[test]
fn a_missing_file_is_named() {
    let error = Experiment::load("nowhere/experiment.toml").unwrap_err();
    assert!(error.to_string().contains("nowhere/experiment.toml"), "{error}");
}
