//! Drives a redial session on tokio and tungstenite.
//!
//! Pick a vendor's adapter, call [`connect`], and read what comes out:
//!
//! ```no_run
//! # async fn run<A>(adapter: A) -> Result<(), Box<dyn std::error::Error>>
//! # where A: redial_core::Adapter + Send + 'static, A::Outgoing: Send, A::Message: Send,
//! #     A::Reply: Send, A::Command: Send, A::Step: Send, A::Cursor: Send {
//! use redial_auth_http::ReqwestClient;
//! use redial_core::Item;
//! use redial_tungstenite::{Connector, connect};
//!
//! let http = ReqwestClient::builder().build()?;
//! let client = connect(adapter, http, Connector::new()?).await?;
//! let (handle, mut updates) = client.spawn();
//! while let Some(item) = updates.next().await {
//!     match item {
//!         Item::Notice(notice) => println!("{notice:?}"),
//!         Item::Message(message) => { let _ = message; }
//!         _ => {}
//!     }
//! }
//! # let _ = handle; Ok(())
//! # }
//! ```
//!
//! **A [`Client`] that nobody polls does nothing**: no pong, no probe, no retry. [`Client::spawn`]
//! gives it a task of its own, whose cost is two channels; a client that is polled in the
//! caller's own loop has none.
//!
//! # What a driver promises
//!
//! - One socket per session, no lock on the way of a frame, no unbounded queue.
//! - What has arrived is read before a deadline fires. Where the application is too slow, the
//!   socket is read no further, the application is told so, and the peer is not taken for dead.
//! - Close frames are answered. A socket that is replaced is closed in the background within two
//!   seconds and nothing that it says is heard.
//! - The clock goes on while the host sleeps (Linux, Android), and never steps.
//! - A `Retry-After` that one session of an account is given holds all sessions that share the
//!   [`Connector`], also in the middle of what they do: no exchange and no dial begins before that
//!   time. An exchange that is held back for longer than it may take fails as if unanswered, and
//!   is made anew when the time has come.
//! - Deadlines wait until what has arrived is read: for as long as the application does not take
//!   its items, and for a second at most where a peer talks without end.
//!
//! The example `polled` of this crate is a session in the application's own `select!`.
//!
//! # Tracing
//!
//! Notices are events with the target `redial`: `INFO` for what changes whether the session can be
//! used, `DEBUG` for the rest. They hold numbers only. A dial or an exchange that has no answer is a
//! `WARN` that says what it comes down to. Dials and HTTP exchanges are spans; see
//! [`Connector`] and [`redial_auth_http`].
//!
//! # Metrics
//!
//! The feature `metrics`, off by default, counts through the facade of that name. There are no
//! labels.
//!
//! | name | kind | what |
//! | --- | --- | --- |
//! | `redial.dials` | counter | connections that were begun |
//! | `redial.connects` | counter | times that a session came online |
//! | `redial.reconnects` | counter | those among them that were not a session's first |
//! | `redial.token_fetches` | counter | logins and renewals that were begun |
//! | `redial.problems` | counter | [`Problem`](redial_core::Problem)s |
//! | `redial.messages.received`, `redial.messages.sent` | counter | text and binary frames |
//! | `redial.offline.seconds` | histogram | from each loss to the next time online |
#![forbid(unsafe_code)]

mod client;
mod clients;
mod clock;
mod connector;
mod driver;
mod error;
mod governor;
mod handle;
mod spawn;

pub use client::{Client, ClientBuilder, connect};
pub use clients::{Clients, ClientsError};
pub use clock::{Clock, SystemClock};
pub use connector::{Connector, ConnectorBuilder, Deadlines, NetStream, Permit, Socket};
pub use driver::Direction;
pub use error::{ClientError, ConnectorError, DialError, Stage};
pub use governor::SharedGovernor;
pub use handle::{Delivery, Handle, Receipt, RequestError, Updates};

/// The examples of the README, compiled.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
