//! The Python program that trains: rows go to it in files, losses come back line by line, and so do the answers that it waits for.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::num::ParseFloatError;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use hitcast_core::StopSignal;
#[cfg(unix)]
use rustix::process::{Pid, Signal, kill_process_group};
use serde::Deserialize;
use serde_json::Value;
use tempfile::TempDir;

use crate::data::Rows;
use crate::error::{BoosterError, Result};
use crate::find::Booster;
use crate::rounds::Losses;

const SOURCE: &str = include_str!("train.py");

/// What the program says in its last moments is waited for so long.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// Between two looks at the stop signal.
const LOOK: Duration = Duration::from_millis(50);
/// Lines of what the program says last that are shown if it fails.
const SHOWN: usize = 6;

/// What a program is at.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Stage {
    /// Python and the package are loaded, the rows are read and divided into bins, and the first round is made.
    Starting,
    Rounds,
    /// The model is written.
    Ending,
}

impl Stage {
    /// How long it may go on after a stop was requested, before the program is killed.
    const fn grace(self) -> Duration {
        let seconds = match (self, cfg!(test)) {
            (Self::Rounds, true) => 1,
            (Self::Rounds, false) => 10,
            (_, true) => 4,
            // What was learned would be lost.
            (_, false) => 60,
        };
        Duration::from_secs(seconds)
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Starting => "its start with the first round",
            Self::Rounds => "its round",
            Self::Ending => "the writing of its model",
        }
    }
}

/// A program that trains; dropped, it is killed with all that it started.
pub(super) struct Program {
    python: PathBuf,
    /// Where the files lie, as long as the program runs.
    folder: TempDir,
    child: Child,
    answers: Option<ChildStdin>,
    lines: Receiver<String>,
    said: Receiver<String>,
    stage: Stage,
    /// When a stop was found to be requested in this stage.
    requested: Option<Instant>,
    /// How it ended. Until that is asked for, no other process has its number.
    ended: Option<ExitStatus>,
    stop: StopSignal,
}

/// A number as text, as JSON has none that are not finite.
#[derive(Deserialize)]
#[serde(try_from = "String")]
struct Number(f64);

impl TryFrom<String> for Number {
    type Error = ParseFloatError;

    fn try_from(text: String) -> std::result::Result<Self, ParseFloatError> {
        text.parse().map(Self)
    }
}

#[derive(Deserialize)]
struct Line {
    train: Option<Number>,
    validation: Option<Number>,
    #[serde(default)]
    done: bool,
}

impl Program {
    /// Writes the files and starts the program.
    ///
    /// # Errors
    /// As [`Booster::find`]; [`BoosterError::File`] if the files cannot be written.
    pub(super) fn start(
        settings: &Value,
        train: &Rows<'_>,
        validation: Option<&Rows<'_>>,
        stop: &StopSignal,
    ) -> Result<Self> {
        Self::start_with(
            &Booster::CatBoost.place()?.path,
            SOURCE,
            settings,
            train,
            validation,
            stop,
        )
    }

