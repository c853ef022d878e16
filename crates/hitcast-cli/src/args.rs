//! The arguments of the program.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};
use hitcast::core::{CoreError, DeviceChoice};
use hitcast::pipeline::{AttributionMethod, CompositeScore, ExplainSettings, MetricName, PipelineError};

/// Learn from tables: train networks, compare them, predict.
#[derive(Debug, Parser)]
#[command(name = "hitcast", version, about, max_term_width = 100)]
#[command(
    after_help = "Exit codes: 0 done, 1 failed, 2 wrong arguments, 130 interrupted by Ctrl-C (what was trained \
                        until then is kept).\nA file that is not there under its name is looked for in the folder \
                        named by HITCAST_DATA, else in ./data."
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Train the models of an experiment, choose the best by its validation rows, save it
    Train(TrainArgs),
    /// Run every model of an experiment on a random and on a grouped split, and show them side by side
    Compare(CompareArgs),
    /// Search the settings of an experiment's models by cross-validation, then run it with what was found
    Tune(TuneArgs),
    /// Look at saved runs: list them, show one, see what two differ in, write all figures as a table
    Runs(RunsArgs),
    /// Measure a saved bundle on a file that has the target
    Evaluate(EvaluateArgs),
    /// Predict the rows of a file, or one row given by hand
    Predict(PredictArgs),
    /// Say what matters to a saved bundle's model, or what made up one prediction
    Explain(ExplainArgs),
    /// Write a page that a person can open: a run with its figures and explanations, or the rows of a file
    Report(ReportArgs),
    /// Describe the columns of a file
    Describe(DescribeArgs),
    /// Show the whole way on a small file: train, compare, save, load, predict
    Demo(DemoArgs),
    /// Say what was found on this machine: libtorch, CUDA, threads, real files
    Doctor(DoctorArgs),
}

