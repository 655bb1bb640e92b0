//! What the server says.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use redial_core::{Continuity, Fault, Io, MessageId, Outcome};
use redial_socketio::{Event as Packet, Json, Text};
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::adapter::{Strikes, Vonage};
use crate::live::{ACKS, Stage};
use crate::message::{Event, Fields, Message, Reply, SessionInfo, is_error, text};
use crate::policy::Refusal;
use crate::request::Lane;
use crate::seen::Place;

impl Vonage {
    /// Takes an event.
    pub(crate) fn dispatch(&mut self, packet: &Packet, io: &mut Io<'_, Self>) {
        let Some(stage) = self.live.as_ref().map(|live| live.stage) else { return };
        let name = packet.name().clone();
        // Recorded: every SDK ignores it.
        if name == "echo" {
            return;
        }
        let fields = Fields::read(packet.arg(0));
        let rid = fields.rid.as_ref().and_then(|rid| io.wire_ids().decode(rid));
        match rid.and_then(|(lane, number)| Some((Lane::of(lane)?, number))) {
            Some((Lane::Message, number)) => {
                self.forget_ack(MessageId::new(number));
                let reply = Self::reply(&name, &fields);
                let outcome =
                    if reply.is_error() { Outcome::Rejected(Reply::ERROR) } else { Outcome::Acked };
                return io.reply(MessageId::new(number), outcome, reply);
            }
            Some((Lane::Update, number)) => {
                return self.handle_updated(number, &name, &fields, io);
            }
            Some((Lane::Logout, _)) => return self.refuse(Refusal::OwnLogout, io),
            // An answer to a login of an earlier connection is none to this one.
            Some((Lane::Login, number)) if stage != (Stage::Starting { login: Some(number) }) => {
                return;
            }
            Some((Lane::Login, _)) if name != "session:success" && !is_error(&name) => {
                return match Refusal::of(&name) {
                    Some(kind) => self.refuse_login(kind, io),
                    None => self.refuse_unknown(name, fields, io),
                };
            }
            Some((Lane::Login, _)) | None => {}
        }
        match stage {
            Stage::Joining | Stage::Starting { .. } => self.dispatch_early(&name, fields, io),
            Stage::Online | Stage::Leaving => self.dispatch_online(name, fields, io),
        }
    }

    fn dispatch_early(&mut self, name: &Text, fields: Fields, io: &mut Io<'_, Self>) {
        if *name == "session:success" {
            return self.succeed(fields.body.as_ref(), io);
        }
        match Refusal::of(name) {
            Some(kind) => self.refuse_login(kind, io),
            None if is_error(name) => self.refuse_unknown(name.clone(), fields, io),
            None => self.deliver(name.clone(), fields, false, io),
        }
    }

    /// An event that refuses the login for a reason of its own: the application is told which.
    fn refuse_unknown(&mut self, name: Text, fields: Fields, io: &mut Io<'_, Self>) {
        self.deliver(name, fields, false, io);
        self.refuse_login(Refusal::LoginRefused, io);
    }

    fn dispatch_online(&mut self, name: Text, fields: Fields, io: &mut Io<'_, Self>) {
        if name == "session:success" {
            return io.problem(Fault::Vendor, "a second session:success");
        }
        match Refusal::of(&name) {
            Some(Refusal::SessionInvalid) => return self.lose_session(io),
            Some(kind @ (Refusal::Terminated | Refusal::LoggedOut)) => {
                return self.refuse(if self.logging_out { Refusal::OwnLogout } else { kind }, io);
            }
            Some(Refusal::ExpiredToken) => self.expect_the_end(io),
            Some(_) | None if name == "system:error:invalid-event" => {
                io.problem(Fault::Caller, "the server does not know an event that was sent");
            }
            Some(_) | None => {}
        }
        self.deliver(name, fields, false, io);
    }

    /// The session is there. Its id says whether it is the old one.
    fn succeed(&mut self, body: Option<&Json>, io: &mut Io<'_, Self>) {
        let info = body.and_then(|body| {
            let wire: Success<'_> = serde_json::from_slice(body.as_bytes()).ok()?;
            let id = text::<String>(wire.id)?;
            (!id.is_empty() && id.len() <= MAX_ID).then_some((body, id, wire))
        });
        let Some((body, id, wire)) = info else {
            io.problem(Fault::Vendor, "a session:success without the session's id");
            return self.refuse(Refusal::Protocol, io);
        };
        let resumed = self.last.as_ref() == Some(&id);
        let previous = self.last.replace(id.clone()).filter(|_| !resumed);
        self.session = Some(id.clone());
        self.strikes = Strikes::default();
        self.tokens.accepted();
        if let Some(live) = &mut self.live {
            live.stage = Stage::Online;
        }
        io.window(ACKS);
        io.ready(if resumed { Continuity::Resumed } else { Continuity::Fresh });
        let (user_id, name, api_key) = (text(wire.user_id), text(wire.name), text(wire.api_key));
        io.message(Message::Session(SessionInfo { id, previous, user_id, name, api_key }));
        let pending = wire.pending_events.map(|raw| serde_json::from_str(raw.get()));
        let Pending { events, more } = pending.and_then(Result::ok).unwrap_or_default();
        for raw in events {
            let fields = Fields::read(body.part(raw));
            let name = fields.kind.clone().unwrap_or_default();
            self.deliver(name, fields, true, io);
        }
        if more {
            io.problem(Fault::Vendor, "more pending events than are taken");
            io.gap(false);
        }
        self.plan_renewal(io.cx.now);
    }

    /// Hands an event on, and says what its number says about others.
    fn deliver(&mut self, name: Text, fields: Fields, pending: bool, io: &mut Io<'_, Self>) {
        let place = match (&fields.cid, fields.id) {
            (Some(cid), Some(id)) => self.seen.see(cid, id),
            (Some(_) | None, _) => Place::Next,
        };
        if let (Place::After { from, to }, Some(cid)) = (place, &fields.cid) {
            io.gap(false);
            io.message(Message::Missing { cid: String::from(cid.as_str()), from, to });
        }
        let duplicate = place == Place::Duplicate;
        io.message(Message::Event(Event { name, fields, duplicate, pending }));
        if place == (Place::Late { closed: true }) {
            io.gap(true);
        }
    }
}

/// Of all this only the id is needed.
#[derive(Deserialize)]
struct Success<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    user_id: Option<&'a RawValue>,
    #[serde(borrow)]
    name: Option<&'a RawValue>,
    #[serde(borrow)]
    api_key: Option<&'a RawValue>,
    #[serde(borrow)]
    pending_events: Option<&'a RawValue>,
}

/// The first events of a list: what an event takes in memory is a hundred times what an empty one
/// takes on the wire.
#[derive(Default)]
struct Pending<'a> {
    events: Vec<&'a RawValue>,
    /// Whether there are others.
    more: bool,
}

impl<'de: 'a, 'a> Deserialize<'de> for Pending<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(First)
    }
}

struct First;

impl<'de> Visitor<'de> for First {
    type Value = Pending<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of events")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Pending<'de>, A::Error> {
        let mut pending = Pending::default();
        while pending.events.len() < PENDING
            && let Some(event) = seq.next_element()?
        {
            pending.events.push(event);
        }
        while seq.next_element::<IgnoredAny>()?.is_some() {
            pending.more = true;
        }
        Ok(pending)
    }
}

/// A longer id is none: it goes into every address.
const MAX_ID: usize = 256;
/// How many pending events are taken. Chosen.
const PENDING: usize = 4096;
