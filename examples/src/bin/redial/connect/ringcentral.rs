//! `redial connect ringcentral`.

mod keep;
mod lines;
mod payload;

use std::process::ExitCode;

use redial_core::Secret;
use redial_ringcentral::{Credentials, POLICY, RingCentral};

use super::drive::drive_keeping;
use super::setup;
use crate::cli::{self, RingCentralArgs, Typed};
use crate::output::Failure;
use crate::policy_file;
use keep::Keep;

/// Holds a RingCentral session.
pub(crate) async fn run(args: RingCentralArgs, typed: &Typed) -> Result<ExitCode, Failure> {
    let keep = Keep::new(&args);
    let common = args.common.clone();
    let adapter = adapter(args, typed, &keep)?;
    let client = setup::client(adapter, &common, None)?;
    drive_keeping(client, &common, Box::new(move |message| keep.message(message))).await
}

fn adapter(args: RingCentralArgs, typed: &Typed, keep: &Keep) -> Result<RingCentral, Failure> {
    if args.subscribe.iter().any(String::is_empty) {
        usage("--subscribe is an event filter");
    }
    let credentials = credentials(&args, typed);
    let server = address(&args.server, args.common.plain);
    let mut builder = RingCentral::builder(args.client_id, args.client_secret, credentials)
        .server(server)
        .rest_over_websocket(args.rest_over_websocket)
        .auto_recover(!args.no_auto_recover)
        .speed(setup::speed(&args.common));
    if let Some(path) = &args.common.policy {
        builder = builder.policy(policy_file::read(path, &POLICY)?);
    }
    if let Some(token) = args.wsc_token {
        builder = builder.wsc_token(token);
    }
    let kept = keep.subscription()?;
    let filters = match &kept {
        Some(kept) if args.subscribe.is_empty() => kept.event_filters(),
        _ => args.subscribe,
    };
    if !filters.is_empty() {
        builder = builder.subscribe(filters, kept);
    }
    Ok(builder.build().unwrap_or_else(|error| usage(&error.to_string())))
}

/// Finds out which kind of credentials is meant. What was typed counts more than what the
/// environment holds; what fits no kind, or more than one, ends the process with status 2.
fn credentials(args: &RingCentralArgs, typed: &Typed) -> Credentials {
    let code_is_typed = ["auth_code", "redirect_uri", "code_verifier"].map(|id| typed.has(id));
    let all: [(bool, bool, Kind); 3] = [
        (typed.has("jwt"), args.jwt.is_some(), jwt),
        (typed.has("refresh_token"), args.refresh_token.is_some(), refresh_token),
        (code_is_typed.contains(&true), args.auth_code.is_some(), auth_code),
    ];
    let mut typed_kinds = all.iter().filter(|(typed, ..)| *typed);
    let kind = match (typed_kinds.next(), typed_kinds.next()) {
        (Some(_), Some(_)) => usage("there are credentials of more than one kind"),
        (Some((.., kind)), None) => Some(kind),
        (None, _) => all.iter().find(|(_, there, _)| *there).map(|(.., kind)| kind),
    };
    match kind {
        Some(kind) => kind(args),
        None => usage("give --jwt, or --refresh-token, or --auth-code"),
    }
}

type Kind = fn(&RingCentralArgs) -> Credentials;

fn secret(text: Option<&String>) -> Secret {
    Secret::new(text.map(String::as_str).unwrap_or_default())
}

fn jwt(args: &RingCentralArgs) -> Credentials {
    Credentials::Jwt(secret(args.jwt.as_ref()))
}

fn refresh_token(args: &RingCentralArgs) -> Credentials {
    Credentials::RefreshToken(secret(args.refresh_token.as_ref()))
}

fn auth_code(args: &RingCentralArgs) -> Credentials {
    let (Some(code), Some(redirect_uri)) = (&args.auth_code, &args.redirect_uri) else {
        usage("--auth-code and --redirect-uri belong together")
    };
    Credentials::AuthCode {
        code: Secret::new(code.as_str()),
        redirect_uri: redirect_uri.clone(),
        verifier: args.code_verifier.as_deref().map(Secret::new),
    }
}

/// Returns the server's address. `--plain` counts more than its scheme, and serves for one.
fn address(server: &str, plain: bool) -> String {
    let (scheme, rest) = server.split_once("://").unwrap_or(("https", server));
    let scheme = if plain && scheme == "https" { "http" } else { scheme };
    format!("{scheme}://{rest}")
}

fn usage(text: &str) -> ! {
    cli::usage("ringcentral", text)
}
