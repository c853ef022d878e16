//! What checkpoints hold, and what becomes of training where one is damaged or of another run.

#![allow(clippy::unwrap_used, clippy::expect_used)]
#![allow(clippy::cast_possible_truncation)]

use std::cell::Cell;
use std::collections::BTreeSet;
use std::fs;
use std::ops::{ControlFlow, Range};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use hitcast_core::dataset::FeatureColumn;
use hitcast_core::file::temporary_name;
use hitcast_core::{
    BoxError, Checkpoints, Dataset, EpochRecord, Estimator, Event, Features, Fit, FitContext, FolderLock,
    ModelState, Predictions, Progress, Seed, StopReason, StopSignal, TensorData,
};
use hitcast_nn::{Loss, Network, NetworkSpec};
use hitcast_train::stream::{Chunks, StreamSettings};
use hitcast_train::trainer::Targets;
use hitcast_train::{
    AutogradEngine, EarlyStopping, Engine, EngineChoice, NetworkEstimator, OptimizerSettings, PlanEngine,
    Split, Trainer, TrainingSettings,
};
use ndarray::Array2;
use tch::Device;

fn data(rows: usize, seed: u64) -> Dataset {
    let mut stream = Seed::new(seed).stream("rows");
    let x = Array2::from_shape_simple_fn((rows, 4), || stream.normal() as f32);
    let y = x.outer_iter().map(|row| f64::from(row.sum()).powi(2)).collect();
    let columns = ["a", "b", "c", "d"].map(FeatureColumn::plain).to_vec();
    Dataset::new(Features::new(x, columns).unwrap(), y).unwrap()
}

/// Of ten batches an epoch, in four steps.
fn estimator(epochs: usize) -> NetworkEstimator {
    NetworkEstimator {
        network: NetworkSpec::mlp(&[12]).with_batch_norm().with_dropout(0.2),
        training: TrainingSettings {
            epochs,
            batch_size: 32,
            optimizer: OptimizerSettings::adam(3e-3),
            early_stopping: Some(EarlyStopping {
                patience: epochs,
                ..Default::default()
            }),
            accumulate_batches: 3,
            ..Default::default()
        },
    }
}

/// What a fit notes.
#[derive(Debug, Default)]
struct Notes(Mutex<Vec<String>>);

impl Progress for Notes {
    fn report(&self, event: &Event<'_>) {
        if let Event::Note(text) = event {
            self.0.lock().unwrap().push((*text).to_owned());
        }
    }
}

/// A fit with a checkpoint after every step, and its notes.
fn fit(
    estimator: &NetworkEstimator,
    seed: u64,
    folder: Option<&Path>,
    stop: &StopSignal,
) -> (hitcast_core::Result<Fit>, Vec<String>) {
    let checkpoints = folder.map(|folder| Checkpoints {
        every: Duration::ZERO,
        ..Checkpoints::new(folder)
    });
    fit_with(estimator, seed, checkpoints, stop)
}

fn fit_with(
    estimator: &NetworkEstimator,
    seed: u64,
    checkpoints: Option<Checkpoints<'_>>,
    stop: &StopSignal,
) -> (hitcast_core::Result<Fit>, Vec<String>) {
    let notes = Notes::default();
    let context = FitContext {
        checkpoints,
        progress: &notes,
        device: "cpu".parse().unwrap(),
        ..FitContext::quiet("resumed", Seed::new(seed), stop)
    };
    let fit = estimator.fit(&data(320, 1), Some(&data(100, 2)), &context);
    (fit, notes.0.into_inner().unwrap())
}

fn whole(estimator: &NetworkEstimator, folder: Option<&Path>) -> (Fit, Vec<String>) {
    let (fit, notes) = fit(estimator, 5, folder, &StopSignal::new());
    (fit.unwrap(), notes)
}

fn fails(estimator: &NetworkEstimator, seed: u64, folder: &Path) -> String {
    match fit(estimator, seed, Some(folder), &StopSignal::new()).0 {
        Ok(_) => panic!("went on from something else"),
        Err(error) => error.to_string(),
    }
}

/// The checkpoints in a folder, the newest first.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = (fs::read_dir(folder).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| name(path).starts_with("epoch-"))
        .collect();
    // A point comes after a hyphen.
    files.sort_by_key(|path| path.to_str().unwrap().replace(".safetensors", ""));
    files.reverse();
    files
}

