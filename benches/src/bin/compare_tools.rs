//! What the tools around networks take (samplers, forests, boosting, search), with hitcast and with what others would use, in turn, on
//! the same rows and the same number of threads:
//!
//! ```sh
//! cargo run --release -p hitcast-benches --bin compare_tools -- spotify_songs.csv [--tools smote,forest] [--json]
//! ```
//!
//! The songs with all audio features are divided into training and test rows by a generator that both sides have.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use clap::{Parser, ValueEnum};
use hitcast::classical::{ExtraTrees, ForestSettings, HistGradientBoosting, RandomForest, Svr};
use hitcast::metrics::RegressionMetric;
use hitcast::pipeline::{Experiment, RunContext};
use hitcast::preprocess::{Sampler, Smote, StandardScaler};
use hitcast::tune::{Distribution, Method, Search, SearchSpace, SearchTask};
use hitcast_benches::AUDIO_FEATURES;
use hitcast_benches::measure::{Machine, exit, lower_quartile};
use hitcast_benches::peers::{self, Result};
use hitcast_benches::wide;
use hitcast_core::{
    Dataset, Estimator, FeatureColumn, Features, FitContext, Model, Predictions, Seed, StopSignal,
};
use hitcast_data::{Column, CsvReader, Table};
use ndarray::{Array2, Axis};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// Times samplers, forests and boosting of hitcast, scikit-learn and imbalanced-learn on the songs of a CSV file
#[derive(Debug, Parser)]
struct Arguments {
    /// The file, with the columns of `spotify_songs.csv`
    path: PathBuf,
    /// What to time
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Tool::Smote, Tool::Forest, Tool::Classes, Tool::Boosting, Tool::Svm, Tool::Search, Tool::Shapley])]
    tools: Vec<Tool>,
    /// Print one JSON object on standard output, and nothing else there
    #[arg(long)]
    json: bool,
    /// Threads of each program
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// How often all programs take their turn
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// A Python that has the packages of `benches/peers/requirements-tools.txt`; without it one is made in `.peers/`
    #[arg(long)]
    python: Option<PathBuf>,
    /// Take the turn of hitcast with this number and print it.
    #[arg(long, hide = true)]
    turn: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Tool {
    /// SMOTE of three classes of popularity to equal sizes
    Smote,
    /// Forests of 100 trees for popularity, and 200 trees' predictions of 100,000 rows
    Forest,
    /// Forests of 100 trees for three classes
    Classes,
    /// Histogram boosting: 500 iterations for popularity, 100 for three classes, and 100 on 100,000 rows of 50 columns
    Boosting,
    /// Support vector regression of popularity by standardised features, with the usual settings
    Svm,
    /// Random search of a forest for popularity: five draws on three folds, one fit a thread
    Search,
    /// Shapley values of 1,000 rows, from 100 trees of depth 8
    Shapley,
}

/// One thing that was timed.
#[derive(Debug, Serialize, Deserialize)]
struct Timed {
    what: String,
    seconds: f64,
    /// Of models the test error: root mean squared error, or the share of wrong classes; of a search 1 − R² of the best over its
    /// folds.
    error: Option<f64>,
}

#[derive(Debug, Serialize)]
struct Compared {
    what: String,
    /// Lower quartiles of the rounds.
    seconds: f64,
    peer_seconds: f64,
    /// The peer's seconds divided by ours: above 1, hitcast is faster.
    peer_to_ours: f64,
    /// Means of the rounds, each with a seed of its own.
    error: Option<f64>,
    peer_error: Option<f64>,
}

#[derive(Debug, Serialize)]
struct Comparison {
    file: String,
    threads: usize,
    rounds: usize,
    machine: Machine,
    results: Vec<Compared>,
}

fn main() -> ExitCode {
    let mut arguments = Arguments::parse();
    arguments.path = hitcast_data::locate(&arguments.path);
    exit(match arguments.turn {
        Some(seed) => turn(&arguments, seed),
        None => compare(&arguments),
    })
}

/// Training and test rows.
struct Songs {
    train: Dataset,
    test: Dataset,
}

