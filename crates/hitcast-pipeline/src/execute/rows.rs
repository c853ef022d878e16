//! The cleaned table in three parts, and everything that is learned from the first of them before any model.

use std::collections::BTreeSet;

use hitcast_core::{Dataset, Features};
use hitcast_data::clean::StepReport;
use hitcast_data::{Column, FittedOutliers, Schema, Table, ValidRange, vocabulary};
use hitcast_metrics::{MeanBaseline, RegressionMetrics};
use hitcast_preprocess::split::Codes;
use hitcast_preprocess::{ColumnRecipe, FittedEncoder, Preprocessor, Recipe, Target, TargetValues};

use crate::bundle::InputInfo;
use crate::error::{PipelineError, Result};
use crate::experiment::Experiment;
use crate::prepare::{Preparation, as_numbers};
use crate::report::{SplitMetrics, SplitSizes};

/// The fewest rows that a metric of a part can be computed on.
const FEWEST_ROWS: usize = 1;

/// Rows of one part.
pub(super) struct PartRows {
    pub(super) table: Table,
    pub(super) dataset: Dataset,
}

/// Everything that the models need.
pub(super) struct Prepared {
    /// Training, validation and test rows.
    pub(super) parts: [PartRows; 3],
    pub(super) preparation: Preparation,
    pub(super) inputs: Vec<InputInfo>,
    pub(super) baseline: MeanBaseline,
    /// What was done about outliers in the training rows.
    pub(super) outliers: Vec<StepReport>,
}

impl Prepared {
    pub(super) fn sizes(&self) -> SplitSizes {
        let [train, validation, test] = [0, 1, 2].map(|part: usize| self.parts[part].dataset.n_rows());
        SplitSizes {
            train,
            validation,
            test,
        }
    }

    /// Metrics of predictions for training, validation and test rows.
    pub(super) fn metrics(&self, [train, validation, test]: [&[f64]; 3]) -> Result<SplitMetrics> {
        let [on_train, on_validation, on_test] = &self.parts;
        let compute =
            |part: &PartRows, predicted| RegressionMetrics::compute(part.dataset.target(), predicted);
        Ok(SplitMetrics {
            train: compute(on_train, train)?,
            validation: compute(on_validation, validation)?,
            test: compute(on_test, test)?,
        })
    }
}

/// Divides the cleaned table, and learns bounds and recipe from the training rows alone.
pub(super) fn prepare(
    experiment: &Experiment,
    table: &Table,
    schema: Option<&Schema>,
    warnings: &mut Vec<String>,
) -> Result<Prepared> {
    check_target(experiment, table)?;
    let split = experiment.split.split(table, experiment.seed)?;
    for (rows, stage) in [(&split.validation, "to choose by"), (&split.test, "to test on")] {
        if rows.len() < FEWEST_ROWS {
            let advice = "give split.fractions a part for them, or more rows".to_owned();
            return Err(PipelineError::TooFewRows {
                rows: rows.len(),
                stage,
                needed: FEWEST_ROWS,
                advice,
            });
        }
    }
    let [mut train, validation, test] =
        [&split.train, &split.validation, &split.test].map(|rows| table.take(rows));
    warn_of_shared_groups(experiment, &train, &test, warnings)?;

    let mut fitted: Vec<FittedOutliers> = Vec::new();
    let mut outliers = Vec::new();
    // Bounds come from the rows that earlier rules have left, but clipping is left to `features`, so that training and
    // predicting take one path.
    for rule in &experiment.outliers {
        let bounds = rule.fit(&train)?;
        let (after, report) = bounds.apply_to_training(train.clone())?;
        if after.n_rows() < train.n_rows() {
            train = after;
        }
        outliers.push(report);
        fitted.push(bounds);
    }
    if train.n_rows() == 0 {
        let advice = "loosen the bounds under [[outliers]]".to_owned();
        return Err(PipelineError::TooFewRows {
            rows: 0,
            stage: "without outliers",
            needed: 1,
            advice,
        });
    }
    let recipe = whole_recipe(experiment);
    let mut bounded = train.clone();
    for bounds in &fitted {
        (bounded, _) = bounds.apply_to_held_out(bounded)?;
    }
    let target = bounded.numbers(&experiment.data.target)?;
    let groups = experiment
        .data
        .group
        .as_ref()
        .filter(|_| recipe.learns_from_target())
        .map(|name| Codes::groups_or_alone(&bounded, name))
        .transpose()?;
    let learned_from = Target {
        values: TargetValues::Numbers(target),
        groups: groups.as_ref(),
    };
    let seed = experiment.seed.child("recipe");
    // Not the same as transforming the training rows where an encoder learns from the target.
    let (preprocessor, features) = recipe.fit_transform(&bounded, Some(&learned_from), seed)?;
    let preparation = Preparation {
        schema: schema.cloned(),
        cleaning: experiment.cleaning.for_prediction(&experiment.data.features),
        outliers: fitted,
        preprocessor,
        inputs: experiment.data.features.clone(),
    };
    let inputs = experiment
        .data
        .features
        .iter()
        .map(|name| input_info(name, &train, &recipe, &preparation.preprocessor, schema));
    let inputs = inputs.collect::<Result<Vec<_>>>()?;
    let part = |table: Table, features: Features| -> Result<PartRows> {
        let target = table.numbers(&experiment.data.target)?.to_vec();
        let dataset = Dataset::new(features, target)?;
        Ok(PartRows { table, dataset })
    };
    let mut train = part(train, features)?;
    // Rows that are only judged may all have weight 0.
    if let Some(weight) = &experiment.data.weight {
        train.dataset = train
            .dataset
            .with_weights(train.table.numbers(weight)?.to_vec())?;
    }
    let [validation, test] = [validation, test].map(|table| {
        let features = preparation.features(&table)?;
        part(table, features)
    });
    let parts = [train, validation?, test?];
    let baseline = MeanBaseline::fit(parts[0].dataset.target())?;
    Ok(Prepared {
        parts,
        preparation,
        inputs,
        baseline,
        outliers,
    })
}

