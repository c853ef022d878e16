//! XGBoost (Chen and Guestrin 2016): settings and fit.

mod model;

use hitcast_classical::checks::{expect, not_negative, positive, share};
use hitcast_classical::saved::{Outcome, Size, reported};
use hitcast_classical::{Link, TreeKind, TreeModel};
use hitcast_core::{CoreError, Dataset, Estimator, Fit, FitContext, Task};
use serde::{Deserialize, Serialize};

pub use model::read_json;

use crate::data::Rows;
use crate::error::{BoosterError, Result};
use crate::find::Booster as Which;
use crate::native::xgboost::{Api, Booster, Matrix};
use crate::rounds::{Losses, Rounds};
use crate::settings::{MOST, count, early_stopping, rounds, seed_of, threads, threads_asked};
use crate::trees::{COMPARED, agree};

/// Boosting by XGBoost's library, for numbers (squared error) and classes (log loss).
///
/// Names and defaults are those of its `XGBRegressor` and `XGBClassifier` 3.2, and so are the trees. The names of its own parameters
/// are read too: `eta`, `alpha`, `lambda`, `min_split_loss`, `num_boost_round`, `nthread` and `n_jobs`.
///
/// Left out are its other boosters (`gblinear`, `dart`), objectives and metrics, forests (`num_parallel_tree`), constraints, categories,
/// `scale_pos_weight` (give weights), `base_score`, `sampling_method`, and GPUs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct XGBoost {
    /// Number of rounds at most, at least 1; with three classes or more each has a tree for every class. Default 100.
    #[serde(alias = "num_boost_round")]
    pub n_estimators: usize,
    /// What share of its correction each tree makes, above 0. Default 0.3.
    #[serde(alias = "eta")]
    pub learning_rate: f64,
    /// Splits between the root and a leaf at most, 0 for no limit. Default 6.
    pub max_depth: usize,
    /// Leaves of a tree at most, 0 for no limit. Default 0.
    pub max_leaves: usize,
    /// Which leaf is split next. Default [`GrowPolicy::Depthwise`].
    pub grow_policy: GrowPolicy,
    /// How splits are found. Default [`TreeMethod::Hist`].
    pub tree_method: TreeMethod,
    /// Bins of a feature, at least 2. Default 256.
    pub max_bin: usize,
    /// Sum of the hessians (of numbers: of the weights) that a leaf must have, at least 0. Default 1.
    pub min_child_weight: f64,
    /// How much a split must lower the loss, at least 0. Default 0.
    #[serde(alias = "min_split_loss")]
    pub gamma: f64,
    /// How far a leaf may correct at most, 0 for no limit. Default 0.
    pub max_delta_step: f64,
    /// Share of the rows that each round draws, above 0 and up to 1. Default 1.
    pub subsample: f64,
    /// Share of the features that each tree draws, above 0 and up to 1. Default 1.
    pub colsample_bytree: f64,
    /// Share of those that each level of a tree draws, above 0 and up to 1. Default 1.
    pub colsample_bylevel: f64,
    /// Share of those that each split draws, above 0 and up to 1. Default 1.
    pub colsample_bynode: f64,
    /// Absolute penalty on leaves, at least 0. Default 0.
    #[serde(alias = "alpha")]
    pub reg_alpha: f64,
    /// Squared penalty on leaves, at least 0. Default 1.
    #[serde(alias = "lambda")]
    pub reg_lambda: f64,
    /// Rounds without a smaller validation loss after which it ends; those up to the best are then kept. Default none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub early_stopping_rounds: Option<usize>,
    /// Number of threads, up to 1,024, 0 for all cores. The result hardly depends on it (see [the crate](crate#results)). Default 0.
    #[serde(alias = "n_jobs", alias = "nthread")]
    pub threads: usize,
}

/// Which leaf XGBoost splits next.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum GrowPolicy {
    /// One nearest to the root.
    #[default]
    Depthwise,
    /// The one that lowers the loss most.
    LossGuide,
}

