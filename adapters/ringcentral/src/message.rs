//! What the application is told.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use redial_core::{Cause, ConnId, Secret, Span, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::body::{self, Body};
use crate::net;

/// What the gateway, and the adapter on its behalf, says unasked.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Message {
    /// A notification. One that came before, by its `uuid`, does not come again.
    Notification(Notification),
    /// The hello of a connection.
    ConnectionReady {
        /// The connection.
        conn: ConnId,
        /// What the server says about it.
        details: ConnectionDetails,
    },
    /// `newWsc`: the session has another context token, to be kept for a later process. It comes
    /// with each hello, the first one too, and when the token's sequence rises.
    NewWsc {
        /// The connection.
        conn: ConnId,
        /// The context token.
        wsc: Wsc,
    },
    /// The subscription exists, made anew or restored. Its
    /// [`SubscriptionInfo`] is to be kept for a later process.
    Subscribed {
        /// The connection.
        conn: ConnId,
        /// What the server says about it.
        info: SubscriptionInfo,
        /// Whether it is the one that was there before.
        restored: bool,
    },
    /// The subscription could not be made, restored or ended.
    SubscriptionFailed {
        /// The connection.
        conn: ConnId,
        /// What failed.
        operation: Operation,
        /// The server's answer; `None` where there was none.
        error: Option<RestError>,
        /// Whether it is tried again. Where it is not, the subscription is given up.
        retry: bool,
    },
    /// The subscription was ended, as was asked.
    Revoked {
        /// The connection.
        conn: ConnId,
    },
    /// `autoRecoverSuccess`: the session and its subscription go on, and what was missed follows.
    AutoRecoverSuccess {
        /// The new connection.
        conn: ConnId,
    },
    /// `autoRecoverFailed`: there is a connection, and a new subscription where there was one. What
    /// was sent in between is lost.
    AutoRecoverFailed {
        /// The new connection.
        conn: ConnId,
        /// Why the server did not recover the session, such as `WSG-1003`; `None` where it was not
        /// asked to, or did not say.
        error_code: Option<String>,
    },
    /// `autoRecoverError`: an attempt has not reached the server. More follow.
    AutoRecoverError {
        /// The connection that failed; the one before it where none was begun.
        conn: ConnId,
        /// Why.
        cause: Cause,
    },
    /// Notifications may be missing. Nothing closes this gap: what it concerns is read anew.
    Gap(Gap),
    /// The OAuth session has another refresh token; the one before is dead. It is to be kept for a
    /// later process.
    RefreshToken(Secret),
    /// An `Error` frame that answers no request of this session.
    Error {
        /// The connection.
        conn: ConnId,
        /// What it says.
        error: RestError,
    },
    /// A frame of an unknown type.
    Other {
        /// Its type.
        kind: String,
        /// Its body.
        body: Body,
    },
}

/// A `ServerNotification`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// The identity of this notification; empty where there was none.
    pub uuid: String,
    /// The event filter that it matches, with ids.
    pub event: String,
    /// When the event happened, as the server wrote it.
    pub timestamp: String,
    /// The subscription that it belongs to.
    pub subscription_id: String,
    /// The extension that the subscription belongs to.
    pub owner_id: String,
    /// The whole notification; what the event says is its field `body`.
    pub body: Body,
}

impl Notification {
    pub(crate) fn read(body: Body) -> Option<Self> {
        let bytes = body.as_bytes();
        let object = bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{');
        let fields: Fields<'_> = serde_json::from_slice(bytes).ok().filter(|_| object)?;
        let text = |field: Option<&RawValue>| match field {
            Some(raw) if raw.get().len() <= MAX_TEXT => match serde_json::from_str(raw.get()) {
                Ok(Value::String(text)) => text,
                Ok(Value::Number(number)) => number.to_string(),
                _ => String::new(),
            },
            _ => String::new(),
        };
        Some(Self {
            uuid: text(fields.uuid),
            event: text(fields.event),
            timestamp: text(fields.timestamp),
            subscription_id: text(fields.subscription_id),
            owner_id: text(fields.owner_id),
            body,
        })
    }
}

/// The fields that are read. What the others hold stays where it is, whatever its size.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Fields<'a> {
    #[serde(borrow, default)]
    uuid: Option<&'a RawValue>,
    #[serde(borrow, default)]
    event: Option<&'a RawValue>,
    #[serde(borrow, default)]
    timestamp: Option<&'a RawValue>,
    #[serde(borrow, default)]
    subscription_id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    owner_id: Option<&'a RawValue>,
}

/// What notifications a gap is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The connection after it.
    pub conn: ConnId,
    /// How sure it is that notifications are lost, where there were any.
    pub certainty: Certainty,
    /// When the connection before was lost, and where its peer had fallen silent, when it was last
    /// heard; `None` where that was in another process. Of several losses it is the first.
    pub from: Option<Timestamp>,
    /// When notifications came again.
    pub to: Timestamp,
    /// Why the connection before was lost; `None` where that was in another process.
    pub cause: Option<Cause>,
}

/// How sure it is that notifications are lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Certainty {
    /// The server's buffer was full, so older ones may have been dropped.
    Possible,
    /// The server's buffer is gone with the session.
    Certain,
}

