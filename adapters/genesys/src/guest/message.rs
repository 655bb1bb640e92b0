//! What is said, both ways.

use alloc::string::String;
use core::fmt::{self, Write as _};

use bytes::{Bytes, BytesMut};
use redial_core::WireId;
use redial_core::http::HttpResponse;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::body::{self, Body};

/// A text of the guest's. Its proof is the server's `messageReceived`, or the 2xx of a REST send.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Text {
    content: String,
}

impl Text {
    /// Makes a text.
    #[must_use]
    pub fn new(content: impl Into<String>) -> Self {
        Self { content: content.into() }
    }

    /// Returns what it says.
    #[must_use]
    pub fn content(&self) -> &str {
        &self.content
    }

    /// Writes the message: the same object is a frame and the body of a REST send.
    pub(super) fn encode(&self, out: &mut BytesMut, id: WireId) {
        out.extend_from_slice(br#"{"type":"message","content":"#);
        body::write_string(out, &self.content);
        // Writing to memory does not fail.
        let _ = write!(out, r#","messageId":"{}"}}"#, id.as_str());
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Text({} bytes)", self.content.len())
    }
}

/// What the application receives unasked.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Message {
    /// A message of the other side.
    Chat(Chat),
    /// A message of the other side whose `messageId` has come before.
    Duplicate(Chat),
    /// A frame of a type that this crate does not know.
    Other {
        /// The type, as it stood on the wire.
        kind: String,
        /// The whole frame.
        body: Body,
    },
    /// Another conversation has begun: a guest session has an instance of its own, and nothing of
    /// the one before lives on in it.
    Conversation {
        /// The instance.
        instance: String,
        /// The instance before, where there was one.
        previous: Option<String>,
    },
}

/// A message of the other side.
#[derive(Clone, PartialEq, Eq)]
pub struct Chat {
    /// What it says, where that is text.
    pub content: Option<String>,
    /// Its id, where it has one.
    pub message_id: Option<String>,
    /// The whole frame.
    pub body: Body,
}

impl fmt::Debug for Chat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chat").field("body", &self.body).finish_non_exhaustive()
    }
}

/// What a REST send was answered with. Its [`Fate`](redial_core::Fate) follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The status.
    pub status: u16,
    /// Whether the server says that it had this `messageId` already.
    pub duplicate: bool,
    /// The answer's body.
    pub body: Body,
}

impl Receipt {
    pub(super) fn of(answer: HttpResponse) -> Self {
        let body = Body::new(answer.body);
        let duplicate = body.value().get("duplicate").and_then(Value::as_bool);
        Self { status: answer.status, duplicate: duplicate.unwrap_or(false), body }
    }
}

/// A frame of the server.
pub(super) enum Inbound {
    Chat(Chat),
    Ack(String),
    Other { kind: String, body: Body },
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
    let kind = body::string(fields.kind).ok_or("a message without a type")?;
    let message_id = body::string(fields.message_id);
    Ok(match kind.as_str() {
        "message" => {
            let (content, body) = (body::string(fields.content), Body::new(frame.clone()));
            Inbound::Chat(Chat { content, message_id, body })
        }
        "messageReceived" => {
            Inbound::Ack(message_id.ok_or("an acknowledgment without a messageId")?)
        }
        _ => Inbound::Other { kind, body: Body::new(frame.clone()) },
    })
}

#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    #[serde(borrow, rename = "messageId")]
    message_id: Option<&'a RawValue>,
}
