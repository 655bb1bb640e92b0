//! HTTP exchanges as data: the session asks, a driver performs, the answer comes back as an input.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use bytes::Bytes;

use crate::time::{Span, Timestamp};

/// The verb of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// `GET`
    Get,
    /// `POST`
    Post,
    /// `PUT`
    Put,
    /// `PATCH`
    Patch,
    /// `DELETE`
    Delete,
}

impl Method {
    /// Returns the verb as it stands on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
}

/// A request that a driver performs.
///
/// URL, header values and body may hold secrets, so `Debug` shows none of them.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpRequest {
    /// The verb.
    pub method: Method,
    /// The whole URL, with scheme and query.
    pub url: String,
    /// Header names and values.
    pub headers: Vec<(&'static str, String)>,
    /// The body, empty when there is none.
    pub body: Bytes,
}

impl fmt::Debug for HttpRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpRequest")
            .field("method", &self.method.as_str())
            .field("headers", &self.headers.len())
            .field("body_len", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// An answer to an [`HttpRequest`].
///
/// Header values and body may hold secrets, so `Debug` shows none of them.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpResponse {
    /// The status code.
    pub status: u16,
    /// Header names in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// The body, bounded by whoever performed the exchange.
    pub body: Bytes,
    /// What `Retry-After` asked for, resolved by whoever performed the exchange: an HTTP date is
    /// taken against the answer's own `Date` header when it has one.
    pub retry_after: Option<Span>,
}

impl HttpResponse {
    /// Returns the value of the first header with this lower-case name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

impl fmt::Debug for HttpResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpResponse")
            .field("status", &self.status)
            .field("headers", &self.headers.len())
            .field("body_len", &self.body.len())
            .field("retry_after", &self.retry_after)
            .finish()
    }
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NoAnswer {
    /// The transfer failed, or the answer was not HTTP. The server may have had the request.
    Network,
    /// Name resolution, TCP or TLS failed: the server has not had the request.
    Unreached,
    /// The exchange did not end in its time.
    Timeout,
}

/// How an exchange ended.
pub type HttpResult = Result<HttpResponse, NoAnswer>;

/// Turns a `Retry-After` header into the span it asks for.
///
/// Seconds are taken as they are. An HTTP date is taken against `date`, the answer's own `Date`
/// header, and against `now` where there is none; a date that has passed asks for no wait. What
/// cannot be read asks for nothing.
#[must_use]
pub fn retry_after(value: &str, date: Option<&str>, now: Timestamp) -> Option<Span> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        let secs = value.parse::<u64>().unwrap_or(u64::MAX);
        return Some(Span::saturating_from_millis(secs.saturating_mul(1000)));
    }
    let at = crate::http_date::parse(value)?;
    let now = date.and_then(|date| crate::http_date::parse(date.trim())).unwrap_or(now);
    Some(at.since(now))
}
