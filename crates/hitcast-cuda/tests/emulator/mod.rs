//! A GPU on the processor: builds `emulator.cpp` by the system's C++ compiler and puts it in the place of NVIDIA's driver and
//! compiler for this process.

use std::ffi::c_long;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

/// The emulated device; one test at a time has it.
pub(crate) struct Emulator {
    library: libloading::Library,
}

impl Emulator {
    /// Builds it once a process, and waits until no other test has it. Everything is as it was in the beginning.
    pub(crate) fn take() -> MutexGuard<'static, Self> {
        static EMULATOR: OnceLock<Mutex<Emulator>> = OnceLock::new();
        let emulator = EMULATOR.get_or_init(|| Mutex::new(Self::build()));
        let emulator = emulator.lock().unwrap_or_else(PoisonError::into_inner);
        emulator.vanishes_after(-1);
        emulator.has_bytes(-1);
        emulator.falls(false);
        emulator
    }

    fn build() -> Self {
        let folder = own_folder(Path::new(env!("CARGO_TARGET_TMPDIR")));
        std::fs::create_dir_all(&folder).unwrap();
        // SAFETY: the tests' own threads read the environment only through the emulator, which is not there yet.
        unsafe { std::env::set_var("EMULATOR_FOLDER", &folder) };
        let driver = build_library(&folder, "libcuda.so", &[]);
        let compiler = build_library(&folder, "libnvrtc.so", &["-DCOMPILER"]);
        // SAFETY: libraries of these tests, without initialisers; they stay open, so that the loader knows them by name.
        let (library, compiler) = unsafe {
            (
                libloading::Library::new(driver).unwrap(),
                libloading::Library::new(compiler).unwrap(),
            )
        };
        std::mem::forget(compiler);
        Self { library }
    }

    fn call<T>(&self, name: &str, value: T) {
        // SAFETY: the emulator's three functions take one argument each, of the types that the methods below hand in.
        unsafe { (self.library.get::<extern "C" fn(T)>(name.as_bytes()).unwrap())(value) }
    }

    /// The device is gone after so many launches; −1: never.
    pub(crate) fn vanishes_after(&self, launches: c_long) {
        self.call("emulator_vanishes_after", launches);
    }

    /// It has so many bytes; −1: as many as are wanted.
    pub(crate) fn has_bytes(&self, bytes: c_long) {
        self.call("emulator_has_bytes", bytes);
    }

    /// Blocks and threads run in falling order.
    pub(crate) fn falls(&self, falls: bool) {
        self.call("emulator_falls", falls);
    }
}

/// A folder for this process alone; those of processes that are gone are removed.
fn own_folder(home: &Path) -> PathBuf {
    const NAME: &str = concat!("emulator-", env!("CARGO_PKG_NAME"), "-");
    for entry in std::fs::read_dir(home).into_iter().flatten().flatten() {
        let name = entry.file_name().into_string().unwrap_or_default();
        let process = name.strip_prefix(NAME);
        if process.is_some_and(|process| !Path::new("/proc").join(process).exists()) {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
    home.join(format!("{NAME}{}", std::process::id()))
}

fn build_library(folder: &Path, name: &str, arguments: &[&str]) -> PathBuf {
    let library = folder.join(name);
    let source = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../hitcast-cuda/tests/emulator/emulator.cpp"
    );
    let compiler = std::env::var("CXX").unwrap_or_else(|_| "c++".to_owned());
    let status = Command::new(compiler)
        // A fortified `longjmp` refuses to go to another fiber's stack.
        .args(["-std=c++17", "-O1", "-U_FORTIFY_SOURCE", "-shared", "-fPIC"])
        .args(arguments)
        .arg(format!("-Wl,-soname,{name}"))
        .arg("-o")
        .arg(&library)
        .arg(source)
        .arg("-ldl")
        .status()
        .unwrap();
    assert!(status.success(), "the emulator does not build");
    library
}
