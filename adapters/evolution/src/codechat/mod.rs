//! One socket for each event: the protocol of the seed, spoken by CodeChat's server.

mod adapter;
mod config;
mod events;
mod explain;
mod message;
mod policy;
mod subscriptions;
mod token;

pub use adapter::{CodeChat, Cursor, Step};
pub use config::Builder;
pub use events::{EVENTS, SILENT};
pub(crate) use events::{MAX as MAX_EVENT, is_upper_case};
pub use explain::explain;
pub use message::{Event, Message, NotJson, Payload};
pub use policy::{POLICY, Refusal};
pub use subscriptions::{Key, SubscriptionError, Subscriptions};
pub(crate) use token::MAX_INSTANCE;
pub use token::{Credentials, Refresh};
