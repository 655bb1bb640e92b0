//! Evolution API v2: Socket.IO namespaces.

mod adapter;
mod config;
mod events;
mod explain;
mod message;
mod policy;

pub use adapter::{Cursor, EvolutionApi};
pub use config::{ApiKey, Builder, KeyPlace, Scope};
pub use events::{EVENTS, GLOBAL_ONLY};
pub use explain::explain;
pub use message::{Event, Nothing};
pub use policy::{POLICY, POLICY_FIXED_KEY, REJOIN, Refusal};
