//! Why a folder is no bundle that can be trusted.

use std::path::{Path, PathBuf};

use hitcast_core::BoxError;
use thiserror::Error;

/// What is wrong with a bundle, and with which of its files.
#[derive(Debug, Error)]
#[error("bundle {}: {problem}", path.display())]
pub struct BundleError {
    /// The bundle's folder.
    pub path: PathBuf,
    /// What is wrong.
    #[source]
    pub problem: BundleProblem,
}

impl BundleError {
    pub(crate) fn at(path: &Path) -> impl Fn(BundleProblem) -> Self {
        let path = path.to_path_buf();
        move |problem| Self {
            path: path.clone(),
            problem,
        }
    }
}

/// What is wrong with a bundle.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BundleProblem {
    /// The path is not a folder.
    #[error("there is no such folder; give the folder that holds manifest.json")]
    NoFolder,
    /// A file of the bundle is missing.
    #[error("{file} is missing")]
    Missing {
        /// The file.
        file: &'static str,
    },
    /// The folder holds something that is not part of a bundle.
    #[error("{name:?} does not belong to a bundle; move it away")]
    Foreign {
        /// Name of the entry.
        name: String,
    },
    /// An entry is a link, a folder or a device, where a bundle has a plain file.
    #[error("{file} is not a plain file")]
    NotAFile {
        /// The file.
        file: &'static str,
    },
    /// A file could not be read.
    #[error("cannot read {file}: {source}")]
    Read {
        /// The file.
        file: &'static str,
        /// Why.
        source: std::io::Error,
    },
    /// Something is larger than a bundle may have it.
    #[error("{what} is {got}, at most {limit} is allowed")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// Its size.
        got: u64,
        /// The limit.
        limit: u64,
    },
    /// A file has another size than the manifest says.
    #[error("{file} has {got} bytes, the manifest says {expected}; it was cut short or changed")]
    Size {
        /// The file.
        file: &'static str,
        /// Bytes that the manifest says.
        expected: u64,
        /// Bytes found.
        got: u64,
    },
    /// A file has another checksum than the manifest says.
    #[error("{file} does not have the checksum that it was saved with; it was damaged or changed")]
    Checksum {
        /// The file.
        file: &'static str,
    },
    /// The manifest is not one.
    #[error("manifest.json: {0}")]
    Manifest(String),
    /// The bundle was written in another version of the format.
    #[error(
        "format version {got} cannot be read by this version of hitcast, which reads {readable}; {advice}"
    )]
    Version {
        /// The bundle's version.
        got: u64,
        /// The version that can be read.
        readable: u32,
        /// What to do.
        advice: &'static str,
    },
    /// The weights are not what the manifest says.
    #[error("weights.safetensors: {0}")]
    Weights(String),
    /// No kind of model of this name is registered.
    #[error("{0}")]
    Kind(String),
    /// The model could not be built from its saved form.
    #[error("model of kind {kind:?}: {source}")]
    Model {
        /// The kind.
        kind: String,
        /// What went wrong.
        source: BoxError,
    },
    /// Parts of the bundle contradict each other.
    #[error("the parts do not fit together: {0}")]
    Inconsistent(String),
    /// The loaded model predicts other numbers than the one that was saved.
    #[error(
        "the loaded model predicts {got} where the saved one predicted {expected} (check row {row}); \
         it was saved by another version of its library"
    )]
    Drift {
        /// Number of the check row, from 0.
        row: usize,
        /// Predicted when it was saved.
        expected: f64,
        /// Predicted now.
        got: f64,
    },
}
