//! Dials against servers that do exactly what a test scripts.

mod cap;
mod deadlines;
pub(crate) mod leaks;
pub(crate) mod proxies;
mod refusals;
pub(crate) mod servers;
mod tls;
mod wire;
