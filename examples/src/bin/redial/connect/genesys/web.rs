//! What Web Messaging says, in the words of the tool's contract.

use std::borrow::Cow;

use redial_core::{Cause, Continuity, Notice, StopReason, SuspendReason};
use redial_genesys::WebMessaging;
use redial_genesys::web::{Command, Echo, Message, Outgoing, Structured};
use serde_json::{Map, Value, json};

use crate::connect::liveperson::close_code;
use crate::connect::{Answer, Vendor};

impl Vendor for WebMessaging {
    const ENVELOPE: &'static [&'static str] = &["type", "class", "code", "action", "tracingId"];

    /// A session that is resumed has a history, of which the adapter tells; a new one has none.
    fn means_gap(continuity: Continuity) -> bool {
        continuity == Continuity::Fresh
    }

    fn payload(value: Value) -> Result<Outgoing, String> {
        let (text, attributes) = super::text_of(value)?;
        let message = Outgoing::text(&text);
        match attributes {
            None => Ok(message),
            Some(Value::Object(attributes)) => Ok(message.with_attributes(attributes)),
            Some(_) => Err("\"attributes\" is an object".into()),
        }
    }

    fn filter(_value: Value) -> Result<Command, String> {
        Err("subscribe: not with this vendor".into())
    }

    fn command(name: &str, order: &Map<String, Value>) -> Option<Command> {
        match name {
            "health_check" => Some(Command::HealthCheck),
            "start_new" => Some(Command::StartNew),
            "close_session" => {
                let all = order.get("all").and_then(Value::as_bool).unwrap_or(false);
                Some(Command::CloseSession { all })
            }
            _ => None,
        }
    }

    fn message(message: &Message) -> Value {
        let event = |event: &str, class: &str, body: Value| json!({ "event": event, "type": class, "body": body });
        match message {
            Message::Session(info) => event("session", "SessionResponse", info.body.value()),
            Message::Structured(structured) => structured_line(structured),
            Message::ReadOnly => event("read_only", "Presence", json!({})),
            Message::Health => event("health", "StructuredMessage", json!({})),
            Message::Expiring { at } => {
                event("expiring", "SessionResponse", json!({ "at": at.as_millis() }))
            }
            Message::Expired => event("expired", "SessionExpiredEvent", json!({})),
            Message::Cleared => event("cleared", "SessionClearedEvent", json!({})),
            Message::ConnectionClosed { reason } => {
                let body = json!({ "reason": reason });
                event("connection_closed", "ConnectionClosedEvent", body)
            }
            Message::LoggedOut => event("logged_out", "LogoutEvent", json!({})),
            Message::Error { code, body } => {
                json!({ "event": "error", "type": "error", "code": code, "body": body.value() })
            }
            Message::Other { class, body } => event("other", class, body.value()),
            _ => json!({ "body": null }),
        }
    }

    fn reply(reply: &Echo) -> Answer {
        Answer { status: 200, body: reply.message.body.value(), via: "socket" }
    }

    /// The states of the vendor's mobile SDK, and its own errors.
    fn vendor_lines(notice: &Notice) -> Vec<Value> {
        match *notice {
            Notice::Connecting { .. } => vec![json!({ "name": "Connecting" })],
            Notice::Online { continuity, .. } => {
                let new_session = continuity == Continuity::Fresh;
                vec![json!({ "name": "Configured", "newSession": new_session })]
            }
            Notice::Offline { cause, .. } => {
                vec![json!({ "name": "Closed", "code": close_code(cause) })]
            }
            Notice::RetryScheduled { .. } => vec![json!({ "name": "Reconnecting" })],
            _ => error_of(notice)
                .map(|(code, text)| json!({ "name": "Error", "code": code, "text": text }))
                .into_iter()
                .collect(),
        }
    }

    fn explain(notice: &Notice) -> Option<Cow<'static, str>> {
        error_of(notice).map(|(_, text)| text.into())
    }
}

/// The errors that the mobile SDK itself tells.
const fn error_of(notice: &Notice) -> Option<(u16, &'static str)> {
    match *notice {
        Notice::Suspended { reason: SuspendReason::AttemptsExhausted(_) } => {
            Some((1001, "Failed to reconnect"))
        }
        Notice::Stopped { reason: StopReason::Policy(Cause::Handshake(403)) } => {
            Some((1002, "Access refused: the domain or the deployment is not allowed"))
        }
        _ => None,
    }
}

fn structured_line(structured: &Structured) -> Value {
    let event = if structured.own { "own_message" } else { "message" };
    json!({
        "event": event, "type": structured.kind, "body": structured.body.value(),
        "duplicate": false, "history": structured.history,
    })
}
