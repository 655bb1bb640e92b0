//! Addresses, and what may stand in them.

use alloc::borrow::ToOwned as _;
use alloc::format;
use alloc::string::{String, ToString as _};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use redial_core::net::is_host;

/// Where a server is: host, port and perhaps the path of a reverse proxy.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Base {
    plain: bool,
    authority: String,
    /// Empty, or with a slash before it and none after it.
    path: String,
}

impl Base {
    /// Reads `ws`, `wss`, `http` or `https` with a host and perhaps a port and a path. User
    /// information, a query and a fragment have no place there.
    pub(crate) fn parse(url: &str) -> Option<Self> {
        if url.len() > MAX_URL {
            return None;
        }
        let (scheme, rest) = url.split_once("://")?;
        let plain = match scheme {
            "ws" | "http" => true,
            "wss" | "https" => false,
            _ => return None,
        };
        let (authority, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, ""),
        };
        let path = path.trim_end_matches('/');
        (is_host(authority) && is_path(path)).then(|| Self {
            plain,
            authority: authority.to_owned(),
            path: path.to_owned(),
        })
    }

    /// Returns the same server without the end of its path, where the path ends so.
    pub(crate) fn without(mut self, end: &str) -> Self {
        if let Some(rest) = self.path.strip_suffix(end) {
            self.path.truncate(rest.len());
        }
        self
    }

    /// Returns host and port.
    pub(crate) fn authority(&self) -> &str {
        &self.authority
    }

    /// Returns the address of a WebSocket. `path` begins with a slash.
    pub(crate) fn ws(&self, path: &str) -> String {
        let scheme = if self.plain { "ws" } else { "wss" };
        format!("{scheme}://{}{}{path}", self.authority, self.path)
    }

    /// Returns the address of an HTTP resource. `path` begins with a slash.
    pub(crate) fn http(&self, path: &str) -> String {
        let scheme = if self.plain { "http" } else { "https" };
        format!("{scheme}://{}{}{path}", self.authority, self.path)
    }
}

/// Writes `text` as `encodeURIComponent` does, so that it can stand in a query or a path segment.
pub(crate) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

/// Returns whether `text` can be a credential: visible characters, bounded.
pub(crate) fn is_credential(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= MAX_CREDENTIAL
        && text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn is_path(text: &str) -> bool {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~%+=".contains(&byte);
    text.bytes().all(good)
}

/// What `encodeURIComponent` leaves as it is.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'!')
    .remove(b'~')
    .remove(b'*')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')');
const MAX_URL: usize = 2048;
/// More than servers take in a request's first line.
const MAX_CREDENTIAL: usize = 8 << 10;
