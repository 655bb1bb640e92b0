//! REST requests, and the way that each one goes.

use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::fmt;

use bytes::{Bytes, BytesMut};
use redial_core::Path;
use redial_core::http::{HttpRequest, Method};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::body::{self, Body};
use crate::net;

/// A REST request.
///
/// By default it goes over HTTPS. With
/// [`Builder::rest_over_websocket`](crate::Builder::rest_over_websocket) it goes over the socket,
/// unless it is one of those that cannot: everything under `/restapi/oauth/`, bodies that are no
/// JSON, and binary downloads. No caller can force these over the socket.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Request {
    verb: Verb,
    path: String,
    query: Vec<(String, Value)>,
    headers: Vec<(String, String)>,
    body: Payload,
    binary: bool,
}

/// The body of a request.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
enum Payload {
    None,
    Json(Value),
    Raw { kind: String, bytes: Vec<u8> },
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Verb {
    Get,
    Post,
    Put,
    Patch,
    Delete,
}

impl Request {
    /// Makes a request for a path such as `/restapi/v1.0/account/~/extension/~`, with or without a
    /// query.
    #[must_use]
    pub fn new(method: Method, path: impl Into<String>) -> Self {
        let verb = match method {
            Method::Get => Verb::Get,
            Method::Post => Verb::Post,
            Method::Put => Verb::Put,
            Method::Patch => Verb::Patch,
            Method::Delete => Verb::Delete,
        };
        let path = path.into();
        let mut request = Self {
            verb,
            path: path.clone(),
            query: Vec::new(),
            headers: Vec::new(),
            body: Payload::None,
            binary: false,
        };
        if let Some((path, query)) = path.split_once('?') {
            request.path = path.to_string();
            for pair in query.split('&').filter(|pair| !pair.is_empty()) {
                let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
                request = request.query(decoded(key), decoded(value));
            }
        }
        request
    }

    /// Makes a `GET`.
    #[must_use]
    pub fn get(path: impl Into<String>) -> Self {
        Self::new(Method::Get, path)
    }

    /// Makes a `POST` with a JSON body.
    #[must_use]
    pub fn post(path: impl Into<String>, body: Value) -> Self {
        Self::new(Method::Post, path).json(body)
    }

    /// Adds a query parameter: a scalar, or an array, which is sent as one over the socket and as a
    /// repeated parameter over HTTPS. A second value of the same name makes an array.
    #[must_use]
    pub fn query(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        let (name, value) = (name.into(), value.into());
        match self.query.iter_mut().find(|(known, _)| *known == name) {
            Some((_, Value::Array(values))) => values.push(value),
            Some((_, known)) => {
                let first = core::mem::take(known);
                *known = Value::Array([first, value].into());
            }
            None => self.query.push((name, value)),
        }
        self
    }

    /// Adds a header. `Authorization` is the adapter's own and is left out; over HTTPS, headers
    /// that REST APIs do not know are an error of the caller's.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let name = name.into();
        if !name.trim().eq_ignore_ascii_case("authorization") {
            self.headers.push((name, value.into()));
        }
        self
    }

    /// Sets a JSON body. `null` is no body: the gateway refuses it.
    #[must_use]
    pub fn json(mut self, body: Value) -> Self {
        self.body = if body.is_null() { Payload::None } else { Payload::Json(body) };
        self
    }

    /// Sets a body of any other content type, such as `multipart/form-data; boundary=..`. It goes
    /// over HTTPS.
    #[must_use]
    pub fn raw(mut self, content_type: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        self.body = Payload::Raw { kind: content_type.into(), bytes: bytes.into() };
        self
    }

    /// Says that the answer is binary. It goes over HTTPS.
    #[must_use]
    pub const fn binary(mut self) -> Self {
        self.binary = true;
        self
    }

    /// Returns the path.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns the verb.
    #[must_use]
    pub const fn method(&self) -> Method {
        match self.verb {
            Verb::Get => Method::Get,
            Verb::Post => Method::Post,
            Verb::Put => Method::Put,
            Verb::Patch => Method::Patch,
            Verb::Delete => Method::Delete,
        }
    }

    /// Returns the way that this request goes where requests may go over the socket.
    #[must_use]
    pub fn route(&self) -> Path {
        let segments = net::segments(&self.path);
        let starts = |prefix: &[&str]| {
            segments.len() >= prefix.len()
                && segments.iter().zip(prefix).all(|(segment, wanted)| segment == wanted)
        };
        let oauth = starts(&["restapi", "oauth"]);
        let content = segments.iter().any(|segment| segment == "content");
        let json = match &self.body {
            Payload::None => true,
            // The gateway takes objects and texts, and refuses everything else (`WSG-808`).
            Payload::Json(body) => body.is_object() || body.is_string(),
            Payload::Raw { .. } => false,
        };
        let declared = self.headers.iter().find(|(name, _)| is_name(name, "content-type"));
        let declared = declared.is_none_or(|(_, kind)| is_json(kind));
        if oauth || content || self.binary || !json || !declared {
            Path::Http
        } else {
            Path::Socket
        }
    }

