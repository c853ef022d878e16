//! Models that predict together.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hitcast_core::parallel::available_threads;
use hitcast_core::{
    BoxError, CoreError, Dataset, DeviceChoice, Estimator, Fit, FitContext, Model, ModelState, Seed,
    StopSignal,
};
use hitcast_pipeline::{Experiment, Metrics, ModelKind, ModelSpec, Registry, RunContext};
use hitcast_tune::{Combine, EnsembleKind, EnsembleSettings, Keep};
use serde_json::Value;

use super::common::{experiment, registry, table};

fn members(names: &[(&str, &str)]) -> Vec<ModelSpec> {
    names
        .iter()
        .map(|(name, kind)| ModelSpec::new(*name, *kind))
        .collect()
}

fn numbers() -> Vec<ModelSpec> {
    members(&[
        ("ridge", "ridge"),
        ("neighbours", "neighbors"),
        ("forest", "random_forest"),
    ])
}

fn ways() -> Vec<(Combine, Keep)> {
    let combine = [
        Combine::Average,
        Combine::Greedy { rounds: 20 },
        Combine::Stacking { model: None },
    ];
    let each = |keep| combine.clone().map(|combine| (combine, keep));
    each(Keep::AllRows).into_iter().chain(each(Keep::Folds)).collect()
}

fn experiment_of(target: &str, settings: EnsembleSettings) -> Experiment {
    let mut experiment = experiment(target, "models = [{ name = \"together\", kind = \"ensemble\" }]");
    experiment.models = settings.members.clone();
    experiment.models.push(settings.into_spec("together"));
    experiment.metrics.bootstrap.resamples = 20;
    experiment
}

#[test]
fn ensembles_are_saved_and_predict_the_same_again() {
    let stop = StopSignal::new();
    let registry = registry().with(EnsembleKind::new(registry()));
    let classes = members(&[("logistic", "logistic"), ("neighbours", "neighbors")]);
    for (target, members) in [("y", numbers()), ("c", classes)] {
        for (combine, keep) in ways() {
            let settings = EnsembleSettings {
                combine: combine.clone(),
                keep,
                folds: 3,
                seeds: 2,
                ..EnsembleSettings::new(members.clone())
            };
            let rows = table(160, 3);
            let mut experiment = experiment_of(target, settings);
            experiment.models.drain(..members.len());
            let context = RunContext::quiet(&stop);
            let run = experiment
                .run_on(rows.clone(), None, &registry, &context)
                .unwrap();
            let home = tempfile::tempdir().unwrap();
            let path = home.path().join("bundle");
            run.bundle()
                .save(&path, hitcast_pipeline::Existing::Refuse)
                .unwrap();
            let loaded = hitcast_pipeline::Bundle::load(&path, &registry, DeviceChoice::Cpu).unwrap();
            let [one, two] =
                [run.bundle(), &loaded].map(|bundle| bundle.predict_table(&rows).unwrap().values);
            assert_eq!(one, two, "{combine:?} {keep:?}");
            // Without a kind of its members it says so.
            let error = hitcast_pipeline::Bundle::load(
                &path,
                &Registry::new().with(EnsembleKind::new(Registry::new())),
                DeviceChoice::Cpu,
            );
            assert!(
                error.unwrap_err().to_string().contains("no kind of model"),
                "{combine:?}"
            );
        }
    }
}

#[test]
fn together_they_are_better_than_the_best_alone() {
    let stop = StopSignal::new();
    let registry = registry().with(EnsembleKind::new(registry()));
    for combine in [Combine::default(), Combine::Stacking { model: None }] {
        let settings = EnsembleSettings {
            combine,
            ..EnsembleSettings::new(numbers())
        };
        let run = experiment_of("y", settings)
            .run_on(table(700, 4), None, &registry, &RunContext::quiet(&stop))
            .unwrap();
        let rmse = |metrics: &Metrics| metrics.regression().unwrap().rmse;
        let of = |name: &str| {
            let model = run.report.models.iter().find(|model| model.name == name).unwrap();
            rmse(&model.metrics.test)
        };
        let alone = ["ridge", "neighbours", "forest"]
            .map(of)
            .into_iter()
            .reduce(f64::min)
            .unwrap();
        assert!(of("together") < alone, "{} {alone}", of("together"));
    }
}

