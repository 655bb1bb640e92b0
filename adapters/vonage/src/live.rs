//! One connection: what is written on it, and how a session begins on it.

use alloc::collections::BTreeMap;

use redial_core::{Fault, Frame, Io, MessageId, Outcome};
use redial_socketio::{
    Args, Connection, Error, Event, Join, Limits, Namespace, Refusal as NamespaceRefusal,
    SendError, Signal,
};
use serde_json::json;

use crate::adapter::Vonage;
use crate::config::Generation;
use crate::message::{Fields, Reply};
use crate::outgoing::{Envelope, Kind, Outgoing};
use crate::policy::Refusal;
use crate::request::Lane;

/// A connection that is open.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) connection: Connection,
    pub(crate) stage: Stage,
    /// How many bytes have come before the session was confirmed.
    early: usize,
    /// The events that wait for a Socket.IO acknowledgement.
    acks: BTreeMap<u64, MessageId>,
}

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// The namespace is not confirmed.
    Joining,
    /// The session is not confirmed. `login`: whether it was asked for by `session:login`.
    Starting { login: Option<u64> },
    /// The session is there.
    Online,
    /// We have said goodbye.
    Leaving,
}

impl Live {
    pub(crate) fn new(generation: Generation) -> Self {
        let mut connection = Connection::new(generation.socketio(), Limits::DEFAULT);
        // Nothing was asked for before, so there is room.
        let _ = connection.join(&Namespace::main(), Join::new());
        Self { connection, stage: Stage::Joining, early: 0, acks: BTreeMap::new() }
    }
}

impl Vonage {
    pub(crate) fn receive(&mut self, frame: &Frame, io: &mut Io<'_, Self>) {
        let Some(live) = &mut self.live else { return };
        let result = live.connection.handle_frame(frame);
        // The answer to a heartbeat goes first, whatever else the frame leads to.
        self.flush(io);
        while let Some(signal) = self.live.as_mut().and_then(|live| live.connection.poll_signal()) {
            self.handle_signal(signal, io);
        }
        self.flush(io);
        if let (Err(error), true) = (result, self.live.is_some()) {
            io.problem(error.fault(), error.as_str());
            let wrong = matches!(error, Error::WrongGeneration { .. });
            self.refuse(if wrong { Refusal::WrongGeneration } else { Refusal::Protocol }, io);
        }
        self.count_early(frame, io);
    }

    /// What comes before the session is confirmed is kept for later, so it is bounded.
    fn count_early(&mut self, frame: &Frame, io: &mut Io<'_, Self>) {
        let (Frame::Text(bytes) | Frame::Binary(bytes) | Frame::Ping(bytes) | Frame::Pong(bytes)) =
            frame;
        let Some(live) = &mut self.live else { return };
        match live.stage {
            Stage::Joining | Stage::Starting { .. } => live.early += bytes.len(),
            Stage::Online | Stage::Leaving => return,
        }
        if live.early > EARLY {
            io.problem(Fault::Vendor, "too much before the session was confirmed");
            self.refuse(Refusal::Protocol, io);
        }
    }

    fn handle_signal(&mut self, signal: Signal, io: &mut Io<'_, Self>) {
        match signal {
            Signal::Opened(open) => io.announce(self.config.generation.socketio().terms(&open)),
            Signal::Joined { .. } => self.begin(io),
            Signal::Refused { refusal, .. } => self.handle_namespace_refusal(&refusal, io),
            Signal::Left { .. } => self.handle_disconnect(io),
            Signal::Event { ack, event, .. } => {
                // At once, and whatever becomes of the event: the vendor's SDK does the same.
                if let Some(id) = ack
                    && let Some(live) = &mut self.live
                    && let Ok(nothing) = Args::new(&())
                    && live.connection.answer(&Namespace::main(), id, &nothing).is_err()
                {
                    io.problem(Fault::Ours, "an event could not be acknowledged");
                }
                self.flush(io);
                self.dispatch(&event, io);
            }
            Signal::Answered { id, args, .. } => {
                let message = self.live.as_mut().and_then(|live| live.acks.remove(&id));
                if let Some(message) = message {
                    let body = args.get(0);
                    let payload = Some(args.json().clone());
                    io.reply(message, Outcome::Acked, Reply { name: None, payload, body });
                }
            }
            Signal::Ping => {}
            Signal::Pong => io.alive(),
            Signal::Closed => self.refuse(Refusal::EngineClosed, io),
            // The server may not have heard our goodbye: its answer to the logout comes after it.
            Signal::Ignored(_) if self.is_leaving() => {}
            Signal::Ignored(text) => io.problem(Fault::Vendor, text),
        }
    }

