//! The libraries' C functions, behind types that are safe to use: the only `unsafe` of this crate. A library is opened once and
//! stays open as long as the program runs, so that its functions and the threads that it started stay valid.

#![allow(unsafe_code)]

pub(crate) mod lightgbm;
pub(crate) mod xgboost;

use std::ffi::{CStr, CString, c_char};
use std::path::{Path, PathBuf};

use crate::error::{BoosterError, Result};
use crate::find::Booster;

/// An opened library.
struct Opened {
    booster: Booster,
    path: PathBuf,
    library: libloading::Library,
}

impl Opened {
    /// Opens the library's file.
    fn open(booster: Booster, path: &Path) -> Result<Self> {
        // SAFETY: opening a library runs its initialisers. The user named this file, or set-up put it into the user's own cache
        // folder, as the one to be run; its initialisers, and those of the OpenMP that it needs, register themselves and ask for
        // nothing of this program.
        let library = unsafe { libloading::Library::new(path) };
        match library {
            Ok(library) => Ok(Self {
                booster,
                path: path.to_owned(),
                library,
            }),
            Err(error) => {
                let reason =
                    std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
                Err(BoosterError::Open {
                    booster,
                    path: path.to_owned(),
                    detail: with_advice(reason),
                })
            }
        }
    }

    /// The function of this name.
    ///
    /// # Safety
    /// `F` is the type of a function pointer, and the type that the library's header gives the function in every version that
    /// has it.
    unsafe fn function<F: Copy>(&self, name: &str) -> Result<F> {
        // SAFETY: the caller vouches for the type; the pointer stays valid because `stay` keeps the library open, and no function
        // is called before.
        let symbol = unsafe { self.library.get::<F>(name) };
        symbol.map(|symbol| *symbol).map_err(|_| BoosterError::Open {
            booster: self.booster,
            path: self.path.clone(),
            detail: format!("it has no function {name}: it is too old, or another library"),
        })
    }

    /// Keeps the library open until the program ends.
    fn stay(self) {
        std::mem::forget(self.library);
    }
}

/// What the loader said, and what helps where a library is missing that every compiler brings but not every system has.
fn with_advice(reason: String) -> String {
    if reason.contains("libgomp.so.1") {
        format!("{reason} (on Debian and Ubuntu: apt install libgomp1)")
    } else if reason.contains("libomp.dylib") {
        format!("{reason} (on macOS: brew install libomp)")
    } else {
        reason
    }
}

/// The text that a library's last error is.
///
/// # Safety
/// `text` is null or the start of a text that ends with a zero and stays as it is during the call.
unsafe fn copied(text: *const c_char) -> String {
    if text.is_null() {
        return "nothing".to_owned();
    }
    // SAFETY: the caller vouches for a text that ends with a zero.
    let text = unsafe { CStr::from_ptr(text) }.to_string_lossy();
    // The lines behind the first are the library's own stack.
    text.lines()
        .map(str::trim)
        .find(|line| !line.is_empty())
        .unwrap_or("nothing")
        .to_owned()
}

/// A text for C; ours hold no zeros, and what follows one would be cut off.
fn c_text(text: &str) -> CString {
    let until_zero = text.split('\0').next().unwrap_or_default();
    CString::new(until_zero).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_no_library_and_a_library_that_is_another_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("libxgboost.so");
        std::fs::write(&path, "half a download").unwrap();
        let message = Opened::open(Booster::XGBoost, &path).err().unwrap().to_string();
        assert!(message.contains("libxgboost.so cannot be used"), "{message}");
    }

    #[test]
    fn what_helps_where_openmp_is_missing_is_said() {
        let advice = |missing: &str| with_advice(format!("{missing}: cannot open"));
        assert!(advice("libgomp.so.1").ends_with("apt install libgomp1)"));
        assert!(advice("@rpath/libomp.dylib").ends_with("brew install libomp)"));
        assert_eq!(advice("libm.so"), "libm.so: cannot open");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_function_that_is_not_there_is_named() {
        let opened = Opened::open(Booster::XGBoost, Path::new("libc.so.6")).unwrap();
        // SAFETY: the function is not there, so that no pointer comes back.
        let missing = unsafe { opened.function::<unsafe extern "C" fn()>("XGBoostVersion") };
        let message = missing.err().unwrap().to_string();
        assert!(message.contains("no function XGBoostVersion"), "{message}");
    }

    #[test]
    fn a_text_is_cut_at_a_zero() {
        assert_eq!(c_text("depth=3\0x").to_bytes(), b"depth=3");
    }
}
