//! A saved model with everything needed to predict again.
//!
//! A bundle is a folder of two plain files, written under a temporary name and renamed:
//!
//! - `manifest.json`: format version, schema, inputs with their units and training ranges, derived columns, bounds,
//!   preprocessor, the model's kind and settings, metrics, a sample of the rows learned from, library versions,
//!   checksums ([`Manifest`]);
//! - `weights.safetensors`: the model's tensors.
//!
//! [`Bundle::load`] trusts neither. Before memory is taken for it, a manifest may have 16 MiB, the weights 2 GiB and their
//! header 4 MiB, 10,000 tensors of 8 axes; lengths and SHA-256 checksums have to be right to the byte; the tensors
//! have to be exactly the declared ones, and finite. Links and other things that are no plain files are refused, the
//! manifest cannot name a file, and an unknown field or another format version is an error. At last the loaded model
//! has to predict what the saved one predicted for three rows, within 1e-4.

pub(crate) mod error;
mod explain;
mod learned;
mod load;
mod manifest;
mod predict;
mod row;
pub(crate) mod weights;

use std::fmt;
use std::path::Path;

use hitcast_core::Model;

use crate::error::Result;
use crate::folder::{Existing, FolderKind, write_file, write_folder};
use crate::prepare::Preparation;

pub use error::{BundleError, BundleProblem};
pub use explain::{
    AttributionMethod, Attributions, BundleImportances, Change, CompleteRows, Counterfactual,
    ExplainSettings, Explainer, FixedInput, InputImportance, RowExplanation, TableUnits, Wish,
};
pub use learned::LearnedRows;
pub use manifest::{
    ClassesInfo, FORMAT, FORMAT_VERSION, InputInfo, MAX_MANIFEST_BYTES, MAX_WEIGHTS_BYTES, Manifest,
    ModelInfo, TargetInfo, WeightsInfo,
};
pub use predict::{ClassPredictions, Evaluation, TablePredictions};
pub use row::{ClassProbability, PredictedValue, RowPrediction, RowValue};
pub use weights::{MAX_AXES, MAX_HEADER_BYTES, MAX_TENSORS, TensorInfo, TensorType};

pub(crate) use load::BundleParts;

pub(crate) const MANIFEST: &str = "manifest.json";
pub(crate) const WEIGHTS: &str = "weights.safetensors";

const FOLDER: FolderKind = FolderKind {
    what: "bundle",
    marker: MANIFEST,
    entries: &[MANIFEST, WEIGHTS],
};

/// A model with everything needed to predict again.
pub struct Bundle {
    manifest: Manifest,
    weights: Vec<u8>,
    preparation: Preparation,
    model: Box<dyn Model>,
}

impl Bundle {
    /// What is known of the model.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The model itself, which takes features, not raw columns.
    pub fn model(&self) -> &dyn Model {
        &*self.model
    }

    /// Writes the bundle as the folder `path`, whole or not at all.
    ///
    /// # Errors
    /// [`PipelineError::Exists`](crate::PipelineError::Exists) if something is in the way,
    /// [`PipelineError::File`](crate::PipelineError::File) if the folder cannot be written.
    pub fn save(&self, path: impl AsRef<Path>, existing: Existing) -> Result<()> {
        write_folder(path.as_ref(), existing, &FOLDER, |folder| self.write_into(folder))
    }

    /// Writes the two files into a folder that is there.
    pub(crate) fn write_into(&self, folder: &Path) -> Result<()> {
        let manifest = self.manifest.encode().map_err(BundleError::at(folder))?;
        write_file(&folder.join(WEIGHTS), &self.weights)?;
        write_file(&folder.join(MANIFEST), &manifest)
    }
}

impl fmt::Debug for Bundle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bundle")
            .field("manifest", &self.manifest)
            .finish_non_exhaustive()
    }
}
