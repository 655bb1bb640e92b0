//! Performs the HTTP exchanges that a redial session asks for: tokens, refresh, REST.
//!
//! A session never does IO. It hands out an [`HttpRequest`](redial_core::http::HttpRequest) and
//! takes the answer back later; between the two stands an [`HttpClient`]. This crate has the trait,
//! an implementation on reqwest ([`ReqwestClient`], feature `reqwest`, on by default), the TLS
//! configuration that HTTP and WebSocket share ([`tls`]), and [`TokenSource`] for applications that
//! bring their own tokens.
//!
//! ```no_run
//! # async fn run() -> Result<(), redial_auth_http::HttpError> {
//! use redial_auth_http::{HttpClient, ReqwestClient};
//! use redial_core::http::{HttpRequest, Method};
//!
//! let client = ReqwestClient::builder().proxy("socks5h://127.0.0.1:1080").build()?;
//! let request = HttpRequest {
//!     method: Method::Get,
//!     url: "https://api.example.com/status".into(),
//!     headers: vec![("accept", "application/json".into())],
//!     body: Default::default(),
//! };
//! let answer = client.perform(request).await?;
//! println!("{}", answer.status);
//! # Ok(())
//! # }
//! ```
//!
//! # What an exchange does not do
//!
//! - Credentials never leave for another origin. A redirect is followed only within the same
//!   scheme, host and port, five times at most; any other 3xx is the answer itself.
//! - The environment's proxies are not used unless [`ReqwestClientBuilder::proxy_from_env`] asks.
//! - There is no decompression, and no body larger than the limit (1 MiB) is held.
//! - There is no retry: when to ask again is the session's decision.
//!
//! # Tracing
//!
//! Each exchange is one span, `redial.http` at level `DEBUG`, with the fields
//!
//! | field | |
//! | --- | --- |
//! | `method` | the verb |
//! | `host` | host and port, without path, query and user information |
//! | `status` | the status of the answer, when there is one |
//! | `elapsed_ms` | from the call to the last byte of the body |
//! | `fault` | whose fault the failure is, when there is one; see [`Fault`] |
//!
//! and an event in it when it ends. No URL, header, body or token is recorded at any level.
//!
//! Dependencies have logs of their own. reqwest, hyper and rustls-platform-verifier name hosts,
//! sizes and public certificates there; a test of this crate listens at `TRACE` to make sure that
//! no path, query, header, body or proxy password is among them. The exception is a foreign
//! [`reqwest::Client`] built with `connection_verbose(true)`: it logs every byte at `TRACE`.
#![forbid(unsafe_code)]

mod client;
mod error;
#[cfg(feature = "reqwest")]
mod reqwest_client;
mod retry;
#[cfg(feature = "tls")]
pub mod tls;
mod token;

pub use client::HttpClient;
pub use error::{BoxError, HttpError, Step};
pub use redial_core::Fault;
#[cfg(feature = "reqwest")]
pub use reqwest_client::{ReqwestClient, ReqwestClientBuilder};
pub use retry::retry_after_in;
pub use token::{
    HttpTokenSource, SharedTokenSource, TokenAnswer, TokenRequest, TokenSource, TokenSourceError,
};
