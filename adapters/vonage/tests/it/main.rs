//! Integration tests.

mod conformance;
mod errors;
mod explored;
mod inbound;
mod laws;
mod lifecycle;
mod recordings;
mod sending;
mod snapshot;
mod support;
mod tokens;