impl Songs {
    fn read(path: &PathBuf) -> Result<Self> {
        let table = CsvReader::default().read(path)?.table;
        let table = table.select(AUDIO_FEATURES.iter().copied().chain(["popularity"]))?;
        let columns: Vec<&[f64]> = (AUDIO_FEATURES.iter())
            .map(|name| table.numbers(name))
            .collect::<std::result::Result<_, _>>()?;
        let popularity = table.numbers("popularity")?;
        let complete: Vec<usize> = (0..table.n_rows())
            .filter(|&row| columns.iter().all(|c| !c[row].is_nan()) && !popularity[row].is_nan())
            .collect();
        let order = order(complete.len());
        let (test, train) = order.split_at(order.len().div_ceil(5));
        let part = |rows: &[usize]| -> Result<Dataset> {
            // What a file holds is no more exact than 32 bits.
            #[allow(clippy::cast_possible_truncation)]
            let value = |(row, column): (usize, usize)| columns[column][complete[rows[row]]] as f32;
            let matrix = Array2::from_shape_fn((rows.len(), AUDIO_FEATURES.len()), value);
            let names = AUDIO_FEATURES
                .iter()
                .map(|name| FeatureColumn::plain(*name))
                .collect();
            let target = rows.iter().map(|&row| popularity[complete[row]]).collect();
            Ok(Dataset::new(Features::new(matrix, names)?, target)?)
        };
        Ok(Self {
            train: part(train)?,
            test: part(test)?,
        })
    }
}

/// A permutation by the generator of Park and Miller, which is written in a line of any language.
fn order(n: usize) -> Vec<usize> {
    let mut state = 42_u64;
    let mut order: Vec<usize> = (0..n).collect();
    for place in (1..n).rev() {
        state = state * 48_271 % 2_147_483_647;
        #[allow(clippy::cast_possible_truncation)]
        let other = (state % (place as u64 + 1)) as usize;
        order.swap(place, other);
    }
    order
}

/// Unpopular, middling and popular songs.
fn classes(data: &Dataset) -> Vec<usize> {
    let class = |popularity: &f64| usize::from(*popularity >= 31.0) + usize::from(*popularity >= 70.0);
    data.target().iter().map(class).collect()
}

fn turn(arguments: &Arguments, seed: u64) -> Result<()> {
    let songs = Songs::read(&arguments.path)?;
    let seed = Seed::new(seed);
    let mut timed = Vec::new();
    for tool in &arguments.tools {
        match tool {
            Tool::Smote => smote(&songs, seed, arguments.threads, &mut timed)?,
            Tool::Forest => forests(&songs, seed, arguments.threads, &mut timed)?,
            Tool::Classes => forests_of_classes(&songs, seed, arguments.threads, &mut timed)?,
            Tool::Boosting => boosting(&songs, seed, arguments.threads, &mut timed)?,
            Tool::Svm => svm(&songs, arguments.threads, &mut timed)?,
            Tool::Search => search(&songs, seed, arguments.threads, &mut timed)?,
            Tool::Shapley => shapley(&songs, seed, arguments.threads, &mut timed)?,
        }
    }
    println!("{}", serde_json::to_string(&timed)?);
    Ok(())
}

fn clock<T>(timed: &mut Vec<Timed>, what: &str, run: impl FnOnce() -> Result<T>) -> Result<T> {
    let begin = Instant::now();
    let result = run()?;
    timed.push(Timed {
        what: what.to_owned(),
        seconds: begin.elapsed().as_secs_f64(),
        error: None,
    });
    Ok(result)
}

fn smote(songs: &Songs, seed: Seed, threads: usize, timed: &mut Vec<Timed>) -> Result<()> {
    let classes = classes(&songs.train);
    let sampler = Sampler::Smote(Smote {
        threads,
        ..Smote::default()
    });
    let raw = songs.train.features();
    let [scaled, _] = standardised(songs)?;
    for (what, features) in [("SMOTE", raw), ("SMOTE of standardised rows", &scaled)] {
        let resampled = clock(timed, what, || Ok(sampler.resample(features, &classes, 3, seed)?))?;
        let counts: Vec<usize> = (0..3)
            .map(|class| resampled.classes.iter().filter(|&&c| c == class).count())
            .collect();
        if counts.iter().any(|&count| count != counts[0]) {
            return Err(format!("the classes have {counts:?} rows").into());
        }
    }
    Ok(())
}

