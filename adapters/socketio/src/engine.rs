//! Engine.IO packets, one a frame.

use core::fmt;

use bytes::Bytes;
use redial_core::{Frame, Span};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::packet::PREFIX;
use crate::{Error, Generation, Json, Limits, Text};

/// An Engine.IO packet.
#[derive(Clone, PartialEq, Eq)]
pub enum EnginePacket {
    /// The server's first word.
    Open(Open),
    /// The end. Over WebSocket the close frame says it.
    Close,
    /// A heartbeat, with what it carries.
    Ping(Bytes),
    /// The answer to a heartbeat, with what it carries.
    Pong(Bytes),
    /// A Socket.IO packet, or its text.
    Message(Bytes),
    /// An attachment.
    Binary(Bytes),
    /// The end of a change of transport.
    Upgrade,
    /// Nothing.
    Noop,
}

impl EnginePacket {
    /// Reads a text or binary frame. Returns `None` for a WebSocket ping or pong.
    ///
    /// # Errors
    ///
    /// Says what is wrong with the frame.
    pub fn decode(
        frame: &Frame,
        generation: Generation,
        limits: &Limits,
    ) -> Result<Option<Self>, Error> {
        let bytes = match frame {
            Frame::Text(bytes) | Frame::Binary(bytes) => bytes,
            Frame::Ping(_) | Frame::Pong(_) => return Ok(None),
        };
        if bytes.len() > limits.frame {
            return Err(Error::LargeFrame);
        }
        if let Frame::Binary(bytes) = frame {
            return match generation {
                Generation::Eio4 => Ok(Some(Self::Binary(bytes.clone()))),
                Generation::Eio3 => match bytes.first() {
                    Some(&PREFIX) => Ok(Some(Self::Binary(bytes.slice(1..)))),
                    Some(_) => Err(Error::BadPrefix),
                    None => Err(Error::Empty),
                },
            };
        }
        let Some(kind) = bytes.first() else { return Err(Error::Empty) };
        let rest = bytes.slice(1..);
        Ok(Some(match kind {
            b'0' => Self::Open(Open::decode(&rest, limits)?),
            b'1' => Self::Close,
            b'2' => Self::Ping(rest),
            b'3' => Self::Pong(rest),
            b'4' => Self::Message(rest),
            b'5' => Self::Upgrade,
            b'6' => Self::Noop,
            _ => return Err(Error::UnknownEngineType),
        }))
    }
}

impl fmt::Debug for EnginePacket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open(open) => f.debug_tuple("Open").field(open).finish(),
            Self::Close => f.write_str("Close"),
            Self::Ping(_) => f.write_str("Ping"),
            Self::Pong(_) => f.write_str("Pong"),
            Self::Message(bytes) => write!(f, "Message({} bytes)", bytes.len()),
            Self::Binary(bytes) => write!(f, "Binary({} bytes)", bytes.len()),
            Self::Upgrade => f.write_str("Upgrade"),
            Self::Noop => f.write_str("Noop"),
        }
    }
}

/// What the server says when a connection opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Open {
    /// The id of this connection. It is not the id of a namespace, and dies with the connection.
    pub sid: Text,
    /// The time between heartbeats.
    pub ping_interval: Span,
    /// How long a heartbeat may stay unanswered.
    pub ping_timeout: Span,
    /// The bytes that the server takes in one frame, if it said so.
    pub max_payload: Option<u64>,
    /// The transports that the server would change to, an array; not used over WebSocket.
    pub upgrades: Option<Json>,
}

impl Open {
    fn decode(text: &Bytes, limits: &Limits) -> Result<Self, Error> {
        let wire: Wire<'_> = serde_json::from_slice(text).map_err(|_| Error::BadOpen)?;
        // An array would do for a structure too.
        if text.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'{') {
            return Err(Error::BadOpen);
        }
        let sid = sid(&Json::slice(text, wire.sid), limits)?;
        let open = Self {
            sid,
            ping_interval: Span::saturating_from_millis(wire.ping_interval),
            ping_timeout: Span::saturating_from_millis(wire.ping_timeout),
            max_payload: wire.max_payload,
            upgrades: wire.upgrades.map(|raw| Json::slice(text, raw)),
        };
        if open.ping_interval.is_zero() || open.ping_timeout.is_zero() {
            return Err(Error::BadOpen);
        }
        Ok(open)
    }
}

/// Reads an id: a text that is not empty.
fn sid(json: &Json, limits: &Limits) -> Result<Text, Error> {
    let sid = id(json).ok_or(Error::BadOpen)?;
    if sid.len() > limits.name { Err(Error::LongName) } else { Ok(sid) }
}

/// Reads a text that is not empty, as a slice where nothing in it is escaped.
pub(crate) fn id(json: &Json) -> Option<Text> {
    let plain = json.as_str().strip_prefix('"')?.strip_suffix('"')?;
    let text = if plain.contains('\\') {
        json.parse::<alloc::string::String>().ok()?.into()
    } else {
        Text::slice(json.as_bytes(), plain)
    };
    (!text.is_empty()).then_some(text)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire<'a> {
    #[serde(borrow)]
    sid: &'a RawValue,
    ping_interval: u64,
    ping_timeout: u64,
    max_payload: Option<u64>,
    #[serde(borrow)]
    upgrades: Option<&'a RawValue>,
}
