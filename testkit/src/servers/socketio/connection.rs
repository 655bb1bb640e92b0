//! One Socket.IO connection: its heartbeat, its namespaces, its half-read binary packet.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::packet::{Kind, Malformed, Packet};
use super::{Config, Generation, Heard};
use crate::servers::frame::Message;
use crate::servers::socket::{Out, SocketHandle};

/// The state of one connection.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) handle: SocketHandle,
    pub(super) generation: Generation,
    pub(super) spans: Spans,
    namespaces: BTreeMap<String, BTreeSet<u64>>,
    partial: Option<(Packet, usize)>,
    beat: Beat,
    /// When a connection that has joined nothing is closed.
    join_by: Option<Instant>,
}

/// The numbers of the handshake that this connection has been told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spans {
    pub(super) interval: Duration,
    pub(super) timeout: Duration,
    pub(super) max_payload: usize,
}

/// The heartbeat, as seen by the server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Beat {
    /// The client pings, and is dead at this instant unless something comes.
    Listening(Instant),
    /// The next ping of ours is due then.
    Resting(Instant),
    /// Our ping is out, and unanswered at this instant it means the end; another packet may have
    /// moved it, which happens once.
    Awaiting(Instant, bool),
    /// The connection has been closed; the code is still to be said to a client that could not
    /// hear it.
    Over(Option<u16>),
}

/// Why a connection is closed by the server; the frame has no code unless it is too big.
struct Broken(u16);

impl Connection {
    pub(super) fn new(
        handle: SocketHandle,
        generation: Generation,
        config: &Config,
        now: Instant,
    ) -> Self {
        let spans = Spans {
            interval: config.ping_interval,
            timeout: config.ping_timeout,
            max_payload: config.max_payload,
        };
        let (beat, join_by) = match generation {
            Generation::V3 => (Beat::Listening(now + spans.interval + spans.timeout), None),
            Generation::V4 => {
                (Beat::Resting(now + spans.interval), Some(now + config.connect_timeout))
            }
        };
        let (namespaces, partial) = (BTreeMap::new(), None);
        Self { handle, generation, spans, namespaces, partial, beat, join_by }
    }

    /// The first frame.
    pub(super) fn open_packet(&self, sid: &str, announce_max: bool) -> String {
        let mut open = json!({
            "sid": sid,
            "upgrades": [],
            "pingInterval": millis(self.spans.interval),
            "pingTimeout": millis(self.spans.timeout),
        });
        if let (true, Some(fields)) = (announce_max, open.as_object_mut()) {
            fields.insert("maxPayload".to_owned(), json!(self.spans.max_payload));
        }
        format!("0{open}")
    }

    pub(super) fn is_over(&self) -> bool {
        matches!(self.beat, Beat::Over(_))
    }

    pub(super) fn is_joined(&self, nsp: &str) -> bool {
        self.namespaces.contains_key(nsp)
    }

    /// Counts the namespace as joined; false when there are too many.
    pub(super) fn join(&mut self, nsp: &str) -> bool {
        if self.namespaces.len() >= MAX_NAMESPACES && !self.is_joined(nsp) {
            return false;
        }
        self.namespaces.insert(nsp.to_owned(), BTreeSet::new());
        self.join_by = None;
        true
    }

    pub(super) fn leave(&mut self, nsp: &str) -> bool {
        self.namespaces.remove(nsp).is_some()
    }

    /// Remembers that an acknowledgment is wanted.
    pub(super) fn expect_ack(&mut self, nsp: &str, id: u64) {
        if let Some(asked) = self.namespaces.get_mut(nsp) {
            asked.insert(id);
            if asked.len() > MAX_ASKED {
                asked.pop_first();
            }
        }
    }

    /// Queues a packet with its attachments; false when the client cannot hear it.
    pub(super) fn send(&self, packet: &Packet) -> bool {
        let mut heard = self.handle.send(Out::Text(packet.encode()));
        for attachment in &packet.attachments {
            heard &= self.handle.send(Out::Binary(match self.generation {
                Generation::V4 => attachment.clone(),
                Generation::V3 => {
                    let mut message = BytesMut::with_capacity(attachment.len() + 1);
                    message.put_u8(MESSAGE);
                    message.put_slice(attachment);
                    message.freeze()
                }
            }));
        }
        heard
    }

    /// Ends the connection with an empty close frame, as the reference server does.
    pub(super) fn close(&mut self) {
        self.end(&Broken(NO_CODE));
    }

    /// Takes a message of the client.
    pub(super) fn hear(&mut self, message: Message, now: Instant) -> Option<Heard> {
        if self.is_over() {
            return None;
        }
        let heard = match message {
            Message::Text(text) if text.len() > self.spans.max_payload => Err(Broken(TOO_BIG)),
            Message::Binary(data) if data.len() > self.spans.max_payload => Err(Broken(TOO_BIG)),
            Message::Text(text) => self.text(&text, now),
            Message::Binary(data) => self.binary(&data, now),
            Message::Ping(_) | Message::Pong(_) | Message::Close(..) => Ok(None),
        };
        heard.unwrap_or_else(|broken| {
            self.end(&broken);
            Some(Heard::Broken)
        })
    }

