//! Integration tests.

mod backoff;
mod fake;
mod keepalive;
mod ledger;
mod losses;
mod outside;
mod policy;
mod retry_after;
mod session;
mod support;
mod tokens;
mod waits;
