//! What the adapter sends.

use core::fmt::Write as _;

use redial_core::{Io, Span, Timestamp, WireId};
use serde_json::Value;

use super::adapter::WebMessaging;
use super::outgoing::Outgoing;
use super::policy::{EXPIRY_NOTICE, HEALTH_COOL_DOWN};
use crate::body;

impl WebMessaging {
    /// Writes a request that is no message of the application's.
    pub(super) fn write_control(
        &mut self,
        lane: Lane,
        action: &str,
        fields: &[(&str, &Value)],
        io: &mut Io<'_, Self>,
    ) {
        self.controls = self.controls.wrapping_add(1);
        let id = io.wire_ids().encode(lane as u8, self.controls);
        self.write(id, action, fields, io);
        self.limiter.note_request(io.cx.now);
    }

    pub(super) fn write_join(&mut self, io: &mut Io<'_, Self>) {
        let message = Outgoing::join().message(false);
        self.write_control(Lane::Join, "onMessage", &[("message", &message)], io);
    }

    pub(super) fn write(
        &self,
        id: WireId,
        action: &str,
        fields: &[(&str, &Value)],
        io: &mut Io<'_, Self>,
    ) {
        let Some(token) = &self.token else { return };
        io.text(|out| {
            // Writing to memory does not fail.
            let _ = write!(out, r#"{{"action":"{action}","token":"#);
            body::write_string(out, token.expose());
            let _ = write!(out, r#","tracingId":"{}""#, id.as_str());
            for (key, value) in fields {
                let _ = write!(out, r#","{key}":{value}"#);
            }
            out.extend_from_slice(b"}");
        });
    }

    pub(super) fn configure(&mut self, io: &mut Io<'_, Self>) {
        let deployment = Value::from(self.config.deployment.as_str());
        let fields = [("deploymentId", &deployment), ("startNew", &Value::Bool(true))];
        let fields = if self.start_new { &fields[..] } else { &fields[..1] };
        self.write_control(Lane::Configure, "configureSession", fields, io);
    }

    /// Ends the conversation that there is; the new one begins when that is answered, or when it
    /// ought to have been.
    pub(super) fn end_conversation(&mut self, io: &mut Io<'_, Self>) {
        self.start_due = Some(io.cx.now + self.policy.spec().timeouts.request);
        self.write_control(Lane::Close, "closeSession", &[], io);
    }

    /// Begins a new conversation on the connection that there is.
    pub(super) fn begin_anew(&mut self, io: &mut Io<'_, Self>) {
        self.start_due = None;
        self.configure(io);
    }

    /// Sends a health check, or plans it for the end of the cool-down.
    pub(super) fn check_health(&mut self, io: &mut Io<'_, Self>) {
        match self.cool_until().filter(|until| *until > io.cx.now) {
            Some(until) => self.echo_due = Some(until.max(self.echo_due.unwrap_or(until))),
            None => self.echo(io),
        }
    }

    pub(super) fn echo(&mut self, io: &mut Io<'_, Self>) {
        self.echo_due = None;
        self.last_echo = Some(io.cx.now);
        let message = Outgoing::text("ping").message(false);
        self.write_control(Lane::Echo, "echo", &[("message", &message)], io);
    }

    pub(super) fn cool_until(&self) -> Option<Timestamp> {
        Some(self.last_echo? + HEALTH_COOL_DOWN.scaled(self.config.speed))
    }

    pub(super) fn notice(&self) -> Span {
        EXPIRY_NOTICE.scaled(self.config.speed)
    }
}

/// Whose answer an id on the wire asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Lane {
    Message = 1,
    Configure = 2,
    Echo = 3,
    Jwt = 4,
    Join = 5,
    Close = 6,
}

impl Lane {
    pub(super) const fn of(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::Message,
            2 => Self::Configure,
            3 => Self::Echo,
            4 => Self::Jwt,
            5 => Self::Join,
            6 => Self::Close,
            _ => return None,
        })
    }
}
