//! Guest sessions: how they are made and how long they serve.

use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use redial_core::http::{HttpRequest, HttpResponse, Method};
use redial_core::{Secret, Span, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::config::{Builder, Credentials};
use crate::{body, net};

/// A guest session: an instance and the token that opens it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Guest {
    pub(super) instance: String,
    pub(super) token: String,
    /// When it expires, in milliseconds since the Unix epoch, where that is known.
    pub(super) expires_at: Option<u64>,
}

impl Guest {
    /// Reads what guest creation answers with.
    pub(super) fn parse(answer: &[u8], now: Timestamp) -> Option<Self> {
        let fields: Value = serde_json::from_slice(answer).ok()?;
        let text = |key| fields.get(key)?.as_str().filter(|text| net::is_credential(text));
        let expires_in = fields.get("expiresIn").and_then(body::number);
        Some(Self {
            instance: text("webchatInstanceId")?.to_string(),
            token: text("token")?.to_string(),
            expires_at: expires_in
                .map(|secs| now.as_millis().saturating_add(secs.saturating_mul(1000))),
        })
    }

    /// Returns how long the session lives from now on; `None`: the answer did not say, so only
    /// the server knows.
    pub(super) fn life(&self, now: Timestamp) -> Option<Span> {
        Some(Timestamp::from_millis(self.expires_at?).since(now))
    }
}

impl fmt::Debug for Guest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guest").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

impl Builder {
    /// The request that makes a guest session; `None` where the application makes them.
    pub(super) fn create(&self, oauth: Option<&Secret>) -> Option<HttpRequest> {
        let credential = match (&self.credentials, oauth) {
            (Credentials::ApiKey(key), _) => ("api_key", key.expose().to_string()),
            (Credentials::OAuth(_) | Credentials::Ask, Some(oauth)) => {
                ("authorization", format!("Bearer {}", oauth.expose()))
            }
            (Credentials::OAuth(_) | Credentials::Ask | Credentials::Backend, _) => return None,
        };
        let guest = json!({
            "email": self.email,
            "firstName": self.first_name,
            "lastName": self.last_name,
        });
        let body = json!({ "guest": guest }).to_string();
        Some(self.post("guests", credential, body.into()))
    }

    /// The request that sends a message by REST.
    pub(super) fn send(&self, guest: &Guest, body: Bytes) -> HttpRequest {
        let path = format!("instances/{}/messages", net::encoded(&guest.instance));
        self.post(&path, ("authorization", format!("Bearer {}", guest.token)), body)
    }

    /// The address of an instance's socket.
    pub(super) fn socket(&self, guest: &Guest) -> String {
        let scheme = if self.plain { "ws" } else { "wss" };
        let (org, instance) = (&self.org, net::encoded(&guest.instance));
        format!("{scheme}://{org}/api/v2/webchat/instances/{instance}/websocket")
    }

    fn post(&self, path: &str, credential: (&'static str, String), body: Bytes) -> HttpRequest {
        let scheme = if self.plain { "http" } else { "https" };
        let headers: Vec<_> = [
            ("content-type", "application/json".to_string()),
            credential,
            ("user-agent", self.user_agent.clone()),
        ]
        .into();
        let url = format!("{scheme}://{}/api/v2/webchat/{path}", self.org);
        HttpRequest { method: Method::Post, url, headers, body }
    }
}

/// Returns whether a token is a JWT whose `exp` has passed. Any other text is no such thing.
pub(super) fn is_expired(token: &Secret, now: Timestamp) -> bool {
    let mut parts = token.expose().split('.');
    let (Some(_), Some(claims), Some(_), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    let claims = URL_SAFE_NO_PAD.decode(claims.trim_end_matches('=')).ok();
    let claims = claims.and_then(|claims| serde_json::from_slice::<Value>(&claims).ok());
    let exp = claims.as_ref().and_then(|claims| claims.get("exp")).and_then(body::number);
    exp.is_some_and(|exp| exp.saturating_mul(1000) <= now.as_millis())
}

/// Returns the wait that an answer asks for.
pub(super) fn wait_of(answer: &HttpResponse, default: Span) -> Span {
    answer.retry_after.unwrap_or(default)
}

/// The guide, "401 Unauthorized on Guest Creation".
pub(super) const MIN_OAUTH: usize = 10;
