//! `redial connect evolution`.

mod codechat;
mod tokens;
mod v2;

use std::process::ExitCode;

use redial_auth_http::SharedTokenSource;
use redial_evolution::codechat::{Key, Payload, Subscriptions};
use redial_evolution::v2::{ApiKey, KeyPlace as Place, POLICY, POLICY_FIXED_KEY, Scope};
use redial_evolution::{CodeChat, EvolutionApi};

use super::drive::{Driven, drive, drive_all};
use super::setup::{self, Tokens};
use crate::cli::{self, EvolutionArgs, EvolutionProfile, KeyPlace, Typed};
use crate::output::Failure;
use crate::policy_file;

/// Holds Evolution's event sockets.
pub(crate) async fn run(args: EvolutionArgs, typed: &Typed) -> Result<ExitCode, Failure> {
    match args.profile {
        EvolutionProfile::Codechat => codechat(args, typed).await,
        EvolutionProfile::V2 => v2(args, typed).await,
    }
}

async fn codechat(args: EvolutionArgs, typed: &Typed) -> Result<ExitCode, Failure> {
    refuse_others(typed, &["apikey", "apikey_in", "instance", "global"], "codechat");
    if typed.has("refresh_instance") && typed.has("token_command") {
        usage("--refresh-instance and --token-command are both a source of tokens");
    }
    let url = address(&args, SEED);
    let network = setup::network(&args.common)?;
    let (credentials, tokens) = tokens::tokens(&args, &url, &network)?;
    let mut builder = CodeChat::builder(url, "", credentials)
        .allow_unknown_event(args.allow_unknown_event)
        .ping(!args.no_ping)
        .speed(setup::speed(&args.common));
    if let Some(path) = &args.common.policy {
        builder = builder.policy(policy_file::read(path, &redial_evolution::codechat::POLICY)?);
    }
    if args.no_test_message {
        builder = builder.test_message(None);
    } else if let Some(text) = args.test_message {
        let message = Payload::new(text).map_err(|_| Failure::usage("--test-message: no JSON"))?;
        builder = builder.test_message(Some(message));
    }
    let mut subscriptions = Subscriptions::new();
    // There is one token, so there is one instance; it has no name here.
    let added = subscriptions.add("", &builder, args.event);
    added.map_err(|error| Failure::usage(error.to_string().trim_start_matches('/')))?;
    let many = subscriptions.len() > 1;
    let mut all = Vec::new();
    for (Key { event, .. }, adapter) in subscriptions {
        let mut common = args.common.clone();
        if many {
            // Each has files of its own.
            for path in [&mut common.record, &mut common.state].into_iter().flatten() {
                let mut name = path.clone().into_os_string();
                name.push(format!(".{}", file_name(&event)));
                *path = name.into();
            }
        }
        let tokens = tokens.clone().map(Tokens::Shared);
        let (client, store) = setup::client_on(&network, adapter, &common, tokens)?;
        all.push(Driven { name: event, client, store, record: common.record, keeper: None });
    }
    drive_all(all, args.common.json).await
}

async fn v2(args: EvolutionArgs, typed: &Typed) -> Result<ExitCode, Failure> {
    let others = ["token", "refresh_instance", "test_message", "no_test_message", "no_ping"];
    refuse_others(typed, &others, "v2");
    if args.url.is_none() {
        usage("the profile v2 needs --url");
    }
    let url = address(&args, "");
    let scope = match (&args.instance, args.global) {
        (Some(instance), false) => Scope::Instance(instance.clone()),
        (None, true) => Scope::Global,
        (None, false) | (Some(_), true) => usage("give --instance or --global"),
    };
    let (key, tokens) = match (&args.apikey, &args.token_command) {
        (None, None) => usage("give --apikey or --token-command"),
        (Some(key), None) => (ApiKey::Key(key.as_str().into()), None),
        (key, Some(command)) => {
            let source = setup::token_command_source(command.clone());
            let tokens = tokens::shared(SharedTokenSource::new(source), &args);
            if let Some(key) = key {
                tokens.offer(key.as_str().into());
            }
            (ApiKey::Ask, Some(Tokens::Shared(tokens)))
        }
    };
    let mut builder = EvolutionApi::builder(url, scope, key)
        .key_place(match args.apikey_in {
            KeyPlace::Header => Place::Header,
            KeyPlace::Query => Place::Query,
        })
        .allow_unknown_event(args.allow_unknown_event)
        .speed(setup::speed(&args.common));
    if !args.event.iter().any(|event| event == "*") {
        for event in args.event {
            builder = builder.event(event);
        }
    }
    if let Some(path) = &args.common.policy {
        let base = if tokens.is_some() { &POLICY } else { &POLICY_FIXED_KEY };
        builder = builder.policy(policy_file::read(path, base)?);
    }
    let adapter = builder.build().map_err(|error| Failure::usage(error.to_string()))?;
    drive(setup::client(adapter, &args.common, tokens)?, &args.common).await
}

/// Returns the server's address. `--plain` counts more than its scheme, and serves for one.
fn address(args: &EvolutionArgs, default: &str) -> String {
    let url = args.url.as_deref().unwrap_or(default);
    let (scheme, rest) = url.split_once("://").unwrap_or(("wss", url));
    let scheme = match (args.common.plain, scheme) {
        (true, "wss") => "ws",
        (true, "https") => "http",
        (true | false, scheme) => scheme,
    };
    format!("{scheme}://{rest}")
}

/// Makes the end of a file's name of an event's.
fn file_name(event: &str) -> String {
    let safe = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    event.chars().map(|c| if safe(c) { c } else { '_' }).collect()
}

/// What belongs to the other profile is no use in this one.
fn refuse_others(typed: &Typed, others: &[&str], profile: &str) {
    if let Some(id) = others.iter().find(|id| typed.has(id)) {
        usage(&format!("--{} is not for the profile {profile}", id.replace('_', "-")));
    }
}

fn usage(text: &str) -> ! {
    cli::usage("evolution", text)
}

/// The seed: `const url = "ws://localhost:8084/ws/events"`.
const SEED: &str = "ws://localhost:8084";
