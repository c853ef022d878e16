//! Searches find what is best, the same whatever the threads, and go on after they were cut off.

use std::fs;
use std::path::Path;
use std::sync::Mutex;

use hitcast_core::{DeviceChoice, Event, Progress, Seed, StopSignal};
use hitcast_data::Column;
use hitcast_pipeline::{Experiment, Pipeline, RunContext, Sample};
use hitcast_tune::{
    Distribution, Found, Method, Pruner, Search, SearchSpace, SearchTask, Tpe, Trial, TrialState, TuneError,
};

use super::common::{SECONDS_BESIDE, context, experiment, line, registry, table};

fn bowl(settings: &str) -> Experiment {
    experiment(
        "y",
        &format!("models = [{{ name = \"bowl\", kind = \"bowl\", settings = {{ {settings} }} }}]"),
    )
}

fn space() -> SearchSpace {
    SearchSpace::new()
        .with("settings.a", Distribution::Uniform { low: -1.0, high: 2.0 })
        .with(
            "settings.b",
            Distribution::Integer {
                low: 0,
                high: 100,
                step: 1,
            },
        )
}

fn task<'a>(
    sample: &'a Sample<'a>,
    rows: &'a [usize],
    pipeline: &'a Pipeline,
    space: &'a SearchSpace,
) -> SearchTask<'a> {
    SearchTask {
        sample,
        rows,
        pipeline,
        space,
    }
}

/// Searches all rows of a line.
fn run(
    experiment: &Experiment,
    search: &Search,
    space: &SearchSpace,
    context: &RunContext<'_>,
    history: Option<&Path>,
) -> Result<Found, TuneError> {
    let sample = experiment.sample(line(60), None)?;
    let rows: Vec<usize> = (0..sample.n_rows()).collect();
    let pipeline = experiment.pipeline(experiment.models[0].clone());
    search.run(
        task(&sample, &rows, &pipeline, space),
        &registry(),
        context,
        history,
    )
}

/// Everything but times.
fn timeless(trials: &[Trial]) -> Vec<Trial> {
    let mut trials = trials.to_vec();
    for trial in &mut trials {
        (trial.seconds, trial.elapsed_seconds) = (0.0, 0.0);
        trial.folds.iter_mut().for_each(|fold| fold.seconds = 0.0);
    }
    trials
}

fn searches() -> Vec<Search> {
    let base = Search {
        trials: 16,
        folds: 3,
        ..Search::default()
    };
    let tpe = Tpe {
        startup_trials: 4,
        ..Tpe::default()
    };
    vec![
        Search {
            method: Method::Random,
            ..base.clone()
        },
        Search {
            method: Method::Tpe(tpe),
            ..base.clone()
        },
        Search {
            method: Method::Tpe(tpe),
            pruner: Some(Pruner::Median {
                startup_trials: 2,
                warm_up_epochs: 1,
            }),
            parallel_trials: 3,
            ..base.clone()
        },
        Search {
            method: Method::Random,
            pruner: Some(Pruner::Halving {
                first_epochs: 1,
                reduction: 3,
            }),
            ..base
        },
    ]
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let stop = StopSignal::new();
    let experiment = bowl("epochs = 6");
    for search in searches() {
        let alone = run(&experiment, &search, &space(), &context(&stop, 1), None).unwrap();
        assert_eq!(alone.trials.len(), 16);
        let pruned = |trial: &&Trial| trial.state == TrialState::Pruned;
        assert_eq!(
            alone.trials.iter().filter(pruned).count() > 0,
            search.pruner.is_some()
        );
        let best = alone
            .trials
            .iter()
            .filter_map(|trial| trial.score)
            .reduce(f64::min);
        assert_eq!(best, Some(alone.score));
        for threads in [2, 3, 7] {
            let more = run(&experiment, &search, &space(), &context(&stop, threads), None).unwrap();
            assert_eq!(
                timeless(&more.trials),
                timeless(&alone.trials),
                "{threads} threads, {search:?}"
            );
            assert_eq!(more.best, alone.best);
        }
    }
}

