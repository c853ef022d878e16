//! The tests of `hitcast-tune` in one program.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;
mod ensemble;
mod experiment;
mod search;
mod space;
