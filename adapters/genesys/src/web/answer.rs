//! What each frame of the server leads to.

use alloc::string::String;

use redial_core::{Continuity, Fault, Io, MessageId, Outcome, Span};
use serde_json::Value;

use super::adapter::WebMessaging;
use super::inbound::{Echo, Inbound, Message, SessionInfo, Structured};
use super::policy::Refusal;
use super::request::Lane;
use crate::body::{self, Body};

impl WebMessaging {
    pub(super) fn handle_inbound(&mut self, frame: Inbound, io: &mut Io<'_, Self>) {
        let lane = frame.tracing_id.as_deref().and_then(|id| io.wire_ids().decode(id));
        let lane = lane.and_then(|(lane, number)| Some((Lane::of(lane)?, number)));
        if frame.code >= 400 {
            return self.handle_error(lane, &frame, io);
        }
        match frame.class.as_str() {
            "SessionResponse" => self.handle_session(lane, frame.body, io),
            "StructuredMessage" => self.handle_structured(lane, frame, io),
            "JwtResponse" => self.handle_jwt(&frame.body, io),
            "SessionExpiredEvent" => self.expire(io),
            "SessionClearedEvent" => {
                self.cleared = true;
                io.message(Message::Cleared);
            }
            "ConnectionClosedEvent" => self.handle_connection_closed(&frame.body, io),
            "LogoutEvent" => {
                self.token = None;
                io.message(Message::LoggedOut);
                io.refused(Refusal::LoggedOut as u16, None);
            }
            _ => io.message(Message::Other { class: frame.class, body: frame.body }),
        }
    }

    fn handle_session(&mut self, lane: Option<(Lane, u64)>, body: Body, io: &mut Io<'_, Self>) {
        let value = body.value();
        let flag = |key| value.get(key).and_then(Value::as_bool);
        if flag("connected") != Some(true) {
            return self.handle_session_end(lane, io);
        }
        let new_session = flag("newSession").unwrap_or(false);
        self.read_only = flag("readOnly").unwrap_or(false);
        self.start_new = false;
        self.start_due = None;
        self.cleared = false;
        let number = |key| value.get(key).and_then(body::number);
        self.expiry.set(io.cx.now, number("expirationDate"), number("durationSeconds"));
        let (read_only, expires_at) = (self.read_only, self.expiry.at());
        io.ready(if new_session { Continuity::Fresh } else { Continuity::Resumed });
        io.message(Message::Session(SessionInfo { new_session, read_only, expires_at, body }));
        if read_only {
            io.message(Message::ReadOnly);
        }
        if new_session && self.config.autostart {
            self.write_join(io);
        }
    }

    /// The session is closed, as was asked or by another connection of it.
    fn handle_session_end(&mut self, lane: Option<(Lane, u64)>, io: &mut Io<'_, Self>) {
        let closed = matches!(lane, Some((Lane::Close, _)));
        if closed && self.start_new {
            return self.begin_anew(io);
        }
        if !closed && !io.is_online() {
            io.problem(Fault::Vendor, "a session that is not connected");
            return io.refused(Refusal::NotConnected as u16, None);
        }
        if !core::mem::replace(&mut self.read_only, true) {
            io.message(Message::ReadOnly);
        }
    }

    fn handle_structured(
        &mut self,
        lane: Option<(Lane, u64)>,
        frame: Inbound,
        io: &mut Io<'_, Self>,
    ) {
        if let Some((Lane::Echo, _)) = lane {
            return self.handle_health(&frame.body, io);
        }
        let structured = Structured::new(frame.body, false);
        let fresh = self.note_live(&structured);
        self.expiry.prolong(io.cx.now);
        self.heed_end(&structured, io);
        match lane {
            Some((Lane::Message, number)) => {
                let id = MessageId::new(number);
                self.bare.retain(|known| *known != id);
                io.reply(id, Outcome::Acked, Echo { message: structured });
            }
            // Nobody has asked, and a response that answers nobody is no message of anyone's.
            None if frame.is_response => {}
            Some(_) | None if fresh => io.message(Message::Structured(structured)),
            Some(_) | None => {}
        }
    }

    fn handle_health(&mut self, body: &Body, io: &mut Io<'_, Self>) {
        let value = body.value();
        let number = |key| value.pointer(key).and_then(body::number);
        let date = number("/metadata/expirationDate");
        self.expiry.set(io.cx.now, date, number("/metadata/durationSeconds"));
        io.alive();
        io.message(Message::Health);
    }