#[test]
fn folds_of_a_trial_are_fitted_side_by_side_where_the_model_prefers_it_and_come_to_the_same() {
    let stop = StopSignal::new();
    // Some trials fail.
    let experiment = bowl("epochs = 6, limit = 0.9");
    for search in searches() {
        let alone = run(&experiment, &search, &space(), &context(&stop, 1), None).unwrap();
        let on_gpu = RunContext {
            device: Some(DeviceChoice::Cuda(0)),
            ..context(&stop, 2)
        };
        let beside = run(&experiment, &search, &space(), &on_gpu, None).unwrap();
        assert_eq!(timeless(&beside.trials), timeless(&alone.trials), "{search:?}");
        let is_failed = |trial: &&Trial| matches!(trial.state, TrialState::Failed { .. });
        assert!(beside.trials.iter().any(|trial| is_failed(&trial)));
        for fold in beside.trials.iter().flat_map(|trial| &trial.folds) {
            // With a pruner it depends on the folds before whether one is fitted.
            let all = if search.pruner.is_some() { 0 } else { search.folds };
            assert!((fold.seconds / SECONDS_BESIDE - all as f64).abs() < 0.5);
        }
    }
}

#[test]
fn a_search_that_was_cut_off_goes_on_to_the_same_end() {
    let stop = StopSignal::new();
    let experiment = bowl("epochs = 6");
    let home = tempfile::tempdir().unwrap();
    for (number, search) in searches().iter().enumerate() {
        let path = home.path().join(format!("{number}.jsonl"));
        let whole = run(&experiment, search, &space(), &context(&stop, 2), Some(&path)).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        let mut random = Seed::new(7).stream("cuts");
        for _ in 0..12 {
            // As a death while a line is written leaves it: whole lines and a piece of one.
            fs::write(&path, &text[..random.below(text.len())]).unwrap();
            let again = run(&experiment, search, &space(), &context(&stop, 3), Some(&path)).unwrap();
            assert_eq!(timeless(&again.trials), timeless(&whole.trials));
        }
        // More trials of the same search go on from those there are.
        let more = Search {
            trials: 20,
            ..search.clone()
        };
        let more = run(&experiment, &more, &space(), &context(&stop, 2), Some(&path)).unwrap();
        assert_eq!(timeless(&more.trials[..16]), timeless(&whole.trials));
        assert_eq!(more.trials.len(), 20);
    }
}

#[test]
fn the_history_of_another_search_is_refused() {
    let stop = StopSignal::new();
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("search.jsonl");
    let search = &searches()[0];
    let with = |experiment: &Experiment, search: &Search| {
        run(experiment, search, &space(), &context(&stop, 1), Some(&path))
    };
    with(&bowl("epochs = 1"), search).unwrap();
    let other_folds = Search {
        folds: 4,
        ..search.clone()
    };
    for error in [
        with(&bowl("epochs = 2"), search).unwrap_err(),
        with(&bowl("epochs = 1"), &other_folds).unwrap_err(),
        with(&bowl("epochs = 1").with_seed(1), search).unwrap_err(),
    ] {
        assert!(error.to_string().contains("another search"), "{error}");
    }
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replacen("\"number\":2", "\"number\":1", 1)).unwrap();
    assert!(
        with(&bowl("epochs = 1"), search)
            .unwrap_err()
            .to_string()
            .contains("trial 1 twice")
    );
    fs::write(&path, text.replacen("\"number\":2", "\"nmber\":2", 1)).unwrap();
    assert!(
        with(&bowl("epochs = 1"), search)
            .unwrap_err()
            .to_string()
            .contains("line 3")
    );
    fs::write(&path, "something else\n").unwrap();
    assert!(
        with(&bowl("epochs = 1"), search)
            .unwrap_err()
            .to_string()
            .contains("no history")
    );
}

#[test]
fn the_tree_of_parzen_estimators_comes_nearer_than_chance() {
    let stop = StopSignal::new();
    let of = |method: Method| -> f64 {
        let search = Search {
            method,
            trials: 40,
            folds: 2,
            ..Search::default()
        };
        let scores = (0..10).map(|seed| {
            let found = run(
                &bowl("").with_seed(seed),
                &search,
                &space(),
                &context(&stop, 2),
                None,
            );
            found.unwrap().score
        });
        scores.sum::<f64>() / 10.0
    };
    let (tpe, random) = (of(Method::Tpe(Tpe::default())), of(Method::Random));
    assert!(tpe < 0.5 * random, "{tpe} {random}");
}