fn name(path: &Path) -> &str {
    path.file_name().unwrap().to_str().unwrap()
}

/// Removes all checkpoints but the newest, which is returned if there is one.
pub(crate) fn forget_older(folder: &Path) -> Option<PathBuf> {
    let files = files(folder);
    let (newest, older) = files.split_first()?;
    older.iter().for_each(|path| fs::remove_file(path).unwrap());
    Some(newest.clone())
}

#[test]
fn checkpoints_change_nothing_and_a_finished_run_is_only_loaded() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("checkpoints");
    let estimator = estimator(6);
    let (plain, _) = whole(&estimator, None);
    let (kept, _) = whole(&estimator, Some(&folder));
    let (again, notes) = whole(&estimator, Some(&folder));
    for fit in [&kept, &again] {
        assert_eq!(fit.model.state().unwrap(), plain.model.state().unwrap());
        assert_eq!(fit.best_epoch, plain.best_epoch);
        assert_eq!(fit.history.len(), 6);
    }
    assert!(notes.is_empty());
    assert_eq!(
        again.history[5].elapsed_seconds, kept.history[5].elapsed_seconds,
        "nothing was trained again"
    );
    let best = format!("epoch-{:06}.safetensors", plain.best_epoch.unwrap());
    let names: Vec<String> = files(&folder).iter().map(|path| name(path).to_owned()).collect();
    assert_eq!(
        names[..2],
        [
            "epoch-000006.safetensors",
            "epoch-000005-batch-000009.safetensors"
        ]
    );
    assert!(names.len() <= 3 && names.contains(&best), "{names:?}");
}

#[test]
fn a_damaged_checkpoint_is_passed_over_for_the_newest_whole_one_and_told() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("checkpoints");
    let estimator = estimator(3);
    let expected = whole(&estimator, Some(&folder)).0.model.state().unwrap();
    let kept: Vec<(PathBuf, Vec<u8>)> = files(&folder)
        .into_iter()
        .map(|path| (path.clone(), fs::read(&path).unwrap()))
        .collect();
    let put_back = || {
        fs::remove_dir_all(&folder).unwrap();
        fs::create_dir(&folder).unwrap();
        for (path, bytes) in &kept {
            fs::write(path, bytes).unwrap();
        }
    };
    // The newest, the two newest, and so on.
    for damaged in 1..kept.len() {
        let (newest, bytes) = &kept[0];
        let flips = [0, 9, bytes.len() / 2, bytes.len() - 1].map(|place| {
            let mut bytes = bytes.clone();
            bytes[place] ^= 0x10;
            bytes
        });
        let cuts = [0, 7, bytes.len() / 2, bytes.len() - 1].map(|length| bytes[..length].to_vec());
        for wrong in flips.into_iter().chain(cuts) {
            put_back();
            for (path, bytes) in &kept[1..damaged] {
                fs::write(path, &bytes[1..]).unwrap();
            }
            fs::write(newest, &wrong).unwrap();
            // It is left there for as long as training does not come to its place again.
            let stop = StopSignal::new();
            stop.request();
            let (stopped, notes) = fit(&estimator, 5, Some(&folder), &stop);
            assert_eq!(stopped.unwrap().stopped, StopReason::Requested);
            assert_eq!(fs::read(newest).unwrap(), wrong);
            assert_eq!(notes.len(), damaged, "{notes:?}");
            for ((path, _), note) in kept[..damaged].iter().zip(&notes) {
                let (this, older) = (name(path), name(&kept[damaged].0));
                assert!(
                    note.starts_with("resumed: checkpoint ")
                        && note.contains(this)
                        && note.contains("is damaged")
                        && note.contains(older)
                        && note.contains("epochs trained again: at most 1"),
                    "{note}"
                );
            }
            assert_eq!(
                whole(&estimator, Some(&folder)).0.model.state().unwrap(),
                expected
            );
        }
    }
}

