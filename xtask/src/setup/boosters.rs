//! Brings XGBoost, LightGBM and CatBoost to the user's cache folder, where hitcast looks for them at run time.
//!
//! Of the first two only the libraries are kept, as they lie in their wheels. CatBoost has none that a program could train with, so a
//! Python environment of its own is made. As for libtorch, a folder under its final name is whole.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use hitcast_core::cache::cache_folder;

use crate::command;
use crate::error::{Error, Result};

use super::platform::{Platform, Wheel};
use super::source::{PIPS, first_that_answers};
use super::{download, found, lock, remove_folder, say, space, unpack};

const CATBOOST: &str = "1.2.10";
/// What CatBoost imports, in the versions that it was tested with; the others that its package names are for plots. An older Python
/// has none of these versions and gets the last that there are for it.
const IMPORTED: [&str; 9] = [
    "numpy==2.4.6; python_version >= '3.11'",
    "scipy==1.17.1; python_version >= '3.11'",
    "pandas==3.1.1; python_version >= '3.11'",
    "numpy<2.4; python_version < '3.11'",
    "scipy<1.17; python_version < '3.11'",
    "pandas<3; python_version < '3.11'",
    "python-dateutil==4.0.0; python_version >= '3.11'",
    "python-dateutil<4; python_version < '3.11'",
    "six==1.17.0",
];
/// To download, on Linux x86-64.
const CATBOOST_MB: u64 = 165;
/// On disk.
const CATBOOST_KEPT_MB: u64 = 580;
/// On disk, of a library.
const LIBRARY_KEPT_MB: u64 = 20;

/// Makes sure that all three are there, and says where.
pub(crate) fn ensure() -> Result<()> {
    let cache = cache_folder().map_err(|error| Error::Check(error.to_string()))?;
    let folder = cache.join("boosters");
    fs::create_dir_all(&folder).map_err(Error::io("make the folder", &folder))?;
    let _lock = lock::Lock::take(&cache)?;
    for wheel in Platform::this()?.boosters() {
        let name = wheel.name.trim_end_matches("-cpu");
        place(&folder, name, wheel.version, check_libraries, |unpacked| {
            library(&cache, &wheel, unpacked)
        })?;
    }
    place(&folder, "catboost", CATBOOST, check_python, |made| {
        python(&cache, made)
    })?;
    remove_folder(&download::folder(&cache))?;
    remove_folder(&cache.join("tmp"))
}

/// Has `bring` fill a folder, which gets its name once it passes the check. One that is there and no longer does (its Python was
/// upgraded, or files are gone) is replaced.
fn place(
    folder: &Path,
    name: &str,
    version: &str,
    check: impl Fn(&Path) -> Result<()>,
    bring: impl FnOnce(&Path) -> Result<()>,
) -> Result<()> {
    let place = folder.join(format!("{name}-{version}"));
    let broken = if place.exists() { check(&place).err() } else { None };
    if let Some(error) = &broken {
        say(&format!(
            "{name} {version} is there, but broken, and is brought anew: {error}"
        ));
    }
    if broken.is_some() || !place.exists() {
        let arriving = folder.join("arriving");
        remove_folder(&arriving)?;
        fs::create_dir(&arriving).map_err(Error::io("make", &arriving))?;
        bring(&arriving)?;
        check(&arriving)?;
        remove_folder(&place)?;
        fs::rename(&arriving, &place).map_err(Error::io("rename", &arriving))?;
    }
    say(&format!("{name} {version} is ready: {}", place.display()));
    Ok(())
}

/// The libraries of a wheel.
fn library(cache: &Path, wheel: &Wheel, into: &Path) -> Result<()> {
    let pip = pip()?;
    space::check(cache, 2 * wheel.mb + LIBRARY_KEPT_MB)?;
    let file = download::wheel(cache, &pip, wheel, Platform::this()?.tags).map_err(not_offered)?;
    unpack::unpack(&file.path, into, file.ours, |entry| {
        let name = entry.file_name()?.to_str()?;
        unpack::is_library(name).then(|| entry.to_path_buf())
    })
}

/// Whether a folder has libraries that find all that they ask for.
fn check_libraries(folder: &Path) -> Result<()> {
    let (mut libraries, mut open) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(inner) = open.pop() {
        let listed = fs::read_dir(&inner).and_then(Iterator::collect::<std::io::Result<Vec<_>>>);
        for entry in listed.map_err(Error::io("list", &inner))? {
            let path = entry.path();
            if path.is_dir() {
                open.push(path);
            } else if entry.file_name().to_str().is_some_and(unpack::is_library) {
                libraries.push(path);
            }
        }
    }
    if libraries.is_empty() {
        return Err(Error::Check(format!("{} holds no library", folder.display())));
    }
    found::check_loads(folder, &libraries)
}

/// Whether a folder is an environment of Python with this CatBoost.
fn check_python(folder: &Path) -> Result<()> {
    let version = heard(
        &folder.join("bin/python"),
        "import catboost; print(catboost.__version__)",
    )?;
    if version == CATBOOST {
        Ok(())
    } else {
        Err(Error::Check(format!(
            "catboost {version} is there where {CATBOOST} was asked for"
        )))
    }
}

