//! Which libtorch this process runs, and from where.

use std::fs;
use std::path::{Path, PathBuf};

/// The folder that libtorch's libraries were loaded from, links resolved.
///
/// Where the system does not tell (anything but Linux), the folder that was linked against.
pub fn library_dir() -> PathBuf {
    loaded_from().unwrap_or_else(|| PathBuf::from(env!("HITCAST_LIBTORCH_LIB")))
}

/// libtorch's version, such as `2.11.0+cu130`, or `unknown` where it came without a note of it.
///
/// The part after `+` says how it was built, not what this computer can do: see
/// [`cuda_is_available`](crate::cuda_is_available).
pub fn libtorch_version() -> String {
    library_dir()
        .parent()
        .and_then(noted_version)
        .unwrap_or_else(|| "unknown".to_owned())
}

/// The version that a libtorch folder notes in `build-version`, or in `version.py` where it is a Python package.
fn noted_version(root: &Path) -> Option<String> {
    if let Ok(text) = fs::read_to_string(root.join("build-version")) {
        return Some(text.trim().to_owned());
    }
    let python = fs::read_to_string(root.join("version.py")).ok()?;
    let value = python.lines().find_map(|line| line.strip_prefix("__version__"))?;
    Some(value.trim_matches([' ', '=', '\'', '"']).to_owned())
}

/// The folder of the `libtorch_cpu.so` that is mapped into this process.
fn loaded_from() -> Option<PathBuf> {
    folder_of_mapped(&fs::read_to_string("/proc/self/maps").ok()?, "libtorch_cpu.so")
}

/// Finds a library in the text of `/proc/self/maps`, whose lines end in a path that may contain blanks.
fn folder_of_mapped(maps: &str, library: &str) -> Option<PathBuf> {
    maps.lines()
        .filter_map(|line| line.find('/').map(|start| Path::new(&line[start..])))
        .find(|path| path.file_name().is_some_and(|name| name == library))
        .and_then(Path::parent)
        .map(Path::to_path_buf)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_is_the_one_that_holds_libtorch() {
        assert!(library_dir().join("libtorch_cpu.so").exists() || !cfg!(target_os = "linux"));
    }

    #[test]
    fn the_version_is_the_one_that_tch_wants() {
        let version = libtorch_version();
        assert!(version.starts_with("2.11.0") || version == "unknown", "{version}");
    }

    #[test]
    fn a_mapped_library_is_found_in_a_folder_with_blanks() {
        let maps = "7f00-7f01 r-xp 00000000 fe:00 12 /usr/lib/libc.so.6\n\
                    7f02-7f03 r-xp 00000000 fe:00 13                  /opt/my torch/lib/libtorch_cpu.so\n\
                    7f04-7f05 rw-p 00000000 00:00 0 \n";
        assert_eq!(
            folder_of_mapped(maps, "libtorch_cpu.so"),
            Some(PathBuf::from("/opt/my torch/lib"))
        );
        assert_eq!(folder_of_mapped(maps, "libtorch_cuda.so"), None);
    }

    #[test]
    fn a_python_package_notes_its_version_in_version_py() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(noted_version(folder.path()), None);
        fs::write(
            folder.path().join("version.py"),
            "from typing import Optional\n__version__ = '2.11.0+cu130'\n",
        )
        .unwrap();
        assert_eq!(noted_version(folder.path()).as_deref(), Some("2.11.0+cu130"));
        fs::write(folder.path().join("build-version"), "2.11.0+cpu\n").unwrap();
        assert_eq!(noted_version(folder.path()).as_deref(), Some("2.11.0+cpu"));
    }
}
