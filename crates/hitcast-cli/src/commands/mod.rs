//! The commands: each takes its arguments and gives an [`Output`].

pub(crate) mod compare;
pub(crate) mod demo;
pub(crate) mod describe;
pub(crate) mod doctor;
pub(crate) mod evaluate;
pub(crate) mod explain;
pub(crate) mod predict;
pub(crate) mod report;
pub(crate) mod runs;
pub(crate) mod train;
pub(crate) mod tune;

use std::io::{self, Write};
use std::path::Path;

use hitcast::core::DeviceChoice;
use hitcast::data::{CsvReader, EmptyColumns, Loaded, Table};
use hitcast::prelude::{Bundle, Experiment, SplitStrategy};
use serde_json::Value;

use crate::args::{ExperimentArgs, SplitChoice};
use crate::error::{CliError, Result};

/// What a command found, for people and for programs.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) text: String,
    pub(crate) json: Value,
}

impl Output {
    pub(crate) fn print(&self, json: bool) -> Result<()> {
        let mut out = io::stdout().lock();
        let printed = if json {
            writeln!(out, "{}", serde_json::to_string(&self.json)?)
        } else {
            writeln!(out, "{}", self.text.trim_end())
        };
        printed.and_then(|()| out.flush()).map_err(CliError::Output)
    }
}

/// The experiment of a file, or else a preset, with this data and seed in place of its own.
fn experiment(
    preset: &str,
    file: Option<&Path>,
    data: Option<&Path>,
    seed: Option<u64>,
) -> Result<Experiment> {
    let mut experiment = match file {
        Some(path) => Experiment::load(path)?,
        None => Experiment::preset(preset)?,
    };
    if let Some(data) = data {
        experiment = experiment.with_data(hitcast::data::locate(data));
    }
    if let Some(seed) = seed {
        experiment = experiment.with_seed(seed);
    }
    Ok(experiment)
}

impl ExperimentArgs {
    fn read(&self) -> Result<Experiment> {
        experiment(
            &self.preset,
            self.experiment.as_deref(),
            self.data.as_deref(),
            self.seed,
        )
    }
}

/// The experiment with its rows divided otherwise, if that is asked for.
fn divided(experiment: Experiment, split: Option<SplitChoice>) -> Result<Experiment> {
    Ok(match split {
        Some(SplitChoice::Random) => experiment.with_split(SplitStrategy::Random),
        Some(SplitChoice::Grouped) => experiment.with_grouped_split()?,
        None => experiment,
    })
}

fn load_bundle(path: &Path, device: DeviceChoice) -> Result<Bundle> {
    Ok(Bundle::load(path, &hitcast::registry(), device)?)
}

/// Reads a file for a bundle, from its own place or the folder of real files.
fn read_for(bundle: &Bundle, path: &Path) -> Result<Table> {
    // A file of a few rows may well have a column without values that the bundle does not ask for.
    let reader = CsvReader {
        empty_columns: EmptyColumns::Ignore,
        ..CsvReader::default()
    };
    let Loaded { table, report, .. } = bundle.read(hitcast::data::locate(path), &reader)?;
    eprintln!("{}", report.to_string().trim_end());
    Ok(table)
}