    /// The other side may have ended the conversation.
    pub(super) fn heed_end(&mut self, structured: &Structured, io: &mut Io<'_, Self>) {
        if !self.read_only && structured.ends_conversation() {
            self.read_only = true;
            io.message(Message::ReadOnly);
        }
    }

    fn handle_connection_closed(&mut self, body: &Body, io: &mut Io<'_, Self>) {
        let value = body.value();
        let text = |key| value.get(key)?.as_str();
        // The mobile SDK reads the one, the Java SDK the other.
        let reason = text("reason").or_else(|| text("reasonCode")).map(String::from);
        let refusal = if reason.as_deref().is_some_and(|text| text.eq_ignore_ascii_case("signedIn"))
        {
            self.token = None;
            Refusal::SignedIn
        } else if self.start_new {
            // It makes room for the new conversation, which the next connection begins.
            Refusal::NotConnected
        } else if self.cleared {
            Refusal::Cleared
        } else {
            Refusal::SessionLimit
        };
        io.message(Message::ConnectionClosed { reason });
        io.refused(refusal as u16, None);
    }

    /// The session is over: a new token, and with it a new session.
    fn expire(&mut self, io: &mut Io<'_, Self>) {
        self.token = None;
        self.expiry = Default::default();
        io.message(Message::Expired);
        io.refused(EXPIRED, None);
    }

    fn handle_error(&mut self, lane: Option<(Lane, u64)>, frame: &Inbound, io: &mut Io<'_, Self>) {
        let value = frame.body.value();
        let rate = frame.code == 429 || frame.class == "TooManyRequestsErrorMessage";
        let code = if rate { 429 } else { frame.code };
        let after = value.get("retryAfter").and_then(body::number);
        let after = after.map(|secs| Span::saturating_from_millis(secs.saturating_mul(1000)));
        let wait = after.unwrap_or(self.config.retry_after());
        if rate {
            self.limiter.hold(io.cx.now + wait);
        }
        match lane {
            Some((Lane::Message, number)) => {
                self.handle_refusal(MessageId::new(number), code, wait, io);
            }
            Some((Lane::Configure, _)) => return io.refused(code, rate.then_some(wait)),
            Some((Lane::Jwt, _)) => self.try_gap_again(rate.then_some(wait), io),
            Some((Lane::Echo, _)) if rate => self.echo_due = Some(io.cx.now + wait),
            // There was nothing to close.
            Some((Lane::Close, _)) if self.start_new => return self.begin_anew(io),
            Some((Lane::Echo | Lane::Join | Lane::Close, _)) | None => {
                io.message(Message::Error { code, body: frame.body.clone() });
            }
        }
        match code {
            EXPIRED => self.expire(io),
            NOT_FOUND => io.refused(NOT_FOUND, None),
            NO_DOWNGRADE => {
                self.token = None;
                io.refused(NO_DOWNGRADE, None);
            }
            _ => {}
        }
    }

    /// The server did not take a message of the application's.
    fn handle_refusal(&mut self, id: MessageId, code: u16, wait: Span, io: &mut Io<'_, Self>) {
        let outcome = match code {
            429 | 408 => Outcome::Retry { after: Some(wait) },
            // The session is configured again, then it is taken.
            NOT_FOUND => Outcome::Retry { after: None },
            NO_ATTRIBUTES if !self.bare.contains(&id) && self.bare.len() < MAX_BARE => {
                self.bare.push(id);
                Outcome::Retry { after: None }
            }
            READ_ONLY => {
                if !self.read_only {
                    self.read_only = true;
                    io.message(Message::ReadOnly);
                }
                Outcome::Rejected(code)
            }
            _ => Outcome::Rejected(code),
        };
        io.settle(id, outcome);
    }
}

/// The conversation has ended.
pub(super) const READ_ONLY: u16 = 409;
/// The text is too long.
pub(super) const TOO_LONG: u16 = 4011;
const EXPIRED: u16 = 4006;
const NOT_FOUND: u16 = 4007;
const NO_ATTRIBUTES: u16 = 4013;
const NO_DOWNGRADE: u16 = 4017;
/// As many messages as a ledger holds by default.
const MAX_BARE: usize = 1024;
