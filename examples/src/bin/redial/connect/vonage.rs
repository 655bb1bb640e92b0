//! `redial connect vonage`.

use std::borrow::Cow;
use std::process::ExitCode;

use redial_core::{Cause, Continuity, Notice, Secret, StopReason, SuspendReason};
use redial_vonage::{
    Callback, Callbacks, Command, Generation, Json, Message, Outgoing, POLICY, POLICY_SDK,
    RECONNECTION_FAILED, Refusal, Reply, Vonage,
};
use serde_json::{Map, Value, json};

use super::setup::Tokens;
use super::{Answer, Told, Vendor, Words, drive, setup};
use crate::cli::{self, Typed, VonageArgs, VonageBackoff, VonageGeneration};
use crate::output::Failure;
use crate::policy_file;

/// Holds a Vonage session.
pub(crate) async fn run(args: VonageArgs, typed: &Typed) -> Result<ExitCode, Failure> {
    let common = args.common.clone();
    let tokens = match (&args.token_command, &args.token) {
        // A token that was typed counts more than a command of the environment.
        (Some(_), Some(_)) if typed.has("token") && !typed.has("token_command") => None,
        (Some(command), _) => Some(Tokens::Command(command.clone())),
        (None, Some(_)) => None,
        (None, None) => usage("give --token or --token-command"),
    };
    let adapter = adapter(args, typed, tokens.is_some())?;
    drive(setup::client(adapter, &common, tokens)?, &common).await
}

fn adapter(args: VonageArgs, typed: &Typed, token_source: bool) -> Result<Vonage, Failure> {
    let generation = match args.generation {
        VonageGeneration::V1 => Generation::V1,
        VonageGeneration::V2 => Generation::V2,
    };
    let mut builder = Vonage::builder(generation)
        .token_source(token_source)
        .policy(match args.backoff {
            VonageBackoff::Seed => POLICY,
            VonageBackoff::Sdk => POLICY_SDK,
        })
        .speed(setup::speed(&args.common));
    if let Some(path) = &args.common.policy {
        builder = builder.policy(policy_file::read(path, &POLICY)?);
    }
    // A command that was typed counts more than a token of the environment.
    let stale = typed.has("token_command") && !typed.has("token");
    if let Some(token) = args.token.filter(|_| !stale) {
        builder = builder.token(Secret::new(token));
    }
    if args.no_proactive_refresh {
        builder = builder.proactive(false);
    }
    if let Some(attempts) = args.attempts {
        builder = builder.attempts(attempts);
    }
    let plain = args.common.plain;
    match &args.url {
        Some(url) => builder = builder.url(address(url, plain)),
        None if plain => usage("--plain needs --url: the vendor's own addresses have TLS"),
        None => {}
    }
    if let Some(url) = &args.api_url {
        builder = builder.api_url(address(url, plain));
    }
    builder.build().map_err(|error| Failure::usage(error.to_string()))
}

/// Returns an address. `--plain` counts more than its scheme, and serves for one.
fn address(url: &str, plain: bool) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("https", url));
    let scheme = match (plain, scheme) {
        (true, "wss" | "https") => "http",
        (true | false, scheme) => scheme,
    };
    format!("{scheme}://{rest}")
}

fn usage(text: &str) -> ! {
    cli::usage("vonage", text)
}

