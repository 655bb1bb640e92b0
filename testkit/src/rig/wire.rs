//! What a session does, as values to compare.

use bytes::Bytes;
use redial_core::http::HttpRequest;

/// Something that a session did.
///
/// It is for assertions, so `Debug` shows everything, tokens included. Sessions of a rig reach
/// nobody: give them tokens that are good for nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wire {
    /// Asked for an exchange.
    Http {
        /// The verb as it stands on the wire.
        method: &'static str,
        /// The whole URL.
        url: String,
        /// Header names and values.
        headers: Vec<(&'static str, String)>,
        /// The body, empty when there is none.
        body: Bytes,
    },
    /// Gave up an exchange. [`Rig::http`](super::Rig::http) has those that it still waits for.
    Abort,
    /// Dialled this URL. [`Rig::handshake`](super::Rig::handshake) has the rest of the upgrade.
    Dial(String),
    /// Wrote text.
    Text(String),
    /// Wrote bytes.
    Binary(Bytes),
    /// Wrote a ping.
    Ping,
    /// Wrote a pong. Drivers answer pings, so an adapter of no known vendor does.
    Pong,
    /// Wrote the close frame that ends the session, with a code and the adapter's reason.
    Close(u16, &'static str),
    /// Was done with the connection, or the dial, and wants this close code to be sent where there
    /// is one.
    Drop(Option<u16>),
}

impl Wire {
    /// Returns the value of the first header of this name, where it is an exchange.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let Self::Http { headers, .. } = self else { return None };
        headers.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn of(request: &HttpRequest) -> Self {
        Self::Http {
            method: request.method.as_str(),
            url: request.url.clone(),
            headers: request.headers.clone(),
            body: request.body.clone(),
        }
    }

    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::Http { .. } => "an exchange",
            Self::Abort => "to give up an exchange",
            Self::Dial(_) => "a dial",
            Self::Text(_) => "a text frame",
            Self::Binary(_) => "a binary frame",
            Self::Ping => "a ping",
            Self::Pong => "a pong",
            Self::Close(..) => "the close frame",
            Self::Drop(_) => "to drop the connection",
        }
    }
}

/// The first line of a request, more or less: the verb and the whole URL.
pub(super) fn line(request: &HttpRequest) -> String {
    format!("{} {}", request.method.as_str(), request.url)
}

/// What may be shown of a URL: it ends where the query begins.
pub(super) fn place(url: &str) -> &str {
    url.split(['?', '#']).next().unwrap_or_default()
}