#[test]
fn members_that_cannot_be_combined_are_refused() {
    let kind = EnsembleKind::new(registry());
    let check = |settings: Value| kind.estimator(&settings).err().unwrap().to_string();
    let member = serde_json::json!({ "name": "a", "kind": "ridge" });
    assert!(check(serde_json::json!({ "members": [] })).contains("no members"));
    assert!(check(serde_json::json!({})).contains("members"));
    assert!(
        check(serde_json::json!({ "members": [member, member] })).contains("two members are called \"a\"")
    );
    assert!(check(serde_json::json!({ "members": [member], "folds": 1 })).contains("folds is 1"));
    assert!(check(serde_json::json!({ "members": [member], "seeds": 0 })).contains("seeds is 0"));
    assert!(
        check(serde_json::json!({ "members": [member], "kep": "folds" })).contains("did you mean \"keep\"?")
    );
    let unknown = serde_json::json!({ "name": "b", "kind": "rige" });
    assert!(check(serde_json::json!({ "members": [unknown] })).contains("did you mean \"ridge\"?"));
}

type Watch<T> = fn(Arc<T>, Box<dyn Estimator>) -> Box<dyn Estimator>;

/// A ridge behind an estimator that tells of its fits.
struct Watched<T> {
    name: &'static str,
    told: Arc<T>,
    watch: Watch<T>,
    ridge: Registry,
}

impl<T: Send + Sync> ModelKind for Watched<T> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn estimator(&self, settings: &Value) -> Result<Box<dyn Estimator>, BoxError> {
        let ridge = self.ridge.get("ridge", self.name)?.estimator(settings)?;
        Ok((self.watch)(self.told.clone(), ridge))
    }

    fn load(&self, state: &ModelState, device: DeviceChoice) -> Result<Box<dyn Model>, BoxError> {
        self.ridge.get("ridge", self.name)?.load(state, device)
    }
}

/// Notes the groups that it is given, to learn from and to stop by.
struct SpyEstimator(Arc<Mutex<Vec<[Vec<usize>; 2]>>>, Box<dyn Estimator>);

impl Estimator for SpyEstimator {
    fn fit(
        &self,
        train: &Dataset,
        validation: Option<&Dataset>,
        context: &FitContext<'_>,
    ) -> Result<Fit, CoreError> {
        let groups = |rows: Option<&Dataset>| rows.and_then(Dataset::groups).unwrap_or_default().to_vec();
        self.0
            .lock()
            .unwrap()
            .push([groups(Some(train)), groups(validation)]);
        self.1.fit(train, validation, context)
    }

    fn uses_validation(&self) -> bool {
        true
    }
}

#[test]
fn rows_of_a_group_stay_together_inside_of_an_ensemble() {
    let stop = StopSignal::new();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let kinds = registry().with(Watched {
        name: "spy",
        told: seen.clone(),
        watch: |told, ridge| Box::new(SpyEstimator(told, ridge)),
        ridge: registry(),
    });
    let settings = EnsembleSettings {
        folds: 4,
        ..EnsembleSettings::new(members(&[("spy", "spy")]))
    };
    let spec = settings.into_spec("together");
    let experiment = experiment("y", "models = [{ name = \"ridge\", kind = \"ridge\" }]")
        .with_grouped_split()
        .unwrap();
    let sample = experiment.sample(table(200, 5), None).unwrap();
    let rows: Vec<usize> = (0..200).collect();
    let prepared = experiment.pipeline(spec.clone()).prepare(&sample, &rows).unwrap();
    let estimator = EnsembleKind::new(kinds).estimator(&spec.settings).unwrap();
    let context = FitContext::quiet("together", Seed::new(1), &stop);
    estimator.fit(prepared.train(), None, &context).unwrap();
    let seen = seen.lock().unwrap();
    assert_eq!(seen.len(), 5);
    for (fit, [train, validation]) in seen.iter().enumerate() {
        assert!(validation.iter().all(|group| !train.contains(group)));
        let n = if fit < 4 { 150 } else { 200 };
        assert_eq!(train.len() + validation.len(), n, "fit {fit}");
        // Whole groups of two.
        let mut all = [&train[..], validation].concat();
        all.sort_unstable();
        assert!(all.chunks_exact(2).all(|pair| pair[0] == pair[1]));
    }
}

