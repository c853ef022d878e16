//! NVIDIA's run-time compiler: where it is, and what it makes of a source.

use std::collections::HashMap;
use std::ffi::{CString, OsStr, c_char};
use std::fmt::Display;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use cudarc::nvrtc::result::{
    NvrtcError, compile_program, create_program, destroy_program, get_program_log, get_ptx,
};
use cudarc::nvrtc::{Ptx, sys};

use crate::error::{CudaError, Result};

/// Programs that are kept; all are forgotten when there are more.
const MOST_PROGRAMS: usize = 64;

/// What the compiler makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Target {
    /// Instructions of devices of this architecture, as in 90, and of later ones with the same first digits: nothing is left
    /// to the driver, which may be older than the compiler.
    Instructions(i32),
    /// Code (PTX) that the driver translates for any device of this architecture or a later one.
    Code(i32),
}

impl Target {
    /// For the newest architecture that the compiler knows and a device of this one can run.
    fn new(of_device: i32, known: &[i32]) -> Option<Self> {
        let newest = known.iter().copied().filter(|known| *known <= of_device).max()?;
        Some(if newest / 10 == of_device / 10 {
            Self::Instructions(newest)
        } else {
            Self::Code(newest)
        })
    }
}

/// The program for a source and a target. Those of this process are remembered: a source knows neither seeds nor rows nor
/// rates, so that fits of one network have it in common.
pub(crate) fn compile(source: &str, target: Target) -> Result<Ptx> {
    type Programs = HashMap<(String, Target), Ptx>;
    static PROGRAMS: Mutex<Option<Programs>> = Mutex::new(None);
    let key = (source.to_owned(), target);
    let programs = || PROGRAMS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(program) = programs().get_or_insert_default().get(&key) {
        return Ok(program.clone());
    }
    let program = Program::new(source)?.compile(target)?;
    let mut programs = programs();
    let programs = programs.get_or_insert_default();
    if programs.len() >= MOST_PROGRAMS {
        programs.clear();
    }
    programs.insert(key, program.clone());
    Ok(program)
}

/// A source that is with the compiler.
struct Program {
    program: sys::nvrtcProgram,
    /// Which the program may refer to.
    _source: CString,
}

impl Program {
    fn new(source: &str) -> Result<Self> {
        let failed = |error: &dyn Display| CudaError::Compile(error.to_string());
        let source = CString::new(source).map_err(|error| failed(&error))?;
        let program = create_program(&source, Some(c"step.cu")).map_err(|error| failed(&error))?;
        Ok(Self {
            program,
            _source: source,
        })
    }

    fn compile(&self, target: Target) -> Result<Ptx> {
        let architecture = match target {
            Target::Instructions(number) => format!("sm_{number}"),
            Target::Code(number) => format!("compute_{number}"),
        };
        let options = [
            format!("--gpu-architecture={architecture}"),
            "--std=c++17".to_owned(),
            // As the engine on the processor: numbers next to zero cost time and change nothing.
            "--ftz=true".to_owned(),
        ];
        // SAFETY: the program is there until `self` is dropped.
        if let Err(error) = unsafe { compile_program(self.program, &options) } {
            return Err(CudaError::Compile(format!("{error}: {}", self.log())));
        }
        let unread = |error: &dyn Display| CudaError::Compile(format!("no program came of it: {error}"));
        match target {
            Target::Instructions(_) => self.instructions().map_err(|error| unread(&error)),
            Target::Code(_) => {
                // SAFETY: as above, and it was compiled.
                let code = unsafe { get_ptx(self.program) }.map_err(|error| unread(&error))?;
                Ok(Ptx::from_src(text(&code)))
            }
        }
    }

    fn instructions(&self) -> std::result::Result<Ptx, NvrtcError> {
        let mut size = 0;
        // SAFETY: writes one number, which it is given the address of.
        unsafe { sys::nvrtcGetCUBINSize(self.program, &raw mut size) }.result()?;
        let mut bytes = vec![0_u8; size];
        // SAFETY: writes as many bytes as it has just said, for which there is room.
        unsafe { sys::nvrtcGetCUBIN(self.program, bytes.as_mut_ptr().cast()) }.result()?;
        Ok(Ptx::from_binary(bytes))
    }

    fn log(&self) -> String {
        // SAFETY: as above.
        let log = unsafe { get_program_log(self.program) };
        log.map(|log| text(&log)).unwrap_or_default()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // SAFETY: nothing uses it any more.
        let _ = unsafe { destroy_program(self.program) };
    }
}

/// What stands before the zero that ends it.
fn text(characters: &[c_char]) -> String {
    let bytes: Vec<u8> = characters
        .iter()
        .flat_map(|character| character.to_ne_bytes())
        .take_while(|byte| *byte != 0)
        .collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What to compile for a device of this architecture, as in 90.
pub(crate) fn target(of_device: i32) -> Result<Target> {
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
    Target::new(of_device, &known).ok_or_else(|| {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instructions_where_the_compiler_knows_the_generation_else_code_for_the_driver() {
        let known = [75, 80, 86, 89, 90, 100];
        for (device, target) in [
            (90, Some(Target::Instructions(90))),
            (80, Some(Target::Instructions(80))),
            (87, Some(Target::Instructions(86))),
            (103, Some(Target::Instructions(100))),
            (120, Some(Target::Code(100))),
            (70, None),
        ] {
            assert_eq!(Target::new(device, &known), target, "{device}");
        }
    }
}
