//! What the comparisons with other programs share: running both sides in turn, and the Python that the peers live in.
//!
//! - [`peers`]: a Python environment with the peers in it
//! - [`measure`]: times, memory and the machine
//! - [`networks`]: the four networks of `code_pudding`, and rows for them

pub mod measure;
pub mod networks;
pub mod peers;
