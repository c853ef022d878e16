//! The manifest: everything of a bundle but the weights.

use std::collections::{BTreeMap, BTreeSet};

use hitcast_core::Task;
use hitcast_data::{ColumnKind, FittedOutliers, RowWiseCleaning, Schema, ValidRange};
use hitcast_metrics::{MeanBaseline, PriorBaseline};
use hitcast_preprocess::{FittedClasses, Preprocessor};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::error::BundleProblem;
use super::learned::LearnedRows;
use super::weights::{MAX_AXES, MAX_TENSORS, TensorInfo};
use crate::decision::Decision;
use crate::goal::Goal;
use crate::prepare::Preparation;
use crate::report::SplitMetrics;
use crate::score::Baseline;

/// What every manifest says that it is.
pub const FORMAT: &str = "hitcast-bundle";
/// The version of the format that is written and read.
pub const FORMAT_VERSION: u32 = 1;
/// The largest manifest that is read, in bytes.
pub const MAX_MANIFEST_BYTES: u64 = 16 << 20;
/// The largest file of weights that is read, in bytes.
pub const MAX_WEIGHTS_BYTES: u64 = 2 << 30;
/// Number of rows that a bundle is checked with after loading.
pub(super) const CHECK_ROWS: usize = 3;

/// Everything of a bundle but the weights. It names no files, so it cannot lead a reader out of its folder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Always [`FORMAT`].
    pub format: String,
    /// Always [`FORMAT_VERSION`].
    pub format_version: u32,
    /// SHA-256 of the manifest's bytes with this checksum's digits replaced by zeros.
    pub checksum: String,
    /// Name of the experiment.
    pub name: String,
    /// Versions of the libraries that made it.
    pub versions: BTreeMap<String, String>,
    /// What is predicted.
    pub target: TargetInfo,
    /// What it is predicted from, in the experiment's order.
    pub inputs: Vec<InputInfo>,
    /// How files like the one learned from are read; `None` if it was inferred.
    pub schema: Option<Schema>,
    /// Steps that make the inputs from a file's columns.
    pub cleaning: RowWiseCleaning,
    /// Bounds learned from the training rows, which inputs are clipped to where the rule says so.
    pub outliers: Vec<FittedOutliers>,
    /// From inputs to features.
    pub preprocessor: Preprocessor,
    /// The model but its weights.
    pub model: ModelInfo,
    /// How good it was.
    pub metrics: SplitMetrics,
    /// How good predicting the mean was.
    pub baseline: SplitMetrics,
    /// What the rows that it learned from can be recognised by.
    pub learned_rows: LearnedRows,
    /// The weights' file.
    pub weights: WeightsInfo,
    /// Predictions for rows at the lower end, the middle and the upper end of every input's training range: what the
    /// loaded model has to predict too, of classes the probability of each, before it is calibrated.
    pub check: Vec<f64>,
}

/// What is predicted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetInfo {
    /// Name of the column.
    pub column: String,
    /// Unit, if it has one.
    pub unit: Option<String>,
    /// Mean over the training rows: the baseline's prediction; `None` for classes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub training_mean: Option<f64>,
    /// The classes; `None` for numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classes: Option<ClassesInfo>,
}

/// The classes that are predicted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassesInfo {
    /// How the column becomes classes.
    pub rule: FittedClasses,
    /// The share of each class in the training rows: the baseline's prediction.
    pub shares: Vec<f64>,
    /// How the model's classes are decided on.
    #[serde(default)]
    pub decision: Decision,
}

/// A column that predictions are made from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputInfo {
    /// Name of the column.
    pub column: String,
    /// Its type.
    pub kind: ColumnKind,
    /// Unit, if it has one.
    pub unit: Option<String>,
    /// What it means, where that is known.
    pub description: Option<String>,
    /// Where valid numbers lie, where that is known.
    pub valid: Option<ValidRange>,
    /// Where the training rows' numbers lay; `None` for categories.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub training: Option<ValidRange>,
    /// Whether a row may lack it: the value is filled in, or the encoder has an answer.
    pub imputed: bool,
}

