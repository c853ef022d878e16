//! The trials of a search on disk, so that one that was killed goes on where it was.
//!
//! A file of lines of JSON: the search, then each trial as it ended. A last line without an end is one that was being written when
//! the process died; it is dropped.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use hitcast_core::Seed;
use hitcast_core::file::write_atomic;
use hitcast_pipeline::{Pipeline, Sample};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

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
    /// Hash of the rows and their targets.
    rows: String,
}

impl Header {
    pub(super) fn new(plan: &Plan<'_>, sample: &Sample<'_>, rows: &[usize], seed: Seed) -> Result<Self> {
        let mut digest = Sha256::new();
        for (&row, target) in rows.iter().zip(sample.targets(rows)?) {
            digest.update((row as u64).to_le_bytes());
            digest.update(target.to_bits().to_le_bytes());
        }
        let hash = digest.finalize();
        Ok(Self {
            format: FORMAT.to_owned(),
            version: VERSION,
            // How long it may take changes no trial.
            search: Search {
                time_limit_seconds: None,
                trials: 1,
                ..plan.search.clone()
            },
            space: plan.space.clone(),
            pipeline: plan.pipeline.clone(),
            metric: plan.metric.to_string(),
            seed,
            rows: hash.iter().map(|byte| format!("{byte:02x}")).collect(),
        })
    }
}

/// Where trials are written.
pub(super) struct History {
    path: PathBuf,
    file: File,
}

impl History {
    /// Opens the history of this search, and gives the trials that are there, in order.
    pub(super) fn open(path: &Path, header: &Header) -> Result<(Self, Vec<Trial>)> {
        let wrong = |message: String| TuneError::History {
            path: path.display().to_string(),
            message,
        };
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
            Err(error) => return Err(wrong(format!("cannot be read: {error}"))),
        };
        let whole = text.rfind('\n').map_or("", |end| &text[..=end]);
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
        if whole.is_empty() || whole.len() < text.len() {
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
        Ok((
            Self {
                path: path.to_path_buf(),
                file,
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
        self.file
            .write_all(line.as_bytes())
            .and_then(|()| self.file.sync_data())
            .map_err(|error| wrong(error.to_string()))
    }
}

fn line(value: &impl Serialize) -> serde_json::Result<String> {
    serde_json::to_string(value).map(|json| json + "\n")
}
