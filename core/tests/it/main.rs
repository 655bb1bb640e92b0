//! Integration tests.

mod keepalive;
mod losses;
mod support;
mod tokens;
mod waits;
