//! Training on NVIDIA GPUs by kernels made for the network, see [`hitcast_cuda`].
//!
//! - `outline`: a network as the kernels see it
//! - `engine`: all of it behind the trait [`Engine`](crate::Engine)

mod engine;
mod outline;

pub use engine::CudaEngine;