/// The model but its weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelInfo {
    /// Name in the experiment.
    pub name: String,
    /// Kind, under which the registry finds it.
    pub kind: String,
    /// Number of learned numbers.
    pub n_parameters: usize,
    /// What the kind calls its settings.
    pub settings: Value,
}

/// What the file of weights must be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WeightsInfo {
    /// Its length.
    pub bytes: u64,
    /// Its SHA-256 in lower-case hexadecimal.
    pub sha256: String,
    /// Its tensors.
    pub tensors: BTreeMap<String, TensorInfo>,
}

/// What is looked at before anything else.
#[derive(Deserialize)]
struct Head {
    format: String,
    format_version: u64,
    checksum: String,
}

impl Manifest {
    /// The manifest as JSON with its checksum.
    pub(super) fn encode(&self) -> Result<Vec<u8>, BundleProblem> {
        let blank = Self {
            checksum: blank_checksum(),
            ..self.clone()
        };
        let text =
            serde_json::to_string_pretty(&blank).map_err(|e| BundleProblem::Manifest(e.to_string()))?;
        let marker = format!("\"checksum\": \"{}\"", blank.checksum);
        let sealed = format!("\"checksum\": \"{}\"", sha256(text.as_bytes()));
        Ok(text.replacen(&marker, &sealed, 1).into_bytes())
    }

    /// Reads a manifest, from bytes that are not trusted.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, BundleProblem> {
        let wrong = |message: String| BundleProblem::Manifest(message);
        let text = std::str::from_utf8(bytes).map_err(|e| wrong(format!("not UTF-8: {e}")))?;
        let head: Head = serde_json::from_str(text).map_err(|e| wrong(e.to_string()))?;
        if head.format != FORMAT {
            return Err(wrong(format!("is of format {:?}, not {FORMAT:?}", head.format)));
        }
        if head.format_version != u64::from(FORMAT_VERSION) {
            let advice = if head.format_version > u64::from(FORMAT_VERSION) {
                "update hitcast"
            } else {
                "train again, or use the version of hitcast that wrote it"
            };
            return Err(BundleProblem::Version {
                got: head.format_version,
                readable: FORMAT_VERSION,
                advice,
            });
        }
        // Any change of a byte is found: the digits are part of what is compared, everything else of what is summed.
        let damaged = BundleProblem::Checksum {
            file: super::MANIFEST,
        };
        if head.checksum.len() != blank_checksum().len() || text.matches(&head.checksum).count() != 1 {
            return Err(damaged);
        }
        if sha256(text.replacen(&head.checksum, &blank_checksum(), 1).as_bytes()) != head.checksum {
            return Err(damaged);
        }
        let manifest: Self =
            serde_json::from_str(text).map_err(|e| wrong(crate::message::explained(&e.to_string())))?;
        manifest.check()?;
        Ok(manifest)
    }

    /// What is predicted.
    pub(super) fn goal(&self) -> Goal {
        Goal {
            column: self.target.column.clone(),
            classes: self.target.classes.as_ref().map(|classes| classes.rule.clone()),
        }
    }

    /// What happens to a row before the model sees it.
    pub(super) fn preparation(&self) -> Preparation {
        Preparation {
            schema: self.schema.clone(),
            cleaning: self.cleaning.clone(),
            outliers: self.outliers.clone(),
            preprocessor: self.preprocessor.clone(),
            inputs: self.inputs.iter().map(|input| input.column.clone()).collect(),
        }
    }

    /// What the parts must be to one another, also where every checksum is right.
    fn check(&self) -> Result<(), BundleProblem> {
        let unfit = |message: String| Err(BundleProblem::Inconsistent(message));
        let mut columns = BTreeSet::new();
        for input in &self.inputs {
            if !columns.insert(input.column.as_str()) {
                return unfit(format!("two inputs {:?}", input.column));
            }
            let ranges = [input.training, input.valid];
            let encoder = self.preprocessor.encoder(&input.column);
            let is_category = encoder.is_some_and(|encoder| encoder.categories().is_some());
            if is_category == input.training.is_some() {
                return unfit(format!(
                    "input {:?} is neither a number nor a category",
                    input.column
                ));
            }
            if ranges
                .iter()
                .flatten()
                .any(|range| !in_order(range.min, range.max))
            {
                return unfit(format!(
                    "input {:?} has a range that holds no number",
                    input.column
                ));
            }
        }
        let wanted: BTreeSet<&str> = self.preprocessor.input_columns().collect();
        if wanted != columns {
            return unfit("the preprocessor takes other columns than the inputs".to_owned());
        }
        let bounds = self.outliers.iter().flat_map(|outliers| &outliers.bounds);
        for bound in bounds {
            if !columns.contains(bound.column.as_str()) || !in_order(bound.lower, bound.upper) {
                return unfit(format!("the bounds of {:?} cannot be applied", bound.column));
            }
        }
        self.target.check().or_else(unfit)?;
        if self.check.iter().any(|value| !value.is_finite()) {
            return unfit("a number that must be finite is not".to_owned());
        }
        let expected = CHECK_ROWS * self.target.task().width();
        if self.check.len() != expected {
            return unfit(format!("{} check numbers, expected {expected}", self.check.len()));
        }
        self.weights.check()
    }
}

