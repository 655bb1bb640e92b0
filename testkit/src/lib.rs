//! Placeholder crate page.

mod accounts;
mod chance;
pub mod conformance;
pub mod crash;
pub mod explorer;
pub mod jitter;
mod model;
pub mod peer;
#[cfg(feature = "servers")]
pub mod proxy;
pub mod replay;
pub mod scenario;
#[cfg(feature = "servers")]
pub mod servers;
pub mod storm;
pub mod trace;
mod watch;
pub mod world;

pub use accounts::Accounts;
pub use model::Model;
pub use watch::{Breach, Watched};