/// How XGBoost finds splits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum TreeMethod {
    /// Between bins that are made once.
    #[default]
    Hist,
    /// Between bins that are made anew in each round.
    Approx,
    /// Between any two values.
    Exact,
}

impl Default for XGBoost {
    fn default() -> Self {
        Self {
            n_estimators: 100,
            learning_rate: 0.3,
            max_depth: 6,
            max_leaves: 0,
            grow_policy: GrowPolicy::default(),
            tree_method: TreeMethod::default(),
            max_bin: 256,
            min_child_weight: 1.0,
            gamma: 0.0,
            max_delta_step: 0.0,
            subsample: 1.0,
            colsample_bytree: 1.0,
            colsample_bylevel: 1.0,
            colsample_bynode: 1.0,
            reg_alpha: 0.0,
            reg_lambda: 1.0,
            early_stopping_rounds: None,
            threads: 0,
        }
    }
}

impl XGBoost {
    /// The kind under which it is saved.
    pub const KIND: &'static str = TreeKind::XGBoost.name();

    fn check(&self, validation: Option<&Dataset>) -> Result<()> {
        rounds("n_estimators", self.n_estimators)?;
        positive("learning_rate", self.learning_rate)?;
        count("max_depth", self.max_depth, 0..=MOST, "below 2³¹; 0 for no limit")?;
        count(
            "max_leaves",
            self.max_leaves,
            0..=MOST,
            "below 2³¹; 0 for no limit",
        )?;
        count("max_bin", self.max_bin, 2..=MOST, "at least 2 and below 2³¹")?;
        if self.tree_method == TreeMethod::Exact {
            #[allow(clippy::cast_precision_loss)]
            let leaves = self.max_leaves as f64;
            expect(
                self.max_leaves == 0,
                "max_leaves",
                leaves,
                "0 where tree_method is exact",
            )?;
        }
        not_negative("min_child_weight", self.min_child_weight)?;
        not_negative("gamma", self.gamma)?;
        not_negative("max_delta_step", self.max_delta_step)?;
        share("subsample", self.subsample)?;
        share("colsample_bytree", self.colsample_bytree)?;
        share("colsample_bylevel", self.colsample_bylevel)?;
        share("colsample_bynode", self.colsample_bynode)?;
        not_negative("reg_alpha", self.reg_alpha)?;
        not_negative("reg_lambda", self.reg_lambda)?;
        threads_asked(self.threads)?;
        early_stopping(self.early_stopping_rounds, validation)
    }

