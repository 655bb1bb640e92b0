//! Integration tests.

mod accounts;
#[cfg(feature = "servers")]
mod client;
mod conformance;
mod crash;
mod explain;
mod explorer;
mod faults;
mod faulty;
mod fleet;
mod histories;
mod jitter;
mod policies;
#[rustfmt::skip]
mod printed;
mod recorder;
mod rig;
mod scenario;
mod shipped;
mod storm;
mod toy;
mod world;

#[cfg(feature = "servers")]
mod evolution_sim;
#[cfg(feature = "servers")]
mod genesys_sim;
#[cfg(feature = "servers")]
mod liveperson_sim;
#[cfg(feature = "servers")]
mod proxy;
#[cfg(feature = "servers")]
mod ringcentral_sim;
#[cfg(feature = "servers")]
mod vonage_sim;
