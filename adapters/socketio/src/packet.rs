//! Socket.IO packets.

use core::fmt::{self, Write as _};

use bytes::{BufMut as _, Bytes, BytesMut};
use redial_core::Frame;

use crate::{Args, Event, Generation, Json, Text};

/// A Socket.IO packet with all of its attachments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// The namespace that it belongs to.
    pub namespace: Namespace,
    /// What it says.
    pub content: Content,
}

/// What a packet says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// CONNECT: a namespace is asked for, or confirmed.
    Connect {
        /// The query after the namespace, without the question mark. Older clients only.
        query: Option<Query>,
        /// What a newer client says to be let in, or what a newer server answers.
        payload: Option<Json>,
    },
    /// DISCONNECT: a namespace is left, or taken away.
    Disconnect,
    /// EVENT, or BINARY_EVENT where there are attachments.
    Event {
        /// Under what id it wants an acknowledgement.
        ack: Option<u64>,
        /// The event.
        event: Event,
    },
    /// ACK, or BINARY_ACK where there are attachments.
    Ack {
        /// The id of the event.
        id: u64,
        /// The answer.
        args: Args,
    },
    /// CONNECT_ERROR, or the ERROR of an older server: a namespace is refused.
    Refused(Refusal),
}

impl Packet {
    /// Appends the text frame of this packet, Engine.IO type and all.
    pub fn write(&self, out: &mut BytesMut) {
        let kind = match &self.content {
            Content::Connect { .. } => b'0',
            Content::Disconnect => b'1',
            Content::Event { event, .. } if event.array().attachments().is_empty() => b'2',
            Content::Ack { args, .. } if args.attachments().is_empty() => b'3',
            Content::Refused(_) => b'4',
            Content::Event { .. } => b'5',
            Content::Ack { .. } => b'6',
        };
        out.put_slice(&[b'4', kind]);
        let attachments = self.attachments();
        if !attachments.is_empty() {
            // Writing to memory does not fail.
            let _ = write!(out, "{}-", attachments.len());
        }
        let query = match &self.content {
            Content::Connect { query, .. } => query.as_ref(),
            Content::Disconnect
            | Content::Event { .. }
            | Content::Ack { .. }
            | Content::Refused(_) => None,
        };
        if !self.namespace.is_main() || query.is_some() {
            out.put_slice(self.namespace.as_str().as_bytes());
            if let Some(query) = query {
                out.put_u8(b'?');
                out.put_slice(query.as_str().as_bytes());
            }
            out.put_u8(b',');
        }
        match &self.content {
            Content::Event { ack: Some(id), .. } | Content::Ack { id, .. } => {
                let _ = write!(out, "{id}");
            }
            Content::Connect { .. }
            | Content::Disconnect
            | Content::Event { ack: None, .. }
            | Content::Refused(_) => {}
        }
        if let Some(json) = self.json() {
            out.put_slice(json.as_bytes());
        }
    }

    /// Returns the frames of this packet, the text first.
    pub fn frames(&self, generation: Generation) -> impl Iterator<Item = Frame> + '_ {
        let mut text = BytesMut::new();
        self.write(&mut text);
        let attachments =
            self.attachments().iter().map(move |bytes| attachment_frame(generation, bytes));
        core::iter::once(Frame::Text(text.freeze())).chain(attachments)
    }

    /// Returns the bytes that travel after the text.
    #[must_use]
    pub fn attachments(&self) -> &[Bytes] {
        match &self.content {
            Content::Event { event, .. } => event.array().attachments(),
            Content::Ack { args, .. } => args.attachments(),
            Content::Connect { .. } | Content::Disconnect | Content::Refused(_) => &[],
        }
    }

    fn json(&self) -> Option<&Json> {
        match &self.content {
            Content::Connect { payload, .. } => payload.as_ref(),
            Content::Disconnect => None,
            Content::Event { event, .. } => Some(event.array().json()),
            Content::Ack { args, .. } => Some(args.json()),
            Content::Refused(refusal) => refusal.json(),
        }
    }
}

