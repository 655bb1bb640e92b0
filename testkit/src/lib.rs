//! Placeholder crate page.

pub mod explorer;
pub mod jitter;
#[cfg(feature = "servers")]
pub mod servers;
pub mod world;
