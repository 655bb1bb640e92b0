//! `redial connect liveperson`.

use std::process::ExitCode;

use clap::CommandFactory as _;
use clap::error::ErrorKind;
use redial_core::{Cause, Notice, Secret};
use redial_liveperson::{
    Body, Credentials, Cursor, LivePerson, Message, POLICY_BACKOFF, Request, Response,
};
use serde::Deserialize as _;
use serde_json::{Value, json};

use super::{Vendor, drive, setup};
use crate::cli::{BackoffKind, Cli, LivePersonArgs};
use crate::output::Failure;

/// Holds a LivePerson session.
pub(crate) async fn run(args: LivePersonArgs) -> Result<ExitCode, Failure> {
    let common = args.common.clone();
    let token_command = args.token_command.clone();
    let adapter = adapter(args)?;
    let client = setup::client(adapter, &common, token_command)?;
    drive(client, &common).await
}

fn adapter(args: LivePersonArgs) -> Result<LivePerson, Failure> {
    let mut builder = LivePerson::builder(args.account.clone(), credentials(&args))
        .plain(args.common.plain)
        .token_source(args.token_command.is_some());
    if args.backoff == BackoffKind::Vendor {
        builder = builder.policy(POLICY_BACKOFF);
    }
    if let Some(path) = &args.common.policy {
        builder = builder.policy(setup::policy(path)?);
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
    builder.build().map_err(|error| Failure::new(error.to_string()))
}

/// Finds out which of the five kinds was typed. What fits none ends the process with status 2.
fn credentials(args: &LivePersonArgs) -> Credentials {
    let secret = |text: &Option<String>| text.as_deref().map(Secret::new);
    if let Some(bearer) = secret(&args.bearer) {
        return Credentials::Bearer(bearer);
    }
    if let Some(assertion) = secret(&args.assertion) {
        return Credentials::Saml { assertion };
    }
    let Some(username) = args.username.clone() else {
        usage("give --username with --password or --app-key, or --assertion, or --bearer");
    };
    if let Some(password) = secret(&args.password) {
        return Credentials::Password { username, password };
    }
    let (app_key, app_secret) = (secret(&args.app_key), secret(&args.secret));
    let (token, token_secret) = (secret(&args.access_token), secret(&args.access_token_secret));
    match (app_key, app_secret, token, token_secret) {
        (Some(app_key), Some(secret), Some(access_token), Some(access_token_secret)) => {
            Credentials::OAuth1 { username, app_key, secret, access_token, access_token_secret }
        }
        (Some(client_id), Some(client_secret), None, None) => {
            Credentials::OAuth2ClientCredentials { username, client_id, client_secret }
        }
        _ => usage(
            "--username needs --password, or --app-key and --secret, with or without \
             --access-token and --access-token-secret",
        ),
    }
}

fn usage(text: &str) -> ! {
    Cli::command().error(ErrorKind::MissingRequiredArgument, text).exit()
}

impl Vendor for LivePerson {
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

    fn reply(reply: &Response) -> (u16, Value) {
        (reply.code.unwrap_or(200), Body::value(&reply.body))
    }

    /// `connected`, `closed` and `error`, as the vendor's SDK calls them.
    fn vendor_lines(notice: &Notice) -> Vec<Value> {
        match *notice {
            Notice::Online { .. } => vec![json!({ "name": "connected" })],
            Notice::Offline { cause, .. } => {
                vec![json!({ "name": "closed", "code": close_code(cause) })]
            }
            Notice::RetryScheduled { cause, .. } | Notice::TokenFailed { cause, .. } => match cause
            {
                Cause::Handshake(code) => vec![
                    json!({ "name": "error", "code": code }),
                    json!({ "name": "closed", "code": ABNORMAL }),
                ],
                Cause::Http { status, .. } => vec![json!({ "name": "error", "code": status })],
                _ => Vec::new(),
            },
            _ => Vec::new(),
        }
    }

    fn cursor_json(cursor: &Cursor) -> Value {
        serde_json::to_value(cursor).unwrap_or_default()
    }

    fn cursor_from_json(value: &Value) -> Option<Cursor> {
        Cursor::deserialize(value).ok()
    }
}

/// Returns the close code that the vendor's SDK would report.
const fn close_code(cause: Cause) -> u16 {
    match cause {
        Cause::Close(code) => code,
        _ => ABNORMAL,
    }
}

/// The code of a connection that ended without a close frame.
const ABNORMAL: u16 = 1006;
const SET_STATE: &str = ".ams.routing.SetAgentState";