#[test]
fn where_no_checkpoint_is_whole_that_is_an_error_and_nothing_is_removed() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("checkpoints");
    let estimator = estimator(3);
    whole(&estimator, Some(&folder));
    let before = files(&folder);
    for path in &before {
        fs::write(path, &fs::read(path).unwrap()[..100]).unwrap();
    }
    let message = fails(&estimator, 5, &folder);
    for part in [
        "epoch-000003.safetensors is damaged",
        "so are all older ones",
        "remove the checkpoints",
    ] {
        assert!(message.contains(part), "{message}");
    }
    assert_eq!(files(&folder), before);
    for path in &before[1..] {
        fs::remove_file(path).unwrap();
    }
    let message = fails(&estimator, 5, &folder);
    assert!(message.contains("there is no older one"), "{message}");
}

#[test]
fn a_checkpoint_of_another_run_is_refused_also_behind_a_damaged_one() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("checkpoints");
    let small = estimator(3);
    whole(&small, Some(&folder));
    let mut wider = estimator(3);
    wider.network = NetworkSpec::mlp(&[13]).with_batch_norm().with_dropout(0.2);
    let refused = |estimator: &NetworkEstimator, seed: u64, file: &str| {
        let message = fails(estimator, seed, &folder);
        assert!(
            message.contains(file) && message.contains("is of another run"),
            "{message}"
        );
    };
    let kept = files(&folder);
    for file in &kept[..2] {
        refused(&small, 6, name(file));
        refused(&estimator(4), 5, name(file));
        refused(&wider, 5, name(file));
        fs::write(file, "damaged").unwrap();
    }
}

#[test]
fn what_a_killed_process_left_half_written_is_cleared_away() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("checkpoints");
    let estimator = estimator(2);
    whole(&estimator, Some(&folder));
    let half = folder.join(".epoch-000001.safetensors.123.tmp");
    let notes = folder.join("notes.txt");
    fs::write(&half, "half").unwrap();
    fs::write(&notes, "mine").unwrap();
    whole(&estimator, Some(&folder));
    assert!(!half.exists() && notes.exists());
}

#[test]
fn a_folder_that_another_fit_has_is_refused_and_nothing_in_it_touched() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("checkpoints");
    let estimator = estimator(2);
    let other = FolderLock::take(&folder).unwrap();
    // What the other one is writing.
    let half = folder.join(".epoch-000001.safetensors.123.tmp");
    fs::write(&half, "half").unwrap();
    let message = fails(&estimator, 5, &folder);
    let named = format!("{} is in use by another run or fit", folder.display());
    assert!(message.contains(&named), "{message}");
    assert!(half.exists());
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 2);
    drop(other);
    // Again and again in one process.
    whole(&estimator, Some(&folder));
    whole(&estimator, Some(&folder));
    assert!(!half.exists() && !folder.join(FolderLock::FILE).exists());
}

#[test]
fn a_folder_that_others_cannot_be_kept_out_of_is_noted_and_their_files_left_alone() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("checkpoints");
    // A folder is in the way of the file that would be locked.
    fs::create_dir_all(folder.join(FolderLock::FILE)).unwrap();
    let half = folder.join(".epoch-000001.safetensors.123.tmp");
    fs::write(&half, "half").unwrap();
    let (_, notes) = whole(&estimator(1), Some(&folder));
    let [note] = &notes[..] else {
        panic!("{notes:?}");
    };
    assert!(note.contains("see that nobody else uses this folder"), "{note}");
    assert!(half.exists());
}

#[test]
fn checkpoints_that_cannot_be_made_are_noted_and_not_tried_again_with_every_step() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("checkpoints");
    // Folders are in the way of all files that will be written.
    for (epoch, batch) in (0..=3).flat_map(|epoch| (0..=10).map(move |batch| (epoch, batch))) {
        let within = if batch == 0 {
            String::new()
        } else {
            format!("-batch-{batch:06}")
        };
        let path = folder.join(format!("epoch-{epoch:06}{within}.safetensors"));
        fs::create_dir_all(temporary_name(&path)).unwrap();
    }
    let notes = |every| {
        let checkpoints = Checkpoints {
            every,
            ..Checkpoints::new(&folder)
        };
        let (fit, notes) = fit_with(&estimator(3), 5, Some(checkpoints), &StopSignal::new());
        assert_eq!(fit.unwrap().history.len(), 3);
        assert!(notes.iter().all(|note| note.contains("no checkpoint was made")));
        notes.len()
    };
    // Of twelve steps, and once at the end.
    assert_eq!((notes(Duration::ZERO), notes(Duration::from_secs(3600))), (12, 1));
    let pause = Duration::from_millis(20);
    let began = Instant::now();
    let noted = notes(pause);
    assert!(began.elapsed() >= pause * u32::try_from(noted - 1).unwrap());
}

