//! Folders that appear whole or not at all.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use hitcast_core::file::{Unfinished, temporary_name};

use crate::error::{PipelineError, Result};

/// What to do if the folder that is to be written is there already.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Existing {
    /// Leave it alone and fail.
    #[default]
    Refuse,
    /// Replace it if it is of the same kind and holds nothing else; else fail.
    Replace,
}

impl Existing {
    /// To replace what is there if that is asked for, else to leave it alone.
    pub const fn replace_if(is_asked: bool) -> Self {
        if is_asked { Self::Replace } else { Self::Refuse }
    }
}

/// How a kind of folder is recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FolderKind {
    /// What it is called in messages.
    pub what: &'static str,
    /// The entry that each has.
    pub marker: &'static str,
    /// All entries that one may have.
    pub entries: &'static [&'static str],
}

/// Fills a folder under a temporary name beside `path` and renames it. If anything fails, what was at `path` before is
/// there still.
///
/// # Errors
/// [`PipelineError::Exists`] if something is in the way, [`PipelineError::File`] if the folder cannot be written, and those of
/// `fill`.
pub fn write_folder(
    path: &Path,
    existing: Existing,
    kind: &FolderKind,
    fill: impl FnOnce(&Path) -> Result<()>,
) -> Result<()> {
    let name = own_name(path, kind)?;
    check_existing(path, existing, kind)?;
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        fs::create_dir_all(parent).map_err(PipelineError::file("create the folder", parent))?;
    }
    let (fresh, ()) = create_temporary(path, name, "new", |temporary| {
        Unfinished::create(temporary, |temporary| fs::create_dir(temporary))
    })?;
    fill(fresh.path())?;
    fresh.finish(|fresh| put_in_place(fresh, path, name, existing, kind))
}

/// Writes a file of such a folder and flushes it to disk.
///
/// # Errors
/// [`PipelineError::File`].
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<()> {
    let write = || {
        let mut file = File::create(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(PipelineError::file("write", path))
}

fn put_in_place(
    fresh: &Path,
    path: &Path,
    name: &OsStr,
    existing: Existing,
    kind: &FolderKind,
) -> Result<()> {
    // Someone else may have written there while this folder was being filled.
    check_existing(path, existing, kind)?;
    if fs::symlink_metadata(path).is_err() {
        return fs::rename(fresh, path).map_err(PipelineError::file("write", path));
    }
    let old = create_temporary(path, name, "old", |temporary| {
        fs::create_dir(&temporary).map(|()| temporary)
    })?;
    let moved = old.join("former");
    fs::rename(path, &moved).map_err(PipelineError::file("move away", path))?;
    if let Err(source) = fs::rename(fresh, path) {
        fs::rename(&moved, path).map_err(PipelineError::file("move back", &moved))?;
        let _ = fs::remove_dir(&old);
        return Err(PipelineError::file("write", path)(source));
    }
    fs::remove_dir_all(&old).map_err(PipelineError::file("remove the former contents, now at", &old))
}

fn own_name<'p>(path: &'p Path, kind: &FolderKind) -> Result<&'p OsStr> {
    path.file_name().ok_or_else(|| PipelineError::Exists {
        path: path.to_path_buf(),
        message: format!("the {} needs a folder name of its own", kind.what),
    })
}

pub(crate) fn check_existing(path: &Path, existing: Existing, kind: &FolderKind) -> Result<()> {
    let refuse = |message: String| {
        Err(PipelineError::Exists {
            path: path.to_path_buf(),
            message,
        })
    };
    own_name(path, kind)?;
    let what = kind.what;
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(PipelineError::file("look at", path)(source)),
        Ok(found) if !found.is_dir() => {
            return refuse(format!("not a folder; give the {what} another place"));
        }
        Ok(_) => {}
    }
    let mut names = Vec::new();
    for entry in fs::read_dir(path).map_err(PipelineError::file("read the folder", path))? {
        let entry = entry.map_err(PipelineError::file("read the folder", path))?;
        names.push(entry.file_name().to_string_lossy().into_owned());
    }
    if names.is_empty() {
        return Ok(());
    }
    if !names.iter().any(|name| name == kind.marker) {
        return refuse(format!(
            "the folder is not empty and holds no former {what}; give the {what} another place"
        ));
    }
    if let Some(foreign) = names.iter().find(|name| !kind.entries.contains(&name.as_str())) {
        return refuse(format!(
            "beside a former {what} the folder holds {foreign:?}; move that away first"
        ));
    }
    match existing {
        Existing::Refuse => refuse(format!(
            "holds a former {what}; ask to overwrite it, or give another place"
        )),
        Existing::Replace => Ok(()),
    }
}