    fn start_with(
        python: &Path,
        source: &str,
        settings: &Value,
        train: &Rows<'_>,
        validation: Option<&Rows<'_>>,
        stop: &StopSignal,
    ) -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("hitcast-catboost-")
            .tempdir()
            .map_err(BoosterError::file("make a folder in", std::env::temp_dir()))?;
        write_rows(folder.path(), "train", train)?;
        if let Some(validation) = validation {
            write_rows(folder.path(), "validation", validation)?;
        }
        let path = folder.path().join("settings.json");
        std::fs::write(&path, settings.to_string()).map_err(BoosterError::file("write", path))?;
        let mut command = Command::new(python);
        command.args(["-c", source]).arg(folder.path());
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        // A Ctrl-C in the terminal is for this program, which lets the round end.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut child = command.spawn().map_err(|error| BoosterError::Python {
            python: python.to_owned(),
            detail: error.to_string(),
        })?;
        let answers = child.stdin.take();
        let (send, lines) = channel();
        if let Some(output) = child.stdout.take() {
            // Ends with the program, or once nobody listens.
            std::thread::spawn(move || {
                let lines = BufReader::new(output).lines().map_while(std::result::Result::ok);
                for line in lines {
                    if send.send(line).is_err() {
                        break;
                    }
                }
            });
        }
        let (tell, said) = channel();
        if let Some(output) = child.stderr.take() {
            std::thread::spawn(move || {
                // Nobody may want to know.
                let _ = tell.send(last_lines(output));
            });
        }
        Ok(Self {
            python: python.to_owned(),
            folder,
            child,
            answers,
            lines,
            said,
            stage: Stage::Starting,
            requested: None,
            ended: None,
            stop: stop.clone(),
        })
    }

    /// The losses after a round, counted from 0; `None` if there was none any more.
    pub(super) fn next(&mut self, round: usize) -> Result<Option<Losses>> {
        if round > 0 {
            self.answer("go", Stage::Rounds);
        }
        let Some(line) = self.line()? else {
            return Err(self.failed());
        };
        match serde_json::from_str(&line) {
            Ok(Line {
                train: Some(train),
                validation,
                ..
            }) => Ok(Some(Losses {
                train: train.0,
                validation: validation.map(|loss| loss.0),
            })),
            Ok(Line { done: true, .. }) => Ok(None),
            _ => Err(BoosterError::Python {
                python: self.python.clone(),
                detail: format!("it says {line:?}"),
            }),
        }
    }

    /// Ends the training and takes the model as JSON, and what its first `kept` rounds predict for the first rows.
    pub(super) fn end(mut self, kept: usize) -> Result<(String, Vec<f64>)> {
        self.answer(&format!("end {kept}"), Stage::Ending);
        // No line comes any more; the end of them is the end of the program, or nearly.
        while self.line()?.is_some() {}
        if !self.status()?.is_some_and(|status| status.success()) {
            return Err(self.failed());
        }
        let path = self.folder.path().join("model.json");
        let json = std::fs::read_to_string(&path).map_err(BoosterError::file("read", path))?;
        let path = self.folder.path().join("predictions");
        let bytes = std::fs::read(&path).map_err(BoosterError::file("read", path))?;
        let number = |bytes: &[u8]| bytes.try_into().map_or(f64::NAN, f64::from_le_bytes);
        Ok((json, bytes.chunks_exact(8).map(number).collect()))
    }

    /// Answers, with which another stage begins. A program that has ended says why by itself, so that it may be deaf.
    fn answer(&mut self, answer: &str, stage: Stage) {
        (self.stage, self.requested) = (stage, None);
        if let Some(answers) = &mut self.answers {
            let _ = writeln!(answers, "{answer}").and_then(|()| answers.flush());
        }
    }

    /// The next line, or `None` at the end of them.
    ///
    /// # Errors
    /// [`BoosterError::Stopped`] if none comes in time after a stop was requested.
    fn line(&mut self) -> Result<Option<String>> {
        loop {
            match self.lines.recv_timeout(LOOK) {
                Ok(line) => return Ok(Some(line)),
                Err(RecvTimeoutError::Disconnected) => return Ok(None),
                Err(RecvTimeoutError::Timeout) => self.expect_patience()?,
            }
        }
    }

    /// How the program ended, once it has; `None` if the system does not know.
    fn status(&mut self) -> Result<Option<ExitStatus>> {
        while self.ended.is_none() {
            match self.child.try_wait() {
                Ok(Some(status)) => self.ended = Some(status),
                Ok(None) => {
                    std::thread::sleep(LOOK);
                    self.expect_patience()?;
                }
                Err(_) => break,
            }
        }
        Ok(self.ended)
    }

    /// Ends the waiting if a stop was requested so long ago that it should be over.
    fn expect_patience(&mut self) -> Result<()> {
        let grace = self.stage.grace();
        if self.stop.is_requested() && self.requested.get_or_insert_with(Instant::now).elapsed() >= grace {
            return Err(BoosterError::Stopped {
                booster: Booster::CatBoost,
                doing: self.stage.name(),
                seconds: grace.as_secs(),
            });
        }
        Ok(())
    }

    /// What the program said last.
    fn failed(&mut self) -> BoosterError {
        self.kill();
        // Something that it started may hold the line open.
        let said = self.said.recv_timeout(LAST_WORDS).ok();
        BoosterError::Python {
            python: self.python.clone(),
            detail: said
                .filter(|said| !said.is_empty())
                .unwrap_or_else(|| "it said nothing".to_owned()),
        }
    }

    /// Kills the program and what it started, if it has not been seen to end.
    fn kill(&mut self) {
        if self.ended.is_some() {
            return;
        }
        #[cfg(unix)]
        if let Some(group) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            // One that has ended need not be.
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = self.child.kill();
        self.ended = self.child.wait().ok();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
    }
}