/// Takes the epochs that a fit goes on after.
#[derive(Default)]
struct Resumed(Mutex<Vec<usize>>);

impl Progress for Resumed {
    fn report(&self, event: &Event<'_>) {
        if let Event::FitResumed { done, .. } = event {
            self.0.lock().unwrap().push(*done);
        }
    }
}

#[test]
fn callbacks_hear_of_the_epochs_before_and_break_where_they_would_have() {
    let home = tempfile::tempdir().unwrap();
    let estimator = estimator(9);
    let (train, progress) = (data(320, 1), Resumed::default());
    // Breaks after four epochs by its own count; a stop is requested after so many. Gives the epochs seen.
    let run = |stop_after: usize| {
        let (mut seen, stop) = (Vec::new(), StopSignal::new());
        let watches = |record: &EpochRecord| {
            seen.push(record.epoch);
            if seen.len() == stop_after {
                stop.request();
            }
            match seen.len() {
                4 => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            }
        };
        let mut trainer = Trainer::new(estimator.training.clone()).with_callback(watches);
        let context = FitContext {
            checkpoints: Some(Checkpoints::new(home.path())),
            progress: &progress,
            ..FitContext::quiet("watched", Seed::new(5), &stop)
        };
        let trained = estimator.train(&mut trainer, &train, Some(&data(100, 2)), &context);
        let (_, outcome) = trained.unwrap();
        drop(trainer);
        (outcome.stopped, outcome.history.len(), outcome.rows, seen)
    };
    assert_eq!(run(2), (StopReason::Requested, 2, 640, vec![1, 2]));
    let ended = (StopReason::Callback, 4, 1280, vec![1, 2, 3, 4]);
    assert_eq!(run(usize::MAX), ended);
    assert_eq!(run(usize::MAX), ended, "it is only loaded");
    assert_eq!(*progress.0.lock().unwrap(), [2]);
}

/// An engine that counts its steps, and requests a stop after so many.
struct Counting<'a> {
    engine: &'a mut dyn Engine,
    arithmetic: &'static str,
    steps: usize,
    stop_after: usize,
    stop: StopSignal,
}

impl Engine for Counting<'_> {
    fn arithmetic(&self) -> String {
        self.arithmetic.to_owned()
    }

    fn replace_rows(&mut self, rows: &Dataset) -> hitcast_train::Result<()> {
        self.engine.replace_rows(rows)
    }

    fn begin_epoch(&mut self, order: &[usize]) -> hitcast_train::Result<()> {
        self.engine.begin_epoch(order)
    }

    fn accumulate(&mut self, rows: Range<usize>) -> hitcast_train::Result<()> {
        self.engine.accumulate(rows)
    }

    fn step(&mut self, rows: Range<usize>, learning_rate: f64) -> hitcast_train::Result<()> {
        self.steps += 1;
        if self.steps == self.stop_after {
            self.stop.request();
        }
        self.engine.step(rows, learning_rate)
    }

    fn take_losses(&mut self) -> hitcast_train::Result<Vec<f32>> {
        self.engine.take_losses()
    }

    fn predict(&mut self, split: Split) -> hitcast_train::Result<Predictions> {
        self.engine.predict(split)
    }

    fn remember(&mut self) -> hitcast_train::Result<()> {
        self.engine.remember()
    }

    fn recall(&mut self) -> hitcast_train::Result<()> {
        self.engine.recall()
    }

    fn state(&mut self) -> hitcast_train::Result<ModelState> {
        self.engine.state()
    }

    fn restore(&mut self, state: &ModelState) -> hitcast_train::Result<()> {
        self.engine.restore(state)
    }
}

/// Trains until a stop after so many steps; gives the steps, the losses and the state at the end.
fn steps(choice: EngineChoice, folder: &Path, stop_after: usize) -> (usize, Vec<f64>, ModelState) {
    let (steps, notes) = noted_steps(choice, folder, stop_after, "one processor");
    assert!(notes.is_empty(), "{notes:?}");
    steps
}

