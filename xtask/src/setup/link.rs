//! The link `.libtorch` in the checkout, which `.cargo/config.toml` names.

use std::fs;
use std::path::Path;

use crate::error::{Error, Result};

/// Makes `.libtorch` point to `place`; a link that is there is replaced in one step.
#[cfg(unix)]
pub(crate) fn point(checkout: &Path, place: &Path) -> Result<()> {
    let link = checkout.join(".libtorch");
    let new = checkout.join(format!(".libtorch.{}", std::process::id()));
    // Left by a process of the same number that was killed between the two steps.
    let _ = fs::remove_file(&new);
    std::os::unix::fs::symlink(place, &new).map_err(Error::io("make the link", &new))?;
    fs::rename(&new, &link).map_err(Error::io("make the link", &link))
}

#[cfg(not(unix))]
pub(crate) fn point(checkout: &Path, place: &Path) -> Result<()> {
    let _ = (checkout, fs::metadata(place).map_err(Error::io("find", place))?);
    Ok(())
}
