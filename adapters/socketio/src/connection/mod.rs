//! One connection, from its open packet to its end.

mod send;
mod slot;

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use redial_core::Frame;
use serde::Deserialize;
use serde_json::value::RawValue;

pub use self::slot::{Join, Recovery};
use self::slot::{Joined, Slot, State};
use crate::engine::id;
use crate::{
    Args, Content, Decoder, Error, Event, Generation, Inbound, Json, Limits, Namespace, Open,
    Packet, Refusal, Text,
};

/// One connection without its socket: frames go in, frames and [`Signal`]s come out.
///
/// It has no clock. [`Generation::terms`] says how the heartbeat is watched, and a namespace that
/// is never confirmed is for the session's own timeout. After each call take everything from
/// [`Connection::poll_frame`] and [`Connection::poll_signal`]; no other call changes what these
/// two return.
#[derive(Debug)]
pub struct Connection {
    generation: Generation,
    limits: Limits,
    decoder: Decoder,
    phase: Phase,
    slots: Vec<Slot>,
    frames: VecDeque<Frame>,
    signals: VecDeque<Signal>,
}

/// Something for the owner of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signal {
    /// The server has opened the connection.
    Opened(Open),
    /// The server has confirmed a namespace.
    Joined {
        /// Which.
        namespace: Namespace,
        /// The id that a newer server has given us in it.
        sid: Option<Text>,
        /// Whether the server goes on from a lost connection. What was missed follows.
        recovered: bool,
    },
    /// The server has refused a namespace. It may be asked for again on this connection.
    Refused {
        /// Which.
        namespace: Namespace,
        /// Why.
        refusal: Refusal,
    },
    /// The server has removed us from a namespace. The reference clients do not come back from it
    /// by themselves. No acknowledgement comes after it.
    Left {
        /// Which.
        namespace: Namespace,
    },
    /// An event.
    Event {
        /// Where.
        namespace: Namespace,
        /// Under what id it wants [`Connection::answer`].
        ack: Option<u64>,
        /// The event. With recovery its last argument is the server's offset.
        event: Event,
    },
    /// The answer to [`Connection::request`].
    Answered {
        /// Where.
        namespace: Namespace,
        /// The id that the request returned.
        id: u64,
        /// The answer.
        args: Args,
    },
    /// The server's heartbeat. It has been answered.
    Ping,
    /// The answer to [`Connection::ping`].
    Pong,
    /// The server has said that this is the end.
    Closed,
    /// Something was ignored. The text is fixed.
    Ignored(&'static str),
}

impl Connection {
    /// Makes a connection for a socket that has just opened, or is about to.
    #[must_use]
    pub fn new(generation: Generation, limits: Limits) -> Self {
        let slots = match generation {
            // The server says that we are in it, unasked.
            Generation::Eio3 => {
                alloc::vec![Slot { namespace: Namespace::main(), state: State::asked(None) }]
            }
            Generation::Eio4 => Vec::new(),
        };
        Self {
            generation,
            limits,
            decoder: Decoder::new(generation, limits),
            phase: Phase::Opening,
            slots,
            frames: VecDeque::new(),
            signals: VecDeque::new(),
        }
    }

    /// Returns the generation that is spoken.
    #[must_use]
    pub const fn generation(&self) -> Generation {
        self.generation
    }

    /// Takes a frame. WebSocket pings and pongs, and all that follows an error, do nothing.
    ///
    /// # Errors
    ///
    /// Where the connection is of no use: close the socket.
    pub fn handle_frame(&mut self, frame: &Frame) -> Result<(), Error> {
        if matches!(self.phase, Phase::Failed) {
            return Ok(());
        }
        let result = self.decoder.handle_frame(frame).and_then(|inbound| match inbound {
            Some(inbound) => self.handle(inbound),
            None => Ok(()),
        });
        if result.is_err() {
            self.phase = Phase::Failed;
        }
        result
    }

    /// Returns the next frame to be written.
    pub fn poll_frame(&mut self) -> Option<Frame> {
        self.frames.pop_front()
    }

    /// Returns the next signal.
    pub fn poll_signal(&mut self) -> Option<Signal> {
        self.signals.pop_front()
    }

    /// Returns whether a namespace can be used.
    #[must_use]
    pub fn is_joined(&self, namespace: &Namespace) -> bool {
        self.slots
            .iter()
            .any(|slot| slot.namespace == *namespace && matches!(slot.state, State::Joined(_)))
    }

