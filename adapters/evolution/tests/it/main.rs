//! Integration tests: bytes go into a session, bytes come out.

mod codechat;
mod conformance;
mod defects;
mod explored;
mod laws;
mod policy;
mod recordings;
mod secrets;
mod state;
mod subscriptions;
mod support;
mod tokens;
mod v2;
