//! Which of the three are on this machine: what the environment names, else what was set up in the cache folder.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

use hitcast_core::cache::cache_folder;

use crate::error::{BoosterError, Result};
use crate::native;

/// One of the three.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Booster {
    /// Chen and Guestrin 2016.
    XGBoost,
    /// Ke et al. 2017.
    LightGBM,
    /// Prokhorenkova et al. 2018.
    CatBoost,
}

/// Where one of the three is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The library's file; of CatBoost the Python that has it.
    pub path: PathBuf,
    /// Its version, if it tells: LightGBM's library does not, so that only the one in the cache folder is known.
    pub version: Option<String>,
}

impl Booster {
    /// All three.
    pub const ALL: [Self; 3] = [Self::XGBoost, Self::LightGBM, Self::CatBoost];

    /// The name that its makers give it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::XGBoost => "XGBoost",
            Self::LightGBM => "LightGBM",
            Self::CatBoost => "CatBoost",
        }
    }

    /// The package on PyPI that has it.
    pub const fn package(self) -> &'static str {
        match self {
            // Elsewhere the package without CUDA has a name of its own.
            Self::XGBoost if cfg!(target_os = "macos") => "xgboost",
            Self::XGBoost => "xgboost-cpu",
            Self::LightGBM => "lightgbm",
            Self::CatBoost => "catboost",
        }
    }

    /// The variable of the environment that names it.
    pub const fn variable(self) -> &'static str {
        match self {
            Self::XGBoost => "HITCAST_XGBOOST",
            Self::LightGBM => "HITCAST_LIGHTGBM",
            Self::CatBoost => "HITCAST_PYTHON",
        }
    }

    /// Where it lies in its folder in the cache folder, and in a Python's `site-packages`.
    fn file(self) -> PathBuf {
        let suffix = std::env::consts::DLL_SUFFIX;
        match self {
            Self::XGBoost => format!("xgboost/lib/libxgboost{suffix}").into(),
            Self::LightGBM => format!("lightgbm/lib/lib_lightgbm{suffix}").into(),
            Self::CatBoost => "bin/python".into(),
        }
    }

    /// What the variable should name.
    pub(crate) fn wanted(self) -> String {
        match self {
            Self::CatBoost => "that Python".to_owned(),
            _ => format!("its {}", self.file().display()),
        }
    }

    /// Start of the name of its folder in the cache folder; the version follows.
    const fn folder(self) -> &'static str {
        match self {
            Self::XGBoost => "xgboost-",
            Self::LightGBM => "lightgbm-",
            Self::CatBoost => "catboost-",
        }
    }

    /// Looks for it: where the environment says, else in the cache folder, CatBoost then also in the `python3` on the path. A
    /// library is opened, and Python asked for its package.
    ///
    /// # Errors
    /// [`BoosterError::Absent`], which says how to get it; [`BoosterError::Named`] if the environment names something else;
    /// [`BoosterError::Open`] if the library is broken, or of a version that cannot be used; [`BoosterError::Python`] if the environment
    /// of Python in the cache folder is broken.
    pub fn find(self) -> Result<Found> {
        let found = self.place()?;
        match self {
            Self::XGBoost => Ok(Found {
                version: Some(native::xgboost::Api::get()?.version()),
                ..found
            }),
            Self::LightGBM => native::lightgbm::Api::get().map(|_| found),
            Self::CatBoost => Ok(found),
        }
    }

    /// Where it is, of libraries without opening them.
    pub(crate) fn place(self) -> Result<Found> {
        let named = std::env::var_os(self.variable()).filter(|value| !value.is_empty());
        let cache = cache_folder().ok().map(|folder| folder.join("boosters"));
        self.place_in(named.map(PathBuf::from), cache.as_deref())
    }

    fn place_in(self, named: Option<PathBuf>, cache: Option<&Path>) -> Result<Found> {
        if let Some(path) = named {
            return self.named(path);
        }
        if let Some(found) = cache.and_then(|cache| self.cached(cache)) {
            return self.checked(found);
        }
        let mut looked = format!("{} is not set", self.variable());
        if let Some(cache) = cache {
            looked += &format!(", nothing of it in {}", cache.display());
        }
        if self == Self::CatBoost {
            let path = PathBuf::from("python3");
            match package_version(&path) {
                Ok(version) => {
                    return Ok(Found {
                        path,
                        version: Some(version),
                    });
                }
                Err(detail) => looked += &format!(", {detail}"),
            }
        }
        Err(BoosterError::Absent {
            booster: self,
            looked,
        })
    }

    /// What was found in the cache folder, if it is still of use: an environment of Python is not after an upgrade of that Python.
    fn checked(self, found: Found) -> Result<Found> {
        if self != Self::CatBoost {
            return Ok(found);
        }
        match package_version(&found.path) {
            Ok(version) => Ok(Found {
                version: Some(version),
                ..found
            }),
            Err(detail) => Err(BoosterError::Python {
                python: found.path,
                detail: format!("{detail}; run `cargo xtask setup --boosters` again, which makes it anew"),
            }),
        }
    }

    fn named(self, path: PathBuf) -> Result<Found> {
        let refused = |path, detail| {
            Err(BoosterError::Named {
                variable: self.variable(),
                value: path,
                detail,
            })
        };
        if self == Self::CatBoost {
            return match package_version(&path) {
                Ok(version) => Ok(Found {
                    path,
                    version: Some(version),
                }),
                Err(detail) => refused(path, detail),
            };
        }
        if path.is_file() {
            let version = None;
            return Ok(Found { path, version });
        }
        let detail = format!("there is no such file; it should be {}'s library", self.name());
        refused(path, detail)
    }

    /// The newest in the cache folder.
    fn cached(self, cache: &Path) -> Option<Found> {
        let entries = std::fs::read_dir(cache).ok()?.filter_map(Result::<_, _>::ok);
        let found = entries.filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let version = name.strip_prefix(self.folder())?.to_owned();
            let path = entry.path().join(self.file());
            path.is_file().then_some(Found {
                path,
                version: Some(version),
            })
        });
        found.max_by_key(|found| found.version.as_deref().map(parts))
    }
}

