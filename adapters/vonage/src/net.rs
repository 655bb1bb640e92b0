//! What may stand in a URL and in a header.

use alloc::borrow::ToOwned as _;
use alloc::format;
use alloc::string::{String, ToString as _};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

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

/// Returns whether `text` is a host, with or without a port, and nothing else.
///
/// Credentials go there, so a name that a URL would read in another way (user information, a path,
/// a query, an empty host) is no host.
fn is_host(text: &str) -> bool {
    if text.is_empty() || text.len() > MAX_HOST {
        return false;
    }
    let (host, port, bracketed) = match text.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((host, "")) => (host, None, true),
            Some((host, port)) => match port.strip_prefix(':') {
                Some(port) => (host, Some(port), true),
                None => return false,
            },
            None => return false,
        },
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port), false),
            None => (text, None, false),
        },
    };
    let host_is_good = !host.is_empty()
        && host.bytes().all(|byte| match byte {
            b'.' => true,
            b':' => bracketed,
            b'-' | b'_' => !bracketed,
            byte if bracketed => byte.is_ascii_hexdigit(),
            byte => byte.is_ascii_alphanumeric(),
        });
    let port_is_good = port.is_none_or(|port| {
        port.bytes().all(|byte| byte.is_ascii_digit())
            && port.parse::<u16>().is_ok_and(|port| port != 0)
    });
    host_is_good && port_is_good
}

/// Returns whether `text` can be a path of the socket.
pub(crate) fn is_path(text: &str) -> bool {
    text.starts_with('/')
        && text.len() <= MAX_HOST
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

const MAX_HOST: usize = 300;
const MAX_CREDENTIAL: usize = 16 * 1024;
/// RFC 3986: everything but the unreserved characters.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