impl TargetInfo {
    /// What is predicted.
    pub fn task(&self) -> Task {
        match &self.classes {
            Some(classes) => Task::Classification {
                n_classes: classes.rule.names().len(),
            },
            None => Task::Regression,
        }
    }

    /// What the parts must be to one another, or what is wrong.
    fn check(&self) -> Result<(), String> {
        match (self.training_mean, &self.classes) {
            (Some(mean), None) if mean.is_finite() => Ok(()),
            (None, Some(classes)) => {
                let n_classes = classes.rule.names().len();
                let shares = &classes.shares;
                let sum: f64 = shares.iter().sum();
                let are_shares =
                    shares.iter().all(|share| (0.0..=1.0).contains(share)) && (sum - 1.0).abs() < 1e-6;
                if shares.len() != n_classes || !are_shares {
                    return Err("the shares of the classes are none".to_owned());
                }
                match classes.decision.misfit(Task::Classification { n_classes }) {
                    Some(misfit) => Err(format!("there is {misfit}")),
                    None => Ok(()),
                }
            }
            _ => Err("the target has neither a finite mean nor classes".to_owned()),
        }
    }

    /// What a prediction without features is.
    pub(crate) fn baseline(&self) -> Baseline {
        match &self.classes {
            Some(classes) => Baseline::Prior(PriorBaseline {
                priors: classes.shares.clone(),
            }),
            None => Baseline::Mean(MeanBaseline {
                mean: self.training_mean.unwrap_or(f64::NAN),
            }),
        }
    }
}

impl WeightsInfo {
    /// Whether the declared tensors fit into the declared length, before memory is taken for either.
    fn check(&self) -> Result<(), BundleProblem> {
        if self.bytes > MAX_WEIGHTS_BYTES {
            let what = "the length of weights.safetensors in bytes";
            return Err(BundleProblem::TooLarge {
                what,
                got: self.bytes,
                limit: MAX_WEIGHTS_BYTES,
            });
        }
        if self.tensors.len() > MAX_TENSORS {
            let (got, limit) = (self.tensors.len() as u64, MAX_TENSORS as u64);
            return Err(BundleProblem::TooLarge {
                what: "the number of tensors",
                got,
                limit,
            });
        }
        if let Some(axes) = self
            .tensors
            .values()
            .map(|info| info.shape.len())
            .find(|&axes| axes > MAX_AXES)
        {
            let (got, limit) = (axes as u64, MAX_AXES as u64);
            return Err(BundleProblem::TooLarge {
                what: "the number of axes of a tensor",
                got,
                limit,
            });
        }
        let sum = |sum: u64, info: &TensorInfo| sum.checked_add(info.byte_len()?);
        match self.tensors.values().try_fold(0_u64, sum) {
            Some(sum) if sum <= self.bytes => Ok(()),
            _ => Err(BundleProblem::Inconsistent(
                "the tensors do not fit into weights.safetensors".to_owned(),
            )),
        }
    }
}

fn in_order(min: f64, max: f64) -> bool {
    min.is_finite() && max.is_finite() && min <= max
}

fn blank_checksum() -> String {
    "0".repeat(64)
}

/// SHA-256 in lower-case hexadecimal.
pub(super) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
