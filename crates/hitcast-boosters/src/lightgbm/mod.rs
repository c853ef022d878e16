//! LightGBM (Ke et al. 2017): settings and fit.

mod model;

use hitcast_classical::checks::{expect, not_negative, positive, share};
use hitcast_classical::saved::{Outcome, Size, reported};
use hitcast_classical::{Link, TreeKind, TreeModel};
use hitcast_core::{CoreError, Dataset, Estimator, Event, Fit, FitContext, Task};
use serde::{Deserialize, Serialize};

pub use model::read_text;

use crate::data::Rows;
use crate::error::{BoosterError, Result};
use crate::find::Booster as Which;
use crate::native::lightgbm::{Api, Binned, Booster, Cells, Turn};
use crate::rounds::{Losses, Rounds};
use crate::settings::{MOST, count, early_stopping, rounds, seed_of, threads, threads_asked};
use crate::trees::{COMPARED, agree};

/// Boosting by LightGBM's library, for numbers (squared error) and classes (log loss).
///
/// Names and defaults are those of its `LGBMRegressor` and `LGBMClassifier` 4.7, and so are the trees, with `deterministic` and
/// `force_row_wise` on. The names of its own parameters are read too: `num_iterations`, `shrinkage_rate`, `min_data_in_leaf`,
/// `min_sum_hessian_in_leaf`, `min_gain_to_split`, `bagging_fraction`, `bagging_freq`, `feature_fraction`, `lambda_l1`, `lambda_l2`,
/// `bin_construct_sample_cnt`, `early_stopping_round` and `num_threads`, and of their aliases `eta`, `num_boost_round`, `max_leaves` and
/// `n_jobs`.
///
/// Left out are its other ways of boosting (`dart`, `rf`, `goss`), objectives and metrics, features drawn for each node, random and
/// linear trees, smoothing, constraints, categories, `class_weight` (give weights), and GPUs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LightGBM {
    /// Number of rounds at most, at least 1; with three classes or more each has a tree for every class. Default 100.
    #[serde(alias = "num_iterations", alias = "num_boost_round")]
    pub n_estimators: usize,
    /// What share of its correction each tree makes, above 0. Default 0.1.
    #[serde(alias = "eta", alias = "shrinkage_rate")]
    pub learning_rate: f64,
    /// Leaves of a tree at most, from 2 to 131,072. Default 31.
    #[serde(alias = "max_leaves")]
    pub num_leaves: usize,
    /// Splits between the root and a leaf at most, −1 or 0 for no limit. Default −1.
    pub max_depth: i32,
    /// Rows that a leaf must have. Default 20.
    #[serde(alias = "min_data_in_leaf")]
    pub min_child_samples: usize,
    /// Sum of the hessians (of numbers: of the weights) that a leaf must have, at least 0. Default 0.001.
    #[serde(alias = "min_sum_hessian_in_leaf")]
    pub min_child_weight: f64,
    /// How much a split must lower the loss, at least 0. Default 0.
    #[serde(alias = "min_gain_to_split")]
    pub min_split_gain: f64,
    /// Share of the rows that are drawn, above 0 and up to 1; only where `subsample_freq` is above 0. Default 1.
    #[serde(alias = "bagging_fraction")]
    pub subsample: f64,
    /// Rounds after which rows are drawn anew; 0: none are drawn. Default 0.
    #[serde(alias = "bagging_freq")]
    pub subsample_freq: usize,
    /// Share of the features that each tree draws, above 0 and up to 1. Default 1.
    #[serde(alias = "feature_fraction")]
    pub colsample_bytree: f64,
    /// Absolute penalty on leaves, at least 0. Default 0.
    #[serde(alias = "lambda_l1")]
    pub reg_alpha: f64,
    /// Squared penalty on leaves, at least 0. Default 0.
    #[serde(alias = "lambda_l2")]
    pub reg_lambda: f64,
    /// Bins of a feature, at least 2. Default 255.
    pub max_bin: usize,
    /// Rows from which the bins are made, at least 1. Default 200,000.
    #[serde(alias = "bin_construct_sample_cnt")]
    pub subsample_for_bin: usize,
    /// Rounds without a smaller validation loss after which it ends; those up to the best are then kept. Default none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[serde(alias = "early_stopping_round")]
    pub early_stopping_rounds: Option<usize>,
    /// Number of threads, up to 1,024, 0 for all cores. The result does not depend on it. Fits at the same time with other numbers
    /// wait for each other. Default 0.
    #[serde(alias = "n_jobs", alias = "num_threads")]
    pub threads: usize,
}

