//! What may stand in a URL and in a header.

use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
pub(crate) use redial_core::net::is_header_value;
use redial_core::net::is_host;

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
/// The longest path of a gateway.
const MAX_GATEWAY: usize = 4 << 10;
/// The longest credential: an assertion may be some kilobytes.
const MAX_CREDENTIAL: usize = 16 << 10;
const MAX_DECODINGS: usize = 3;
