//! Where real files are looked for.

use std::env;
use std::path::{Path, PathBuf};

/// Name of the environment variable that says where real files are.
pub const DATA_VARIABLE: &str = "HITCAST_DATA";

/// The folder of real files: the one that `HITCAST_DATA` names, else `data`.
pub fn data_folder() -> PathBuf {
    env::var_os(DATA_VARIABLE)
        .filter(|value| !value.is_empty())
        .map_or_else(|| PathBuf::from("data"), PathBuf::from)
}

/// The file that a user means by `path`: the path itself if there is something, else a file of that name in the
/// [`data_folder`], else the path itself, for the error that names it.
pub fn locate(path: impl AsRef<Path>) -> PathBuf {
    let path = path.as_ref();
    let in_folder = || Some(data_folder().join(path.file_name()?)).filter(|file| file.is_file());
    if path.exists() {
        path.to_path_buf()
    } else {
        in_folder().unwrap_or_else(|| path.to_path_buf())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_exists_is_taken_as_it_is_and_one_that_does_not_keeps_its_name() {
        assert_eq!(locate("Cargo.toml"), Path::new("Cargo.toml"));
        assert_eq!(locate("no/such/file.csv"), Path::new("no/such/file.csv"));
    }
}