fn last_lines(output: impl Read) -> String {
    let mut last = VecDeque::new();
    for line in BufReader::new(output)
        .split(b'\n')
        .map_while(std::result::Result::ok)
    {
        let line = String::from_utf8_lossy(&line).trim_end().to_owned();
        if line.is_empty() {
            continue;
        }
        if last.len() == SHOWN {
            last.pop_front();
        }
        last.push_back(line);
    }
    Vec::from(last).join("\n")
}

fn write_rows(folder: &Path, part: &str, rows: &Rows<'_>) -> Result<()> {
    let columns = [
        ("features", Some(rows.cells())),
        ("target", Some(rows.target.as_slice())),
        ("weights", rows.weights.as_deref()),
    ];
    for (name, values) in columns {
        let Some(values) = values else { continue };
        let path = folder.join(format!("{part}.{name}"));
        let written = File::create(&path).and_then(|file| {
            let mut file = BufWriter::new(file);
            values
                .iter()
                .try_for_each(|value| file.write_all(&value.to_le_bytes()))?;
            file.flush()
        });
        written.map_err(BoosterError::file("write", path))?;
    }
    Ok(())
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use hitcast_core::{Dataset, FeatureColumn, Features};
    use ndarray::array;

    use super::*;

    /// A program in place of Python, given as `sh -c SOURCE FOLDER`, so that the folder is `$0`.
    fn start(source: &str, stop: &StopSignal) -> Program {
        start_with(Path::new("sh"), source, &Value::Null, stop)
    }

    fn start_with(python: &Path, source: &str, settings: &Value, stop: &StopSignal) -> Program {
        let columns = vec![FeatureColumn::plain("a"), FeatureColumn::plain("b")];
        let features = Features::new(array![[1.0, 2.0], [3.0, 4.0]], columns).unwrap();
        let data = Dataset::new(features, vec![5.0, 6.0]).unwrap();
        let rows = Rows::of_training(&data).unwrap();
        Program::start_with(python, source, settings, &rows, Some(&rows), stop).unwrap()
    }

    #[test]
    fn rounds_are_told_and_answered_and_the_result_is_read() {
        let source = r#"
            test $(cat $0/train.features $0/validation.target | wc -c) = 24 || exit 1
            test -e $0/train.weights && exit 1
            echo '{"train": "2", "validation": "3"}'; read a; test "$a" = go || exit 1
            echo '{"train": "nan", "validation": null}'; read a; test "$a" = go || exit 1
            echo '{"done": true}'; read a; test "$a" = 'end 2' || exit 1
            printf model > $0/model.json; printf '\0\0\0\0\0\0\360\77' > $0/predictions
        "#;
        let mut program = start(source, &StopSignal::new());
        let folder = program.folder.path().to_owned();
        let (train, validation) = (2.0, Some(3.0));
        assert_eq!(program.next(0).unwrap(), Some(Losses { train, validation }));
        let losses = program.next(1).unwrap().unwrap();
        assert!(losses.train.is_nan() && losses.validation.is_none());
        assert_eq!(program.next(2).unwrap(), None);
        assert_eq!(program.end(2).unwrap(), ("model".to_owned(), vec![1.0]));
        assert!(!folder.exists());
    }

    #[test]
    fn a_program_that_fails_is_shown_by_its_last_lines() {
        let lines = "for i in 1 2 3 4 5 6 7 8; do echo line $i >&2; done; echo >&2; exit 3";
        let message = start(lines, &StopSignal::new()).next(0).unwrap_err().to_string();
        assert!(
            message.contains("line 3\n") && message.ends_with("line 8"),
            "{message}"
        );
        assert!(!message.contains("line 2"), "{message}");
        let late = "echo '{\"train\": \"2\"}'; read a; echo too late >&2; exit 3";
        let mut program = start(late, &StopSignal::new());
        program.next(0).unwrap();
        let message = program.end(1).unwrap_err().to_string();
        assert!(message.contains("too late"), "{message}");
        let message = start("echo no line; sleep 60", &StopSignal::new())
            .next(0)
            .unwrap_err()
            .to_string();
        assert!(message.contains("it says \"no line\""), "{message}");
    }

    #[test]
    fn a_program_that_does_not_end_after_a_stop_is_given_up() {
        let loss = r#"echo '{"train": "2"}'; read a;"#;
        for (source, stage) in [
            ("exec sleep 60".to_owned(), Stage::Starting),
            (format!("{loss} exec sleep 60"), Stage::Rounds),
            (format!("{loss} exec sleep 60"), Stage::Ending),
            // It says that it is done, but goes on.
            (format!("{loss} exec >&-; exec sleep 60"), Stage::Ending),
        ] {
            let stop = StopSignal::new();
            let mut program = start(&source, &stop);
            if stage != Stage::Starting {
                program.next(0).unwrap();
            }
            stop.request();
            let began = Instant::now();
            let error = match stage {
                Stage::Starting => program.next(0).unwrap_err(),
                Stage::Rounds => program.next(1).unwrap_err(),
                Stage::Ending => program.end(1).unwrap_err(),
            };
            let message = error.to_string();
            let seconds = stage.grace().as_secs();
            let end = format!("{} did not end within {seconds} seconds", stage.name());
            assert!(message.ends_with(&end), "{message}");
            assert!(began.elapsed() >= stage.grace());
        }
    }

    #[test]
    fn the_model_of_a_fit_that_is_to_stop_may_take_longer_than_a_round() {
        let source = r#"
            echo '{"train": "2"}'; read a
            sleep 1.5; printf model > $0/model.json; printf '' > $0/predictions
        "#;
        let stop = StopSignal::new();
        let mut program = start(source, &stop);
        program.next(0).unwrap();
        stop.request();
        assert!(Stage::Rounds.grace() < Duration::from_millis(1500));
        assert_eq!(program.end(1).unwrap().0, "model");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_a_program_started_is_killed_with_it() {
        let stop = StopSignal::new();
        let mut program = start("sleep 60 & echo $!; wait", &stop);
        let own = program.child.id().to_string();
        let started = program.line().unwrap().unwrap();
        let runs = |id: &str| {
            let stat = std::fs::read_to_string(format!("/proc/{id}/stat"));
            // One that nobody has collected yet is there as a zombie.
            stat.is_ok_and(|stat| !stat.rsplit(')').next().unwrap().trim_start().starts_with('Z'))
        };
        assert!(runs(&own) && runs(&started));
        drop(program);
        let began = Instant::now();
        while runs(&started) && began.elapsed() < Duration::from_secs(5) {
            std::thread::sleep(LOOK);
        }
        assert!(!runs(&own) && !runs(&started));
    }

    /// The Python that trains, if there is one.
    fn python() -> Option<PathBuf> {
        match Booster::CatBoost.place() {
            Ok(found) => Some(found.path),
            Err(error @ BoosterError::Absent { .. }) => {
                hitcast_core::testing::report_skipped(&error.to_string());
                None
            }
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn modules_of_the_current_folder_are_not_run() {
        let Some(python) = python() else { return };
        let folder = tempfile::tempdir().unwrap();
        for module in ["json", "shutil", "numpy", "catboost"] {
            let path = folder.path().join(format!("{module}.py"));
            std::fs::write(path, "raise SystemExit('of the current folder')").unwrap();
        }
        let output = Command::new(python)
            .args(["-c", SOURCE, "no-folder"])
            .current_dir(folder.path())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("no-folder/settings.json"), "{said}");
    }

    #[test]
    fn a_program_that_nobody_listens_to_any_more_cleans_up() {
        let Some(python) = python() else { return };
        let settings = serde_json::json!({
            "params": {"loss_function": "RMSE", "iterations": 5, "logging_level": "Silent", "allow_writing_files": false},
            "features": 2, "classes": false, "compared": 2,
        });
        let mut program = start_with(&python, SOURCE, &settings, &StopSignal::new());
        // As if this program had been killed.
        program.answers = None;
        let status = program.status().unwrap().unwrap();
        assert_eq!(status.code(), Some(4), "{}", program.failed());
        assert!(!program.folder.path().exists());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_terminals_ctrl_c_does_not_reach_it() {
        let program = start("exec sleep 60", &StopSignal::new());
        let group = |id: &str| {
            let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
            // Behind the name in brackets: state, parent, group.
            let fields = stat.rsplit(')').next().unwrap().split_whitespace();
            fields.collect::<Vec<_>>()[2].to_owned()
        };
        assert_ne!(group(&program.child.id().to_string()), group("self"));
    }
}
