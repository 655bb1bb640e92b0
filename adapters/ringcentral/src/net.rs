//! What may stand in a URL and in a header.

use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// Returns a server's base address without a slash at its end, if it is one: a scheme, a host, a
/// port perhaps, and nothing else. Credentials go there.
pub(crate) fn base(text: &str) -> Option<&str> {
    let text = text.strip_suffix('/').unwrap_or(text);
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"))?;
    is_host(host).then_some(text)
}

/// Returns whether `text` is the address of a gateway that may be given a token. One without TLS
/// may only where the account's own server has none either.
pub(crate) fn is_gateway(text: &str, plain: bool) -> bool {
    let rest = match (text.strip_prefix("wss://"), text.strip_prefix("ws://")) {
        (Some(rest), _) => rest,
        (None, Some(rest)) if plain => rest,
        (None, _) => return false,
    };
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (host, path) = rest.split_at(end);
    is_host(host)
        && path.len() <= MAX_GATEWAY
        && path.bytes().all(|byte| (b'!'..0x7F).contains(&byte) && byte != b'#')
}

fn is_host(text: &str) -> bool {
    if text.is_empty() || text.len() > MAX_HOST {
        return false;
    }
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((host, port)) if is_address(host) => match (port, port.strip_prefix(':')) {
                ("", _) => return true,
                (_, Some(port)) => (host, Some(port)),
                (_, None) => return false,
            },
            _ => return false,
        },
        None => {
            let (host, port) = match text.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            };
            let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
            if !host.bytes().all(legal) {
                return false;
            }
            (host, port)
        }
    };
    !host.is_empty()
        && port.is_none_or(|port| {
            port.bytes().all(|byte| byte.is_ascii_digit())
                && port.parse::<u16>().is_ok_and(|port| port != 0)
        })
}

fn is_address(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit() || b":.".contains(&byte))
}

/// Returns whether `text` can stand in a header, alone or after a scheme.
pub(crate) fn is_header_value(text: &str) -> bool {
    text.bytes().all(|byte| (b' '..0x7F).contains(&byte))
}

/// Returns whether `text` can be a credential: visible characters and spaces between them, bounded.
pub(crate) fn is_credential(text: &str) -> bool {
    !text.is_empty() && text.len() <= MAX_CREDENTIAL && text.trim() == text && is_header_value(text)
}

/// Writes `text` so that it can stand in a path segment, a query or a form.
pub(crate) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

/// Takes a path apart as a server does that decodes it, drops empty and `.` segments, and goes up
/// at `..`. In lower case: what one server reads as one path, another may too.
pub(crate) fn segments(path: &str) -> Vec<String> {
    let mut decoded = path.to_string();
    // Decoded more than once by a chain of servers.
    for _ in 0..MAX_DECODINGS {
        let next = percent_decode_str(&decoded).decode_utf8_lossy().into_owned();
        if next == decoded {
            break;
        }
        decoded = next;
    }
    let mut segments: Vec<String> = Vec::new();
    for segment in decoded.split(['/', '\\']) {
        // What follows a semicolon is a parameter of the segment.
        let segment = segment.split(';').next().unwrap_or_default().trim();
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            segment => segments.push(segment.to_lowercase()),
        }
    }
    segments
}

/// Returns whether a request may go to this path: it begins with one slash, so that the host before
/// it stays the host, and holds what a URL can hold.
pub(crate) fn is_path(path: &str) -> bool {
    path.starts_with('/')
        && !path.starts_with("//")
        && path.bytes().all(|byte| (b'!'..0x7F).contains(&byte) && !b"\\\"#<>?`".contains(&byte))
}

/// All but what RFC 3986 calls unreserved.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// The longest name that DNS knows, and a port.
const MAX_HOST: usize = 253 + 6;
/// The longest path of a gateway.
const MAX_GATEWAY: usize = 4 << 10;
/// The longest credential: an assertion may be some kilobytes.
const MAX_CREDENTIAL: usize = 16 << 10;
const MAX_DECODINGS: usize = 3;
