//! Genesys for redial, in two profiles: policies, codecs and HTTP exchanges as data.
//!
//! - [`GuestChat`], the default: the guest chat API of the tutorial "Implementing Resilient
//!   WebSocket Reconnection in Genesys Cloud Web Messaging Clients". A guest session is made by
//!   REST; messages go over the instance's socket and, when they are sent again, by REST.
//! - [`WebMessaging`]: the Web Messaging guest API, `wss://webmessaging.<domain>/v1`.
//!
//! Each is an [`Adapter`](redial_core::Adapter): a [`Session`](redial_core::Session) of
//! `redial-core` drives it, and a driver of any runtime drives the session. Nothing in this crate
//! does IO.
//!
//! ```
//! use redial_core::{Cx, Input, Session, Timestamp};
//! use redial_genesys::GuestChat;
//! use redial_genesys::guest::{Credentials, Text};
//!
//! let credentials = Credentials::OAuth("from the environment".into());
//! # let credentials = Credentials::OAuth("an-oauth-bearer".into());
//! let adapter = GuestChat::builder("your-org.mypurecloud.com", credentials).build()?;
//!
//! let cx = Cx::new(Timestamp::from_millis(0), 0);
//! let nonce = 7; // 128 bits from a source fit for credentials
//! let mut session = Session::new(adapter, nonce);
//! session.handle(cx, Input::Connect);
//! // It goes out as soon as the socket is open; its end is an item of the session.
//! let message = session.send(cx, Text::new("Hello Genesys Cloud")).expect("room for one message");
//! // The guest session is the first thing to make.
//! assert!(session.has_effects());
//! # let _ = message;
//! # Ok::<(), redial_genesys::ConfigError>(())
//! ```
//!
//! # What is guaranteed
//!
//! **Guest chat: at least once, keyed by `messageId`**, in the order in which messages were
//! accepted. Exactly once holds only where the server knows a `messageId` again. A message keeps
//! its id on both paths and over restarts; one that may have arrived more than once is
//! told by [`Settled::may_be_duplicate`](redial_core::Settled::may_be_duplicate). Every message ends in one
//! [`Fate`](redial_core::Fate).
//!
//! A new guest session is another conversation, and
//! [`Message::Conversation`](guest::Message::Conversation) says so. What may have arrived in the
//! old one is sent again in the new one, as the guide does, unless
//! [`Builder::carry_over`](guest::Builder::carry_over) says otherwise.
//!
//! **Web Messaging: at most once**, by default: the service has no known idempotency, so what was
//! written before the connection was lost is not written again. Its fate is
//! [`Unknown`](redial_core::Fate::Unknown), and the history that is fetched after the reconnect
//! shows whether it arrived. The service promises no order.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod body;
mod error;
pub mod guest;
mod net;
pub mod web;

pub use body::Body;
pub use error::ConfigError;
pub use guest::GuestChat;
pub use web::WebMessaging;

/// The ids of the messages that came last.
type Recent = redial_core::Recent<512>;
