//! What bundles say about themselves.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::LazyLock;

use super::common::{experiment, row, run, tracks_file};
use hitcast_classical::{RandomForest, TreeModel};
use hitcast_core::{BoxError, DeviceChoice, Estimator, Model, ModelState, StopSignal};
use hitcast_data::{CsvReader, Table};
use hitcast_explain::Raw;
use hitcast_pipeline::{
    Bundle, ExplainSettings, ModelKind, PipelineError, Registry, RowValue, RunContext, ShapleyMethod,
    parse_settings,
};
use serde_json::Value;

fn table(n: usize) -> Table {
    let home = tempfile::tempdir().unwrap();
    CsvReader::default()
        .read(tracks_file(home.path(), n))
        .unwrap()
        .table
}

static TOY: LazyLock<Bundle> = LazyLock::new(|| {
    let home = tempfile::tempdir().unwrap();
    run(&experiment(tracks_file(home.path(), 300))).into_bundle()
});

struct Forest;

impl ModelKind for Forest {
    fn name(&self) -> &'static str {
        RandomForest::KIND
    }

    fn estimator(&self, settings: &Value) -> Result<Box<dyn Estimator>, BoxError> {
        Ok(Box::new(parse_settings::<RandomForest>(settings)?))
    }

    fn load(&self, state: &ModelState, _: DeviceChoice) -> Result<Box<dyn Model>, BoxError> {
        Ok(Box::new(TreeModel::from_state(state)?))
    }
}

fn forest() -> Bundle {
    let home = tempfile::tempdir().unwrap();
    let mut experiment = experiment(tracks_file(home.path(), 300));
    experiment.references = Some(Vec::new());
    experiment.models.truncate(1);
    experiment.models[0].kind = RandomForest::KIND.to_owned();
    experiment.models[0].settings = serde_json::json!({ "n_estimators": 7 });
    let stop = StopSignal::new();
    let run = experiment.run(&Registry::new().with(Forest), &RunContext::quiet(&stop));
    run.unwrap().into_bundle()
}

fn quick() -> ExplainSettings {
    ExplainSettings {
        repeats: 2,
        background: 10,
        explained_rows: 3,
        ..ExplainSettings::default()
    }
}

#[test]
fn attributions_lead_from_what_is_usual_to_the_prediction() {
    let usual = table(200);
    for (bundle, method, allowed) in [
        (&*TOY, ShapleyMethod::Exact, 1e-4),
        (&forest(), ShapleyMethod::Model, 1e-6),
    ] {
        let explained = bundle.explain_row(&row(), &usual, &quick()).unwrap();
        assert_eq!(explained.method, method);
        let explanation = &explained.explanation;
        let moved: f64 = explanation.attributions.iter().map(|one| one.value).sum();
        let predicted = bundle.predict_row(&row()).unwrap().value.number().unwrap();
        assert!(
            (explanation.baseline + moved - predicted).abs() < allowed,
            "{explained}"
        );
        assert!(explanation.gap.abs() < allowed);
        // In the units of the table, whatever the preprocessor makes of them.
        let tempo = explanation
            .attributions
            .iter()
            .find(|one| one.source == "tempo")
            .unwrap();
        assert_eq!(tempo.raw, Raw::Number(120.0));
        assert_eq!(explanation.attributions.len(), bundle.manifest().inputs.len());
    }
}

#[test]
fn a_row_of_a_table_is_explained_as_the_same_row_by_hand() {
    let usual = table(200);
    let of_table = TOY.explain_table_row(&usual, 3, &quick()).unwrap();
    let by_hand = row().into_keys().map(|name| {
        let value = usual.numbers(&name).unwrap()[3];
        (name, RowValue::Number(value))
    });
    let by_hand = TOY.explain_row(&by_hand.collect(), &usual, &quick()).unwrap();
    assert_eq!(of_table, by_hand);
    assert!(matches!(
        TOY.explain_table_row(&usual, usual.n_rows(), &quick()),
        Err(PipelineError::Row(_))
    ));
}

#[test]
fn what_lies_beyond_the_training_rows_is_noted() {
    let mut fast = row();
    fast.insert("tempo".to_owned(), RowValue::Number(299.0));
    let explained = TOY.explain_row(&fast, &table(50), &quick()).unwrap();
    assert!(
        explained
            .prediction
            .notes
            .iter()
            .any(|note| note.contains("tempo is 299")),
        "{explained}"
    );
}

#[test]
fn what_matters_is_ranked_and_does_not_depend_on_chance_alone() {
    let rows = table(300);
    let importances = TOY.importances(&rows, &quick()).unwrap();
    assert_eq!(importances, TOY.importances(&rows, &quick()).unwrap());
    let means: Vec<f64> = importances
        .inputs
        .iter()
        .map(|input| input.permutation.mean)
        .collect();
    assert!(means.is_sorted_by(|a, b| a >= b));
    assert!(means[0] > 0.0);
    assert_eq!(importances.inputs.len(), TOY.manifest().inputs.len());
    assert!(importances.agreement.is_some());
    assert!(
        importances.warnings[0].contains("learned from"),
        "{:?}",
        importances.warnings
    );
    let shown = importances.to_string();
    assert!(
        shown.contains("worse by") && shown.contains("Spearman"),
        "{shown}"
    );
}

#[test]
fn bad_input_is_an_error_that_says_what_to_do() {
    let rows = table(50);
    let none = TOY.importances(&rows.take(&[]), &quick()).unwrap_err();
    assert!(none.to_string().contains("every input"), "{none}");
    let repeats = ExplainSettings {
        repeats: 0,
        ..quick()
    };
    let error = TOY.importances(&rows, &repeats).unwrap_err();
    assert!(error.to_string().contains("repeats is 0"), "{error}");
    let background = ExplainSettings {
        background: 0,
        ..quick()
    };
    let error = TOY.explain_row(&row(), &rows, &background).unwrap_err();
    assert!(error.to_string().contains("background is 0"), "{error}");
    let mut lacking = row();
    lacking.remove("tempo");
    assert!(TOY.explain_row(&lacking, &rows, &quick()).is_err());
    let without = rows.select(rows.names().filter(|name| *name != "tempo")).unwrap();
    assert!(TOY.importances(&without, &quick()).is_err());
}
