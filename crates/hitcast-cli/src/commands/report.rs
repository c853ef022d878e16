//! `hitcast report`

use hitcast::prelude::Existing;
use hitcast::report::{Report, Section};
use serde_json::json;

use super::Output;
use crate::args::ReportArgs;
use crate::error::Result;

pub(crate) fn run(args: &ReportArgs) -> Result<Output> {
    let source = &args.source;
    let report = if source.is_dir() {
        Report::of_run(source, args.data.as_deref(), &hitcast::registry())?
    } else {
        Report::of_data(source, args.target.as_deref())?
    };
    let existing = Existing::replace_if(args.overwrite);
    report.write(&args.out, existing)?;
    let figures: Vec<&str> = report
        .sections
        .iter()
        .flat_map(Section::figures)
        .map(|(name, _)| name)
        .collect();
    let page = args.out.join("report.html");
    Ok(Output {
        text: format!(
            "{} with {} figures, which lie beside it as SVG, PNG and CSV",
            page.display(),
            figures.len()
        ),
        json: json!({ "report": page, "figures": figures }),
    })
}
