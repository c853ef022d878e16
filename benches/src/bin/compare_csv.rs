//! Reading one CSV file with hitcast and with what others would use, in turn, on the same number of threads:
//!
//! ```text
//! cargo run --release -p hitcast-benches --bin compare_csv -- PATH [--json]
//! ```
//!
//! With `--matrix` it is the way from the file to a matrix of features: `dataset.csv` without duplicate tracks, numbers
//! standardised, key, mode and genre one-hot.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use clap::Parser;
use hitcast_benches::AUDIO_FEATURES;
use hitcast_benches::measure::{Machine, Measured, exit, lower_quartile, peak_memory_bytes};
use hitcast_benches::peers::{self, Result};
use hitcast_core::{Features, Seed};
use hitcast_data::{Cleaning, CleaningStep, CsvReader, Table, clean::DropDuplicates};
use hitcast_preprocess::{ColumnRecipe, Encoder, OneHotEncoder, Recipe, Scaler, StandardScaler};
use serde::Serialize;

/// Times reading a CSV file, or making features of it, with hitcast, polars and pandas.
#[derive(Debug, Parser)]
struct Arguments {
    /// The file.
    path: PathBuf,
    /// Go on to a matrix of features, reading only the columns that it takes.
    #[arg(long)]
    matrix: bool,
    /// Print one JSON object on standard output, and nothing else there.
    #[arg(long)]
    json: bool,
    /// Threads of each program.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// How often all programs take their turn.
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// How often a program reads the file in one turn, after the first time.
    #[arg(long, default_value_t = 5)]
    repetitions: usize,
    /// The peers, by the names that `benches/peers/read_csv.py` knows.
    #[arg(long, value_delimiter = ',', default_value = "polars,pandas,pandas_pyarrow")]
    peers: Vec<String>,
    /// A Python that has the packages of `benches/peers/requirements-csv.txt`; without it one is made in `.peers/`.
    #[arg(long)]
    python: Option<PathBuf>,
    /// Take one turn of hitcast and print it.
    #[arg(long, hide = true)]
    turn: bool,
}

/// All turns of a program.
#[derive(Debug, Serialize)]
struct Reader {
    /// The lower quartile of each turn's first reading.
    first_quartile_seconds: f64,
    /// The lower quartile of all other readings, for which a process may use the memory of the one before.
    quartile_seconds: f64,
    /// Of the whole process.
    peak_memory_bytes: Option<u64>,
    /// What reading added to the memory of the process, divided by the size of the file.
    memory_per_file: Option<f64>,
    rows: u64,
    columns: u64,
    first_seconds: Vec<f64>,
    seconds: Vec<f64>,
}

/// What is printed.
#[derive(Debug, Serialize)]
struct Comparison {
    file: String,
    bytes: u64,
    threads: usize,
    rounds: usize,
    repetitions: usize,
    machine: Machine,
    readers: BTreeMap<String, Reader>,
    /// The peer's lower quartile of first readings divided by ours: above 1, hitcast is faster.
    first_peer_to_ours: BTreeMap<String, f64>,
    /// The same of the other readings.
    peer_to_ours: BTreeMap<String, f64>,
}

fn main() -> ExitCode {
    let mut arguments = Arguments::parse();
    arguments.path = hitcast_data::locate(&arguments.path);
    exit(if arguments.turn {
        turn(&arguments)
    } else {
        compare(&arguments)
    })
}

/// Those that are encoded.
const CATEGORIES: [&str; 3] = ["key", "mode", "genre"];

/// Reads the file with hitcast, in a process of its own so that its memory can be seen.
fn turn(arguments: &Arguments) -> Result<()> {
    let mut reader = CsvReader {
        threads: arguments.threads,
        ..CsvReader::default()
    };
    if arguments.matrix {
        let columns = ["track_id"].iter().chain(&AUDIO_FEATURES).chain(&CATEGORIES);
        reader.columns = Some(columns.map(|name| (*name).to_owned()).collect());
    }
    // What is made is dropped behind the clock, as it is by the peers.
    let read = || -> Result<(f64, [u64; 2])> {
        let begin = Instant::now();
        let table = reader.read(&arguments.path)?.table;
        if arguments.matrix {
            let features = features(table)?;
            let matrix = features.matrix();
            return Ok((
                begin.elapsed().as_secs_f64(),
                [matrix.nrows(), matrix.ncols()].map(|n| n as u64),
            ));
        }
        let seconds = begin.elapsed().as_secs_f64();
        Ok((seconds, [table.n_rows(), table.n_columns()].map(|n| n as u64)))
    };
    let memory_before_bytes = peak_memory_bytes();
    let (first_seconds, [rows, columns]) = read()?;
    let peak_memory_bytes = peak_memory_bytes();
    let mut seconds = Vec::new();
    for _ in 0..arguments.repetitions {
        seconds.push(read()?.0);
    }
    println!(
        "{}",
        serde_json::to_string(&Measured {
            first_seconds,
            seconds,
            memory_before_bytes,
            peak_memory_bytes,
            rows,
            columns
        })?
    );
    Ok(())
}

/// Standardised numbers and encoded categories of all tracks, each once.
fn features(table: Table) -> Result<Features> {
    let cleaning = Cleaning {
        steps: vec![CleaningStep::DropDuplicates(DropDuplicates {
            keys: vec!["track_id".to_owned()],
            ..DropDuplicates::default()
        })],
    };
    let (table, _) = cleaning.apply(table, None)?;
    let recipe = Recipe::new([
        ColumnRecipe::new(AUDIO_FEATURES).with_scale(Scaler::Standard(StandardScaler::default())),
        ColumnRecipe::new(CATEGORIES).with_encode(Encoder::OneHot(OneHotEncoder::default())),
    ]);
    Ok(recipe.fit_transform(&table, None, Seed::new(0))?.1)
}

