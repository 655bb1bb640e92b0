//! Frames to packets.

use alloc::vec::Vec;

use bytes::Bytes;
use redial_core::Frame;

use crate::args::is_reserved;
use crate::packet::{Content, Namespace, Packet, Query, Refusal};
use crate::{Args, EnginePacket, Error, Event, Generation, Json, Limits, Open, Text};

/// Reads frames, and keeps a packet until its attachments are there.
///
/// It reads what either side sends. After an error it must not be used: nothing says where the
/// next packet begins.
#[derive(Clone, Debug)]
pub struct Decoder {
    generation: Generation,
    limits: Limits,
    pending: Option<Pending>,
}

/// What a frame was, or has completed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inbound {
    /// The server's first word.
    Open(Open),
    /// The end.
    Close,
    /// A heartbeat, with what it carries.
    Ping(Bytes),
    /// The answer to a heartbeat, with what it carries.
    Pong(Bytes),
    /// The end of a change of transport.
    Upgrade,
    /// Nothing.
    Noop,
    /// A Socket.IO packet with all of its attachments.
    Packet(Packet),
}

impl Decoder {
    /// Makes a decoder.
    #[must_use]
    pub const fn new(generation: Generation, limits: Limits) -> Self {
        Self { generation, limits, pending: None }
    }

    /// Takes a frame. Returns `None` for WebSocket pings and pongs, and while attachments are
    /// missing.
    ///
    /// # Errors
    ///
    /// Says what is wrong with the frame.
    pub fn handle_frame(&mut self, frame: &Frame) -> Result<Option<Inbound>, Error> {
        let Some(packet) = EnginePacket::decode(frame, self.generation, &self.limits)? else {
            return Ok(None);
        };
        Ok(Some(match packet {
            EnginePacket::Open(open) => Inbound::Open(open),
            EnginePacket::Close => Inbound::Close,
            EnginePacket::Ping(data) => Inbound::Ping(data),
            EnginePacket::Pong(data) => Inbound::Pong(data),
            EnginePacket::Upgrade => Inbound::Upgrade,
            EnginePacket::Noop => Inbound::Noop,
            EnginePacket::Binary(bytes) => return self.attach(bytes),
            // A heartbeat may stand between a packet and its attachments, another packet may not.
            EnginePacket::Message(_) if self.pending.is_some() => return Err(Error::Interrupted),
            EnginePacket::Message(text) => return self.message(&text),
        }))
    }

    /// Returns how many attachments of the last packet are missing.
    #[must_use]
    pub fn missing(&self) -> usize {
        self.pending.as_ref().map_or(0, |pending| pending.count - pending.attachments.len())
    }

    fn attach(&mut self, bytes: Bytes) -> Result<Option<Inbound>, Error> {
        let Some(pending) = &mut self.pending else { return Err(Error::UnexpectedAttachment) };
        pending.bytes = pending.bytes.saturating_add(bytes.len());
        if pending.bytes > self.limits.attachment_bytes {
            return Err(Error::ManyAttachments);
        }
        pending.attachments.push(bytes);
        if self.missing() > 0 {
            return Ok(None);
        }
        let Some(Pending { head, array, attachments, .. }) = self.pending.take() else {
            return Ok(None);
        };
        self.finish(head, Args::assemble(array, attachments)?).map(Some)
    }

    fn message(&mut self, message: &Bytes) -> Result<Option<Inbound>, Error> {
        let text = core::str::from_utf8(message).map_err(|_| Error::NotUtf8)?;
        let mut cursor = Cursor { frame: message, rest: text };
        let kind = Kind::of(cursor.byte()).ok_or(Error::UnknownType)?;
        let count = if kind.is_binary() { cursor.count()? } else { 0 };
        if count > self.limits.attachments {
            return Err(Error::ManyAttachments);
        }
        let (namespace, query) = cursor.namespace(self.query_follows(kind));
        if namespace.as_str().len() > self.limits.name {
            return Err(Error::LongName);
        }
        let id = if kind.has_ack() { cursor.ack()? } else { None };
        let json = cursor.json()?;
        let content = match kind {
            Kind::Connect => {
                // Only the newer generation says what stands here.
                let wrong = self.generation == Generation::Eio4
                    && json.as_ref().is_some_and(|json| !json.is_object());
                if wrong {
                    return Err(Error::BadPayload);
                }
                Content::Connect { query, payload: json }
            }
            Kind::Disconnect if json.is_some() => return Err(Error::BadPayload),
            Kind::Disconnect => Content::Disconnect,
            Kind::Refused => Content::Refused(Refusal::new(json)),
            Kind::Event | Kind::BinaryEvent | Kind::Ack | Kind::BinaryAck => {
                let array = json.ok_or(Error::BadPayload)?;
                let is_event = matches!(kind, Kind::Event | Kind::BinaryEvent);
                let target = match (is_event, id) {
                    (true, ack) => Target::Event { ack },
                    (false, Some(id)) => Target::Ack { id },
                    (false, None) => return Err(Error::BadAck),
                };
                let head = Head { namespace, target };
                if count == 0 {
                    return self.finish(head, Args::assemble(array, Vec::new())?).map(Some);
                }
                if !array.is_array() {
                    return Err(Error::BadPayload);
                }
                let attachments = Vec::new();
                self.pending = Some(Pending { head, array, count, attachments, bytes: 0 });
                return Ok(None);
            }
        };
        Ok(Some(Inbound::Packet(Packet { namespace, content })))
    }

