//! What the application sends and sets.

use alloc::string::String;
use core::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// An event that the application sends.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outgoing {
    event: String,
    body: Value,
    cid: Option<String>,
    from: Option<String>,
    proof: Kind,
}

/// What shows that the server has an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// Its reply.
    Reply,
    /// Its reply or a Socket.IO acknowledgement, whichever comes first.
    Either,
    /// Nothing.
    Written,
}

impl Outgoing {
    /// Makes a request. Its proof is the server's reply, which is handed to the application.
    #[must_use]
    pub fn request(event: impl Into<String>, body: Value) -> Self {
        Self { event: event.into(), body, cid: None, from: None, proof: Kind::Reply }
    }

    /// Makes an event that asks for a Socket.IO acknowledgement. Its proof is that, or the server's
    /// reply, whichever comes first.
    #[must_use]
    pub fn event(event: impl Into<String>, body: Value) -> Self {
        Self { proof: Kind::Either, ..Self::request(event, body) }
    }

    /// Names the conversation.
    #[must_use]
    pub fn conversation(mut self, cid: impl Into<String>) -> Self {
        self.cid = Some(cid.into());
        self
    }

    /// Names the member of the conversation who speaks.
    #[must_use]
    pub fn from(mut self, member: impl Into<String>) -> Self {
        self.from = Some(member.into());
        self
    }

    /// Waits for no proof: the event counts as arrived when it has been handed to the socket.
    #[must_use]
    pub const fn unproved(mut self) -> Self {
        self.proof = Kind::Written;
        self
    }

    /// Returns the event's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.event
    }

    pub(crate) const fn kind(&self) -> Kind {
        self.proof
    }

    pub(crate) fn envelope<'a>(&'a self, tid: &'a str) -> Envelope<'a> {
        Envelope { body: &self.body, tid, cid: self.cid.as_deref(), from: self.from.as_deref() }
    }

    pub(crate) fn weight(&self) -> usize {
        let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        self.event.len() + text(&self.cid) + text(&self.from) + measure(&self.body)
    }
}

impl fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outgoing").field("event", &self.event).finish_non_exhaustive()
    }
}

/// The one argument of an event, in the order of the SDK.
#[derive(Serialize)]
pub(crate) struct Envelope<'a> {
    body: &'a Value,
    tid: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    cid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<&'a str>,
}

impl<'a> Envelope<'a> {
    /// Makes the argument of an event of our own.
    pub(crate) const fn new(body: &'a Value, tid: &'a str) -> Self {
        Self { body, tid, cid: None, from: None }
    }
}

/// What the application sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Command {
    /// Ends the session on the server, which answers; the session then stops. Where the connection
    /// ends instead, it stops as soon as the next one is open, and asks for no other session. While
    /// the session is not online it does nothing: there is nobody to tell.
    Logout,
}

/// Returns the length of a value as JSON, more or less, without writing it.
fn measure(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) => 5,
        Value::Number(_) => 20,
        Value::String(text) => text.len() + 2,
        Value::Array(values) => values.iter().map(|value| measure(value) + 1).sum::<usize>() + 2,
        Value::Object(fields) => {
            fields.iter().map(|(key, value)| key.len() + measure(value) + 4).sum::<usize>() + 2
        }
    }
}
