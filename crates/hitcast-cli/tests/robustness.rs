//! Training that is interrupted or killed, that finds its checkpoints damaged, or that is given what it cannot work with.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::thread::{JoinHandle, sleep};
use std::time::Duration;

use hitcast::prelude::Seed;
use serde_json::Value;

mod support;

use support::{EXPERIMENT, Outcome, failure, folder_with, hitcast, json};

/// In place of `epochs = 3`: so many steps that a test is there before the last.
const LONGER: &str = "epochs = 6, batch_size = 16";

/// A training under way, to be sent signals.
struct Training {
    process: Child,
    said: BufReader<ChildStderr>,
}

impl Training {
    /// Trains until it says that it fits its network.
    fn begin(folder: &Path, arguments: &[&str]) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_hitcast"))
            .current_dir(folder)
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let said = BufReader::new(process.stderr.take().unwrap());
        let mut training = Self { process, said };
        training.wait_for("network: fitting");
        training
    }

    fn wait_for(&mut self, words: &str) {
        let mut line = String::new();
        while !line.contains(words) {
            line.clear();
            let bytes = self.said.read_line(&mut line).unwrap();
            assert_ne!(bytes, 0, "it ended before it said {words:?}");
        }
    }

    /// As Ctrl-C does.
    fn interrupt(&self) {
        let id = self.process.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-INT", &id])
                .status()
                .unwrap()
                .success()
        );
    }

    /// Kills it as soon as there are so many checkpoints in a folder.
    fn kill_with_checkpoints(mut self, n: usize, folder: &Path) -> Outcome {
        while checkpoints(folder).len() < n {
            assert!(self.process.try_wait()?.is_none(), "it ended without checkpoints");
            sleep(Duration::from_millis(5));
        }
        self.process.kill()?;
        self.end();
        Ok(())
    }

    /// Its output, and what else it said on standard error.
    fn end(self) -> (Output, String) {
        let Self { process, mut said } = self;
        // Both pipes at once: the history of the epochs fills one while the other is read.
        let rest: JoinHandle<String> = std::thread::spawn(move || {
            let mut rest = String::new();
            said.read_to_string(&mut rest).unwrap();
            rest
        });
        let output = process.wait_with_output().unwrap();
        (output, rest.join().unwrap())
    }
}

/// All files and folders in a folder, at any depth.
fn everything(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    // A folder may have been renamed meanwhile.
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(everything(&path));
        }
        found.push(path);
    }
    found
}

fn half_written(folder: &Path) -> Option<PathBuf> {
    everything(folder)
        .into_iter()
        .find(|path| path.extension().is_some_and(|extension| extension == "tmp"))
}

/// The checkpoints of the only network, the newest last.
fn checkpoints(folder: &Path) -> Vec<PathBuf> {
    let is_one = |path: &PathBuf| {
        path.extension()
            .is_some_and(|extension| extension == "safetensors")
    };
    let mut files: Vec<PathBuf> = everything(folder).into_iter().filter(is_one).collect();
    files.sort_by_key(|path| path.to_str().unwrap().replace(".safetensors", ""));
    files
}

fn train<'a>(experiment: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let fixed = [
        "train",
        "--experiment",
        experiment,
        "--data",
        "tracks.csv",
        "--device",
        "cpu",
        "--json",
    ];
    [&fixed[..], more].concat()
}

#[test]
fn ctrl_c_ends_the_training_keeps_the_best_and_lets_it_go_on() -> Outcome {
    let endless = EXPERIMENT.replace("epochs = 3", "epochs = 100000");
    let folder = folder_with("endless.toml", &endless)?;
    let stopped = |more: &[&str]| -> Value {
        let training = Training::begin(folder.path(), &train("endless.toml", more));
        sleep(Duration::from_secs(1));
        training.interrupt();
        let (output, rest) = training.end();
        assert_eq!(output.status.code(), Some(130), "{rest}");
        assert!(rest.contains("the best weights are kept"), "{rest}");
        let run: Value = serde_json::from_slice(&output.stdout).unwrap();
        let model = &run["models"][0];
        assert_eq!(model["stopped"], "requested");
        let loss = |record: &Value| record["validation_loss"].as_f64().unwrap();
        let history = model["history"].as_array().unwrap();
        let best = history.iter().map(loss).fold(f64::INFINITY, f64::min);
        let best_epoch = usize::try_from(model["best_epoch"].as_u64().unwrap()).unwrap();
        assert!((loss(&history[best_epoch - 1]) - best).abs() < 1e-12);
        assert!(folder.path().join("out/run/bundle/manifest.json").is_file());
        assert!(!checkpoints(&folder.path().join("out/run.checkpoints")).is_empty());
        assert_eq!(half_written(folder.path()), None);
        model["history"].clone()
    };
    let first = stopped(&[]);
    // What it did before is not done again.
    let second = stopped(&["--resume"]);
    let (first, second) = (first.as_array().unwrap(), second.as_array().unwrap());
    assert!(second.len() > first.len());
    assert_eq!(first[..], second[..first.len()]);
    Ok(())
}

