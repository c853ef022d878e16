//! `hitcast evaluate`

use serde_json::json;

use super::{Output, load_bundle, read_for};
use crate::args::EvaluateArgs;
use crate::error::Result;

pub(crate) fn run(args: &EvaluateArgs) -> Result<Output> {
    let bundle = load_bundle(&args.bundle, args.device)?;
    let table = read_for(&bundle, &args.data)?;
    let evaluation = bundle.evaluate(&table, &args.by)?;
    let json = json!({
        "model": evaluation.model,
        "test": evaluation.metrics,
        "baseline": { "test": evaluation.baseline },
        "by": evaluation.by,
        "learned_share": evaluation.learned_share,
        "incomplete": evaluation.incomplete,
        "warnings": evaluation.warnings,
    });
    Ok(Output {
        text: evaluation.to_string(),
        json,
    })
}
