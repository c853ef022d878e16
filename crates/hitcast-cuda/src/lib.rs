//! Training steps of networks on NVIDIA GPUs.
//!
//! The kernels are made for the network: its widths, activations, loss and optimiser are constants of a source that NVIDIA's
//! compiler turns into a program when training begins. A step is two kernels (two more for each batch norm, one for clipping): one goes forward
//! and back with a tile of rows a block, the other sums the blocks' gradients and moves the weights. Many steps are one CUDA
//! graph, and several networks (folds, seeds, trials) are one more axis of every launch, so that ten of them take little
//! longer than one while the device has room.
//!
//! Nothing is linked: the driver and the compiler are opened where they are, so that one program serves computers with and
//! without a GPU.
//!
//! - [`gpu`]: a device
//! - [`outline`]: what kernels are made for
//! - `program`: their source
//! - [`session`]: networks, rows and steps on a device
//! - [`seat`]: networks side by side, each driven by a thread of its own

#![deny(unsafe_op_in_unsafe_fn)]

mod buffer;
mod compiler;
mod error;
pub mod gpu;
pub mod outline;
mod program;
pub mod seat;
pub mod session;

pub use error::{CudaError, Result};
pub use gpu::Gpu;
pub use seat::Seat;
pub use session::{Batch, Numbers, Rows, Session, Split, Sums};