    /// Returns what the next connection can go on with, also after an error.
    ///
    /// `None` where the server does not recover connections, and after the namespace was left.
    #[must_use]
    pub fn recovery(&self, namespace: &Namespace) -> Option<&Recovery> {
        let slot = self.slots.iter().find(|slot| slot.namespace == *namespace)?;
        match &slot.state {
            State::Wanted(join) => join.recovery(),
            State::Asked { recovery, .. } => recovery.as_ref(),
            State::Leaving => None,
            State::Joined(joined) => joined.recovery(),
        }
    }

    /// Says what may be wrong where the socket ended as it stands.
    ///
    /// A server of Engine.IO 4 that is reached with Engine.IO 3 accepts the upgrade, and then
    /// writes what is no WebSocket frame: all that is seen is the loss of a connection that was
    /// never opened. This is a suspicion, for a broken network looks the same.
    #[must_use]
    pub const fn suspicion(&self) -> Option<Error> {
        match (self.generation, self.phase) {
            (Generation::Eio3, Phase::Opening) => {
                Some(Error::WrongGeneration { ours: Generation::Eio3 })
            }
            (Generation::Eio3, Phase::Open { .. } | Phase::Failed) | (Generation::Eio4, _) => None,
        }
    }

    fn handle(&mut self, inbound: Inbound) -> Result<(), Error> {
        if let Inbound::Open(open) = inbound {
            return self.handle_open(open);
        }
        if matches!(self.phase, Phase::Opening) {
            return Err(Error::NotOpen);
        }
        match (inbound, self.generation) {
            (Inbound::Ping(_), Generation::Eio4) => {
                self.push_frame(Frame::Text(bytes::Bytes::from_static(b"3")))?;
                self.say(Signal::Ping)
            }
            // No older server pings.
            (Inbound::Ping(_), Generation::Eio3) => Err(self.wrong_generation()),
            (Inbound::Pong(_), Generation::Eio3) => self.say(Signal::Pong),
            (Inbound::Pong(_), Generation::Eio4) => {
                self.say(Signal::Ignored("the answer to a heartbeat that was not sent"))
            }
            (Inbound::Close, _) => self.say(Signal::Closed),
            (Inbound::Upgrade, _) => self.say(Signal::Ignored("the end of a change of transport")),
            (Inbound::Noop | Inbound::Open(_), _) => Ok(()),
            (Inbound::Packet(packet), _) => self.handle_packet(packet),
        }
    }

    fn handle_open(&mut self, open: Open) -> Result<(), Error> {
        if !matches!(self.phase, Phase::Opening) {
            return Err(Error::OpenTwice);
        }
        self.phase = Phase::Open { max_payload: open.max_payload };
        self.say(Signal::Opened(open))?;
        for index in 0..self.slots.len() {
            let Some(slot) = self.slots.get_mut(index) else { break };
            if let State::Wanted(join) = &slot.state {
                let packet = join.packet(&slot.namespace, self.generation);
                slot.state = State::asked(join.recovery().cloned());
                self.push_packet(&packet).map_err(|_| Error::Overflow)?;
            }
        }
        Ok(())
    }

    fn handle_packet(&mut self, packet: Packet) -> Result<(), Error> {
        let Packet { namespace, content } = packet;
        if let Content::Connect { payload, .. } = &content {
            let (sid, pid) = self.confirmation(payload.as_ref())?;
            return self.handle_connect(namespace, sid, pid);
        }
        let Some(index) = self.slots.iter().position(|slot| slot.namespace == namespace) else {
            return self.say(Signal::Ignored("a packet of a namespace that is not ours"));
        };
        match content {
            Content::Connect { .. } => Ok(()),
            Content::Disconnect => {
                let slot = self.slots.swap_remove(index);
                match slot.state {
                    State::Leaving => Ok(()),
                    State::Wanted(_) | State::Asked { .. } | State::Joined(_) => {
                        self.say(Signal::Left { namespace })
                    }
                }
            }
            Content::Refused(refusal) => match self.slots.get(index).map(|slot| &slot.state) {
                Some(State::Joined(_)) => {
                    self.say(Signal::Ignored("an error in a namespace that is joined"))
                }
                Some(State::Leaving) => {
                    self.slots.swap_remove(index);
                    Ok(())
                }
                Some(State::Wanted(_) | State::Asked { .. }) | None => {
                    self.slots.swap_remove(index);
                    self.say(Signal::Refused { namespace, refusal })
                }
            },
            Content::Event { ack, event } => self.handle_event(index, namespace, ack, event),
            Content::Ack { id, args } => {
                let was_waited_for = match self.slots.get_mut(index) {
                    Some(Slot { state: State::Joined(joined), .. }) => joined.settle(id),
                    Some(_) | None => false,
                };
                if was_waited_for {
                    self.say(Signal::Answered { namespace, id, args })
                } else {
                    self.say(Signal::Ignored("an acknowledgement that is not waited for"))
                }
            }
        }
    }

