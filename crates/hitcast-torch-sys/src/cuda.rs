//! Whether there is CUDA, asked in the only order that libtorch answers rightly.
//!
//! The linker leaves `libtorch_cuda.so` out of a program that names none of its symbols, and libtorch remembers its
//! first answer about CUDA. So the library is opened here before the first question, and every question goes through
//! this module.

use std::path::Path;
use std::sync::OnceLock;

use crate::error::{Result, TorchError};
use crate::library::library_dir;

/// Loads libtorch's CUDA half, once for the process, and says whether it is there.
///
/// Only a library beside the libtorch that runs is taken: a half from another build would not fit. Its absence is
/// normal, and the answer then is `false`.
///
/// # Errors
/// [`TorchError::BrokenCuda`] if the library is there but cannot be loaded, each time it is asked.
pub fn load_cuda() -> Result<bool> {
    static LOADED: OnceLock<Result<bool>> = OnceLock::new();
    LOADED.get_or_init(|| open_beside(&library_dir())).clone()
}

/// Whether a CUDA device can be used. A CUDA half that is broken counts as none; [`load_cuda`] says what is wrong.
pub fn cuda_is_available() -> bool {
    load_cuda().unwrap_or(false) && tch::Cuda::is_available()
}

/// How many CUDA devices can be used; 0 without a CUDA half or without a driver.
pub fn cuda_device_count() -> usize {
    if cuda_is_available() {
        usize::try_from(tch::Cuda::device_count()).unwrap_or(0)
    } else {
        0
    }
}

#[cfg(unix)]
fn open_beside(folder: &Path) -> Result<bool> {
    use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};

    let path = folder.join("libtorch_cuda.so");
    if !path.exists() {
        return Ok(false);
    }
    // SAFETY: opening a library runs its initialisers. This one lies in the folder of the libtorch that this process
    // runs already, so it is code that the user chose to run and was built for this libtorch; its initialisers register
    // kernels in libtorch's tables, which lock. No symbol is taken from it, so no signature can be wrong, and it is never
    // closed, so what it registered stays valid.
    let opened = unsafe { Library::open(Some(&path), RTLD_NOW | RTLD_GLOBAL) };
    match opened {
        Ok(library) => {
            // Dropping it would unload code that libtorch's tables now point to.
            std::mem::forget(library);
            Ok(true)
        }
        Err(error) => Err(TorchError::BrokenCuda {
            path,
            reason: reason(&error),
        }),
    }
}

#[cfg(not(unix))]
fn open_beside(_: &Path) -> Result<bool> {
    Ok(false)
}

/// What the loader said; libloading keeps it in the source of its error.
#[cfg(unix)]
fn reason(error: &libloading::Error) -> String {
    std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn no_cuda_half_is_normal() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(open_beside(folder.path()), Ok(false));
    }

    #[test]
    fn a_broken_cuda_half_is_reported_with_its_path_and_the_reason() {
        let folder = tempfile::tempdir().unwrap();
        let library = folder.path().join("libtorch_cuda.so");
        std::fs::write(&library, "half a download").unwrap();
        let message = open_beside(folder.path()).unwrap_err().to_string();
        assert!(message.contains(library.to_str().unwrap()), "{message}");
        assert!(
            message.contains("file too short") || message.contains("invalid ELF header"),
            "{message}"
        );
    }

    #[test]
    fn the_answers_agree_with_each_other() {
        assert_eq!(cuda_is_available(), cuda_device_count() > 0);
        if cuda_is_available() {
            assert_eq!(load_cuda(), Ok(true));
        } else {
            hitcast_core::testing::report_skipped("there is no CUDA device");
        }
    }
}