    /// The settings in the library's words.
    fn words(&self, task: Task, threads: usize, context: &FitContext<'_>) -> Vec<(&'static str, String)> {
        let (objective, metric) = match task {
            Task::Classification { n_classes: 2 } => ("binary:logistic", "logloss"),
            Task::Classification { .. } => ("multi:softprob", "mlogloss"),
            _ => ("reg:squarederror", "rmse"),
        };
        let mut words = vec![
            ("objective", objective.to_owned()),
            ("eval_metric", metric.to_owned()),
            ("seed", seed_of(context.seed, Self::KIND).to_string()),
            ("nthread", threads.to_string()),
            ("learning_rate", self.learning_rate.to_string()),
            ("max_depth", self.max_depth.to_string()),
            (
                "tree_method",
                match self.tree_method {
                    TreeMethod::Hist => "hist",
                    TreeMethod::Approx => "approx",
                    TreeMethod::Exact => "exact",
                }
                .to_owned(),
            ),
            ("min_child_weight", self.min_child_weight.to_string()),
            ("gamma", self.gamma.to_string()),
            ("max_delta_step", self.max_delta_step.to_string()),
            ("subsample", self.subsample.to_string()),
            ("colsample_bytree", self.colsample_bytree.to_string()),
            ("colsample_bylevel", self.colsample_bylevel.to_string()),
            ("colsample_bynode", self.colsample_bynode.to_string()),
            ("reg_alpha", self.reg_alpha.to_string()),
            ("reg_lambda", self.reg_lambda.to_string()),
        ];
        if self.tree_method != TreeMethod::Exact {
            let policy = match self.grow_policy {
                GrowPolicy::Depthwise => "depthwise",
                GrowPolicy::LossGuide => "lossguide",
            };
            words.push(("grow_policy", policy.to_owned()));
            words.push(("max_leaves", self.max_leaves.to_string()));
            words.push(("max_bin", self.max_bin.to_string()));
        }
        if let Task::Classification { n_classes } = task
            && n_classes > 2
        {
            words.push(("num_class", n_classes.to_string()));
        }
        words
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
        let threads = threads(self.threads);
        let api = Api::get()?;
        api.be_quiet()?;
        let loaded = |rows: &Rows<'_>| {
            let mut matrix = Matrix::new(api, rows.cells(), rows.n(), rows.d(), threads)?;
            matrix.set("label", &rows.target)?;
            if let Some(weights) = &rows.weights {
                matrix.set("weight", weights)?;
            }
            Ok::<_, BoosterError>(matrix)
        };
        let validation = seen.as_ref().map(loaded).transpose()?;
        let words = self.words(train.task(), threads, context);
        let mut booster = Booster::new(loaded(&rows)?, validation, &words)?;
        let rounds = Rounds {
            context,
            rounds: self.n_estimators,
            learning_rate: self.learning_rate,
            patience: self.early_stopping_rounds,
        };
        let squared = train.task() == Task::Regression;
        let learned = rounds.run(|round| {
            let number = i32::try_from(round).unwrap_or(i32::MAX);
            booster.update(number)?;
            losses(&booster.evaluate(number)?, squared).map(Some)
        })?;
        let model = read_json(&booster.json()?, Some(learned.kept))?;
        let first = rows.first(COMPARED);
        let compared = Matrix::new(api, first, first.len() / rows.d(), rows.d(), threads)?;
        agree(
            Which::XGBoost,
            &model,
            first,
            &booster.predict(&compared, learned.kept)?,
        )?;
        Ok(learned.outcome(model))
    }
}

/// The losses in a line as `[0]⇥train-rmse:1.5⇥validation-rmse:1.6`; of numbers it tells the root.
fn losses(line: &str, squared: bool) -> Result<Losses> {
    let value = |name: &str| {
        let part = line.split('\t').find(|part| part.starts_with(name))?;
        let value: f64 = part.rsplit(':').next()?.parse().ok()?;
        Some(if squared { value * value } else { value })
    };
    let unclear = || BoosterError::model(Which::XGBoost, format!("{line:?} tells no losses"));
    Ok(Losses {
        train: value("train-").ok_or_else(unclear)?,
        validation: value("validation-"),
    })
}

impl Estimator for XGBoost {
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
        let depth = u32::try_from(self.max_depth).ok().filter(|depth| *depth > 0);
        let leaves = depth
            .and_then(|depth| 1_usize.checked_shl(depth))
            .unwrap_or(usize::MAX);
        let leaves = leaves
            .min(rows)
            .saturating_mul(self.n_estimators)
            .saturating_mul(outputs);
        let size = Size {
            rows,
            parameters: leaves.saturating_mul(3),
            // Numbers with their columns, bins, and gradients.
            bytes: rows
                .saturating_mul(10 * d + 16 * outputs)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_are_read_from_the_librarys_line() {
        let both = losses("[3]\ttrain-rmse:2.00000000000000000\tvalidation-rmse:3.0", true).unwrap();
        assert_eq!((both.train, both.validation), (4.0, Some(9.0)));
        let one = losses("[3]\ttrain-mlogloss:0.5", false).unwrap();
        assert_eq!((one.train, one.validation), (0.5, None));
        assert!(losses("[3]\ttrain-rmse:x", true).is_err());
        assert!(losses("", true).is_err());
    }
}
