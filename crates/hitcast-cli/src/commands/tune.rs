//! `hitcast tune`

use std::fs;
use std::path::Path;

use hitcast::core::StopSignal;
use hitcast::pipeline::{Existing, Run, RunContext};
use hitcast::tune::{Combine, Method, Nested, Pruner, Tpe, TuneSettings};
use serde_json::json;

use super::Output;
use crate::args::{CombineChoice, MethodChoice, PrunerChoice, SearchArgs, TuneArgs};
use crate::console::{Console, Detail};
use crate::error::{CliError, Result};

pub(crate) fn run(args: &TuneArgs, stop: &StopSignal) -> Result<Output> {
    let experiment = super::experiment(
        &args.preset,
        args.experiment.as_deref(),
        args.data.as_deref(),
        args.seed,
    )?;
    let experiment = super::divided(experiment, args.split)?;
    let settings = settings(&args.search)?;
    let existing = prepare_folder(&args.out, args.overwrite, args.resume)?;
    let run_folder = args.out.join("run");
    Run::check_target(&run_folder, existing)?;
    let console = Console::new(Detail::Models);
    let context = RunContext {
        progress: &console,
        ..hitcast::run_context(stop)
    };
    let registry = hitcast::registry();
    let sample = experiment.read_sample()?;
    if let Some(folds) = args.nested {
        return nested(folds, &settings, &sample, &context);
    }
    let tuned = settings.tune(&sample, &registry, &context, Some(&args.out.join("trials")))?;
    let toml = tuned.experiment.to_toml()?;
    hitcast::core::file::write_atomic(&args.out.join("experiment.toml"), toml.as_bytes())?;
    let run = tuned.experiment.run(&registry, &context)?;
    run.save(&run_folder, existing)?;
    let text = format!(
        "{tuned}\n{run}\nSaved {}: experiment.toml with the settings found, trials with every trial, run; predict with\n{}",
        args.out.display(),
        super::train::hint(&run_folder.join("bundle"))
    );
    let json = json!({
        "found": tuned.found, "notes": tuned.notes, "run": run.to_json()?, "experiment": tuned.experiment, "out": args.out,
    });
    Ok(Output { text, json })
}

/// What each model's search is worth on rows that it has not seen.
fn nested(
    folds: usize,
    settings: &TuneSettings,
    sample: &hitcast::pipeline::Sample<'_>,
    context: &RunContext<'_>,
) -> Result<Output> {
    let experiment = sample.experiment();
    let rows: Vec<usize> = (0..sample.n_rows()).collect();
    let mut all: Vec<Nested> = Vec::new();
    for model in settings.tuned_models(experiment)? {
        let Some(space) = settings.space_of(&model) else {
            continue;
        };
        let pipeline = experiment.pipeline(model);
        let registry = hitcast::registry();
        let search = &settings.search;
        all.push(search.nested(folds, (sample, &rows), (&pipeline, &space), &registry, context)?);
    }
    let text: Vec<String> = all.iter().map(Nested::to_string).collect();
    Ok(Output {
        text: text.join("\n"),
        json: json!({ "nested": all }),
    })
}

/// What the arguments say about searches.
pub(super) fn settings(args: &SearchArgs) -> Result<TuneSettings> {
    let mut settings = match &args.settings {
        Some(path) => read(path)?,
        None => TuneSettings::default(),
    };
    let search = &mut settings.search;
    search.trials = args.trials.unwrap_or(search.trials);
    search.folds = args.folds.unwrap_or(search.folds);
    search.metric = args.metric.or(search.metric);
    search.time_limit_seconds = args.time_limit.or(search.time_limit_seconds);
    if let Some(method) = args.method {
        search.method = match method {
            MethodChoice::Random => Method::Random,
            MethodChoice::Tpe => Method::Tpe(Tpe::default()),
        };
    }
    if let Some(pruner) = args.pruner {
        search.pruner = match pruner {
            PrunerChoice::None => None,
            PrunerChoice::Median => Some(Pruner::default()),
            PrunerChoice::Halving => Some(Pruner::halving()),
        };
    }
    if !args.models.is_empty() {
        settings.models = Some(args.models.clone());
    }
    settings.ensemble = args.ensemble.map(combine).or(settings.ensemble);
    Ok(settings)
}

pub(super) fn combine(choice: CombineChoice) -> Combine {
    match choice {
        CombineChoice::Average => Combine::Average,
        CombineChoice::Greedy => Combine::default(),
        CombineChoice::Stacking => Combine::Stacking { model: None },
    }
}

fn read(path: &Path) -> Result<TuneSettings> {
    let text = fs::read_to_string(path).map_err(|error| CliError::Settings {
        path: path.to_path_buf(),
        message: error.to_string(),
    })?;
    TuneSettings::from_toml(&text, &path.display().to_string()).map_err(CliError::from)
}

/// Takes up the trials of a search that did not end, on request.
fn prepare_folder(out: &Path, overwrite: bool, resume: bool) -> Result<Existing> {
    let trials = out.join("trials");
    let is_there = trials.is_dir();
    if is_there && !overwrite && !resume {
        return Err(CliError::Settings {
            path: trials,
            message: "holds the trials of a search; go on with --resume, or begin anew with --overwrite"
                .to_owned(),
        });
    }
    if is_there && overwrite {
        let histories = fs::read_dir(&trials).into_iter().flatten().flatten();
        for file in histories.filter(|file| file.path().extension().is_some_and(|ending| ending == "jsonl")) {
            fs::remove_file(file.path()).map_err(|error| CliError::Settings {
                path: file.path(),
                message: error.to_string(),
            })?;
        }
    }
    Ok(if overwrite || resume {
        Existing::Replace
    } else {
        Existing::Refuse
    })
}
