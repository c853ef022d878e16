//! An experiment becomes a run: what is reported, what is saved, and that nothing leaks.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use super::common::{experiment, registry, rmse, run, tracks, tracks_file};
use hitcast_core::{DeviceChoice, StopSignal};
use hitcast_data::{Column, CsvReader, Table};
use hitcast_pipeline::{Bundle, Existing, Experiment, Part, PipelineError, Run, RunContext, RunReport};

#[test]
fn the_best_by_validation_is_reported_beside_the_baseline_and_the_reference() {
    let home = tempfile::tempdir().unwrap();
    let run = run(&experiment(tracks_file(home.path(), 400)));
    let report = &run.report;
    let best_by_validation = report
        .models
        .iter()
        .min_by(|a, b| rmse(&a.metrics.validation).total_cmp(&rmse(&b.metrics.validation)));
    assert_eq!(Some(&report.best), best_by_validation.map(|model| &model.name));
    assert_eq!(
        report.models.iter().map(|m| m.name.as_str()).collect::<Vec<_>>(),
        ["short", "long"]
    );
    assert_eq!(
        report
            .references
            .iter()
            .map(|m| m.name.as_str())
            .collect::<Vec<_>>(),
        ["linear"]
    );
    assert!(rmse(&report.metrics.test) < rmse(&report.baseline.test));
    let best = report.best_model().unwrap();
    assert_eq!(best.metrics, report.metrics);
    let epochs = if report.best == "long" { 8 } else { 1 };
    assert_eq!((best.history.len(), best.best_epoch), (epochs, Some(epochs)));
    let sizes = report.rows;
    assert_eq!(
        sizes.train + sizes.validation + sizes.test,
        report.data.cleaning.rows_out
    );
    assert_eq!(
        report.by["genre"]
            .iter()
            .map(|group| group.metrics.n())
            .sum::<usize>(),
        sizes.test
    );
    assert_eq!(run.predictions.len(), report.data.cleaning.rows_out);
    let text = run.to_string();
    for part in [
        "predict the mean",
        &format!("{} *", report.best),
        "linear",
        "Test rows by genre",
        "test rmse",
        "share their song",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
}

#[test]
fn the_json_has_its_documented_shape_and_reads_back() {
    let home = tempfile::tempdir().unwrap();
    let run = run(&experiment(tracks_file(home.path(), 200)));
    let json = run.to_json().unwrap();
    for pointer in [
        "/test/rmse",
        "/validation/mae",
        "/train/r2",
        "/baseline/test/rmse",
        "/models/0/test/rmse",
        "/models/0/history/0/train_loss",
        "/references/0/name",
        "/by/genre/0/rmse",
        "/by/genre/0/baseline/rmse",
        "/intervals/intervals/rmse/low",
        "/rows/train",
        "/data/read/rows_read",
        "/data/cleaning/rows_out",
        "/environment/versions/hitcast",
        "/experiment/data/target",
        "/seconds/fit",
    ] {
        assert!(
            json.pointer(pointer).is_some(),
            "{pointer} is missing in {json:#}"
        );
    }
    let back: RunReport = serde_json::from_str(&json.to_string()).unwrap();
    assert_eq!(back, run.report);
}

#[test]
fn a_saved_run_holds_what_predicts_the_same_again() {
    let home = tempfile::tempdir().unwrap();
    let data = tracks_file(home.path(), 300);
    let run = run(&experiment(&data));
    let out = home.path().join("out/run");
    run.save(&out, Existing::Refuse).unwrap();

    let report: RunReport = serde_json::from_str(&fs::read_to_string(out.join("run.json")).unwrap()).unwrap();
    assert_eq!(report, run.report);
    assert_eq!(
        Experiment::load(out.join("experiment.toml")).unwrap(),
        run.report.experiment
    );
    let saved = CsvReader::default()
        .read(out.join("predictions.csv"))
        .unwrap()
        .table;
    assert_eq!(
        saved.names().collect::<Vec<_>>(),
        [
            "source_row",
            "split",
            "actual",
            "predicted",
            "residual",
            "baseline"
        ]
    );
    assert_eq!(saved.n_rows(), run.predictions.len());

    let bundle = Bundle::load(out.join("bundle"), &registry(), DeviceChoice::Cpu).unwrap();
    let loaded = bundle.read(&data, &CsvReader::default()).unwrap();
    let predicted = bundle.predict_table(&loaded.table).unwrap();
    for row in &run.predictions {
        let again = predicted.values[row.source_row as usize].unwrap();
        assert_eq!(again.to_bits(), row.predicted.to_bits(), "row {}", row.source_row);
    }
    let test: Vec<usize> = run
        .predictions
        .iter()
        .filter(|row| row.part == Part::Test)
        .map(|row| row.source_row as usize)
        .collect();
    let evaluation = bundle.evaluate(&loaded.table.take(&test), &["genre"]).unwrap();
    assert_eq!(evaluation.metrics, run.report.metrics.test);
    assert_eq!(evaluation.baseline, run.report.baseline.test);
    assert_eq!(evaluation.by, run.report.by);
    assert!(evaluation.to_string().contains("By genre"));

    // The whole file holds the rows learned from, and says so.
    let whole = bundle.evaluate(&loaded.table, &[""; 0]).unwrap();
    assert!(whole.learned_share > Some(0.7), "{:?}", whole.learned_share);
    assert!(whole.learned_share > evaluation.learned_share);
    assert!(
        whole.to_string().contains("% of these rows were learned from"),
        "{whole}"
    );
}

#[test]
fn a_former_run_is_replaced_on_request_only() {
    let home = tempfile::tempdir().unwrap();
    let run = run(&experiment(tracks_file(home.path(), 100)));
    let out = home.path().join("run");
    run.save(&out, Existing::Refuse).unwrap();
    assert!(matches!(
        run.save(&out, Existing::Refuse),
        Err(PipelineError::Exists { .. })
    ));
    run.save(&out, Existing::Replace).unwrap();
    fs::write(out.join("notes.txt"), "mine").unwrap();
    let error = run.save(&out, Existing::Replace).unwrap_err();
    assert!(error.to_string().contains("notes.txt"), "{error}");
    assert!(out.join("bundle/manifest.json").exists());
    run.bundle()
        .save(home.path().join("alone"), Existing::Refuse)
        .unwrap();
    Bundle::load(home.path().join("alone"), &registry(), DeviceChoice::Cpu).unwrap();
}

/// Everything of a run but its times.
fn fingerprint(run: &Run) -> String {
    let mut report = run.report.clone();
    report.seconds = Default::default();
    for model in report.models.iter_mut().chain(&mut report.references) {
        (model.fit_seconds, model.predict_seconds) = (0.0, 0.0);
    }
    if let Some(read) = &mut report.data.read {
        read.file.clear();
    }
    report.data.path = None;
    report.experiment.data.path = None;
    format!("{report:?}{:?}", run.predictions)
}

#[test]
fn the_same_seed_gives_the_same_run_whatever_the_threads() {
    let home = tempfile::tempdir().unwrap();
    let print = std::env::var_os("HITCAST_TEST_PRINT").is_some();
    let first = fingerprint(&run(&experiment(tracks_file(home.path(), 150))));
    if print {
        println!("FINGERPRINT{first}");
        return;
    }
    for threads in ["1", "3"] {
        let output = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "run::the_same_seed_gives_the_same_run_whatever_the_threads",
                "--nocapture",
            ])
            .env("HITCAST_TEST_PRINT", "1")
            .env("RAYON_NUM_THREADS", threads)
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let printed = text
            .lines()
            .find_map(|line| Some(line.split_once("FINGERPRINT")?.1))
            .expect("a fingerprint");
        assert_eq!(printed, first);
    }
    let mut other = experiment(tracks_file(home.path(), 150));
    other.metrics.bootstrap.threads = 1;
    assert_eq!(
        run(&other).report.intervals,
        run(&experiment(tracks_file(home.path(), 150))).report.intervals
    );
    let other = experiment(tracks_file(home.path(), 150)).with_seed(7_u64);
    assert_ne!(fingerprint(&run(&other)), first);
}

