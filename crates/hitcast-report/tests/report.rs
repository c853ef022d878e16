//! Reports of runs and files, as a person opens them.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::{Path, PathBuf};

use hitcast_classical::{LogisticModel, LogisticRegression, RandomForest, TreeModel};
use hitcast_core::testing::report_skipped;
use hitcast_core::{BoxError, DeviceChoice, Estimator, Model, ModelState, StopSignal};
use hitcast_data::{CsvReader, DATA_VARIABLE};
use hitcast_pipeline::{
    Bundle, Existing, Experiment, ExplainSettings, ModelKind, Registry, RunContext, parse_settings,
};
use hitcast_report::{Block, Report, ReportError, Section};

struct Forest;
struct Logistic;

type Built = Result<Box<dyn Estimator>, BoxError>;
type Loaded = Result<Box<dyn Model>, BoxError>;

impl ModelKind for Forest {
    fn name(&self) -> &'static str {
        RandomForest::KIND
    }

    fn estimator(&self, settings: &serde_json::Value) -> Built {
        Ok(Box::new(parse_settings::<RandomForest>(settings)?))
    }

    fn load(&self, state: &ModelState, _: DeviceChoice) -> Loaded {
        Ok(Box::new(TreeModel::from_state(state)?))
    }
}

impl ModelKind for Logistic {
    fn name(&self) -> &'static str {
        LogisticModel::KIND
    }

    fn estimator(&self, settings: &serde_json::Value) -> Built {
        Ok(Box::new(parse_settings::<LogisticRegression>(settings)?))
    }

    fn load(&self, state: &ModelState, _: DeviceChoice) -> Loaded {
        Ok(Box::new(LogisticModel::from_state(state)?))
    }
}

fn registry() -> Registry {
    Registry::new().with(Forest).with(Logistic)
}

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/spotify_features.csv")
}

fn run(more: &str, model: &str, folder: &Path) -> PathBuf {
    let toml = format!(
        "name = \"<small>\"\nreferences = []\ndata = {{ target = \"popularity\", features = [\"energy\", \"loudness\", \
         \"genre\"], by = [\"genre\"]{more} }}\ncleaning.steps = [{{ step = \"drop_missing\", columns = [\"popularity\", \
         \"energy\", \"loudness\", \"genre\"] }}]\nrecipe.columns = [{{ names = [\"energy\", \"loudness\"] }}, {{ names = \
         [\"genre\"], encode = {{ kind = \"one_hot\" }} }}]\n\n{model}"
    );
    let experiment = Experiment::from_toml(&toml).unwrap().with_data(fixture());
    let stop = StopSignal::new();
    let run = experiment.run(&registry(), &RunContext::quiet(&stop)).unwrap();
    let out = folder.join("run");
    run.save(&out, Existing::Refuse).unwrap();
    out
}

fn names(report: &Report) -> Vec<&str> {
    report
        .sections
        .iter()
        .flat_map(Section::figures)
        .map(|(name, _)| name)
        .collect()
}

const FOREST: &str = "[[models]]\nname = \"forest\"\nkind = \"random_forest\"\nsettings = { n_estimators = 5, max_depth = 6 }\n";

#[test]
fn a_run_of_numbers_becomes_a_page_with_its_figures_beside_it() {
    let home = tempfile::tempdir().unwrap();
    let out = run("", FOREST, home.path());
    let report = Report::of_run(&out, None, &registry()).unwrap();
    let names = names(&report);
    for name in [
        "distribution",
        "correlation",
        "by_genre",
        "models",
        "predicted_against_actual",
        "residuals",
        "error_by_genre",
        "importance",
        "attributions",
        "dependence_energy",
        "effects_energy",
        "one_prediction",
    ] {
        assert!(names.contains(&name), "{name} is not among {names:?}");
    }
    // Of both numbers together, in the order of what they matter.
    let both = ["dependence_energy_loudness", "dependence_loudness_energy"];
    assert!(both.iter().any(|name| names.contains(name)), "{names:?}");
    let page = report.to_html();
    assert!(page.contains("decrease of impurity") && page.contains("Spearman"));
    // Self-contained, and no text of the user becomes markup.
    assert!(
        !page.contains("src=") && !page.contains("href=\"http") && !page.contains("<small>"),
        "a page of its own"
    );
    assert!(page.contains("&lt;small&gt;"));
    let target = home.path().join("report");
    report.write(&target, Existing::Refuse).unwrap();
    for name in names {
        for extension in ["svg", "png", "csv"] {
            assert!(
                target
                    .join("figures")
                    .join(format!("{name}.{extension}"))
                    .is_file(),
                "{name}.{extension}"
            );
        }
    }
    assert!(report.write(&target, Existing::Refuse).is_err());
    report.write(&target, Existing::Replace).unwrap();
    // The same page from the same run.
    assert_eq!(Report::of_run(&out, None, &registry()).unwrap().to_html(), page);
}

#[test]
fn a_run_of_two_classes_has_its_curves() {
    let home = tempfile::tempdir().unwrap();
    let classes = ", classes = { kind = \"threshold\", at_least = 50.0 }";
    let model = "[[models]]\nname = \"logistic\"\nkind = \"logistic\"\nsettings = {}\n";
    let report = Report::of_run(run(classes, model, home.path()), None, &registry()).unwrap();
    let names = names(&report);
    for name in [
        "confusion",
        "roc",
        "precision_recall",
        "reliability",
        "importance",
        "attributions",
        "one_prediction",
    ] {
        assert!(names.contains(&name), "{name} is not among {names:?}");
    }
}