/// How many fits go on at the same time: now, and at most.
#[derive(Default)]
struct AtOnce(AtomicUsize, AtomicUsize);

/// Any device but the processor is a GPU for it, and it takes a while.
struct BusyEstimator(Arc<AtOnce>, Box<dyn Estimator>);

impl Estimator for BusyEstimator {
    fn fit(
        &self,
        train: &Dataset,
        validation: Option<&Dataset>,
        context: &FitContext<'_>,
    ) -> Result<Fit, CoreError> {
        let AtOnce(now, most) = &*self.0;
        most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(20));
        now.fetch_sub(1, Ordering::SeqCst);
        self.1.fit(train, validation, context)
    }

    fn prefers_side_by_side(&self, device: DeviceChoice) -> bool {
        device != DeviceChoice::Cpu
    }
}

#[test]
fn members_on_a_gpu_are_fitted_one_after_another_also_where_it_was_found_by_itself() {
    let stop = StopSignal::new();
    let plain = experiment("y", "models = [{ name = \"ridge\", kind = \"ridge\" }]");
    let sample = plain.sample(table(120, 6), None).unwrap();
    let rows: Vec<usize> = (0..120).collect();
    let most = |device: DeviceChoice| {
        let at_once = Arc::new(AtOnce::default());
        let kinds = registry().with(Watched {
            name: "busy",
            told: at_once.clone(),
            watch: |told, ridge| Box::new(BusyEstimator(told, ridge)),
            ridge: registry(),
        });
        let settings = EnsembleSettings {
            seeds: 4,
            ..EnsembleSettings::new(members(&[("a", "busy"), ("b", "busy")]))
        };
        let spec = settings.into_spec("together");
        let prepared = plain.pipeline(spec.clone()).prepare(&sample, &rows).unwrap();
        let estimator = EnsembleKind::new(kinds).estimator(&spec.settings).unwrap();
        let context = FitContext {
            device,
            ..FitContext::quiet("together", Seed::new(1), &stop)
        };
        estimator.fit(prepared.train(), None, &context).unwrap();
        at_once.1.load(Ordering::SeqCst)
    };
    assert_eq!(most(DeviceChoice::Cuda(0)), 1);
    assert_eq!(most(DeviceChoice::Auto), 1);
    assert!(most(DeviceChoice::Cpu) > 1 || available_threads().get() == 1);
}

#[test]
fn a_member_that_fails_is_left_out() {
    let stop = StopSignal::new();
    let kinds = registry();
    let mut all = numbers();
    // More neighbours than there are rows.
    all[1].settings = serde_json::json!({ "n_neighbors": 5000 });
    for (combine, keep) in ways() {
        let settings = EnsembleSettings {
            combine,
            keep,
            folds: 3,
            ..EnsembleSettings::new(all.clone())
        };
        let spec = settings.into_spec("together");
        let plain = experiment("y", "models = [{ name = \"ridge\", kind = \"ridge\" }]");
        let sample = plain.sample(table(120, 6), None).unwrap();
        let rows: Vec<usize> = (0..120).collect();
        let prepared = plain.pipeline(spec.clone()).prepare(&sample, &rows).unwrap();
        let estimator = EnsembleKind::new(kinds.clone())
            .estimator(&spec.settings)
            .unwrap();
        let context = FitContext::quiet("together", Seed::new(1), &stop);
        let fit = estimator.fit(prepared.train(), None, &context).unwrap();
        let text = format!("{:?}", fit.model.state().unwrap().settings);
        assert!(
            !text.contains("neighbors") && text.contains("random_forest"),
            "{text}"
        );
        // A stop in the middle is no ensemble of what was there.
        let stopped = StopSignal::new();
        stopped.request();
        let context = FitContext::quiet("together", Seed::new(1), &stopped);
        let error = estimator.fit(prepared.train(), None, &context).err().unwrap();
        assert!(matches!(error, CoreError::NotBegun(_)), "{error}");
    }
    let only = EnsembleSettings::new([all[1].clone()]).into_spec("together");
    let plain = experiment("y", "models = [{ name = \"ridge\", kind = \"ridge\" }]");
    let sample = plain.sample(table(120, 6), None).unwrap();
    let rows: Vec<usize> = (0..120).collect();
    let prepared = plain.pipeline(only.clone()).prepare(&sample, &rows).unwrap();
    let estimator = EnsembleKind::new(kinds).estimator(&only.settings).unwrap();
    let error = estimator.fit(
        prepared.train(),
        None,
        &FitContext::quiet("together", Seed::new(1), &stop),
    );
    assert!(error.err().unwrap().to_string().contains("none of its members"));
}

