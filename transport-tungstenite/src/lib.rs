//! Drives a redial session on tokio and tungstenite.
#![forbid(unsafe_code)]

mod connector;
mod error;

pub use connector::{Connector, ConnectorBuilder, Deadlines, NetStream, Permit, Socket};
pub use error::{ConnectorError, DialError, Stage};
