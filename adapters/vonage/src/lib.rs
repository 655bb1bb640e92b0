//! Vonage Client SDK sessions for redial, both wire generations: policy, events and HTTP exchanges
//! as data.
//!
//! [`Vonage`] is an [`Adapter`](redial_core::Adapter): a [`Session`](redial_core::Session) of
//! `redial-core` drives it, and a driver of any runtime drives the session. Nothing in this crate
//! does IO. The wire is Socket.IO over WebSocket, spoken by `redial-socketio`.
//!
//! ```
//! use redial_core::{Cx, Effect, Input, Session, Timestamp};
//! use redial_vonage::{Generation, Outgoing, Vonage};
//!
//! let adapter = Vonage::builder(Generation::V2)
//!     .token("a user's JWT".replace(' ', "-").into())
//!     .build()?;
//!
//! let cx = Cx::new(Timestamp::from_millis(0), 0);
//! let nonce = 7; // 128 bits from a source fit for credentials
//! let mut session = Session::new(adapter, nonce);
//! session.handle(cx, Input::Connect);
//! let Some(Effect::Dial { handshake, .. }) = session.poll_effect() else { panic!("a dial") };
//! assert!(handshake.url.starts_with("wss://ws-us.vonage.com/v2/rtc/?token="));
//!
//! // It goes out as soon as the session is confirmed; its end is an item of the session.
//! let text = serde_json::json!({ "text": "Hello" });
//! let text = Outgoing::request("text", text).conversation("CON-1").from("MEM-1");
//! session.send(cx, text).expect("room for one message");
//! # Ok::<(), redial_vonage::ConfigError>(())
//! ```
//!
//! # What is guaranteed
//!
//! **Attempts.** A lost connection is made again after 1, 2, 4, 8 and 16 s, measured from the loss
//! and then from each failure, with the session's id and the token. After the fifth failure the
//! session is suspended until the application connects: one try at once, then five more. While
//! that goes on, or while the session is online, connecting does nothing. [`POLICY`] has the
//! numbers, [`POLICY_SDK`] those of today's SDK.
//!
//! **The session** is online when the server has confirmed it by `session:success`, not before.
//! Its id is compared with the one before: the same is
//! [`Resumed`](redial_core::Continuity::Resumed), another is
//! [`Fresh`](redial_core::Continuity::Fresh), and [`Message::Session`] names both. For 5 minutes
//! from the first loss the same session is asked for. Then
//! [`ResumeExpired`](redial_core::Notice::ResumeExpired) tells that the window has closed, and the
//! next connection begins a new one.
//!
//! **Tokens.** A token that the server has called expired is never presented again. The next
//! attempt waits for another one: from the token source where there is one, else from the
//! application, which is asked by [`Item::TokenNeeded`](redial_core::Item::TokenNeeded). A token
//! that the application gives while the session is online is made known to the server at once
//! ([`Notice::Token`](redial_core::Notice::Token) when it has been taken,
//! [`Notice::TokenFailed`](redial_core::Notice::TokenFailed) when not: the old one stays); at any
//! other time it takes its place in the next attempt and causes none. Where a token source exists,
//! a new token is asked for when four fifths of the life of the old one are over.
//!
//! **Events of the server** are acknowledged before they are looked at, where the server asks for
//! that. Those that come twice say so, and [`Message::Missing`] names those of a conversation that
//! have not come, also across sessions. That events may be missing of which no number speaks,
//! because another session has begun, is what [`Fresh`](redial_core::Continuity::Fresh) says.
//!
//! **Events of the application** are written at most once, in order, unless
//! [`Builder::resend`] says otherwise: no document says that the server knows a repeated `tid`
//! again. The proof is the server's reply, or a Socket.IO acknowledgement. What was written and
//! has no proof when the connection is lost is [`Unknown`](redial_core::Fate::Unknown).
//!
//! # The SDK's callbacks
//!
//! [`Callbacks`] turns the items of a session into the words of the vendor's SDK: `disconnect`
//! with its reason, `reconnecting` with its count, `reconnect`, `ready`, and the error
//! `error:client:reconnection_failed`.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod adapter;
mod callbacks;
mod claims;
mod config;
mod error;
mod inbound;
mod live;
mod message;
mod net;
mod outgoing;
mod policy;
mod renewal;
mod request;
mod seen;
mod tokens;

pub use adapter::{Cursor, Step, Vonage};
pub use callbacks::{Callback, Callbacks, DisconnectReason, RECONNECTION_FAILED};
pub use config::{Builder, Generation};
pub use error::ConfigError;
pub use message::{Event, Message, Reply, SessionInfo};
pub use outgoing::{Command, Outgoing};
pub use policy::{ASKING_PACE, GRACE, LONG_PAUSE, POLICY, POLICY_SDK, RENEWAL_PACE, Refusal};
pub use redial_socketio::{Json, Text};
