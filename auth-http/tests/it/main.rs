//! Integration tests.
#![expect(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

mod exchange;
mod hostile;
mod leaks;
mod proxies;
mod redirects;
mod retry_after;
mod servers;
mod tls;
mod token;
mod token_exchange;
