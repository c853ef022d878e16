//! The tests of `hitcast-train` in one program, which takes a fraction of the time of many to link.

mod checkpoints;
mod pytorch_parity;
mod resume;
mod training;
