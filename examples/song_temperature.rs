//! How hot is a song: ice-cold, lukewarm or blazing hot? One network under eleven ways of handling rare classes, beside each
//! other on the same test rows.
//!
//! ```sh
//! cargo run --release --example song_temperature -- tracks_sample.csv
//! ```
//!
//! Without a file it looks for `tracks_sample.csv` in the folder named by `HITCAST_DATA`, else in `data/`, and falls back to the
//! invented tracks in `fixtures/`.

use std::error::Error;
use std::path::PathBuf;

use hitcast::pipeline::SplitMetrics;
use hitcast::prelude::*;

const OUT: &str = "out/song_temperature";

/// What is shown of the test rows.
const SHOWN: [(ClassificationMetric, &str); 7] = [
    (ClassificationMetric::Accuracy, "accuracy"),
    (ClassificationMetric::BalancedAccuracy, "balanced"),
    (ClassificationMetric::PrecisionWeighted, "precision"),
    (ClassificationMetric::RecallWeighted, "recall"),
    (ClassificationMetric::F1Weighted, "F1"),
    (ClassificationMetric::F1Macro, "macro F1"),
    (ClassificationMetric::LogLoss, "log loss"),
];

fn main() -> Result<(), Box<dyn Error>> {
    let data = std::env::args()
        .nth(1)
        .map_or_else(default_file, hitcast::data::locate);
    let stop = StopSignal::new();
    let experiment = Experiment::preset("song-temperature")?.with_data(&data);
    let run = experiment.run(&hitcast::registry(), &hitcast::run_context(&stop))?;
    println!("{run}");

    println!("Test rows; precision, recall and F1 weighted by the rows of each class:");
    let header: String = SHOWN.iter().map(|(_, name)| format!("{name:>10}")).collect();
    println!("{:<34}{:>7}{header}", "", "rows");
    let line = |name: &str, rows: usize, metrics: &SplitMetrics| {
        let of = |(metric, _): &(ClassificationMetric, &str)| {
            format!("{:>10.3}", metrics.test.get(*metric).unwrap_or(f64::NAN))
        };
        let figures: String = SHOWN.iter().map(of).collect();
        println!("{name:<34}{rows:>7}{figures}");
    };
    for model in &run.report.models {
        line(&model.name, model.training_rows, &model.metrics);
    }
    line("always the majority", run.report.rows.train, &run.report.baseline);
    run.save(OUT, Existing::Replace)?;
    Report::of_run(OUT, None, &hitcast::registry())?.write(format!("{OUT}_report"), Existing::Replace)?;
    println!("Saved {OUT}; {OUT}_report/report.html shows it");
    Ok(())
}

fn default_file() -> PathBuf {
    let real = hitcast::data::locate("tracks_sample.csv");
    if real.is_file() {
        real
    } else {
        PathBuf::from("fixtures/spotify_history.csv")
    }
}
