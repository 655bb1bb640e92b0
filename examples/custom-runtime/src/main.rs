//! Custom runtime.
fn main() {}
