//! The examples of hitcast.
