//! Training steps of networks on NVIDIA GPUs.
//!
//! The kernels are made for the network: its widths, activations, loss and optimiser are constants of a source that NVIDIA's
//! compiler turns into a program when training begins. A step is two kernels (two more for each batch norm, one for clipping): one goes forward
//! and back with a tile of rows a block, the other sums the blocks' gradients and moves the weights. Many steps are one CUDA
//! graph, and several networks (folds, seeds, trials) are one more axis of every launch, so that ten of them take little
//! longer than one while the device has room.
//!
//! ```no_run
//! use hitcast_cuda::outline::{Function, Head, Linear, NumberLoss, Optimizer, Outline, Output, Stage, Update};
//! use hitcast_cuda::{Batch, Gpu, Rows, Seat, Session, Split};
//!
//! # fn main() -> hitcast_cuda::Result<()> {
//! let hidden = Stage { units: 64, linear: Some(Linear { bias: true }), norm: None, function: Function::Relu, dropout: Some(0.2) };
//! let outline = Outline {
//!     inputs: 2,
//!     stages: vec![hidden],
//!     output: Output::Number { head: Head::Linear, loss: NumberLoss::Squared },
//! };
//! let optimizer = Optimizer::Adam { betas: (0.9, 0.999), epsilon: 1e-8, weight_decay: 0.0, decoupled: false };
//! let update = Update { optimizer, decays: [true, true], clip_norm: None, average_decay: None };
//!
//! let gpu = Gpu::open(0, &[])?;
//! let session = Session::new(&gpu, &outline, &update, 2, &[7])?; // one network, batches of two rows
//! for seat in Seat::all(session) {
//!     let mut numbers = seat.numbers()?;
//!     numbers.parameters.fill(0.1); // or where else it begins
//!     seat.set_numbers(&numbers)?;
//!     seat.set_rows(Rows { features: &[0.0, 1.0, 1.0, 0.0], target: &[1.0, 2.0], weights: None })?;
//!     for _ in 0..1000 {
//!         seat.note(Batch { start: 0, rows: 2, learning_rate: Some(1e-3) })?;
//!     }
//!     println!("{:?} {:?}", seat.take_losses()?.last(), seat.predict(Split::Train)?);
//! }
//! # Ok(())
//! # }
//! ```
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
