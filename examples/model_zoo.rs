//! Which model is worth it? Every kind side by side on what a track sounds like, on a random split and on one that keeps all rows
//! of a track together; and with `tuned` once more, each with the settings that a search found, and all of them as an ensemble.
//!
//! ```sh
//! cargo run --release --example model_zoo -- spotify_songs.csv
//! cargo run --release --example model_zoo -- spotify_songs.csv tuned
//! ```
//!
//! Without a file it looks for `spotify_songs.csv` in the folder named by `HITCAST_DATA`, else in `data/`, and falls back to the
//! invented tracks in `fixtures/`.

use std::error::Error;
use std::path::{Path, PathBuf};

use hitcast::pipeline::{Compared, CompositeScore};
use hitcast::prelude::*;
use hitcast::tune::{Combine, Pruner, Search, TuneSettings};

const OUT: &str = "out/model_zoo";

fn main() -> Result<(), Box<dyn Error>> {
    let (words, files): (Vec<String>, Vec<String>) =
        std::env::args().skip(1).partition(|word| word == "tuned");
    let is_tuned = !words.is_empty();
    let data = match &files[..] {
        [] => default_file(),
        [file] => hitcast::data::locate(file),
        _ => return Err("give one file, and the word tuned if the models are to be tuned".into()),
    };
    let stop = StopSignal::new();
    let (registry, context) = (hitcast::registry(), hitcast::run_context(&stop));
    let experiment = Experiment::preset("audio-features")?.with_data(&data);
    let score = CompositeScore::default();

    let compared = if is_tuned {
        let settings = TuneSettings {
            search: Search {
                trials: 10,
                folds: 3,
                pruner: Some(Pruner::default()),
                ..Search::default()
            },
            ensemble: Some(Combine::default()),
            ..TuneSettings::default()
        };
        // The trials are kept, by file: run again, it goes on from where it was.
        let trials = Path::new(OUT)
            .join("trials")
            .join(data.file_stem().unwrap_or_default());
        let run = |experiment: &Experiment, split: &str| {
            settings.tune_and_run(experiment, &registry, &context, Some(&trials.join(split)))
        };
        let (found, random) = run(&experiment, "random")?;
        println!("{found}");
        let (found, grouped) = run(&experiment.clone().with_grouped_split()?, "grouped")?;
        println!("{found}");
        Compared::new(random, Some(grouped), score)
    } else {
        experiment.compare(&registry, &context, score)?
    };
    println!("{}", compared.comparison);

    let best = |run: &Run| run.report.best.clone();
    let run = compared.grouped.as_ref().unwrap_or(&compared.random);
    println!(
        "Best by the rows to choose by: {} at random, {} with tracks kept together.",
        best(&compared.random),
        best(run)
    );
    let folder = Path::new(OUT).join("run");
    run.save(&folder, Existing::Replace)?;
    let page = Path::new(OUT).join("report");
    Report::of_run(&folder, None, &registry)?.write(&page, Existing::Replace)?;
    println!(
        "Saved {}; {}/report.html shows it",
        folder.display(),
        page.display()
    );
    Ok(())
}

fn default_file() -> PathBuf {
    let real = hitcast::data::locate("spotify_songs.csv");
    if real.is_file() {
        real
    } else {
        PathBuf::from("fixtures/spotify_songs.csv")
    }
}
