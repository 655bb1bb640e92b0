//! Dials against servers that do exactly what a test scripts.

mod cap;
mod deadlines;
mod leaks;
mod proxies;
mod refusals;
mod servers;
mod tls;
mod wire;
