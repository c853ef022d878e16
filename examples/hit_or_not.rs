//! Will a track be a hit? A network of one hidden layer decides, on tracks that it has not seen, and on songs that stand under
//! no other genre among the rows it learned from.
//!
//! ```sh
//! cargo run --release --example hit_or_not -- dataset.csv
//! ```
//!
//! Without a file it looks for dataset.csv in the folder named by `HITCAST_DATA`, else in `data/`, and falls back to the
//! invented tracks in `fixtures/`.

use std::error::Error;
use std::path::PathBuf;

use hitcast::data::clean::CleaningStep;
use hitcast::metrics::{ThresholdMetric, ThresholdRule};
use hitcast::prelude::*;

const OUT: &str = "out/hit_or_not";

fn main() -> Result<(), Box<dyn Error>> {
    let data = std::env::args()
        .nth(1)
        .map_or_else(default_file, hitcast::data::locate);
    let stop = StopSignal::new();
    let context = hitcast::run_context(&stop);

    let experiment = Experiment::preset("hit-or-not")?.with_data(&data);
    // A track stands once for every genre. With all of its rows there is more to learn, and a split that has to keep them
    // together.
    let mut all_rows = experiment.clone().with_grouped_split()?;
    all_rows
        .cleaning
        .steps
        .retain(|step| !matches!(step, CleaningStep::DropDuplicates(_)));

    // The same network, that says yes as soon as the validation rows say it is worth it.
    let mut decided = experiment.clone();
    decided.models.truncate(1);
    decided.decision.threshold = Some(ThresholdRule::Best {
        metric: ThresholdMetric::Metric(ClassificationMetric::F1Macro),
    });

    let run = experiment.run(&hitcast::registry(), &context)?;
    println!("{run}");
    run.save(OUT, Existing::Replace)?;
    let decided = decided.run(&hitcast::registry(), &context)?;
    let grouped = all_rows.run(&hitcast::registry(), &context)?;
    println!("test rows:                            accuracy balanced   AUC");
    for (name, run) in [
        ("one row a track, stratified", &run),
        ("the same, best macro F1", &decided),
        ("all rows, grouped by track", &grouped),
    ] {
        let models = run.report.models.iter().chain(&run.report.references);
        let models = models.map(|model| (model.name.as_str(), &model.metrics.test));
        for (who, metrics) in models.chain([("always the majority", &run.report.baseline.test)]) {
            println!("{name:<27} {who:<20}{}", figures(metrics));
        }
    }
    Report::of_run(OUT, None, &hitcast::registry())?.write(format!("{OUT}_report"), Existing::Replace)?;
    println!("Saved {OUT}; {OUT}_report/report.html shows it");
    Ok(())
}

fn default_file() -> PathBuf {
    let real = hitcast::data::locate("dataset.csv");
    if real.is_file() {
        real
    } else {
        PathBuf::from("fixtures/spotify_tracks.csv")
    }
}

fn figures(metrics: &Metrics) -> String {
    let of = |metric| metrics.get(metric).unwrap_or(f64::NAN);
    format!(
        "{:>6.3} {:>6.3} {:>8.3}",
        of(ClassificationMetric::Accuracy),
        of(ClassificationMetric::BalancedAccuracy),
        of(ClassificationMetric::RocAuc)
    )
}
