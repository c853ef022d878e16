//! Everything that learns from rows, from the bounds of outliers to the model: what a fold fits.

use std::collections::BTreeSet;

use hitcast_core::{Dataset, Predictions, Task};
use hitcast_data::clean::StepReport;
use hitcast_data::{FittedOutliers, OutlierRule, Table};
use hitcast_preprocess::split::Codes;
use hitcast_preprocess::{ColumnRecipe, Recipe, Target, TargetValues};
use serde::{Deserialize, Serialize};

use crate::error::{PipelineError, Result};
use crate::experiment::{DataSettings, Experiment, ModelSpec};
use crate::prepare::Preparation;
use crate::sample::Sample;
use crate::score::{Metrics, Predicted, class_numbers};

/// What learns from training rows, in the order in which it does: bounds of outliers, recipe, sampler and weights, model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pipeline {
    /// What is done about outliers.
    #[serde(default)]
    pub outliers: Vec<OutlierRule>,
    /// How the features become numbers near zero. Features that it does not name are taken as they are.
    #[serde(default)]
    pub recipe: Recipe,
    /// The model, with what is done about rare classes.
    pub model: ModelSpec,
}

/// Rows of one part, and what a model is given of them.
#[derive(Debug)]
pub(crate) struct PartRows {
    pub(crate) table: Table,
    pub(crate) dataset: Dataset,
}

/// Training rows as a model takes them, and what was learned on the way.
#[derive(Debug)]
pub struct Prepared {
    pub(crate) preparation: Preparation,
    pub(crate) train: PartRows,
    /// What was done about outliers in the training rows.
    pub(crate) outliers: Vec<StepReport>,
}

impl Experiment {
    /// What one of the experiment's models is fitted by.
    pub fn pipeline(&self, model: ModelSpec) -> Pipeline {
        Pipeline {
            outliers: self.outliers.clone(),
            recipe: self.recipe.clone(),
            model,
        }
    }
}

impl Pipeline {
    /// Learns everything before the model from the rows named, and from no others.
    ///
    /// # Errors
    /// [`PipelineError::Data`] and [`PipelineError::Preprocess`] if outliers or recipe cannot be learned,
    /// [`PipelineError::TooFewRows`] if no row is left without outliers.
    pub fn prepare(&self, sample: &Sample<'_>, rows: &[usize]) -> Result<Prepared> {
        prepare(&self.outliers, &self.recipe, sample, rows)
    }
}

impl Prepared {
    /// The training rows.
    pub fn train(&self) -> &Dataset {
        &self.train.dataset
    }

    /// The training rows on their own.
    pub fn into_train(self) -> Dataset {
        self.train.dataset
    }

    /// Other rows, with the same features.
    ///
    /// # Errors
    /// [`PipelineError::Preprocess`] if a value cannot be transformed, as a category that the training rows lack.
    pub fn dataset(&self, sample: &Sample<'_>, rows: &[usize]) -> Result<Dataset> {
        Ok(self.part(sample, rows)?.dataset)
    }

    pub(crate) fn part(&self, sample: &Sample<'_>, rows: &[usize]) -> Result<PartRows> {
        let table = sample.table.take(rows);
        let features = self.preparation.features(&table)?;
        let dataset = sample.goal.dataset(features, sample.goal.actual(&table)?)?;
        Ok(PartRows { table, dataset })
    }
}

impl Metrics {
    /// Measures what a model predicts for some rows; of classes the likeliest one is decided for.
    ///
    /// # Errors
    /// [`PipelineError::Metrics`] if there are not as many predictions as rows, or if one is not finite.
    pub fn of(rows: &Dataset, predictions: &Predictions) -> Result<Self> {
        let predicted = Predicted {
            predictions: predictions.clone(),
            classes: None,
        };
        Self::compute(rows.target(), &predicted)
    }
}

/// See [`Pipeline::prepare`].
pub(crate) fn prepare(
    outliers: &[OutlierRule],
    recipe: &Recipe,
    sample: &Sample<'_>,
    rows: &[usize],
) -> Result<Prepared> {
    let experiment = sample.experiment();
    let mut table = sample.table.take(rows);
    let mut fitted: Vec<FittedOutliers> = Vec::new();
    let mut reports = Vec::new();
    // Bounds come from the rows that earlier rules have left, but clipping is left to `features`, so that training and
    // predicting take one path.
    for rule in outliers {
        let bounds = rule.fit(&table)?;
        let (after, report) = bounds.apply_to_training(table.clone())?;
        if after.n_rows() < table.n_rows() {
            table = after;
        }
        reports.push(report);
        fitted.push(bounds);
    }
    if table.n_rows() == 0 {
        let advice = "loosen the bounds under [[outliers]]".to_owned();
        return Err(PipelineError::TooFewRows {
            rows: 0,
            stage: "without outliers",
            needed: 1,
            advice,
        });
    }
    let recipe = whole_recipe(recipe, &experiment.data);
    let mut bounded = table.clone();
    for bounds in &fitted {
        (bounded, _) = bounds.apply_to_held_out(bounded)?;
    }
    let target = sample.goal.actual(&table)?;
    let target_classes = match sample.task() {
        Task::Classification { .. } => class_numbers(&target),
        _ => Vec::new(),
    };
    let groups = experiment
        .data
        .group
        .as_ref()
        .filter(|_| recipe.learns_from_target())
        .map(|name| Codes::groups_or_alone(&bounded, name))
        .transpose()?;
    let learned_from = Target {
        values: match sample.task() {
            Task::Classification { n_classes } => TargetValues::Classes {
                classes: &target_classes,
                n_classes,
            },
            _ => TargetValues::Numbers(&target),
        },
        groups: groups.as_ref(),
    };
    let seed = experiment.seed.child("recipe");
    // Not the same as transforming the training rows where an encoder learns from the target.
    let (preprocessor, features) = recipe.fit_transform(&bounded, Some(&learned_from), seed)?;
    let mut dataset = sample.goal.dataset(features, target)?;
    // Rows that are only judged may all have weight 0.
    if let Some(weight) = &experiment.data.weight {
        dataset = dataset.with_weights(table.numbers(weight)?.to_vec())?;
    }
    if let Some(groups) = sample.split_groups(&table)? {
        dataset = dataset.with_groups(groups)?;
    }
    let preparation = Preparation {
        schema: sample.schema.clone(),
        cleaning: experiment.cleaning.for_prediction(&experiment.data.features),
        outliers: fitted,
        preprocessor,
        inputs: experiment.data.features.clone(),
    };
    Ok(Prepared {
        preparation,
        train: PartRows { table, dataset },
        outliers: reports,
    })
}

/// The recipe, with features that it does not name taken as they are.
fn whole_recipe(recipe: &Recipe, data: &DataSettings) -> Recipe {
    let named: BTreeSet<&str> = recipe.input_columns().collect();
    let plain = data.features.iter().filter(|name| !named.contains(name.as_str()));
    let plain: Vec<String> = plain.cloned().collect();
    let mut whole = recipe.clone();
    if !plain.is_empty() {
        whole.columns.push(ColumnRecipe::new(plain));
    }
    whole
}
