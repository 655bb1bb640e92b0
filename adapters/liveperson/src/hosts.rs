//! The domain lookup: which host serves what.

use alloc::borrow::ToOwned;
use alloc::string::String;

use redial_core::Timestamp;
use serde_json::Value;

use crate::codec;

/// The hosts that a lookup named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hosts {
    /// Serves login and refresh; a ready-made bearer needs neither.
    pub(crate) login: Option<String>,
    /// Serves the WebSocket.
    pub(crate) messaging: String,
    /// Until when another lookup would be a waste.
    pub(crate) until: Timestamp,
}

impl Hosts {
    /// Reads the answer to a lookup: a list of services, or one service.
    pub(crate) fn parse(body: &[u8], service: Option<&str>, until: Timestamp) -> Option<Self> {
        let mut answer: Value = serde_json::from_slice(body).ok()?;
        let entries = match answer.get_mut("baseURIs") {
            Some(entries) => codec::list(entries.take()),
            None => codec::list(answer),
        };
        let names: &[&str] = match &service {
            Some(service) => core::slice::from_ref(service),
            None => &MESSAGING,
        };
        let messaging = names.iter().find_map(|name| find(&entries, name))?.to_owned();
        let login = find(&entries, LOGIN).map(ToOwned::to_owned);
        Some(Self { login, messaging, until })
    }
}

/// Returns whether `text` is a host, with or without a port, and nothing else.
///
/// Credentials go there, so a name that a URL would read in another way (user information, a path,
/// a query, an empty host) is no host.
pub(crate) fn is_host(text: &str) -> bool {
    if text.is_empty() || text.len() > MAX_HOST {
        return false;
    }
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((host, "")) => (host, None),
            Some((host, port)) => match port.strip_prefix(':') {
                Some(port) => (host, Some(port)),
                None => return false,
            },
            None => return false,
        },
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let bracketed = text.starts_with('[');
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

fn find<'a>(entries: &'a [Value], service: &str) -> Option<&'a str> {
    let entry = entries.iter().find(|entry| {
        entry.get("service").and_then(Value::as_str) == Some(service)
            && entry.get("baseURI").and_then(Value::as_str).is_some_and(is_host)
    });
    entry?.get("baseURI")?.as_str()
}

/// SDK 1.4.5 and later use the first, earlier ones the second.
const MESSAGING: [&str; 2] = ["facadeMsg", "asyncMessagingEnt"];
const LOGIN: &str = "agentVep";
/// The longest name that DNS knows, and a port.
const MAX_HOST: usize = 253 + 6;