    fn handle_connect(
        &mut self,
        namespace: Namespace,
        sid: Option<Text>,
        pid: Option<Text>,
    ) -> Result<(), Error> {
        let Some(slot) = self.slots.iter_mut().find(|slot| slot.namespace == namespace) else {
            return self.say(Signal::Ignored("a namespace that was not asked for"));
        };
        match &mut slot.state {
            State::Wanted(_) | State::Joined(_) => {
                self.say(Signal::Ignored("a second confirmation of a namespace"))
            }
            State::Leaving => {
                self.slots.retain(|slot| slot.namespace != namespace);
                self.push_packet(&Packet { namespace, content: Content::Disconnect })
                    .map_err(|_| Error::Overflow)
            }
            State::Asked { recovery, early } => {
                let (mut joined, recovered) = Joined::start(pid, recovery.take());
                let events = core::mem::take(&mut early.events);
                for (ack, event) in &events {
                    joined.note(*ack, event, &self.limits);
                }
                slot.state = State::Joined(joined);
                self.say(Signal::Joined { namespace: namespace.clone(), sid, recovered })?;
                for (ack, event) in events {
                    let namespace = namespace.clone();
                    // Their number has its own limit.
                    self.signals.push_back(Signal::Event { namespace, ack, event });
                }
                Ok(())
            }
        }
    }

    fn handle_event(
        &mut self,
        index: usize,
        namespace: Namespace,
        ack: Option<u64>,
        event: Event,
    ) -> Result<(), Error> {
        let Some(slot) = self.slots.get_mut(index) else { return Ok(()) };
        match &mut slot.state {
            State::Joined(joined) => {
                joined.note(ack, &event, &self.limits);
                self.say(Signal::Event { namespace, ack, event })
            }
            State::Asked { early, .. } => early.push(ack, event, &self.limits),
            State::Wanted(_) | State::Leaving => Ok(()),
        }
    }

    /// Reads what a CONNECT of the server carries; only a newer server has an id there.
    fn confirmation(&self, payload: Option<&Json>) -> Result<(Option<Text>, Option<Text>), Error> {
        let read = |json: &Json| -> Result<(Option<Text>, Option<Text>), Error> {
            let ids: Ids<'_> =
                serde_json::from_slice(json.as_bytes()).map_err(|_| Error::BadPayload)?;
            let text = |raw: Option<&RawValue>| match raw {
                None => Ok(None),
                Some(raw) => {
                    let text = id(&Json::slice(json.as_bytes(), raw)).ok_or(Error::BadPayload)?;
                    // A copy, for it is kept as long as the connection.
                    let short = text.len() <= self.limits.name;
                    if short { Ok(Some(text.as_str().into())) } else { Err(Error::LongName) }
                }
            };
            Ok((text(ids.sid)?, text(ids.pid)?))
        };
        match (self.generation, payload) {
            (Generation::Eio4, None) => Err(self.wrong_generation()),
            (Generation::Eio4, Some(json)) => match read(json)? {
                (None, _) => Err(Error::BadPayload),
                ids => Ok(ids),
            },
            (Generation::Eio3, None) => Ok((None, None)),
            (Generation::Eio3, Some(json)) => match read(json) {
                Ok((Some(_), _)) => Err(self.wrong_generation()),
                Ok((None, _)) | Err(_) => Ok((None, None)),
            },
        }
    }

    const fn wrong_generation(&self) -> Error {
        Error::WrongGeneration { ours: self.generation }
    }

    fn say(&mut self, signal: Signal) -> Result<(), Error> {
        if self.signals.len() >= self.limits.queue {
            return Err(Error::Overflow);
        }
        self.signals.push_back(signal);
        Ok(())
    }

    fn push_frame(&mut self, frame: Frame) -> Result<(), Error> {
        if self.frames.len() >= self.limits.queue {
            return Err(Error::Overflow);
        }
        self.frames.push_back(frame);
        Ok(())
    }
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    /// The open packet has not come.
    Opening,
    Open {
        max_payload: Option<u64>,
    },
    Failed,
}

#[derive(Deserialize)]
struct Ids<'a> {
    #[serde(borrow)]
    sid: Option<&'a RawValue>,
    #[serde(borrow)]
    pid: Option<&'a RawValue>,
}
