//! `hitcast compare`

use std::path::PathBuf;

use hitcast::core::StopSignal;
use hitcast::pipeline::{Compared, CompositeScore, Existing, Experiment, Run, RunContext};
use hitcast::tune::{TuneSettings, Tuned};
use serde_json::json;

use super::Output;
use super::tune::{Trials, settings};
use crate::args::CompareArgs;
use crate::console::{Console, Detail};
use crate::error::{CliError, Result};

pub(crate) fn run(args: &CompareArgs, stop: &StopSignal) -> Result<Output> {
    let experiment = args.experiment.read()?;
    if let Some(option) = args.search.of_searches().filter(|_| !args.tune) {
        return Err(CliError::NeedsTune(option));
    }
    let settings = settings(&args.search)?;
    let folders = args
        .out
        .as_ref()
        .map(|out| ["random", "grouped"].map(|split| out.join(split)));
    let existing = Existing::replace_if(args.overwrite || args.resume);
    for folder in folders.iter().flatten() {
        Run::check_target(folder, existing)?;
    }
    let console = Console::new(Detail::Models);
    let context = RunContext {
        progress: &console,
        ..hitcast::run_context(stop)
    };
    let score = CompositeScore {
        r2: args.weight_r2,
        rmse: args.weight_rmse,
        seconds: args.weight_seconds,
    };
    let (compared, tuned) = if args.tune {
        tuned(args, &settings, &experiment, (&context, existing), score)?
    } else {
        let experiment = settings.with_ensemble(experiment, &[]);
        let compared = experiment.compare(&hitcast::registry(), &context, score)?;
        if let Some([random, grouped]) = &folders {
            compared.random.save(random, existing)?;
            if let Some(run) = &compared.grouped {
                run.save(grouped, existing)?;
            }
        }
        (compared, Vec::new())
    };
    let mut json = json!(compared.comparison);
    let mut text: String = tuned.iter().map(ToString::to_string).collect();
    text.push_str(&compared.comparison.to_string());
    if args.tune {
        json["tuned"] = tuned
            .iter()
            .map(|tuned| json!({ "found": tuned.found, "notes": tuned.notes }))
            .collect();
    }
    if let Some(out) = &args.out {
        json["out"] = json!(out);
        text.push_str(&format!("\nSaved the runs in {}", out.display()));
    }
    Ok(Output { text, json })
}

/// Tunes and runs on each split. A run is saved when it ends, so that a stop later on does not lose it.
fn tuned(
    args: &CompareArgs,
    settings: &TuneSettings,
    experiment: &Experiment,
    (context, existing): (&RunContext<'_>, Existing),
    score: CompositeScore,
) -> Result<(Compared, Vec<Tuned>)> {
    let registry = hitcast::registry();
    settings.check(experiment, &registry)?;
    let splits = match experiment.data.group {
        Some(_) => vec![
            ("random", experiment.clone()),
            ("grouped", experiment.clone().with_grouped_split()?),
        ],
        None => vec![("random", experiment.clone())],
    };
    let trials = |split: &str| -> Option<PathBuf> { Some(args.out.as_ref()?.join("trials").join(split)) };
    let folders: Vec<PathBuf> = splits.iter().filter_map(|(split, _)| trials(split)).collect();
    let before = Trials::check(&folders, args.overwrite, args.resume)?;
    before.clear()?;
    let (mut runs, mut all) = (Vec::new(), Vec::new());
    for (split, experiment) in &splits {
        let (found, run) = settings.tune_and_run(experiment, &registry, context, trials(split).as_deref())?;
        if let Some(out) = &args.out {
            run.save(out.join(split), existing)?;
        }
        all.push(found);
        runs.push(run);
    }
    let mut runs = runs.into_iter();
    match runs.next() {
        Some(random) => Ok((Compared::new(random, runs.next(), score), all)),
        None => Err(hitcast::pipeline::PipelineError::Stopped.into()),
    }
}
