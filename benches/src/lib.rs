//! The benches of hitcast.
