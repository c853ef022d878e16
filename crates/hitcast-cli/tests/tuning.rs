//! Searches and comparisons as a user sees them, and what is told of saved runs.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use support::{Outcome, failure, folder_with, hitcast, json};

const MODELS: &str = r#"
name = "small"
references = []
data = { target = "popularity", features = ["energy", "loudness"], group = "track_id" }
cleaning.steps = [{ step = "drop_missing", columns = ["popularity", "energy", "loudness", "track_id"] }]
recipe.columns = [{ names = ["energy", "loudness"], scale = { kind = "standard" } }]

[[models]]
name = "ridge"
kind = "ridge"

[[models]]
name = "forest"
kind = "random_forest"
settings = { n_estimators = 5, max_depth = 4 }
"#;

const SETTINGS: &str = r#"
ensemble = { kind = "greedy" }
search = { folds = 3, method = { kind = "tpe", startup_trials = 3 } }

[spaces.forest]
"settings.max_depth" = { kind = "integer", low = 2, high = 8 }
"settings.min_samples_leaf" = { kind = "integer", low = 1, high = 40 }
"settings.n_estimators" = { kind = "integer", low = 3, high = 30 }
"#;

fn tune<'a>(out: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let fixed = [
        "tune",
        "--experiment",
        "small.toml",
        "--data",
        "tracks.csv",
        "--settings",
        "tune.toml",
    ];
    [&fixed[..], &["--trials", "8", "--out", out], more].concat()
}

fn folder() -> Result<tempfile::TempDir, Box<dyn std::error::Error>> {
    let folder = folder_with("small.toml", MODELS)?;
    fs::write(folder.path().join("tune.toml"), SETTINGS)?;
    Ok(folder)
}

/// The trials of a search without their times.
fn trials(folder: &Path, out: &str, model: &str) -> Vec<Value> {
    let text = fs::read_to_string(folder.join(out).join("trials").join(format!(
        "{}-{model}.jsonl",
        if model == "ridge" { "01" } else { "02" }
    )))
    .unwrap();
    let mut trials: Vec<Value> = text
        .lines()
        .skip(1)
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    for trial in &mut trials {
        trial["elapsed_seconds"] = Value::Null;
        trial["seconds"] = Value::Null;
        trial["folds"]
            .as_array_mut()
            .unwrap()
            .iter_mut()
            .for_each(|fold| fold["seconds"] = Value::Null);
    }
    trials.sort_by_key(|trial| trial["number"].as_u64());
    trials
}

#[test]
fn a_search_finds_settings_and_the_run_has_them() -> Outcome {
    let folder = folder()?;
    let found = json(folder.path(), &tune("tuned", &[]))?;
    assert_eq!(found["found"][0]["model"], "ridge");
    assert_eq!(found["found"][1]["trials"].as_array().map(Vec::len), Some(8));
    let names: Vec<&Value> = found["run"]["models"]
        .as_array()
        .unwrap()
        .iter()
        .map(|model| &model["name"])
        .collect();
    assert_eq!(names, ["ridge", "forest", "ensemble"]);
    // The experiment that was found is one to train, and gives the same figures.
    let again = json(
        folder.path(),
        &["train", "--experiment", "tuned/experiment.toml", "--out", "again"],
    )?;
    assert_eq!(again["test"], found["run"]["test"]);
    assert_eq!(trials(folder.path(), "tuned", "forest").len(), 8);
    let bundle = json(
        folder.path(),
        &[
            "predict",
            "again/bundle",
            "--set",
            "energy=0.5",
            "--set",
            "loudness=-7",
        ],
    )?;
    assert!(bundle.to_string().contains("value"), "{bundle}");

    let refused = failure(folder.path(), &tune("tuned", &[]), 1)?;
    assert!(
        refused.contains("--resume") && refused.contains("--overwrite"),
        "{refused}"
    );
    let text = String::from_utf8(hitcast(folder.path(), &tune("tuned", &["--resume"]))?.stdout)?;
    for part in ["forest: 8 trials", "min_samples_leaf", "ensemble", "predict with"] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    Ok(())
}

