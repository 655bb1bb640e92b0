//! A WebSocket session as pure functions.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod cause;
mod handshake;
pub mod http;
mod http_date;
mod id;
mod secret;
mod time;

pub use cause::{Cause, Wait};
pub use handshake::Handshake;
pub use id::{ConnId, HttpId, MessageId, TokenId};
pub use secret::Secret;
pub use time::{Cx, Span, Speed, Timestamp};
