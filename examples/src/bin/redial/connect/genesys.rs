//! `redial connect genesys`.

mod guest;
mod web;

use std::process::ExitCode;

use redial_core::{Path, Secret, Span};
use redial_genesys::{GuestChat, WebMessaging};
use serde_json::Value;

use super::setup::Tokens;
use super::{drive, setup};
use crate::cli::{self, GenesysArgs, Profile, Resend, Typed};
use crate::output::Failure;
use crate::policy_file;

/// Holds a Genesys session.
pub(crate) async fn run(args: GenesysArgs, typed: &Typed) -> Result<ExitCode, Failure> {
    let common = args.common.clone();
    match args.profile {
        Profile::Guest => {
            let adapter = guest_chat(args, typed)?;
            drive(setup::client(adapter, &common, None)?, &common).await
        }
        Profile::WebMessaging => {
            let adapter = web_messaging(args, typed)?;
            let tokens = Tokens::Random(redial_genesys::web::session_token);
            drive(setup::client(adapter, &common, Some(tokens))?, &common).await
        }
    }
}

fn guest_chat(args: GenesysArgs, typed: &Typed) -> Result<GuestChat, Failure> {
    refuse_others(typed, &["url", "api", "deployment", "session_token", "origin"], "guest");
    let credentials = credentials(&args, typed);
    let Some(org) = args.org else { usage("the profile guest needs --org") };
    let mut builder = GuestChat::builder(org, credentials)
        .guest(args.email, args.first_name, args.last_name)
        .plain(args.common.plain)
        .resend(match args.resend {
            Resend::Rest => Path::Http,
            Resend::Socket => Path::Socket,
        })
        .speed(setup::speed(&args.common));
    if let Some(path) = &args.common.policy {
        builder = builder.policy(policy_file::read(path, &redial_genesys::guest::POLICY)?);
    }
    if let Some(seconds) = args.health_timeout {
        builder = builder.health_timeout(Span::from_secs(seconds));
    }
    builder.build().map_err(|error| Failure::usage(error.to_string()))
}

/// Finds out which credentials are meant. What was typed counts more than what the environment
/// holds.
fn credentials(args: &GenesysArgs, typed: &Typed) -> redial_genesys::guest::Credentials {
    use redial_genesys::guest::Credentials;
    let oauth = |token: &str| Credentials::OAuth(Secret::new(token));
    let api_key = |key: &str| Credentials::ApiKey(Secret::new(key));
    match (typed.has("oauth_token"), typed.has("api_key")) {
        (true, true) => usage("there are credentials of more than one kind"),
        (false, true) => return api_key(args.api_key.as_deref().unwrap_or_default()),
        (true, false) | (false, false) => {}
    }
    let variable = std::env::var("REDIAL_TOKEN").ok();
    match (&args.oauth_token, variable, &args.api_key) {
        (Some(token), ..) => oauth(token),
        (None, Some(token), _) => oauth(&token),
        (None, None, Some(key)) => api_key(key),
        (None, None, None) => usage("give --oauth-token or --api-key"),
    }
}

fn web_messaging(args: GenesysArgs, typed: &Typed) -> Result<WebMessaging, Failure> {
    let guests = ["org", "oauth_token", "api_key", "email", "first_name", "last_name"];
    refuse_others(typed, &guests, "web-messaging");
    refuse_others(typed, &["health_timeout", "resend"], "web-messaging");
    let (Some(url), Some(api), Some(deployment)) = (&args.url, &args.api, args.deployment) else {
        usage("the profile web-messaging needs --url, --api and --deployment")
    };
    let Some((socket_plain, socket)) = host_of(url, ["ws://", "wss://"], "v1") else {
        usage("--url is such as wss://webmessaging.mypurecloud.com/v1")
    };
    let Some((api_plain, api)) = host_of(api, ["http://", "https://"], "") else {
        usage("--api is such as https://api.mypurecloud.com")
    };
    if socket_plain != api_plain {
        usage("--url and --api are both with TLS, or both without");
    }
    // The hosts are named as a whole: the domain of the builder stands for nothing.
    let mut builder = WebMessaging::builder("invalid", deployment)
        .hosts(socket, api)
        .plain(args.common.plain || socket_plain)
        .speed(setup::speed(&args.common));
    if let Some(path) = &args.common.policy {
        builder = builder.policy(policy_file::read(path, &redial_genesys::web::POLICY)?);
    }
    if let Some(token) = args.session_token {
        builder = builder.token(Secret::new(token));
    }
    if let Some(origin) = args.origin {
        builder = builder.origin(origin);
    }
    builder.build().map_err(|error| Failure::usage(error.to_string()))
}

/// Splits a URL into whether it goes without TLS, and its host and port.
fn host_of<'a>(url: &'a str, [plain, tls]: [&str; 2], path: &str) -> Option<(bool, &'a str)> {
    let (is_plain, rest) = match (url.strip_prefix(plain), url.strip_prefix(tls)) {
        (Some(rest), _) => (true, rest),
        (None, Some(rest)) => (false, rest),
        (None, None) => return None,
    };
    let (host, found) = rest.split_once('/').unwrap_or((rest, ""));
    (found.trim_end_matches('/') == path).then_some((is_plain, host))
}

/// What belongs to the other profile is no use in this one.
fn refuse_others(typed: &Typed, others: &[&str], profile: &str) {
    if let Some(id) = others.iter().find(|id| typed.has(id)) {
        usage(&format!("--{} is not for the profile {profile}", id.replace('_', "-")));
    }
}

fn usage(text: &str) -> ! {
    cli::usage("genesys", text)
}

/// Reads `{"text":..}`, and `attributes` where there are some.
fn text_of(value: Value) -> Result<(String, Option<Value>), String> {
    let Value::Object(mut fields) = value else {
        return Err("a payload is an object with \"text\"".into());
    };
    let Some(Value::String(text)) = fields.remove("text") else {
        return Err("a payload has a \"text\"".into());
    };
    let attributes = fields.remove("attributes");
    match fields.keys().next() {
        None => Ok((text, attributes)),
        Some(key) => Err(format!("a payload has no {key:?}")),
    }
}