#[test]
fn a_search_that_was_killed_again_and_again_ends_as_if_it_had_not_been() -> Outcome {
    let folder = folder()?;
    json(folder.path(), &tune("whole", &[]))?;
    let mut kills = 0;
    for attempt in 0..40_u64 {
        let more: &[&str] = if attempt == 0 { &[] } else { &["--resume"] };
        let mut child = Command::new(env!("CARGO_BIN_EXE_hitcast"))
            .current_dir(folder.path())
            .args(tune("killed", more))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        // Later and later, so that it comes on.
        std::thread::sleep(Duration::from_millis(30 + 40 * attempt));
        let ended = child.try_wait()?;
        child.kill()?;
        child.wait()?;
        if ended.is_some_and(|status| status.success()) {
            break;
        }
        kills += 1;
    }
    assert!(kills > 0, "it was never killed");
    json(folder.path(), &tune("killed", &["--resume"]))?;
    for model in ["ridge", "forest"] {
        assert_eq!(
            trials(folder.path(), "killed", model),
            trials(folder.path(), "whole", model)
        );
    }
    let toml = |out: &str| fs::read_to_string(folder.path().join(out).join("experiment.toml")).unwrap();
    assert_eq!(toml("killed"), toml("whole"));
    Ok(())
}

#[test]
fn what_cannot_be_searched_is_said_before_anything_is_fitted() -> Outcome {
    let folder = folder()?;
    let refused = |more: &[&str]| failure(folder.path(), &tune("tuned", more), 1);
    assert!(refused(&["--folds", "1"])?.contains("folds is 1, but must be from 2 to 10"));
    assert!(refused(&["--model", "forrest"])?.contains("did you mean \"forest\"?"));
    let space = |text: &str| {
        fs::write(folder.path().join("tune.toml"), text).unwrap();
        refused(&[]).unwrap()
    };
    let misspelt =
        space("[spaces.forest]\n\"settings.max_dept\" = { kind = \"integer\", low = 2, high = 8 }");
    assert!(
        misspelt.contains("settings.max_dept") && misspelt.contains("did you mean \"max_depth\"?"),
        "{misspelt}"
    );
    let empty = space("[spaces.forest]\n\"settings.max_depth\" = { kind = \"integer\", low = 9, high = 8 }");
    assert!(empty.contains("from 9 to 8 is empty"), "{empty}");
    let unknown = space("serch = { trials = 3 }");
    assert!(
        unknown.contains("tune.toml") && unknown.contains("line 1"),
        "{unknown}"
    );
    assert!(!folder.path().join("tuned").exists());
    // What a model refuses only when it is fitted makes trials that fail.
    let failing = "[spaces.forest]\n\"settings.min_samples_split\" = { kind = \"choice\", values = [0, 1] }";
    fs::write(folder.path().join("tune.toml"), failing)?;
    let found = json(folder.path(), &tune("tuned", &[]))?;
    let note = found["notes"][0].as_str().unwrap_or_default();
    for part in ["none of 2 trials", "min_samples_split", "it stays as it is"] {
        assert!(note.contains(part), "{part:?} is not in {note:?}");
    }
    Ok(())
}

#[test]
fn nested_folds_say_what_a_search_is_worth() -> Outcome {
    let folder = folder()?;
    let found = json(
        folder.path(),
        &tune("unused", &["--nested", "3", "--split", "grouped"]),
    )?;
    let nested = found["nested"].as_array().unwrap();
    assert_eq!(nested.len(), 2);
    assert_eq!(nested[0]["folds"].as_array().map(Vec::len), Some(3));
    assert!(!folder.path().join("unused").exists());
    Ok(())
}

