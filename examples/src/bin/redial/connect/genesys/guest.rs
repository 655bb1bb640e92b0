//! What the guest chat says, in the words of the tool's contract.

use std::borrow::Cow;

use redial_core::{Continuity, Notice, SuspendReason};
use redial_genesys::GuestChat;
use redial_genesys::guest::{self, Chat, Message, Receipt, Text};
use serde_json::{Value, json};

use crate::connect::liveperson::close_code;
use crate::connect::{Answer, Vendor};

impl Vendor for GuestChat {
    const ENVELOPE: &'static [&'static str] = &["type", "messageId"];

    /// What was said to a guest who was away is not said again, whatever else is resumed.
    fn means_gap(_continuity: Continuity) -> bool {
        true
    }

    fn payload(value: Value) -> Result<Text, String> {
        match super::text_of(value)? {
            (text, None) => Ok(Text::new(text)),
            (_, Some(_)) => Err("a payload has no \"attributes\"".into()),
        }
    }

    fn filter(_value: Value) -> Result<Self::Command, String> {
        Err("subscribe: not with this vendor".into())
    }

    fn message(message: &Message) -> Value {
        match message {
            Message::Chat(chat) => chat_line(chat, false),
            Message::Duplicate(chat) => chat_line(chat, true),
            Message::Other { kind, body } => {
                json!({ "event": "other", "type": kind, "body": body.value() })
            }
            Message::Conversation { instance, previous } => json!({
                "event": "conversation", "type": "conversation",
                "body": { "instance": instance, "previous": previous },
            }),
            _ => json!({ "body": null }),
        }
    }

    fn reply(reply: &Receipt) -> Answer {
        Answer { status: reply.status, body: reply.body.value(), via: "https" }
    }

    /// What the guide's sample code says about a connection.
    fn vendor_lines(notice: &Notice) -> Vec<Value> {
        match *notice {
            Notice::Online { .. } => vec![json!({ "name": "connected" })],
            Notice::Offline { cause, .. } => {
                vec![json!({ "name": "closed", "code": close_code(cause) })]
            }
            Notice::RetryScheduled { attempt, delay, .. } => vec![json!({
                "name": "reconnecting", "attempt": attempt, "delay_ms": delay.as_millis(),
            })],
            Notice::Suspended { reason: SuspendReason::AttemptsExhausted(_) } => {
                vec![json!({ "name": "error", "text": guest::explain(notice) })]
            }
            _ => Vec::new(),
        }
    }

    fn explain(notice: &Notice) -> Option<Cow<'static, str>> {
        guest::explain(notice)
    }
}

fn chat_line(chat: &Chat, duplicate: bool) -> Value {
    json!({
        "event": "message", "type": "message", "body": chat.body.value(), "duplicate": duplicate,
    })
}
