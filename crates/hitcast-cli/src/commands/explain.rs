//! `hitcast explain`

use serde_json::json;

use hitcast::pipeline::ExplainSettings;

use super::{Output, load_bundle, predict, read_for};
use crate::args::ExplainArgs;
use crate::error::{CliError, Result};

pub(crate) fn run(args: &ExplainArgs) -> Result<Output> {
    let given = predict::row(&args.set)?;
    let bundle = load_bundle(&args.bundle, args.device)?;
    let table = read_for(&bundle, &args.data)?;
    let settings = ExplainSettings {
        repeats: args.repeats,
        background: args.background,
        ..ExplainSettings::default()
    };
    let explanation = if let Some(row) = args.row {
        // Rows of the file, of which some may have been left out.
        let is_row = |source: &u32| *source as usize == row.get() - 1;
        let Some(place) = table.source_rows().iter().position(is_row) else {
            let (row, rows) = (row.get(), table.n_rows());
            return Err(CliError::NoRow { row, rows });
        };
        bundle.explain_table_row(&table, place, &settings)?
    } else if args.set.is_empty() {
        let importances = bundle.importances(&table, &settings)?;
        return Ok(Output {
            text: importances.to_string(),
            json: json!(importances),
        });
    } else {
        bundle.explain_row(&given, &table, &settings)?
    };
    Ok(Output {
        text: explanation.to_string(),
        json: json!(explanation),
    })
}
