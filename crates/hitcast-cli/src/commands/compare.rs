//! `hitcast compare`

use hitcast::core::StopSignal;
use hitcast::pipeline::{CompositeScore, Existing, Run, RunContext};
use serde_json::json;

use super::Output;
use crate::args::CompareArgs;
use crate::console::{Console, Detail};
use crate::error::Result;

pub(crate) fn run(args: &CompareArgs, stop: &StopSignal) -> Result<Output> {
    let file = args.experiment.as_deref();
    let experiment = super::experiment(&args.preset, file, args.data.as_deref(), args.seed)?;
    let existing = if args.overwrite {
        Existing::Replace
    } else {
        Existing::Refuse
    };
    let folders = args
        .out
        .as_ref()
        .map(|out| ["random", "grouped"].map(|split| out.join(split)));
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
    let registry = hitcast::registry();
    let settings = super::tune::settings(&args.search)?;
    let (compared, tuned) = if args.tune {
        let trials = args.out.as_ref().map(|out| out.join("trials"));
        settings.compare(&experiment, &registry, &context, score, trials.as_deref())?
    } else {
        let experiment = settings.with_ensemble(experiment);
        (experiment.compare(&registry, &context, score)?, Vec::new())
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
    if let Some([random, grouped]) = &folders {
        compared.random.save(random, existing)?;
        if let Some(run) = &compared.grouped {
            run.save(grouped, existing)?;
        }
        json["out"] = json!(args.out);
        text.push_str(&format!(
            "\nSaved the runs in {}",
            args.out.as_deref().unwrap_or(random).display()
        ));
    }
    Ok(Output { text, json })
}
