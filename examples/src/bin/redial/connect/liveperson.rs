//! `redial connect liveperson`.

use std::borrow::Cow;
use std::process::ExitCode;

use redial_core::{Adapter as _, Cause, Continuity, Item, Notice, Secret, SuspendReason};
use redial_liveperson::{
    Body, Command, Credentials, LivePerson, Message, POLICY, POLICY_BACKOFF, Request, Response,
    Subscription,
};
use serde_json::{Value, json};

use super::setup::Tokens;
use super::{Answer, Vendor, Words, drive, setup};
use crate::cli::{self, BackoffKind, LivePersonArgs, Typed};
use crate::output::Failure;
use crate::policy_file;

/// Holds a LivePerson session.
pub(crate) async fn run(args: LivePersonArgs, typed: &Typed) -> Result<ExitCode, Failure> {
    let common = args.common.clone();
    let token_command = args.token_command.clone();
    let credentials = match (credentials(&args, typed), &token_command) {
        (Some(credentials), _) => credentials,
        (None, Some(_)) => Credentials::Ask,
        (None, None) => usage(
            "give --username with --password or --app-key, or --assertion, or --bearer, or \
             --token-command",
        ),
    };
    let adapter = adapter(args, credentials)?;
    let client = setup::client(adapter, &common, token_command.map(Tokens::Command))?;
    drive(client, &common).await
}

fn adapter(args: LivePersonArgs, credentials: Credentials) -> Result<LivePerson, Failure> {
    let mut builder = LivePerson::builder(args.account, credentials)
        .plain(args.common.plain)
        .token_source(args.token_command.is_some());
    if args.backoff == BackoffKind::Vendor {
        builder = builder.policy(POLICY_BACKOFF);
    }
    if let Some(path) = &args.common.policy {
        builder = builder.policy(policy_file::read(path, &POLICY)?);
    }
    if args.no_refresh {
        builder = builder.refresh(None);
    }
    if let Some(host) = args.csds {
        builder = builder.csds(host);
    }
    if let Some(service) = args.service {
        builder = builder.service(service);
    }
    let builder = builder.speed(setup::speed(&args.common));
    builder.build().map_err(|error| Failure::usage(error.to_string()))
}

/// Finds out which kind of credentials is meant. What was typed counts more than what the
/// environment holds; what fits no kind, or more than one, ends the process with status 2.
fn credentials(args: &LivePersonArgs, typed: &Typed) -> Option<Credentials> {
    let app = ["app_key", "secret", "access_token", "access_token_secret"];
    let app_is_typed = app.iter().any(|id| typed.has(id));
    let all: [(bool, bool, Kind); 4] = [
        (typed.has("bearer"), args.bearer.is_some(), bearer),
        (typed.has("assertion"), args.assertion.is_some(), assertion),
        (typed.has("password"), args.password.is_some() && args.username.is_some(), password),
        (app_is_typed, args.app_key.is_some() && args.username.is_some(), application),
    ];
    let mut typed_kinds = all.iter().filter(|(typed, ..)| *typed);
    if let Some((.., kind)) = typed_kinds.next() {
        if typed_kinds.next().is_some() {
            usage("there are credentials of more than one kind");
        }
        return Some(kind(args));
    }
    // A name that was typed wants a password or a key, wherever that comes from.
    let from = if typed.has("username") { 2 } else { 0 };
    let found = all.iter().skip(from).find(|(_, there, _)| *there);
    if found.is_none() && typed.has("username") {
        usage("--username needs --password, or --app-key and --secret");
    }
    found.map(|(.., kind)| kind(args))
}

type Kind = fn(&LivePersonArgs) -> Credentials;

fn secret(text: Option<&String>) -> Secret {
    Secret::new(text.map(String::as_str).unwrap_or_default())
}

fn username(args: &LivePersonArgs) -> String {
    args.username.clone().unwrap_or_else(|| usage("this needs --username"))
}

fn bearer(args: &LivePersonArgs) -> Credentials {
    Credentials::Bearer(secret(args.bearer.as_ref()))
}

fn assertion(args: &LivePersonArgs) -> Credentials {
    Credentials::Saml { assertion: secret(args.assertion.as_ref()) }
}

fn password(args: &LivePersonArgs) -> Credentials {
    Credentials::Password { username: username(args), password: secret(args.password.as_ref()) }
}

fn application(args: &LivePersonArgs) -> Credentials {
    let username = username(args);
    match (&args.app_key, &args.secret, &args.access_token, &args.access_token_secret) {
        (Some(app_key), Some(secret), Some(access_token), Some(access_token_secret)) => {
            Credentials::OAuth1 {
                username,
                app_key: Secret::new(app_key.as_str()),
                secret: Secret::new(secret.as_str()),
                access_token: Secret::new(access_token.as_str()),
                access_token_secret: Secret::new(access_token_secret.as_str()),
            }
        }
        (Some(client_id), Some(client_secret), None, None) => {
            Credentials::OAuth2ClientCredentials {
                username,
                client_id: Secret::new(client_id.as_str()),
                client_secret: Secret::new(client_secret.as_str()),
            }
        }
        _ => usage(
            "--app-key needs --secret, and both or none of --access-token and \
             --access-token-secret",
        ),
    }
}

fn usage(text: &str) -> ! {
    cli::usage("liveperson", text)
}

