//! Vendor simulators: real servers on the loopback, written without any client code.
//!
//! A simulator is one listener for every HTTP step and the WebSocket, one control endpoint for
//! the fault script, a wire log in which every secret stands as a label, and counters of what it
//! saw. The parts in this module know no vendor; each vendor is a submodule.

pub(crate) mod command;
pub(crate) mod control;
pub mod evolution;
mod fault;
mod form;
pub mod frame;
pub mod genesys;
mod http;
mod hub;
pub(crate) mod listener;
pub mod liveperson;
mod options;
mod random;
pub mod ringcentral;
mod shared;
mod sim;
mod socket;
mod socketio;
mod tls;
mod valve;
pub mod vonage;
mod wire;

pub use fault::{Command, Direction, Refusal, Refused, STEPS, Silence};
pub use options::{Builder, Options, Simulator};
pub use sim::Sim;
pub use wire::WireLog;
