//! `hitcast tune`

use std::fs;
use std::path::{Path, PathBuf};

use hitcast::core::StopSignal;
use hitcast::pipeline::{Existing, Run, RunContext};
use hitcast::tune::{Combine, Method, Nested, Pruner, SearchTask, Tpe, TuneError, TuneSettings};
use serde_json::json;

use super::Output;
use crate::args::{CombineChoice, MethodChoice, PrunerChoice, SearchArgs, TuneArgs};
use crate::console::{Console, Detail};
use crate::error::{CliError, Result};

pub(crate) fn run(args: &TuneArgs, stop: &StopSignal) -> Result<Output> {
    let experiment = args.experiment.read()?;
    let experiment = super::divided(experiment, args.split)?;
    let settings = settings(&args.search)?;
    let registry = hitcast::registry();
    settings.check(&experiment, &registry)?;
    let console = Console::new(Detail::Models);
    let context = RunContext {
        progress: &console,
        ..hitcast::run_context(stop)
    };
    if let Some(folds) = args.nested {
        return nested(folds, &settings, &experiment.read_sample()?, &context);
    }
    let run_folder = args.out.join("run");
    let existing = Existing::replace_if(args.overwrite || args.resume);
    let trials = args.out.join("trials");
    let before = Trials::check(std::slice::from_ref(&trials), args.overwrite, args.resume)?;
    Run::check_target(&run_folder, existing)?;
    let sample = experiment.read_sample()?;
    before.clear()?;
    let tuned = settings.tune(&sample, &registry, &context, Some(&trials))?;
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

/// What each model's search is worth on rows that it has not seen. A model that cannot be searched leaves the others alone.
fn nested(
    folds: usize,
    settings: &TuneSettings,
    sample: &hitcast::pipeline::Sample<'_>,
    context: &RunContext<'_>,
) -> Result<Output> {
    let experiment = sample.experiment();
    let registry = hitcast::registry();
    let rows: Vec<usize> = (0..sample.n_rows()).collect();
    let (mut all, mut notes): (Vec<Nested>, Vec<String>) = (Vec::new(), Vec::new());
    for model in settings.tuned_models(experiment)? {
        let Some(space) = settings.space_of(&model) else {
            notes.push(format!(
                "{}: kind {:?} has no built-in space",
                model.name, model.kind
            ));
            continue;
        };
        let pipeline = experiment.pipeline(model);
        let task = SearchTask {
            sample,
            rows: &rows,
            pipeline: &pipeline,
            space: &space,
        };
        match settings.search.nested(folds, task, &registry, context) {
            Ok(nested) => all.push(nested),
            Err(error @ TuneError::AllFailed { .. }) => notes.push(error.to_string()),
            Err(error @ TuneError::Stopped(_)) if !all.is_empty() => {
                notes.push(error.to_string());
                break;
            }
            Err(error) => return Err(error.into()),
        }
    }
    let mut text: Vec<String> = all.iter().map(Nested::to_string).collect();
    text.extend(notes.iter().map(|note| format!("Note: {note}")));
    Ok(Output {
        text: text.join("\n"),
        json: json!({ "nested": all, "notes": notes }),
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

/// Histories of searches that are there already.
pub(super) struct Trials {
    unwanted: Vec<PathBuf>,
}

impl Trials {
    /// Looks for them. Without being told what to do about them it is an error that there are any.
    pub(super) fn check(folders: &[PathBuf], overwrite: bool, resume: bool) -> Result<Self> {
        let mut unwanted = Vec::new();
        for folder in folders.iter().filter(|folder| folder.is_dir()) {
            let refused = |message: String| CliError::Settings {
                path: folder.clone(),
                message,
            };
            if !overwrite && !resume {
                let advice =
                    "holds the trials of a search; go on with --resume, or begin anew with --overwrite";
                return Err(refused(advice.to_owned()));
            }
            let files = fs::read_dir(folder).map_err(|error| refused(error.to_string()))?;
            for file in files.filter(|_| overwrite) {
                let path = file.map_err(|error| refused(error.to_string()))?.path();
                if path.extension().is_some_and(|ending| ending == "jsonl") {
                    unwanted.push(path);
                }
            }
        }
        Ok(Self { unwanted })
    }

    /// Removes those that are not to be gone on with: to be asked when everything else was checked.
    pub(super) fn clear(self) -> Result<()> {
        for path in self.unwanted {
            fs::remove_file(&path).map_err(|error| CliError::Settings {
                path,
                message: error.to_string(),
            })?;
        }
        Ok(())
    }
}
