//! `hitcast demo`: the whole way on a small file.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use hitcast::core::{DeviceChoice, StopSignal};
use hitcast::data::CsvReader;
use hitcast::pipeline::{Bundle, Existing, Experiment, ExplainSettings, Part, Run, RunContext};
use hitcast::report::Report;
use serde_json::{Value, json};

use super::train::hint;
use super::{Output, load_bundle};
use crate::args::DemoArgs;
use crate::console::{Console, Detail};
use crate::error::Result;

/// Invented tracks in the form of a public file.
const FIXTURE: &str = include_str!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../fixtures/spotify_features.csv"
));

pub(crate) fn run(args: &DemoArgs, stop: &StopSignal) -> Result<Output> {
    let data = match &args.data {
        Some(path) => hitcast::data::locate(path),
        None => write_fixture(&args.out)?,
    };
    let mut experiment = Experiment::preset("code-pudding")?.with_data(&data);
    let rows = experiment.read(&data)?.report.rows_read;
    for model in &mut experiment.models {
        let training = &mut model.settings["training"];
        if let Some(epochs) = more_epochs(rows, training) {
            let (name, usual) = (&model.name, &training["epochs"]);
            eprintln!("{rows} rows are few: {name} goes through them {epochs} times rather than {usual}");
            training["epochs"] = json!(epochs);
        }
    }
    let console = Console::new(Detail::Epochs);
    let context = RunContext {
        progress: &console,
        ..hitcast::run_context(stop)
    };
    let run = experiment.run(&hitcast::registry(), &context)?;
    let folder = args.out.join("run");
    run.save(&folder, Existing::Replace)?;

    let bundle = load_bundle(&folder.join("bundle"), DeviceChoice::Auto)?;
    let mut text = format!(
        "{run}\nSaved {}, the best model in {}\n",
        folder.display(),
        folder.join("bundle").display()
    );
    let mut json = run.to_json()?;
    json["out"] = json!(folder);
    if let Some(example) = Example::first_test_row(&run, &bundle, &data)? {
        let _ = writeln!(
            text,
            "\nA test row, predicted from the bundle that was just saved:\n{}",
            example.text
        );
        json["example"] = example.json;
    }
    let report = args.out.join("report");
    let made = Report::of_run(&folder, Some(&data), &hitcast::registry())?;
    made.write(&report, Existing::Replace)?;
    let page = report.join("report.html");
    let _ = writeln!(
        text,
        "\nAll of it with figures and explanations, to be opened in a browser: {}",
        page.display()
    );
    json["report"] = json!(page);
    let _ = writeln!(
        text,
        "\nTry it on your own file:\n{}",
        hint(&folder.join("bundle"))
    );
    Ok(Output { text, json })
}

/// The experiment's epochs are meant for a large file. A small one needs more, to be gone through in about as many steps
/// as it takes the networks to arrive somewhere.
fn more_epochs(rows: u64, training: &Value) -> Option<u64> {
    const STEPS: u64 = 4_000;
    let (usual, batch) = (training["epochs"].as_u64()?, training["batch_size"].as_u64()?);
    // Eight rows of ten are trained on.
    let steps_an_epoch = (rows * 8 / 10).checked_div(batch)?.max(1);
    let epochs = STEPS.div_ceil(steps_an_epoch).min(200);
    (epochs > usual).then_some(epochs)
}

fn write_fixture(out: &Path) -> Result<PathBuf> {
    let path = out.join("spotify_features.csv");
    hitcast::core::file::write_atomic(&path, FIXTURE.as_bytes())?;
    Ok(path)
}

/// One row, and what the loaded bundle says of it.
struct Example {
    text: String,
    json: Value,
}

impl Example {
    fn first_test_row(run: &Run, bundle: &Bundle, data: &Path) -> Result<Option<Self>> {
        let Some(row) = run.predictions.iter().find(|row| row.part == Part::Test) else {
            return Ok(None);
        };
        let table = bundle.read(data, &CsvReader::default())?.table;
        let Some(position) = table
            .source_rows()
            .iter()
            .position(|&source| source == row.source_row)
        else {
            return Ok(None);
        };
        let one = table.take(&[position]);
        let Some(value) = bundle.predict_table(&one)?.values.first().copied().flatten() else {
            return Ok(None);
        };
        let mut text = String::new();
        for name in ["track_name", "artists", "genre"] {
            if let Ok(column) = one.column(name) {
                let _ = writeln!(text, "  {name:<18}{}", column.display(0));
            }
        }
        for input in &bundle.manifest().inputs {
            if let Ok(column) = one.column(&input.column) {
                let unit = input.unit.as_deref().unwrap_or_default();
                let _ = writeln!(text, "  {:<18}{} {unit}", input.column, column.display(0));
            }
        }
        let target = &bundle.manifest().target.column;
        let _ = write!(
            text,
            "  predicted {target}: {value:.1}, actual: {:.0}",
            row.actual
        );
        let explained = bundle.explain_table_row(&table, position, &ExplainSettings::default())?;
        let _ = write!(text, "\n\nWhy: {explained}");
        let json = json!({ "source_row": row.source_row, "target": target, "predicted": value, "actual": row.actual });
        Ok(Some(Self { text, json }))
    }
}
