//! Spaces are read, checked and put into a pipeline.

use hitcast_core::Seed;
use hitcast_pipeline::Pipeline;
use hitcast_tune::{Assignment, Distribution, SearchSpace};
use proptest::prelude::*;
use serde_json::json;

use super::common::{experiment, registry};

fn pipeline() -> Pipeline {
    let experiment = experiment(
        "y",
        "recipe.columns = [{ names = [\"x\", \"z\"], scale = { kind = \"standard\" } }]\nmodels = [{ name = \"bowl\", kind = \"bowl\" }]",
    );
    experiment.pipeline(experiment.models[0].clone())
}

const SPACE: &str = r#"
"settings.a" = { kind = "uniform", low = -1.0, high = 2.0 }
"settings.b" = { kind = "integer", low = 0, high = 100, step = 20 }
"settings.shape" = { kind = "choice", values = ["round", "flat"] }
"settings.degree" = { kind = "integer", low = 2, high = 4, when = { "settings.shape" = ["flat"] } }
"settings.epochs" = { kind = "choice", values = [3], unset = true }
"recipe.columns.0.scale" = { kind = "choice", values = [{ kind = "standard" }, { kind = "robust" }] }
"#;

fn space() -> SearchSpace {
    toml::from_str(SPACE).unwrap()
}

#[test]
fn values_stand_where_their_paths_say() {
    let space = space();
    space.check(&pipeline(), &registry()).unwrap();
    assert_eq!(
        serde_json::from_value::<SearchSpace>(serde_json::to_value(&space).unwrap()).unwrap(),
        space
    );
    let mut random = Seed::new(1).stream("values");
    let (mut flat, mut unset, mut robust) = (0, 0, 0);
    for _ in 0..300 {
        let values = space.sample(&mut random).unwrap();
        let is_flat = values["settings.shape"] == "flat";
        assert_eq!(values.contains_key("settings.degree"), is_flat);
        let pipeline = space.apply(&pipeline(), &values).unwrap();
        let settings = &pipeline.model.settings;
        assert_eq!(settings.get("degree").is_some(), is_flat);
        assert_eq!(
            settings.get("epochs").is_none(),
            values["settings.epochs"].is_null()
        );
        let b = settings["b"].as_i64().unwrap();
        assert!((0..=100).contains(&b) && b % 20 == 0);
        assert!((-1.0..=2.0).contains(&settings["a"].as_f64().unwrap()));
        flat += usize::from(is_flat);
        unset += usize::from(settings.get("epochs").is_none());
        robust += usize::from(format!("{:?}", pipeline.recipe).contains("Robust"));
    }
    for count in [flat, unset, robust] {
        assert!((110..190).contains(&count), "{count} of 300");
    }
}

fn refused(space: &SearchSpace) -> String {
    space.check(&pipeline(), &registry()).unwrap_err().to_string()
}

#[test]
fn what_cannot_be_searched_is_named() {
    let with = |path: &str, distribution| SearchSpace::new().with(path, distribution);
    let uniform = |low, high| Distribution::Uniform { low, high };
    for (space, parts) in [
        (
            with("settings.degre", uniform(1.0, 2.0)),
            vec!["settings.degre", "did you mean \"degree\"?"],
        ),
        (
            with("setings.a", uniform(1.0, 2.0)),
            vec!["setings.a", "did you mean \"settings\"?"],
        ),
        (
            with("settings.a", uniform(2.0, 1.0)),
            vec!["settings.a", "from 2 to 1 is empty"],
        ),
        (with("settings.a", uniform(2.0, f64::NAN)), vec!["finite"]),
        (
            with("settings.a", Distribution::LogUniform { low: 0.0, high: 1.0 }),
            vec!["above 0"],
        ),
        (
            with(
                "settings.b",
                Distribution::Integer {
                    low: 1,
                    high: 2,
                    step: 0,
                },
            ),
            vec!["step is 0"],
        ),
        (
            with("settings.b", Distribution::choice::<i64>([])),
            vec!["no values"],
        ),
        (
            with("settings.b", Distribution::choice(["many"])),
            vec!["settings.b", "many"],
        ),
        (
            with("recipe.columns.3.scale.kind", Distribution::choice(["robust"])),
            vec!["no item of a list of 1"],
        ),
        (
            with("recipe.columns.0.scale.kind", Distribution::choice(["robst"])),
            vec!["recipe.columns.0.scale.kind"],
        ),
        (
            with("kind", Distribution::choice(["bwl"])),
            vec!["did you mean \"bowl\"?"],
        ),
        (
            SearchSpace::new().with_when("settings.a", uniform(0.0, 1.0), "settings.shpe", [json!("flat")]),
            vec!["depends on \"settings.shpe\"", "no parameter"],
        ),
        (
            SearchSpace::new()
                .with_when("settings.a", uniform(0.0, 1.0), "settings.b", [json!(1)])
                .with_when("settings.b", Distribution::choice([1]), "settings.a", [json!(1)]),
            vec!["depends on itself"],
        ),
    ] {
        let message = refused(&space);
        for part in parts {
            assert!(message.contains(part), "{part:?} is not in {message:?}");
        }
    }
    for text in [
        "a = { kind = \"uniform\", low = 1.0 }",
        "a = { kind = \"uniform\", low = 1, high = 2, hihg = 3 }",
    ] {
        assert!(toml::from_str::<SearchSpace>(text).is_err(), "{text}");
    }
}

#[test]
fn built_in_spaces_suit_their_kinds() {
    let pipeline = |kind: &str| {
        let experiment = experiment("y", &format!("models = [{{ name = \"m\", kind = {kind:?} }}]"));
        experiment.pipeline(experiment.models[0].clone())
    };
    for kind in ["ridge", "neighbors", "random_forest", "logistic"] {
        SearchSpace::builtin(kind)
            .unwrap()
            .check(&pipeline(kind), &registry())
            .unwrap();
    }
    assert!(SearchSpace::builtin("bowl").is_none());
}

proptest! {
    #[test]
    fn every_draw_of_a_space_is_in_its_bounds_and_applies(seed: u64) {
        let space = space();
        let values: Assignment = space.sample(&mut Seed::new(seed).stream("values")).unwrap();
        prop_assert!(space.apply(&pipeline(), &values).is_ok());
    }
}