/// The table of the made-up tracks.
fn table(n: usize) -> Table {
    CsvReader::default()
        .read_from(tracks(n, 1).as_bytes(), "tracks")
        .unwrap()
        .table
}

fn run_on(experiment: &Experiment, table: &Table) -> Run {
    let stop = StopSignal::new();
    experiment
        .run_on(table.clone(), None, &registry(), &RunContext::quiet(&stop))
        .unwrap()
}

#[test]
fn changing_the_test_rows_changes_nothing_that_was_fitted() {
    let mut experiment = experiment("");
    experiment.outliers.push(
        serde_json::from_value(serde_json::json!({
            "columns": ["energy"], "bounds": { "interquartile": { "factor": 0.9 } }, "action": "drop",
        }))
        .unwrap(),
    );
    let table = table(300);
    let before = run_on(&experiment, &table);
    let is_test: BTreeMap<usize, bool> = before
        .predictions
        .iter()
        .map(|row| (row.source_row as usize, row.part == Part::Test))
        .collect();
    let mut changed = table.clone();
    for name in ["energy", "tempo", "loudness", "duration_ms", "popularity"] {
        let values = table.numbers(name).unwrap().iter().enumerate();
        let values = values.map(|(row, &v)| {
            if is_test.get(&row) == Some(&true) {
                v * 0.5 + 77.0
            } else {
                v
            }
        });
        changed = changed
            .set_column(name, Column::Number(values.collect()))
            .unwrap();
    }
    let after = run_on(&experiment, &changed);
    let fitted = |run: &Run| {
        let manifest = run.bundle().manifest();
        let learned = (
            manifest.outliers.clone(),
            manifest.preprocessor.clone(),
            manifest.weights.clone(),
        );
        (
            learned,
            manifest.inputs.clone(),
            manifest.target.clone(),
            manifest.check.clone(),
        )
    };
    assert_eq!(fitted(&before), fitted(&after));
    assert_eq!(before.report.best, after.report.best);
    assert_eq!(before.report.metrics.train, after.report.metrics.train);
    assert_eq!(before.report.metrics.validation, after.report.metrics.validation);
    assert_ne!(before.report.metrics.test, after.report.metrics.test);
}