fn compare(arguments: &Arguments) -> Result<()> {
    let path = &arguments.path;
    let bytes = std::fs::metadata(path)
        .map_err(|error| format!("cannot read {}: {error}", path.display()))?
        .len();
    let python = match &arguments.python {
        Some(python) => python.clone(),
        None => peers::python(peers::CSV)?,
    };
    let ours = std::env::current_exe()?;
    let mut turns: BTreeMap<&str, Vec<Measured>> = BTreeMap::new();
    for round in 1..=arguments.rounds {
        eprintln!("round {round} of {}", arguments.rounds);
        let mut command = Command::new(&ours);
        command
            .arg("--turn")
            .arg("--repetitions")
            .arg(arguments.repetitions.to_string());
        turns
            .entry("hitcast")
            .or_default()
            .push(measured(&mut command, arguments)?);
        for peer in &arguments.peers {
            let mut command = Command::new(&python);
            command
                .arg(peers::script("read_csv.py"))
                .arg("--reader")
                .arg(peer);
            command
                .arg("--repetitions")
                .arg(arguments.repetitions.to_string());
            turns
                .entry(peer)
                .or_default()
                .push(measured(&mut command, arguments)?);
        }
    }
    let readers: BTreeMap<String, Reader> = turns
        .into_iter()
        .map(|(name, turns)| (name.to_owned(), summarised(&turns, bytes)))
        .collect();
    let ratios = |of: fn(&Reader) -> f64| {
        let ours = readers.get("hitcast").map_or(f64::NAN, of);
        let ratio = |peer: &String| Some((peer.clone(), of(readers.get(peer)?) / ours));
        arguments.peers.iter().filter_map(ratio).collect()
    };
    let first_peer_to_ours = ratios(|reader| reader.first_quartile_seconds);
    let peer_to_ours = ratios(|reader| reader.quartile_seconds);
    let comparison = Comparison {
        file: path.display().to_string(),
        bytes,
        threads: arguments.threads,
        rounds: arguments.rounds,
        repetitions: arguments.repetitions,
        machine: Machine::here(),
        readers,
        first_peer_to_ours,
        peer_to_ours,
    };
    if arguments.json {
        println!("{}", serde_json::to_string(&comparison)?);
    } else {
        show(&comparison);
    }
    Ok(())
}

/// Runs a program on the file with these settings, and reads the JSON object that it prints.
fn measured(command: &mut Command, arguments: &Arguments) -> Result<Measured> {
    command
        .arg("--threads")
        .arg(arguments.threads.to_string())
        .args(arguments.matrix.then_some("--matrix"))
        .arg(&arguments.path)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit());
    let output = command
        .output()
        .map_err(|error| format!("cannot start {command:?}: {error}"))?;
    if !output.status.success() {
        return Err(format!("{command:?} failed: {}", output.status).into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

#[allow(clippy::cast_precision_loss)] // sizes of files and memory, for people
fn summarised(turns: &[Measured], bytes: u64) -> Reader {
    let seconds: Vec<f64> = turns
        .iter()
        .flat_map(|turn| turn.seconds.iter().copied())
        .collect();
    let first_seconds: Vec<f64> = turns.iter().map(|turn| turn.first_seconds).collect();
    let quartile_seconds = lower_quartile(&seconds);
    let peak_memory_bytes = turns.iter().filter_map(|turn| turn.peak_memory_bytes).max();
    let added = |turn: &Measured| Some(turn.peak_memory_bytes?.saturating_sub(turn.memory_before_bytes?));
    let added = turns.iter().filter_map(added).max();
    Reader {
        first_quartile_seconds: lower_quartile(&first_seconds),
        quartile_seconds,
        peak_memory_bytes,
        memory_per_file: added.map(|added| added as f64 / bytes as f64),
        rows: turns.first().map_or(0, |turn| turn.rows),
        columns: turns.first().map_or(0, |turn| turn.columns),
        first_seconds,
        seconds,
    }
}

#[allow(clippy::cast_precision_loss)] // sizes of files and memory, for people
fn show(comparison: &Comparison) {
    let Comparison {
        file,
        bytes,
        threads,
        rounds,
        repetitions,
        machine,
        readers,
        first_peer_to_ours,
        peer_to_ours,
    } = comparison;
    println!(
        "{file}: {:.1} MB, {threads} threads, {rounds} rounds of a first reading and {repetitions} more",
        *bytes as f64 / 1e6
    );
    println!("{machine}");
    println!(
        "{:<16}{:>10}{:>14}{:>10}{:>14}{:>10}{:>12}",
        "reader", "first, ms", "peer / ours", "again, ms", "peer / ours", "peak MB", "read / file"
    );
    for (name, reader) in readers {
        let shown = |ratios: &BTreeMap<String, f64>| {
            ratios
                .get(name)
                .map_or_else(String::new, |ratio| format!("{ratio:.2}"))
        };
        let (first_ratio, ratio) = (shown(first_peer_to_ours), shown(peer_to_ours));
        let peak = reader
            .peak_memory_bytes
            .map_or_else(String::new, |peak| format!("{:.0}", peak as f64 / 1e6));
        let share = reader
            .memory_per_file
            .map_or_else(String::new, |share| format!("{share:.2}"));
        let (first, again) = (1e3 * reader.first_quartile_seconds, 1e3 * reader.quartile_seconds);
        println!("{name:<16}{first:>10.1}{first_ratio:>14}{again:>10.1}{ratio:>14}{peak:>10}{share:>12}");
    }
}
