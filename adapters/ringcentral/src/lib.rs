//! RingCentral for redial: policy, envelopes, subscriptions and HTTP exchanges as data.
//!
//! [`RingCentral`] is an [`Adapter`](redial_core::Adapter) for the vendor's WebSocket gateway: a
//! [`Session`](redial_core::Session) of `redial-core` drives it, and a driver of any runtime drives
//! the session. Nothing in this crate does IO.
//!
//! ```
//! use redial_core::{Cx, Input, Session, Timestamp};
//! use redial_ringcentral::{Credentials, Request, RingCentral};
//!
//! let credentials = Credentials::Jwt("from the environment".into());
//! let filter = "/restapi/v1.0/account/~/extension/~/message-store";
//! let adapter = RingCentral::builder("client-id", "client-secret", credentials)
//!     .subscribe([filter], None)
//!     .rest_over_websocket(true)
//!     .build()?;
//!
//! let cx = Cx::new(Timestamp::from_millis(0), 0);
//! let nonce = 7; // 128 bits from a source fit for credentials
//! let mut session = Session::new(adapter, nonce);
//! session.handle(cx, Input::Connect);
//! // It goes out after the hello; its answer and its fate are items of the session.
//! let request = Request::get("/restapi/v1.0/account/~/extension/~");
//! let request = session.send(cx, request).expect("room for one request");
//! // The login is the first thing to do.
//! assert!(session.has_effects());
//! # let _ = request;
//! # Ok::<(), redial_ringcentral::ConfigError>(())
//! ```
//!
//! # What is guaranteed
//!
//! - **Tokens.** One OAuth exchange at a time; a 401 leads to one refresh, and a second one to the
//!   application. The answer to a refresh counts although nobody waits for it any more, because it
//!   brings the next refresh token: [`Message::RefreshToken`], [`RingCentral::refresh_token`]. A
//!   wstoken that has opened a connection is never presented again; one whose connection was never
//!   upgraded is kept until it expires. At most five wstokens a minute are asked for, and a 429
//!   silences all sessions that share the [`AuthGroup`].
//! - **Hello.** Nothing is sent before `ConnectionDetails`, and a socket without one is closed. Its
//!   numbers govern the session: how long it can be recovered, when a heartbeat is due, how many
//!   requests may be under way.
//! - **Recovery.** The context token of a session, and only of the last one, is presented within
//!   the server's window, counted from the loss. The server's answer decides whether the session is
//!   the old one. Notifications that come in the same burst as the hello follow it, in order, and
//!   none is told twice.
//! - **Gaps.** [`Message::Gap`] says when notifications are lost
//!   ([`Certainty::Certain`]: there is a new session) or may be ([`Certainty::Possible`]: the
//!   server's buffer was full). It begins with the loss, the first of several. Notifications have no
//!   acknowledgment, so a gap cannot be closed: what it concerns is read anew.
//! - **Requests.** What was under way when the connection was lost ends as
//!   [`Unknown`](redial_core::Fate::Unknown) and is not sent again: that is the application's
//!   decision. A request goes out a second time only where the server refused the access token of
//!   the first. No request that belongs on HTTPS can be forced over the socket; see [`Request`].
//! - **Bad input.** Text that is no envelope, binary frames, answers to nothing: each is a counted
//!   problem or is ignored, and the session goes on.
//!
//! # The vendor's events
//!
//! | in the vendor's SDK | here |
//! | --- | --- |
//! | `newWsc` | [`Message::NewWsc`], at every hello, the first one too |
//! | `connectionReady` | [`Message::ConnectionReady`] |
//! | `autoRecoverSuccess` | [`Message::AutoRecoverSuccess`]; what was missed follows |
//! | `autoRecoverFailed` | [`Message::AutoRecoverFailed`], once the new subscription exists |
//! | `autoRecoverError` | [`Message::AutoRecoverError`], for each attempt that fails and has others after it |
//!
//! Each names its connection and comes after [`Notice::Online`](redial_core::Notice::Online) of it;
//! `autoRecoverError` comes after the attempt.
//!
//! A debug mode shows frames by [`redacted`].
//!
//! # Several subscriptions
//!
//! A session has one subscription; another one replaces it. Several need several sessions, which
//! share what belongs to their account by [`Account`]: one OAuth session and one rate group.
//!
//! # A later process
//!
//! Either stores the session's [`Snapshot`](redial_core::Snapshot), or, as the vendor's SDK does,
//! the token of each `newWsc` and the last [`SubscriptionInfo`], and begins with
//! [`Builder::wsc_token`] and [`Builder::subscribe`]. The gateway recovers a session only for the
//! same OAuth session, so the refresh token belongs to what is stored.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod account;
mod adapter;
mod body;
mod config;
mod cursor;
mod envelope;
mod frames;
mod group;
mod hello;
mod login;
mod message;
mod net;
mod policy;
mod redacted;
mod request;
mod rest;
mod slots;
mod subscription;
mod time;
mod token;

pub use account::Account;
pub use adapter::RingCentral;
pub use body::Body;
pub use config::{Builder, ConfigError, Credentials, PRODUCTION, SANDBOX};
pub use cursor::{Command, Cursor, Step};
pub use group::AuthGroup;
pub use login::{LOGIN, REFRESH, REST, WSTOKEN};
pub use message::{
    Certainty, ConnectionDetails, Gap, Message, Notification, Operation, RestError,
    SubscriptionInfo, Wsc,
};
pub use policy::{PENALTY, POLICY, Refusal};
pub use redacted::redacted;
pub use request::{BAD_HEADER, BAD_PATH, Request, Response};

/// The uuids of the notifications that came last.
type Recent = redial_core::Recent<2048>;
