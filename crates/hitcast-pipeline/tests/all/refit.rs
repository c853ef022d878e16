//! A second fit on training and validation rows together, and how a sample is divided.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::common::{Toy, experiment, registry, rmse, tracks_file};
use hitcast_core::{
    BoxError, Checkpoints, CoreError, Dataset, DeviceChoice, Estimator, Event, Fit, FitContext, Model,
    ModelState, Progress, Seed, StopSignal,
};
use hitcast_data::{Column, Table};
use hitcast_pipeline::{Experiment, ModelKind, Part, Run, RunContext};
use hitcast_preprocess::SplitStrategy;
use serde_json::Value;

fn refitted(experiment: &Experiment) -> Experiment {
    Experiment {
        refit: true,
        ..experiment.clone()
    }
}

fn run(experiment: &Experiment, table: Table) -> Run {
    let stop = StopSignal::new();
    let registry = registry().with(Toy("watching"));
    let context = RunContext::quiet(&stop);
    experiment.run_on(table, None, &registry, &context).unwrap()
}

fn table(experiment: &Experiment) -> Table {
    experiment
        .read(experiment.data.path.as_ref().unwrap())
        .unwrap()
        .table
}

/// The table with the energy of some rows of the file changed.
fn with_energy(table: &Table, rows: &BTreeSet<u32>, to: f64) -> Table {
    let mut energy = table.numbers("energy").unwrap().to_vec();
    for (row, value) in energy.iter_mut().enumerate() {
        if rows.contains(&table.source_rows()[row]) {
            *value = to;
        }
    }
    table
        .clone()
        .set_column("energy", Column::Number(energy))
        .unwrap()
}

fn rows_of(run: &Run, part: Part) -> BTreeSet<u32> {
    let of_part = run.predictions.iter().filter(|row| row.part == part);
    of_part.map(|row| row.source_row).collect()
}

#[test]
fn a_second_fit_learns_from_validation_rows_and_is_tested_on_rows_it_has_not_seen() {
    let home = tempfile::tempdir().unwrap();
    let once = experiment(tracks_file(home.path(), 400));
    let table = table(&once);
    let (first, second) = (run(&once, table.clone()), run(&refitted(&once), table.clone()));
    assert_eq!(first.report.best, second.report.best);
    let rows = first.report.rows;
    for (one, two) in first.report.models.iter().zip(&second.report.models) {
        assert_eq!(one.metrics.validation, two.metrics.validation);
        assert_eq!(one.metrics.train, two.metrics.train);
        assert_ne!(one.metrics.test, two.metrics.test);
        assert_eq!(
            [one.training_rows, two.training_rows],
            [rows.train, rows.train + rows.validation]
        );
    }
    assert_eq!(
        second.report.metrics.test,
        second.report.best_model().unwrap().metrics.test
    );

    // The bundle is that of the second fit: it says to the test rows what the report says.
    let tested = rows_of(&second, Part::Test);
    let places: Vec<usize> = (0..table.n_rows())
        .filter(|&row| tested.contains(&table.source_rows()[row]))
        .collect();
    let bundle = second.bundle();
    let evaluation = bundle.evaluate::<&str>(&table.take(&places), &[]).unwrap();
    assert!((rmse(&evaluation.metrics) - rmse(&second.report.metrics.test)).abs() < 1e-9);

    // What is learned comes from training and validation rows, and from no others.
    let learned = |run: &Run| {
        let manifest = run.bundle().manifest();
        format!("{:?} {}", manifest.preprocessor, manifest.weights.sha256)
    };
    let changed = |part| {
        run(
            &refitted(&once),
            with_energy(&table, &rows_of(&second, part), 0.99),
        )
    };
    assert_eq!(learned(&changed(Part::Test)), learned(&second));
    assert_ne!(learned(&changed(Part::Validation)), learned(&second));
    assert_ne!(learned(&changed(Part::Train)), learned(&second));
}

#[test]
fn a_model_that_needs_the_validation_rows_is_not_fitted_again() {
    let home = tempfile::tempdir().unwrap();
    let mut once = experiment(tracks_file(home.path(), 200));
    once.models[0].kind = "watching".to_owned();
    let table = table(&once);
    let (first, second) = (run(&once, table.clone()), run(&refitted(&once), table));
    let of = |run: &Run, model: usize| {
        let report = &run.report.models[model];
        (report.metrics.clone(), report.training_rows)
    };
    assert_eq!(of(&first, 0), of(&second, 0));
    assert_ne!(of(&first, 1), of(&second, 1));
}

/// A fit's rows, and the folder of its checkpoints.
type Begun = (usize, Option<PathBuf>);

/// A toy that notes each of its fits, and tells of its epochs.
#[derive(Clone, Default)]
struct Telling(Arc<Mutex<Vec<Begun>>>);

const TELLING: Toy = Toy("telling");

