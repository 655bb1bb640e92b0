//! `redial serve`: a vendor simulator as a process.

use std::io;
use std::pin::Pin;
use std::process::ExitCode;
use std::time::Duration;

use redial_testkit::servers::{Options, evolution, genesys, liveperson, ringcentral, vonage};
use serde_json::Value;
use tokio::sync::mpsc;

use crate::cli::{
    EvolutionProfile, Profile, ServeArgs, ServeCommonArgs, ServeEvolutionArgs, ServeGenesysArgs,
    ServeLivePersonArgs, ServeRingCentralArgs, ServeVendor, ServeVonageArgs, Switch, TokenReuse,
    VonageGeneration,
};
use crate::connect::signals::Signals;
use crate::output::{self, Failure};

/// Runs a simulator until it is asked to end.
pub(crate) async fn run(args: ServeArgs) -> Result<ExitCode, Failure> {
    match args.vendor {
        ServeVendor::Liveperson(args) => liveperson(args).await,
        ServeVendor::Genesys(args) => genesys(args).await,
        ServeVendor::Evolution(args) => evolution(args).await,
        ServeVendor::Ringcentral(args) => ringcentral(args).await,
        ServeVendor::Vonage(args) => vonage(args).await,
    }
}

async fn liveperson(args: ServeLivePersonArgs) -> Result<ExitCode, Failure> {
    let mut settings = liveperson::Settings::default();
    apply(&args.common, |key, value| settings.set(key, value))?;
    let options = options(args.common, settings);
    serve(|records, shutdown| liveperson::serve(options, records, shutdown)).await
}

async fn genesys(args: ServeGenesysArgs) -> Result<ExitCode, Failure> {
    let profile = match args.profile {
        Profile::Guest => genesys::Profile::Guest,
        Profile::WebMessaging => genesys::Profile::WebMessaging,
    };
    let mut settings = genesys::Settings { profile, ..Default::default() };
    if let Some(dedupe) = args.dedupe {
        settings.dedupe = dedupe == Switch::On;
    }
    if let Some(seconds) = args.expires_in {
        settings.expires_in_s = seconds;
        settings.session_ttl = Duration::from_secs(seconds);
    }
    apply(&args.common, |key, value| settings.set(key, value))?;
    let options = options(args.common, settings);
    serve(|records, shutdown| genesys::serve(options, records, shutdown)).await
}

async fn evolution(args: ServeEvolutionArgs) -> Result<ExitCode, Failure> {
    let profile = match args.profile {
        EvolutionProfile::Codechat => evolution::Profile::CodeChat,
        EvolutionProfile::V2 => evolution::Profile::V2,
    };
    let mut settings = evolution::Settings { profile, ..Default::default() };
    if let Some(secret) = args.jwt_secret {
        settings.set("jwt_secret", &Value::String(secret)).map_err(Failure::usage)?;
    }
    apply(&args.common, |key, value| settings.set(key, value))?;
    let options = options(args.common, settings);
    serve(|records, shutdown| evolution::serve(options, records, shutdown)).await
}

async fn ringcentral(args: ServeRingCentralArgs) -> Result<ExitCode, Failure> {
    let mut settings = ringcentral::Settings::default();
    if let Some(reuse) = args.ws_token_reuse {
        settings.ws_token_reuse = match reuse {
            TokenReuse::Kick => ringcentral::TokenReuse::Kick,
            TokenReuse::Reject => ringcentral::TokenReuse::Reject,
            TokenReuse::Allow => ringcentral::TokenReuse::Allow,
        };
    }
    for (key, value) in [
        ("recovery_timeout_s", args.recovery_timeout),
        ("recovery_buffer", args.recovery_buffer),
        ("replay_delay_ms", args.replay_delay_ms),
    ] {
        if let Some(value) = value {
            settings.set(key, &value.into()).map_err(Failure::usage)?;
        }
    }
    apply(&args.common, |key, value| settings.set(key, value))?;
    let options = options(args.common, settings);
    serve(|records, shutdown| ringcentral::serve(options, records, shutdown)).await
}

async fn vonage(args: ServeVonageArgs) -> Result<ExitCode, Failure> {
    let mut settings = vonage::Settings::new(match args.generation {
        VonageGeneration::V1 => vonage::Generation::V1,
        VonageGeneration::V2 => vonage::Generation::V2,
    });
    for (key, value) in [
        ("ping_interval_ms", args.ping_interval),
        ("ping_timeout_ms", args.ping_timeout),
        ("window_ms", args.window),
    ] {
        if let Some(value) = value {
            settings.set(key, &value.into()).map_err(Failure::usage)?;
        }
    }
    apply(&args.common, |key, value| settings.set(key, value))?;
    let options = options(args.common, settings);
    serve(|records, shutdown| vonage::serve(options, records, shutdown)).await
}

/// Returns the options that every simulator has.
fn options<S>(args: ServeCommonArgs, settings: S) -> Options<S> {
    let ServeCommonArgs { listen, control, tls, ca_out, seed, advertise, set: _, json: _ } = args;
    Options { listen, control, advertise, tls, ca_path: ca_out, seed, ..Options::new(settings) }
}

/// Sets what `--set` says.
fn apply(
    args: &ServeCommonArgs,
    mut set: impl FnMut(&str, &Value) -> Result<(), String>,
) -> Result<(), Failure> {
    for pair in &args.set {
        let (key, value) =
            pair.split_once('=').ok_or_else(|| Failure::usage("--set takes KEY=VALUE"))?;
        let value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.into()));
        set(key, &value).map_err(Failure::usage)?;
    }
    Ok(())
}

/// Prints what a simulator records until the process is asked to end.
async fn serve<F: Future<Output = io::Result<()>>>(
    simulator: impl FnOnce(mpsc::Sender<Value>, Shutdown) -> F,
) -> Result<ExitCode, Failure> {
    print(simulator, |line| output::say(line.to_string())).await
}

/// Lets `say` print what a server records until the process is asked to end.
pub(crate) async fn print<F: Future<Output = io::Result<()>>>(
    server: impl FnOnce(mpsc::Sender<Value>, Shutdown) -> F,
    say: impl Fn(Value) + Send + Sync + 'static,
) -> Result<ExitCode, Failure> {
    let mut signals = Signals::new()?;
    let (records, mut lines) = mpsc::channel::<Value>(1024);
    let print = tokio::spawn(async move {
        while let Some(line) = lines.recv().await {
            // While nobody reads, the server goes on and counts what it has not told.
            output::room().await;
            say(line);
        }
    });
    let shutdown = async move {
        signals.next().await;
        output::hurry();
    };
    server(records, Box::pin(shutdown))
        .await
        .map_err(|error| Failure::new(format!("cannot serve: {error}")))?;
    let _ = print.await;
    Ok(ExitCode::SUCCESS)
}

/// Ready when the process is asked to end.
pub(crate) type Shutdown = Pin<Box<dyn Future<Output = ()> + Send>>;
