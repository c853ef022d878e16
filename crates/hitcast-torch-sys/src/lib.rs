//! Finds libtorch, links it without environment variables, and loads its CUDA half when there is one.
//! Every hitcast crate that computes with tensors takes [`tch`] from here, so that all use one and the same libtorch.
//!
//! ```
//! use hitcast_core::DeviceChoice;
//! use hitcast_torch_sys::{device, tch::Tensor};
//!
//! let device = device(DeviceChoice::Auto)?; // the first CUDA device, or the processor
//! let x = Tensor::from_slice(&[1.0_f32, 2.0, 3.0]).to_device(device);
//! assert_eq!((x * 2.0).sum(tch::Kind::Float).double_value(&[]), 12.0);
//! # use hitcast_torch_sys::tch;
//! # Ok::<(), hitcast_torch_sys::TorchError>(())
//! ```
//!
//! # Which libtorch
//! 2.11.0, which the pinned `tch` wants. Inside the hitcast workspace `cargo xtask setup` brings it. A project elsewhere
//! sets `LIBTORCH` to a folder with `include/` and `lib/` (the `.libtorch` of a hitcast checkout will do), or
//! `LIBTORCH_USE_PYTORCH=1` where Python has torch 2.11.0; without either, the build script of `torch-sys` stops the
//! build and says that it cannot find libtorch. `cargo run`, `cargo test` and `cargo bench` then find the library by
//! themselves. A program that people start by hand needs one line in the `build.rs` of its package, which must have
//! this crate as a direct dependency:
//!
//! ```no_run
//! # fn main() -> Result<(), std::env::VarError> {
//! println!("cargo:rustc-link-arg-bins=-Wl,-rpath,{}", std::env::var("DEP_HITCAST_TORCH_LIBTORCH_LIB")?);
//! # Ok(())
//! # }
//! ```
//!
//! - [`cuda`]: whether there is CUDA, asked in the only order that libtorch answers rightly
//! - [`device`](mod@device): from the device that was asked for to one that is there
//! - [`library`]: which libtorch runs, and from where

#![deny(unsafe_op_in_unsafe_fn)]

pub mod cuda;
pub mod device;
mod error;
pub mod library;

pub use cuda::{cuda_device_count, cuda_is_available, load_cuda};
pub use device::device;
pub use error::{Result, TorchError};
pub use library::{library_dir, libtorch_version};
pub use tch;
