//! What event sockets say, in the words of the tool's contract.

use std::borrow::Cow;

use redial_core::{Cause, Continuity, Notice};
use redial_evolution::CodeChat;
use redial_evolution::codechat::{self, Message, Payload};
use serde_json::{Value, json};

use crate::connect::liveperson::close_code;
use crate::connect::{Answer, Vendor, cause_text};

impl Vendor for CodeChat {
    /// A payload has no envelope.
    const ENVELOPE: &'static [&'static str] = &[];
    /// What was missed is gone.
    const FILLS_GAPS: bool = false;

    /// The adapter says so itself.
    fn means_gap(_continuity: Continuity) -> bool {
        false
    }

    /// The server reads nothing; what is sent is proved by being written.
    fn payload(value: Value) -> Result<Payload, String> {
        Payload::new(value.to_string()).map_err(|error| error.to_string())
    }

    fn filter(_value: Value) -> Result<Self::Command, String> {
        Err("subscribe: not with this vendor".into())
    }

    fn message(message: &Message) -> Value {
        match message {
            Message::Event(event) => {
                json!({ "event": event.name.as_str(), "body": event.body.value() })
            }
            // The token itself is no matter for a terminal.
            Message::TokenRefreshed(_) => json!({ "event": "token", "body": null }),
            _ => json!({ "body": null }),
        }
    }

    fn reply(reply: &Self::Reply) -> Answer {
        match *reply {}
    }

    /// The handlers of the seed: `onopen`, `onerror`, `onclose`.
    fn vendor_lines(notice: &Notice) -> Vec<Value> {
        match *notice {
            Notice::Online { .. } => vec![json!({ "name": "open" })],
            Notice::Offline { cause, .. } => vec![closed(cause)],
            // A dial that fails is an error and a close, as in a browser.
            Notice::RetryScheduled { cause: cause @ Cause::Handshake(_), .. } => {
                let text = codechat::explain(notice).map(Cow::from);
                let text = text.unwrap_or_else(|| cause_text::<Self>(cause).into());
                vec![json!({ "name": "error", "text": text }), closed(cause)]
            }
            _ => Vec::new(),
        }
    }

    fn explain(notice: &Notice) -> Option<Cow<'static, str>> {
        codechat::explain(notice).map(Cow::from)
    }
}

fn closed(cause: Cause) -> Value {
    json!({ "name": "close", "code": close_code(cause) })
}
