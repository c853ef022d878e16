//! Making a bundle from a fit, and loading one from a folder that is not trusted.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use hitcast_core::{DeviceChoice, Model, ModelState};
use hitcast_data::{Column, ColumnKind, Table, ValidRange};
use hitcast_preprocess::{Category, FittedEncoder};

use super::error::{BundleError, BundleProblem};
use super::manifest::{CHECK_ROWS, InputInfo, MAX_MANIFEST_BYTES, Manifest, WeightsInfo, sha256};
use super::{Bundle, MANIFEST, WEIGHTS, weights};
use crate::error::{PipelineError, Result};
use crate::prepare::{Preparation, predict};
use crate::registry::Registry;

/// How far a loaded model's predictions for the check rows may lie from the saved ones: relative to their magnitude, or to 1.
const CHECK_TOLERANCE: f64 = 1e-4;

/// What a bundle is made from: a manifest in which only what follows from the model is missing.
pub(crate) struct BundleParts {
    pub(crate) manifest: Manifest,
    pub(crate) model: Box<dyn Model>,
}

impl Bundle {
    /// A bundle of a fitted model.
    pub(crate) fn new(parts: BundleParts) -> Result<Self> {
        let BundleParts { mut manifest, model } = parts;
        let name = manifest.model.name.clone();
        let state = model.state()?;
        let problem = |problem: BundleProblem| PipelineError::model(&name)(problem.into());
        let (bytes, tensors) = weights::encode(&state).map_err(problem)?;
        manifest.weights = WeightsInfo {
            bytes: bytes.len() as u64,
            sha256: sha256(&bytes),
            tensors,
        };
        manifest.model.settings = state.settings;
        let preparation = manifest.preparation();
        manifest.check = check_predictions(&manifest, &preparation, &*model)?;
        Ok(Self {
            manifest,
            weights: bytes,
            preparation,
            model,
        })
    }

    /// Loads a bundle from a folder, checking everything that can be checked.
    ///
    /// # Errors
    /// [`PipelineError::Bundle`] that says what is wrong with which file.
    pub fn load(path: impl AsRef<Path>, registry: &Registry, device: DeviceChoice) -> Result<Self> {
        let path = path.as_ref();
        Ok(load(path, registry, device).map_err(BundleError::at(path))?)
    }
}

fn load(path: &Path, registry: &Registry, device: DeviceChoice) -> Result<Bundle, BundleProblem> {
    if !path.is_dir() {
        return Err(BundleProblem::NoFolder);
    }
    let manifest = Manifest::decode(&read_file(path, MANIFEST, None, MAX_MANIFEST_BYTES)?)?;
    let bytes = read_file(
        path,
        WEIGHTS,
        Some(manifest.weights.bytes),
        manifest.weights.bytes,
    )?;
    if sha256(&bytes) != manifest.weights.sha256 {
        return Err(BundleProblem::Checksum { file: WEIGHTS });
    }
    let tensors = weights::decode(&bytes, &manifest.weights.tensors)?;
    let state = ModelState {
        settings: manifest.model.settings.clone(),
        tensors,
    };
    let info = &manifest.model;
    let kind = registry
        .get(&info.kind, &info.name)
        .map_err(|e| BundleProblem::Kind(e.to_string()))?;
    let failed = |source| BundleProblem::Model {
        kind: info.kind.clone(),
        source,
    };
    let model = kind.load(&state, device).map_err(failed)?;
    if model.kind() != info.kind || model.n_parameters() != info.n_parameters {
        return Err(BundleProblem::Inconsistent(
            "the model is of another kind or size than the manifest says".to_owned(),
        ));
    }
    let preparation = manifest.preparation();
    if model.n_features() != preparation.preprocessor.n_features() {
        let (model, features) = (model.n_features(), preparation.preprocessor.n_features());
        return Err(BundleProblem::Inconsistent(format!(
            "the model takes {model} features, the preprocessor makes {features}"
        )));
    }
    let predictions = check_predictions(&manifest, &preparation, &*model)
        .map_err(|e| BundleProblem::Inconsistent(format!("the check rows cannot be predicted: {e}")))?;
    let width = manifest.target.task().width();
    for (place, (&got, &expected)) in predictions.iter().zip(&manifest.check).enumerate() {
        let row = place / width;
        if (got - expected).abs() > CHECK_TOLERANCE * expected.abs().max(1.0) {
            return Err(BundleProblem::Drift { row, expected, got });
        }
    }
    Ok(Bundle {
        manifest,
        weights: bytes,
        preparation,
        model,
    })
}

