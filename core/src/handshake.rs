//! What a driver needs to dial.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// The WebSocket upgrade that a driver performs.
///
/// URL and header values may hold secrets, so `Debug` shows none of them.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Handshake {
    /// The whole URL, `ws` or `wss`.
    pub url: String,
    /// Extra header names and values, `Origin` among them.
    pub headers: Vec<(&'static str, String)>,
    /// The subprotocols to offer. An answer that names any other is an error.
    pub subprotocols: Vec<&'static str>,
}

impl fmt::Debug for Handshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handshake")
            .field("headers", &self.headers.len())
            .field("subprotocols", &self.subprotocols)
            .finish_non_exhaustive()
    }
}
