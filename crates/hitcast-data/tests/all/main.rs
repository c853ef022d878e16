//! The tests of `hitcast-data` in one program, which takes a fraction of the time of many to link.

mod catalogue;
mod clean_accounting;
mod clean_files;
mod clean_outliers;
mod clean_prediction;
mod clean_steps;
mod describe;
mod read;
mod read_errors;
mod read_property;
