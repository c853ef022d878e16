//! What bundles say about themselves.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;
use std::sync::LazyLock;

use super::common::{SMOOTH, experiment, row, run, tracks_file};
use hitcast_classical::{RandomForest, TreeModel};
use hitcast_core::{BoxError, DeviceChoice, Estimator, Model, ModelState, StopSignal};
use hitcast_data::{CsvReader, Table};
use hitcast_explain::Raw;
use hitcast_pipeline::{
    AttributionMethod, Bundle, Counterfactual, ExplainSettings, ModelKind, PipelineError, Registry, RowValue,
    RunContext, Wish, parse_settings,
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

static SMOOTH_TOY: LazyLock<Bundle> = LazyLock::new(|| {
    let home = tempfile::tempdir().unwrap();
    let mut experiment = experiment(tracks_file(home.path(), 300));
    experiment
        .models
        .iter_mut()
        .for_each(|model| model.kind = SMOOTH.to_owned());
    run(&experiment).into_bundle()
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
        (&*TOY, AttributionMethod::Exact, 1e-4),
        (&forest(), AttributionMethod::Model, 1e-6),
        (&*SMOOTH_TOY, AttributionMethod::ExpectedGradients, 1e-3),
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
    assert!(
        !shown.contains("impurity") && !shown.contains("gradient"),
        "{shown}"
    );
}

#[test]
fn what_the_model_knows_of_its_inputs_stands_beside_it() {
    let rows = table(300);
    let of_forest = forest().importances(&rows, &quick()).unwrap();
    let learned: Vec<f64> = of_forest
        .inputs
        .iter()
        .map(|input| input.learned.unwrap())
        .collect();
    assert!((learned.iter().sum::<f64>() - 1.0).abs() < 1e-9, "{learned:?}");
    assert!(of_forest.inputs.iter().all(|input| input.gradient.is_none()));
    let methods =
        |importances: &hitcast_pipeline::BundleImportances| importances.agreement.clone().unwrap().methods;
    assert_eq!(
        methods(&of_forest),
        ["permutation", "Shapley", "impurity", "correlation"]
    );
    assert!(of_forest.to_string().contains("impurity"), "{of_forest}");
    // Of a line the gradient importance is the weight times the spread: the same order as by its parts.
    let of_toy = SMOOTH_TOY.importances(&rows, &quick()).unwrap();
    assert_eq!(of_toy.method, AttributionMethod::ExpectedGradients);
    assert_eq!(
        methods(&of_toy),
        ["permutation", "expected", "gradient", "correlation"]
    );
    let most = of_toy
        .inputs
        .iter()
        .max_by(|a, b| a.gradient.partial_cmp(&b.gradient).unwrap())
        .unwrap();
    assert_eq!(most.permutation.source, of_toy.inputs[0].permutation.source);
    let shown = of_toy.to_string();
    let target = SMOOTH_TOY.describe_output(SMOOTH_TOY.output());
    assert_eq!(
        (&of_toy.explained, of_toy.differentiated.as_ref()),
        (&target, Some(&target))
    );
    assert!(
        shown.contains(&format!("one standard deviation of it moves the {target}")),
        "{shown}"
    );
    // What is not known of an input is no reason to leave others out.
    let mut partly = of_toy.clone();
    partly.inputs[0].gradient = None;
    let lines: Vec<String> = partly.to_string().lines().map(str::to_owned).collect();
    let first = lines
        .iter()
        .find(|line| line.contains(&partly.inputs[0].permutation.source));
    assert!(first.unwrap().contains(" - "), "{partly}");
}

#[test]
fn the_method_can_be_chosen_as_far_as_the_model_allows() {
    let usual = table(200);
    let by = |bundle: &Bundle, method| {
        let settings = ExplainSettings {
            method: Some(method),
            background: 60,
            ..quick()
        };
        bundle.explain_row(&row(), &usual, &settings)
    };
    // All agree on a line.
    let exact = by(&SMOOTH_TOY, AttributionMethod::Exact).unwrap();
    for method in [
        AttributionMethod::Sampled,
        AttributionMethod::ExpectedGradients,
        AttributionMethod::IntegratedGradients,
    ] {
        let other = by(&SMOOTH_TOY, method).unwrap();
        assert_eq!(other.method, method);
        let both = exact
            .explanation
            .attributions
            .iter()
            .zip(&other.explanation.attributions);
        for (exact, other) in both {
            // They draw their own background rows, or take all.
            assert!(
                (exact.value - other.value).abs() < 1.5,
                "{method}: {exact:?} {other:?}"
            );
        }
        assert!(other.to_string().contains(method.describe()), "{other}");
        assert_eq!(method.to_string().parse::<AttributionMethod>().unwrap(), method);
    }
    let forest = forest();
    assert_eq!(
        by(&forest, AttributionMethod::Sampled).unwrap().method,
        AttributionMethod::Sampled
    );
    let error = by(&forest, AttributionMethod::ExpectedGradients).unwrap_err();
    assert!(
        error.to_string().contains("no gradients") && error.to_string().contains("sampled"),
        "{error}"
    );
    let error = by(&TOY, AttributionMethod::Model).unwrap_err();
    assert!(error.to_string().contains("of its own"), "{error}");
    let error = "expected".parse::<AttributionMethod>().unwrap_err();
    assert!(error.to_string().contains("expected_gradients"), "{error}");
}

/// The row with the changes of a counterfactual, as a person would give it who reads what is printed.
fn changed(found: &Counterfactual) -> BTreeMap<String, RowValue> {
    let (mut row, text) = (row(), found.to_string());
    for change in &found.changes {
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(&format!("  {} ", change.column)));
        let (_, to) = line.unwrap().split_once(" → ").unwrap();
        let value = RowValue::Number(to.split(' ').next().unwrap().parse().unwrap());
        let derived = change.column == "duration_min";
        if derived {
            row.remove("duration_ms");
        }
        row.insert(change.column.clone(), value);
    }
    row
}

#[test]
fn a_counterfactual_reaches_what_is_wanted_and_stays_in_its_ranges() {
    let usual = table(200);
    let forest = forest();
    let any: [&str; 0] = [];
    for bundle in [&*TOY, &forest] {
        let now = bundle.predict_row(&row()).unwrap().value.number().unwrap();
        for want in [now + 4.0, now - 4.0] {
            let wish = Wish::Number { value: want };
            for allow in [&any[..], &["energy", "danceability", "loudness"]] {
                let found = bundle.counterfactual(&row(), &usual, &wish, allow).unwrap();
                assert!(found.reached && !found.changes.is_empty(), "{found}");
                let after = bundle.predict_row(&changed(&found)).unwrap();
                assert_eq!(after.value, found.after.value, "{found}");
                let after = after.value.number().unwrap();
                let side = if want > now { "at least" } else { "at most" };
                assert!(
                    found.to_string().contains(&format!("wanted {side} {want}")),
                    "{found}"
                );
                assert!(
                    if want > now { after >= want } else { after <= want },
                    "{after} {want}"
                );
                assert_eq!(found.before.value.number(), Some(now));
                for change in &found.changes {
                    assert!(
                        allow.is_empty() || allow.contains(&change.column.as_str()),
                        "{found}"
                    );
                    let input = bundle
                        .manifest()
                        .inputs
                        .iter()
                        .find(|input| input.column == change.column);
                    let Raw::Number(to) = change.to else {
                        panic!("{found}");
                    };
                    assert!(input.unwrap().training.unwrap().contains(to), "{found}");
                    assert!(change.distance > 0.0);
                }
                let sum: f64 = found.changes.iter().map(|change| change.distance).sum();
                assert!((sum - found.distance).abs() < 1e-9);
                // A smaller change than moving one column all the way.
                assert!(found.distance < 8.0, "{found}");
                // And the same each time.
                assert_eq!(
                    found,
                    bundle.counterfactual(&row(), &usual, &wish, allow).unwrap()
                );
            }
        }
    }
}

#[test]
fn a_wish_out_of_reach_says_the_nearest() {
    let usual = table(200);
    let far = Wish::Number { value: 1e6 };
    let all: [&str; 0] = [];
    let most = TOY.counterfactual(&row(), &usual, &far, &all).unwrap();
    let one = TOY.counterfactual(&row(), &usual, &far, &["tempo"]).unwrap();
    let of = |found: &Counterfactual| found.after.value.number().unwrap();
    for found in [&most, &one] {
        assert!(!found.reached);
        assert!(
            found.to_string().contains("Not reached") || found.changes.is_empty(),
            "{found}"
        );
        assert!(of(found) >= found.before.value.number().unwrap());
        assert_eq!(TOY.predict_row(&changed(found)).unwrap().value, found.after.value);
    }
    assert!(of(&most) > of(&one));
    // Of a line the nearest is a corner of the ranges: nothing reaches further.
    let inputs = &TOY.manifest().inputs;
    let ends = |high: bool| -> Vec<f64> {
        inputs
            .iter()
            .map(|input| {
                input
                    .training
                    .map(|range| if high { range.max } else { range.min })
                    .unwrap()
            })
            .collect()
    };
    let (low, high) = (ends(false), ends(true));
    let best = (0..1 << inputs.len()).map(|corner: usize| {
        let numbers: Vec<f64> = (0..inputs.len())
            .map(|input| {
                if (corner >> input) & 1 == 1 {
                    high[input]
                } else {
                    low[input]
                }
            })
            .collect();
        TOY.predict_numbers(&numbers).unwrap()
    });
    let best = best.fold(f64::NEG_INFINITY, f64::max);
    assert!((of(&most) - best).abs() < 0.02, "{} {best}", of(&most));
    // What is so already needs no change.
    let now = TOY.predict_row(&row()).unwrap().value.number().unwrap();
    let same = TOY
        .counterfactual(&row(), &usual, &Wish::Number { value: now }, &all)
        .unwrap();
    assert!(same.reached && same.changes.is_empty());
    assert!(same.to_string().contains("so already"), "{same}");
}

#[test]
fn a_wish_with_a_side_is_fulfilled_by_all_that_lies_there() {
    let usual = table(200);
    let now = TOY.predict_row(&row()).unwrap().value.number().unwrap();
    let all: [&str; 0] = [];
    let of = |wish: Wish| TOY.counterfactual(&row(), &usual, &wish, &all).unwrap();
    for wish in [
        Wish::AtLeast { value: now - 3.0 },
        Wish::AtMost { value: now + 3.0 },
    ] {
        let found = of(wish.clone());
        assert!(found.reached && found.changes.is_empty(), "{found}");
        assert_eq!(found.wish, wish);
    }
    let other = of(Wish::AtMost { value: now - 3.0 });
    assert!(other.after.value.number().unwrap() <= now - 3.0, "{other}");
    // The same as without a side.
    assert_eq!(other, of(Wish::Number { value: now - 3.0 }));
}

#[test]
fn a_wish_that_is_none_is_an_error() {
    let usual = table(100);
    let all: [&str; 0] = [];
    let refused = |wish: &Wish, allow: &[&str]| {
        TOY.counterfactual(&row(), &usual, wish, allow)
            .unwrap_err()
            .to_string()
    };
    let more = Wish::Number { value: 50.0 };
    assert!(
        refused(&more, &["enrgy"]).contains("did you mean \"energy\""),
        "{}",
        refused(&more, &["enrgy"])
    );
    assert!(refused(&Wish::Number { value: f64::NAN }, &all).contains("finite"));
    assert!(
        refused(
            &Wish::Class {
                name: "hit".to_owned()
            },
            &all
        )
        .contains("a number is predicted")
    );
    assert!(
        refused(&more, &["duration_m"]).contains("did you mean \"duration_m"),
        "{}",
        refused(&more, &["duration_m"])
    );
    assert!(
        refused(&more, &["duration_mss"]).contains("did you mean \"duration_ms\""),
        "{}",
        refused(&more, &["duration_mss"])
    );
    assert_eq!(TOY.wish(" 50 ").unwrap(), more);
    assert_eq!(TOY.wish(">=50").unwrap(), Wish::AtLeast { value: 50.0 });
    assert_eq!(TOY.wish("<= 50.5").unwrap(), Wish::AtMost { value: 50.5 });
    assert!(TOY.wish(">50").unwrap_err().to_string().contains(">=70"));
    assert!(
        TOY.wish("hit")
            .unwrap_err()
            .to_string()
            .contains("a number is predicted")
    );
    let alike = usual.take(&[0, 0, 0]);
    let error = TOY
        .counterfactual(&row(), &alike, &more, &["energy"])
        .unwrap_err();
    assert!(error.to_string().contains("the same in all rows"), "{error}");
    // Under the name of the column that an input is derived from, too.
    let found = TOY
        .counterfactual(&row(), &usual, &more, &["duration_ms"])
        .unwrap();
    assert!(
        found.changes.iter().all(|change| change.column == "duration_min"),
        "{found}"
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
