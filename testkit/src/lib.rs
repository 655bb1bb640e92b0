//! What redial is tested with, for whoever tests a policy, an adapter or a client of their own.
//!
//! - [`conformance`]: one call that tells whether an adapter does what every adapter must.
//! - [`explorer`]: every state that a policy can lead to, every event in each, and what must hold.
//! - [`jitter`]: whether clients that fail together come back apart.
//! - [`scenario`], [`world`] and [`Model`]: histories from bytes, a clock of its own, and a second
//!   opinion about what the machine should do.
//! - [`trace`] and [`replay`]: what a live session recorded, executed again and explained.
//! - `servers` and `proxy`, with the feature `servers`: vendors' simulators, and a TCP proxy that
//!   breaks connections.
//!
//! `examples/new_vendor.rs` in the repository makes an adapter from nothing and tests it.

mod accounts;
pub mod conformance;
pub mod crash;
pub mod explorer;
pub mod jitter;
mod model;
pub mod peer;
#[cfg(feature = "servers")]
pub mod proxy;
mod random;
pub mod replay;
pub mod scenario;
#[cfg(feature = "servers")]
pub mod servers;
pub mod storm;
mod watch;
pub mod world;

pub use accounts::Accounts;
pub use model::Model;
pub use watch::{Breach, Watched};
