//! What may stand in a URL and in a header.

use alloc::string::{String, ToString as _};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
pub(crate) use redial_core::net::{is_header_value, is_host};

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
/// The longest credential that servers have room for in a header.
const MAX_CREDENTIAL: usize = 8 << 10;
