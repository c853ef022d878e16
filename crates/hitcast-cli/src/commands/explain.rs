//! `hitcast explain`

use serde_json::json;

use hitcast::pipeline::{Counterfactual, ExplainSettings};
use hitcast::prelude::Existing;
use hitcast::report::Report;

use super::{Output, load_bundle, predict, read_for};
use crate::args::ExplainArgs;
use crate::error::{CliError, Result};

pub(crate) fn run(args: &ExplainArgs) -> Result<Output> {
    let given = predict::row(&args.set)?;
    let bundle = load_bundle(&args.bundle, args.device)?;
    let wish = args.want.as_deref().map(|text| bundle.wish(text)).transpose()?;
    let table = read_for(&bundle, &args.data)?;
    let settings = ExplainSettings {
        method: args.method,
        repeats: args.repeats,
        background: args.background,
        ..ExplainSettings::default()
    };
    let explainer = bundle.explainer(&table, &settings)?;
    let (explanation, wanted) = if let Some(row) = args.row {
        // Rows of the file, of which some may have been left out.
        let is_row = |source: &u32| *source as usize == row.get() - 1;
        let Some(place) = table.source_rows().iter().position(is_row) else {
            let (row, rows) = (row.get(), table.n_rows());
            return Err(CliError::NoRow { row, rows });
        };
        // First what is told at once where a setting is impossible.
        let explanation = explainer.explain_table_row(place)?;
        let wanted = wish.map(|wish| explainer.counterfactual_of_table_row(place, &wish, &args.allow));
        (explanation, wanted)
    } else if args.set.is_empty() {
        let importances = explainer.importances()?;
        if let Some(out) = &args.out {
            Report::of_importances(&explainer, &importances)?
                .write(out, Existing::replace_if(args.overwrite))?;
        }
        return Ok(Output {
            text: importances.to_string(),
            json: json!(importances),
        });
    } else {
        let explanation = explainer.explain(&given)?;
        let wanted = wish.map(|wish| explainer.counterfactual(&given, &wish, &args.allow));
        (explanation, wanted)
    };
    let wanted: Option<Counterfactual> = wanted.transpose()?;
    if let Some(out) = &args.out {
        Report::of_prediction(&bundle, &explanation, wanted.as_ref())
            .write(out, Existing::replace_if(args.overwrite))?;
    }
    let mut output = Output {
        text: explanation.to_string(),
        json: json!(explanation),
    };
    if let Some(wanted) = wanted {
        output.text += &format!("\n\n{wanted}");
        output.json["counterfactual"] = json!(wanted);
    }
    Ok(output)
}