/// By an engine that says that it computes with this; also gives what is noted.
fn noted_steps(
    choice: EngineChoice,
    folder: &Path,
    stop_after: usize,
    arithmetic: &'static str,
) -> ((usize, Vec<f64>, ModelState), Vec<String>) {
    let (estimator, train, validation, seed) = (estimator(3), data(320, 1), data(100, 2), Seed::new(5));
    let network = Network::new(&estimator.network, 4, Device::Cpu, seed).unwrap();
    let settings = &estimator.training;
    let mut engine: Box<dyn Engine> = match choice {
        EngineChoice::Plan => {
            let plan = PlanEngine::compile(&network, settings, &train, Some(&validation), seed).unwrap();
            Box::new(plan.unwrap())
        }
        _ => Box::new(AutogradEngine::new(network, settings, &train, Some(&validation), seed).unwrap()),
    };
    let (stop, notes) = (StopSignal::new(), Notes::default());
    let mut counting = Counting {
        engine: &mut *engine,
        arithmetic,
        steps: 0,
        stop_after,
        stop: stop.clone(),
    };
    let targets = Targets {
        n_train: 320,
        train: Some(train.target()),
        validation: Some(validation.target()),
        loss: Loss::Mse,
        validation_weights: None,
        has_batch_norm: true,
        identity: "counted",
    };
    let context = FitContext {
        checkpoints: Some(Checkpoints::new(folder)),
        progress: &notes,
        ..FitContext::quiet("counted", seed, &stop)
    };
    let outcome = Trainer::new(settings.clone())
        .run(&mut counting, &targets, &context)
        .unwrap();
    let losses = outcome.history.iter().map(|record| record.train_loss).collect();
    let steps = (counting.steps, losses, engine.state().unwrap());
    (steps, notes.0.into_inner().unwrap())
}

#[test]
fn a_run_that_was_stopped_goes_on_at_that_very_step() {
    let home = tempfile::tempdir().unwrap();
    for choice in [EngineChoice::Plan, EngineChoice::Autograd] {
        let never = usize::MAX;
        let whole = steps(choice, &home.path().join(format!("{choice:?}")), never);
        // Ten batches by threes make four steps an epoch.
        assert_eq!(whole.0, 12);
        for stop_after in 1..=12 {
            let folder = home.path().join(format!("{choice:?} {stop_after}"));
            assert_eq!(steps(choice, &folder, stop_after).0, stop_after);
            let (rest, losses, state) = steps(choice, &folder, never);
            assert_eq!(
                rest,
                12 - stop_after,
                "{choice:?}: no step is taken twice, and none left out"
            );
            assert_eq!(
                (losses, state),
                (whole.1.clone(), whole.2.clone()),
                "{choice:?} {stop_after}"
            );
        }
    }
}

#[test]
fn going_on_with_other_arithmetic_is_told() {
    let home = tempfile::tempdir().unwrap();
    let go = |stop_after, arithmetic| noted_steps(EngineChoice::Plan, home.path(), stop_after, arithmetic);
    assert!(go(5, "one processor").1.is_empty());
    let ((rest, ..), notes) = go(usize::MAX, "another");
    assert_eq!((rest, notes.len()), (7, 1));
    assert!(
        notes[0].contains("made by one processor, and training goes on by another"),
        "{notes:?}"
    );
    let stop = StopSignal::new();
    for (engine, says) in [
        (EngineChoice::Plan, "a processor with"),
        (EngineChoice::Autograd, "libtorch on a processor"),
    ] {
        let mut estimator = estimator(1);
        estimator.training.engine = engine;
        let context = FitContext {
            device: "cpu".parse().unwrap(),
            ..FitContext::quiet("made", Seed::new(1), &stop)
        };
        let mut engine = estimator
            .engine_for(&data(320, 1), Some(&data(100, 2)), &context)
            .unwrap();
        assert!(engine.engine().arithmetic().starts_with(says));
    }
}

/// Trains on four chunks an epoch until one of this number is read; gives the state at the end.
fn stream(folder: &Path, stop_at_chunk: usize) -> ModelState {
    let (stop, read) = (StopSignal::new(), Cell::new(0));
    let chunk = |seed| {
        read.set(read.get() + 1);
        if read.get() == stop_at_chunk {
            stop.request();
        }
        Ok::<_, BoxError>(data(80, seed))
    };
    let mut chunks = Chunks::new(320, || Ok((10..14).map(chunk)));
    let context = FitContext {
        checkpoints: Some(Checkpoints {
            every: Duration::ZERO,
            keep: 1000,
            ..Checkpoints::new(folder)
        }),
        device: "cpu".parse().unwrap(),
        ..FitContext::quiet("streamed", Seed::new(5), &stop)
    };
    let settings = StreamSettings { buffer_rows: 100 };
    let fit = estimator(3).fit_stream(&mut chunks, &settings, Some(&data(100, 2)), &context);
    fit.unwrap().model.state().unwrap()
}

