//! Integration tests.

mod fake;
mod keepalive;
mod ledger;
mod losses;
mod outside;
mod session;
mod support;
mod tokens;
mod waits;
