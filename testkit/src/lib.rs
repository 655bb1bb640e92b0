//! Placeholder crate page.

pub mod explorer;
#[cfg(feature = "servers")]
pub mod servers;
pub mod world;
