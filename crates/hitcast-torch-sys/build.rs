//! Passes on where `torch-sys` found libtorch, in a form that needs no environment variable at run time.

use std::error::Error;
use std::path::PathBuf;
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=LIBTORCH");
    let libtorch = env::var_os("DEP_TCH_LIBTORCH_LIB").ok_or("torch-sys did not say where libtorch is")?;
    let libtorch = PathBuf::from(libtorch);
    // A link below target/ is what Cargo puts on the loader's path for run, test, bench and doc tests.
    let link = PathBuf::from(env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?).join("libtorch");
    if link.symlink_metadata().is_ok() {
        fs::remove_file(&link)?;
    }
    #[cfg(unix)]
    std::os::unix::fs::symlink(&libtorch, &link)?;
    println!("cargo:rustc-link-search=native={}", link.display());
    println!("cargo:rustc-link-arg=-Wl,-rpath,{}", libtorch.display());
    println!("cargo:libtorch_lib={}", libtorch.display());
    Ok(())
}
