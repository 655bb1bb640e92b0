//! Integration tests.

mod backoff;
mod fake;
mod fates;
mod keepalive;
mod keeper;
mod ledger;
mod ledger_model;
mod ledger_states;
mod losses;
mod outside;
mod policy;
mod retry_after;
mod session;
mod support;
mod throttle;
mod tokens;
mod waits;
