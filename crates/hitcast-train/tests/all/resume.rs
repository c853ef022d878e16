//! Training that is killed and taken up again ends where training that was not ends.

#![allow(clippy::unwrap_used, clippy::expect_used)]
#![allow(clippy::cast_possible_truncation, clippy::cast_precision_loss)]

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use hitcast_core::dataset::FeatureColumn;
use hitcast_core::file::write_atomic;
use hitcast_core::{
    Checkpoints, Dataset, Estimator, Features, Fit, FitContext, ModelState, Seed, StopSignal, TensorValues,
};
use hitcast_nn::NetworkSpec;
use hitcast_train::choice::EngineChoice;
use hitcast_train::{EarlyStopping, NetworkEstimator, OptimizerSettings, Schedule, TrainingSettings};
use ndarray::Array2;

/// Names the folder of the child process.
const FOLDER: &str = "HITCAST_TEST_RESUME_FOLDER";
const ENGINE: &str = "HITCAST_TEST_RESUME_ENGINE";

fn data(rows: usize, seed: u64) -> Dataset {
    let mut stream = Seed::new(seed).stream("rows");
    let x = Array2::from_shape_simple_fn((rows, 4), || stream.normal() as f32);
    let y = x.outer_iter().map(|row| f64::from(row.sum()).powi(2)).collect();
    let columns = ["a", "b", "c", "d"].map(FeatureColumn::plain).to_vec();
    let weights = (0..rows).map(|row| 1.0 + (row % 3) as f64).collect();
    let data = Dataset::new(Features::new(x, columns).unwrap(), y).unwrap();
    data.with_weights(weights).unwrap()
}

/// With everything that has a state: batch norm, dropout, Adam, a schedule and early stopping that watch.
fn estimator(engine: EngineChoice, epochs: usize) -> NetworkEstimator {
    NetworkEstimator {
        network: NetworkSpec::mlp(&[24, 16]).with_batch_norm().with_dropout(0.2),
        training: TrainingSettings {
            epochs,
            batch_size: 32,
            optimizer: OptimizerSettings::adam(3e-3),
            schedule: Schedule::ReduceOnPlateau {
                factor: 0.5,
                patience: 2,
                min_delta: 0.0,
                min_learning_rate: 0.0,
            },
            early_stopping: Some(EarlyStopping {
                patience: epochs,
                ..Default::default()
            }),
            ema_decay: Some(0.99),
            accumulate_batches: 3,
            engine,
            ..Default::default()
        },
    }
}

fn fit(estimator: &NetworkEstimator, seed: u64, folder: Option<&Path>) -> hitcast_core::Result<Fit> {
    let stop = StopSignal::new();
    let context = FitContext {
        checkpoints: folder.map(|folder| Checkpoints {
            every: Duration::ZERO,
            ..Checkpoints::new(folder)
        }),
        ..FitContext::quiet("resumed", Seed::new(seed), &stop)
    };
    estimator.fit(&data(500, 1), Some(&data(100, 2)), &context)
}

fn bytes(state: &ModelState) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, tensor) in &state.tensors {
        bytes.extend(name.bytes());
        let TensorValues::F32(values) = tensor.values() else {
            panic!("{name} is not f32");
        };
        bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    }
    bytes
}

/// Not a test of its own: what the processes do that are killed below.
#[test]
fn a_child_trains_to_the_end() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        return;
    };
    let engine = match std::env::var(ENGINE).unwrap().as_str() {
        "plan" => EngineChoice::Plan,
        _ => EngineChoice::Autograd,
    };
    let folder = Path::new(&folder);
    let fit = fit(&estimator(engine, 15), 5, Some(&folder.join("checkpoints"))).unwrap();
    write_atomic(&folder.join("weights"), &bytes(&fit.model.state().unwrap())).unwrap();
}

/// `cargo xtask soak` asks for more than the usual twenty.
fn wanted_kills() -> usize {
    std::env::var("HITCAST_TEST_KILLS")
        .ok()
        .and_then(|kills| kills.parse().ok())
        .unwrap_or(20)
}

fn child(folder: &Path, engine: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "resume::a_child_trains_to_the_end"])
        .env(FOLDER, folder)
        .env(ENGINE, engine)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
fn killed_at_twenty_moments_it_ends_with_the_same_weights() {
    for engine in ["plan", "autograd"] {
        let home = tempfile::tempdir().unwrap();
        let [whole, killed] = ["whole", "killed"].map(|name| home.path().join(name));
        let began = Instant::now();
        assert!(child(&whole, engine).wait().unwrap().success());
        let duration = began.elapsed();
        let mut stream = Seed::new(9).stream("moments");
        let expected = fs::read(whole.join("weights")).unwrap();
        let (mut kills, wanted) = (0, wanted_kills());
        loop {
            let mut process = child(&killed, engine);
            if kills < wanted {
                let moment = duration.mul_f64(stream.uniform());
                std::thread::sleep(moment.max(Duration::from_millis(1)));
                if process.try_wait().unwrap().is_none() {
                    process.kill().unwrap();
                    process.wait().unwrap();
                    kills += 1;
                    continue;
                }
            }
            // It came to its end.
            assert!(process.wait().unwrap().success());
            assert!(
                fs::read(killed.join("weights")).unwrap() == expected,
                "{engine}: other weights after {kills} kills"
            );
            if kills == wanted {
                break;
            }
            fs::remove_dir_all(&killed).unwrap();
        }
        // Two newest, and the best.
        assert!(fs::read_dir(killed.join("checkpoints")).unwrap().count() <= 3);
    }
}

#[test]
fn checkpoints_change_nothing_and_a_finished_run_is_only_loaded() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("checkpoints");
    let estimator = estimator(EngineChoice::Auto, 6);
    let plain = fit(&estimator, 5, None).unwrap();
    let kept = fit(&estimator, 5, Some(&folder)).unwrap();
    let again = fit(&estimator, 5, Some(&folder)).unwrap();
    for fit in [&kept, &again] {
        assert_eq!(
            bytes(&fit.model.state().unwrap()),
            bytes(&plain.model.state().unwrap())
        );
        assert_eq!(fit.best_epoch, plain.best_epoch);
        assert_eq!(fit.history.len(), 6);
    }
}

#[test]
fn checkpoints_of_another_run_and_damaged_ones_are_refused() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("checkpoints");
    let small = estimator(EngineChoice::Auto, 3);
    fit(&small, 5, Some(&folder)).unwrap();
    let fails = |estimator: &NetworkEstimator, seed: u64| match fit(estimator, seed, Some(&folder)) {
        Ok(_) => panic!("went on from something else"),
        Err(error) => error.to_string(),
    };
    assert!(fails(&small, 6).contains("is of another run"));
    assert!(fails(&estimator(EngineChoice::Auto, 4), 5).contains("is of another run"));
    let newest = folder.join("epoch-000003.safetensors");
    let whole = fs::read(&newest).unwrap();
    for damage in [0, 9, whole.len() / 2, whole.len() - 1] {
        let mut bytes = whole.clone();
        bytes[damage] ^= 0x10;
        fs::write(&newest, &bytes).unwrap();
        let message = fails(&small, 5);
        assert!(message.contains("epoch-000003"), "{message}");
    }
    fs::write(&newest, &whole[..whole.len() / 2]).unwrap();
    assert!(fails(&small, 5).contains("epoch-000003"));
    fs::write(&newest, &whole).unwrap();
    fit(&small, 5, Some(&folder)).unwrap();
}