impl fmt::Display for Booster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The numbers of a version, for the order of versions.
fn parts(version: &str) -> Vec<u64> {
    version.split('.').map(|part| part.parse().unwrap_or(0)).collect()
}

/// The version of the package `catboost` that a Python has, asked for once in a process.
fn package_version(python: &Path) -> std::result::Result<String, String> {
    static KNOWN: Mutex<BTreeMap<PathBuf, String>> = Mutex::new(BTreeMap::new());
    let known = || KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(version) = known().get(python) {
        return Ok(version.clone());
    }
    let version = asked_version(python)?;
    known().insert(python.to_owned(), version.clone());
    Ok(version)
}

/// Asks a Python without importing the package, which takes seconds.
fn asked_version(python: &Path) -> std::result::Result<String, String> {
    // What lies in the current folder is no package of that Python.
    const QUESTION: &str = "import sys; sys.path = [entry for entry in sys.path if entry]; import importlib.metadata; \
                            print(importlib.metadata.version('catboost'))";
    let asked = Command::new(python)
        .args(["-c", QUESTION])
        .stdin(Stdio::null())
        .output();
    let shown = python.display();
    match asked {
        Err(error) => Err(format!("{shown} does not start ({error})")),
        Ok(output) if output.status.success() => {
            Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
        }
        Ok(_) => Err(format!("{shown} has no package catboost")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &Path) {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "").unwrap();
    }

    #[test]
    fn the_newest_in_the_cache_is_taken_and_half_of_one_is_not() {
        let cache = tempfile::tempdir().unwrap();
        for booster in [Booster::XGBoost, Booster::LightGBM] {
            for version in ["3.9.1", "3.10.0", "2.0.0"] {
                file(
                    &cache
                        .path()
                        .join(format!("{}{version}", booster.folder()))
                        .join(booster.file()),
                );
            }
            std::fs::create_dir(cache.path().join(format!("{}9.0.0", booster.folder()))).unwrap();
            let found = booster.place_in(None, Some(cache.path())).unwrap();
            assert_eq!(found.version.as_deref(), Some("3.10.0"));
            assert!(found.path.ends_with(booster.file()), "{found:?}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_python_in_the_cache_is_asked_whether_it_still_has_the_package() {
        use std::os::unix::fs::PermissionsExt;
        let cache = tempfile::tempdir().unwrap();
        let python = cache
            .path()
            .join("catboost-1.2.10")
            .join(Booster::CatBoost.file());
        file(&python);
        std::fs::set_permissions(&python, std::fs::Permissions::from_mode(0o755)).unwrap();
        let found = || Booster::CatBoost.place_in(None, Some(cache.path()));
        std::fs::write(&python, "#!/bin/sh\nexit 1\n").unwrap();
        let message = found().unwrap_err().to_string();
        assert!(
            message.contains("has no package catboost; run `cargo xtask setup --boosters` again"),
            "{message}"
        );
        std::fs::write(&python, "#!/bin/sh\necho 1.2.11\n").unwrap();
        assert_eq!(found().unwrap().version.as_deref(), Some("1.2.11"));
        // It is asked once.
        std::fs::write(&python, "#!/bin/sh\nexit 1\n").unwrap();
        assert!(found().is_ok());
    }

    #[test]
    fn what_the_environment_names_comes_first_and_must_be_there() {
        let cache = tempfile::tempdir().unwrap();
        let own = cache.path().join("own.so");
        let error = Booster::XGBoost.place_in(Some(own.clone()), None).unwrap_err();
        let message = error.to_string();
        assert!(
            message.starts_with("HITCAST_XGBOOST is") && message.contains("no such file"),
            "{message}"
        );
        file(&own);
        file(&cache.path().join("xgboost-3.2.0").join(Booster::XGBoost.file()));
        let found = Booster::XGBoost.place_in(Some(own.clone()), Some(cache.path()));
        assert_eq!(found.unwrap().path, own);
        let error = Booster::CatBoost
            .place_in(Some("/no/python".into()), None)
            .unwrap_err();
        assert!(
            error.to_string().contains("HITCAST_PYTHON is \"/no/python\""),
            "{error}"
        );
    }

    #[test]
    fn an_absent_library_says_where_it_was_looked_for_and_how_to_get_it() {
        let cache = tempfile::tempdir().unwrap();
        for booster in [Booster::XGBoost, Booster::LightGBM] {
            let message = booster
                .place_in(None, Some(cache.path()))
                .unwrap_err()
                .to_string();
            for part in [
                booster.name(),
                booster.variable(),
                "cargo xtask setup --boosters",
                &format!("pip install {}", booster.package()),
                cache.path().to_str().unwrap(),
            ] {
                assert!(message.contains(part), "{part} in {message}");
            }
        }
    }
}
