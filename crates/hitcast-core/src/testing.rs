//! What the tests of all crates share. No part of the interface.

use std::io::Write;

/// What the line of a skipped test begins with; `cargo xtask test` counts them by it.
pub const SKIPPED: &str = "test skipped: ";

/// Says by a line of its own that the test that runs is skipped, or a part of it, and why, as in "there is no CUDA device".
///
/// To standard output itself: what `println!` and `eprintln!` write is kept back from a test that passes.
pub fn report_skipped(why: &str) {
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("a test");
    let _ = writeln!(std::io::stdout(), "{SKIPPED}{test}: {why}");
}
