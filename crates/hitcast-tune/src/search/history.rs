//! The trials of a search on disk, so that one that was killed goes on where it was.
//!
//! A file of lines of JSON: the search, then each trial as it ended. A last line without an end is one that was being written when
//! the process died; it is dropped.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use hitcast_core::Seed;
use hitcast_core::file::write_atomic;
use hitcast_pipeline::Pipeline;
use serde::{Deserialize, Serialize};

use super::trial::Trial;
use super::{Plan, Search};
use crate::error::{Result, TuneError};
use crate::space::SearchSpace;

const FORMAT: &str = "hitcast-search";
const VERSION: u32 = 1;

/// The first line: what makes a search the same.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Header {
    format: String,
    version: u32,
    search: Search,
    space: SearchSpace,
    pipeline: Pipeline,
    metric: String,
    seed: Seed,
    /// Hash of the rows and how they are divided.
    rows: String,
}

impl Header {
    pub(super) fn new(plan: &Plan<'_>, seed: Seed) -> Result<Self> {
        let task = plan.task;
        Ok(Self {
            format: FORMAT.to_owned(),
            version: VERSION,
            // How long it may take changes no trial.
            search: Search {
                time_limit_seconds: None,
                trials: 1,
                ..plan.search.clone()
            },
            space: task.space.clone(),
            pipeline: task.pipeline.clone(),
            metric: plan.metric.to_string(),
            seed,
            rows: task.sample.fingerprint(task.rows)?,
        })
    }
}

/// Where trials are written, by one process at a time.
pub(super) struct History {
    path: PathBuf,
    file: File,
    /// Whether a line may have been cut off, after which none must follow.
    is_broken: bool,
}

impl History {
    /// Opens the history of this search, and gives the trials that are there, in order.
    pub(super) fn open(path: &Path, header: &Header) -> Result<(Self, Vec<Trial>)> {
        let wrong = |message: String| TuneError::History {
            path: path.display().to_string(),
            message,
        };
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(wrong(format!("cannot be read: {error}"))),
        };
        // Cut before it is decoded: a character may have been cut off too.
        let end = bytes
            .iter()
            .rposition(|&byte| byte == b'\n')
            .map_or(0, |end| end + 1);
        let whole = std::str::from_utf8(&bytes[..end])
            .map_err(|error| wrong(format!("is no history of a search: {error}; name another folder")))?;
        let mut lines = whole.lines().enumerate();
        let mut trials: Vec<Trial> = Vec::new();
        if let Some((_, first)) = lines.next() {
            let found: Header = serde_json::from_str(first)
                .map_err(|error| wrong(format!("is no history of a search: {error}; name another folder")))?;
            if found != *header {
                return Err(wrong(
                    "is the history of another search, of other settings or other rows; name another folder, or remove it".to_owned(),
                ));
            }
            for (number, text) in lines {
                let trial: Trial = serde_json::from_str(text).map_err(|error| {
                    wrong(format!(
                        "line {}: {error}; remove the line to repeat its trial",
                        number + 1
                    ))
                })?;
                trials.push(trial);
            }
        }
        if whole.is_empty() || end < bytes.len() {
            let kept = if whole.is_empty() {
                line(header).map_err(|error| wrong(error.to_string()))?
            } else {
                whole.to_owned()
            };
            write_atomic(path, kept.as_bytes())?;
        }
        trials.sort_by_key(|trial| trial.number);
        if let Some(pair) = trials.windows(2).find(|pair| pair[0].number == pair[1].number) {
            return Err(wrong(format!("has trial {} twice", pair[0].number)));
        }
        let file = OpenOptions::new()
            .append(true)
            .open(path)
            .map_err(|error| wrong(format!("cannot be written: {error}")))?;
        file.try_lock().map_err(|_| {
            wrong("another process searches here; wait for it, or name another folder".to_owned())
        })?;
        Ok((
            Self {
                path: path.to_path_buf(),
                file,
                is_broken: false,
            },
            trials,
        ))
    }

    /// Writes a trial, so that it is there even if the machine stops.
    pub(super) fn append(&mut self, trial: &Trial) -> Result<()> {
        let wrong = |message: String| TuneError::History {
            path: self.path.display().to_string(),
            message: format!("cannot be written: {message}"),
        };
        let line = line(trial).map_err(|error| wrong(error.to_string()))?;
        if self.is_broken {
            return Err(wrong("an earlier line was not".to_owned()));
        }
        let written = self
            .file
            .write_all(line.as_bytes())
            .and_then(|()| self.file.sync_data());
        self.is_broken = written.is_err();
        written.map_err(|error| wrong(error.to_string()))
    }
}

fn line(value: &impl Serialize) -> serde_json::Result<String> {
    serde_json::to_string(value).map(|json| json + "\n")
}
