//! Passes on where `torch-sys` found libtorch, in a form that needs no environment variable at run time.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=LIBTORCH");
    println!("cargo:rerun-if-env-changed=LIBTORCH_USE_PYTORCH");
    if env::var_os("CARGO_FEATURE_DOC_ONLY").is_some() {
        println!("cargo:rustc-env=HITCAST_LIBTORCH_LIB=");
        return Ok(());
    }
    let libtorch = env::var_os("DEP_TCH_LIBTORCH_LIB").map(PathBuf::from).ok_or(
        "torch-sys did not say where libtorch is: inside the hitcast checkout run `cargo xtask setup`; elsewhere set \
         LIBTORCH to a folder with libtorch 2.11.0, or LIBTORCH_USE_PYTORCH=1 to use the one of Python's torch 2.11.0",
    )?;
    // A link below target/ is what Cargo puts on the loader's path for run, test, bench and doc tests.
    let link = PathBuf::from(env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?).join("libtorch");
    make_link(&libtorch, &link)?;
    println!("cargo:rustc-link-search=native={}", link.display());
    println!("cargo:rustc-link-arg=-Wl,-rpath,{}", libtorch.display());
    println!("cargo:rustc-env=HITCAST_LIBTORCH_LIB={}", libtorch.display());
    println!("cargo:libtorch_lib={}", libtorch.display());
    Ok(())
}

#[cfg(unix)]
fn make_link(libtorch: &Path, link: &Path) -> std::io::Result<()> {
    if link.symlink_metadata().is_ok() {
        fs::remove_file(link)?;
    }
    std::os::unix::fs::symlink(libtorch, link)
}

#[cfg(not(unix))]
fn make_link(_: &Path, link: &Path) -> std::io::Result<()> {
    // Without links the loader's path has to name libtorch's folder, as torch-sys documents for such systems.
    fs::create_dir_all(link)
}
