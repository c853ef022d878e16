//! Set-up, tests, fixtures and the demo of hitcast.

fn main() {}
