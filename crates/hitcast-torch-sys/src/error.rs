//! What can go wrong with libtorch before any tensor is touched.

use std::path::PathBuf;

use hitcast_core::DeviceChoice;

/// A [`std::result::Result`] with [`TorchError`].
pub type Result<T> = std::result::Result<T, TorchError>;

/// Why libtorch or one of its devices cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TorchError {
    /// libtorch's CUDA half is there but the loader refuses it.
    #[error(
        "{} is there but cannot be loaded: {reason}; bring a whole one by `cargo xtask setup --cuda`, or train with \
         `--device cpu`", path.display()
    )]
    BrokenCuda {
        /// The library that was tried.
        path: PathBuf,
        /// What the loader said.
        reason: String,
    },
    /// A device was asked for by name and is not there.
    #[error("there is no device {asked}: {found}; `--device auto` takes what there is")]
    NoSuchDevice {
        /// The device that was asked for.
        asked: DeviceChoice,
        /// What is there instead.
        found: String,
    },
}
