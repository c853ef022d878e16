//! The tests of `hitcast-pipeline` in one program, which takes a fraction of the time of many to link.

mod bundle;
mod categories;
mod classes;
mod common;
mod compare;
mod experiment;
mod explain;
mod predict;
mod refit;
mod run;
mod weights;
