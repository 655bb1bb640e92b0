//! The Genesys simulators, tested by a client that knows nothing of this project.

#![expect(clippy::unwrap_used, reason = "helpers of tests assert by it, too")]

mod client;
mod control;
mod delivery;
mod garbage;
mod guest;
mod replay;
mod web_messaging;
mod web_refusals;
