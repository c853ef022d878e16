//! Every model of an experiment tuned.

use std::collections::BTreeMap;

use hitcast_core::StopSignal;
use hitcast_data::Column;
use hitcast_pipeline::Experiment;
use hitcast_tune::{Combine, Distribution, EnsembleKind, Search, SearchSpace, TuneSettings, Tuned};

use super::common::{context, experiment, registry, table};

const MODELS: &str = r#"
models = [
    { name = "ridge", kind = "ridge" }, { name = "neighbours", kind = "neighbors" }, { name = "bowl", kind = "bowl" },
]
"#;

fn settings() -> TuneSettings {
    TuneSettings {
        search: Search {
            trials: 6,
            folds: 3,
            ..Search::default()
        },
        ensemble: Some(Combine::default()),
        ..TuneSettings::default()
    }
}

#[test]
fn models_get_what_was_found_without_a_look_at_the_test_rows() {
    let stop = StopSignal::new();
    let home = tempfile::tempdir().unwrap();
    let plain = experiment("y", MODELS);
    let rows = table(150, 6);
    let tune = |rows: &hitcast_data::Table, folder: Option<&std::path::Path>| {
        let sample = plain.sample(rows.clone(), None).unwrap();
        let tuned = settings()
            .tune(&sample, &registry(), &context(&stop, 2), folder)
            .unwrap();
        (tuned, sample.split().unwrap())
    };
    let (tuned, split) = tune(&rows, Some(home.path()));
    let names = |experiment: &Experiment| {
        experiment
            .models
            .iter()
            .map(|model| model.name.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        names(&tuned.experiment),
        ["ridge", "neighbours", "bowl", "ensemble"]
    );
    assert_eq!(tuned.found.len(), 2);
    assert!(tuned.notes[0].contains("bowl stays as it is"));
    assert!(tuned.experiment.refit);
    assert_eq!(tuned.experiment.models[0], tuned.found[0].pipeline.model);
    assert!(tuned.experiment.models[0].settings["alpha"].as_f64().is_some());
    assert!(home.path().join("02-neighbours.jsonl").is_file());
    // It is an experiment like any other.
    let text = tuned.experiment.to_toml().unwrap();
    assert_eq!(Experiment::from_toml(&text).unwrap(), tuned.experiment);

    // Test rows are not looked at: changed there, the same search comes to the same end.
    let mut y = rows.numbers("y").unwrap().to_vec();
    split.test.iter().for_each(|&row| y[row] += 50.0);
    let (again, _) = tune(&rows.clone().set_column("y", Column::Number(y)).unwrap(), None);
    assert_eq!(again.experiment, tuned.experiment);
    let scores = |tuned: &Tuned| tuned.found.iter().map(|found| found.score).collect::<Vec<_>>();
    assert_eq!(scores(&again), scores(&tuned));

    let registry = registry().with(EnsembleKind::new(registry()));
    let mut experiment = tuned.experiment;
    experiment.models.remove(2);
    experiment.models[2].settings["members"]
        .as_array_mut()
        .unwrap()
        .remove(2);
    let run = experiment
        .run_on(rows, None, &registry, &context(&stop, 2))
        .unwrap();
    assert_eq!(
        run.report.models[2].training_rows,
        split.train.len() + split.validation.len()
    );
}

#[test]
fn a_recipe_is_searched_where_one_model_has_it_for_itself() {
    let stop = StopSignal::new();
    let recipe = "recipe.columns = [{ names = [\"x\", \"z\"], scale = { kind = \"standard\" } }]\n";
    let space = SearchSpace::new().with(
        "recipe.columns.0.scale",
        Distribution::choice([serde_json::json!({ "kind": "min_max" })]),
    );
    let tune = |models: &str| {
        let experiment = experiment("y", &format!("{recipe}{models}"));
        let sample = experiment.sample(table(60, 7), None).unwrap();
        let settings = TuneSettings {
            spaces: BTreeMap::from([("neighbours".to_owned(), space.clone())]),
            ensemble: None,
            ..settings()
        };
        settings.tune(&sample, &registry(), &context(&stop, 1), None)
    };
    let one = tune("models = [{ name = \"neighbours\", kind = \"neighbors\" }]").unwrap();
    assert!(one.experiment.to_toml().unwrap().contains("min_max"));
    let error = tune(MODELS).unwrap_err();
    assert!(
        error.to_string().contains("all models of the experiment share"),
        "{error}"
    );
}

#[test]
fn an_unknown_model_is_answered_with_the_nearest() {
    let stop = StopSignal::new();
    let plain = experiment("y", MODELS);
    let sample = plain.sample(table(60, 8), None).unwrap();
    let settings = TuneSettings {
        models: Some(vec!["rige".to_owned()]),
        ..settings()
    };
    let error = settings
        .tune(&sample, &registry(), &context(&stop, 1), None)
        .unwrap_err();
    assert!(error.to_string().contains("did you mean \"ridge\"?"), "{error}");
}
