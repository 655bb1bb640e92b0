//! What RingCentral says, in the words of the tool's contract.

use std::borrow::Cow;

use redial_core::{
    Adapter as _, Cause, ConnId, Continuity, Notice, Span, StopReason, SuspendReason,
};
use redial_ringcentral::{
    Command, ConnectionDetails, LOGIN, Message, Notification, Operation, REFRESH, Request,
    Response, RestError, RingCentral, WSTOKEN,
};
use serde_json::{Map, Value, json};

use super::payload;
use crate::connect::{Answer, Told, Vendor, cause_json};

impl Vendor for RingCentral {
    /// Whole frames are shown.
    const ENVELOPE: &'static [&'static str] = &[];
    const NAMES_GAPS: bool = true;

    /// The SDK's debug mode prints every frame; here without what is secret.
    fn shown(frame: &[u8]) -> Option<String> {
        Some(redial_ringcentral::redacted(frame))
    }

    /// The adapter says so itself.
    fn means_gap(_continuity: Continuity) -> bool {
        false
    }

    fn payload(value: Value) -> Result<Request, String> {
        payload::request(value)
    }

    fn filter(value: Value) -> Result<Command, String> {
        Ok(Command::Subscribe { filters: vec![filter(value)?], restore: None })
    }

    /// All filters make one subscription.
    fn filters(values: Vec<Value>) -> Result<Vec<Command>, String> {
        let filters: Vec<String> = values.into_iter().map(filter).collect::<Result<_, _>>()?;
        Ok(vec![Command::Subscribe { filters, restore: None }])
    }

    fn command(name: &str, _order: &Map<String, Value>) -> Option<Command> {
        (name == "revoke").then_some(Command::Revoke)
    }

    fn message(message: &Message) -> Value {
        match message {
            Message::Notification(Notification { event, body, .. }) => json!({
                "event": event, "type": "notification", "body": body.value(),
                // What came before, by its uuid, is not told again.
                "duplicate": false,
            }),
            Message::Subscribed { conn, info, restored } => json!({
                "event": "subscribed", "type": "subscription", "conn": conn.get(),
                "body": { "id": info.id(), "eventFilters": info.event_filters() },
                "restored": restored,
            }),
            Message::SubscriptionFailed { conn, operation, error, retry } => json!({
                "event": "subscription_failed", "type": "subscription", "conn": conn.get(),
                "body": error.as_ref().map(error_json),
                "operation": match operation {
                    Operation::Create => "create",
                    Operation::Restore => "restore",
                    Operation::Revoke => "revoke",
                },
                "retry": retry,
            }),
            Message::Revoked { conn } => json!({
                "event": "revoked", "type": "subscription", "conn": conn.get(), "body": null,
            }),
            Message::Error { conn, error } => json!({
                "event": "error", "type": "Error", "conn": conn.get(), "body": error_json(error),
            }),
            Message::Other { kind, body } => {
                json!({ "event": "other", "type": kind, "body": body.value() })
            }
            _ => json!({ "body": null }),
        }
    }

    /// What the SDK has events for is told under their names.
    fn told(message: &Message) -> Told {
        let vendor = |name: &str, conn: &ConnId| json!({ "name": name, "conn": conn.get() });
        let mut fields = match message {
            Message::NewWsc { conn, .. } => vendor("newWsc", conn),
            Message::ConnectionReady { conn, .. } => vendor("connectionReady", conn),
            Message::AutoRecoverSuccess { conn } => vendor("autoRecoverSuccess", conn),
            Message::AutoRecoverFailed { conn, .. } => vendor("autoRecoverFailed", conn),
            Message::AutoRecoverError { conn, .. } => vendor("autoRecoverError", conn),
            Message::Gap(gap) => {
                let certainty = gap.certainty.as_str();
                let span = gap.from.map(|from| gap.to.since(from));
                return Told::Gap { certainty, span, cause: gap.cause };
            }
            // For --state and --refresh-token-out only.
            Message::RefreshToken(_) => return Told::Nothing,
            message => return Told::Message(Self::message(message)),
        };
        match message {
            Message::NewWsc { wsc, .. } => fields["sequence"] = wsc.sequence.into(),
            Message::ConnectionReady { details, .. } => {
                for (name, value) in details_of(details) {
                    if !value.is_null() {
                        fields[name] = value;
                    }
                }
            }
            Message::AutoRecoverFailed { error_code, .. } => {
                fields["errorCode"] = error_code.as_deref().into();
            }
            Message::AutoRecoverError { cause, .. } => {
                fields["cause"] = cause_json::<Self>(*cause);
            }
            _ => {}
        }
        Told::Vendor(fields)
    }

    fn reply(reply: &Response) -> Answer {
        payload::answer(reply)
    }

    fn vendor_lines(notice: &Notice) -> Vec<Value> {
        match *notice {
            Notice::Connecting { conn, .. } => {
                vec![json!({ "name": "newWebSocketObject", "conn": conn.get() })]
            }
            _ => Vec::new(),
        }
    }

    fn explain(notice: &Notice) -> Option<Cow<'static, str>> {
        let text = match *notice {
            Notice::Stopped { reason: StopReason::Policy(cause) } => match cause {
                Cause::Http { step, status: 403 } if step == WSTOKEN => {
                    "the application lacks the permission WebSocket Subscriptions".into()
                }
                Cause::Http { step, status } => {
                    format!("RingCentral refuses: {} {status}", Self::step_name(step)).into()
                }
                Cause::Close(4400) => "the gateway saw no authorization".into(),
                _ => return None,
            },
            Notice::Suspended {
                reason: SuspendReason::Policy(Cause::Http { step, status: 400 | 401 }),
            } if [LOGIN, REFRESH, WSTOKEN].contains(&step) => {
                "RingCentral refuses these credentials".into()
            }
            // Such as 404: the server is another one than was meant.
            Notice::Suspended { reason: SuspendReason::Policy(Cause::Http { step, status }) } => {
                format!("RingCentral refuses: {} {status}", Self::step_name(step)).into()
            }
            Notice::Suspended { .. } => "recover goes on".into(),
            _ => return None,
        };
        Some(text)
    }
}

fn filter(value: Value) -> Result<String, String> {
    match value {
        Value::String(filter) if !filter.is_empty() => Ok(filter),
        _ => Err("a filter is a text".into()),
    }
}

fn error_json(error: &RestError) -> Value {
    json!({ "status": error.status, "errorCode": error.code, "message": error.message })
}

/// Returns what a hello says, in the vendor's own words and units.
fn details_of(details: &ConnectionDetails) -> [(&'static str, Value); 7] {
    let seconds = |span: Option<Span>| {
        let millis = span?.as_millis();
        Some(if millis.is_multiple_of(1000) {
            json!(millis / 1000)
        } else {
            json!(f64::from(millis) / 1000.0)
        })
    };
    [
        ("recoveryState", json!(details.recovery_state)),
        ("recoveryErrorCode", json!(details.recovery_error_code)),
        ("recoveryTimeout", json!(seconds(details.recovery_timeout))),
        ("recoveryBufferSize", json!(details.recovery_buffer_size)),
        ("idleTimeout", json!(seconds(details.idle_timeout))),
        ("absoluteTimeout", json!(seconds(details.absolute_timeout))),
        ("maxActiveRequests", json!(details.max_active_requests)),
    ]
}