/// The features of training and test rows, of mean 0 and variance 1 over the training rows.
fn standardised(songs: &Songs) -> Result<[Features; 2]> {
    let raw = songs.train.features();
    let scaler = StandardScaler::default().fit(raw.matrix().mapv(f64::from).view())?;
    let scaled = |features: &Features| -> Result<Features> {
        let matrix = scaler.transform(features.matrix().mapv(f64::from).view())?;
        #[allow(clippy::cast_possible_truncation)]
        let matrix = matrix.mapv(|value| value as f32);
        Ok(Features::new(matrix, features.columns().to_vec())?)
    };
    Ok([scaled(raw)?, scaled(songs.test.features())?])
}

fn svm(songs: &Songs, threads: usize, timed: &mut Vec<Timed>) -> Result<()> {
    let [train, test] = standardised(songs)?;
    let train = Dataset::new(train, songs.train.target().to_vec())?;
    let test = Dataset::new(test, songs.test.target().to_vec())?;
    let settings = Svr {
        threads,
        ..Svr::default()
    };
    let stop = StopSignal::new();
    let context = FitContext::quiet("svr", Seed::new(0), &stop);
    let fit = clock(timed, "support vector regression: fit", || {
        Ok(settings.fit(&train, None, &context)?)
    })?;
    judged(timed, "support vector regression", &*fit.model, &test)
}

fn settings(n_estimators: usize, threads: usize) -> ForestSettings {
    ForestSettings {
        n_estimators,
        threads,
        ..ForestSettings::default()
    }
}

fn forests(songs: &Songs, seed: Seed, threads: usize, timed: &mut Vec<Timed>) -> Result<()> {
    let Songs { train, test } = songs;
    let judged = |timed: &mut Vec<Timed>, name: &str, model: &dyn Model| judged(timed, name, model, test);
    let random = RandomForest(settings(100, threads));
    let model = clock(timed, "random forest: fit", || Ok(random.fit_model(train, seed)?))?;
    judged(timed, "random forest", &model)?;
    let extra = ExtraTrees(settings(100, threads));
    let model = clock(timed, "extra trees: fit", || Ok(extra.fit_model(train, seed)?))?;
    judged(timed, "extra trees", &model)?;
    let many = RandomForest(settings(200, threads)).fit_model(train, seed)?;
    let rows: Vec<usize> = (0..100_000).map(|row| row % train.n_rows()).collect();
    let rows = train.features().matrix().select(Axis(0), &rows);
    clock(timed, "200 trees: predict 100,000 rows", || {
        Ok(many.predict(rows.view())?)
    })?;
    Ok(())
}

fn forests_of_classes(songs: &Songs, seed: Seed, threads: usize, timed: &mut Vec<Timed>) -> Result<()> {
    let Songs { train, test } = songs;
    let labelled = Dataset::of_classes(train.features().clone(), &classes(train), 3)?;
    let judged = |timed: &mut Vec<Timed>, name: &str, model: &dyn Model| judged(timed, name, model, test);
    let random = RandomForest(settings(100, threads));
    let model = clock(timed, "random forest of classes: fit", || {
        Ok(random.fit_model(&labelled, seed)?)
    })?;
    judged(timed, "random forest of classes", &model)?;
    let extra = ExtraTrees(settings(100, threads));
    let model = clock(timed, "extra trees of classes: fit", || {
        Ok(extra.fit_model(&labelled, seed)?)
    })?;
    judged(timed, "extra trees of classes", &model)
}

fn boosting(songs: &Songs, seed: Seed, threads: usize, timed: &mut Vec<Timed>) -> Result<()> {
    let Songs { train, test } = songs;
    let labelled = Dataset::of_classes(train.features().clone(), &classes(train), 3)?;
    let wide = wide::rows(100_000)?;
    let long = HistGradientBoosting {
        max_iter: 500,
        learning_rate: 0.05,
        threads,
        ..HistGradientBoosting::default()
    };
    let short = HistGradientBoosting {
        threads,
        ..HistGradientBoosting::default()
    };
    for (name, settings, train, test) in [
        ("histogram boosting", &long, train, test),
        ("histogram boosting of classes", &short, &labelled, test),
        ("histogram boosting, 100,000 × 50", &short, &wide, &wide),
    ] {
        let model = clock(timed, &format!("{name}: fit"), || {
            Ok(settings.fit_model(train, seed)?)
        })?;
        judged(timed, name, &model, test)?;
    }
    Ok(())
}