impl Vendor for Vonage {
    /// A frame is no JSON object, and its number says all that can be shown.
    const ENVELOPE: &'static [&'static str] = &[];
    const NAMES_GAPS: bool = true;

    /// The message about the session says so, also where an earlier process had the one before.
    fn means_gap(_continuity: Continuity) -> bool {
        false
    }

    fn payload(value: Value) -> Result<Outgoing, String> {
        outgoing(value, Outgoing::event)
    }

    fn request(value: Value) -> Result<Outgoing, String> {
        outgoing(value, Outgoing::request)
    }

    fn filter(_value: Value) -> Result<Command, String> {
        Err("subscribe: not with this vendor".into())
    }

    fn command(name: &str, _order: &Map<String, Value>) -> Option<Command> {
        (name == "logout").then_some(Command::Logout)
    }

    fn message(message: &Message) -> Value {
        match message {
            Message::Session(info) => json!({
                "event": "session:success", "type": "session", "duplicate": false,
                "body": {
                    "id": info.id, "previous": info.previous,
                    "user_id": info.user_id, "name": info.name,
                },
            }),
            Message::SessionLost { id } => json!({
                "event": "session:lost", "type": "session", "duplicate": false,
                "body": { "id": id },
            }),
            Message::Event(event) => {
                // Those of a custom type say it in their name, messages in their body.
                let body = event.body().map_or(Value::Null, Json::value);
                let of_body = body.get("message_type").and_then(Value::as_str);
                let kind = of_body.unwrap_or_else(|| event.name()).to_owned();
                // What has no body may have something else.
                let body = match (event.body(), event.payload()) {
                    (None, Some(payload)) => payload.value(),
                    _ => body,
                };
                json!({
                    "event": event.name(), "type": kind, "id": event.id(), "cid": event.cid(),
                    "from": event.from(), "body": body, "duplicate": event.is_duplicate(),
                    "pending": event.is_pending(),
                })
            }
            _ => json!({ "body": Value::Null }),
        }
    }

    fn told(message: &Message) -> Told {
        match message {
            Message::Missing { cid, from, to } => {
                Told::Missing(json!({ "cid": cid, "first": from, "last": to }))
            }
            message => Told::Message(Self::message(message)),
        }
    }

    /// Another session knows nothing of what the one before has missed.
    fn opens_gap(message: &Message) -> bool {
        matches!(message, Message::Session(info) if info.previous.is_some())
    }

    fn is_asked_for(cause: Cause) -> bool {
        cause == Cause::Refused(Refusal::OwnLogout as u16)
    }

    /// The vendor's answers have no status: an error is told by its name.
    fn reply(reply: &Reply) -> Answer {
        let status = if reply.is_error() { 400 } else { 200 };
        let body = reply.body().or(reply.payload()).map_or(Value::Null, Json::value);
        Answer { status, body, via: "socket" }
    }

    fn reply_event(reply: &Reply) -> Option<&str> {
        reply.name()
    }

    /// The SDK's callbacks, which depend on what went before.
    fn words() -> Words<Self> {
        let mut callbacks = Callbacks::new();
        Box::new(move |item| callbacks.see(item).map(words_of).into_iter().collect())
    }

    fn explain(notice: &Notice) -> Option<Cow<'static, str>> {
        let cause = match *notice {
            Notice::Suspended { reason: SuspendReason::AttemptsExhausted(_) } => {
                return Some("nothing happens until it is told to connect".into());
            }
            Notice::Suspended { reason: SuspendReason::Policy(cause) }
            | Notice::Stopped {
                reason: StopReason::Policy(cause) | StopReason::TokenRejected(cause),
            }
            | Notice::RetryScheduled { cause, .. } => cause,
            _ => return None,
        };
        let Cause::Refused(code) = cause else { return None };
        explained(code).map(Cow::from)
    }
}

/// Reads `{"event":..,"body":..}`, with the conversation and the member who speaks, where there are
/// some.
fn outgoing(value: Value, make: fn(String, Value) -> Outgoing) -> Result<Outgoing, String> {
    let Value::Object(mut fields) = value else {
        return Err("a payload is an object with \"event\" and \"body\"".into());
    };
    let Some(Value::String(event)) = fields.remove("event") else {
        return Err("a payload has an \"event\"".into());
    };
    let body = fields.remove("body").unwrap_or_else(|| json!({}));
    let mut message = make(event, body);
    if let Some(cid) = name_in(&mut fields, "cid")? {
        message = message.conversation(cid);
    }
    if let Some(from) = name_in(&mut fields, "from")? {
        message = message.from(from);
    }
    match fields.keys().next() {
        None => Ok(message),
        Some(key) => Err(format!("a payload has no {key:?}")),
    }
}

fn name_in(fields: &mut Map<String, Value>, key: &str) -> Result<Option<String>, String> {
    match fields.remove(key) {
        Some(Value::String(name)) => Ok(Some(name)),
        Some(_) => Err(format!("{key:?} is a string")),
        None => Ok(None),
    }
}

fn words_of(callback: Callback) -> Value {
    let mut fields = json!({ "name": callback.name() });
    match callback {
        Callback::Disconnect { reason } => fields["reason"] = reason.as_str().into(),
        Callback::Reconnecting { retry_count } => fields["retryCount"] = retry_count.into(),
        Callback::Error { kind: RECONNECTION_FAILED } => {
            fields["description"] = "websocket failed to reconnect".into();
        }
        _ => {}
    }
    fields
}

/// Says in the words of the vendor's documents what a refusal means.
fn explained(code: u16) -> Option<&'static str> {
    let is = |kinds: &[Refusal]| kinds.iter().any(|kind| *kind as u16 == code);
    if is(&[Refusal::TokenExpired, Refusal::ExpiredToken]) {
        Some("the token has expired, the session has not: a new token is needed")
    } else if is(&[Refusal::ExpiredTokenAgain, Refusal::NamespaceRefusedAgain]) {
        Some("another token has not helped: give one with update_token, then connect")
    } else if is(&[Refusal::InvalidTokenAgain]) {
        Some("another token has not helped")
    } else if is(&[Refusal::InvalidUser, Refusal::UserNotFound]) {
        Some("the token's user is unknown, often because of the wrong region")
    } else if is(&[Refusal::Permission]) {
        Some("the token's acl allows too little")
    } else if is(&[Refusal::SessionInvalid]) {
        Some("the session is unknown, or was lost too long ago: a new one is begun")
    } else if is(&[Refusal::MaxOpenSessions]) {
        Some("the user has too many sessions")
    } else if is(&[Refusal::WrongGeneration]) {
        Some("the server speaks the other generation: see --gen")
    } else {
        None
    }
}
