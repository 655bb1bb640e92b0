//! Integration tests.
mod exchange;
mod hostile;
mod leaks;
mod proxies;
mod redirects;
mod retry_after;
mod servers;
mod tls;
mod token;
