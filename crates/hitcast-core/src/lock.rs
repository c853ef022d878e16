//! Folders that are worked in by one at a time.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use crate::error::{CoreError, Result};

/// How often a folder is tried to be taken that others give back in that moment.
const ATTEMPTS: usize = 100;

/// A folder that nobody else can take, in this process or another, until it is given back by dropping this or until the
/// process ends, however it ends: the lock is the system's, on a file in the folder. Where a file system has no locks,
/// nobody is kept out.
#[derive(Debug)]
pub struct FolderLock {
    folder: PathBuf,
    file: File,
    /// Whether the folder was made for this.
    is_new: bool,
}

impl FolderLock {
    /// Name of the file that is locked. It is there while somebody has the folder, or after a process that was killed.
    pub const FILE: &str = ".lock";

    /// Takes a folder, which is made if it is not there; if it is still empty when it is given back, it is then removed.
    ///
    /// # Errors
    /// [`CoreError::InUse`] if somebody has it, [`CoreError::Write`] if the folder or the file cannot be made.
    pub fn take(folder: &Path) -> Result<Self> {
        let in_use = || CoreError::InUse {
            path: folder.display().to_string(),
        };
        let is_new = !folder.exists();
        for _ in 0..ATTEMPTS {
            match locked(folder) {
                Ok(Some(file)) => {
                    return Ok(Self {
                        folder: folder.to_path_buf(),
                        file,
                        is_new,
                    });
                }
                Ok(None) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(in_use()),
                Err(source) => {
                    return Err(CoreError::Write {
                        path: folder.join(Self::FILE).display().to_string(),
                        source,
                    });
                }
            }
        }
        Err(in_use())
    }
}

/// The locked file of a folder; nothing if who had it gave it back while it was being locked.
fn locked(folder: &Path) -> io::Result<Option<File>> {
    fs::create_dir_all(folder)?;
    let path = folder.join(FolderLock::FILE);
    let open = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path);
    let file = match open {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    match file.try_lock() {
        Err(held @ TryLockError::WouldBlock) => return Err(held.into()),
        // The file system has no locks.
        Ok(()) | Err(TryLockError::Error(_)) => {}
    }
    // Who had it before may have removed it.
    Ok(is_at(&file, &path).then_some(file))
}

/// Whether a path still leads to this file.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let identity = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
    match (file.metadata(), fs::metadata(path)) {
        (Ok(file), Ok(path)) => identity(file) == identity(path),
        _ => false,
    }
}

/// Elsewhere the file is never removed.
#[cfg(not(unix))]
fn is_at(_file: &File, _path: &Path) -> bool {
    true
}

impl Drop for FolderLock {
    fn drop(&mut self) {
        let path = self.folder.join(Self::FILE);
        if cfg!(unix) && is_at(&self.file, &path) {
            // One that cannot be removed is locked by the next one.
            let _ = fs::remove_file(&path);
        }
        if self.is_new {
            // Not if something came into it.
            let _ = fs::remove_dir(&self.folder);
        }
        // A process that is just being started may hold a copy of the file for a moment.
        let _ = self.file.unlock();
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::process::{Command, Stdio};

    use super::*;

    /// Names the folder that a child process takes.
    const FOLDER: &str = "HITCAST_TEST_LOCK_FOLDER";
    const TAKEN: &str = "it has taken the folder";

    fn is_refused(folder: &Path) -> bool {
        let refused = FolderLock::take(folder);
        matches!(refused, Err(CoreError::InUse { path }) if path == folder.display().to_string())
    }

    #[test]
    fn one_at_a_time_has_a_folder_and_leaves_nothing_of_its_own() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("deep/er");
        for _ in 0..3 {
            let lock = FolderLock::take(&folder).unwrap();
            assert!(is_refused(&folder));
            drop(lock);
            assert!(!folder.exists());
        }
        let lock = FolderLock::take(&folder).unwrap();
        fs::write(folder.join("work"), "1").unwrap();
        drop(lock);
        drop(FolderLock::take(&folder).unwrap());
        let left = fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name());
        assert_eq!(left.collect::<Vec<_>>(), ["work"]);
        // What another one has by now, after the folder was removed, stays its.
        let first = FolderLock::take(&folder).unwrap();
        fs::remove_dir_all(&folder).unwrap();
        let second = FolderLock::take(&folder).unwrap();
        drop(first);
        assert!(is_refused(&folder));
        drop(second);
        // A folder that was there before is not removed.
        drop(FolderLock::take(home.path()).unwrap());
        let file = home.path().join("file");
        fs::write(&file, "mine").unwrap();
        assert!(matches!(FolderLock::take(&file), Err(CoreError::Write { .. })));
    }

    #[test]
    fn many_threads_have_it_one_after_the_other() {
        let home = tempfile::tempdir().unwrap();
        let (folder, counter) = (home.path().join("shared"), home.path().join("counter"));
        fs::write(&counter, "0").unwrap();
        let count = || {
            let mut done = 0;
            while done < 50 {
                if let Ok(lock) = FolderLock::take(&folder) {
                    let counted: usize = fs::read_to_string(&counter).unwrap().parse().unwrap();
                    fs::write(&counter, (counted + 1).to_string()).unwrap();
                    done += 1;
                    drop(lock);
                }
            }
        };
        std::thread::scope(|scope| {
            (0..4).for_each(|_| {
                scope.spawn(count);
            });
        });
        assert_eq!(fs::read_to_string(&counter).unwrap(), "200");
    }

    /// Not a test of its own: what the process does that is killed below.
    #[test]
    fn a_child_takes_a_folder() {
        let Some(folder) = std::env::var_os(FOLDER) else {
            return;
        };
        let _lock = FolderLock::take(Path::new(&folder)).unwrap();
        // Not by `println!`, which is kept back until the test ends.
        writeln!(io::stdout(), "{TAKEN}").unwrap();
        std::thread::sleep(std::time::Duration::from_secs(60));
    }

    #[test]
    fn a_process_that_is_killed_gives_it_back() {
        let home = tempfile::tempdir().unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "lock::tests::a_child_takes_a_folder"])
            .env(FOLDER, home.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let said = BufReader::new(child.stdout.as_mut().unwrap());
        let mut lines = said.lines().map_while(io::Result::ok);
        assert!(lines.any(|line| line.contains(TAKEN)));
        assert!(is_refused(home.path()));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(home.path().join(FolderLock::FILE).exists());
        FolderLock::take(home.path()).unwrap();
    }
}
