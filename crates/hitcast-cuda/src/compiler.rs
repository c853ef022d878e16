//! NVIDIA's run-time compiler: where it is, and what it makes of a source.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use cudarc::nvrtc::{CompileError, CompileOptions, Ptx, compile_ptx_with_opts, sys};

use crate::error::{CudaError, Result};

/// Programs that are kept; all are forgotten when there are more.
const MOST_PROGRAMS: usize = 64;

/// The program for a source and an architecture. Those of this process are remembered: a source knows neither seeds nor rows
/// nor rates, so that fits of one network have it in common.
pub(crate) fn compile(source: &str, architecture: &str) -> Result<Ptx> {
    type Programs = HashMap<(String, String), Ptx>;
    static PROGRAMS: Mutex<Option<Programs>> = Mutex::new(None);
    let key = (source.to_owned(), architecture.to_owned());
    let programs = || PROGRAMS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(program) = programs().get_or_insert_default().get(&key) {
        return Ok(program.clone());
    }
    let options = CompileOptions {
        // As the engine on the processor: numbers next to zero cost time and change nothing.
        ftz: Some(true),
        options: vec![
            format!("--gpu-architecture={architecture}"),
            "--std=c++17".to_owned(),
        ],
        name: Some("step.cu".to_owned()),
        ..CompileOptions::default()
    };
    let program = compile_ptx_with_opts(source, options).map_err(|error| CudaError::Compile(said(&error)))?;
    let mut programs = programs();
    let programs = programs.get_or_insert_default();
    if programs.len() >= MOST_PROGRAMS {
        programs.clear();
    }
    programs.insert(key, program.clone());
    Ok(program)
}

fn said(error: &CompileError) -> String {
    match error {
        CompileError::CompileError { log, .. } => log.to_string_lossy().into_owned(),
        other => other.to_string(),
    }
}

/// The newest architecture that the compiler knows and a device of this one, as in 90, can run.
pub(crate) fn architecture(of_device: i32) -> Result<String> {
    let unknown = |reason: String| CudaError::Library {
        library: "libnvrtc.so",
        reason,
    };
    let mut n = 0;
    // SAFETY: writes one number, which it is given the address of.
    let asked = unsafe { sys::nvrtcGetNumSupportedArchs(&raw mut n) };
    let mut known = vec![0; usize::try_from(n).unwrap_or(0)];
    // SAFETY: writes as many numbers as it has just said, for which there is room.
    let listed = unsafe { sys::nvrtcGetSupportedArchs(known.as_mut_ptr()) };
    if asked != sys::nvrtcResult::NVRTC_SUCCESS || listed != sys::nvrtcResult::NVRTC_SUCCESS {
        return Err(unknown("it does not say which GPUs it knows".to_owned()));
    }
    let newest = known.iter().filter(|known| **known <= of_device).max();
    newest.map(|newest| format!("compute_{newest}")).ok_or_else(|| {
        unknown(format!(
            "it knows no GPU as old as this one, of compute capability {of_device}; an older one does"
        ))
    })
}

/// Names of the compiler's library, the newest first.
const COMPILER: [&str; 3] = ["libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so"];

pub(crate) fn load(folders: &[PathBuf]) -> Result<()> {
    static PRESENT: OnceLock<()> = OnceLock::new();
    if PRESENT.get().is_some() {
        return Ok(());
    }
    let by_loader = || COMPILER.iter().any(|name| open_for_good(Path::new(name)));
    if by_loader() || folders.iter().any(|folder| open_compiler_near(folder)) {
        open_builtins();
    }
    // SAFETY: asks the loader for a library that is open by now, if it is anywhere.
    if unsafe { sys::is_culib_present() } {
        let _ = PRESENT.set(());
        return Ok(());
    }
    let searched: Vec<String> = folders
        .iter()
        .map(|folder| folder.display().to_string())
        .collect();
    Err(CudaError::Library {
        library: "libnvrtc.so",
        reason: format!(
            "neither the loader nor {} has it; it comes with libtorch for CUDA, the CUDA toolkit and the Python package \
             nvidia-cuda-nvrtc",
            searched.join(", ")
        ),
    })
}

/// Opens the compiler in a folder of libraries, or in the Python packages that stand beside a Python torch's folder, so that
/// the loader knows it by its name from then on.
fn open_compiler_near(folder: &Path) -> bool {
    let packages = folder.join("../../nvidia");
    let places = [
        folder.to_path_buf(),
        packages.join("cu13/lib"),
        packages.join("cuda_nvrtc/lib"),
    ];
    places.iter().any(|place| {
        COMPILER.iter().any(|name| {
            let path = place.join(name);
            path.exists() && open_for_good(&path)
        })
    })
}

/// Opens what the compiler itself opens by its bare name when it is first used, from the folder that it was loaded from: in
/// Python's packages the loader would not find it.
fn open_builtins() {
    let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let compiler = maps
        .lines()
        .filter_map(|line| line.find('/').map(|start| Path::new(&line[start..])))
        .find(|path| file_name(path).starts_with("libnvrtc.so"));
    let Some(folder) = compiler.and_then(Path::parent) else {
        return;
    };
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if file_name(&entry.path()).starts_with("libnvrtc-builtins.so") {
            open_for_good(&entry.path());
        }
    }
}

fn file_name(path: &Path) -> &str {
    path.file_name().and_then(OsStr::to_str).unwrap_or_default()
}

fn open_for_good(path: &Path) -> bool {
    // SAFETY: opening a library runs its initialisers. It lies where the loader, libtorch or Python's packages keep NVIDIA's
    // compiler; no symbol is taken from it here, and it is never closed.
    match unsafe { libloading::Library::new(path) } {
        Ok(library) => {
            std::mem::forget(library);
            true
        }
        Err(_) => false,
    }
}
