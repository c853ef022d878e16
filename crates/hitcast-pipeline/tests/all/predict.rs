//! Predicting rows that were given by hand or in other files.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;
use std::sync::LazyLock;

use super::common::{experiment, row, run, tracks, tracks_file};
use hitcast_data::{Column, CsvReader, Table};
use hitcast_pipeline::{Bundle, Experiment, PipelineError, RowValue};

static BUNDLE: LazyLock<Bundle> = LazyLock::new(|| {
    let home = tempfile::tempdir().unwrap();
    run(&experiment(tracks_file(home.path(), 300))).into_bundle()
});

fn fails(change: impl FnOnce(&mut BTreeMap<String, RowValue>)) -> String {
    let mut row = row();
    change(&mut row);
    let error = BUNDLE.predict_row(&row).unwrap_err();
    assert!(matches!(error, PipelineError::Row(_)), "{error:?}");
    error.to_string()
}

#[test]
fn a_row_by_hand_is_predicted_as_the_same_row_of_a_table() {
    let by_hand = BUNDLE.predict_row(&row()).unwrap();
    assert_eq!(by_hand.target, "popularity");
    assert!(by_hand.notes.is_empty(), "{:?}", by_hand.notes);
    let columns = row().into_iter().map(|(name, value)| {
        let RowValue::Number(value) = value else {
            unreachable!()
        };
        (name, Column::Number(vec![value]))
    });
    let table = Table::new(columns).unwrap();
    assert_eq!(
        BUNDLE.predict_table(&table).unwrap().values,
        [by_hand.value.number()]
    );
}

#[test]
fn a_row_of_numbers_is_predicted_as_by_name() {
    let numbers: Vec<f64> = BUNDLE
        .manifest()
        .inputs
        .iter()
        .map(|input| match row().get(&input.column) {
            Some(RowValue::Number(value)) => *value,
            _ => 3.5,
        })
        .collect();
    let by_name = BUNDLE.predict_row(&row()).unwrap().value;
    assert_eq!(Some(BUNDLE.predict_numbers(&numbers).unwrap()), by_name.number());
    let fails = |numbers: &[f64]| BUNDLE.predict_numbers(numbers).unwrap_err().to_string();
    assert!(fails(&numbers[1..]).contains("the row has 9 numbers, but there are 10 inputs"));
    let with = |value: f64| [&[value], &numbers[1..]].concat();
    let first = &BUNDLE.manifest().inputs[0].column;
    assert!(fails(&with(f64::INFINITY)).contains(&format!("{first} is inf")));
    assert!(fails(&with(f64::NAN)).contains(&format!("the row lacks {first}")));
}

#[test]
fn values_may_be_texts_and_a_derived_input_may_be_given_itself() {
    let texts = row()
        .into_iter()
        .map(|(name, value)| (name, RowValue::Text(value.to_string())))
        .collect();
    assert_eq!(
        BUNDLE.predict_row(&texts).unwrap(),
        BUNDLE.predict_row(&row()).unwrap()
    );
    let mut minutes = row();
    minutes.remove("duration_ms");
    minutes.insert("duration_min".to_owned(), RowValue::Number(3.5));
    let (a, b) = (
        BUNDLE.predict_row(&minutes).unwrap().value.number().unwrap(),
        BUNDLE.predict_row(&row()).unwrap().value.number().unwrap(),
    );
    assert!((a - b).abs() < 1e-6, "{a} {b}");
}

#[test]
fn a_missing_input_is_named_with_its_range_and_unit() {
    let message = fails(|row| {
        row.remove("tempo");
        row.remove("duration_ms");
    });
    assert!(
        message.contains("tempo (1 to 300 BPM)") && message.contains("duration_ms (1 to 86400000 ms)"),
        "{message}"
    );
    assert!(!message.contains("energy"), "{message}");
    assert!(fails(BTreeMap::clear).contains("energy"));
    assert!(fails(|row| *row.get_mut("energy").unwrap() = "".into()).contains("lacks energy"));
}

