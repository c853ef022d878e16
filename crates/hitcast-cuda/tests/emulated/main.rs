//! Kernels and sessions on an emulated device.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../emulator/mod.rs"]
mod emulator;
mod session;