#[test]
fn models_are_compared_tuned_and_together() -> Outcome {
    let folder = folder()?;
    let fixed = [
        "compare",
        "--experiment",
        "small.toml",
        "--data",
        "tracks.csv",
        "--settings",
        "tune.toml",
    ];
    let plain = json(folder.path(), &[&fixed[..], &["--out", "plain"]].concat())?;
    let tuned = json(
        folder.path(),
        &[&fixed[..], &["--tune", "--trials", "4", "--out", "tuned"]].concat(),
    )?;
    for compared in [&plain, &tuned] {
        for split in ["random", "grouped"] {
            let models = compared[split].as_array().unwrap();
            let mut names: Vec<&str> = models.iter().filter_map(|model| model["name"].as_str()).collect();
            names.sort_unstable();
            assert_eq!(names, ["baseline", "ensemble", "forest", "ridge"]);
            assert!(
                models
                    .iter()
                    .all(|model| model["rmse"].is_number() && model["rank"].is_u64())
            );
        }
    }
    assert_eq!(tuned["tuned"].as_array().map(Vec::len), Some(2));
    assert!(
        folder
            .path()
            .join("tuned/trials/grouped/02-forest.jsonl")
            .is_file()
    );

    let fixed = ["compare", "--experiment", "small.toml", "--data", "tracks.csv"];
    let needs = failure(folder.path(), &[&fixed[..], &["--trials", "4"]].concat(), 1)?;
    assert!(
        needs.contains("--trials is about searches; add --tune"),
        "{needs}"
    );
    let again = [
        &fixed[..],
        &[
            "--settings",
            "tune.toml",
            "--tune",
            "--trials",
            "4",
            "--out",
            "tuned",
        ],
    ]
    .concat();
    assert!(failure(folder.path(), &again, 1)?.contains("tuned/random"));
    let resumed = json(folder.path(), &[&again[..], &["--resume"]].concat())?;
    assert_eq!(
        resumed["tuned"][1]["found"][1]["score"],
        tuned["tuned"][1]["found"][1]["score"]
    );

    let list = json(folder.path(), &["runs", "list", "."])?;
    assert_eq!(list["runs"].as_array().map(Vec::len), Some(4));
    let text = String::from_utf8(hitcast(folder.path(), &["runs", "list", "."])?.stdout)?;
    assert!(text.contains("plain/random") && text.contains("rmse"), "{text}");
    let shown = json(folder.path(), &["runs", "show", "plain/grouped"])?;
    assert_eq!(shown["name"], "small");
    let difference = json(folder.path(), &["runs", "diff", "plain/random", "tuned/random"])?;
    assert!(
        difference["settings"]["models.forest.settings.max_depth"].is_array(),
        "{difference}"
    );
    assert!(difference["metrics"]["forest"]["rmse"][1].is_number());
    let same =
        String::from_utf8(hitcast(folder.path(), &["runs", "diff", "plain/random", "plain/random"])?.stdout)?;
    assert!(
        same.contains("Same settings.") && same.contains("+0.0000"),
        "{same}"
    );
    json(folder.path(), &["runs", "export", ".", "--out", "all.csv"])?;
    let again = failure(folder.path(), &["runs", "export", ".", "--out", "all.csv"], 1)?;
    assert!(again.contains("--overwrite"), "{again}");
    let csv = fs::read_to_string(folder.path().join("all.csv"))?;
    assert_eq!(csv.lines().count(), 1 + 4 * 3);
    assert!(csv.starts_with("run,experiment,model,kind,is_best,"), "{csv}");
    fs::write(folder.path().join("plain/random/run.json"), "{")?;
    let damaged = String::from_utf8(hitcast(folder.path(), &["runs", "list", "."])?.stdout)?;
    assert!(damaged.contains("plain/random cannot be read"), "{damaged}");
    assert!(failure(folder.path(), &["runs", "show", "nowhere"], 1)?.contains("nowhere"));
    Ok(())
}
