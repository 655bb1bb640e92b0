//! What may stand in a URL and in a header.

use alloc::string::{String, ToString as _};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Returns whether `text` is a host, with or without a port, and nothing else.
///
/// Credentials go there, so a name that a URL would read in another way (user information, a path,
/// a query, an empty host) is no host.
pub(crate) fn is_host(text: &str) -> bool {
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

/// Returns whether `text` can stand in a header, alone or after a scheme.
pub(crate) fn is_header_value(text: &str) -> bool {
    text.bytes().all(|byte| (b' '..0x7F).contains(&byte))
}

/// Returns whether `text` can be a credential in a header: visible characters, bounded.
pub(crate) fn is_credential(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= MAX_CREDENTIAL
        && text.bytes().all(|byte| (b'!'..0x7F).contains(&byte))
}

/// Writes `text` so that it can stand in a path segment or a query.
pub(crate) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

/// All but what RFC 3986 calls unreserved.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// The longest name that DNS knows, and a port.
const MAX_HOST: usize = 253 + 6;
/// The longest credential that servers have room for in a header.
const MAX_CREDENTIAL: usize = 8 << 10;
