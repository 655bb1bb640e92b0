//! The Web Messaging guest API: `wss://webmessaging.<domain>/v1`.

mod adapter;
mod answer;
mod config;
mod expiry;
mod gap;
mod inbound;
mod limiter;
mod outgoing;
mod policy;
mod request;

pub use adapter::{Cursor, WebMessaging};
pub use config::{Builder, Health, session_token};
pub use gap::Step;
pub use inbound::{Echo, Message, SessionInfo, Structured};
pub use outgoing::{Command, Outgoing};
pub use policy::{
    EXPIRY_NOTICE, HEALTH_COOL_DOWN, MAX_TEXT, MESSAGES_PER_SECOND, POLICY, REQUESTS_PER_MINUTE,
    RETRY_AFTER, Refusal,
};
