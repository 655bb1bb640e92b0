//! What may stand in a URL and in a header.

use alloc::borrow::ToOwned as _;
use alloc::format;
use alloc::string::{String, ToString as _};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use redial_core::net::is_host;

/// A scheme, a host and perhaps a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Base {
    plain: bool,
    host: String,
}

impl Base {
    /// Reads `http://host:port` and the like; the socket's schemes mean the same.
    pub(crate) fn parse(url: &str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let plain = match scheme.to_ascii_lowercase().as_str() {
            "http" | "ws" => true,
            "https" | "wss" => false,
            _ => return None,
        };
        let host = rest.strip_suffix('/').unwrap_or(rest);
        is_host(host).then(|| Self { plain, host: host.to_owned() })
    }

    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    pub(crate) fn http(&self) -> String {
        format!("{}://{}", if self.plain { "http" } else { "https" }, self.host)
    }

    pub(crate) fn ws(&self) -> String {
        format!("{}://{}", if self.plain { "ws" } else { "wss" }, self.host)
    }
}

/// Returns whether `text` can be a path of the socket.
pub(crate) fn is_path(text: &str) -> bool {
    text.starts_with('/')
        && text.len() <= MAX_PATH
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/._-~".contains(&byte))
}

/// Returns whether `text` can be a credential: visible characters, bounded.
pub(crate) fn is_credential(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= MAX_CREDENTIAL
        && text.bytes().all(|byte| (b'!'..0x7F).contains(&byte))
}

/// Writes `text` so that it can stand in a path segment or a query.
pub(crate) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

const MAX_PATH: usize = 300;
const MAX_CREDENTIAL: usize = 16 * 1024;
/// RFC 3986: everything but the unreserved characters.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