    /// The namespace is ours: the older generation logs in where the address has not done so.
    fn begin(&mut self, io: &mut Io<'_, Self>) {
        let mut login = None;
        if self.config.generation == Generation::V1 && !self.asked {
            let number = io.cx.now.as_millis();
            login = Some(number);
            let tid = io.wire_ids().encode(Lane::Login as u8, number);
            let body = json!({
                "token": self.tokens.held().map_or("", redial_core::Secret::expose),
                "SDK_version": self.config.sdk_version,
                "OS_family": self.config.os_family,
                "OS_revision": self.config.os_revision,
            });
            self.emit(Event::new("session:login", &(Envelope::new(&body, tid.as_str()),)), io);
        }
        if let Some(live) = &mut self.live {
            live.stage = Stage::Starting { login };
        }
    }

    /// A Socket.IO DISCONNECT. The SDK takes each one of an established session for the end of the
    /// token's life.
    fn handle_disconnect(&mut self, io: &mut Io<'_, Self>) {
        let Some(live) = &self.live else { return };
        match live.stage {
            Stage::Online if self.logging_out => self.refuse(Refusal::OwnLogout, io),
            Stage::Online => {
                self.tokens.refused();
                self.refuse(Refusal::TokenExpired, io);
            }
            Stage::Leaving => {}
            Stage::Joining | Stage::Starting { .. } if self.asked => {
                self.refuse_token(Refusal::ExpiredToken, io);
            }
            Stage::Joining | Stage::Starting { .. } => self.refuse(Refusal::LoginDisconnected, io),
        }
    }

    /// A refused namespace is classified by its message, the server's own words.
    fn handle_namespace_refusal(&mut self, refusal: &NamespaceRefusal, io: &mut Io<'_, Self>) {
        let message = refusal.message().unwrap_or_default().to_ascii_lowercase();
        let has = |words: &[&str]| words.iter().any(|word| message.contains(word));
        let kind = if let Some(kind) = Refusal::of(&message) {
            kind
        } else if has(&["expired"]) {
            Refusal::ExpiredToken
        } else if has(&["max-open-sessions"]) {
            Refusal::MaxOpenSessions
        } else if has(&["permission", "forbidden"]) {
            Refusal::Permission
        } else {
            Refusal::NamespaceRefused
        };
        self.refuse_login(kind, io);
    }

    /// Gives the connection up for what the server said instead of letting us in.
    pub(crate) fn refuse_login(&mut self, kind: Refusal, io: &mut Io<'_, Self>) {
        match kind {
            Refusal::ExpiredToken | Refusal::InvalidToken | Refusal::NamespaceRefused => {
                self.refuse_token(kind, io);
            }
            // Without a session that was asked for there is none to be lost.
            Refusal::SessionInvalid if self.asked => self.lose_session(io),
            Refusal::SessionInvalid => self.refuse(Refusal::LoginRefused, io),
            kind => self.refuse(kind, io),
        }
    }

    /// The server does not know the session: the next one is another.
    pub(crate) fn lose_session(&mut self, io: &mut Io<'_, Self>) {
        if let Some(id) = self.session.take() {
            io.message(crate::message::Message::SessionLost { id });
        }
        self.refuse(Refusal::SessionInvalid, io);
    }

    /// The token is refused: once more with another one, not twice.
    fn refuse_token(&mut self, kind: Refusal, io: &mut Io<'_, Self>) {
        self.tokens.refused();
        let (strike, again) = match kind {
            Refusal::InvalidToken => (&mut self.strikes.invalid, Refusal::InvalidTokenAgain),
            Refusal::NamespaceRefused => {
                (&mut self.strikes.namespace, Refusal::NamespaceRefusedAgain)
            }
            _ => (&mut self.strikes.expired, Refusal::ExpiredTokenAgain),
        };
        if core::mem::replace(strike, true) {
            // The session is suspended, and must not go on with this token later.
            io.token_rejected();
            self.refuse(again, io);
        } else {
            self.refuse(kind, io);
        }
    }

