//! Evolution's event sockets for redial, in two profiles: policies, codecs and HTTP exchanges as
//! data.
//!
//! - [`CodeChat`], the default: the protocol of the text "Websocket" that calls itself Evolution
//!   and is the one of CodeChat's server. One plain WebSocket for each event of each instance, at
//!   `/ws/events?event=..&token=..`; the frame is the payload.
//! - [`EvolutionApi`]: Evolution API v2 over Socket.IO, with a namespace for each instance and one
//!   for all.
//!
//! Each is an [`Adapter`](redial_core::Adapter): a [`Session`](redial_core::Session) of
//! `redial-core` drives it, and a driver of any runtime drives the session. Nothing in this crate
//! does IO.
//!
//! ```
//! use redial_core::{Cx, Effect, Input, Session, Timestamp};
//! use redial_evolution::CodeChat;
//! use redial_evolution::codechat::Credentials;
//!
//! let token = Credentials::Token("the instance's JWT".into());
//! # let token = Credentials::Token("jwt".into());
//! let adapter = CodeChat::builder("ws://localhost:8084", "messages.upsert", token).build()?;
//!
//! let cx = Cx::new(Timestamp::from_millis(0), 0);
//! let nonce = 7; // 128 bits from a source fit for credentials
//! let mut session = Session::new(adapter, nonce);
//! session.handle(cx, Input::Connect);
//! let Some(Effect::Dial { handshake, .. }) = session.poll_effect() else { panic!("a dial") };
//! assert_eq!(handshake.url, "ws://localhost:8084/ws/events?event=messages.upsert&token=jwt");
//! # Ok::<(), redial_evolution::ConfigError>(())
//! ```
//!
//! # One socket for each event
//!
//! The server keeps one socket for an event of an instance. **A second one silently replaces the
//! first**, which stays open, looks healthy and never receives again; nothing on the wire tells the
//! two states apart. So one session holds one event and has one connection at a time, and
//! [`Subscriptions`](codechat::Subscriptions) refuses a pair that is there already. Against a
//! second *process* nothing on this side can help.
//!
//! A wrong event name, a wrong path and a dead token are refused alike, with a bare 401. So names
//! are checked before anything is dialled, and a 401 has another token fetched where there is a
//! [source](codechat::Credentials); without one it is reported each time as `token or event
//! refused`, at the seed's pace of 5 s, for ever. Where the source has none the old token is tried
//! again. The server destroys the connection right after its 401; one that is cut before the 401
//! arrives looks like any lost connection, and the token is kept.
//!
//! # What is guaranteed
//!
//! **At most once, and no word about what was missed.** Neither server acknowledges, numbers or
//! repeats anything: what is sent while nobody is connected is gone. Every reconnect is therefore
//! [`Fresh`](redial_core::Continuity::Fresh), and an [`Item::Gap`](redial_core::Item::Gap) that is
//! never closed says that messages may be missing.
//!
//! # Payloads
//!
//! A payload is the slice of the frame in which it stood, checked to be JSON and not taken apart
//! ([`Json`]). A frame that is no JSON is a [problem](redial_core::Item::Problem) and ends nothing.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod codechat;
mod error;
mod net;
pub mod v2;

pub use codechat::CodeChat;
pub use error::ConfigError;
pub use redial_socketio::{Json, Text};
pub use v2::EvolutionApi;
