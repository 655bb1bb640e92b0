//! Integration tests: bytes go into a session, bytes come out.

mod bad_input;
mod conformance;
mod credentials;
mod defects;
mod explored;
mod hostile;
mod laws;
mod policy;
mod recordings;
mod requests;
mod secrets;
mod support;
mod tokens;
mod watch;
