//! Placeholder crate page.

mod chance;
pub mod conformance;
pub mod explorer;
pub mod jitter;
mod model;
#[cfg(feature = "servers")]
pub mod proxy;
pub mod scenario;
#[cfg(feature = "servers")]
pub mod servers;
mod watch;
pub mod world;

pub use model::Model;
pub use watch::{Breach, Watched};