impl Vendor for LivePerson {
    const ENVELOPE: &'static [&'static str] = &["kind", "type", "id", "reqId", "code"];

    /// Nothing is resumed: what was pushed in between is not pushed again.
    fn means_gap(continuity: Continuity) -> bool {
        continuity == Continuity::Fresh
    }

    /// A filter is the request that subscribes.
    fn filter(value: Value) -> Result<Command, String> {
        let Value::Object(mut fields) = value else {
            return Err("a filter is an object with \"type\" and \"body\"".into());
        };
        let Some(Value::String(name)) = fields.remove("type") else {
            return Err("a filter has a \"type\"".into());
        };
        let body = fields.remove("body").unwrap_or_else(|| json!({}));
        match fields.keys().next() {
            None => Ok(Command::Subscribe(Subscription::raw(name, body))),
            Some(key) => Err(format!("a filter has no {key:?}")),
        }
    }

    fn payload(value: Value) -> Result<Request, String> {
        let Value::Object(mut fields) = value else {
            return Err("a payload is an object with \"type\" and \"body\"".into());
        };
        let Some(Value::String(name)) = fields.remove("type") else {
            return Err("a payload has a \"type\"".into());
        };
        let body = fields.remove("body").unwrap_or_else(|| json!({}));
        let mut request = Request::new(name, body);
        if let Some(headers) = fields.remove("headers") {
            request = request.with_headers(headers);
        }
        if let Some(metadata) = fields.remove("metadata") {
            request = request.with_metadata(metadata);
        }
        if let Some(metadata) = fields.remove("encodedMetadata") {
            request = request.with_encoded_metadata(metadata);
        }
        match fields.keys().next() {
            None => Ok(request),
            Some(key) => Err(format!("a payload has no {key:?}")),
        }
    }

    fn message(message: &Message) -> Value {
        match message {
            Message::Notification(notification) => json!({
                "event": notification.event_name(), "type": notification.name(),
                "body": notification.body().value(),
            }),
            Message::Subscribed { subscription, id, previous } => json!({
                "event": "subscribed", "type": subscription.name(),
                "body": { "subscriptionId": id, "previous": previous },
            }),
            Message::SubscriptionRefused { subscription, code } => json!({
                "event": "subscription_refused", "type": subscription.name(),
                "body": { "code": code },
            }),
            Message::AgentStateSet => {
                json!({ "event": "agent_state_set", "type": SET_STATE, "body": {} })
            }
            Message::AgentStateRefused { code } => json!({
                "event": "agent_state_refused", "type": SET_STATE, "body": { "code": code },
            }),
            _ => json!({ "body": Value::Null }),
        }
    }

    fn reply(reply: &Response) -> Answer {
        let (status, body) = (reply.code.unwrap_or(200), Body::value(&reply.body));
        Answer { status, body, via: "socket" }
    }

    /// `connected`, `closed` and `error`, as the vendor's SDK calls them.
    fn words() -> Words<Self> {
        let mut stage = Stage::Waiting;
        Box::new(move |item| match item {
            Item::Notice(notice) => stage.words(notice),
            _ => Vec::new(),
        })
    }

    fn explain(notice: &Notice) -> Option<Cow<'static, str>> {
        match *notice {
            Notice::RetryScheduled { cause: Cause::Http { step, status: 401 | 403 }, .. }
                if LivePerson::step_name(step) == "login" =>
            {
                Some("LivePerson refuses these credentials, and the policy asks again".into())
            }
            _ => None,
        }
    }
}

/// What is under way: a cause alone does not tell which step has failed.
#[derive(Clone, Copy)]
enum Stage {
    Waiting,
    Authorizing,
    Dialing,
    Online,
}

impl Stage {
    fn words(&mut self, notice: &Notice) -> Vec<Value> {
        match *notice {
            Notice::Authorizing { .. } if !matches!(self, Self::Online) => {
                *self = Self::Authorizing;
                Vec::new()
            }
            Notice::Connecting { .. } => {
                *self = Self::Dialing;
                Vec::new()
            }
            Notice::Online { .. } => {
                *self = Self::Online;
                vec![json!({ "name": "connected" })]
            }
            Notice::Offline { cause, .. } => {
                *self = Self::Waiting;
                vec![json!({ "name": "closed", "code": close_code(cause) })]
            }
            Notice::RetryScheduled { cause, .. }
            | Notice::Suspended {
                reason: SuspendReason::AttemptsExhausted(cause) | SuspendReason::Policy(cause),
            } => std::mem::replace(self, Self::Waiting).failure(cause),
            // The connection lives on.
            Notice::TokenFailed { cause, .. } => Self::Authorizing.failure(cause),
            _ => Vec::new(),
        }
    }

    /// The SDK calls every failed step an `error`, without a code where no server has answered;
    /// an upgrade that fails is `closed`, too.
    fn failure(self, cause: Cause) -> Vec<Value> {
        let error = match cause {
            Cause::Network | Cause::Timeout(_) => json!({ "name": "error", "code": null }),
            Cause::Handshake(status) => json!({ "name": "error", "code": status }),
            Cause::Http { step, status } => json!({
                "name": "error", "code": status, "step": LivePerson::step_name(step),
            }),
            _ => return Vec::new(),
        };
        match self {
            Self::Waiting | Self::Online => Vec::new(),
            Self::Authorizing => vec![error],
            Self::Dialing => vec![error, json!({ "name": "closed", "code": ABNORMAL })],
        }
    }
}

/// Returns the close code that the vendor's SDK would report.
pub(super) const fn close_code(cause: Cause) -> u16 {
    match cause {
        Cause::Close(code) => code,
        // The codes that we send.
        Cause::Requested | Cause::Replaced => NORMAL,
        Cause::Overflow => POLICY_VIOLATION,
        _ => ABNORMAL,
    }
}

/// The code of a connection that we have ended.
const NORMAL: u16 = 1000;
/// The code for a peer that sends more than it may.
const POLICY_VIOLATION: u16 = 1008;
/// The code of a connection that ended without a close frame.
const ABNORMAL: u16 = 1006;
const SET_STATE: &str = ".ams.routing.SetAgentState";