impl Default for LightGBM {
    fn default() -> Self {
        Self {
            n_estimators: 100,
            learning_rate: 0.1,
            num_leaves: 31,
            max_depth: -1,
            min_child_samples: 20,
            min_child_weight: 1e-3,
            min_split_gain: 0.0,
            subsample: 1.0,
            subsample_freq: 0,
            colsample_bytree: 1.0,
            reg_alpha: 0.0,
            reg_lambda: 0.0,
            max_bin: 255,
            subsample_for_bin: 200_000,
            early_stopping_rounds: None,
            threads: 0,
        }
    }
}

impl LightGBM {
    /// The kind under which it is saved.
    pub const KIND: &'static str = TreeKind::LightGBM.name();

    fn check(&self, validation: Option<&Dataset>) -> Result<()> {
        rounds("n_estimators", self.n_estimators)?;
        positive("learning_rate", self.learning_rate)?;
        count("num_leaves", self.num_leaves, 2..=131_072, "from 2 to 131072")?;
        expect(
            self.max_depth >= -1,
            "max_depth",
            self.max_depth.into(),
            "at least -1",
        )?;
        count("min_child_samples", self.min_child_samples, 0..=MOST, "below 2³¹")?;
        not_negative("min_child_weight", self.min_child_weight)?;
        not_negative("min_split_gain", self.min_split_gain)?;
        share("subsample", self.subsample)?;
        count("subsample_freq", self.subsample_freq, 0..=MOST, "below 2³¹")?;
        share("colsample_bytree", self.colsample_bytree)?;
        not_negative("reg_alpha", self.reg_alpha)?;
        not_negative("reg_lambda", self.reg_lambda)?;
        count("max_bin", self.max_bin, 2..=MOST, "at least 2 and below 2³¹")?;
        count(
            "subsample_for_bin",
            self.subsample_for_bin,
            1..=MOST,
            "at least 1 and below 2³¹",
        )?;
        threads_asked(self.threads)?;
        early_stopping(self.early_stopping_rounds, validation)
    }

