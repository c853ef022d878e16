//! Training that is killed and taken up again ends where training that was not ends.

#![allow(clippy::unwrap_used, clippy::expect_used)]
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss
)]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use hitcast_core::dataset::FeatureColumn;
use hitcast_core::file::write_atomic;
use hitcast_core::{
    BoxError, Checkpoints, Dataset, Estimator, Features, Fit, FitContext, ModelState, Seed, StopSignal,
    TensorValues,
};
use hitcast_train::NetworkEstimator;
use hitcast_train::stream::{Chunks, StreamSettings};
use ndarray::Array2;
use serde_json::{Value, json};

use crate::checkpoints::{files, forget_older};

/// Names the folder of the child process, and its run.
const FOLDER: &str = "HITCAST_TEST_RESUME_FOLDER";
const RUN: &str = "HITCAST_TEST_RESUME_RUN";

/// What the child process says before it trains, since it takes longer to start than to train.
const BEGINS: &str = "it begins to train";

/// Kills of one run before another is drawn.
const KILLS_A_RUN: usize = 4;

/// How training rows come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Feed {
    Plain,
    Weighted,
    Streamed,
}

/// What is trained.
#[derive(Debug)]
struct Run {
    estimator: NetworkEstimator,
    n_classes: Option<usize>,
    feed: Feed,
    /// Checkpoints that are kept: few, or so many that they tell at which step it began.
    keep: usize,
}

/// More than there are steps.
const ALL: usize = 1000;

impl Run {
    /// The one of this number: each part of it is drawn from a list, so that as many runs as the list is long see all of it.
    fn draw(number: usize) -> Self {
        let optimizers = [
            json!({"kind": "sgd", "learning_rate": 1e-3, "momentum": 0.9}),
            json!({"kind": "sgd", "learning_rate": 1e-3, "momentum": 0.8, "nesterov": true, "weight_decay": 1e-3}),
            json!({"kind": "adam", "learning_rate": 3e-3}),
            json!({"kind": "adam", "learning_rate": 3e-3, "weight_decay": 1e-2}),
            json!({"kind": "adamw", "learning_rate": 3e-3, "weight_decay": 0.1}),
        ];
        let schedules = [
            json!({"kind": "constant"}),
            json!({"kind": "step", "every": 3, "factor": 0.5}),
            json!({"kind": "cosine"}),
            json!({"kind": "one_cycle"}),
            json!({"kind": "reduce_on_plateau", "factor": 0.5, "patience": 1}),
        ];
        let heads = [
            (json!({"kind": "linear"}), None),
            (json!({"kind": "bounded", "min": 0.0, "max": 40.0}), None),
            (json!({"kind": "binary"}), Some(2)),
            (json!({"kind": "softmax"}), Some(3)),
            (json!({"kind": "ordinal"}), Some(3)),
        ];
        let early_stopping = [
            Value::Null,
            json!({"patience": 100}),
            json!({"patience": 2, "min_delta": 0.05}),
            json!({"patience": 3, "warm_up": 2, "restore_best": false}),
        ];
        let activations = [
            "relu",
            "leaky_relu",
            "elu",
            "selu",
            "gelu",
            "silu",
            "tanh",
            "sigmoid",
            "softplus",
        ];
        let norm_and_dropout = [(true, 0.2), (false, 0.3), (true, 0.0), (false, 0.0)];
        let hidden = [json!([24, 16]), json!([32]), json!([16, 16, 8])];
        let clip = [json!(0.5), Value::Null];
        let average = [json!(0.99), Value::Null];
        let (head, n_classes) = drawn(number, "head", &heads);
        let (batch_norm, dropout) = drawn(number, "norm and dropout", &norm_and_dropout);
        let estimator = json!({
            "network": {
                "hidden": drawn(number, "hidden", &hidden),
                "activation": drawn(number, "activation", &activations),
                "batch_norm": batch_norm,
                "dropout": dropout,
                "head": head,
            },
            "training": {
                "epochs": 8,
                "batch_size": 32,
                "optimizer": drawn(number, "optimizer", &optimizers),
                "weight_decay_on": drawn(number, "weight decay", &["weights", "all"]),
                "schedule": drawn(number, "schedule", &schedules),
                "early_stopping": drawn(number, "early stopping", &early_stopping),
                "clip_gradient_norm": drawn(number, "clip", &clip),
                "accumulate_batches": drawn(number, "accumulate", &[1, 3]),
                "ema_decay": drawn(number, "average", &average),
                "engine": drawn(number, "engine", &["plan", "autograd"]),
            },
        });
        Self {
            estimator: serde_json::from_value(estimator).unwrap(),
            n_classes,
            feed: drawn(number, "feed", &[Feed::Plain, Feed::Weighted, Feed::Streamed]),
            keep: drawn(number, "keep", &[2, ALL]),
        }
    }