    /// Says why this request cannot be sent at all, if it cannot.
    pub(crate) fn fault(&self, way: Path) -> Option<(u16, &'static str)> {
        if !net::is_path(&self.path) {
            return Some((BAD_PATH, "a request's path is no path of the server"));
        }
        let bad = self.headers.iter().any(|(name, value)| {
            let known = way == Path::Socket || known(name).is_some();
            !known || !net::is_header_value(value)
        });
        let kind = match &self.body {
            Payload::Raw { kind, .. } => net::is_header_value(kind),
            Payload::None | Payload::Json(_) => true,
        };
        (bad || !kind).then_some((BAD_HEADER, "a request has a header that cannot be sent"))
    }

    pub(crate) fn weight(&self) -> usize {
        let query: usize =
            self.query.iter().map(|(name, value)| name.len() + body::len(value)).sum();
        let headers: usize =
            self.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        let body = match &self.body {
            Payload::None => 0,
            Payload::Json(body) => body::len(body),
            Payload::Raw { kind, bytes } => kind.len() + bytes.len(),
        };
        self.path.len() + query + headers + body
    }

    /// Writes the frame.
    pub(crate) fn encode(&self, out: &mut BytesMut, id: &str, user_agent: &str) {
        let mut meta = serde_json::Map::new();
        meta.insert("type".into(), "ClientRequest".into());
        meta.insert("messageId".into(), id.into());
        meta.insert("method".into(), self.method().as_str().into());
        meta.insert("path".into(), self.path.as_str().into());
        let mut headers = serde_json::Map::new();
        headers.insert("X-User-Agent".into(), user_agent.into());
        for (name, value) in &self.headers {
            headers.insert(name.clone(), value.as_str().into());
        }
        meta.insert("headers".into(), Value::Object(headers));
        if !self.query.is_empty() {
            let query = self.query.iter().map(|(name, value)| (name.clone(), value.clone()));
            meta.insert("query".into(), Value::Object(query.collect()));
        }
        let body = match &self.body {
            Payload::Json(body) => Some(body),
            Payload::None | Payload::Raw { .. } => None,
        };
        body::write_frame(out, &Value::Object(meta), body);
    }

    /// Makes the exchange.
    pub(crate) fn http(&self, server: &str, access: &str, user_agent: &str) -> HttpRequest {
        let mut url = format!("{server}{}", self.path);
        let mut mark = '?';
        for (name, value) in &self.query {
            let values = match value {
                Value::Array(values) => values.as_slice(),
                value => core::slice::from_ref(value),
            };
            for value in values {
                let text = match value {
                    Value::String(text) => net::encoded(text),
                    value => net::encoded(&value.to_string()),
                };
                url.push_str(&format!("{mark}{}={text}", net::encoded(name)));
                mark = '&';
            }
        }
        let mut headers: Vec<(&'static str, String)> = [
            ("authorization", format!("Bearer {access}")),
            ("x-user-agent", user_agent.to_string()),
        ]
        .into();
        for (name, value) in &self.headers {
            if let Some(name) = known(name) {
                headers.retain(|(own, _)| *own != name);
                headers.push((name, value.clone()));
            }
        }
        let has = |headers: &[(&str, String)], name| headers.iter().any(|(own, _)| *own == name);
        if !has(&headers, "accept") && !self.binary {
            headers.push(("accept", "application/json, */*".to_string()));
        }
        let body = match &self.body {
            Payload::None => Bytes::new(),
            Payload::Json(body) => {
                if !has(&headers, "content-type") {
                    headers.push(("content-type", "application/json".to_string()));
                }
                Bytes::from(body.to_string())
            }
            Payload::Raw { kind, bytes } => {
                headers.retain(|(name, _)| *name != "content-type");
                headers.push(("content-type", kind.clone()));
                Bytes::from(bytes.clone())
            }
        };
        HttpRequest { method: self.method(), url, headers, body }
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method().as_str())
            .field("query", &self.query.len())
            .finish_non_exhaustive()
    }
}

/// The answer to a [`Request`].
#[derive(Clone, PartialEq, Eq)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// The body as it came; empty where there was none. Over the socket a JSON text stands with its
    /// quotes, and what is no JSON as it is.
    pub body: Body,
    /// The way that the request went.
    pub via: Path,
    /// The answer's headers, names in lower case.
    pub headers: Vec<(String, String)>,
}

impl Response {
    /// Returns whether the request has succeeded.
    #[must_use]
    pub const fn is_success(&self) -> bool {
        200 <= self.status && self.status < 300
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("status", &self.status)
            .field("via", &self.via)
            .field("body", &self.body)
            .finish_non_exhaustive()
    }
}

/// [`Fate::Rejected`](redial_core::Fate::Rejected) with this code: the path is no path, or leads
/// away from the server. Nothing was sent.
pub const BAD_PATH: u16 = 1;
/// [`Fate::Rejected`](redial_core::Fate::Rejected) with this code: a header cannot be sent. Nothing
/// was sent.
pub const BAD_HEADER: u16 = 2;

fn decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
}

fn is_name(name: &str, wanted: &str) -> bool {
    name.trim().eq_ignore_ascii_case(wanted)
}

fn is_json(kind: &str) -> bool {
    let kind = kind.split(';').next().unwrap_or_default().trim().to_lowercase();
    kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
}

/// Returns the header that a name stands for; `None` where REST APIs do not know it.
fn known(name: &str) -> Option<&'static str> {
    HEADERS.iter().copied().find(|header| is_name(name, header))
}

const HEADERS: [&str; 12] = [
    "accept",
    "accept-language",
    "content-disposition",
    "content-type",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-unmodified-since",
    "prefer",
    "range",
    "x-request-id",
    "x-user-agent",
];