#[test]
fn two_runs_do_not_train_in_one_folder() -> Outcome {
    let endless = EXPERIMENT.replace("epochs = 3", "epochs = 100000");
    let folder = folder_with("endless.toml", &endless)?;
    let mut first = Training::begin(folder.path(), &train("endless.toml", &[]));
    for more in [&[][..], &["--resume"], &["--overwrite"]] {
        let message = failure(folder.path(), &train("endless.toml", more), 1)?;
        assert!(
            message.contains("run.checkpoints is in use by another run"),
            "{message}"
        );
    }
    assert!(first.process.try_wait()?.is_none());
    // A killed one is in nobody's way.
    first.process.kill()?;
    first.end();
    let second = Training::begin(folder.path(), &train("endless.toml", &["--resume"]));
    second.interrupt();
    let (output, rest) = second.end();
    assert_eq!(output.status.code(), Some(130), "{rest}");
    assert!(folder.path().join("out/run/bundle/manifest.json").is_file());
    Ok(())
}

#[test]
fn a_second_ctrl_c_ends_it_at_once() -> Outcome {
    // One step an epoch, of batches of one row: many seconds.
    let slow = EXPERIMENT
        .replace("hidden = [8]", "hidden = [2048, 2048]")
        .replace(
            "epochs = 3",
            "epochs = 9, batch_size = 1, accumulate_batches = 1000000",
        );
    let folder = folder_with("slow.toml", &slow)?;
    // Several times: wherever the training is, nothing that it uses is taken from under it.
    for out in ["a", "b", "c", "d", "e", "f", "g", "h"] {
        let mut training = Training::begin(folder.path(), &train("slow.toml", &["--out", out]));
        training.interrupt();
        training.wait_for("Ctrl-C again ends at once");
        training.interrupt();
        let (output, rest) = training.end();
        assert_eq!(output.status.code(), Some(130), "{}: {rest}", output.status);
        assert!(output.stdout.is_empty());
        assert!(!folder.path().join(out).exists());
        assert_eq!(half_written(folder.path()), None);
    }
    Ok(())
}

#[test]
fn ended_at_once_while_it_writes_it_leaves_nothing_half_written() -> Outcome {
    // Of four million weights: its checkpoints take a while to write, and so does its bundle.
    let writing = EXPERIMENT.replace("hidden = [8]", "hidden = [2048, 2048]");
    let folder = folder_with("writing.toml", &writing)?;
    let mut stream = Seed::new(3).stream("moments");
    let mut seen = 0;
    for out in ["a", "b", "c", "d", "e"] {
        let mut training = Training::begin(folder.path(), &train("writing.toml", &["--out", out]));
        training.interrupt();
        training.wait_for("Ctrl-C again ends at once");
        // What it writes then is the checkpoint of that step, or else the run.
        let is_over = loop {
            if half_written(folder.path()).is_some() {
                break false;
            }
            if training.process.try_wait()?.is_some() {
                break true;
            }
            sleep(Duration::from_millis(1));
        };
        if is_over {
            continue;
        }
        seen += 1;
        sleep(Duration::from_secs_f64(0.02 * stream.uniform()));
        training.interrupt();
        let (output, rest) = training.end();
        assert_eq!(output.status.code(), Some(130), "{rest}");
        assert_eq!(half_written(folder.path()), None);
        // Where the run was saved before, it was saved as a whole.
        if folder.path().join(out).exists() {
            let bundle = format!("{out}/bundle");
            json(folder.path(), &["evaluate", &bundle, "--data", "tracks.csv"])?;
        }
    }
    assert!(seen > 0, "none was seen to write");
    Ok(())
}