#[test]
fn a_trial_that_fails_is_told_and_the_search_goes_on() {
    let stop = StopSignal::new();
    let search = &searches()[1];
    let found = run(&bowl("limit = 0.5"), search, &space(), &context(&stop, 2), None).unwrap();
    let failed: Vec<&Trial> = found
        .trials
        .iter()
        .filter(
            |trial| matches!(&trial.state, TrialState::Failed { cause } if cause.contains("above its limit")),
        )
        .collect();
    assert!(!failed.is_empty() && failed.len() < 16);
    assert!(
        failed
            .iter()
            .all(|trial| trial.score.is_none() && trial.values["settings.a"].as_f64() > Some(0.5))
    );
    assert!(found.to_string().contains("failed"), "{found}");
    let error = run(&bowl("limit = -2.0"), search, &space(), &context(&stop, 2), None).unwrap_err();
    let message = error.to_string();
    assert!(
        message.contains("none of 16 trials")
            && message.contains("trial 1: ")
            && message.contains("above its limit"),
        "{message}"
    );
}

#[test]
fn a_space_of_few_values_ends_when_all_were_tried() {
    let stop = StopSignal::new();
    let space = SearchSpace::new()
        .with("settings.a", Distribution::choice([0.1, 0.3, 0.5]))
        .with("settings.b", Distribution::choice([10, 40]));
    for search in searches() {
        let found = run(&bowl("epochs = 3"), &search, &space, &context(&stop, 3), None).unwrap();
        assert_eq!(found.trials.len(), 6);
    }
    let found = run(
        &bowl("a = 0.3, b = 30"),
        &searches()[0],
        &SearchSpace::new(),
        &context(&stop, 2),
        None,
    )
    .unwrap();
    assert_eq!(found.trials.len(), 1);
    assert!((found.score - 0.01).abs() < 1e-6);
}

struct StopAt(usize, StopSignal, Mutex<usize>);

impl Progress for StopAt {
    fn report(&self, event: &Event<'_>) {
        if let Event::TrialEnded { .. } = event {
            let mut ended = self.2.lock().unwrap();
            *ended += 1;
            if *ended == self.0 {
                self.1.request();
            }
        }
    }
}

#[test]
fn a_stop_keeps_what_has_ended_and_nothing_half_done() {
    let home = tempfile::tempdir().unwrap();
    let experiment = bowl("epochs = 6");
    for (number, search) in searches().iter().enumerate() {
        let path = home.path().join(format!("{number}.jsonl"));
        let stop = StopSignal::new();
        let stopper = StopAt(5, stop.clone(), Mutex::new(0));
        let context = RunContext {
            progress: &stopper,
            ..context(&stop, 2)
        };
        let stopped = run(&experiment, search, &space(), &context, Some(&path)).unwrap();
        assert!((5..16).contains(&stopped.trials.len()));
        let stop = StopSignal::new();
        let resumed = run(
            &experiment,
            search,
            &space(),
            &super::common::context(&stop, 2),
            Some(&path),
        )
        .unwrap();
        let whole = run(
            &experiment,
            search,
            &space(),
            &super::common::context(&stop, 1),
            None,
        )
        .unwrap();
        assert_eq!(timeless(&resumed.trials), timeless(&whole.trials));
    }
    let stop = StopSignal::new();
    stop.request();
    let error = run(&experiment, &searches()[0], &space(), &context(&stop, 2), None).unwrap_err();
    assert!(matches!(error, TuneError::Stopped(_)), "{error}");
}

#[test]
fn a_time_limit_ends_a_search_and_more_time_lets_it_go_on() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("search.jsonl");
    let stop = StopSignal::new();
    let search = Search {
        time_limit_seconds: Some(1e-9),
        ..searches()[0].clone()
    };
    let error = run(&bowl(""), &search, &space(), &context(&stop, 1), Some(&path)).unwrap_err();
    assert!(matches!(error, TuneError::Stopped(_)), "{error}");
    let found = run(
        &bowl(""),
        &searches()[0],
        &space(),
        &context(&stop, 1),
        Some(&path),
    )
    .unwrap();
    assert_eq!(found.trials.len(), 16);
}

