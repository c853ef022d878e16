//! `hitcast runs`

use std::path::Path;

use hitcast::data::write_csv;
use hitcast::pipeline::{RunDifference, SavedRun, SavedRuns};
use serde_json::json;

use super::Output;
use crate::args::{RunsArgs, RunsCommand};
use crate::error::{CliError, Result};

pub(crate) fn run(args: &RunsArgs) -> Result<Output> {
    match &args.command {
        RunsCommand::List { folder } => {
            let found = SavedRuns::find(folder)?;
            let facts = |run: &SavedRun| json!({ "path": run.path, "name": run.report.name, "best": run.report.best, "test": run.report.metrics.test });
            let runs: Vec<_> = found.runs.iter().map(facts).collect();
            let unreadable = found
                .unreadable
                .iter()
                .map(|(path, why)| json!({ "path": path, "why": why }));
            let json = json!({ "runs": runs, "unreadable": unreadable.collect::<Vec<_>>() });
            Ok(Output {
                text: found.to_string(),
                json,
            })
        }
        RunsCommand::Show { run } => {
            let report = SavedRun::load(run)?.report;
            Ok(Output {
                text: report.to_string(),
                json: json!(report),
            })
        }
        RunsCommand::Diff { one, other } => {
            let difference = RunDifference::of(&SavedRun::load(one)?, &SavedRun::load(other)?);
            Ok(Output {
                text: difference.to_string(),
                json: json!(difference),
            })
        }
        RunsCommand::Export {
            folder,
            out,
            overwrite,
        } => export(folder, out, *overwrite),
    }
}

fn export(folder: &Path, out: &Path, overwrite: bool) -> Result<Output> {
    if out.exists() && !overwrite {
        return Err(CliError::Settings {
            path: out.to_path_buf(),
            message: "is there already; replace it with --overwrite, or name another file".to_owned(),
        });
    }
    let found = SavedRuns::find(folder)?;
    let table = found.table()?;
    let mut csv = Vec::new();
    write_csv(&table, &mut csv)?;
    hitcast::core::file::write_atomic(out, &csv)?;
    let mut text = format!(
        "Wrote {}: {} models of {} runs",
        out.display(),
        table.n_rows(),
        found.runs.len()
    );
    for (path, why) in &found.unreadable {
        text.push_str(&format!("\nNote: {} cannot be read: {why}", path.display()));
    }
    Ok(Output {
        text,
        json: json!({ "out": out, "runs": found.runs.len(), "models": table.n_rows() }),
    })
}
