//! Is there room before anything is fetched?

use std::path::Path;

use crate::error::{Error, Result};

/// Stops with both figures when `needed_mb` are not free where the cache is.
pub(crate) fn check(cache: &Path, needed_mb: u64) -> Result<()> {
    match free_mb(cache) {
        Some(free) if free < needed_mb => Err(Error::NoSpace {
            needed: needed_mb,
            free,
            folder: cache.to_path_buf(),
        }),
        // A file system that does not tell is tried.
        _ => Ok(()),
    }
}

fn free_mb(folder: &Path) -> Option<u64> {
    // For the test of the message: a full disk is nothing that a test can make.
    if let Some(assumed) = std::env::var("HITCAST_ASSUME_FREE_MB")
        .ok()
        .and_then(|text| text.parse().ok())
    {
        return Some(assumed);
    }
    ask_system(folder)
}

#[cfg(unix)]
fn ask_system(folder: &Path) -> Option<u64> {
    let answer = rustix::fs::statvfs(folder).ok()?;
    Some(answer.f_bavail.saturating_mul(answer.f_frsize) / 1_000_000)
}

#[cfg(not(unix))]
fn ask_system(_: &Path) -> Option<u64> {
    None
}
