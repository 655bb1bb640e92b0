//! What the application sends and sets.

use alloc::string::{String, ToString as _};
use core::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// A message of the guest's. Its proof is its echo.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outgoing {
    message: Value,
    attributes: Option<Map<String, Value>>,
    typing: bool,
}

impl Outgoing {
    /// Makes a text. The service takes up to 4096 bytes.
    #[must_use]
    pub fn text(text: &str) -> Self {
        Self::raw(json!({ "type": "Text", "text": text }))
    }

    /// Says that the guest is typing. It has no proof and is not kept for long.
    #[must_use]
    pub fn typing() -> Self {
        let typing = json!({ "eventType": "Typing", "typing": { "type": "On" } });
        Self { typing: true, ..Self::event(&typing) }
    }

    /// Opens the conversation without a text.
    #[must_use]
    pub fn join() -> Self {
        Self::event(&json!({ "eventType": "Presence", "presence": { "type": "Join" } }))
    }

    /// Clears the conversation.
    #[must_use]
    pub fn clear() -> Self {
        Self::event(&json!({ "eventType": "Presence", "presence": { "type": "Clear" } }))
    }

    /// Makes any other message: the value of the request's `message`.
    #[must_use]
    pub const fn raw(message: Value) -> Self {
        Self { message, attributes: None, typing: false }
    }

    /// Adds custom attributes. The service takes up to 2048 bytes; where it refuses them (4013),
    /// the message is sent without.
    #[must_use]
    pub fn with_attributes(mut self, attributes: Map<String, Value>) -> Self {
        self.attributes = Some(attributes);
        self
    }

    fn event(event: &Value) -> Self {
        Self::raw(json!({ "type": "Event", "events": [event] }))
    }

    pub(super) const fn is_typing(&self) -> bool {
        self.typing
    }

    pub(super) const fn has_attributes(&self) -> bool {
        self.attributes.is_some()
    }

    /// Returns the length of the text, where this is one.
    pub(super) fn text_len(&self) -> usize {
        self.message.get("text").and_then(Value::as_str).map_or(0, str::len)
    }

    /// Returns the request's `message`.
    pub(super) fn message(&self, bare: bool) -> Value {
        let mut message = self.message.clone();
        if let (Value::Object(fields), Some(attributes), false) =
            (&mut message, &self.attributes, bare)
        {
            let metadata = json!({ "customAttributes": attributes });
            fields.insert("channel".to_string(), json!({ "metadata": metadata }));
        }
        message
    }

    pub(super) fn weight(&self) -> usize {
        let attributes =
            self.attributes.as_ref().map_or(0, |attributes| json!(attributes).to_string().len());
        self.message.to_string().len() + attributes
    }
}

impl fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Outgoing(..)")
    }
}

/// What the application sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Command {
    /// Ask the server whether the session lives. At most every 30 s; earlier ones wait.
    HealthCheck,
    /// End the conversation that there is and begin a new one: the way out of a read-only one.
    StartNew,
    /// End the session on the server, for this connection or for all.
    CloseSession {
        /// Whether the session's other connections end, too.
        all: bool,
    },
}
