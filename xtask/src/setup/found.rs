//! A libtorch that is there already: is it one, is it whole, is it the right version?

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::{Error, Result};

use super::{VERSION, Variant};

/// A libtorch that the build will use.
#[derive(Debug)]
pub(crate) struct Found {
    /// Where it was named.
    given: String,
    version: String,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "libtorch {} is there already ({})", self.version, self.given)
    }
}

/// The libtorch that the user's environment names, checked; `None` when it names none.
pub(crate) fn by_environment(checkout: &Path, variant: Variant) -> Result<Option<Found>> {
    let set = |name| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    if set("LIBTORCH_USE_PYTORCH").is_some() {
        return by_python().map(Some);
    }
    // Cargo hands the checkout's own setting down to programs that it runs.
    let own = checkout.join(".libtorch");
    match set("LIBTORCH") {
        Some(folder) if !same_path(&folder, &own) => {
            let given = format!("LIBTORCH={}", folder.display());
            examine_as(
                &folder,
                variant,
                &given,
                "unset LIBTORCH to have the right one downloaded",
            )
            .map(Some)
        }
        _ => Ok(None),
    }
}

/// The libtorch at the checkout's `.libtorch`; `None` when there is nothing usable and a new link may be made.
pub(crate) fn linked(checkout: &Path, variant: Variant) -> Result<Option<Found>> {
    let link = checkout.join(".libtorch");
    let examined = examine_as(
        &link,
        variant,
        ".libtorch",
        "move that folder away to have the right one downloaded",
    );
    match link.symlink_metadata() {
        Err(_) => Ok(None),
        // A link can be made anew; a folder is the user's and stays.
        Ok(meta) if meta.is_symlink() => Ok(examined.ok()),
        Ok(_) => examined.map(Some),
    }
}

/// Whether `folder` holds a whole libtorch of the right version and variant.
pub(crate) fn examine(folder: &Path, variant: Variant, advice: &'static str) -> Result<Found> {
    examine_as(folder, variant, &folder.display().to_string(), advice)
}

fn examine_as(folder: &Path, variant: Variant, given: &str, advice: &'static str) -> Result<Found> {
    let given = given.to_owned();
    let suffix = if cfg!(target_os = "macos") { "dylib" } else { "so" };
    let mut needed = vec!["include/ATen/ATen.h".to_owned(), format!("lib/libc10.{suffix}")];
    needed.extend([
        format!("lib/libtorch.{suffix}"),
        format!("lib/libtorch_cpu.{suffix}"),
    ]);
    if variant == Variant::Cuda {
        needed.push(format!("lib/libtorch_cuda.{suffix}"));
    }
    // Windows has other names, and there the linker's own message has to do.
    if let Some(missing) = needed
        .into_iter()
        .find(|file| cfg!(unix) && !folder.join(file).exists())
    {
        return Err(Error::NoLibtorch {
            given,
            missing,
            advice,
        });
    }
    let version = noted_version(folder).unwrap_or_else(|| "of unknown version".to_owned());
    check_version(given, version, advice)
}

/// Refuses what torch-sys will refuse, before anything is built.
fn check_version(given: String, version: String, advice: &'static str) -> Result<Found> {
    let right = version.split('+').next() == Some(VERSION);
    let unknown = version == "of unknown version";
    if right || unknown || std::env::var_os("LIBTORCH_BYPASS_VERSION_CHECK").is_some() {
        Ok(Found { given, version })
    } else {
        Err(Error::WrongVersion {
            given,
            found: version,
            wanted: VERSION,
            advice,
        })
    }
}

/// The version that the folder itself notes, as an archive (`build-version`) or as a Python package (`version.py`).
pub(crate) fn noted_version(folder: &Path) -> Option<String> {
    if let Ok(text) = fs::read_to_string(folder.join("build-version")) {
        return Some(text.trim().to_owned());
    }
    python_version(&fs::read_to_string(folder.join("version.py")).ok()?)
}

/// The value of `__version__ = '…'`.
pub(crate) fn python_version(source: &str) -> Option<String> {
    let value = source.lines().find_map(|line| line.strip_prefix("__version__"))?;
    Some(value.trim_matches([' ', '=', '\'', '"']).to_owned())
}

/// Asks the Python that torch-sys will ask.
fn by_python() -> Result<Found> {
    let given = "LIBTORCH_USE_PYTORCH".to_owned();
    let advice = "install torch==2.11.0 there, or unset LIBTORCH_USE_PYTORCH to have libtorch downloaded";
    let python = if std::env::var_os("VIRTUAL_ENV").is_some() {
        "python"
    } else {
        "python3"
    };
    let missing = |missing: String| Error::NoLibtorch {
        given: given.clone(),
        missing,
        advice,
    };
    let output = Command::new(python)
        .args(["-c", "import torch; print(torch.__version__)"])
        .output()
        .map_err(|error| missing(format!("a {python} that starts ({error})")))?;
    if !output.status.success() {
        return Err(missing(format!("torch in {python}")));
    }
    let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    check_version(given.clone(), version, advice)
}

/// Asks the system's loader whether the libraries find all that they ask for.
pub(crate) fn check_libraries(folder: &Path, variant: Variant) -> Result<()> {
    let libraries: &[&str] = match variant {
        Variant::Cpu => &["libtorch_cpu.so"],
        Variant::Cuda => &["libtorch_cpu.so", "libtorch_cuda.so", "libtorch_cuda_linalg.so"],
    };
    check_loads(&folder.join("lib"), libraries)
}

/// Asks the system's loader whether these libraries in a folder find all that they ask for.
pub(crate) fn check_loads(folder: &Path, libraries: &[impl AsRef<Path>]) -> Result<()> {
    let mut missing = Vec::new();
    for library in libraries {
        // Where there is no ldd (macOS), the first program that starts will tell.
        let Ok(output) = Command::new("ldd").arg(folder.join(library)).output() else {
            return Ok(());
        };
        missing.extend(not_found(&String::from_utf8_lossy(&output.stdout)));
    }
    missing.sort_unstable();
    missing.dedup();
    if missing.is_empty() {
        Ok(())
    } else {
        Err(Error::MissingLibraries {
            folder: folder.to_path_buf(),
            missing: missing.join(", "),
        })
    }
}

/// The names that `ldd` could not find, except those that come with a GPU's driver.
fn not_found(ldd: &str) -> Vec<String> {
    ldd.lines()
        .filter_map(|line| line.trim().strip_suffix("=> not found"))
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.starts_with("libcuda.so") && !name.starts_with("libnvidia-ml.so"))
        .collect()
}

fn same_path(a: &Path, b: &Path) -> bool {
    // Without following the last link: LIBTORCH may name the cache folder that .libtorch points to.
    let plain = |path: &Path| Some(path.parent()?.canonicalize().ok()?.join(path.file_name()?));
    a == b || plain(a).is_some_and(|a| plain(b) == Some(a))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_a_python_package_is_read() {
        let source = "from typing import Optional\n\n__version__ = '2.11.0+cu130'\ndebug = False\n";
        assert_eq!(python_version(source).as_deref(), Some("2.11.0+cu130"));
        assert_eq!(python_version("debug = False"), None);
    }

    #[test]
    fn what_the_loader_misses_is_named_except_the_driver() {
        let ldd =
            "\tlibc10.so => /x/libc10.so (0x1)\n\tlibcuda.so.1 => not found\n\tlibcupti.so.13 => not found\n";
        assert_eq!(not_found(ldd), ["libcupti.so.13"]);
        assert!(not_found("\tnot a dynamic executable\n").is_empty());
    }
}
