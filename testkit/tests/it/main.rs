//! Integration tests.

#[cfg(feature = "servers")]
mod liveperson_sim;
