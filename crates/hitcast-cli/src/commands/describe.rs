//! `hitcast describe`

use hitcast::data::describe::describe;
use hitcast::data::{CsvReader, EmptyColumns};
use serde_json::json;

use super::Output;
use crate::args::DescribeArgs;
use crate::error::Result;

/// What the public files of tracks have in common.
const USUAL_TARGET: &str = "popularity";

pub(crate) fn run(args: &DescribeArgs) -> Result<Output> {
    let reader = CsvReader {
        empty_columns: EmptyColumns::Ignore,
        ..CsvReader::default()
    };
    let loaded = reader.read(hitcast::data::locate(&args.data))?;
    let usual = loaded.table.numbers(USUAL_TARGET).is_ok().then_some(USUAL_TARGET);
    let description = describe(&loaded.table, args.target.as_deref().or(usual))?;
    let text = format!("{}\n\n{description}", loaded.report.to_string().trim_end());
    Ok(Output {
        text,
        json: json!({ "read": loaded.report, "description": description }),
    })
}