    /// Does what is due; gives the instant of what comes next.
    pub(super) fn tick(&mut self, now: Instant) -> Option<Instant> {
        match self.beat {
            Beat::Listening(until) | Beat::Awaiting(until, _) if until <= now => self.close(),
            Beat::Resting(until) if until <= now => {
                self.handle.send(Out::Text("2".to_owned()));
                self.beat = Beat::Awaiting(now + self.spans.timeout, false);
            }
            _ => {}
        }
        if self.join_by.is_some_and(|until| until <= now) {
            self.close();
        }
        let beat = match self.beat {
            Beat::Over(None) => return None,
            Beat::Over(Some(code)) => {
                self.end(&Broken(code));
                return self.is_unsaid().then_some(now + MUTED);
            }
            Beat::Listening(until) | Beat::Resting(until) | Beat::Awaiting(until, _) => until,
        };
        Some(self.join_by.map_or(beat, |until| until.min(beat)))
    }

    fn text(&mut self, text: &str, now: Instant) -> Result<Option<Heard>, Broken> {
        let (digit, rest) = match text.chars().next() {
            Some(digit) if digit.is_ascii() => (digit, &text[1..]),
            _ => return Err(Broken(NO_CODE)),
        };
        self.stir(now);
        match (digit, self.generation) {
            ('2', Generation::V3) => {
                self.handle.send(Out::Text(format!("3{rest}")));
                Ok(None)
            }
            // The wrong direction of the heartbeat.
            ('2', Generation::V4) => Err(Broken(NO_CODE)),
            ('3', Generation::V4) => {
                self.beat = Beat::Resting(now + self.spans.interval);
                Ok(None)
            }
            ('4', _) if self.partial.is_some() => Err(Broken(NO_CODE)),
            ('4', _) => match Packet::decode(rest) {
                Ok((packet, 0)) => self.packet(packet),
                Ok((packet, awaited)) => {
                    self.partial = Some((packet, awaited));
                    Ok(None)
                }
                Err(Malformed) => Err(Broken(NO_CODE)),
            },
            ('0' | '1' | '3' | '5' | '6', _) => Ok(None),
            _ => Err(Broken(NO_CODE)),
        }
    }

    fn binary(&mut self, data: &Bytes, now: Instant) -> Result<Option<Heard>, Broken> {
        self.stir(now);
        let data = match (self.generation, data.first()) {
            (Generation::V4, _) => data.clone(),
            (Generation::V3, Some(&MESSAGE)) => data.slice(1..),
            (Generation::V3, _) => return Err(Broken(NO_CODE)),
        };
        let Some((mut packet, awaited)) = self.partial.take() else {
            return Err(Broken(NO_CODE));
        };
        packet.attachments.push(data);
        if packet.attachments.len() < awaited {
            self.partial = Some((packet, awaited));
            return Ok(None);
        }
        self.packet(packet)
    }

    fn packet(&mut self, packet: Packet) -> Result<Option<Heard>, Broken> {
        let Packet { kind, nsp, query, id, data, attachments } = packet;
        if kind != Kind::Connect && !self.is_joined(&nsp) {
            // The older server does not mind.
            return match self.generation {
                Generation::V3 => Ok(None),
                Generation::V4 => Err(Broken(NO_CODE)),
            };
        }
        let mut args = match data {
            Some(Value::Array(args)) => args,
            data => return Ok(self.bare(kind, nsp, query, data)),
        };
        Ok(match kind {
            Kind::Event => {
                let name = match args.remove(0) {
                    Value::String(name) => name,
                    _ => return Err(Broken(NO_CODE)),
                };
                Some(Heard::Event { nsp, name, args, id, attachments })
            }
            Kind::Ack => {
                let id = id.unwrap_or_default();
                let asked = self.namespaces.get_mut(&nsp).is_some_and(|asked| asked.remove(&id));
                asked.then_some(Heard::Ack { nsp, id, args, attachments })
            }
            Kind::Connect | Kind::Disconnect | Kind::Error => None,
        })
    }

    /// Takes a packet without arguments.
    fn bare(
        &mut self,
        kind: Kind,
        nsp: String,
        query: Option<String>,
        data: Option<Value>,
    ) -> Option<Heard> {
        match kind {
            // The older server has joined the default namespace by itself.
            Kind::Connect if self.generation == Generation::V3 && nsp == "/" => None,
            Kind::Connect => Some(Heard::Connect { nsp, auth: data, query }),
            Kind::Disconnect => {
                self.leave(&nsp);
                Some(Heard::Disconnect { nsp })
            }
            Kind::Event | Kind::Ack | Kind::Error => None,
        }
    }

    /// Any packet is a sign of life.
    fn stir(&mut self, now: Instant) {
        self.beat = match self.beat {
            Beat::Listening(_) => Beat::Listening(now + self.spans.interval + self.spans.timeout),
            Beat::Awaiting(_, false) => Beat::Awaiting(now + self.spans.timeout, true),
            beat => beat,
        };
    }

    fn end(&mut self, broken: &Broken) {
        let heard = self.handle.send(Out::Close(broken.0, String::new()));
        self.beat = Beat::Over((!heard).then_some(broken.0));
        self.join_by = None;
    }

    fn is_unsaid(&self) -> bool {
        matches!(self.beat, Beat::Over(Some(_)))
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// The first byte of a binary message of the older generation.
const MESSAGE: u8 = 4;
/// How often a client that cannot hear is told again.
const MUTED: Duration = Duration::from_millis(100);
const NO_CODE: u16 = 1005;
const TOO_BIG: u16 = 1009;
const MAX_NAMESPACES: usize = 256;
const MAX_ASKED: usize = 10_000;
