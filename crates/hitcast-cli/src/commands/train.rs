//! `hitcast train`

use std::path::{Path, PathBuf};
use std::time::Duration;

use hitcast::core::{Checkpoints, StopSignal};
use hitcast::pipeline::{Existing, Experiment, RunContext};
use hitcast::prelude::SplitStrategy;
use serde_json::json;

use super::Output;
use crate::args::{SplitChoice, TrainArgs};
use crate::console::{Console, Detail};
use crate::error::{CliError, Result};

pub(crate) fn run(args: &TrainArgs, stop: &StopSignal) -> Result<Output> {
    let experiment = experiment(args)?;
    if args.show {
        return Ok(Output {
            text: experiment.to_toml()?,
            json: json!({ "experiment": experiment }),
        });
    }
    // What a run that was interrupted saved is replaced by what it comes to.
    let existing = if args.overwrite || args.resume {
        Existing::Replace
    } else {
        Existing::Refuse
    };
    // A folder in the way is better known before the training than after it.
    hitcast::pipeline::Run::check_target(&args.out, existing)?;
    let checkpoints = checkpoints(args)?;
    let console = Console::new(Detail::Models);
    let context = hitcast::run_context(stop);
    let context = RunContext {
        progress: &console,
        checkpoints: Some(Checkpoints {
            every: Duration::from_secs(args.checkpoint_every),
            ..Checkpoints::new(&checkpoints)
        }),
        device: args.device,
        threads: args.threads.unwrap_or(context.threads),
        ..context
    };
    let run = experiment.run(&hitcast::registry(), &context)?;
    run.save(&args.out, existing)?;
    if !stop.is_requested() {
        remove(&checkpoints)?;
    }
    let mut json = run.to_json()?;
    json["out"] = json!(args.out);
    let bundle = args.out.join("bundle");
    Ok(Output {
        text: format!(
            "{run}\nSaved {}; predict with\n{}",
            args.out.display(),
            hint(&bundle)
        ),
        json,
    })
}

/// The folder beside the run's that holds what a killed run goes on from; empty unless that is wanted.
fn checkpoints(args: &TrainArgs) -> Result<PathBuf> {
    let mut name = args.out.file_name().unwrap_or_default().to_owned();
    name.push(".checkpoints");
    let folder = args.out.with_file_name(name);
    match (args.resume, folder.exists()) {
        (true, false) => return Err(CliError::NothingToResume(folder.display().to_string())),
        (false, true) => {
            eprintln!(
                "removing {} of a run that did not end; --resume would have gone on with it",
                folder.display()
            );
            remove(&folder)?;
        }
        _ => {}
    }
    Ok(folder)
}

fn remove(folder: &Path) -> Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => Err(CliError::Remove {
            path: folder.display().to_string(),
            source,
        }),
        _ => Ok(()),
    }
}

fn experiment(args: &TrainArgs) -> Result<Experiment> {
    let mut experiment = match (&args.preset, &args.experiment) {
        (_, Some(path)) => Experiment::load(path)?,
        (preset, None) => Experiment::preset(preset.as_deref().unwrap_or_default())?,
    };
    if let Some(data) = &args.data {
        experiment = experiment.with_data(hitcast::data::locate(data));
    }
    experiment = match args.split {
        Some(SplitChoice::Random) => experiment.with_split(SplitStrategy::Random),
        Some(SplitChoice::Grouped) => experiment.with_grouped_split()?,
        None => experiment,
    };
    if let Some(seed) = args.seed {
        experiment = experiment.with_seed(seed);
    }
    experiment.data.skip_bad_rows |= args.skip_bad_rows;
    Ok(experiment)
}

/// The command that predicts with what was saved.
pub(super) fn hint(bundle: &Path) -> String {
    format!("  hitcast predict {} --data FILE.csv", bundle.display())
}
