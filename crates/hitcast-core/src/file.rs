//! Files and folders that appear whole or not at all.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::error::{CoreError, Result};

/// What this process is writing now, by its temporary names.
static UNFINISHED: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

fn unfinished() -> MutexGuard<'static, BTreeSet<PathBuf>> {
    UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes a file under a temporary name beside `path`, flushes it to disk, and renames it.
///
/// # Errors
/// [`CoreError::Write`]; the old file, if there was one, is then as it was.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<()> {
    let write = || {
        let (temporary, mut file) = Unfinished::create(temporary_name(path), |temporary| {
            if let Some(parent) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
                fs::create_dir_all(parent)?;
            }
            File::create(temporary)
        })?;
        file.write_all(bytes)?;
        file.sync_all()?;
        temporary.finish(|temporary| fs::rename(temporary, path))
    };
    write().map_err(|source| CoreError::Write {
        path: path.display().to_string(),
        source,
    })
}

/// A file or folder while it is being written under a temporary name; dropped before it is finished, it is removed.
#[derive(Debug)]
pub struct Unfinished {
    temporary: PathBuf,
    is_finished: bool,
}

impl Unfinished {
    /// Creates it, by a function that is given the temporary name; gives what that gave besides.
    ///
    /// # Errors
    /// That of `create`; nothing is removed then.
    pub fn create<T, E>(
        temporary: PathBuf,
        create: impl FnOnce(&Path) -> Result<T, E>,
    ) -> Result<(Self, T), E> {
        let mut unfinished = unfinished();
        let created = create(&temporary)?;
        unfinished.insert(temporary.clone());
        let this = Self {
            temporary,
            is_finished: false,
        };
        Ok((this, created))
    }

    /// Where it is being written.
    pub fn path(&self) -> &Path {
        &self.temporary
    }

    /// Gives it its own name, by a function that is given the temporary one, and that [`abandon_unfinished`] does not come
    /// between.
    ///
    /// # Errors
    /// That of `rename`; what was written is removed then.
    pub fn finish<T, E>(mut self, rename: impl FnOnce(&Path) -> Result<T, E>) -> Result<T, E> {
        let mut unfinished = unfinished();
        let renamed = rename(&self.temporary);
        if renamed.is_ok() {
            unfinished.remove(&self.temporary);
            self.is_finished = true;
        }
        // Dropping `self` asks for it.
        drop(unfinished);
        renamed
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.is_finished {
            let mut unfinished = unfinished();
            let _ = remove(&self.temporary);
            unfinished.remove(&self.temporary);
        }
    }
}

/// Removes what this process is writing. For a process that ends at once: nothing more can be written or finished by
/// [`write_atomic`] and [`Unfinished`], whose callers wait for ever.
pub fn abandon_unfinished() {
    let unfinished = unfinished();
    for temporary in &*unfinished {
        // Whoever fills a folder may add to it while it is being removed.
        let _ = (0..10).find(|_| remove(temporary).is_ok());
    }
    std::mem::forget(unfinished);
}

fn remove(path: &Path) -> io::Result<()> {
    if fs::symlink_metadata(path)?.is_dir() {
        fs::remove_dir_all(path)
    } else {
        fs::remove_file(path)
    }
}

/// The temporary name that a file or folder has until it is whole: hidden, beside the final one, of this process.
pub fn temporary_name(path: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}.tmp", std::process::id()));
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_finished_leaves_nothing() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("out");
        let begin = || Unfinished::create(temporary_name(&path), |temporary| fs::create_dir(temporary));
        let (folder, ()) = begin().unwrap();
        fs::write(folder.path().join("part"), "1").unwrap();
        assert!(begin().is_err(), "it is being written already");
        assert!(folder.path().join("part").is_file());
        drop(folder);
        let (folder, ()) = begin().unwrap();
        let failed: io::Result<()> = folder.finish(|_| Err(io::ErrorKind::Other.into()));
        assert!(failed.is_err());
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
        let (folder, ()) = begin().unwrap();
        folder.finish(|temporary| fs::rename(temporary, &path)).unwrap();
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
        assert!(path.is_dir());
        // A folder is in the way of the file.
        assert!(write_atomic(&path, b"1").is_err());
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
        assert!(unfinished().is_empty());
    }
}
