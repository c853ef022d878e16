//! What can go wrong in the project's own commands, each with what to do about it.

use std::path::{Path, PathBuf};
use std::process::ExitStatus;

/// A [`std::result::Result`] with [`Error`].
pub(crate) type Result<T> = std::result::Result<T, Error>;

/// Why a command stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum Error {
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        action: &'static str,
        path: PathBuf,
        source: std::io::Error,
    },

    #[error("cannot start {program}: {source}")]
    Start { program: String, source: std::io::Error },

    #[error("`{command}` failed ({status})")]
    Failed { command: String, status: ExitStatus },

    #[error("{failed} of {total} tests failed")]
    Tests { failed: usize, total: usize },

    #[error(
        "there is too little space: {needed} MB are needed during the set-up, {free} MB are free in {}; make space, or set \
         HITCAST_CACHE to a folder on a larger disk", folder.display()
    )]
    NoSpace { needed: u64, free: u64, folder: PathBuf },

    #[error(
        "no libtorch is published for {platform}: build or find libtorch {version} for it and set LIBTORCH to its folder \
         (with include/ and lib/)"
    )]
    NoPlatform { platform: String, version: &'static str },

    #[error(
        "neither pip nor another way to download is there: {tried}. Install Python with pip (on Debian and Ubuntu: \
         apt install python3-pip; or: python3 -m ensurepip), or install curl or wget, then run the same command again"
    )]
    NoDownloader { tried: String },

    #[error(
        "the network did not answer while fetching {what}: {detail}. Check the connection and the proxy (https_proxy; for pip also \
         PIP_INDEX_URL), then run the same command again: whole files that came are kept"
    )]
    NoNetwork { what: String, detail: String },

    #[error(
        "{what} cannot be had from the package index that pip uses: {detail}. A mirror may lack it (PIP_INDEX_URL); else set \
         HITCAST_LIBTORCH_URL to a libtorch archive, or LIBTORCH to a libtorch that is there"
    )]
    NotOffered { what: String, detail: String },

    #[error("{what} did not come: {detail}. Run the same command again; whole files that came are kept")]
    Download { what: String, detail: String },

    #[error("{} is damaged ({detail}): {advice}", path.display())]
    Damaged {
        path: PathBuf,
        detail: String,
        advice: &'static str,
    },

    #[error("{given} is libtorch {found}, and hitcast needs {wanted}: {advice}")]
    WrongVersion {
        given: String,
        found: String,
        wanted: &'static str,
        advice: &'static str,
    },

    #[error("{given} holds no libtorch: {missing} is missing; {advice}")]
    NoLibtorch {
        given: String,
        missing: String,
        advice: &'static str,
    },

    #[error("what lies in {} lacks libraries that this system should have: {missing}", folder.display())]
    MissingLibraries { folder: PathBuf, missing: String },

    #[error("{0}")]
    Check(String),
}

impl Error {
    /// For `map_err`: which file, and what was being done to it.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io { action, path, source }
    }
}
