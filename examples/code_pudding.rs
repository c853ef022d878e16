//! Four networks learn how popular a track is from ten numbers about its sound.
//!
//! ```sh
//! cargo run --release --example code_pudding -- SpotifyFeatures.csv [SEEDS]
//! ```
//!
//! Without a file it looks for SpotifyFeatures.csv in the folder named by `HITCAST_DATA`, else in `data/`, and falls back to
//! the invented tracks in `fixtures/`. Each experiment runs twice: on a random split, where one song can stand on both sides
//! (the public file holds a row for every genre of a song), and on a split that keeps all rows of a song together, which
//! says what to expect for songs never seen. With SEEDS above 1, figures are means over as many seeds.

use std::error::Error;
use std::path::PathBuf;

use hitcast::prelude::*;

/// What the original reports for the whole public file, on a random split.
const PUBLISHED: [(&str, &str); 4] = [
    ("MLP1Layer", "220-224"),
    ("MLP2Layer", "212-217"),
    ("MLP3LayerDropout", "211.1"),
    ("MLP2LayerBatchNorm", "212-216"),
];

/// Figures of one model on one split.
#[derive(Clone, Default)]
struct Row {
    name: String,
    validation_mse: f64,
    test_mse: f64,
    test_mae: f64,
    test_r2: f64,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let data = arguments.next().map_or_else(default_file, hitcast::data::locate);
    let seeds: u64 = arguments.next().map_or(Ok(1), |seeds| seeds.parse())?;
    println!("{}, mean of {seeds} seed(s)\n", data.display());

    let preset = Experiment::preset("code-pudding")?.with_data(&data);
    let random = average("random", &preset, seeds)?;
    let grouped = average("grouped", &preset.with_grouped_split()?, seeds)?;

    println!(
        "\n{:<20}{:^37}   {:^37}   published",
        "", "random split", "grouped by song"
    );
    let columns = format!("{:>10}{:>9}{:>9}{:>9}", "val MSE", "test MSE", "MAE", "R²");
    println!("{:<20}{columns}   {columns}   val MSE", "model");
    for (random, grouped) in random.iter().zip(&grouped) {
        let figures = |row: &Row| {
            format!(
                "{:>10.1}{:>9.1}{:>9.2}{:>9.3}",
                row.validation_mse, row.test_mse, row.test_mae, row.test_r2
            )
        };
        let published = PUBLISHED
            .iter()
            .find(|(name, _)| *name == random.name)
            .map_or("", |(_, mse)| mse);
        println!(
            "{:<20}{}   {}   {published}",
            random.name,
            figures(random),
            figures(grouped)
        );
    }
    println!("\nPublished for the best network on the whole file: test RMSE 14.65 (MSE 214.6), MAE 11.55.");
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

/// Runs an experiment for each seed, saves the runs, and averages the figures of every model.
fn average(split: &str, experiment: &Experiment, seeds: u64) -> Result<Vec<Row>, Box<dyn Error>> {
    let stop = StopSignal::new();
    let mut rows: Vec<Row> = Vec::new();
    for seed in 42..42 + seeds {
        let experiment = experiment.clone().with_seed(seed);
        let run = experiment.run(&hitcast::registry(), &hitcast::run_context(&stop))?;
        let report = &run.report;
        let test = &report.metrics.test;
        println!(
            "{split} split, seed {seed}: best {}, test RMSE {:.2}, MAE {:.2}, R² {:.3}; the mean has RMSE {:.2}",
            report.best,
            of(test, RegressionMetric::Rmse),
            of(test, RegressionMetric::Mae),
            of(test, RegressionMetric::R2),
            of(&report.baseline.test, RegressionMetric::Rmse)
        );
        let out = format!("out/code_pudding/{split}-{seed}");
        run.save(&out, Existing::Replace)?;
        Report::of_run(&out, None, &hitcast::registry())?
            .write(format!("{out}-report"), Existing::Replace)?;

        let named = report
            .models
            .iter()
            .chain(&report.references)
            .map(|model| (model.name.as_str(), &model.metrics));
        let named: Vec<_> = named.chain([("predict the mean", &report.baseline)]).collect();
        rows.resize(named.len(), Row::default());
        #[allow(clippy::cast_precision_loss)]
        let share = 1.0 / seeds as f64;
        for (row, (name, metrics)) in rows.iter_mut().zip(named) {
            name.clone_into(&mut row.name);
            row.validation_mse += share * of(&metrics.validation, RegressionMetric::Mse);
            row.test_mse += share * of(&metrics.test, RegressionMetric::Mse);
            row.test_mae += share * of(&metrics.test, RegressionMetric::Mae);
            row.test_r2 += share * of(&metrics.test, RegressionMetric::R2);
        }
    }
    Ok(rows)
}

fn of(metrics: &Metrics, metric: RegressionMetric) -> f64 {
    metrics.get(metric).unwrap_or(f64::NAN)
}
