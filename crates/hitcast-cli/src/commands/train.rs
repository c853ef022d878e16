//! `hitcast train`

use std::path::{Path, PathBuf};
use std::time::Duration;

use hitcast::core::{Checkpoints, StopSignal};
use hitcast::pipeline::{
    Existing, Experiment, RunContext, Unfinished, prepare_checkpoints, remove_checkpoints,
    remove_empty_checkpoints,
};
use serde_json::json;

use super::Output;
use crate::args::TrainArgs;
use crate::console::{Console, Detail};
use crate::error::Result;

pub(crate) fn run(args: &TrainArgs, stop: &StopSignal) -> Result<Output> {
    let experiment = experiment(args)?;
    if args.show {
        return Ok(Output {
            text: experiment.to_toml()?,
            json: json!({ "experiment": experiment }),
        });
    }
    // What a run that was interrupted saved is replaced by what it comes to.
    let existing = Existing::replace_if(args.overwrite || args.resume);
    // A folder in the way is better known before the training than after it.
    hitcast::pipeline::Run::check_target(&args.out, existing)?;
    let checkpoints = checkpoints(args);
    let unfinished = match (args.resume, args.overwrite) {
        (true, _) => Unfinished::Resume,
        (_, true) => Unfinished::Discard,
        _ => Unfinished::Refuse,
    };
    // Until the run is saved.
    let _lock = prepare_checkpoints(&checkpoints, &experiment, unfinished)?;
    let console = Console::new(Detail::Models);
    let context = hitcast::run_context(stop);
    let context = RunContext {
        progress: &console,
        checkpoints: Some(Checkpoints {
            folder: &checkpoints,
            every: Duration::from_secs(args.checkpoint_every),
            keep: args.keep_checkpoints.get(),
        }),
        device: args.device,
        threads: args.threads.unwrap_or(context.threads),
        ..context
    };
    let run = match experiment.run(&hitcast::registry(), &context) {
        Ok(run) => run,
        Err(error) => {
            remove_empty_checkpoints(&checkpoints)?;
            return Err(error.into());
        }
    };
    run.save(&args.out, existing)?;
    if !stop.is_requested() {
        remove_checkpoints(&checkpoints)?;
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

/// The folder beside the run's that holds what a killed run goes on from.
fn checkpoints(args: &TrainArgs) -> PathBuf {
    let mut name = args.out.file_name().unwrap_or_default().to_owned();
    name.push(".checkpoints");
    args.out.with_file_name(name)
}

fn experiment(args: &TrainArgs) -> Result<Experiment> {
    let preset = args.preset.as_deref().unwrap_or_default();
    let mut experiment = super::experiment(
        preset,
        args.experiment.as_deref(),
        args.data.as_deref(),
        args.seed,
    )?;
    experiment = super::divided(experiment, args.split)?;
    experiment.data.skip_bad_rows |= args.skip_bad_rows;
    Ok(experiment)
}

/// The command that predicts with what was saved.
pub(super) fn hint(bundle: &Path) -> String {
    format!("  cargo hitcast predict {} --data FILE.csv", bundle.display())
}
