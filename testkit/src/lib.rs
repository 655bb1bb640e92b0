//! Placeholder crate page.

#[cfg(feature = "servers")]
pub mod servers;
