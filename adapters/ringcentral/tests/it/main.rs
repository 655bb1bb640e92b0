//! Integration tests.
#![expect(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

mod conformance;
mod defects;
mod explored;
mod hostile;
mod laws;
mod losses;
mod recordings;
mod requests;
mod sessions;
mod support;
