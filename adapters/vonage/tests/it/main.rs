//! Integration tests.

mod errors;
mod inbound;
mod lifecycle;
mod recordings;
mod sending;
mod support;
mod tokens;
