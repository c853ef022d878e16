//! Genres and keys as features: from an experiment to a row given by hand.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;

use super::common::{experiment, registry, rmse, run, tracks, tracks_file};
use hitcast_core::DeviceChoice;
use hitcast_data::{Column, CsvReader};
use hitcast_explain::Raw;
use hitcast_pipeline::{Bundle, Existing, Experiment, PipelineError, RowValue, Run, RunContext, Wish};

/// The preset with genre and key as features.
fn with_categories(path: &std::path::Path, genre: &str) -> Experiment {
    let mut toml = experiment(path).to_toml().unwrap();
    toml = toml.replace("\"key\", ", "").replace("\"key\",", "");
    toml = toml.replacen("features = [", "features = [\"genre\", \"key\", ", 1);
    toml.push_str(&format!(
        "\n[[recipe.columns]]\nnames = [\"genre\"]\nencode = {genre}\n\n\
         [[recipe.columns]]\nnames = [\"key\"]\nencode = {{ kind = \"cyclic\", period = 12.0 }}\n"
    ));
    Experiment::from_toml(&toml).unwrap()
}

const ONE_HOT: &str = "{ kind = \"one_hot\" }";

/// Tracks whose genre decides the popularity.
fn decided_by_genre(n: usize) -> String {
    let text = tracks(n, 1);
    let mut lines = text.lines();
    let mut out = format!("{}\n", lines.next().unwrap());
    for line in lines {
        let mut fields: Vec<&str> = line.split(',').collect();
        fields[4] = match fields[0] {
            "Jazz" => "20",
            "Pop" => "80",
            _ => "50",
        };
        out.push_str(&fields.join(","));
        out.push('\n');
    }
    out
}

fn learned(n: usize, encode: &str) -> (tempfile::TempDir, Run) {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("tracks.csv");
    std::fs::write(&path, decided_by_genre(n)).unwrap();
    let run = run(&with_categories(&path, encode));
    (home, run)
}

fn row(genre: &str) -> BTreeMap<String, RowValue> {
    let numbers = [
        ("acousticness", 0.3),
        ("danceability", 0.7),
        ("duration_ms", 210_000.0),
        ("energy", 0.8),
        ("instrumentalness", 0.1),
        ("liveness", 0.2),
        ("loudness", -7.0),
        ("speechiness", 0.1),
        ("tempo", 120.0),
        ("valence", 0.5),
    ];
    let mut row: BTreeMap<String, RowValue> = numbers
        .into_iter()
        .map(|(name, value)| (name.to_owned(), RowValue::Number(value)))
        .collect();
    row.insert("genre".to_owned(), genre.into());
    row.insert("key".to_owned(), "C#".into());
    row
}

#[test]
fn a_genre_is_learned_saved_and_given_by_hand() {
    let (home, run) = learned(400, ONE_HOT);
    assert!(
        rmse(&run.report.metrics.test) < 3.0,
        "{}",
        rmse(&run.report.metrics.test)
    );
    let folder = home.path().join("out");
    run.save(&folder, Existing::Refuse).unwrap();
    let bundle = Bundle::load(folder.join("bundle"), &registry(), DeviceChoice::Cpu).unwrap();
    for (genre, popularity) in [("Jazz", 20.0), ("Pop", 80.0), ("Opera", 50.0)] {
        let predicted = bundle.predict_row(&row(genre)).unwrap();
        assert!(
            (predicted.value.number().unwrap() - popularity).abs() < 6.0,
            "{genre} {predicted:?}"
        );
        assert!(predicted.notes.is_empty(), "{:?}", predicted.notes);
    }
    let file = home.path().join("tracks.csv");
    let table = bundle.read(&file, &CsvReader::default()).unwrap().table;
    assert_eq!(
        bundle.predict_table(&table).unwrap().values,
        run.bundle().predict_table(&table).unwrap().values
    );
    // Its own rows are known again by their genre too.
    let evaluation = bundle.evaluate(&table, &["genre"]).unwrap();
    assert!(evaluation.learned_share.unwrap() > 0.5);
    let genre = table.texts("genre").unwrap();
    let moved = genre.iter().map(|genre| {
        if genre == Some("Jazz") {
            Some("Pop")
        } else {
            Some("Jazz")
        }
    });
    let elsewhere = table.clone().set_column("genre", Column::text(moved)).unwrap();
    let evaluation = bundle.evaluate(&elsewhere, &["genre"]).unwrap();
    assert_eq!(evaluation.learned_share, Some(0.0));
}

#[test]
fn an_unseen_or_missing_genre_is_answered_in_words() {
    let (_home, run) = learned(100, ONE_HOT);
    let bundle = run.bundle();
    let error = bundle.predict_row(&row("Opra")).unwrap_err().to_string();
    assert!(
        error.contains("\"genre\" is \"Opra\"") && error.contains("did you mean \"Opera\"?"),
        "{error}"
    );
    let mut lacking = row("Pop");
    lacking.remove("genre");
    let error = bundle.predict_row(&lacking).unwrap_err();
    assert!(matches!(error, PipelineError::Row(_)));
    assert!(
        error.to_string().contains("genre (one of 3: Jazz, Opera, Pop)"),
        "{error}"
    );
    let (_home, run) = learned(100, "{ kind = \"one_hot\", unknown = \"ignore\" }");
    let predicted = run.bundle().predict_row(&row("Polka")).unwrap();
    let note = &predicted.notes[0];
    assert!(
        note.contains("genre is Polka, which no training row is"),
        "{note}"
    );
    let predicted = run.bundle().predict_row(&lacking).unwrap();
    let note = &predicted.notes[0];
    assert!(
        note.contains("genre is missing, which no training row is"),
        "{note}"
    );
    let numbers = vec![0.0; run.bundle().manifest().inputs.len()];
    let error = run.bundle().predict_numbers(&numbers).unwrap_err();
    assert!(error.to_string().contains("genre is a text"), "{error}");
}