impl Command {
    /// Whether the result is to be JSON.
    pub(crate) fn json(&self) -> bool {
        match self {
            Self::Train(args) => args.json,
            Self::Compare(args) => args.json,
            Self::Tune(args) => args.json,
            Self::Runs(args) => args.json,
            Self::Evaluate(args) => args.json,
            Self::Predict(args) => args.json,
            Self::Explain(args) => args.json,
            Self::Report(args) => args.json,
            Self::Describe(args) => args.json,
            Self::Demo(args) => args.json,
            Self::Doctor(args) => args.json,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct TrainArgs {
    /// A built-in experiment: code-pudding, popularity-regressor, hit-or-not, song-temperature or
    /// audio-features
    #[arg(long, required_unless_present = "experiment", conflicts_with = "experiment")]
    pub(crate) preset: Option<String>,
    /// An experiment in TOML; `hitcast train --preset NAME --show` prints one to start from
    #[arg(long, value_name = "PATH")]
    pub(crate) experiment: Option<PathBuf>,
    /// The CSV file to learn from (.gz and .zip are read as they are), in place of the experiment's
    #[arg(long, value_name = "PATH")]
    pub(crate) data: Option<PathBuf>,
    /// Folder for the run: run.json, experiment.toml, predictions.csv and bundle
    #[arg(long, value_name = "DIR", default_value = "out/run")]
    pub(crate) out: PathBuf,
    /// Replace a former run in that folder, and the checkpoints of one that did not end
    #[arg(long)]
    pub(crate) overwrite: bool,
    /// Go on with the run that was to go to that folder and was killed or interrupted, from its last checkpoints
    #[arg(long, conflicts_with = "overwrite")]
    pub(crate) resume: bool,
    /// Seconds between two checkpoints of a network at least, 0 for one after every step; they lie in DIR.checkpoints until
    /// the run is complete
    #[arg(long, value_name = "SECONDS", default_value_t = 5)]
    pub(crate) checkpoint_every: u64,
    /// How many of a network's newest checkpoints are kept, at least 1; that of its best epoch is kept besides
    #[arg(long, value_name = "N", default_value = "2")]
    pub(crate) keep_checkpoints: NonZeroUsize,
    /// How rows are divided, in place of the experiment's
    #[arg(long, value_enum)]
    pub(crate) split: Option<SplitChoice>,
    /// Seed, in place of the experiment's
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// Where networks run, in place of the experiment's: auto, cpu, cuda or cuda:N
    #[arg(long, value_parser = device)]
    pub(crate) device: Option<DeviceChoice>,
    /// Models that are fitted at the same time, each on one thread and with its own copy of the rows; the results do not
    /// depend on it [default: all cores]
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<NonZeroUsize>,
    /// Leave out rows with bad values, counted and listed, in place of ending with an error
    #[arg(long)]
    pub(crate) skip_bad_rows: bool,
    /// Print the experiment in TOML and do nothing
    #[arg(long)]
    pub(crate) show: bool,
    /// Print one JSON object on standard output and nothing else there
    #[arg(long)]
    pub(crate) json: bool,
}

/// The divisions that need no further settings; an experiment in TOML knows more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SplitChoice {
    /// Every row for itself
    Random,
    /// Rows that belong together (one song) stay on one side
    Grouped,
}

/// Which experiment, and on what.
#[derive(Debug, Args)]
pub(crate) struct ExperimentArgs {
    /// A built-in experiment
    #[arg(long, default_value = "audio-features", conflicts_with = "experiment")]
    pub(crate) preset: String,
    /// An experiment in TOML
    #[arg(long, value_name = "PATH")]
    pub(crate) experiment: Option<PathBuf>,
    /// The CSV file to learn from, in place of the experiment's
    #[arg(long, value_name = "PATH")]
    pub(crate) data: Option<PathBuf>,
    /// Seed, in place of the experiment's
    #[arg(long)]
    pub(crate) seed: Option<u64>,
}

#[derive(Debug, Args)]
pub(crate) struct CompareArgs {
    #[command(flatten)]
    pub(crate) experiment: ExperimentArgs,
    /// Folder that both runs are saved in, as random and grouped; left out, nothing is saved
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Replace former runs in that folder, and begin searches anew
    #[arg(long, requires = "out")]
    pub(crate) overwrite: bool,
    /// Go on with searches in that folder that were killed or interrupted, and replace former runs
    #[arg(long, requires_all = ["out", "tune"], conflicts_with = "overwrite")]
    pub(crate) resume: bool,
    /// Search the settings of every model first, on rows that none is tested on
    #[arg(long)]
    pub(crate) tune: bool,
    #[command(flatten)]
    pub(crate) search: SearchArgs,
    /// Weight of R² in the score
    #[arg(long, value_name = "X", default_value_t = CompositeScore::default().r2)]
    pub(crate) weight_r2: f64,
    /// Weight of the root mean squared error in the score
    #[arg(long, value_name = "X", default_value_t = CompositeScore::default().rmse)]
    pub(crate) weight_rmse: f64,
    /// Weight of a second of fitting and predicting in the score
    #[arg(long, value_name = "X", default_value_t = CompositeScore::default().seconds)]
    pub(crate) weight_seconds: f64,
    /// Print one JSON object on standard output and nothing else there
    #[arg(long)]
    pub(crate) json: bool,
}

/// How settings are searched.
#[derive(Debug, Args)]
#[command(next_help_heading = "Search")]
pub(crate) struct SearchArgs {
    /// Settings of the search and spaces of models in TOML; what is given here beside it counts
    #[arg(long, value_name = "PATH")]
    pub(crate) settings: Option<PathBuf>,
    /// Search only these models, by name; may be given more than once [default: all]
    #[arg(long = "model", value_name = "NAME")]
    pub(crate) models: Vec<String>,
    /// Trials for each model at most [default: 20]
    #[arg(long, value_name = "N")]
    pub(crate) trials: Option<usize>,
    /// Folds that each trial is judged on, 2 to 10 [default: 5]
    #[arg(long, value_name = "N")]
    pub(crate) folds: Option<usize>,
    /// How the next trial is chosen [default: tpe]
    #[arg(long, value_enum)]
    pub(crate) method: Option<MethodChoice>,
    /// What ends hopeless trials early [default: none]
    #[arg(long, value_enum)]
    pub(crate) pruner: Option<PrunerChoice>,
    /// What trials are judged by, as in rmse or r2 [default: what the experiment chooses by]
    #[arg(long, value_parser = metric)]
    pub(crate) metric: Option<MetricName>,
    /// Seconds after which no trial of a model begins any more
    #[arg(long, value_name = "SECONDS")]
    pub(crate) time_limit: Option<f64>,
    /// Add an ensemble of all models, which combines them so
    #[arg(long, value_enum)]
    pub(crate) ensemble: Option<CombineChoice>,
}

impl SearchArgs {
    /// An option that was given and is about nothing but searches.
    pub(crate) fn of_searches(&self) -> Option<&'static str> {
        let given = [
            ("model", !self.models.is_empty()),
            ("trials", self.trials.is_some()),
            ("folds", self.folds.is_some()),
            ("method", self.method.is_some()),
            ("pruner", self.pruner.is_some()),
            ("metric", self.metric.is_some()),
            ("time-limit", self.time_limit.is_some()),
        ];
        given
            .iter()
            .find(|(_, is_given)| *is_given)
            .map(|(name, _)| *name)
    }
}

/// How the next trial is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum MethodChoice {
    /// At random
    Random,
    /// By a tree of Parzen estimators, from the trials before it
    Tpe,
}

