//! CatBoost (Prokhorenkova et al. 2018): settings and fit. No trainer of it can be called from Rust, so a Python with the package
//! `catboost` is run as a program.

mod model;
mod program;

use hitcast_classical::checks::{expect, not_negative, positive, share};
use hitcast_classical::saved::{Outcome, Size, reported};
use hitcast_classical::{Link, Tree, TreeKind, TreeModel, TreeNode};
use hitcast_core::stats::{sum, weighted_mean};
use hitcast_core::{CoreError, Dataset, Estimator, Event, Fit, FitContext, Task};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

pub use model::read_json;

use self::program::Program;
use crate::data::Rows;
use crate::error::Result;
use crate::find::Booster as Which;
use crate::rounds::{Losses, Rounds};
use crate::settings::{count, early_stopping, rounds, seed_of, threads, threads_asked};
use crate::trees::{COMPARED, Collected, NEVER, agree};

/// Boosting by CatBoost, for numbers (squared error) and classes (log loss). Its trees ask the same at every node of a level.
///
/// Where no feature differs between the training rows, which CatBoost itself refuses, the model predicts their mean, or the shares
/// of their classes.
///
/// Names and defaults are those of its `CatBoostRegressor` and `CatBoostClassifier` 1.2, and so are the trees. Features are numbers;
/// categories come encoded. Its aliases `n_estimators`, `num_boost_round`, `num_trees`, `eta`, `max_depth`, `reg_lambda`,
/// `colsample_bylevel`, `max_bin`, `thread_count` and `n_jobs` are read too.
///
/// Left out are its own categories and texts, other losses, trees that are not symmetric (`grow_policy`), `boosting_type`,
/// `leaf_estimation_…`, constraints, class weights (give weights), other ways to detect overfitting (`od_type`), and GPUs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CatBoost {
    /// Number of rounds at most, at least 1. Default 1,000.
    #[serde(alias = "n_estimators", alias = "num_boost_round", alias = "num_trees")]
    pub iterations: usize,
    /// What share of its correction each tree makes, above 0. Default none: CatBoost chooses by rows and rounds.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[serde(alias = "eta")]
    pub learning_rate: Option<f64>,
    /// Splits between the root and a leaf, from 1 to 16. Default 6.
    #[serde(alias = "max_depth")]
    pub depth: usize,
    /// Squared penalty on leaves, at least 0. Default none: CatBoost's own, 3. If it is given, CatBoost chooses no learning rate,
    /// but takes 0.03.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[serde(alias = "reg_lambda")]
    pub l2_leaf_reg: Option<f64>,
    /// How much chance there is in the choice of splits, at least 0. Default 1.
    pub random_strength: f64,
    /// How rows are drawn. Default none: CatBoost chooses by the task.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bootstrap_type: Option<BootstrapType>,
    /// How unequal the weights of [`BootstrapType::Bayesian`] are, at least 0. Default none: CatBoost's own, 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bagging_temperature: Option<f64>,
    /// Share of the rows that each round draws, above 0 and up to 1; not with [`BootstrapType::Bayesian`], nor
    /// [`BootstrapType::No`]. Default none: CatBoost's own, by the number of rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subsample: Option<f64>,
    /// Share of the features that each level draws, above 0 and up to 1. Default 1.
    #[serde(alias = "colsample_bylevel")]
    pub rsm: f64,
    /// Borders between the bins of a feature, from 1 to 65,535. Default 254.
    #[serde(alias = "max_bin")]
    pub border_count: usize,
    /// Rounds without a smaller validation loss after which it ends; those up to the best are then kept. Default none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub early_stopping_rounds: Option<usize>,
    /// Number of threads, up to 1,024, 0 for all cores. The result does not depend on it. Default 0.
    #[serde(alias = "n_jobs", alias = "thread_count")]
    pub threads: usize,
}

/// How CatBoost draws rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum BootstrapType {
    /// All, with random weights.
    Bayesian,
    /// Each with the same probability.
    Bernoulli,
    /// Those more often that have more to be corrected (minimal variance sampling).
    #[serde(rename = "MVS")]
    Mvs,
    /// All.
    No,
}