#[test]
fn a_run_that_was_killed_goes_on_and_ends_as_if_it_had_not_been() -> Outcome {
    let folder = folder_with("longer.toml", &EXPERIMENT.replace("epochs = 3", LONGER))?;
    let arguments = |out: &'static str| {
        let fixed = [
            "train",
            "--experiment",
            "longer.toml",
            "--data",
            "tracks.csv",
            "--out",
        ];
        let kept = ["--checkpoint-every", "0", "--keep-checkpoints", "5"];
        [&fixed[..], &[out], &kept].concat()
    };
    let resume = [&arguments("killed")[..], &["--resume"]].concat();
    assert!(failure(folder.path(), &resume, 1)?.contains("nothing to go on with"));
    let left = folder.path().join("killed.checkpoints");
    Training::begin(folder.path(), &arguments("killed")).kill_with_checkpoints(5, &left)?;
    assert!(!folder.path().join("killed").exists());
    assert!(failure(folder.path(), &arguments("killed"), 1)?.contains("a run that did not end"));
    // Its newest checkpoint is damaged too.
    let newest = checkpoints(&left).pop().ok_or("no checkpoint")?;
    fs::write(&newest, &fs::read(&newest)?[..1000])?;
    let output = hitcast(folder.path(), &[&resume[..], &["--json"]].concat())?;
    let said = String::from_utf8(output.stderr)?;
    let newest = newest
        .file_name()
        .ok_or("no name")?
        .to_string_lossy()
        .into_owned();
    assert!(
        said.contains(&format!("{newest} is damaged")) && said.contains("training goes on from"),
        "{said}"
    );
    let resumed: Value = serde_json::from_slice(&output.stdout)?;
    let whole = json(folder.path(), &arguments("whole"))?;
    assert_eq!(resumed["test"], whole["test"]);
    assert_eq!(resumed["models"][0]["history"].as_array().map(Vec::len), Some(6));
    assert!(!left.exists() && !folder.path().join("whole.checkpoints").exists());
    Ok(())
}

#[test]
fn a_run_that_was_killed_in_its_second_fit_goes_on_there() -> Outcome {
    let twice = format!("refit = true{}", EXPERIMENT.replace("epochs = 3", LONGER));
    let folder = folder_with("twice.toml", &twice)?;
    let every_step = ["--checkpoint-every", "0", "--out"];
    let arguments = |out| train("twice.toml", &[&every_step[..], &[out]].concat());
    let second = folder.path().join("killed.checkpoints/01-network-again");
    Training::begin(folder.path(), &arguments("killed")).kill_with_checkpoints(2, &second)?;
    let output = hitcast(folder.path(), &[&arguments("killed")[..], &["--resume"]].concat())?;
    let said = String::from_utf8(output.stderr)?;
    // The first fit is only loaded.
    assert_eq!(said.matches("network: goes on after").count(), 1, "{said}");
    let resumed: Value = serde_json::from_slice(&output.stdout)?;
    let whole: Value = serde_json::from_slice(&hitcast(folder.path(), &arguments("whole"))?.stdout)?;
    assert_eq!(resumed["models"][0]["is_refitted"], true);
    assert_eq!(resumed["test"], whole["test"]);
    Ok(())
}

#[test]
fn what_it_cannot_work_with_is_said_in_words_and_leaves_nothing() -> Outcome {
    let classes = EXPERIMENT.replace(
        "target = \"popularity\"",
        "target = \"popularity\", classes = { kind = \"threshold\", at_least = 50.0, names = [\"not\", \"popular\"] }",
    );
    let weighted = |from: &str| {
        let weight = format!(
            "cleaning.steps = [\n    {{ step = \"derive_scaled\", from = \"{from}\", into = \"counts\", factor = 1.0 }},"
        );
        EXPERIMENT
            .replace("data = { ", "data = { weight = \"counts\", ")
            .replace("cleaning.steps = [", &weight)
    };
    let with = |settings: &str| EXPERIMENT.replace("epochs = 3", &format!("epochs = 3, {settings}"));
    let class_loss = |loss: &str| classes.replace("epochs = 3", &format!("epochs = 3, loss = \"{loss}\""));
    let normed = |batch: usize| {
        with(&format!("batch_size = {batch}")).replace("hidden = [8]", "hidden = [8], batch_norm = true")
    };
    for (experiment, parts) in [
        (with("batch_size = 0"), &["batch_size is 0", "from 1 to the"][..]),
        (
            with("batch_size = 1000000"),
            &["batch_size is 1000000", "training rows"],
        ),
        (normed(1), &["batch_size is 1", "at least 2 with batch norm"]),
        (class_loss("mse"), &["mse", "cross_entropy or focal"]),
        (
            with("loss = { kind = \"cross_entropy\" }"),
            &["cross_entropy", "mse, mae or huber"],
        ),
        (weighted("loudness"), &["data.weight", "\"counts\"", "holds -"]),
    ] {
        let folder = folder_with("bad.toml", &experiment)?;
        let message = failure(folder.path(), &train("bad.toml", &[]), 1)?;
        for part in parts {
            assert!(message.contains(part), "{part:?} is not in {message}");
        }
        let mut left = everything(folder.path());
        left.retain(|path| path.is_file());
        assert_eq!(left.len(), 2, "{left:?}");
    }
    Ok(())
}
