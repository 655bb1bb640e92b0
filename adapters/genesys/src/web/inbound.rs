//! What the server says.

use alloc::string::String;
use core::fmt;

use bytes::Bytes;
use redial_core::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::body::{self, Body};

/// What the application receives unasked.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Message {
    /// The session is configured.
    Session(SessionInfo),
    /// A message of the conversation.
    Structured(Structured),
    /// The conversation has ended: messages are refused until
    /// [`Command::StartNew`](super::Command::StartNew).
    ReadOnly,
    /// The server answered a health check.
    Health,
    /// The session expires soon, unless a message is sent.
    Expiring {
        /// When it expires.
        at: Timestamp,
    },
    /// The session has expired.
    Expired,
    /// The conversation was cleared.
    Cleared,
    /// The server takes this connection away.
    ConnectionClosed {
        /// Why, in the vendor's words.
        reason: Option<String>,
    },
    /// The guest has signed out.
    LoggedOut,
    /// The server refused something that no message of the application's was.
    Error {
        /// The vendor's code.
        code: u16,
        /// What it said.
        body: Body,
    },
    /// A frame of a class that this crate does not take apart.
    Other {
        /// The class, as it stood on the wire.
        class: String,
        /// The frame's body.
        body: Body,
    },
}

/// What the server says about a session.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionInfo {
    /// Whether it began just now.
    pub new_session: bool,
    /// Whether it takes no messages.
    pub read_only: bool,
    /// When it expires, where that is known.
    pub expires_at: Option<Timestamp>,
    /// All of it.
    pub body: Body,
}

impl fmt::Debug for SessionInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionInfo")
            .field("new_session", &self.new_session)
            .field("read_only", &self.read_only)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// A message of the conversation.
#[derive(Clone, PartialEq, Eq)]
pub struct Structured {
    /// Its id: `channel.messageId`, else `id`.
    pub id: Option<String>,
    /// `Text`, `Event`, `Structured`, ...
    pub kind: Option<String>,
    /// What it says, where that is text.
    pub text: Option<String>,
    /// Whether it is the guest's own. The vendor's `Inbound` is seen from the vendor's side.
    pub own: bool,
    /// When it was sent, as it stood on the wire.
    pub time: Option<String>,
    /// Whether it was fetched from the history and not sent by the server.
    pub history: bool,
    /// All of it.
    pub body: Body,
}

impl Structured {
    pub(super) fn new(body: Body, history: bool) -> Self {
        let value = body.value();
        let text = |value: &Value, key| value.get(key)?.as_str().map(String::from);
        let channel = value.get("channel").cloned().unwrap_or_default();
        let found = |key| text(&value, key).filter(|id| !id.is_empty());
        let id = text(&channel, "messageId").filter(|id| !id.is_empty()).or_else(|| found("id"));
        Self {
            id,
            kind: found("type"),
            text: text(&value, "text"),
            own: value.get("direction").and_then(Value::as_str) == Some("Inbound"),
            time: text(&channel, "time"),
            history,
            body,
        }
    }

    /// Returns whether this says that the conversation has ended.
    pub(super) fn ends_conversation(&self) -> bool {
        let value = self.body.value();
        let events = value.get("events").and_then(Value::as_array);
        let disconnects = events.into_iter().flatten().any(|event| {
            event.pointer("/presence/type").and_then(Value::as_str) == Some("Disconnect")
        });
        let read_only = value.pointer("/metadata/readOnly");
        disconnects && read_only.is_some_and(|flag| flag == "true" || flag == true)
    }
}

impl fmt::Debug for Structured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Structured")
            .field("kind", &self.kind)
            .field("own", &self.own)
            .field("history", &self.history)
            .field("body", &self.body)
            .finish_non_exhaustive()
    }
}

/// The echo of a message. Its [`Fate`](redial_core::Fate) follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Echo {
    /// The message as the server has it.
    pub message: Structured,
}

/// A frame of the server.
pub(super) struct Inbound {
    pub(super) class: String,
    pub(super) code: u16,
    pub(super) tracing_id: Option<String>,
    pub(super) body: Body,
    pub(super) is_response: bool,
}

/// Reads a text frame.
///
/// # Errors
///
/// Says what is wrong with it. The text is fixed, so it holds nothing of the frame.
pub(super) fn decode(frame: &Bytes) -> Result<Inbound, &'static str> {
    if !body::is_object(frame) {
        return Err("a frame that is not a JSON object");
    }
    let fields: Fields<'_> =
        serde_json::from_slice(frame).map_err(|_| "a frame that is not a message")?;
    let class = body::string(fields.class).ok_or("a message without a class")?;
    let code = fields.code.map(|raw| body::text(raw).trim().parse::<f64>());
    let code = match code {
        None => 200,
        // The conversion saturates.
        Some(Ok(code)) if !code.is_nan() => code as u16,
        Some(_) => return Err("a message whose code is no number"),
    };
    Ok(Inbound {
        class,
        code,
        tracing_id: body::string(fields.tracing_id),
        body: Body::part(frame, fields.body),
        is_response: body::string(fields.kind).as_deref() == Some("response"),
    })
}

#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(borrow)]
    class: Option<&'a RawValue>,
    #[serde(borrow)]
    code: Option<&'a RawValue>,
    #[serde(borrow, rename = "tracingId")]
    tracing_id: Option<&'a RawValue>,
    #[serde(borrow)]
    body: Option<&'a RawValue>,
}