impl Default for CatBoost {
    fn default() -> Self {
        Self {
            iterations: 1000,
            learning_rate: None,
            depth: 6,
            l2_leaf_reg: None,
            random_strength: 1.0,
            bootstrap_type: None,
            bagging_temperature: None,
            subsample: None,
            rsm: 1.0,
            border_count: 254,
            early_stopping_rounds: None,
            threads: 0,
        }
    }
}

impl CatBoost {
    /// The kind under which it is saved.
    pub const KIND: &'static str = TreeKind::CatBoost.name();

    fn check(&self, validation: Option<&Dataset>) -> Result<()> {
        rounds("iterations", self.iterations)?;
        if let Some(rate) = self.learning_rate {
            positive("learning_rate", rate)?;
        }
        count("depth", self.depth, 1..=16, "from 1 to 16")?;
        if let Some(penalty) = self.l2_leaf_reg {
            not_negative("l2_leaf_reg", penalty)?;
        }
        not_negative("random_strength", self.random_strength)?;
        if let Some(temperature) = self.bagging_temperature {
            not_negative("bagging_temperature", temperature)?;
            let drawn = matches!(self.bootstrap_type, None | Some(BootstrapType::Bayesian));
            expect(
                drawn,
                "bagging_temperature",
                temperature,
                "left out unless bootstrap_type is Bayesian",
            )?;
        }
        if let Some(subsample) = self.subsample {
            share("subsample", subsample)?;
            let drawn = !matches!(
                self.bootstrap_type,
                Some(BootstrapType::Bayesian | BootstrapType::No)
            );
            expect(
                drawn,
                "subsample",
                subsample,
                "left out where bootstrap_type is Bayesian or No",
            )?;
        }
        share("rsm", self.rsm)?;
        count("border_count", self.border_count, 1..=65_535, "from 1 to 65535")?;
        threads_asked(self.threads)?;
        early_stopping(self.early_stopping_rounds, validation)
    }

    /// The settings in the library's words.
    fn params(&self, task: Task, context: &FitContext<'_>) -> Value {
        let loss = match task {
            Task::Classification { n_classes: 2 } => "Logloss",
            Task::Classification { .. } => "MultiClass",
            _ => "RMSE",
        };
        let mut params = Map::new();
        let mut set = |name: &str, value: Value| params.insert(name.to_owned(), value);
        set("loss_function", json!(loss));
        set("random_seed", json!(seed_of(context.seed, Self::KIND)));
        set("thread_count", json!(threads(self.threads)));
        set("logging_level", json!("Silent"));
        set("allow_writing_files", json!(false));
        set("allow_const_label", json!(true));
        // Which rounds are kept is decided here.
        set("use_best_model", json!(false));
        set("iterations", json!(self.iterations));
        set("depth", json!(self.depth));
        set("random_strength", json!(self.random_strength));
        set("rsm", json!(self.rsm));
        set("border_count", json!(self.border_count));
        if let Some(rate) = self.learning_rate {
            set("learning_rate", json!(rate));
        }
        if let Some(penalty) = self.l2_leaf_reg {
            set("l2_leaf_reg", json!(penalty));
        }
        if let Some(kind) = self.bootstrap_type {
            set("bootstrap_type", json!(kind));
        } else if self.subsample.is_some() {
            // With several classes CatBoost's own is Bayesian, which draws none.
            set("bootstrap_type", json!(BootstrapType::Mvs));
        } else if self.bagging_temperature.is_some() {
            set("bootstrap_type", json!(BootstrapType::Bayesian));
        }
        if let Some(temperature) = self.bagging_temperature {
            set("bagging_temperature", json!(temperature));
        }
        if let Some(subsample) = self.subsample {
            set("subsample", json!(subsample));
        }
        if let Task::Classification { n_classes } = task
            && n_classes > 2
        {
            set("classes_count", json!(n_classes));
        }
        Value::Object(params)
    }

