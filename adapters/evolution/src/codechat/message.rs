//! What comes and what goes.

use alloc::string::String;
use core::fmt;

use redial_core::Secret;
use redial_socketio::{Json, Text};
use serde::{Deserialize, Serialize};

/// Something for the application.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Message {
    /// An event.
    Event(Event),
    /// The server has replaced the instance's token, because it was asked to. Whoever keeps
    /// tokens keeps this one: only the newest can be replaced again.
    TokenRefreshed(Secret),
}

/// An event. There is no envelope: the frame is the payload, and what it is the socket tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The name, as it was subscribed to.
    pub name: Text,
    /// The payload, as the slice of the frame in which it stood: an object, or an array for
    /// chats, contacts and groups.
    pub body: Json,
}

/// JSON text that goes to the server. The server reads none of it.
///
/// It is proved by being written ([`Proof::Written`](redial_core::Proof::Written)), for nothing
/// ever answers it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Payload(String);

impl Payload {
    /// Takes JSON text.
    ///
    /// # Errors
    ///
    /// Where the text is no JSON.
    pub fn new(text: impl Into<String>) -> Result<Self, NotJson> {
        let text = text.into();
        match serde_json::from_str::<serde::de::IgnoredAny>(&text) {
            Ok(_) => Ok(Self(text)),
            Err(_) => Err(NotJson),
        }
    }

    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The seed, section 2: `ws.send(JSON.stringify({ message: "test data" }))`.
    pub(super) fn test_data() -> Self {
        Self(r#"{"message":"test data"}"#.into())
    }
}

impl TryFrom<String> for Payload {
    type Error = NotJson;

    fn try_from(text: String) -> Result<Self, NotJson> {
        Self::new(text)
    }
}

impl From<Payload> for String {
    fn from(payload: Payload) -> Self {
        payload.0
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Payload({} bytes)", self.0.len())
    }
}

/// A text is no JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotJson;

impl fmt::Display for NotJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the text is no JSON")
    }
}

impl core::error::Error for NotJson {}