#[test]
fn a_bundle_and_one_of_its_predictions_have_pages_of_their_own() {
    let home = tempfile::tempdir().unwrap();
    let out = run("", FOREST, home.path());
    let bundle = Bundle::load(out.join("bundle"), &registry(), DeviceChoice::Cpu).unwrap();
    let table = CsvReader::default().read(fixture()).unwrap().table;
    let explainer = bundle.explainer(&table, &ExplainSettings::default()).unwrap();
    let importances = explainer.importances().unwrap();
    let report = Report::of_importances(&explainer, &importances).unwrap();
    let figures = names(&report);
    assert!(
        figures.contains(&"importance") && figures.contains(&"dependence_energy"),
        "{figures:?}"
    );
    // Of rows that it learned from, which the page says.
    let page = report.to_html();
    assert!(page.contains("were learned from"));
    assert!(
        page.contains(&format!("moves the {} by", importances.explained)),
        "{page}"
    );

    let place = explainer.rows().rows[0];
    let explained = explainer.explain_table_row(place).unwrap();
    let wish = bundle.wish("99").unwrap();
    let wanted = explainer
        .counterfactual_of_table_row(place, &wish, &["energy"])
        .unwrap();
    let report = Report::of_prediction(&bundle, &explained, Some(&wanted));
    assert_eq!(names(&report), ["one_prediction"]);
    let page = report.to_html();
    assert!(
        page.contains("not accounted for") && page.contains("wanted at least 99"),
        "{page}"
    );
    report.write(home.path().join("one"), Existing::Refuse).unwrap();
}

/// Of the complete `SpotifyFeatures.csv`, of which the file with 9,993 rows is a uniform sample.
#[test]
fn the_heatmap_of_a_real_file_shows_the_correlations_that_are_known_of_it() {
    const FILE: &str = "SpotifyFeatures_sample.csv";
    let path = std::env::var_os(DATA_VARIABLE).map(|folder| PathBuf::from(folder).join(FILE));
    let Some(path) = path.filter(|path| path.is_file()) else {
        report_skipped(&format!("{DATA_VARIABLE} names no folder with {FILE}"));
        return;
    };
    let report = Report::of_data(path, None).unwrap();
    let mut figures = report.sections.iter().flat_map(Section::figures);
    let (_, heatmap) = figures.find(|(name, _)| *name == "correlation").unwrap();
    let facts = [
        ("popularity", "loudness", 0.36),
        ("popularity", "danceability", 0.26),
        ("popularity", "acousticness", -0.38),
        ("popularity", "energy", 0.25),
        ("popularity", "instrumentalness", -0.21),
        ("popularity", "speechiness", -0.15),
        ("energy", "loudness", 0.82),
        ("acousticness", "energy", -0.73),
        ("danceability", "valence", 0.55),
    ];
    for (row, column, expected) in facts {
        let line = heatmap
            .data()
            .lines()
            .find(|line| line.starts_with(&format!("{row},{column},")));
        let got: f64 = line.unwrap().rsplit(',').next().unwrap().parse().unwrap();
        // Three standard errors at most, and what two digits leave out.
        let allowed = 3.0 / 9_993_f64.sqrt() + 0.005;
        assert!(
            (got - expected).abs() < allowed,
            "{row} with {column}: {got}, not {expected}"
        );
    }
}

#[test]
fn without_its_file_a_run_still_has_a_page_that_says_so() {
    let home = tempfile::tempdir().unwrap();
    let out = run("", FOREST, home.path());
    let path = out.join("run.json");
    let text = std::fs::read_to_string(&path).unwrap();
    let moved = text.replace("spotify_features.csv", "moved_elsewhere.csv");
    std::fs::write(&path, moved).unwrap();
    let report = Report::of_run(&out, None, &registry()).unwrap();
    let says = |section: &Section| {
        section
            .blocks
            .iter()
            .any(|block| matches!(block, Block::Note(note) if note.contains("--data")))
    };
    assert!(report.sections.iter().any(says));
    assert!(!names(&report).contains(&"distribution"));
    let named = Report::of_run(&out, Some(&fixture()), &registry()).unwrap();
    assert!(names(&named).contains(&"distribution"));
}

#[test]
fn a_file_of_rows_has_a_page_too() {
    let report = Report::of_data(fixture(), None).unwrap();
    let names = names(&report);
    assert!(
        names.contains(&"distribution") && names.contains(&"words_of_hits"),
        "{names:?}"
    );
    let other = Report::of_data(fixture(), Some("energy")).unwrap();
    assert!(other.to_html().contains("Distribution of energy"));
}

#[test]
fn what_is_no_run_is_an_error_that_says_what_one_is() {
    let home = tempfile::tempdir().unwrap();
    let none = Report::of_run(home.path(), None, &registry()).unwrap_err();
    assert!(matches!(none, ReportError::NoRun { .. }), "{none}");
    std::fs::write(home.path().join("run.json"), "{}").unwrap();
    let damaged = Report::of_run(home.path(), None, &registry()).unwrap_err();
    assert!(damaged.to_string().contains("run.json"), "{damaged}");
    let column = Report::of_data(fixture(), Some("populraity")).unwrap_err();
    assert!(column.to_string().contains("popularity"), "{column}");
}
