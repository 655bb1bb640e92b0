//! The domain lookup: which host serves what.

use alloc::borrow::ToOwned;
use alloc::string::String;

use redial_core::Timestamp;
use redial_core::net::is_host;
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