#[test]
fn a_name_that_is_unknown_is_answered_with_the_nearest() {
    let message = fails(|row| {
        row.insert("dancability".to_owned(), 0.5.into());
    });
    assert!(message.contains("did you mean \"danceability\"?"), "{message}");
    let mut more = row();
    more.insert("genre".to_owned(), "Jazz".into());
    assert_eq!(
        BUNDLE.predict_row(&more).unwrap().notes,
        ["genre is not used by this model"]
    );
}

#[test]
fn a_value_that_cannot_be_is_refused() {
    let set = |name: &'static str, value: RowValue| fails(|row| *row.get_mut(name).unwrap() = value);
    assert!(set("energy", 80.0.into()).contains("energy is 80, but lies between 0 and 1"));
    assert!(set("loudness", 90.0.into()).contains("between -60 and 5 dB"));
    assert!(set("tempo", 0.0.into()).contains("BPM"));
    assert!(set("energy", "much".into()).contains("much"));
    assert!(set("energy", f64::NAN.into()).contains("finite"));
    assert!(set("energy", "1\n2".into()).contains("energy"));
}

#[test]
fn a_value_beyond_the_training_rows_is_noted() {
    let mut row = row();
    row.insert("tempo".to_owned(), 290.0.into());
    let notes = BUNDLE.predict_row(&row).unwrap().notes;
    assert!(
        notes.len() == 1 && notes[0].contains("tempo is 290 BPM") && notes[0].contains("extrapolates"),
        "{notes:?}"
    );
}

#[test]
fn rows_that_lack_an_input_have_no_prediction_and_are_counted() {
    let table = CsvReader::default()
        .read_from(tracks(20, 5).as_bytes(), "tracks")
        .unwrap()
        .table;
    let mut energy = table.numbers("energy").unwrap().to_vec();
    energy[3] = f64::NAN;
    let table = table.set_column("energy", Column::Number(energy)).unwrap();
    let predicted = BUNDLE.predict_table(&table).unwrap();
    assert_eq!(predicted.values.iter().filter(|value| value.is_none()).count(), 1);
    assert_eq!((predicted.values[3], predicted.incomplete["energy"]), (None, 1));
    let evaluation = BUNDLE.evaluate(&table, &["genre"]).unwrap();
    assert_eq!(evaluation.metrics.n(), table.n_rows() - 1);
    assert_eq!(evaluation.learned_share, Some(0.0));
    assert!(evaluation.to_string().contains("1 left out: energy is missing"));
    assert!(
        BUNDLE
            .evaluate(&table, &["genra"])
            .unwrap_err()
            .to_string()
            .contains("did you mean \"genre\"?")
    );
    assert!(
        BUNDLE
            .evaluate(&table.without(&["popularity"]), &[""; 0])
            .is_err()
    );
}

#[test]
fn a_file_without_the_target_is_read_and_predicted() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("new.csv");
    let full = CsvReader::default()
        .read_from(tracks(20, 5).as_bytes(), "tracks")
        .unwrap()
        .table;
    let few = full.without(&[
        "popularity",
        "genre",
        "artists",
        "track_name",
        "track_id",
        "key",
        "mode",
    ]);
    let mut bytes = Vec::new();
    hitcast_data::write_csv(&few, &mut bytes).unwrap();
    std::fs::write(&path, bytes).unwrap();
    let loaded = BUNDLE.read(&path, &CsvReader::default()).unwrap();
    assert_eq!(
        BUNDLE.predict_table(&loaded.table).unwrap(),
        BUNDLE.predict_table(&full).unwrap()
    );

    std::fs::write(&path, "energy,tempo\n0.5,100\n").unwrap();
    let message = BUNDLE.read(&path, &CsvReader::default()).unwrap_err().to_string();
    assert!(message.contains("acousticness"), "{message}");
}

#[test]
fn an_input_that_the_recipe_fills_may_be_missing() {
    let home = tempfile::tempdir().unwrap();
    let mut experiment: Experiment = experiment(tracks_file(home.path(), 100));
    experiment.recipe.columns[0].impute = Some(hitcast_preprocess::Imputer::Median);
    let bundle = run(&experiment).into_bundle();
    let mut row = row();
    row.remove("tempo");
    let prediction = bundle.predict_row(&row).unwrap();
    assert_eq!(
        prediction.notes,
        ["tempo is missing and filled in as in training"]
    );
}
