//! What namespaces say, in the words of the tool's contract.

use std::borrow::Cow;

use redial_core::{Cause, Continuity, Notice, Wait};
use redial_evolution::EvolutionApi;
use redial_evolution::v2::{self, Event, Nothing, Refusal};
use serde_json::{Value, json};

use crate::connect::{Answer, Vendor, cause_text};

impl Vendor for EvolutionApi {
    /// A frame is no JSON object, and its number says all that can be shown.
    const ENVELOPE: &'static [&'static str] = &[];
    /// What was missed is gone.
    const FILLS_GAPS: bool = false;

    /// The adapter says so itself.
    fn means_gap(_continuity: Continuity) -> bool {
        false
    }

    fn payload(_value: Value) -> Result<Nothing, String> {
        Err("there is nothing to send: the server reads nothing".into())
    }

    fn filter(_value: Value) -> Result<Self::Command, String> {
        Err("subscribe: not with this vendor".into())
    }

    fn message(event: &Event) -> Value {
        let mut body = event.envelope.value();
        // Where the server exposes keys, that is a credential.
        if let Some(key) = body.get_mut("apikey") {
            *key = Value::Null;
        }
        json!({ "event": event.name.as_str(), "instance": event.instance(), "body": body })
    }

    fn reply(reply: &Self::Reply) -> Answer {
        match *reply {}
    }

    /// The events of the official client.
    fn vendor_lines(notice: &Notice) -> Vec<Value> {
        match *notice {
            Notice::Online { .. } => vec![json!({ "name": "connect" })],
            Notice::Offline { cause, .. } => {
                vec![json!({ "name": "disconnect", "reason": reason(cause) })]
            }
            Notice::RetryScheduled { cause: cause @ Cause::Handshake(_), .. } => {
                let text = v2::explain(notice).map(Cow::from);
                let text = text.unwrap_or_else(|| cause_text::<Self>(cause).into());
                vec![json!({ "name": "connect_error", "text": text })]
            }
            _ => Vec::new(),
        }
    }

    fn explain(notice: &Notice) -> Option<Cow<'static, str>> {
        v2::explain(notice).map(Cow::from)
    }
}

/// The official client's word for the end of a connection.
fn reason(cause: Cause) -> &'static str {
    match cause {
        Cause::Timeout(Wait::Health | Wait::Pong) => "ping timeout",
        Cause::Requested => "io client disconnect",
        Cause::Refused(code) if code == Refusal::Removed as u16 => "io server disconnect",
        Cause::Refused(code) if code == Refusal::Protocol as u16 => "parse error",
        Cause::Network => "transport error",
        _ => "transport close",
    }
}