    fn boost(
        &self,
        train: &Dataset,
        validation: Option<&Dataset>,
        context: &FitContext<'_>,
    ) -> Result<Outcome<TreeModel>> {
        self.check(validation)?;
        let rows = Rows::of_training(train)?;
        let seen = validation.map(|seen| Rows::of(seen, rows.d())).transpose()?;
        let settings = json!({
            "params": self.params(train.task(), context),
            "features": rows.d(),
            "classes": train.task() != Task::Regression,
            "compared": COMPARED,
        });
        if rows.are_alike() {
            context.progress.report(&Event::Note(
                "CatBoost has nothing to ask: no feature differs between the rows, and the same is predicted for all",
            ));
            return Ok(Outcome::completed(constant(train)?));
        }
        let mut program = Program::start(&settings, &rows, seen.as_ref(), context.stop)?;
        let rounds = Rounds {
            context,
            rounds: self.iterations,
            // Until CatBoost has chosen one.
            learning_rate: self.learning_rate.unwrap_or(0.0),
            patience: self.early_stopping_rounds,
        };
        let squared = train.task() == Task::Regression;
        let mut learned = rounds.run(|round| {
            let losses = program.next(round)?;
            Ok(losses.map(|told| if squared { of_roots(told) } else { told }))
        })?;
        let (text, library) = program.end(learned.kept)?;
        let (model, rate) = model::read(&text, Some(learned.kept))?;
        if let (None, Some(rate)) = (self.learning_rate, rate) {
            learned
                .history
                .iter_mut()
                .for_each(|record| record.learning_rate = rate);
        }
        agree(Which::CatBoost, &model, rows.first(COMPARED), &library)?;
        Ok(learned.outcome(model))
    }
}

/// What the other libraries make of rows that are alike, where CatBoost refuses them: the mean, or the shares of the classes.
fn constant(train: &Dataset) -> Result<TreeModel> {
    let mean = |values: Vec<f64>| weighted_mean(values.into_iter(), train.weights());
    let share = |class: usize| {
        let classes = train.classes().unwrap_or_default();
        mean(
            classes
                .iter()
                .map(|own| f64::from(u8::from(*own == class)))
                .collect(),
        )
    };
    let base = match train.task() {
        Task::Classification { n_classes: 2 } => vec![share(1).ln() - share(0).ln()],
        Task::Classification { n_classes } => {
            (0..n_classes).map(|class| share(class).ln().max(NEVER)).collect()
        }
        _ => vec![mean(train.target().to_vec())],
    };
    let mut collected = Collected::new(Which::CatBoost, train.n_features())?;
    let cover = train
        .weights()
        .map_or(train.n_rows() as f64, |weights| sum(weights.iter().copied()));
    let nothing = vec![0.0; base.len()];
    collected.push(Tree::new(
        &[TreeNode::Leaf { leaf: 0 }],
        &[cover],
        &nothing,
        nothing.len(),
    )?);
    collected.model(TreeKind::CatBoost, train.task(), base)
}

/// Of numbers CatBoost tells the root of the mean squared error.
fn of_roots(told: Losses) -> Losses {
    Losses {
        train: told.train * told.train,
        validation: told.validation.map(|root| root * root),
    }
}

impl Estimator for CatBoost {
    fn fit(
        &self,
        train: &Dataset,
        validation: Option<&Dataset>,
        context: &FitContext<'_>,
    ) -> hitcast_core::Result<Fit> {
        if let Some(validation) = validation {
            validation.expect_task(train.task())?;
        }
        let (rows, d) = (train.n_rows(), train.n_features());
        let outputs = Link::n_scores(train.task());
        let leaves = 1_usize
            .checked_shl(u32::try_from(self.depth).unwrap_or(u32::MAX))
            .unwrap_or(usize::MAX);
        let leaves = leaves.saturating_mul(self.iterations);
        let size = Size {
            rows,
            parameters: leaves.saturating_mul(outputs),
            // Numbers in Python and in the library, bins, and gradients.
            bytes: rows
                .saturating_mul(10 * d + 32 * outputs)
                .saturating_add(leaves.saturating_mul(40 + 8 * outputs)),
        };
        reported(context, size, self.iterations, || {
            self.boost(train, validation, context)
                .map_err(|error| CoreError::model(Self::KIND, error))
        })
    }

    fn uses_validation(&self) -> bool {
        self.early_stopping_rounds.is_some()
    }
}