#[test]
fn a_test_rows_target_changes_nothing_that_is_learned() {
    let home = tempfile::tempdir().unwrap();
    let path = tracks_file(home.path(), 120);
    let experiment = with_categories(&path, "{ kind = \"target\" }");
    let before = run(&experiment);
    let held_out: Vec<u32> = before
        .predictions
        .iter()
        .filter(|row| row.part != hitcast_pipeline::Part::Train)
        .map(|row| row.source_row)
        .collect();
    let loaded = experiment.read(&path).unwrap();
    let mut target = loaded.table.numbers("popularity").unwrap().to_vec();
    for &row in &held_out {
        target[row as usize] = 99.0 - target[row as usize] / 2.0;
    }
    let changed = loaded
        .table
        .set_column("popularity", Column::Number(target))
        .unwrap();
    let stop = hitcast_core::StopSignal::new();
    let after = experiment
        .run_on(changed, loaded.schema, &registry(), &RunContext::quiet(&stop))
        .unwrap();
    let learned = |run: &Run| serde_json::to_value(&run.bundle().manifest().preprocessor).unwrap();
    assert_eq!(learned(&after), learned(&before));
    let train = |run: &Run| -> Vec<f64> {
        let rows = run
            .predictions
            .iter()
            .filter(|row| row.part == hitcast_pipeline::Part::Train);
        rows.map(|row| row.predicted).collect()
    };
    assert_eq!(train(&after), train(&before));
}

#[test]
fn a_text_without_an_encoder_says_how_to_give_it_one() {
    let home = tempfile::tempdir().unwrap();
    let mut experiment = experiment(tracks_file(home.path(), 50));
    experiment.data.features.push("genre".to_owned());
    let stop = hitcast_core::StopSignal::new();
    let error = experiment
        .run(&registry(), &RunContext::quiet(&stop))
        .unwrap_err();
    assert!(
        error.to_string().contains("encode = { kind = \"one_hot\" }"),
        "{error}"
    );
}

#[test]
fn another_genre_is_the_smallest_change_where_the_genre_decides() {
    let (home, run) = learned(400, ONE_HOT);
    let bundle = run.bundle();
    let usual = CsvReader::default()
        .read(home.path().join("tracks.csv"))
        .unwrap()
        .table;
    let wish = Wish::Number { value: 70.0 };
    let all: [&str; 0] = [];
    let found = bundle.counterfactual(&row("Jazz"), &usual, &wish, &all).unwrap();
    assert!(found.reached, "{found}");
    let [change] = &found.changes[..] else {
        panic!("{found}");
    };
    assert_eq!(
        (change.column.as_str(), &change.to),
        ("genre", &Raw::Text("Pop".to_owned()))
    );
    assert!(found.to_string().contains("another category"), "{found}");
    // What cannot be moved is named.
    assert_eq!(found.fixed.len(), 1);
    assert!(
        found.to_string().contains("Not moved: key (it is the same"),
        "{found}"
    );
    assert_eq!(bundle.predict_row(&row("Pop")).unwrap().value, found.after.value);
    // The genre is not allowed, and nothing else leads so far.
    let other = bundle
        .counterfactual(&row("Jazz"), &usual, &wish, &["energy", "valence"])
        .unwrap();
    assert!(!other.reached, "{other}");
    assert!(
        other
            .changes
            .iter()
            .all(|change| ["energy", "valence"].contains(&change.column.as_str()))
    );
    // A key that is the same in all rows cannot be moved.
    let error = bundle
        .counterfactual(&row("Jazz"), &usual, &wish, &["key"])
        .unwrap_err();
    assert!(error.to_string().contains("the same in all rows"), "{error}");
}

#[test]
fn inputs_of_several_labels_are_not_taken_for_one_category() {
    let (home, run) = learned(400, "{ kind = \"multi_label\" }");
    let bundle = run.bundle();
    let usual = CsvReader::default()
        .read(home.path().join("tracks.csv"))
        .unwrap()
        .table;
    let wish = Wish::Number { value: 70.0 };
    let all: [&str; 0] = [];
    let found = bundle.counterfactual(&row("Jazz"), &usual, &wish, &all).unwrap();
    let fixed: Vec<&str> = found.fixed.iter().map(|one| one.column.as_str()).collect();
    assert_eq!(fixed, ["genre", "key"]);
    assert!(
        found.changes.iter().all(|change| change.column != "genre"),
        "{found}"
    );
    let error = bundle
        .counterfactual(&row("Jazz"), &usual, &wish, &["genre"])
        .unwrap_err();
    assert!(error.to_string().contains("several of its labels"), "{error}");
}
