//! Integration tests.

mod backoff;
#[cfg(feature = "serde")]
mod crash;
mod fake;
mod fates;
mod keepalive;
mod keeper;
mod ledger;
mod ledger_model;
mod ledger_states;
mod losses;
mod net;
mod outside;
mod policy;
#[cfg(feature = "serde")]
mod post;
mod readings;
mod retry_after;
mod session;
mod support;
mod throttle;
mod tokens;
mod waits;
mod words;
