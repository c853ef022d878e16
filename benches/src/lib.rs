//! What the comparisons with other programs share: running both sides in turn, and the Python that the peers live in.
//!
//! - [`peers`]: a Python environment with the peers in it
//! - [`measure`]: medians, memory and the machine

pub mod measure;
pub mod peers;