#[test]
fn a_stream_that_was_stopped_goes_on_at_that_very_step() {
    let home = tempfile::tempdir().unwrap();
    let whole = home.path().join("whole");
    let expected = stream(&whole, usize::MAX);
    let all: Vec<PathBuf> = files(&whole);
    // Four steps an epoch, the last of which is also its end.
    assert_eq!(all.len(), 12);
    let mut began_at = BTreeSet::new();
    // The first chunk of all is read twice.
    for stop_at_chunk in 2..=13 {
        let folder = home.path().join(stop_at_chunk.to_string());
        stream(&folder, stop_at_chunk);
        let newest = forget_older(&folder).unwrap();
        assert_eq!(stream(&folder, usize::MAX), expected);
        let names = |paths: &[PathBuf]| paths.iter().map(|path| name(path).to_owned()).collect::<Vec<_>>();
        let steps = all.iter().position(|path| name(path) == name(&newest)).unwrap();
        assert_eq!(
            names(&files(&folder)),
            names(&all[..=steps]),
            "from {} on no step is taken twice, and none left out",
            name(&newest)
        );
        began_at.insert(steps);
    }
    assert!(began_at.len() > 5, "{began_at:?}");
}

#[test]
fn a_gradient_that_was_taken_in_before_is_none_of_a_state_that_is_gone_back_to() {
    let (rows, seed) = (data(320, 1), Seed::new(5));
    for choice in [EngineChoice::Plan, EngineChoice::Autograd] {
        let mut estimator = estimator(1);
        estimator.training.engine = choice;
        estimator.training.early_stopping = None;
        let stop = StopSignal::new();
        let context = FitContext {
            device: "cpu".parse().unwrap(),
            ..FitContext::quiet("restored", seed, &stop)
        };
        let after = |taken_in: bool| {
            let mut engine = estimator.engine_for(&rows, None, &context).unwrap();
            let engine = engine.engine();
            let state = engine.state().unwrap();
            if taken_in {
                engine.accumulate(0..32).unwrap();
            }
            engine.restore(&state).unwrap();
            engine.step(32..64, 0.1).unwrap();
            engine.state().unwrap()
        };
        assert_eq!(after(true), after(false), "{choice:?}");
    }
}

#[test]
#[cfg(target_arch = "x86_64")]
fn moments_that_are_denormal_are_taken_for_zero() {
    let columns = vec![FeatureColumn::plain("nothing")];
    let nothing = Features::new(Array2::zeros((20, 1)), columns).unwrap();
    let rows = Dataset::new(nothing, vec![1.0; 20]).unwrap();
    let stop = StopSignal::new();
    for choice in [EngineChoice::Plan, EngineChoice::Autograd] {
        let estimator = NetworkEstimator {
            network: NetworkSpec::default(),
            training: TrainingSettings {
                batch_size: 20,
                optimizer: OptimizerSettings::sgd(1e-3, 0.9),
                engine: choice,
                ..Default::default()
            },
        };
        let context = FitContext {
            device: "cpu".parse().unwrap(),
            ..FitContext::quiet("denormal", Seed::new(1), &stop)
        };
        let mut engine = estimator.engine_for(&rows, None, &context).unwrap();
        let engine = engine.engine();
        let mut state = engine.state().unwrap();
        let shape = state.tensors["optimizer.first"].shape().to_vec();
        let tiny = TensorData::f32_vector(vec![1e-39; shape[0]]);
        state.tensors.insert("optimizer.first".to_owned(), tiny);
        engine.restore(&state).unwrap();
        engine.step(0..20, 1e-3).unwrap();
        let after = engine.state().unwrap();
        let velocity = after.f32("optimizer.first", &shape).unwrap();
        // That of the weight, whose gradient is zero.
        assert_eq!(velocity[0], 0.0, "{choice:?}");
    }
}
