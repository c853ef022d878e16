//! The cleaned table in three parts, and everything that is learned from the first of them before any model.

use std::borrow::Cow;
use std::collections::BTreeSet;

use hitcast_core::{Dataset, Features, Task};
use hitcast_data::clean::StepReport;
use hitcast_data::{Column, FittedOutliers, Schema, Table, ValidRange, vocabulary};
use hitcast_preprocess::split::Codes;
use hitcast_preprocess::{
    ClassReport, ColumnRecipe, FittedEncoder, Preprocessor, Recipe, Target, TargetValues,
};

use crate::bundle::InputInfo;
use crate::error::{PipelineError, Result};
use crate::experiment::Experiment;
use crate::goal::{Classed, Goal};
use crate::prepare::{Preparation, as_numbers};
use crate::report::{SplitMetrics, SplitSizes};
use crate::score::{Baseline, Metrics, Predicted, class_numbers};

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
    pub(super) goal: Goal,
    /// Which rows have which class; `None` for numbers.
    pub(super) classes: Option<ClassReport>,
    pub(super) baseline: Baseline,
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
    pub(super) fn metrics(&self, [train, validation, test]: [&Predicted; 3]) -> Result<SplitMetrics> {
        let [on_train, on_validation, on_test] = &self.parts;
        let compute = |part: &PartRows, predicted| Metrics::compute(part.dataset.target(), predicted);
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
    let (goal, classes) = Goal::find(experiment, table)?;
    let (table, classes) = match classes {
        Some(Classed { kept, report }) => (Cow::Owned(table.take(&kept)), Some(report)),
        None => (Cow::Borrowed(table), None),
    };
    if let Task::Classification { n_classes } = goal.task() {
        experiment.decision.check_for(n_classes)?;
    }
    check_rows(&table)?;
    let split = experiment
        .split
        .split(&*goal.split_by(&table)?, experiment.seed)?;
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
    let target = goal.actual(&train)?;
    let target_classes = match goal.task() {
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
        values: match goal.task() {
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
    let part = |table: Table, features: Features, target: Vec<f64>| -> Result<PartRows> {
        let dataset = goal.dataset(features, target)?;
        Ok(PartRows { table, dataset })
    };
    let mut train = part(train, features, target)?;
    // Rows that are only judged may all have weight 0.
    if let Some(weight) = &experiment.data.weight {
        train.dataset = train
            .dataset
            .with_weights(train.table.numbers(weight)?.to_vec())?;
    }
    let [validation, test] = [validation, test].map(|table| {
        let (features, target) = (preparation.features(&table)?, goal.actual(&table)?);
        part(table, features, target)
    });
    let parts = [train, validation?, test?];
    if let Some(report) = &classes {
        warn_of_absent_classes(&parts, report, warnings);
    }
    let baseline = Baseline::fit(parts[0].dataset.target(), goal.task())?;
    Ok(Prepared {
        goal,
        classes,
        parts,
        preparation,
        inputs,
        baseline,
        outliers,
    })
}

/// A target that is a number has to be there in every row.
fn check_target(experiment: &Experiment, table: &Table) -> Result<()> {
    check_weight(experiment, table)?;
    if experiment.data.classes.is_some() {
        return Ok(());
    }
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
    Ok(())
}

fn check_rows(table: &Table) -> Result<()> {
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

/// Says which classes have no rows in a part: they cannot be learned, or not be judged.
fn warn_of_absent_classes(parts: &[PartRows; 3], report: &ClassReport, warnings: &mut Vec<String>) {
    for (part, rows) in parts.iter().zip(["training", "validation", "test"]) {
        let present: BTreeSet<usize> = part.dataset.classes().unwrap_or_default().into_iter().collect();
        let absent: Vec<&str> = (report.classes.iter().enumerate())
            .filter(|(class, _)| !present.contains(class))
            .map(|(_, count)| count.name.as_str())
            .collect();
        if !absent.is_empty() {
            warnings.push(format!(
                "no {rows} row is of class {}; split stratified by the target, or leave rare classes out",
                absent.join(", ")
            ));
        }
    }
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