    /// The settings in the library's words.
    fn words(&self, task: Task, context: &FitContext<'_>) -> String {
        let (objective, metric) = match task {
            Task::Classification { n_classes: 2 } => ("binary", "binary_logloss"),
            Task::Classification { .. } => ("multiclass", "multi_logloss"),
            _ => ("regression", "l2"),
        };
        let mut words: Vec<(&str, String)> = vec![
            ("objective", objective.to_owned()),
            ("metric", metric.to_owned()),
            ("seed", seed_of(context.seed, Self::KIND).to_string()),
            ("verbosity", "-1".to_owned()),
            ("deterministic", "true".to_owned()),
            ("force_row_wise", "true".to_owned()),
            ("num_iterations", self.n_estimators.to_string()),
            ("learning_rate", self.learning_rate.to_string()),
            ("num_leaves", self.num_leaves.to_string()),
            ("max_depth", self.max_depth.to_string()),
            ("min_data_in_leaf", self.min_child_samples.to_string()),
            ("min_sum_hessian_in_leaf", self.min_child_weight.to_string()),
            ("min_gain_to_split", self.min_split_gain.to_string()),
            ("bagging_fraction", self.subsample.to_string()),
            ("bagging_freq", self.subsample_freq.to_string()),
            ("feature_fraction", self.colsample_bytree.to_string()),
            ("lambda_l1", self.reg_alpha.to_string()),
            ("lambda_l2", self.reg_lambda.to_string()),
            ("max_bin", self.max_bin.to_string()),
            ("bin_construct_sample_cnt", self.subsample_for_bin.to_string()),
        ];
        if let Task::Classification { n_classes } = task
            && n_classes > 2
        {
            words.push(("num_class", n_classes.to_string()));
        }
        let words: Vec<String> = words
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        words.join(" ")
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
        let api = Api::get()?;
        api.be_quiet()?;
        if self.subsample < 1.0 && self.subsample_freq == 0 {
            context.progress.report(&Event::Note(
                "LightGBM draws no rows: subsample is below 1, but subsample_freq is 0",
            ));
        }
        let words = self.words(train.task(), context);
        let turn = Turn::with_threads(threads(self.threads), context.stop)?;
        let loaded = |rows: &Rows<'_>, like: Option<&_>| {
            let cells = Cells::new(rows.cells(), rows.n(), rows.d())?;
            let mut binned = Binned::new(api, &turn, cells, &words, like)?;
            binned.set("label", &rows.target)?;
            if let Some(weights) = &rows.weights {
                binned.set("weight", weights)?;
            }
            Ok::<_, BoosterError>(binned)
        };
        let train_rows = loaded(&rows, None)?;
        let validation_rows = seen
            .as_ref()
            .map(|seen| loaded(seen, Some(&train_rows)))
            .transpose()?;
        let mut booster = Booster::new(&train_rows, validation_rows.as_ref(), &words)?;
        let rounds = Rounds {
            context,
            rounds: self.n_estimators,
            learning_rate: self.learning_rate,
            patience: self.early_stopping_rounds,
        };
        let draws = self.colsample_bytree < 1.0 || (self.subsample < 1.0 && self.subsample_freq > 0);
        let mut tries = 0..self.n_estimators;
        let learned = rounds.run(|round| {
            // The first round's trees are kept even if they split nothing. After that such a round leaves none, and the next one
            // will do the same unless it draws other rows or features.
            let mut split = false;
            while !split && tries.next().is_some() {
                split = booster.update()? || round == 0;
                if !draws || context.stop.is_requested() {
                    break;
                }
            }
            if !split {
                if context.stop.is_requested() {
                    return Ok(None);
                }
                let note = format!(
                    "LightGBM found nothing more to split after {round} of {} rounds",
                    self.n_estimators
                );
                context.progress.report(&Event::Note(&note));
                return Ok(None);
            }
            match booster.evaluate()? {
                (Some(train), validation) => Ok(Some(Losses { train, validation })),
                (None, _) => Err(BoosterError::model(Which::LightGBM, "it tells no losses")),
            }
        })?;
        let kept = i32::try_from(learned.kept).unwrap_or(i32::MAX);
        let model = read_text(&booster.text(kept)?, Some(learned.kept))?;
        let first = rows.first(COMPARED);
        let compared = Cells::new(first, first.len() / rows.d(), rows.d())?;
        agree(Which::LightGBM, &model, first, &booster.predict(compared, kept)?)?;
        Ok(learned.outcome(model))
    }
}

impl Estimator for LightGBM {
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
        let leaves = self
            .num_leaves
            .min(rows)
            .saturating_mul(self.n_estimators)
            .saturating_mul(outputs);
        let size = Size {
            rows,
            parameters: leaves.saturating_mul(3),
            // Bins, and gradients.
            bytes: rows
                .saturating_mul(2 * d + 24 * outputs)
                .saturating_add(leaves.saturating_mul(48)),
        };
        reported(context, size, self.n_estimators, || {
            self.boost(train, validation, context)
                .map_err(|error| CoreError::model(Self::KIND, error))
        })
    }

    fn uses_validation(&self) -> bool {
        self.early_stopping_rounds.is_some()
    }
}