    /// As many rows as that, of which the chunks of a stream are a part each.
    fn rows(&self, n: usize, seed: u64) -> Dataset {
        let mut stream = Seed::new(seed).stream("rows");
        let x = Array2::from_shape_simple_fn((n, 4), || stream.normal() as f32);
        let y: Vec<f64> = x.outer_iter().map(|row| f64::from(row.sum()).powi(2)).collect();
        let columns = ["a", "b", "c", "d"].map(FeatureColumn::plain).to_vec();
        let features = Features::new(x, columns).unwrap();
        let data = match self.n_classes {
            None => Dataset::new(features, y),
            Some(n_classes) => {
                #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
                let class = |y: &f64| ((y / 3.0) as usize).min(n_classes - 1);
                let classes: Vec<usize> = y.iter().map(class).collect();
                Dataset::of_classes(features, &classes, n_classes)
            }
        };
        let data = data.unwrap();
        match self.feed {
            Feed::Weighted => {
                let weights = (0..n).map(|row| 1.0 + (row % 3) as f64).collect();
                data.with_weights(weights).unwrap()
            }
            Feed::Plain | Feed::Streamed => data,
        }
    }

    /// Trains with a checkpoint after every step.
    fn fit(&self, folder: &Path) -> hitcast_core::Result<Fit> {
        let stop = StopSignal::new();
        let context = FitContext {
            checkpoints: Some(Checkpoints {
                every: Duration::ZERO,
                keep: self.keep,
                ..Checkpoints::new(folder)
            }),
            device: "cpu".parse()?,
            ..FitContext::quiet("resumed", Seed::new(5), &stop)
        };
        let validation = self.rows(100, 2);
        if self.feed != Feed::Streamed {
            return self
                .estimator
                .fit(&self.rows(300, 1), Some(&validation), &context);
        }
        let chunk = |seed| Ok::<_, BoxError>(self.rows(100, seed));
        let mut chunks = Chunks::new(300, || Ok((10..13).map(chunk)));
        let settings = StreamSettings { buffer_rows: 150 };
        self.estimator
            .fit_stream(&mut chunks, &settings, Some(&validation), &context)
    }
}

/// What a run of this number has of a list, which is gone through again and again, each time shuffled.
fn drawn<T: Clone>(number: usize, part: &str, list: &[T]) -> T {
    let pass = Seed::new(11).child(part).nth((number / list.len()) as u64);
    let order = pass.stream("order").permutation(list.len());
    list[order[number % list.len()]].clone()
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
    let run = Run::draw(std::env::var(RUN).unwrap().parse().unwrap());
    let folder = Path::new(&folder);
    // Not by `println!`, which is kept back until the test ends.
    writeln!(std::io::stdout(), "{BEGINS}").unwrap();
    let fit = run.fit(&folder.join("checkpoints")).unwrap();
    let mut ended = bytes(&fit.model.state().unwrap());
    for record in &fit.history {
        ended.extend(record.train_loss.to_le_bytes());
        ended.extend(record.validation_loss.unwrap().to_le_bytes());
    }
    write_atomic(&folder.join("ended"), &ended).unwrap();
}

/// `cargo xtask soak` asks for more than the usual twenty.
fn wanted_kills() -> usize {
    std::env::var("HITCAST_TEST_KILLS")
        .ok()
        .and_then(|kills| kills.parse().ok())
        .unwrap_or(20)
}

/// A process that has begun to train.
fn child(folder: &Path, run: usize) -> Child {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "resume::a_child_trains_to_the_end"])
        .env(FOLDER, folder)
        .env(RUN, run.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let said = BufReader::new(child.stdout.as_mut().unwrap());
    let mut lines = said.lines().map_while(std::io::Result::ok);
    assert!(lines.any(|line| line.contains(BEGINS)), "{:?}", Run::draw(run));
    child
}

#[test]
fn killed_at_twenty_moments_it_ends_with_the_same_weights_and_losses() {
    let mut stream = Seed::new(9).stream("moments");
    for run in 0..wanted_kills().div_ceil(KILLS_A_RUN) {
        let home = tempfile::tempdir().unwrap();
        let [whole, killed] = ["whole", "killed"].map(|name| home.path().join(name));
        let mut process = child(&whole, run);
        let began = Instant::now();
        assert!(process.wait().unwrap().success(), "{:?}", Run::draw(run));
        let duration = began.elapsed();
        let expected = fs::read(whole.join("ended")).unwrap();
        let checkpoints = killed.join("checkpoints");
        let keeps_all = Run::draw(run).keep == ALL;
        let mut kills = 0;
        loop {
            let newest = (keeps_all && checkpoints.exists()).then(|| forget_older(&checkpoints));
            let newest = newest.flatten();
            // Of no checkpoint before the newest one there may be another.
            let has_gone_on = || {
                if let Some(newest) = &newest {
                    assert_eq!(files(&checkpoints).last(), Some(newest), "{:?}", Run::draw(run));
                }
            };
            let mut process = child(&killed, run);
            if kills < KILLS_A_RUN {
                let moment = duration.mul_f64(stream.uniform());
                std::thread::sleep(moment.max(Duration::from_millis(1)));
                if process.try_wait().unwrap().is_none() {
                    process.kill().unwrap();
                    process.wait().unwrap();
                    has_gone_on();
                    kills += 1;
                    continue;
                }
            }
            // It came to its end.
            assert!(process.wait().unwrap().success());
            has_gone_on();
            assert!(
                fs::read(killed.join("ended")).unwrap() == expected,
                "it ended otherwise after {kills} kills: {:?}",
                Run::draw(run)
            );
            if kills == KILLS_A_RUN {
                break;
            }
            fs::remove_dir_all(&killed).unwrap();
        }
        // Two newest, and the best.
        assert!(keeps_all || files(&checkpoints).len() <= 3);
    }
}
