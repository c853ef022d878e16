//! Learn from tables in Rust on libtorch: one facade over the hitcast crates.
