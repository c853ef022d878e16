//! Where what was downloaded for hitcast lies.

use std::io;
use std::path::PathBuf;

/// The folder for downloads: `HITCAST_CACHE`, else `hitcast` in the system's cache folder of this user. It may not be there
/// yet.
///
/// # Errors
/// Where there is no home folder, or `HITCAST_CACHE` is no path.
pub fn cache_folder() -> io::Result<PathBuf> {
    let set = |name| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    if let Some(folder) = set("HITCAST_CACHE") {
        return std::path::absolute(&folder);
    }
    // The XDG specification has relative paths ignored.
    if let Some(folder) = set("XDG_CACHE_HOME").filter(|folder| folder.is_absolute()) {
        return Ok(folder.join("hitcast"));
    }
    let below_home = if cfg!(target_os = "macos") {
        "Library/Caches/hitcast"
    } else {
        ".cache/hitcast"
    };
    let home = std::env::home_dir().ok_or_else(|| {
        let what = "there is no home folder for the cache: set HITCAST_CACHE to a folder";
        io::Error::new(io::ErrorKind::NotFound, what)
    })?;
    Ok(home.join(below_home))
}