#[test]
fn every_way_is_an_experiment_on_disk() {
    for (combine, keep) in ways() {
        let settings = EnsembleSettings {
            combine,
            keep,
            ..EnsembleSettings::new(numbers())
        };
        let experiment = experiment_of("y", settings);
        let text = experiment.to_toml().unwrap();
        assert_eq!(Experiment::from_toml(&text).unwrap(), experiment);
    }
}

#[test]
fn a_saved_ensemble_that_was_changed_is_refused() {
    let stop = StopSignal::new();
    let kind = EnsembleKind::new(registry());
    let spec = EnsembleSettings::new(numbers()).into_spec("together");
    let plain = experiment("y", "models = [{ name = \"ridge\", kind = \"ridge\" }]");
    let sample = plain.sample(table(120, 6), None).unwrap();
    let rows: Vec<usize> = (0..120).collect();
    let prepared = plain.pipeline(spec.clone()).prepare(&sample, &rows).unwrap();
    let estimator = kind.estimator(&spec.settings).unwrap();
    let context = FitContext::quiet("together", Seed::new(1), &stop);
    let state = estimator
        .fit(prepared.train(), None, &context)
        .unwrap()
        .model
        .state()
        .unwrap();
    assert!(kind.load(&state, DeviceChoice::Cpu).is_ok());
    let change = |change: &dyn Fn(&mut ModelState)| {
        let mut changed = state.clone();
        change(&mut changed);
        let loaded = kind.load(&changed, DeviceChoice::Cpu);
        // What is only noticed when it predicts is an error there.
        let refused =
            loaded.and_then(|model| Ok(model.predict(prepared.train().features().matrix().view())?));
        refused.err().map_or_else(String::new, |error| error.to_string())
    };
    let huge = serde_json::json!({ "classification": { "n_classes": usize::MAX } });
    for (what, error) in [
        (
            "weights",
            change(&|state| state.settings["members"][0]["weight"] = (-1.0).into()),
        ),
        (
            "features",
            change(&|state| state.settings["n_features"] = 7.into()),
        ),
        ("task", change(&|state| state.settings["task"] = huge.clone())),
        (
            "fit",
            change(&|state| state.settings["members"][0]["models"] = serde_json::json!([])),
        ),
        (
            "kind",
            change(&|state| state.settings["members"][0]["kind"] = "rige".into()),
        ),
        (
            "tensors",
            change(&|state| {
                state.tensors.insert(
                    "9/0/x".to_owned(),
                    hitcast_core::TensorData::f64_vector(vec![1.0]),
                );
            }),
        ),
    ] {
        assert!(!error.is_empty(), "{what}");
    }
}

#[test]
fn a_sampler_stands_with_the_members() {
    let kinds = registry().with(EnsembleKind::new(registry()));
    let mut spec = EnsembleSettings::new(members(&[("logistic", "logistic")])).into_spec("together");
    spec.sampler = serde_json::from_str("{\"kind\":\"smote\"}").unwrap();
    let error = spec.estimator(&kinds).err().unwrap().to_string();
    assert!(error.contains("sampler: belongs to the members"), "{error}");
}
