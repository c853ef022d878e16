//! The examples of hitcast: `cargo run --release --example NAME`. Each is one file beside this one.