/// The bytes of a plain file of at most `limit` bytes, and of exactly `expected` if that is known.
fn read_file(
    folder: &Path,
    file: &'static str,
    expected: Option<u64>,
    limit: u64,
) -> Result<Vec<u8>, BundleProblem> {
    let path = folder.join(file);
    let read = |source| BundleProblem::Read { file, source };
    let found = match fs::symlink_metadata(&path) {
        Ok(found) => found,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(BundleProblem::Missing { file });
        }
        Err(source) => return Err(read(source)),
    };
    if !found.is_file() {
        return Err(BundleProblem::NotAFile { file });
    }
    if let Some(expected) = expected.filter(|&expected| expected != found.len()) {
        return Err(BundleProblem::Size {
            file,
            expected,
            got: found.len(),
        });
    }
    if found.len() > limit {
        return Err(BundleProblem::TooLarge {
            what: file,
            got: found.len(),
            limit,
        });
    }
    let mut bytes = Vec::new();
    // The file may grow between the look and the reading.
    File::open(&path)
        .map_err(read)?
        .take(limit.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(read)?;
    let got = bytes.len() as u64;
    if got != found.len() {
        return Err(BundleProblem::Size {
            file,
            expected: found.len(),
            got,
        });
    }
    Ok(bytes)
}

/// The lower end, the middle and the upper end of an input's training range; of categories the first, the middle and the
/// last that is no missing value.
fn check_column(manifest: &Manifest, input: &InputInfo) -> Column {
    let known = (manifest.preprocessor.encoder(&input.column)).and_then(FittedEncoder::categories);
    let mut known = known.unwrap_or_default();
    known.retain(|category| !matches!(category, Category::Missing(())));
    let three = [0, known.len() / 2, known.len().saturating_sub(1)].map(|place| known.get(place));
    let number = |category: Option<&&Category>| match category {
        Some(Category::Number(value)) => *value,
        Some(Category::Flag(on)) => f64::from(u8::from(*on)),
        _ => f64::NAN,
    };
    let numbers = match input.training {
        Some(ValidRange { min, max }) => [min, min / 2.0 + max / 2.0, max],
        None => three.map(number),
    };
    match input.kind {
        ColumnKind::Flag => Column::Flag(
            numbers
                .map(|value| (!value.is_nan()).then_some(value >= 0.5))
                .to_vec(),
        ),
        ColumnKind::Number => Column::Number(numbers.to_vec()),
        _ => Column::text(three.map(|category| category.map(ToString::to_string))),
    }
}

/// Predictions for rows at the lower end, the middle and the upper end of every input's training range.
fn check_predictions(manifest: &Manifest, preparation: &Preparation, model: &dyn Model) -> Result<Vec<f64>> {
    let columns =
        (manifest.inputs.iter()).map(|input| (input.column.as_str(), check_column(manifest, input)));
    let table = Table::new(columns)?;
    let features = preparation.features(&table)?;
    let predictions = predict(&manifest.model.name, model, manifest.target.task(), &features)?.into_values();
    if predictions.len() != CHECK_ROWS * manifest.target.task().width()
        || predictions.iter().any(|value| !value.is_finite())
    {
        let message = "predicts numbers that are not finite at the ends of its training ranges";
        return Err(PipelineError::model(&manifest.model.name)(message.into()));
    }
    Ok(predictions)
}
