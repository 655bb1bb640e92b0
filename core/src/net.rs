//! What may stand in an address and in a header, for adapters.
//!
//! Credentials go to these addresses and into these headers, and some of them come from a server,
//! from a file or from an application. So what a URL or a header would read in another way is none.

/// Returns whether `text` is a host, with or without a port, and nothing else: a name, an IPv4
/// address, or an IPv6 address in brackets.
///
/// ```
/// use redial_core::net::is_host;
///
/// assert!(is_host("api.example.com") && is_host("127.0.0.1:8084") && is_host("[::1]:443"));
/// assert!(!is_host("user@example.com") && !is_host("example.com/path") && !is_host("host:0"));
/// ```
#[must_use]
pub fn is_host(text: &str) -> bool {
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
    let good = |byte: u8| match byte {
        b'.' => true,
        b':' => bracketed,
        b'-' | b'_' => !bracketed,
        byte if bracketed => byte.is_ascii_hexdigit(),
        byte => byte.is_ascii_alphanumeric(),
    };
    let port_is_good = port.is_none_or(|port| {
        port.len() <= 5
            && port.bytes().all(|byte| byte.is_ascii_digit())
            && port.parse::<u16>().is_ok_and(|port| port != 0)
    });
    !host.is_empty() && host.len() <= MAX_HOST && host.bytes().all(good) && port_is_good
}

/// Returns whether `text` can stand in a header, alone or after a scheme: visible ASCII and spaces.
///
/// ```
/// use redial_core::net::is_header_value;
///
/// assert!(is_header_value("Bearer token") && !is_header_value("token\r\nx: y"));
/// ```
#[must_use]
pub fn is_header_value(text: &str) -> bool {
    text.bytes().all(|byte| (b' '..0x7F).contains(&byte))
}

/// The longest name that DNS knows.
const MAX_HOST: usize = 253;
