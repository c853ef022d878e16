//! Lets the program find libtorch when it is started by hand, from any folder.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if let Ok(libtorch) = std::env::var("DEP_HITCAST_TORCH_LIBTORCH_LIB") {
        println!("cargo:rustc-link-arg-bins=-Wl,-rpath,{libtorch}");
    }
}
