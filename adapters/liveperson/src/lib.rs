//! LivePerson agent messaging for redial: policy, codec and HTTP exchanges as data.
//!
//! [`LivePerson`] is an [`Adapter`](redial_core::Adapter): a
//! [`Session`](redial_core::Session) of `redial-core` drives it, and a driver of any runtime
//! drives the session. Nothing in this crate does IO.
//!
//! ```
//! use redial_core::{Cx, Input, Session, Timestamp};
//! use redial_liveperson::{AgentState, Command, Credentials, LivePerson, Request, Subscription};
//!
//! let credentials =
//!     Credentials::Password { username: "bot".into(), password: "from the environment".into() };
//! let adapter = LivePerson::builder("12345678", credentials).build().expect("a host, an account");
//!
//! let cx = Cx::new(Timestamp::from_millis(0), 0);
//! let nonce = 7; // 128 bits from a source fit for credentials
//! let mut session = Session::new(adapter, nonce);
//! // In force on every connection, and so once it is online:
//! session.handle(cx, Input::Command(Command::SetAgentState(AgentState::online())));
//! session.handle(cx, Input::Command(Command::Subscribe(Subscription::routing_tasks())));
//! session.handle(cx, Input::Connect);
//! let request = session.send(cx, Request::get_clock()).expect("room for one request");
//! // The domain lookup is the first thing to do.
//! assert!(session.has_effects());
//! # let _ = request;
//! ```
//!
//! # What it does
//!
//! - **Token.** A domain lookup (kept for 60 s), a login with one of five kinds of
//!   [`Credentials`], a refresh in the interval that the policy says. A login that answers without
//!   a user or without a bearer has failed, whatever its status. The life that a login states
//!   counts until the first refresh: a refresh prolongs the bearer by a span that it does not
//!   tell, so after it only the server's refusal ends the bearer.
//! - **Connection.** Ready as soon as it is open. Then the agent's state is set and every
//!   subscription made, as [`Command`]s, or granted requests of the application, have said.
//! - **Watch.** `.GetClock` every 30 s of each connection, whatever else is sent or received; ten
//!   seconds without its answer are the end of the connection.
//! - **Requests.** The answer is the proof. A code above 399 is a refusal, of the request and of
//!   nothing else: no code in an answer ever ends the connection. A request that was written
//!   before the connection was lost is not written again; its fate is
//!   [`Unknown`](redial_core::Fate::Unknown), at once.
//! - **Bad input.** Text that is no message, binary frames, unknown kinds: each is a counted
//!   [`Problem`](redial_core::Problem), and the session goes on. Unknown types and fields are
//!   delivered as they came.
//!
//! # What it does not
//!
//! It is not told what was said while it was away: an application asks with
//! [`Request::query_messages`] after each [`Online`](redial_core::Notice::Online).
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod adapter;
mod answer;
mod auth;
mod codec;
mod config;
mod desired;
mod hosts;
mod login;
mod notification;
mod policy;
mod request;

pub use adapter::LivePerson;
pub use auth::Step;
pub use codec::Body;
pub use config::{Builder, ConfigError, Credentials};
pub use desired::{AgentState, Command, Cursor, Subscription};
pub use notification::{Change, Changes, Content, Message, MessagingEvent, Notification, Response};
pub use policy::{POLICY, POLICY_BACKOFF};
pub use request::Request;