#[test]
fn settings_of_a_search_are_checked_first() {
    let stop = StopSignal::new();
    let check = |search: Search| {
        run(&bowl(""), &search, &space(), &context(&stop, 1), None)
            .unwrap_err()
            .to_string()
    };
    let base = Search::default;
    assert!(check(Search { trials: 0, ..base() }).contains("trials is 0, but must be from 1 to 100,000"));
    assert!(check(Search { folds: 1, ..base() }).contains("from 2 to 10"));
    assert!(check(Search { folds: 11, ..base() }).contains("from 2 to 10"));
    assert!(
        check(Search {
            parallel_trials: 0,
            ..base()
        })
        .contains("parallel_trials")
    );
    assert!(
        check(Search {
            time_limit_seconds: Some(-1.0),
            ..base()
        })
        .contains("above 0")
    );
    let tpe = Tpe {
        good_share: 1.0,
        ..Tpe::default()
    };
    assert!(
        check(Search {
            method: Method::Tpe(tpe),
            ..base()
        })
        .contains("good_share")
    );
    let pruner = Some(Pruner::Halving {
        first_epochs: 0,
        reduction: 3,
    });
    assert!(check(Search { pruner, ..base() }).contains("first_epochs"));
    // Fewer rows than folds.
    let experiment = bowl("");
    let sample = experiment.sample(line(5), None).unwrap();
    let pipeline = experiment.pipeline(experiment.models[0].clone());
    let search = Search { folds: 6, ..base() };
    let rows: Vec<usize> = (0..5).collect();
    let error = search
        .run(
            task(&sample, &rows, &pipeline, &space()),
            &registry(),
            &context(&stop, 1),
            None,
        )
        .unwrap_err();
    assert!(
        error.to_string().contains('6') && error.to_string().contains('5'),
        "{error}"
    );
}

#[test]
fn only_the_rows_named_are_looked_at_and_preprocessing_is_learned_in_each_fold() {
    let stop = StopSignal::new();
    let experiment = experiment(
        "y",
        "recipe.columns = [{ names = [\"x\", \"z\"], scale = { kind = \"standard\" } }]\nmodels = [{ name = \"ridge\", kind = \"ridge\" }]",
    );
    let space = SearchSpace::builtin("ridge").unwrap();
    let search = Search {
        trials: 4,
        folds: 3,
        ..Search::default()
    };
    let table = table(90, 1);
    let rows: Vec<usize> = (0..90).filter(|row| row % 3 != 0).collect();
    let run = |table: hitcast_data::Table| {
        let sample = experiment.sample(table, None).unwrap();
        let pipeline = experiment.pipeline(experiment.models[0].clone());
        let found = search.run(
            task(&sample, &rows, &pipeline, &space),
            &registry(),
            &context(&stop, 2),
            None,
        );
        found.unwrap().trials
    };
    let changed = |row: usize| {
        let mut x = table.numbers("x").unwrap().to_vec();
        x[row] += 1000.0;
        table.clone().set_column("x", Column::Number(x)).unwrap()
    };
    let before = run(table.clone());
    // A row that is not named changes nothing.
    assert_eq!(timeless(&run(changed(3))), timeless(&before));
    // A row that is named is learned from in two folds and tested on in one: all scores change.
    let after = run(changed(4));
    for (one, other) in before.iter().zip(&after) {
        assert_eq!(one.values, other.values);
        assert!(
            one.folds
                .iter()
                .zip(&other.folds)
                .all(|(a, b)| a.score != b.score)
        );
    }

    // What a fold comes to is what a hand-made fit of the pipeline on its training rows alone comes to.
    let sample = experiment.sample(table.clone(), None).unwrap();
    let mut pipeline = experiment.pipeline(experiment.models[0].clone());
    pipeline.model.settings = serde_json::json!({ "alpha": before[0].values["settings.alpha"] });
    let seed = experiment.seed.child("search");
    let folds = sample.folds(&rows, 3, seed.child("folds")).unwrap();
    for (fold, scored) in folds.iter().zip(&before[0].folds) {
        let prepared = pipeline.prepare(&sample, &fold.train).unwrap();
        let estimator = pipeline.model.estimator(&registry()).unwrap();
        let quiet = hitcast_core::FitContext::quiet("ridge", Seed::new(1), &stop);
        let fit = estimator.fit(prepared.train(), None, &quiet).unwrap();
        let held_out = prepared.dataset(&sample, &fold.test).unwrap();
        let predicted = fit.model.predict_features(held_out.features()).unwrap();
        let metrics = hitcast_pipeline::Metrics::of(&held_out, &predicted).unwrap();
        assert_eq!(metrics.get(experiment.selection()), scored.score);
    }
}

#[test]
fn a_model_that_stops_by_validation_rows_is_judged_on_others() {
    // It fails where a row that it was given to learn from or to stop by is one that it is judged on, or one of the others.
    let stop = StopSignal::new();
    for needs in ["true", "false"] {
        let experiment = bowl(&format!("epochs = 2, needs_validation = {needs}"));
        let found = run(&experiment, &searches()[0], &space(), &context(&stop, 2), None).unwrap();
        for trial in &found.trials {
            assert_eq!(trial.state, TrialState::Completed);
        }
    }
}