    fn finish(&self, head: Head, args: Args) -> Result<Inbound, Error> {
        let content = match head.target {
            Target::Ack { id } => Content::Ack { id, args },
            Target::Event { ack } => {
                let event = Event::assemble(args, self.limits.name)?;
                // An older server may send such an event, as an older client may listen for it.
                if self.generation == Generation::Eio4 && is_reserved(event.name()) {
                    return Err(Error::ReservedEvent);
                }
                Content::Event { ack, event }
            }
        };
        Ok(Inbound::Packet(Packet { namespace: head.namespace, content }))
    }

    /// Some older servers send back the query with which a namespace was asked for.
    const fn query_follows(&self, kind: Kind) -> bool {
        matches!((self.generation, kind), (Generation::Eio3, Kind::Connect | Kind::Refused))
    }
}

/// A packet whose attachments are not all there.
#[derive(Clone, Debug)]
struct Pending {
    head: Head,
    array: Json,
    count: usize,
    attachments: Vec<Bytes>,
    bytes: usize,
}

#[derive(Clone, Debug)]
struct Head {
    namespace: Namespace,
    target: Target,
}

#[derive(Clone, Debug)]
enum Target {
    Event { ack: Option<u64> },
    Ack { id: u64 },
}

#[derive(Clone, Copy)]
enum Kind {
    Connect,
    Disconnect,
    Event,
    Ack,
    Refused,
    BinaryEvent,
    BinaryAck,
}

impl Kind {
    const fn of(byte: Option<u8>) -> Option<Self> {
        Some(match byte {
            Some(b'0') => Self::Connect,
            Some(b'1') => Self::Disconnect,
            Some(b'2') => Self::Event,
            Some(b'3') => Self::Ack,
            Some(b'4') => Self::Refused,
            Some(b'5') => Self::BinaryEvent,
            Some(b'6') => Self::BinaryAck,
            _ => return None,
        })
    }

    const fn is_binary(self) -> bool {
        matches!(self, Self::BinaryEvent | Self::BinaryAck)
    }

    const fn has_ack(self) -> bool {
        matches!(self, Self::Event | Self::Ack | Self::BinaryEvent | Self::BinaryAck)
    }
}

/// Goes through the text of a packet.
struct Cursor<'a> {
    frame: &'a Bytes,
    rest: &'a str,
}

impl<'a> Cursor<'a> {
    fn byte(&mut self) -> Option<u8> {
        let byte = *self.rest.as_bytes().first()?;
        if byte.is_ascii() {
            self.rest = self.rest.get(1..).unwrap_or_default();
        }
        Some(byte)
    }

    fn digits(&mut self) -> &'a str {
        let end = self.rest.bytes().take_while(u8::is_ascii_digit).count();
        let (digits, rest) = self.rest.split_at(end);
        self.rest = rest;
        digits
    }

    fn count(&mut self) -> Result<usize, Error> {
        let digits = self.digits();
        self.rest = self.rest.strip_prefix('-').ok_or(Error::BadCount)?;
        if digits.is_empty() {
            return Err(Error::BadCount);
        }
        // What is too long for a number is in any case too many.
        digits.parse().map_err(|_| Error::ManyAttachments)
    }

    fn namespace(&mut self, query_follows: bool) -> (Namespace, Option<Query>) {
        if !self.rest.starts_with('/') {
            return (Namespace::main(), None);
        }
        let (name, rest) = self.rest.split_once(',').unwrap_or((self.rest, ""));
        self.rest = rest;
        let (name, query) = match name.split_once('?') {
            Some((name, query)) if query_follows => {
                (name, Some(Query::trusted(Text::slice(self.frame, query))))
            }
            Some(_) | None => (name, None),
        };
        (Namespace::trusted(Text::slice(self.frame, name)), query)
    }

    fn ack(&mut self) -> Result<Option<u64>, Error> {
        match self.digits() {
            "" => Ok(None),
            digits => digits.parse().map(Some).map_err(|_| Error::BadAck),
        }
    }

    fn json(&self) -> Result<Option<Json>, Error> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        Json::check(&self.frame.slice_ref(self.rest.as_bytes())).map(Some)
    }
}