/// Creates a folder beside `path` under the first temporary name that is free.
fn create_temporary<T>(
    path: &Path,
    name: &OsStr,
    role: &str,
    create: impl Fn(PathBuf) -> std::io::Result<T>,
) -> Result<T> {
    let mut attempt = 0_u32;
    loop {
        let mut candidate = name.to_owned();
        candidate.push(format!(".{role}{attempt}"));
        let candidate = temporary_name(&path.with_file_name(candidate));
        match create(candidate.clone()) {
            Ok(created) => return Ok(created),
            // Left by a process that was killed, or in use by another thread.
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists && attempt < 1000 => attempt += 1,
            Err(source) => return Err(PipelineError::file("create the folder", &candidate)(source)),
        }
    }
}

/// A name for a file or folder on every system, of the model of this name and place in an experiment.
pub fn numbered_name(place: usize, name: &str) -> String {
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || c == '-' {
            c
        } else {
            '_'
        }
    };
    let name: String = name.chars().map(plain).take(40).collect();
    format!("{:02}-{name}", place + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIND: FolderKind = FolderKind {
        what: "run",
        marker: "run.json",
        entries: &["run.json", "more"],
    };

    fn fill(text: &'static str) -> impl FnOnce(&Path) -> Result<()> {
        move |folder| fs::write(folder.join("run.json"), text).map_err(PipelineError::file("write", folder))
    }

    fn entries(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> = (fs::read_dir(folder).unwrap())
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_former_folder_is_replaced_only_on_request() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("deep/er/out");
        write_folder(&path, Existing::Refuse, &KIND, fill("1")).unwrap();
        let error = write_folder(&path, Existing::Refuse, &KIND, fill("2")).unwrap_err();
        assert!(error.to_string().contains("overwrite"), "{error}");
        assert_eq!(fs::read_to_string(path.join("run.json")).unwrap(), "1");
        write_folder(&path, Existing::Replace, &KIND, fill("2")).unwrap();
        assert_eq!(fs::read_to_string(path.join("run.json")).unwrap(), "2");
        assert_eq!(
            entries(path.parent().unwrap()),
            ["out"],
            "nothing temporary is left"
        );
    }

    #[test]
    fn a_folder_with_other_things_is_never_replaced() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("out");
        fs::create_dir(&path).unwrap();
        fs::write(path.join("thesis.txt"), "precious").unwrap();
        let error = write_folder(&path, Existing::Replace, &KIND, fill("1")).unwrap_err();
        assert!(error.to_string().contains("not empty"), "{error}");
        fs::write(path.join("run.json"), "0").unwrap();
        let error = write_folder(&path, Existing::Replace, &KIND, fill("1")).unwrap_err();
        assert!(error.to_string().contains("thesis.txt"), "{error}");
        assert_eq!(fs::read_to_string(path.join("thesis.txt")).unwrap(), "precious");
        let file = home.path().join("file");
        fs::write(&file, "x").unwrap();
        assert!(write_folder(&file, Existing::Replace, &KIND, fill("1")).is_err());
    }

    #[test]
    fn when_filling_fails_what_was_there_stays_and_nothing_temporary_is_left() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("out");
        write_folder(&path, Existing::Refuse, &KIND, fill("1")).unwrap();
        let failing = |_: &Path| Err(PipelineError::Stopped);
        assert!(write_folder(&path, Existing::Replace, &KIND, failing).is_err());
        assert_eq!(fs::read_to_string(path.join("run.json")).unwrap(), "1");
        assert_eq!(entries(home.path()), ["out"]);
    }

    #[test]
    fn an_empty_folder_is_filled() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("out");
        fs::create_dir(&path).unwrap();
        write_folder(&path, Existing::Refuse, &KIND, fill("1")).unwrap();
        assert_eq!(entries(&path), ["run.json"]);
        assert!(write_folder(Path::new("/"), Existing::Refuse, &KIND, fill("1")).is_err());
    }
}
