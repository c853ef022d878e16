//! Networks as data: a [`NetworkSpec`] says which layers and which head, [`Network`] is that on libtorch, with the
//! initialisations of PyTorch and Keras. All its parameters are views into one flat buffer.
//!
//! ```
//! use hitcast_core::Seed;
//! use hitcast_nn::{Head, Mode, Network, NetworkSpec};
//! use tch::{Device, Kind, Tensor};
//!
//! # fn main() -> Result<(), hitcast_nn::NnError> {
//! let spec = NetworkSpec::mlp(&[64, 32]).with_dropout(0.2).with_head(Head::bounded(0.0, 100.0)?);
//! let network = Network::new(&spec, 10, Device::Cpu, Seed::new(1))?;
//! assert_eq!(network.n_parameters(), 10 * 64 + 64 + 64 * 32 + 32 + 32 + 1);
//!
//! let output = network.forward(&Tensor::zeros([5, 10], (Kind::Float, Device::Cpu)), Mode::Evaluate)?;
//! assert_eq!(output.size(), [5]);
//! # Ok(())
//! # }
//! ```
//!
//! - [`spec`]: networks as data, and their short form in TOML
//! - [`initialization`]: where weights start
//! - [`network`]: a network on a device
//! - [`loss`]: what is minimised
//! - [`head`]: what a head makes of its linear units
//! - [`inference`]: prediction on the processor without libtorch
//! - [`model`]: a trained network as a [`Model`](hitcast_core::Model)

#![forbid(unsafe_code)]

mod error;
pub mod head;
pub mod inference;
pub mod initialization;
pub mod loss;
pub mod model;
pub mod network;
pub mod spec;

pub use error::{NnError, Result};
pub use head::{ClassFunction, HeadFunction};
pub use inference::Inference;
pub use initialization::Initialization;
pub use loss::{ClassLoss, Loss};
pub use model::NetworkModel;
pub use network::{Mode, Network};
pub use spec::{Activation, Head, LayerSpec, NetworkSpec};