/// Returns the frame in which an attachment travels.
#[must_use]
pub fn attachment_frame(generation: Generation, bytes: &Bytes) -> Frame {
    match generation {
        Generation::Eio3 => {
            let mut framed = BytesMut::with_capacity(bytes.len() + 1);
            framed.put_u8(PREFIX);
            framed.put_slice(bytes);
            Frame::Binary(framed.freeze())
        }
        Generation::Eio4 => Frame::Binary(bytes.clone()),
    }
}

/// A namespace. It begins with a slash, and the main one is nothing else.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Namespace(Text);

impl Namespace {
    /// Makes a namespace; a missing slash is put before the name.
    ///
    /// Returns `None` for a name with a comma, which no packet can carry, and for one with a
    /// question mark: a query stands on its own.
    #[must_use]
    pub fn new(name: &str) -> Option<Self> {
        if name.contains([',', '?']) {
            None
        } else if name.starts_with('/') {
            Some(Self(name.into()))
        } else {
            Some(Self(alloc::format!("/{name}").into()))
        }
    }

    /// Returns the main namespace.
    #[must_use]
    pub fn main() -> Self {
        Self("/".into())
    }

    /// Returns whether this is the main namespace.
    #[must_use]
    pub fn is_main(&self) -> bool {
        self.as_str() == "/"
    }

    /// Returns the name with its slash.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) const fn trusted(name: Text) -> Self {
        Self(name)
    }
}

impl fmt::Debug for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// The query of a namespace. It may hold a token, so `Debug` shows its length only.
#[derive(Clone, PartialEq, Eq)]
pub struct Query(Text);

impl Query {
    /// Makes a query of an encoded text without the question mark.
    ///
    /// Returns `None` for a text with a comma, which no packet can carry.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        (!text.contains(',')).then(|| Self(text.into()))
    }

    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) const fn trusted(text: Text) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Query({} bytes)", self.0.len())
    }
}

/// Why a namespace was refused. An older server says anything here, or nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal(Option<Json>);

impl Refusal {
    /// Makes a refusal.
    #[must_use]
    pub const fn new(json: Option<Json>) -> Self {
        Self(json)
    }

    /// Returns what came.
    #[must_use]
    pub const fn json(&self) -> Option<&Json> {
        self.0.as_ref()
    }

    /// Returns the reason in words: the `message` of an object, or a text.
    #[must_use]
    pub fn message(&self) -> Option<alloc::string::String> {
        let json = self.0.as_ref()?;
        if json.is_object() { json.parse::<Message>().ok()?.message } else { json.parse().ok() }
    }

    /// Returns what a server added: the `data` beside a `message`, else all that an older server
    /// said, unless that was a text.
    #[must_use]
    pub fn data(&self) -> Option<Json> {
        let json = self.0.as_ref()?;
        if !json.is_object() {
            return json.parse::<alloc::string::String>().is_err().then(|| json.clone());
        }
        match serde_json::from_slice::<Data<'_>>(json.as_bytes()) {
            Ok(Data { message: Some(_), data }) => {
                data.map(|raw| Json::slice(json.as_bytes(), raw))
            }
            Ok(Data { message: None, .. }) | Err(_) => Some(json.clone()),
        }
    }

    /// Returns whether the server does not have the namespace. It may have it later.
    #[must_use]
    pub fn is_unknown_namespace(&self) -> bool {
        self.message().as_deref() == Some("Invalid namespace")
    }
}

#[derive(serde::Deserialize)]
struct Message {
    message: Option<alloc::string::String>,
}

#[derive(serde::Deserialize)]
struct Data<'a> {
    #[serde(borrow)]
    message: Option<&'a serde_json::value::RawValue>,
    #[serde(borrow)]
    data: Option<&'a serde_json::value::RawValue>,
}

/// What Engine.IO 3 puts before bytes: the number, not the digit, of a message.
pub(crate) const PREFIX: u8 = 4;
