//! Integration tests.

mod lifecycle;
#[expect(dead_code, reason = "the modules that use the rest follow")]
mod support;
