//! The guest chat API: `/api/v2/webchat/guests` and the instances that it makes.

mod adapter;
mod answer;
mod config;
mod explain;
mod message;
mod policy;
mod session;

pub use adapter::{Cursor, GuestChat, Step};
pub use config::{Builder, Credentials, SocketAuth};
pub use explain::explain;
pub use message::{Chat, Message, Receipt, Text};
pub use policy::{POLICY, RETRIES, RETRY_AFTER, Refusal, TTL};
