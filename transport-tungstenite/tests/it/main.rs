//! Integration tests.
#![expect(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

mod clients;
mod connector;
mod driver;
mod hostile;
mod ringcentral;
mod seed;
mod vonage;
