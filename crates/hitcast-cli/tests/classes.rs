//! The presets that predict classes, from the file to class and probabilities.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use support::{Outcome, failure, hitcast, json};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fixtures")
        .join(name)
}

/// A preset with fewer epochs and trees, on a fixture.
fn train(folder: &Path, preset: &str, file: &str) -> Result<Value, Box<dyn std::error::Error>> {
    let shown = hitcast(folder, &["train", "--preset", preset, "--show"])?;
    let toml = String::from_utf8(shown.stdout)?;
    let shorter: Vec<String> = toml
        .lines()
        .map(|line| match line.split_once(" = ") {
            Some(("epochs", _)) => "epochs = 4".to_owned(),
            Some(("n_estimators", _)) => "n_estimators = 5".to_owned(),
            _ => line.to_owned(),
        })
        .collect();
    fs::write(folder.join("shorter.toml"), shorter.join("\n"))?;
    let file = fixture(file);
    let file = file.to_str().unwrap();
    json(
        folder,
        &[
            "train",
            "--experiment",
            "shorter.toml",
            "--data",
            file,
            "--out",
            preset,
        ],
    )
}

fn sums_to_one(probabilities: &Value) -> bool {
    let all: Vec<f64> = match probabilities {
        Value::Object(map) => map.values().filter_map(Value::as_f64).collect(),
        list => list
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|one| one["probability"].as_f64())
            .collect(),
    };
    all.len() > 1 && (all.iter().sum::<f64>() - 1.0).abs() < 1e-9
}

#[test]
fn a_hit_is_told_by_class_and_probability() -> Outcome {
    let home = tempfile::tempdir()?;
    let run = train(home.path(), "hit-or-not", "spotify_tracks.csv")?;
    assert!(run["test"]["balanced_accuracy"].is_number() && run["baseline"]["test"]["accuracy"].is_number());
    let file = fixture("spotify_tracks.csv");
    let file = file.to_str().unwrap();
    let predicted = json(
        home.path(),
        &[
            "predict",
            "hit-or-not/bundle",
            "--data",
            file,
            "--out",
            "predicted.csv",
        ],
    )?;
    let csv = fs::read_to_string(home.path().join("predicted.csv"))?;
    let header: Vec<&str> = csv.lines().next().unwrap().split(',').collect();
    let probabilities: Vec<usize> = (0..header.len())
        .filter(|&place| header[place].starts_with("p_"))
        .collect();
    assert_eq!(probabilities.len(), 2, "{header:?}");
    assert!(
        predicted["out"].is_string() || predicted.to_string().contains("predicted.csv"),
        "{predicted}"
    );
    let evaluated = json(home.path(), &["evaluate", "hit-or-not/bundle", "--data", file])?;
    assert!(evaluated["test"]["roc_auc"].is_number(), "{evaluated}");
    Ok(())
}

#[test]
fn a_song_by_hand_has_a_temperature() -> Outcome {
    let home = tempfile::tempdir()?;
    train(home.path(), "song-temperature", "spotify_history.csv")?;
    let row = [
        "danceability=0.7",
        "energy=0.8",
        "loudness=-5.2",
        "speechiness=0.05",
        "acousticness=0.1",
        "instrumentalness=0",
        "valence=0.6",
        "tempo=120",
        "duration_ms=200000",
        "key=5",
        "mode=1",
    ];
    let set: Vec<&str> = row.iter().flat_map(|value| ["--set", value]).collect();
    let one = json(
        home.path(),
        &[&["predict", "song-temperature/bundle"], &set[..]].concat(),
    )?;
    let value = one["value"].as_str().unwrap_or_default();
    assert!(["ice-cold", "lukewarm", "blazing hot"].contains(&value), "{one}");
    assert!(sums_to_one(&one["probabilities"]), "{one}");
    let text = hitcast(
        home.path(),
        &[&["predict", "song-temperature/bundle"], &set[..]].concat(),
    )?;
    assert!(String::from_utf8(text.stdout)?.contains(value));
    let error = failure(
        home.path(),
        &["predict", "song-temperature/bundle", "--set", "danceability=loud"],
        1,
    )?;
    assert!(error.contains("danceability"), "{error}");
    Ok(())
}