/// The draws of the random search: trees, deepest, rows to split, rows of a leaf, features looked at.
const DRAWS: [(usize, Option<usize>, usize, usize, &str); 5] = [
    (100, None, 2, 1, "all"),
    (200, Some(20), 5, 2, "sqrt"),
    (100, Some(10), 2, 4, "all"),
    (200, None, 5, 1, "log2"),
    (100, Some(20), 2, 2, "all"),
];

fn search(songs: &Songs, seed: Seed, threads: usize, timed: &mut Vec<Timed>) -> Result<()> {
    let stop = StopSignal::new();
    let matrix = songs.train.features().matrix();
    let column = |place: usize| Column::Number(matrix.column(place).iter().map(|v| f64::from(*v)).collect());
    let features = (0..AUDIO_FEATURES.len()).map(|place| (AUDIO_FEATURES[place], column(place)));
    let target = ("popularity", Column::Number(songs.train.target().to_vec()));
    let table = Table::new(features.chain([target]))?;
    let experiment = Experiment::from_toml(&format!(
        "name = \"search\"\nreferences = []\ndata = {{ target = \"popularity\", features = {AUDIO_FEATURES:?} }}\n\
         models = [{{ name = \"forest\", kind = \"random_forest\" }}]"
    ))?
    .with_seed(seed.value());
    let draws = DRAWS.map(|(trees, deepest, split, leaf, features)| {
        let mut settings = json!({
            "n_estimators": trees, "min_samples_split": split, "min_samples_leaf": leaf, "max_features": features, "threads": 1,
        });
        if let Some(deepest) = deepest {
            settings["max_depth"] = json!(deepest);
        }
        settings
    });
    let space = SearchSpace::new().with("settings", Distribution::choice(draws));
    let search = Search {
        method: Method::Random,
        trials: DRAWS.len(),
        folds: 3,
        metric: Some(RegressionMetric::R2.into()),
        ..Search::default()
    };
    let registry = hitcast::registry();
    let context = RunContext {
        threads: NonZeroUsize::new(threads).unwrap_or(NonZeroUsize::MIN),
        ..hitcast::run_context(&stop)
    };
    let found = clock(timed, "random search of a forest", || {
        let sample = experiment.sample(table, None)?;
        let rows: Vec<usize> = (0..sample.n_rows()).collect();
        let pipeline = experiment.pipeline(experiment.models[0].clone());
        let task = SearchTask {
            sample: &sample,
            rows: &rows,
            pipeline: &pipeline,
            space: &space,
        };
        let found = search.run(task, &registry, &context, None)?;
        if found.trials.len() != DRAWS.len() {
            return Err(format!("{} trials instead of {}", found.trials.len(), DRAWS.len()).into());
        }
        Ok(found)
    })?;
    if let Some(timed) = timed.last_mut() {
        timed.error = Some(1.0 - found.score);
    }
    Ok(())
}

/// Predicts rows, and notes the time and the error.
fn judged(timed: &mut Vec<Timed>, name: &str, model: &dyn Model, rows: &Dataset) -> Result<()> {
    let predictions = clock(timed, &format!("{name}: predict"), || {
        Ok(model.predict(rows.features().matrix().view())?)
    })?;
    let error = match predictions.probabilities() {
        None => rmse(&predictions, rows.target()),
        Some(all) => {
            let decided = hitcast::metrics::likeliest(all);
            let actual = classes(rows);
            share(
                decided.iter().zip(&actual).filter(|(a, b)| a != b).count(),
                actual.len(),
            )
        }
    };
    if let Some(timed) = timed.last_mut() {
        timed.error = Some(error);
    }
    Ok(())
}

fn shapley(songs: &Songs, seed: Seed, threads: usize, timed: &mut Vec<Timed>) -> Result<()> {
    let shallow = ForestSettings {
        max_depth: Some(8),
        ..settings(100, threads)
    };
    let model = RandomForest(shallow).fit_model(&songs.train, seed)?;
    let rows = songs.test.features().rows(0..1_000);
    let contributions = clock(timed, "Shapley values of trees, 1,000 rows", || {
        Ok(model.ensemble().contributions(rows.view())?)
    })?;
    let predictions = model.predict(rows.view())?;
    for (row, predicted) in predictions.values().iter().enumerate() {
        let own = contributions.values.index_axis(Axis(0), row).sum();
        let gap = contributions.base[0] + own - predicted;
        if gap.abs() > 1e-6 {
            return Err(format!("the Shapley values of row {row} miss its prediction by {gap}").into());
        }
    }
    Ok(())
}

