//! The tests of `hitcast-preprocess` in one program, which takes a fraction of the time of many to link.

mod encode;
mod recipe;
mod resample;
mod scale;
mod split;
mod target;
