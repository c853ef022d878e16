//! The engine for GPUs on an emulated device, against libtorch and the plan on the processor.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod cuda;
#[path = "../../../hitcast-cuda/tests/emulator/mod.rs"]
mod emulator;
mod fits;
#[path = "../networks/mod.rs"]
mod networks;
mod parity;
