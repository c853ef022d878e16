//! The program as a user sees it: what it prints, where, and with which exit code.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::error::Error;
use std::process::Command;

use serde_json::Value;

mod support;

use support::{EXPERIMENT, Outcome, failure, fixture, folder_with, hitcast, json};

/// A folder with the fixture, an experiment and a trained bundle.
fn trained() -> Result<(tempfile::TempDir, Value), Box<dyn Error>> {
    let folder = folder_with("small.toml", EXPERIMENT)?;
    let run = json(
        folder.path(),
        &[
            "train",
            "--experiment",
            "small.toml",
            "--data",
            "tracks.csv",
            "--device",
            "cpu",
        ],
    )?;
    Ok((folder, run))
}

#[test]
fn a_bundle_is_trained_evaluated_and_predicts() -> Outcome {
    let (folder, run) = trained()?;
    let folder = folder.path();
    for part in ["train", "validation", "test"] {
        assert!(
            run[part]["rmse"].is_number() && run["baseline"][part]["rmse"].is_number(),
            "{part}"
        );
    }
    assert_eq!(run["models"][0]["history"].as_array().map(Vec::len), Some(3));
    for file in [
        "run.json",
        "experiment.toml",
        "predictions.csv",
        "bundle/manifest.json",
        "bundle/weights.safetensors",
    ] {
        assert!(folder.join("out/run").join(file).is_file(), "{file}");
    }

    let evaluation = json(
        folder,
        &[
            "evaluate",
            "out/run/bundle",
            "--data",
            "tracks.csv",
            "--by",
            "genre",
        ],
    )?;
    assert!(evaluation["test"]["rmse"].is_number() && evaluation["baseline"]["test"]["rmse"].is_number());
    assert!(
        evaluation["by"]["genre"]
            .as_array()
            .is_some_and(|groups| groups.len() > 3)
    );

    let set = [
        "--set",
        "energy=0.8",
        "--set",
        "loudness=-5",
        "--set",
        "duration_ms=200000",
    ];
    let row = json(folder, &[&["predict", "out/run/bundle"][..], &set[..]].concat())?;
    assert_eq!(row["target"], "popularity");
    assert!(row["value"].is_number());

    let all = json(folder, &["predict", "out/run/bundle", "--data", "tracks.csv"])?;
    let rows = all["predictions"].as_array().map(Vec::len);
    let output = hitcast(
        folder,
        &[
            "predict",
            "out/run/bundle",
            "--data",
            "tracks.csv",
            "--out",
            "predicted.csv",
        ],
    )?;
    assert!(output.status.success());
    let read = hitcast::prelude::CsvReader::default()
        .read(folder.join("predicted.csv"))?
        .table;
    assert!(read.contains("predicted_popularity"));
    assert_eq!(Some(read.n_rows()), rows);
    Ok(())
}

#[test]
fn the_same_experiment_gives_the_same_numbers_and_is_not_overwritten_unasked() -> Outcome {
    let (folder, first) = trained()?;
    let experiment = "out/run/experiment.toml";
    let again = [
        "train",
        "--experiment",
        experiment,
        "--data",
        "tracks.csv",
        "--device",
        "cpu",
        "--out",
        "out/again",
    ];
    let second = json(folder.path(), &again)?;
    assert_eq!(first["test"], second["test"]);
    let message = failure(folder.path(), &again, 1)?;
    assert!(message.contains("out/again"), "{message}");
    json(folder.path(), &[&again[..], &["--overwrite"]].concat())?;
    Ok(())
}

#[test]
fn describe_and_doctor_say_what_is_there() -> Outcome {
    let folder = tempfile::tempdir()?;
    let file = fixture();
    let file = file.to_str().ok_or("path")?;
    let described = json(folder.path(), &["describe", file])?;
    let columns = described["description"]["columns"].as_array().ok_or("columns")?;
    assert!(
        columns
            .iter()
            .any(|c| c["name"] == "energy" && c["correlation"].is_number())
    );
    let text = String::from_utf8(hitcast(folder.path(), &["describe", file])?.stdout)?;
    assert!(text.contains("danceability"));

    let doctor = json(folder.path(), &["doctor"])?;
    assert!(
        doctor["libtorch"]
            .as_str()
            .is_some_and(|version| version.starts_with("2.11")),
        "{doctor}"
    );
    for booster in ["xgboost", "lightgbm", "catboost"] {
        let kinds = doctor["kinds_of_model"].as_array().ok_or("kinds")?;
        assert!(kinds.iter().any(|kind| kind == booster), "{doctor}");
        assert!(doctor[booster].is_string(), "{doctor}");
    }
    Ok(())
}