impl ModelKind for Telling {
    fn name(&self) -> &'static str {
        TELLING.name()
    }

    fn estimator(&self, settings: &Value) -> Result<Box<dyn Estimator>, BoxError> {
        let toy = TELLING.estimator(settings)?;
        Ok(Box::new(TellingEstimator(self.clone(), toy)))
    }

    fn load(&self, state: &ModelState, device: DeviceChoice) -> Result<Box<dyn Model>, BoxError> {
        TELLING.load(state, device)
    }
}

struct TellingEstimator(Telling, Box<dyn Estimator>);

impl Estimator for TellingEstimator {
    fn fit(
        &self,
        train: &Dataset,
        validation: Option<&Dataset>,
        context: &FitContext<'_>,
    ) -> Result<Fit, CoreError> {
        let folder = context.checkpoints.map(|all| all.folder.to_path_buf());
        (self.0.0.lock().unwrap()).push((train.n_rows(), folder));
        let fit = self.1.fit(train, validation, context)?;
        for record in &fit.history {
            context.progress.report(&Event::EpochEnded {
                model: context.name,
                record,
                epochs: fit.history.len(),
            });
        }
        Ok(fit)
    }
}

/// Counts epochs.
#[derive(Default)]
struct Epochs(Mutex<usize>);

impl Progress for Epochs {
    fn report(&self, event: &Event<'_>) {
        if let Event::EpochEnded { .. } = event {
            *self.0.lock().unwrap() += 1;
        }
    }
}

#[test]
fn a_second_fit_has_checkpoints_of_its_own_and_tells_of_its_epochs() {
    let home = tempfile::tempdir().unwrap();
    let mut twice = refitted(&experiment(tracks_file(home.path(), 100)));
    twice.models.remove(0);
    twice.models[0].kind = TELLING.name().to_owned();
    let (telling, epochs, stop) = (Telling::default(), Epochs::default(), StopSignal::new());
    let context = RunContext {
        progress: &epochs,
        checkpoints: Some(Checkpoints::new(Path::new("kept"))),
        ..RunContext::quiet(&stop)
    };
    let registry = registry().with(telling.clone());
    let report = twice.run(&registry, &context).unwrap().report;
    let (once, both) = (report.rows.train, report.rows.train + report.rows.validation);
    let [first, second] = ["kept/01-long", "kept/01-long-again"].map(|folder| Some(PathBuf::from(folder)));
    assert_eq!(*telling.0.lock().unwrap(), [(once, first), (both, second)]);
    assert_eq!(*epochs.0.lock().unwrap(), 16, "of eight epochs twice");
}

#[test]
fn folds_and_held_out_rows_keep_groups_together_and_name_rows_of_the_sample() {
    let home = tempfile::tempdir().unwrap();
    let random = experiment(tracks_file(home.path(), 150));
    let grouped = random.clone().with_grouped_split().unwrap();
    for experiment in [&random, &grouped] {
        let sample = experiment.read_sample().unwrap();
        let rows: Vec<usize> = (0..sample.n_rows()).filter(|row| row % 5 != 0).collect();
        let folds = sample.folds(&rows, 4, Seed::new(1)).unwrap();
        let (rest, held) = sample.hold_out(&rows, 0.25, Seed::new(2)).unwrap();
        let mut tested: Vec<usize> = folds.iter().flat_map(|fold| fold.test.clone()).collect();
        tested.sort_unstable();
        assert_eq!(tested, rows);
        let pipeline = experiment.pipeline(experiment.models[0].clone());
        let pairs = folds.iter().map(|fold| (&fold.train, &fold.test));
        for (train, test) in pairs.chain([(&rest, &held)]) {
            let mut both = [&train[..], test].concat();
            both.sort_unstable();
            assert_eq!(both, rows);
            let share = test.len() as f64 / rows.len() as f64;
            assert!((share - 0.25).abs() < 0.02, "{share}");
            let prepared = pipeline.prepare(&sample, train).unwrap();
            assert_eq!(prepared.train().n_rows(), train.len());
            assert_eq!(prepared.dataset(&sample, test).unwrap().n_rows(), test.len());
            let is_grouped = matches!(experiment.split.strategy, SplitStrategy::Grouped { .. });
            assert_eq!(prepared.train().groups().is_some(), is_grouped);
        }
    }
    let sample = grouped.read_sample().unwrap();
    let all: Vec<usize> = (0..sample.n_rows()).collect();
    let pipeline = grouped.pipeline(grouped.models[0].clone());
    let groups = pipeline.prepare(&sample, &all).unwrap();
    let groups = groups.train().groups().unwrap().to_vec();
    let (rest, held) = sample.hold_out(&all, 0.2, Seed::new(3)).unwrap();
    let of = |rows: &[usize]| rows.iter().map(|&row| groups[row]).collect::<BTreeSet<_>>();
    assert!(of(&rest).is_disjoint(&of(&held)));
    assert!(groups.len() > of(&all).len(), "no song stands twice");
}