    /// Gives the connection up.
    pub(crate) fn refuse(&mut self, kind: Refusal, io: &mut Io<'_, Self>) {
        io.refused(kind as u16, None);
        self.live = None;
    }

    pub(crate) fn send(&mut self, id: MessageId, message: &Outgoing, io: &mut Io<'_, Self>) {
        let Some(live) = &mut self.live else { return };
        let tid = io.wire_ids().encode(Lane::Message as u8, id.get());
        let Ok(event) = Event::new(message.name(), &(message.envelope(tid.as_str()),)) else {
            return io.settle(id, Outcome::Rejected(Reply::UNWRITABLE));
        };
        let main = Namespace::main();
        let written = match message.kind() {
            Kind::Either => live.connection.request(&main, &event).map(Some),
            Kind::Reply | Kind::Written => live.connection.emit(&main, &event).map(|()| None),
        };
        match written {
            Ok(Some(ack)) => {
                live.acks.insert(ack, id);
                self.forget_old_acks();
            }
            Ok(None) => {}
            Err(SendError::TooLarge) => io.settle(id, Outcome::Rejected(Reply::TOO_LARGE)),
            Err(_) => io.settle(id, Outcome::Retry { after: None }),
        }
        self.flush(io);
    }

    /// A message has its reply: its acknowledgement says nothing more.
    pub(crate) fn forget_ack(&mut self, message: MessageId) {
        let Some(live) = &mut self.live else { return };
        while let Some(ack) = live.acks.iter().find(|(_, id)| **id == message).map(|(ack, _)| *ack)
        {
            live.acks.remove(&ack);
            live.connection.forget(&Namespace::main(), ack);
        }
    }

    /// Acknowledgements that never come must not keep the later ones out. The oldest is that of a
    /// message which has its fate: no more than so many are on their way.
    fn forget_old_acks(&mut self) {
        let Some(live) = &mut self.live else { return };
        while live.acks.len() > usize::from(ACKS)
            && let Some((ack, _)) = live.acks.pop_first()
        {
            live.connection.forget(&Namespace::main(), ack);
        }
    }

    /// Sends an event of our own.
    pub(crate) fn emit(&mut self, event: Result<Event, Error>, io: &mut Io<'_, Self>) {
        let Some(live) = &mut self.live else { return };
        let sent =
            event.is_ok_and(|event| live.connection.emit(&Namespace::main(), &event).is_ok());
        if !sent {
            io.problem(Fault::Ours, "an event of the session could not be written");
        }
        self.flush(io);
    }

    pub(crate) fn log_out(&mut self, io: &mut Io<'_, Self>) {
        let Some(Live { stage: Stage::Online, .. }) = self.live else { return };
        self.logging_out = true;
        let tid = io.wire_ids().encode(Lane::Logout as u8, io.cx.now.as_millis());
        let body = json!({});
        self.emit(Event::new("session:logout", &(Envelope::new(&body, tid.as_str()),)), io);
    }

    /// As the newer SDK does: the logout, and the end without waiting for its answer.
    pub(crate) fn say_goodbye(&mut self, io: &mut Io<'_, Self>) {
        if self.config.logout {
            self.log_out(io);
        }
        if let Some(live) = &mut self.live {
            live.stage = Stage::Leaving;
            // Nothing to leave where nothing was joined.
            let _ = live.connection.leave(&Namespace::main());
        }
        self.flush(io);
    }

    pub(crate) fn ping(&mut self, io: &mut Io<'_, Self>) {
        let Some(live) = &mut self.live else { return };
        if live.connection.ping().is_err() {
            io.problem(Fault::Ours, "a heartbeat could not be written");
        }
        self.flush(io);
    }

    pub(crate) fn flush(&mut self, io: &mut Io<'_, Self>) {
        if let Some(live) = &mut self.live {
            live.connection.flush(io);
        }
    }

    fn is_leaving(&self) -> bool {
        self.live.as_ref().is_some_and(|live| live.stage == Stage::Leaving)
    }

    /// Returns the reply in an event.
    pub(crate) fn reply(name: &str, fields: &Fields) -> Reply {
        Reply { name: Some(name.into()), payload: fields.whole.clone(), body: fields.body.clone() }
    }
}

/// How many events are on their way without a proof.
pub(crate) const ACKS: u16 = 512;
/// How many bytes are taken before the session is confirmed.
const EARLY: usize = Limits::DEFAULT.early_bytes;