#[test]
fn changing_the_validation_rows_changes_no_model_but_only_the_choice() {
    let experiment = experiment("");
    let table = table(200);
    let before = run_on(&experiment, &table);
    let validation: Vec<usize> = (before.predictions.iter())
        .filter(|row| row.part == Part::Validation)
        .map(|row| row.source_row as usize)
        .collect();
    let mut energy = table.numbers("energy").unwrap().to_vec();
    validation.iter().for_each(|&row| energy[row] = 0.5);
    let after = run_on(
        &experiment,
        &table.set_column("energy", Column::Number(energy)).unwrap(),
    );
    let train = |run: &Run| {
        run.report
            .models
            .iter()
            .map(|m| m.metrics.train.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(train(&before), train(&after));
    assert_eq!(
        before.bundle().manifest().preprocessor,
        after.bundle().manifest().preprocessor
    );
}

#[test]
fn outliers_are_dropped_from_the_training_rows_only() {
    let plain = Experiment {
        outliers: Vec::new(),
        ..experiment("")
    };
    let mut dropping = plain.clone();
    dropping.outliers.push(
        serde_json::from_value(serde_json::json!({
            "columns": ["tempo"], "bounds": { "quantile": { "lower": 0.1, "upper": 0.9 } }, "action": "drop",
        }))
        .unwrap(),
    );
    let table = table(300);
    let (plain, dropping) = (run_on(&plain, &table).report, run_on(&dropping, &table).report);
    assert!(dropping.rows.train < plain.rows.train);
    assert_eq!(
        (dropping.rows.validation, dropping.rows.test),
        (plain.rows.validation, plain.rows.test)
    );
    assert_eq!(
        dropping.data.outliers[0].rows_dropped(),
        plain.rows.train - dropping.rows.train
    );
}

#[test]
fn a_grouped_split_keeps_songs_together_and_needs_no_warning() {
    let table = table(300);
    let random = run_on(&experiment(""), &table).report;
    assert!(
        random
            .warnings
            .iter()
            .any(|warning| warning.contains("share their song")),
        "{:?}",
        random.warnings
    );
    let grouped = run_on(&experiment("").with_grouped_split().unwrap(), &table).report;
    assert!(
        !grouped
            .warnings
            .iter()
            .any(|warning| warning.contains("share their song")),
        "{:?}",
        grouped.warnings
    );
    assert!(grouped.to_string().contains("grouped by song"));
}

#[test]
fn a_model_beside_it_changes_nothing_for_a_model() {
    let table = table(150);
    let both = run_on(&experiment(""), &table).report;
    let mut alone = experiment("");
    alone.models.remove(0);
    let alone = run_on(&alone, &table).report;
    assert_eq!(both.models[1].metrics, alone.models[0].metrics);
}

#[test]
fn a_model_that_cannot_be_judged_takes_no_other_with_it() {
    let mut diverging = experiment("");
    diverging.models[0].settings = serde_json::json!({ "learning_rate": 1e308 });
    let report = run_on(&diverging, &table(150)).report;
    assert_eq!(report.best, "long");
    let names = report.models.iter().map(|model| model.name.as_str());
    assert_eq!(names.collect::<Vec<_>>(), ["long"]);
    let told = |warning: &String| {
        warning.matches("model \"short\"").count() == 1
            && warning.contains("its training has diverged")
            && warning.contains("the other models do not depend on it")
    };
    assert!(report.warnings.iter().any(told), "{:?}", report.warnings);
}

#[test]
fn a_stop_before_the_first_model_saves_nothing() {
    let stop = StopSignal::new();
    stop.request();
    let error = experiment("")
        .run_on(table(100), None, &registry(), &RunContext::quiet(&stop))
        .unwrap_err();
    assert!(matches!(error, PipelineError::Stopped), "{error}");
}

#[test]
fn what_is_wrong_with_data_or_settings_is_said() {
    let stop = StopSignal::new();
    let context = RunContext::quiet(&stop);
    let fails = |experiment: &Experiment, table: Table| {
        experiment
            .run_on(table, None, &registry(), &context)
            .unwrap_err()
            .to_string()
    };
    let mut unknown = experiment("");
    unknown.models[0].kind = "toi".to_owned();
    assert!(fails(&unknown, table(50)).contains("did you mean \"toy\"?"));
    let mut setting = experiment("");
    setting.models[0].settings = serde_json::json!({ "epoch": 3 });
    let message = fails(&setting, table(50));
    assert!(
        message.contains("model \"short\"") && message.contains("did you mean \"epochs\"?"),
        "{message}"
    );
    let mut target = experiment("");
    target.data.target = "populrity".to_owned();
    assert!(fails(&target, table(50)).contains("did you mean \"popularity\"?"));
    let mut missing = experiment("");
    missing
        .cleaning
        .steps
        .retain(|step| step.name() != "drop_missing");
    let popularity =
        Column::Number([&[f64::NAN][..], &table(50).numbers("popularity").unwrap()[1..]].concat());
    let message = fails(&missing, table(50).set_column("popularity", popularity).unwrap());
    assert!(message.contains("drop_missing"), "{message}");
    assert!(fails(&experiment(""), table(50).take(&[0, 1])).contains("rows are left after cleaning"));
    let mut diverging = experiment("");
    diverging.models.truncate(1);
    diverging.models[0].settings = serde_json::json!({ "learning_rate": 1e308 });
    assert!(fails(&diverging, table(50)).contains("model \"short\""));
    let error = Experiment {
        data: hitcast_pipeline::DataSettings {
            path: None,
            ..experiment("").data
        },
        ..experiment("")
    };
    assert!(
        error
            .run(&registry(), &context)
            .unwrap_err()
            .to_string()
            .contains("data.path")
    );
    let mut schema = experiment("nowhere.csv");
    schema.data.schema = Some("spotify-feature".to_owned());
    let message = schema.run(&registry(), &context).unwrap_err().to_string();
    assert!(
        message.contains("did you mean \"spotify-features\"?"),
        "{message}"
    );
}
