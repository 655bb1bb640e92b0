//! What each frame of the gateway leads to.

use bytes::Bytes;
use redial_core::{Fault, Io, MessageId, Outcome, Path};

use crate::adapter::{Lane, RingCentral};
use crate::envelope::{self, Envelope};
use crate::message::{Message, Notification, RestError};
use crate::policy::Refusal;
use crate::request::Response;

impl RingCentral {
    pub(crate) fn handle_text(&mut self, bytes: &Bytes, io: &mut Io<'_, Self>) {
        let envelope = match envelope::decode(bytes) {
            Ok(envelope) => envelope,
            Err(text) => return io.problem(Fault::Vendor, text),
        };
        if envelope.kind == "ConnectionDetails" {
            return self.handle_hello(envelope, io);
        }
        // Before the hello nobody has said whose context it is.
        if self.greeted {
            self.note_wsc(envelope.wsc.clone(), io);
        }
        let lane = io.wire_ids().decode(&envelope.message_id);
        let lane = lane.and_then(|(lane, number)| Some((Lane::of(lane)?, number)));
        match (envelope.kind.as_str(), lane) {
            ("ClientRequest" | "Error", Some((Lane::Message, number))) => {
                self.handle_answer(MessageId::new(number), &envelope, io);
            }
            ("ClientRequest" | "Error", Some((Lane::Subscription, number))) => {
                self.handle_subscription(number, &envelope, io);
            }
            ("Heartbeat", Some((Lane::Heartbeat, _))) => io.alive(),
            // An answer to what this session has not asked.
            ("ClientRequest" | "Heartbeat", _) => self.ignored = self.ignored.saturating_add(1),
            ("Error", _) => self.handle_error(&envelope, io),
            ("ServerNotification", _) => self.handle_notification(envelope, io),
            _ => io.message(Message::Other { kind: envelope.kind, body: envelope.body }),
        }
    }

    fn handle_answer(&mut self, id: MessageId, envelope: &Envelope, io: &mut Io<'_, Self>) {
        self.slots.free(id);
        let status = envelope.status.unwrap_or(0);
        let good = envelope.kind == "ClientRequest" && (200..300).contains(&status);
        let outcome = if good { Outcome::Acked } else { Outcome::Rejected(status) };
        let (body, headers) = (envelope.body.clone(), envelope.headers());
        io.reply(id, outcome, Response { status, body, via: Path::Socket, headers });
        self.advance_subscription(io);
    }

    fn handle_notification(&mut self, envelope: Envelope, io: &mut Io<'_, Self>) {
        let Some(notification) = Notification::read(envelope.body) else {
            return io.problem(Fault::Vendor, "a notification that is no object");
        };
        if !self.desired.wants(&notification.subscription_id) {
            self.ignored = self.ignored.saturating_add(1);
            return;
        }
        let new = self.recent.insert(&notification.uuid);
        let timestamp = notification.timestamp.clone();
        if new {
            io.message(Message::Notification(notification));
        }
        self.note_replayed(&timestamp, io);
    }

    /// An error that answers none of our requests is about the connection.
    fn handle_error(&mut self, envelope: &Envelope, io: &mut Io<'_, Self>) {
        let error = RestError::read(envelope.status, &envelope.body);
        let refusal = match error.code.as_str() {
            "WSG-400" if !self.greeted && self.asked => {
                self.forget_context();
                Some(Refusal::MalformedContext)
            }
            "WSG-902" => Some(Refusal::IdleTimeout),
            "WSG-903" => Some(Refusal::AbsoluteTimeout),
            _ if !self.greeted => Some(Refusal::Hello),
            _ => None,
        };
        if let Some(conn) = io.conn() {
            io.message(Message::Error { conn, error });
        }
        if let Some(refusal) = refusal {
            io.refused(refusal as u16, None);
        }
    }
}