#[test]
fn a_booster_that_is_not_here_is_told_with_how_to_get_it() -> Outcome {
    let experiment = EXPERIMENT.split("[[models]]").next().ok_or("experiment")?;
    let model = "[[models]]\nname = \"boosted\"\nkind = \"xgboost\"\nsettings = { n_estimators = 5 }\n";
    let folder = folder_with("small.toml", &format!("{experiment}{model}"))?;
    let without = |arguments: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_hitcast"))
            .current_dir(folder.path())
            .args(arguments)
            .env("HITCAST_CACHE", folder.path().join("none"))
            .env_remove("HITCAST_XGBOOST")
            .output()
    };
    let output = without(&[
        "train",
        "--experiment",
        "small.toml",
        "--data",
        "tracks.csv",
        "--out",
        "out",
    ])?;
    let said = String::from_utf8(output.stderr)?;
    assert_eq!(output.status.code(), Some(1), "{said}");
    let doctor = String::from_utf8(without(&["doctor"])?.stdout)?;
    for text in [said, doctor] {
        let way = "XGBoost is not here (HITCAST_XGBOOST is not set";
        assert!(
            text.contains(way) && text.contains("cargo xtask setup --boosters"),
            "{text}"
        );
    }
    Ok(())
}

#[test]
fn mistakes_are_answered_in_a_sentence() -> Outcome {
    let (folder, _) = trained()?;
    let folder = folder.path();
    let bundle = "out/run/bundle";
    for (arguments, expected) in [
        (&["describe", "nothing.csv"][..], "nothing.csv"),
        (
            &["describe", "tracks.csv", "--target", "popularty"],
            "did you mean \"popularity\"?",
        ),
        (
            &["train", "--preset", "code-puding", "--data", "tracks.csv"],
            "code-pudding",
        ),
        (
            &["train", "--preset", "code-pudding", "--out", "out/x"],
            "data.path",
        ),
        (&["evaluate", "out", "--data", "tracks.csv"], "out"),
        (
            &["evaluate", bundle, "--data", "tracks.csv", "--by", "gener"],
            "did you mean \"genre\"?",
        ),
        (&["predict", bundle, "--set", "energy=0.5"], "loudness"),
        (&["predict", bundle, "--set", "energy"], "name=value"),
        (
            &["predict", bundle, "--set", "enrgy=0.5"],
            "did you mean \"energy\"?",
        ),
        (&["predict", bundle], "nothing to predict"),
        (
            &[
                "train",
                "--experiment",
                "small.toml",
                "--data",
                "tracks.csv",
                "--device",
                "cuda:7",
                "--out",
                "out/y",
            ],
            "cuda",
        ),
    ] {
        let message = failure(folder, arguments, 1)?;
        assert!(
            message.to_lowercase().contains(&expected.to_lowercase()),
            "{arguments:?}: {message}"
        );
    }
    assert!(failure(folder, &["train", "--preset", "a", "--device", "gpu"], 2)?.contains("auto, cpu, cuda"));
    assert!(!folder.join("out/x").exists() && !folder.join("out/y").exists());
    Ok(())
}

#[test]
fn a_model_that_diverges_takes_no_other_with_it() -> Outcome {
    let wild = r#"
[[models]]
name = "wild"
kind = "network"
settings.network = { hidden = [8] }
settings.training = { epochs = 3, optimizer = { kind = "sgd", learning_rate = 1e30 } }
"#;
    let folder = folder_with("both.toml", &format!("{EXPERIMENT}{wild}"))?;
    let run = json(
        folder.path(),
        &[
            "train",
            "--experiment",
            "both.toml",
            "--data",
            "tracks.csv",
            "--threads",
            "1",
        ],
    )?;
    let names = |run: &Value| -> Vec<String> {
        let models = run["models"].as_array().cloned().unwrap_or_default();
        models.iter().map(|model| model["name"].to_string()).collect()
    };
    assert!(names(&run).contains(&"\"network\"".to_owned()) && !names(&run).contains(&"\"wild\"".to_owned()));
    assert!(
        run["warnings"].to_string().contains("wild"),
        "{}",
        run["warnings"]
    );
    // Alone it is an error, and leaves nothing behind.
    let alone = format!("{}{wild}", EXPERIMENT.split("\n[[models]]").next().unwrap());
    std::fs::write(folder.path().join("alone.toml"), alone)?;
    let arguments = [
        "train",
        "--experiment",
        "alone.toml",
        "--data",
        "tracks.csv",
        "--out",
        "alone",
    ];
    let message = failure(folder.path(), &arguments, 1)?;
    assert!(
        message.contains("wild") && message.contains("lower the learning rate"),
        "{message}"
    );
    assert!(!folder.path().join("alone").exists() && !folder.path().join("alone.checkpoints").exists());
    Ok(())
}

