//! One set-up at a time in one cache folder.
//!
//! The system's own lock on an open file is taken: it ends with the process that holds it, however that ends, so a lock
//! file that was left behind holds nobody up. The number in it is only for the message.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use crate::error::{Error, Result};

/// Held until dropped.
pub(crate) struct Lock {
    file: File,
}

impl Lock {
    /// Waits, and says so, while another process sets up in the same folder.
    pub(crate) fn take(cache: &Path) -> Result<Self> {
        let path = cache.join("setup.lock");
        let mut file = File::options()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&path)
            .map_err(Error::io("open", &path))?;
        if !try_lock(&file).map_err(Error::io("lock", &path))? {
            let holder = fs::read_to_string(&path).unwrap_or_default();
            super::say(&format!(
                "waiting for another set-up (process {}) to end",
                holder.trim()
            ));
            lock(&file).map_err(Error::io("lock", &path))?;
        }
        file.set_len(0).map_err(Error::io("write", &path))?;
        writeln!(file, "{}", std::process::id()).map_err(Error::io("write", &path))?;
        Ok(Self { file })
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // A process that is just being started may hold a copy of the file for a moment.
        let _ = self.file.unlock();
    }
}

#[cfg(unix)]
fn try_lock(file: &File) -> std::io::Result<bool> {
    use rustix::fs::{FlockOperation, flock};

    match flock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(true),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

#[cfg(unix)]
fn lock(file: &File) -> std::io::Result<()> {
    Ok(rustix::fs::flock(
        file,
        rustix::fs::FlockOperation::LockExclusive,
    )?)
}

#[cfg(not(unix))]
fn try_lock(_: &File) -> std::io::Result<bool> {
    Ok(true)
}

#[cfg(not(unix))]
fn lock(_: &File) -> std::io::Result<()> {
    Ok(())
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_file_left_by_a_dead_process_does_not_hold_up_the_next() {
        let cache = tempfile::tempdir().unwrap();
        fs::write(cache.path().join("setup.lock"), "999999999\n").unwrap();
        drop(Lock::take(cache.path()).unwrap());
        drop(Lock::take(cache.path()).unwrap());
    }

    #[test]
    fn a_second_one_waits_until_the_first_is_done() {
        let cache = tempfile::tempdir().unwrap();
        let first = Lock::take(cache.path()).unwrap();
        let other = File::open(cache.path().join("setup.lock")).unwrap();
        assert!(!try_lock(&other).unwrap());
        drop(first);
        assert!(try_lock(&other).unwrap());
    }
}
