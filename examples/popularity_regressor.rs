//! One regularised network predicts popularity, says how wrong it is for each genre, is saved, loaded and asked about a
//! track that does not exist.
//!
//! ```sh
//! cargo run --release --example popularity_regressor -- SpotifyFeatures.csv
//! ```
//!
//! Without a file it looks for SpotifyFeatures.csv in the folder named by `HITCAST_DATA`, else in `data/`, and falls back to
//! the invented tracks in `fixtures/`.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::PathBuf;

use hitcast::pipeline::RowValue;
use hitcast::prelude::*;

const OUT: &str = "out/popularity_regressor";

fn main() -> Result<(), Box<dyn Error>> {
    let data = std::env::args()
        .nth(1)
        .map_or_else(default_file, hitcast::data::locate);
    let stop = StopSignal::new();
    let context = hitcast::run_context(&stop);

    // The same experiment on both kinds of split: the grouped one keeps all rows of a song on one side.
    let experiment = Experiment::preset("popularity-regressor")?.with_data(&data);
    let grouped = experiment
        .clone()
        .with_grouped_split()?
        .run(&hitcast::registry(), &context)?;
    let run = experiment.run(&hitcast::registry(), &context)?;
    println!("{run}");
    let (random_test, grouped_test) = (&run.report.metrics.test, &grouped.report.metrics.test);
    println!("test RMSE / MAE / R², random split:    {}", figures(random_test));
    println!("test RMSE / MAE / R², grouped by song: {}", figures(grouped_test));

    // Model, scaler and settings lie in one folder, from which anybody can predict.
    run.save(OUT, Existing::Replace)?;
    let bundle = Bundle::load(format!("{OUT}/bundle"), &hitcast::registry(), DeviceChoice::Auto)?;
    let track = [
        ("danceability", 0.7),
        ("energy", 0.8),
        ("loudness", -5.0),
        ("speechiness", 0.05),
        ("acousticness", 0.1),
        ("instrumentalness", 0.0),
        ("liveness", 0.12),
        ("valence", 0.6),
        ("tempo", 120.0),
        ("duration_ms", 200_000.0),
    ];
    let track: BTreeMap<String, RowValue> = track
        .into_iter()
        .map(|(name, value)| (name.to_owned(), RowValue::Number(value)))
        .collect();
    let prediction = bundle.predict_row(&track)?;
    println!(
        "\nA loud, danceable track of 200 seconds: {} {:.1}",
        prediction.target,
        prediction.value.number().unwrap_or(f64::NAN)
    );
    Report::of_run(OUT, None, &hitcast::registry())?.write(format!("{OUT}_report"), Existing::Replace)?;
    println!("Saved {OUT}; {OUT}_report/report.html shows it");
    Ok(())
}

fn default_file() -> PathBuf {
    let real = hitcast::data::locate("SpotifyFeatures.csv");
    if real.is_file() {
        real
    } else {
        PathBuf::from("fixtures/spotify_features.csv")
    }
}

fn figures(metrics: &Metrics) -> String {
    let of = |metric| metrics.get(metric).unwrap_or(f64::NAN);
    let (rmse, mae) = (of(RegressionMetric::Rmse), of(RegressionMetric::Mae));
    format!("{rmse:.2} / {mae:.2} / {:.3}", of(RegressionMetric::R2))
}
