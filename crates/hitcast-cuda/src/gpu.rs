//! A device, and the libraries that it takes.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use cudarc::driver::{CudaContext, CudaStream, sys};

use crate::compiler;
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
        // Making a context takes a good part of a second; one that has failed is not used again.
        static OPEN: Mutex<Option<HashMap<usize, Gpu>>> = Mutex::new(None);
        load_driver()?;
        compiler::load(folders)?;
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        let open = open.get_or_insert_default();
        if let Some(gpu) = open.get(&index).filter(|gpu| gpu.context.check_err().is_ok()) {
            return Ok(gpu.clone());
        }
        open.remove(&index);
        let gpu = Self::open_anew(index)?;
        open.insert(index, gpu.clone());
        Ok(gpu)
    }

    fn open_anew(index: usize) -> Result<Self> {
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

    /// Whether there is a driver for any.
    pub fn has_driver() -> bool {
        load_driver().is_ok()
    }

    /// What its maker calls it.
    pub fn name(&self) -> String {
        self.context.name().unwrap_or_else(|_| "NVIDIA GPU".to_owned())
    }

    /// Blocks that run at the same time.
    pub fn multiprocessors(&self) -> usize {
        self.multiprocessors
    }

    /// Bytes of shared memory that a block may have.
    pub(crate) fn shared(&self) -> usize {
        self.shared
    }

    /// What kernels are compiled for.
    pub(crate) fn target(&self) -> Result<compiler::Target> {
        let (major, minor) = self.architecture;
        compiler::target(10 * major + minor)
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