/// What ends hopeless trials early.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PrunerChoice {
    /// Nothing
    None,
    /// Being worse than the median of the trials before
    Median,
    /// Not being among the best third at epochs 5, 15, 45, …
    Halving,
}

/// How an ensemble combines its members.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum CombineChoice {
    /// The mean
    Average,
    /// A mean whose weights were chosen on rows that the members had not learned from
    Greedy,
    /// A linear model of what the members predict
    Stacking,
}

#[derive(Debug, Args)]
pub(crate) struct TuneArgs {
    #[command(flatten)]
    pub(crate) experiment: ExperimentArgs,
    /// Folder for the trials, the experiment with the settings found, and its run
    #[arg(long, value_name = "DIR", default_value = "out/tuned")]
    pub(crate) out: PathBuf,
    /// Begin anew, in place of a former search in that folder
    #[arg(long)]
    pub(crate) overwrite: bool,
    /// Go on with the search in that folder that was killed or interrupted, or that is to make more trials
    #[arg(long, conflicts_with = "overwrite")]
    pub(crate) resume: bool,
    /// How rows are divided, in place of the experiment's; folds are divided the same way
    #[arg(long, value_enum)]
    pub(crate) split: Option<SplitChoice>,
    /// Only measure what the search is worth on rows that it has not seen: search anew inside of each of so many folds of all
    /// rows; nothing is saved
    #[arg(long, value_name = "FOLDS", conflicts_with_all = ["overwrite", "resume", "ensemble"])]
    pub(crate) nested: Option<usize>,
    #[command(flatten)]
    pub(crate) search: SearchArgs,
    /// Print one JSON object on standard output and nothing else there
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RunsArgs {
    #[command(subcommand)]
    pub(crate) command: RunsCommand,
    /// Print one JSON object on standard output and nothing else there
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

/// What to do with saved runs.
#[derive(Debug, Subcommand)]
pub(crate) enum RunsCommand {
    /// List the runs in a folder and those inside of it, the oldest first
    List {
        /// The folder
        #[arg(default_value = "out")]
        folder: PathBuf,
    },
    /// Show what a run found out
    Show {
        /// Folder of the run
        run: PathBuf,
    },
    /// Show what two runs differ in: settings, and test metrics of each model
    Diff {
        /// Folder of one run
        one: PathBuf,
        /// Folder of the other
        other: PathBuf,
    },
    /// Write every model of every run as a row of a CSV file
    Export {
        /// The folder
        #[arg(default_value = "out")]
        folder: PathBuf,
        /// The file
        #[arg(long, value_name = "PATH", default_value = "out/runs.csv")]
        out: PathBuf,
        /// Replace that file
        #[arg(long)]
        overwrite: bool,
    },
}

#[derive(Debug, Args)]
pub(crate) struct EvaluateArgs {
    /// Folder of the bundle
    pub(crate) bundle: PathBuf,
    /// The CSV file, with the target
    #[arg(long, value_name = "PATH")]
    pub(crate) data: PathBuf,
    /// Report by the groups of this column too; may be given more than once
    #[arg(long, value_name = "COLUMN")]
    pub(crate) by: Vec<String>,
    /// Where networks run: auto, cpu, cuda or cuda:N
    #[arg(long, value_parser = device, default_value = "auto")]
    pub(crate) device: DeviceChoice,
    /// Print one JSON object on standard output and nothing else there
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct PredictArgs {
    /// Folder of the bundle
    pub(crate) bundle: PathBuf,
    /// The CSV file whose rows to predict; the target may be missing from it
    #[arg(long, value_name = "PATH", conflicts_with = "set")]
    pub(crate) data: Option<PathBuf>,
    /// A value of the row to predict, in its own unit, as in energy=0.8; once for each input
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) set: Vec<String>,
    /// File for the rows with their predictions; standard output if it is left out
    #[arg(long, value_name = "PATH", requires = "data")]
    pub(crate) out: Option<PathBuf>,
    /// Where networks run: auto, cpu, cuda or cuda:N
    #[arg(long, value_parser = device, default_value = "auto")]
    pub(crate) device: DeviceChoice,
    /// Print one JSON object on standard output and nothing else there
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("one_row").args(["row", "set"]).multiple(true))]
pub(crate) struct ExplainArgs {
    /// Folder of the bundle
    pub(crate) bundle: PathBuf,
    /// A CSV file: the rows by which is said what matters, with the target, best ones that the model did not learn from; for
    /// one prediction the rows that it is compared with
    #[arg(long, value_name = "PATH")]
    pub(crate) data: PathBuf,
    /// Explain the prediction for this row of the file, counted from 1
    #[arg(long, value_name = "N", conflicts_with = "set")]
    pub(crate) row: Option<NonZeroUsize>,
    /// Explain the prediction for a row given by hand: a value in its own unit, as in energy=0.8; once for each input
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) set: Vec<String>,
    /// Say also which smallest change of that row leads to this prediction: a number, at least which is wanted if less is predicted
    /// and at most if more, or one with its side, as in '>=70' or '<=70', or the name of a class, or that with a probability, as in
    /// hit=0.8
    #[arg(long, value_name = "PREDICTION", requires = "one_row")]
    pub(crate) want: Option<String>,
    /// The inputs that may be changed for it, divided by commas; all if it is left out
    #[arg(long, value_name = "NAMES", value_delimiter = ',', requires = "want")]
    pub(crate) allow: Vec<String>,
    /// How the parts of a prediction are found: model (Shapley values by a model's own trees), exact or sampled (Shapley values
    /// of any model), `expected_gradients` or `integrated_gradients` (of networks) [default: model, else expected gradients, else
    /// exact up to 10 inputs, else sampled]
    #[arg(long, value_parser = method)]
    pub(crate) method: Option<AttributionMethod>,
    /// Folder for report.html and figures of what is printed
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Replace a report that is there already
    #[arg(long, requires = "out")]
    pub(crate) overwrite: bool,
    /// How often each input is put into random order to say what matters; without effect beside --row or --set
    #[arg(long, value_name = "N", default_value_t = ExplainSettings::default().repeats)]
    pub(crate) repeats: usize,
    /// How many rows stand for what is usual; without effect on the methods model, which knows its training rows, and
    /// `integrated_gradients`, which takes the mean of all rows
    #[arg(long, value_name = "N", default_value_t = ExplainSettings::default().background)]
    pub(crate) background: usize,
    /// Where networks run: auto, cpu, cuda or cuda:N
    #[arg(long, value_parser = device, default_value = "auto")]
    pub(crate) device: DeviceChoice,
    /// Print one JSON object on standard output and nothing else there
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    /// Folder of a run, or a CSV file
    #[arg(value_name = "RUN_OR_DATA")]
    pub(crate) source: PathBuf,
    /// Folder for report.html and the figures
    #[arg(long, value_name = "PATH")]
    pub(crate) out: PathBuf,
    /// The file that the run learned from, where it is no longer at its place
    #[arg(long, value_name = "PATH")]
    pub(crate) data: Option<PathBuf>,
    /// Of a CSV file the column that the others are looked at beside; popularity if the file has it
    #[arg(long, value_name = "COLUMN", conflicts_with = "data")]
    pub(crate) target: Option<String>,
    /// Replace a report that is there already
    #[arg(long)]
    pub(crate) overwrite: bool,
    /// Print one JSON object on standard output and nothing else there
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DescribeArgs {
    /// The CSV file
    pub(crate) data: PathBuf,
    /// Column to correlate the others with; popularity if the file has it
    #[arg(long, value_name = "COLUMN")]
    pub(crate) target: Option<String>,
    /// Print one JSON object on standard output and nothing else there
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// A CSV file of your own, in place of the synthetic one that comes with the program
    #[arg(long, value_name = "PATH")]
    pub(crate) data: Option<PathBuf>,
    /// Folder for what the demo writes; a former demo there is replaced
    #[arg(long, value_name = "DIR", default_value = "out/demo")]
    pub(crate) out: PathBuf,
    /// Print one JSON object on standard output and nothing else there
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// Print one JSON object on standard output and nothing else there
    #[arg(long)]
    pub(crate) json: bool,
}

fn method(text: &str) -> Result<AttributionMethod, PipelineError> {
    text.parse()
}

fn device(text: &str) -> Result<DeviceChoice, CoreError> {
    text.parse()
}

fn metric(text: &str) -> Result<MetricName, String> {
    MetricName::try_from(text.to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_arguments_do_not_contradict_each_other() {
        super::Arguments::command().debug_assert();
    }
}
