//! The sample in three parts, and everything that is learned from the first of them before any model.

use std::collections::BTreeSet;

use hitcast_data::{Column, Table, ValidRange, vocabulary};
use hitcast_preprocess::{ClassReport, FittedEncoder, Split};

use crate::bundle::InputInfo;
use crate::error::{PipelineError, Result};
use crate::experiment::Experiment;
use crate::pipeline::{PartRows, Prepared, prepare};
use crate::prepare::as_numbers;
use crate::report::{SplitMetrics, SplitSizes};
use crate::sample::Sample;
use crate::score::{Baseline, Metrics, Predicted};

/// The fewest rows that a metric of a part can be computed on.
const FEWEST_ROWS: usize = 1;

/// Everything that the models need.
pub(super) struct Parts<'a> {
    pub(super) sample: &'a Sample<'a>,
    /// Training rows, and what was learned from them.
    pub(super) prepared: Prepared,
    pub(super) validation: PartRows,
    pub(super) test: PartRows,
    pub(super) inputs: Vec<InputInfo>,
    pub(super) baseline: Baseline,
}

impl<'a> Parts<'a> {
    /// Divides the sample by its split, and learns bounds and recipe from the training rows alone.
    pub(super) fn new(sample: &'a Sample<'a>, split: &Split) -> Result<Self> {
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
        let experiment = sample.experiment();
        let prepared = prepare(&experiment.outliers, &experiment.recipe, sample, &split.train)?;
        let inputs = experiment.data.features.iter();
        let inputs = inputs.map(|name| input_info(name, sample, &prepared));
        Ok(Self {
            inputs: inputs.collect::<Result<_>>()?,
            validation: prepared.part(sample, &split.validation)?,
            test: prepared.part(sample, &split.test)?,
            baseline: Baseline::fit(prepared.train().target(), sample.task())?,
            prepared,
            sample,
        })
    }

    /// The same sample with training and validation rows together to learn from.
    pub(super) fn whole(&self, split: &Split) -> Result<Self> {
        let mut train = [&split.train[..], &split.validation].concat();
        train.sort_unstable();
        Self::new(
            self.sample,
            &Split {
                train,
                ..split.clone()
            },
        )
    }

    /// Training, validation and test rows.
    pub(super) fn all(&self) -> [&PartRows; 3] {
        [&self.prepared.train, &self.validation, &self.test]
    }

    pub(super) fn sizes(&self) -> SplitSizes {
        let [train, validation, test] = self.all().map(|part| part.dataset.n_rows());
        SplitSizes {
            train,
            validation,
            test,
        }
    }

    /// Metrics of predictions for training, validation and test rows.
    pub(super) fn metrics(&self, [train, validation, test]: [&Predicted; 3]) -> Result<SplitMetrics> {
        let [on_train, on_validation, on_test] = self.all();
        let compute = |part: &PartRows, predicted| Metrics::compute(part.dataset.target(), predicted);
        Ok(SplitMetrics {
            train: compute(on_train, train)?,
            validation: compute(on_validation, validation)?,
            test: compute(on_test, test)?,
        })
    }

    /// Says which classes have no rows in a part.
    pub(super) fn warn_of_classes(&self, warnings: &mut Vec<String>) {
        if let Some(report) = &self.sample.classes {
            warn_of_absent_classes(self.all(), report, warnings);
        }
    }

    /// Says how many test rows have a relative among the training rows.
    pub(super) fn warn_of_groups(&self, warnings: &mut Vec<String>) -> Result<()> {
        let [train, _, test] = self.all();
        warn_of_shared_groups(self.sample.experiment(), &train.table, &test.table, warnings)
    }
}

/// Says which classes have no rows in a part: they cannot be learned, or not be judged.
fn warn_of_absent_classes(parts: [&PartRows; 3], report: &ClassReport, warnings: &mut Vec<String>) {
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

fn input_info(name: &str, sample: &Sample<'_>, prepared: &Prepared) -> Result<InputInfo> {
    let column = prepared.train.table.column(name)?;
    let known = sample.schema.as_ref().and_then(|schema| schema.column(name));
    let values = as_numbers(column);
    let encoder = prepared.preparation.preprocessor.encoder(name);
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
            || (sample.experiment().recipe.columns.iter())
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
