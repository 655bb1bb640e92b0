//! `redial serve`: a vendor simulator as a process.

use std::process::ExitCode;

use redial_testkit::servers::liveperson::{self, Options};
use serde_json::Value;
use tokio::sync::mpsc;

use crate::cli::{ServeArgs, ServeLivePersonArgs, ServeVendor};
use crate::connect::signals::Signals;
use crate::output::{self, Failure};

/// Runs a simulator until it is asked to end.
pub(crate) async fn run(args: ServeArgs) -> Result<ExitCode, Failure> {
    match args.vendor {
        ServeVendor::Liveperson(args) => liveperson(args).await,
    }
}

async fn liveperson(args: ServeLivePersonArgs) -> Result<ExitCode, Failure> {
    let mut options = Options {
        listen: args.listen,
        control: args.control,
        advertise: args.advertise,
        tls: args.tls,
        ca_path: args.ca_out,
        seed: args.seed,
        ..Options::default()
    };
    for pair in &args.set {
        let (key, value) =
            pair.split_once('=').ok_or_else(|| Failure::new("--set takes KEY=VALUE"))?;
        let value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.into()));
        options.settings.set(key, &value).map_err(Failure::new)?;
    }
    let mut signals = Signals::new()?;
    let (records, mut lines) = mpsc::channel::<Value>(1024);
    let print = tokio::spawn(async move {
        while let Some(line) = lines.recv().await {
            // While nobody reads, the simulator goes on and counts what it has not told.
            output::room().await;
            output::say(line.to_string());
        }
    });
    let shutdown = async move {
        signals.next().await;
        output::hurry();
    };
    liveperson::serve(options, records, shutdown)
        .await
        .map_err(|error| Failure::new(format!("cannot serve: {error}")))?;
    let _ = print.await;
    Ok(ExitCode::SUCCESS)
}