/// The target has to be a number in every row.
fn check_target(experiment: &Experiment, table: &Table) -> Result<()> {
    check_weight(experiment, table)?;
    let target = &experiment.data.target;
    let missing = table
        .numbers(target)?
        .iter()
        .filter(|value| value.is_nan())
        .count();
    if missing > 0 {
        let message = format!(
            "column {target:?} is missing in {missing} rows after cleaning; drop them with the cleaning step \
             {{ step = \"drop_missing\", columns = [{target:?}] }}"
        );
        return Err(PipelineError::setting("data.target", message));
    }
    let needed = 3;
    if table.n_rows() < needed {
        let advice = "see what the cleaning steps dropped, and loosen them".to_owned();
        return Err(PipelineError::TooFewRows {
            rows: table.n_rows(),
            stage: "after cleaning",
            needed,
            advice,
        });
    }
    Ok(())
}

/// A weight has to be a number that is not negative in every row.
fn check_weight(experiment: &Experiment, table: &Table) -> Result<()> {
    let Some(weight) = &experiment.data.weight else {
        return Ok(());
    };
    let bad = table
        .numbers(weight)?
        .iter()
        .filter(|value| !(value.is_finite() && **value >= 0.0));
    let message = match bad.clone().next() {
        None => return Ok(()),
        Some(first) if first.is_nan() => format!(
            "column {weight:?} is missing in {} rows; drop them with the cleaning step {{ step = \"drop_missing\", columns = \
             [{weight:?}] }}",
            bad.count()
        ),
        Some(first) => format!("column {weight:?} holds {first}; weights are finite and at least 0"),
    };
    Err(PipelineError::setting("data.weight", message))
}

/// The experiment's recipe, with features that it does not name taken as they are.
fn whole_recipe(experiment: &Experiment) -> Recipe {
    let mut recipe = experiment.recipe.clone();
    let named: BTreeSet<&str> = experiment.recipe.input_columns().collect();
    let plain: Vec<&String> = experiment
        .data
        .features
        .iter()
        .filter(|name| !named.contains(name.as_str()))
        .collect();
    if !plain.is_empty() {
        recipe.columns.push(ColumnRecipe::new(plain.into_iter().cloned()));
    }
    recipe
}

fn input_info(
    name: &str,
    train: &Table,
    recipe: &Recipe,
    preprocessor: &Preprocessor,
    schema: Option<&Schema>,
) -> Result<InputInfo> {
    let column = train.column(name)?;
    let known = schema.and_then(|schema| schema.column(name));
    let values = as_numbers(column);
    let encoder = preprocessor.encoder(name);
    let present = || values.iter().copied().filter(|value| !value.is_nan());
    Ok(InputInfo {
        column: name.to_owned(),
        kind: column.kind(),
        unit: known.and_then(|column| column.unit.clone()),
        description: known
            .and_then(|_| vocabulary::feature(name))
            .map(|feature| feature.description.to_owned()),
        valid: known.and_then(|column| column.range),
        training: (encoder.and_then(FittedEncoder::categories).is_none()).then(|| ValidRange {
            min: present().fold(f64::INFINITY, f64::min),
            max: present().fold(f64::NEG_INFINITY, f64::max),
        }),
        imputed: encoder.is_some_and(FittedEncoder::accepts_missing)
            || (recipe.columns.iter())
                .any(|part| part.impute.is_some() && part.names.iter().any(|n| n == name)),
    })
}

/// Says how many test rows have a relative among the training rows, which flatters every model.
#[allow(clippy::cast_precision_loss)]
fn warn_of_shared_groups(
    experiment: &Experiment,
    train: &Table,
    test: &Table,
    warnings: &mut Vec<String>,
) -> Result<()> {
    let Some(group) = &experiment.data.group else {
        return Ok(());
    };
    let keys = |table: &Table| -> Result<Vec<Option<String>>> {
        let column: &Column = table.column(group)?;
        Ok((0..column.len())
            .map(|row| (!column.is_missing(row)).then(|| column.display(row)))
            .collect())
    };
    let known: BTreeSet<String> = keys(train)?.into_iter().flatten().collect();
    let test_keys = keys(test)?;
    let shared = test_keys
        .iter()
        .flatten()
        .filter(|key| known.contains(*key))
        .count();
    if shared > 0 {
        let percent = 100.0 * shared as f64 / test_keys.len() as f64;
        warnings.push(format!(
            "{percent:.1} % of the test rows share their {group} with a training row, so the figures are too good for a \
             new {group}; split by group to see those"
        ));
    }
    Ok(())
}
