//! Sessions that are driven over real sockets, against a simulated LivePerson.

mod bad_input;
mod faults;
mod flood;
mod governor;
mod lifecycle;
#[cfg(feature = "metrics")]
mod metrics;
mod orders;
mod proxies;
mod replay;
mod secrets;
mod shutdown;
mod support;
mod tokens;
mod watch;