#[test]
fn every_model_is_searched_on_the_same_folds() {
    let stop = StopSignal::new();
    let scores = |name: &str| {
        let mut experiment = experiment("y", "models = [{ name = \"a\", kind = \"ridge\" }]");
        name.clone_into(&mut experiment.models[0].name);
        let sample = experiment.sample(table(90, 1), None).unwrap();
        let rows: Vec<usize> = (0..90).collect();
        let pipeline = experiment.pipeline(experiment.models[0].clone());
        let (search, space) = (searches()[0].clone(), SearchSpace::new());
        let found = search.run(
            task(&sample, &rows, &pipeline, &space),
            &registry(),
            &context(&stop, 1),
            None,
        );
        timeless(&found.unwrap().trials)
    };
    assert_eq!(scores("a"), scores("b"));
}

#[test]
fn the_history_of_other_rows_is_refused_whatever_differs() {
    let stop = StopSignal::new();
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("search.jsonl");
    let plain = experiment("y", "models = [{ name = \"ridge\", kind = \"ridge\" }]");
    let run = |experiment: &Experiment, table: hitcast_data::Table| {
        let sample = experiment.sample(table, None).unwrap();
        let rows: Vec<usize> = (0..60).collect();
        let pipeline = experiment.pipeline(experiment.models[0].clone());
        let space = SearchSpace::builtin("ridge").unwrap();
        let search = &searches()[0];
        search.run(
            task(&sample, &rows, &pipeline, &space),
            &registry(),
            &context(&stop, 1),
            Some(&path),
        )
    };
    run(&plain, table(60, 1)).unwrap();
    run(&plain, table(60, 1)).unwrap();
    let mut z = table(60, 1).numbers("z").unwrap().to_vec();
    z[7] += 1.0;
    let other_feature = table(60, 1).set_column("z", Column::Number(z)).unwrap();
    let mut fewer = plain.clone();
    fewer.data.features.pop();
    for error in [
        run(&plain, other_feature),
        run(&fewer, table(60, 1)),
        run(&plain.clone().with_grouped_split().unwrap(), table(60, 1)),
    ] {
        let message = error.unwrap_err().to_string();
        assert!(message.contains("another search"), "{message}");
    }
    // A character that was cut off with the last line is no harm.
    let mut bytes = fs::read(&path).unwrap();
    bytes.extend("{\"number\":99,\"cause\":\"ü".as_bytes());
    bytes.pop();
    fs::write(&path, &bytes).unwrap();
    run(&plain, table(60, 1)).unwrap();
    // One process at a time.
    let held = fs::File::open(&path).unwrap();
    held.lock().unwrap();
    let message = run(&plain, table(60, 1)).unwrap_err().to_string();
    assert!(message.contains("another process"), "{message}");
}

#[test]
fn nested_folds_measure_what_a_search_is_worth() {
    let stop = StopSignal::new();
    let experiment = experiment("y", "models = [{ name = \"neighbours\", kind = \"neighbors\" }]");
    let sample = experiment.sample(table(120, 2), None).unwrap();
    let rows: Vec<usize> = (0..sample.n_rows()).collect();
    let pipeline = experiment.pipeline(experiment.models[0].clone());
    let space = SearchSpace::builtin("neighbors").unwrap();
    let search = Search {
        trials: 12,
        folds: 3,
        ..Search::default()
    };
    let nested = |threads| {
        let context = context(&stop, threads);
        search
            .nested(4, task(&sample, &rows, &pipeline, &space), &registry(), &context)
            .unwrap()
    };
    let found = nested(2);
    assert_eq!(found, nested(1));
    assert_eq!(found.folds.len(), 4);
    let mean = found.folds.iter().map(|fold| fold.score).sum::<f64>() / 4.0;
    assert!((found.score - mean).abs() < 1e-12 && found.deviation > 0.0);
    assert!(
        found
            .folds
            .iter()
            .all(|fold| fold.score != fold.searched && !fold.values.is_empty())
    );
    assert!(found.to_string().contains("4 outer folds"));
    let error = search.nested(
        1,
        task(&sample, &rows, &pipeline, &space),
        &registry(),
        &context(&stop, 1),
    );
    assert!(error.unwrap_err().to_string().contains("at least 2"));
}