fn rmse(predictions: &Predictions, actual: &[f64]) -> f64 {
    let predicted = predictions.values();
    let squares = predicted.iter().zip(actual).map(|(p, a)| (p - a).powi(2));
    (hitcast_core::stats::sum(squares) / share(actual.len(), 1)).sqrt()
}

#[allow(clippy::cast_precision_loss)]
fn share(part: usize, whole: usize) -> f64 {
    part as f64 / whole as f64
}

fn compare(arguments: &Arguments) -> Result<()> {
    let python = match &arguments.python {
        Some(python) => python.clone(),
        None => peers::python(peers::TOOLS)?,
    };
    let ours = std::env::current_exe()?;
    let (mut own, mut peer) = (Turns::default(), Turns::default());
    for round in 1..=arguments.rounds {
        eprintln!("round {round} of {}", arguments.rounds);
        own.add(&mut Command::new(&ours), arguments, round)?;
        peer.add(
            Command::new(&python).arg(peers::script("tools.py")),
            arguments,
            round,
        )?;
    }
    let mut results = Vec::new();
    for what in own.order {
        let (Some(ours), Some(theirs)) = (own.timed.get(&what), peer.timed.get(&what)) else {
            return Err(format!("only one side has timed {what:?}").into());
        };
        let quartile = |all: &[Timed]| lower_quartile(&all.iter().map(|t| t.seconds).collect::<Vec<_>>());
        let mean = |all: &[Timed]| {
            let errors: Option<Vec<f64>> = all.iter().map(|timed| timed.error).collect();
            errors.map(|errors| hitcast_core::stats::mean(&errors))
        };
        let (seconds, peer_seconds) = (quartile(ours), quartile(theirs));
        results.push(Compared {
            seconds,
            peer_seconds,
            peer_to_ours: peer_seconds / seconds,
            error: mean(ours),
            peer_error: mean(theirs),
            what,
        });
    }
    let comparison = Comparison {
        file: arguments.path.display().to_string(),
        threads: arguments.threads,
        rounds: arguments.rounds,
        machine: Machine::here(),
        results,
    };
    if arguments.json {
        println!("{}", serde_json::to_string(&comparison)?);
    } else {
        show(&comparison);
    }
    Ok(())
}

/// What one side has timed, by what it is.
#[derive(Default)]
struct Turns {
    order: Vec<String>,
    timed: BTreeMap<String, Vec<Timed>>,
}

impl Turns {
    /// Runs a program on the file with these settings, and keeps what it prints.
    fn add(&mut self, command: &mut Command, arguments: &Arguments, round: usize) -> Result<()> {
        let tools: Vec<String> = (arguments.tools.iter())
            .filter_map(|tool| Some(tool.to_possible_value()?.get_name().to_owned()))
            .collect();
        command
            .args(["--tools", &tools.join(",")])
            .args(["--turn", &round.to_string()])
            .args(["--threads", &arguments.threads.to_string()])
            .arg(&arguments.path)
            .stdin(Stdio::null())
            .stderr(Stdio::inherit());
        let output = command
            .output()
            .map_err(|error| format!("cannot start {command:?}: {error}"))?;
        if !output.status.success() {
            return Err(format!("{command:?} failed: {}", output.status).into());
        }
        for timed in serde_json::from_slice::<Vec<Timed>>(&output.stdout)? {
            if !self.order.contains(&timed.what) {
                self.order.push(timed.what.clone());
            }
            self.timed.entry(timed.what.clone()).or_default().push(timed);
        }
        Ok(())
    }
}

fn show(comparison: &Comparison) {
    let Comparison {
        file,
        threads,
        rounds,
        machine,
        results,
    } = comparison;
    println!("{file}, {threads} threads, {rounds} rounds");
    println!("{machine}");
    println!(
        "{:<34}{:>10}{:>10}{:>14}{:>12}{:>12}",
        "", "ours, s", "peer, s", "peer / ours", "our error", "peer's"
    );
    let shown = |error: Option<f64>| error.map_or_else(String::new, |error| format!("{error:.4}"));
    for one in results {
        println!(
            "{:<34}{:>10.3}{:>10.3}{:>14.2}{:>12}{:>12}",
            one.what,
            one.seconds,
            one.peer_seconds,
            one.peer_to_ours,
            shown(one.error),
            shown(one.peer_error)
        );
    }
}
