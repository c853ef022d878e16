//! `hitcast predict`

use std::collections::BTreeMap;
use std::path::Path;

use hitcast::data::{Column, Table, write_csv};
use hitcast::pipeline::{Bundle, RowValue, TablePredictions};
use serde_json::json;

use super::{Output, load_bundle, read_for};
use crate::args::PredictArgs;
use crate::error::{CliError, Result};

pub(crate) fn run(args: &PredictArgs) -> Result<Output> {
    if args.data.is_none() && args.set.is_empty() {
        return Err(CliError::NothingToPredict);
    }
    let row = row(&args.set)?;
    let bundle = load_bundle(&args.bundle, args.device)?;
    match &args.data {
        Some(data) => file(&bundle, data, args.out.as_deref()),
        None => one_row(&bundle, &row),
    }
}

/// A row given as `NAME=VALUE`.
pub(super) fn row(set: &[String]) -> Result<BTreeMap<String, RowValue>> {
    set.iter()
        .map(|text| match text.split_once('=') {
            Some((name, value)) if !name.trim().is_empty() => {
                Ok((name.trim().to_owned(), RowValue::Text(value.trim().to_owned())))
            }
            _ => Err(CliError::Set(text.clone())),
        })
        .collect()
}

fn one_row(bundle: &Bundle, row: &BTreeMap<String, RowValue>) -> Result<Output> {
    let prediction = bundle.predict_row(row)?;
    let mut text = match prediction.value.number() {
        Some(value) => format!("{} {value:.1}", prediction.target),
        None => format!("{} {}", prediction.target, prediction.value),
    };
    for class in prediction.probabilities.iter().flatten() {
        text.push_str(&format!("\n  {:.3} {}", class.probability, class.class));
    }
    for note in &prediction.notes {
        text.push_str(&format!("\nNote: {note}"));
    }
    Ok(Output {
        text,
        json: json!(prediction),
    })
}

fn file(bundle: &Bundle, data: &Path, out: Option<&Path>) -> Result<Output> {
    let table = read_for(bundle, data)?;
    let predictions = bundle.predict_table(&table)?;
    let target = &bundle.manifest().target.column;
    let notes = notes(&predictions);
    let with_predictions = with_predictions(&table, target, &predictions)?;
    let mut csv = Vec::new();
    write_csv(&with_predictions, &mut csv)?;
    let json = json!({
        "target": target,
        "predictions": predictions.named().collect::<Vec<_>>(),
        "classes": predictions.classes,
        "source_rows": table.source_rows(),
        "incomplete": predictions.incomplete,
        "beyond_training": predictions.beyond_training,
        "out": out,
    });
    let text = match out {
        Some(path) => {
            hitcast::core::file::write_atomic(path, &csv)?;
            format!(
                "{} rows with predictions in {}{notes}",
                table.n_rows(),
                path.display()
            )
        }
        None => {
            eprint!("{}", notes.trim_start());
            String::from_utf8_lossy(&csv).into_owned()
        }
    };
    Ok(Output { text, json })
}

/// The rows as they were read, with one more column: `predicted_` and the name of the target; of classes also one `p_` with
/// the probability of each.
fn with_predictions(table: &Table, target: &str, predictions: &TablePredictions) -> Result<Table> {
    let column = format!("predicted_{target}");
    let Some(classes) = &predictions.classes else {
        let values = predictions.values.iter().map(|value| value.unwrap_or(f64::NAN));
        return Ok(table
            .clone()
            .set_column(column, Column::Number(values.collect()))?);
    };
    let names = predictions
        .named()
        .map(|value| value.map(|value| value.to_string()));
    let mut table = table.clone().set_column(column, Column::text(names))?;
    for (class, name) in classes.names.iter().enumerate() {
        let probability = |row: &Option<Vec<f64>>| {
            let row = row.as_ref();
            row.and_then(|row| row.get(class)).copied().unwrap_or(f64::NAN)
        };
        let values = classes.probabilities.iter().map(probability).collect();
        table = table.set_column(format!("p_{name}"), Column::Number(values))?;
    }
    Ok(table)
}

fn notes(predictions: &TablePredictions) -> String {
    let incomplete = predictions
        .incomplete
        .iter()
        .map(|(column, rows)| format!("\nNote: {rows} rows without a prediction: {column} is missing"));
    let beyond = predictions
        .beyond_training
        .iter()
        .map(|(column, rows)| format!("\nNote: {rows} rows lie beyond the training rows' {column}"));
    let notes: String = incomplete.chain(beyond).collect();
    if notes.is_empty() { notes } else { notes + "\n" }
}
