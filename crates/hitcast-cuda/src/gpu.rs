//! A device, and the libraries that it takes.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use cudarc::driver::{CudaContext, CudaStream, sys};
use cudarc::nvrtc;

use crate::error::{CudaError, Result};

/// A device that is ready to be used.
#[derive(Debug, Clone)]
pub struct Gpu {
    context: Arc<CudaContext>,
    multiprocessors: usize,
    shared: usize,
    architecture: (i32, i32),
}

impl Gpu {
    /// Opens the device of this number. NVIDIA's run-time compiler (`libnvrtc`) is taken from where the loader finds it, else
    /// from these folders or the Python packages beside them.
    ///
    /// # Errors
    /// [`CudaError::Library`] if the driver or the compiler is not there, [`CudaError::Driver`] if the device is not.
    pub fn open(index: usize, folders: &[PathBuf]) -> Result<Self> {
        load_driver()?;
        load_compiler(folders)?;
        let opening = CudaError::while_("opening the device");
        let context = CudaContext::new(index).map_err(&opening)?;
        // SAFETY: events would order what several streams do with one buffer. Every buffer of this crate is used by the one
        // stream that it was made for.
        unsafe { context.disable_event_tracking() };
        let attribute = |attribute| context.attribute(attribute).map_err(&opening);
        let count = |value: i32| usize::try_from(value).unwrap_or(0);
        let multiprocessors = attribute(sys::CUdevice_attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)?;
        let shared =
            attribute(sys::CUdevice_attribute::CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN)?;
        let architecture = context.compute_capability().map_err(&opening)?;
        Ok(Self {
            context,
            multiprocessors: count(multiprocessors),
            shared: count(shared),
            architecture,
        })
    }

    /// What its maker calls it.
    pub fn name(&self) -> String {
        self.context.name().unwrap_or_else(|_| "NVIDIA GPU".to_owned())
    }

    /// Blocks that run at the same time.
    pub(crate) fn multiprocessors(&self) -> usize {
        self.multiprocessors
    }

    /// Bytes of shared memory that a block may have.
    pub(crate) fn shared(&self) -> usize {
        self.shared
    }

    /// What kernels are compiled for, as in `compute_90`.
    pub(crate) fn architecture(&self) -> String {
        let (major, minor) = self.architecture;
        format!("compute_{major}{minor}")
    }

    pub(crate) fn context(&self) -> &Arc<CudaContext> {
        &self.context
    }

    /// A queue of work of its own.
    pub(crate) fn stream(&self) -> Result<Arc<CudaStream>> {
        self.context
            .new_stream()
            .map_err(CudaError::while_("making a stream"))
    }
}

fn load_driver() -> Result<()> {
    static PRESENT: OnceLock<bool> = OnceLock::new();
    // SAFETY: asks the loader for the driver's library, whose initialisers the driver's maker means to be run so.
    if *PRESENT.get_or_init(|| unsafe { sys::is_culib_present() }) {
        return Ok(());
    }
    Err(CudaError::Library {
        library: "libcuda.so.1",
        reason: "there is no NVIDIA driver (nvidia-smi would say so too)".to_owned(),
    })
}

/// Names of the compiler's library, the newest first.
const COMPILER: [&str; 3] = ["libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so"];

fn load_compiler(folders: &[PathBuf]) -> Result<()> {
    static PRESENT: OnceLock<bool> = OnceLock::new();
    let found = *PRESENT.get_or_init(|| {
        let by_loader = || COMPILER.iter().any(|name| open_for_good(Path::new(name)));
        if by_loader() || folders.iter().any(|folder| open_compiler_near(folder)) {
            open_builtins();
        }
        // SAFETY: asks the loader for a library that is open by now, if it is anywhere.
        unsafe { nvrtc::sys::is_culib_present() }
    });
    if found {
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