#[test]
fn a_bundle_says_what_matters_and_what_made_up_a_prediction() -> Outcome {
    let (home, _) = trained()?;
    let data = "tracks.csv";
    let explain = [
        "explain",
        "out/run/bundle",
        "--data",
        data,
        "--repeats",
        "2",
        "--background",
        "20",
    ];
    let all = json(home.path(), &explain)?;
    let inputs = all["inputs"].as_array().unwrap();
    assert_eq!(inputs.len(), 3);
    assert!(inputs[0]["mean"].as_f64() >= inputs[1]["mean"].as_f64());
    assert_eq!(all["metric"], "rmse");

    let by_hand = [
        "--set",
        "energy=0.8",
        "--set",
        "loudness=-7",
        "--set",
        "duration_ms=210000",
    ];
    let row = json(home.path(), &[&explain[..], &by_hand[..]].concat())?;
    let explanation = &row["explanation"];
    let moved: f64 = explanation["attributions"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|one| one["value"].as_f64())
        .sum();
    let gap = explanation["baseline"].as_f64().unwrap() + moved - row["value"].as_f64().unwrap();
    assert!(gap.abs() < 1e-3, "{gap}");
    let alone = json(
        home.path(),
        &[&["predict", "out/run/bundle"][..], &by_hand[..]].concat(),
    )?;
    assert_eq!(alone["value"], row["value"]);

    let third = [&explain[..], &["--row", "3"][..]].concat();
    assert!(
        json(home.path(), &third)?["explained"]
            .as_str()
            .unwrap()
            .contains("popularity")
    );
    // Of a network, which can be differentiated.
    assert_eq!(row["method"], "expected_gradients");
    assert!(inputs.iter().all(|input| input["gradient"].is_f64()), "{all}");

    // What would have to be otherwise, and the same as a page.
    let now = row["value"].as_f64().unwrap();
    let want = (now + 0.1).to_string();
    let wanted = [
        "--want",
        want.as_str(),
        "--allow",
        "energy,loudness",
        "--out",
        "why",
    ];
    let wanted = json(home.path(), &[&explain[..], &by_hand[..], &wanted[..]].concat())?;
    let found = &wanted["counterfactual"];
    assert_eq!(found["reached"], true, "{found}");
    for change in found["changes"].as_array().unwrap() {
        assert!(
            ["energy", "loudness"].contains(&change["column"].as_str().unwrap()),
            "{found}"
        );
    }
    assert!(found["after"]["value"].as_f64().unwrap() >= now + 0.1, "{found}");
    assert!(std::fs::read_to_string(home.path().join("why/report.html"))?.contains("<svg"));
    let sampled = [&explain[..], &by_hand[..], &["--method", "sampled"][..]].concat();
    assert_eq!(json(home.path(), &sampled)?["method"], "sampled");
    for (more, part) in [
        (&["--method", "sampeld"][..], "did you mean"),
        (&["--want", "70"][..], "--row"),
        (&["--row", "3", "--allow", "energy"][..], "--want"),
    ] {
        let message = failure(home.path(), &[&explain[..], more].concat(), 2)?;
        assert!(message.contains(part), "{message}");
    }

    let beyond = failure(home.path(), &[&explain[..], &["--row", "99999"][..]].concat(), 1)?;
    assert!(beyond.contains("the file has"), "{beyond}");
    let none = failure(home.path(), &[&explain[..], &["--row", "0"][..]].concat(), 2)?;
    assert!(none.contains("--row"), "{none}");
    let zero = failure(
        home.path(),
        &["explain", "out/run/bundle", "--data", data, "--repeats", "0"],
        1,
    )?;
    assert!(zero.contains("repeats is 0"), "{zero}");
    // What is impossible is told before a change is searched for.
    let both = [
        &["explain", "out/run/bundle", "--data", data, "--row", "3"][..],
        &["--background", "0", "--want", ">=70", "--allow", "enrgy"],
    ];
    let early = failure(home.path(), &both.concat(), 1)?;
    assert!(early.contains("background is 0"), "{early}");
    Ok(())
}

#[test]
fn a_run_and_a_file_become_pages() -> Outcome {
    let (home, _) = trained()?;
    let report = json(home.path(), &["report", "out/run", "--out", "page"])?;
    let page = home.path().join(report["report"].as_str().unwrap());
    let html = std::fs::read_to_string(page)?;
    assert!(html.contains("<svg") && html.contains("Explanations"));
    assert!(report["figures"].as_array().unwrap().len() > 10, "{report}");
    let again = failure(home.path(), &["report", "out/run", "--out", "page"], 1)?;
    assert!(again.contains("page"), "{again}");
    json(
        home.path(),
        &["report", "tracks.csv", "--out", "page", "--overwrite"],
    )?;
    let none = failure(home.path(), &["report", ".", "--out", "other"], 1)?;
    assert!(none.contains("is no run"), "{none}");
    Ok(())
}
