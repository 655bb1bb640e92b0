//! The request of an upgrade: checked first, then written.

use http::{HeaderName, HeaderValue, Uri};
use redial_core::Handshake;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::error::DialError;

/// The bytes of a header's value, checked; `Debug` of this type shows none.
pub(super) type HeaderBytes = HeaderValue;

/// Everything that a dial needs to know, taken out of a [`Handshake`] and found usable.
pub(super) struct Request {
    /// The host without brackets.
    host: String,
    port: u16,
    tls: bool,
    /// Host and port for people.
    peer: String,
    head: Vec<u8>,
    accept: String,
    subprotocols: Vec<&'static str>,
}

impl Request {
    /// Checks `handshake` and writes its head; `extra` are the connector's own headers.
    pub(super) fn new(
        handshake: &Handshake,
        extra: &[(HeaderName, HeaderBytes)],
    ) -> Result<Self, DialError> {
        // The parser's own error could only repeat what is wrong with the URL.
        let uri: Uri =
            handshake.url.parse().map_err(|_| DialError::caller("the URL is invalid"))?;
        let tls = match uri.scheme_str() {
            Some("ws") => false,
            Some("wss") => true,
            _ => return Err(DialError::caller("the URL is neither ws nor wss")),
        };
        let authority = uri.authority().ok_or(DialError::caller("the URL has no host"))?;
        if authority.as_str().contains('@') {
            return Err(DialError::caller("credentials belong into a header, not into the URL"));
        }
        if authority.host().is_empty() {
            return Err(DialError::caller("the URL has no host"));
        }
        let default = if tls { 443 } else { 80 };
        let port = match authority.port() {
            Some(port) => port.as_u16(),
            None if authority.as_str().ends_with(':') => default,
            None if authority.as_str() == authority.host() => default,
            None => return Err(DialError::caller("the port of the URL is invalid")),
        };
        let host = authority.host();
        let key = generate_key();
        let mut headers = merge(handshake, extra)?;
        if !handshake.subprotocols.is_empty() {
            let offer = handshake.subprotocols.join(", ");
            let name = HeaderName::from_static("sec-websocket-protocol");
            headers.insert(0, ("Sec-WebSocket-Protocol".to_owned(), value(&offer)?, name));
        }
        let host_header = if port == default { host.to_owned() } else { format!("{host}:{port}") };
        Ok(Self {
            head: head(&uri, &host_header, &key, &headers),
            host: host.trim_start_matches('[').trim_end_matches(']').to_owned(),
            peer: format!("{host}:{port}"),
            port,
            tls,
            accept: derive_accept_key(key.as_bytes()),
            subprotocols: handshake.subprotocols.clone(),
        })
    }

    /// Returns the host, an IPv6 address without brackets.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    pub(super) const fn port(&self) -> u16 {
        self.port
    }

    pub(super) const fn is_tls(&self) -> bool {
        self.tls
    }

    /// Returns host and port as one text, with brackets around an IPv6 address.
    pub(super) fn peer(&self) -> &str {
        &self.peer
    }

    /// Returns the bytes to write.
    pub(super) fn head(&self) -> &[u8] {
        &self.head
    }

    /// Returns true if `key` is the answer to the key that was sent.
    pub(super) fn is_accepted_by(&self, key: &[u8]) -> bool {
        self.accept.as_bytes() == key
    }

    pub(super) fn subprotocols(&self) -> &[&'static str] {
        &self.subprotocols
    }
}

/// Checks a header that the application adds.
pub(super) fn header(name: &str, value: &str) -> Result<(HeaderName, HeaderBytes), &'static str> {
    let name =
        HeaderName::from_bytes(name.as_bytes()).map_err(|_| "the name of a header is invalid")?;
    if RESERVED.contains(&name.as_str()) {
        return Err("a header of the upgrade itself cannot be set");
    }
    let mut value = HeaderValue::from_str(value).map_err(|_| "the value of a header is invalid")?;
    value.set_sensitive(true);
    Ok((name, value))
}

type Header = (String, HeaderValue, HeaderName);

/// Puts the connector's headers first, without those that the handshake has too.
fn merge(
    handshake: &Handshake,
    extra: &[(HeaderName, HeaderBytes)],
) -> Result<Vec<Header>, DialError> {
    let mut own = Vec::with_capacity(handshake.headers.len());
    for (name, text) in &handshake.headers {
        let (checked, value) = header(name, text).map_err(DialError::caller)?;
        // Some servers want names in the case that a browser writes, so it stays as given.
        own.push(((*name).to_owned(), value, checked));
    }
    let mut all: Vec<Header> = extra
        .iter()
        .filter(|(name, _)| own.iter().all(|(_, _, taken)| taken != name))
        .map(|(name, value)| (capitalised(name.as_str()), value.clone(), name.clone()))
        .collect();
    all.append(&mut own);
    Ok(all)
}

fn value(text: &str) -> Result<HeaderValue, DialError> {
    HeaderValue::from_str(text).map_err(|_| DialError::caller("a subprotocol is invalid"))
}

/// Writes `user-agent` as `User-Agent`, which is what every browser sends.
fn capitalised(name: &str) -> String {
    let mut start = true;
    name.chars()
        .map(|letter| {
            let letter = if start { letter.to_ascii_uppercase() } else { letter };
            start = letter == '-';
            letter
        })
        .collect()
}

fn head(uri: &Uri, host: &str, key: &str, headers: &[Header]) -> Vec<u8> {
    // Everything as it stands in the URL: a percent-encoded byte must arrive as it was written.
    let target = uri.path_and_query().map_or("/", |target| target.as_str());
    let slash = if target.starts_with('/') { "" } else { "/" };
    let mut head = format!(
        "GET {slash}{target} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\n\
         Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n"
    )
    .into_bytes();
    for (name, value, _) in headers {
        head.extend_from_slice(name.as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(b"\r\n");
    head
}

/// What the upgrade itself says, or what would change how long the request is.
const RESERVED: [&str; 9] = [
    "host",
    "connection",
    "upgrade",
    "sec-websocket-version",
    "sec-websocket-key",
    "sec-websocket-protocol",
    "sec-websocket-extensions",
    "content-length",
    "transfer-encoding",
];