impl Certainty {
    /// Returns the name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Possible => "possible",
            Self::Certain => "certain",
        }
    }
}

/// The context token of a session: who presents it in time gets the session back.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wsc {
    /// The token. It is a secret: it opens the session to whoever has the account's tokens too.
    pub token: String,
    /// Its place among the tokens of a connection.
    pub sequence: u64,
}

impl Wsc {
    /// Reads the field `wsc`; one without a usable token is none.
    pub(crate) fn read(value: &Value) -> Option<Self> {
        let token = value.get("token")?.as_str().filter(|token| net::is_credential(token))?;
        let sequence = value.get("sequence").and_then(body::number);
        Some(Self {
            token: token.to_string(),
            sequence: sequence.map_or(0, |number| number as u64),
        })
    }
}

impl fmt::Debug for Wsc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wsc").field("sequence", &self.sequence).finish_non_exhaustive()
    }
}

/// A subscription, as the server describes it.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SubscriptionInfo(Value);

impl SubscriptionInfo {
    /// Takes what the server, or an earlier process, has described; `None` where it has no id.
    #[must_use]
    pub fn new(value: Value) -> Option<Self> {
        let id = value.get("id")?.as_str()?;
        let good = !id.is_empty() && id.len() <= MAX_ID && net::is_credential(id);
        good.then_some(Self(value))
    }

    /// Returns the subscription's id.
    #[must_use]
    pub fn id(&self) -> &str {
        self.0.get("id").and_then(Value::as_str).unwrap_or_default()
    }

    /// Returns the event filters.
    #[must_use]
    pub fn event_filters(&self) -> Vec<String> {
        let filters = self.0.get("eventFilters").and_then(Value::as_array);
        let filters = filters.into_iter().flatten().filter_map(Value::as_str);
        filters.map(ToString::to_string).collect()
    }

    /// Returns everything that the server has said.
    #[must_use]
    pub const fn value(&self) -> &Value {
        &self.0
    }
}

impl fmt::Debug for SubscriptionInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SubscriptionInfo").field("id", &self.id()).finish_non_exhaustive()
    }
}

/// What was asked of a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// To make it.
    Create,
    /// To restore it, or to change its filters.
    Restore,
    /// To end it.
    Revoke,
}

/// An error of the vendor's.
#[derive(Clone, PartialEq, Eq)]
pub struct RestError {
    /// The HTTP status; 0 where there was none.
    pub status: u16,
    /// The vendor's code, such as `SUB-528`; empty where there was none.
    pub code: String,
    /// The vendor's text.
    pub message: String,
}

impl RestError {
    pub(crate) fn read(status: Option<u16>, body: &Body) -> Self {
        let value = body.bounded();
        let text = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default();
        let text = |key: &str| text(key).chars().take(MAX_TEXT).collect();
        Self { status: status.unwrap_or(0), code: text("errorCode"), message: text("message") }
    }
}

impl fmt::Debug for RestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RestError")
            .field("status", &self.status)
            .field("code", &self.code)
            .finish_non_exhaustive()
    }
}

/// The body of a hello. The numbers are the server's, in its units of seconds turned into spans.
#[derive(Clone, Debug, PartialEq)]
pub struct ConnectionDetails {
    /// The server's time.
    pub creation_time: Option<Timestamp>,
    /// How long the session can be recovered after a loss.
    pub recovery_timeout: Option<Span>,
    /// How many notifications are kept until then.
    pub recovery_buffer_size: Option<u32>,
    /// How long the connection may be without traffic.
    pub idle_timeout: Option<Span>,
    /// How long the connection may last.
    pub absolute_timeout: Option<Span>,
    /// How many requests may be under way.
    pub max_active_requests: Option<u16>,
    /// `Successful`, `Failed`, or nothing.
    pub recovery_state: Option<String>,
    /// Why a recovery has failed.
    pub recovery_error_code: Option<String>,
    /// Everything that the server has said.
    pub body: Body,
}

impl ConnectionDetails {
    pub(crate) fn read(body: Body) -> Self {
        let value = body.bounded();
        let number = |key: &str| value.get(key).and_then(body::number);
        let span = |key: &str| value.get(key).and_then(body::seconds);
        let text = |key: &str| value.get(key).and_then(Value::as_str).map(ToString::to_string);
        let creation_time = text("creationTime").and_then(|text| crate::time::parse(&text));
        Self {
            creation_time,
            recovery_timeout: span("recoveryTimeout"),
            // The conversions saturate.
            recovery_buffer_size: number("recoveryBufferSize").map(|size| size as u32),
            idle_timeout: span("idleTimeout"),
            absolute_timeout: span("absoluteTimeout"),
            max_active_requests: number("maxActiveRequests").map(|most| most as u16),
            recovery_state: text("recoveryState"),
            recovery_error_code: text("recoveryErrorCode"),
            body,
        }
    }

    /// Returns whether the server says that it has recovered the session.
    #[must_use]
    pub fn is_recovered(&self) -> bool {
        self.recovery_state.as_deref() == Some("Successful")
    }
}

const MAX_ID: usize = 256;
const MAX_TEXT: usize = 1024;