/// A Python environment with CatBoost.
fn python(cache: &Path, into: &Path) -> Result<()> {
    // A pip that is a program does not say which Python it belongs to.
    let pythons: Vec<_> = PIPS.into_iter().filter(|words| words.len() > 1).collect();
    let (pip, tried) = first_that_answers(&pythons);
    let Some(pip) = pip else {
        return Err(no_pip(&tried));
    };
    say(&format!(
        "bringing catboost {CATBOOST} with what it imports ({CATBOOST_MB} MB to download by pip, {CATBOOST_KEPT_MB} MB on disk)"
    ));
    space::check(cache, 2 * CATBOOST_MB + CATBOOST_KEPT_MB)?;
    let started = |words: &[&str]| {
        let mut command = Command::new(pip.first().copied().unwrap_or("python3"));
        command.args(words).stdin(Stdio::null());
        command
    };
    command::run(started(&["-m", "venv", "--without-pip"]).arg(into))?;
    let own = into.join("bin/python");
    let packages = heard(&own, "import sysconfig; print(sysconfig.get_paths()['purelib'])")?;
    let mut install = started(&[
        "-m",
        "pip",
        "install",
        "--no-deps",
        "--only-binary=:all:",
        "--no-cache-dir",
    ]);
    install.args(["--no-input", "--disable-pip-version-check", "--quiet", "--target"]);
    install
        .arg(&packages)
        .arg(format!("catboost=={CATBOOST}"))
        .args(IMPORTED);
    install.env("PIP_REQUIRE_VIRTUALENV", "0");
    // What pip prints goes where the rest of the set-up's words go.
    install.stdout(std::io::stderr());
    command::run(&mut install)
}

/// What a Python prints.
fn heard(python: &Path, program: &str) -> Result<String> {
    let output = Command::new(python).args(["-c", program]).output();
    let output = output.map_err(|source| Error::Start {
        program: python.display().to_string(),
        source,
    })?;
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if output.status.success() && !said.is_empty() {
        return Ok(said);
    }
    let error = String::from_utf8_lossy(&output.stderr);
    let last = error.lines().last().unwrap_or("it said nothing");
    Err(Error::Check(format!(
        "`{program}` failed in {}: {last}",
        python.display()
    )))
}

fn pip() -> Result<super::source::Program> {
    let (pip, tried) = first_that_answers(&PIPS);
    pip.ok_or_else(|| no_pip(&tried))
}

fn no_pip(tried: &str) -> Error {
    Error::Check(format!(
        "the boosters come by pip, and there is none: {tried}. Install Python with pip (on Debian and Ubuntu: apt install \
         python3-pip; or: python3 -m ensurepip), then run the same command again"
    ))
}

/// The advice for libtorch does not fit here.
fn not_offered(error: Error) -> Error {
    match error {
        Error::NotOffered { what, detail } => Error::Check(format!(
            "{what} cannot be had from the package index that pip uses: {detail}. A mirror may lack it (PIP_INDEX_URL); else set \
             HITCAST_XGBOOST or HITCAST_LIGHTGBM to a library that is there"
        )),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_gets_its_name_when_it_is_whole_and_is_then_left_alone_until_it_breaks() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().join("xgboost-1.0");
        let bring = |text: &'static str| {
            move |into: &Path| fs::write(into.join("file"), text).map_err(Error::io("write", into))
        };
        let check = |at: &Path| match fs::read_to_string(at.join("file")) {
            Ok(text) if text.starts_with("whole") => Ok(()),
            _ => Err(Error::Check("broken".to_owned())),
        };
        let failing = |_: &Path| Err(Error::Check("broken off".to_owned()));
        assert!(place(folder.path(), "xgboost", "1.0", check, failing).is_err());
        assert!(place(folder.path(), "xgboost", "1.0", check, bring("half")).is_err());
        assert!(!at.exists());
        place(folder.path(), "xgboost", "1.0", check, bring("whole")).unwrap();
        place(folder.path(), "xgboost", "1.0", check, bring("whole again")).unwrap();
        assert_eq!(fs::read_to_string(at.join("file")).unwrap(), "whole");
        fs::write(at.join("file"), "damaged").unwrap();
        place(folder.path(), "xgboost", "1.0", check, bring("whole again")).unwrap();
        assert_eq!(fs::read_to_string(at.join("file")).unwrap(), "whole again");
    }

    #[test]
    fn a_folder_without_a_library_or_a_python_is_broken() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("inner")).unwrap();
        fs::write(folder.path().join("inner/notes.txt"), "").unwrap();
        let message = check_libraries(folder.path()).unwrap_err().to_string();
        assert!(message.contains("holds no library"), "{message}");
        fs::write(folder.path().join("inner/liba.so"), "").unwrap();
        check_libraries(folder.path()).unwrap();
        assert!(check_python(folder.path()).is_err());
    }
}
