//! `redial connect`: a session from a terminal.

mod control;
mod files;
mod frames;
mod genesys;
mod input;
mod kinds;
mod liveperson;
pub(crate) mod setup;
pub(crate) mod signals;
mod store;

use std::borrow::Cow;
use std::process::ExitCode;

use redial_core::{Continuity, Item, Notice, StopReason};
use redial_tungstenite::Client;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::cli::{CommonArgs, ConnectArgs, ConnectVendor, Typed};
use crate::output::{self, Failure, Lines};
use control::Console;
use files::Files;
use input::{Input, Line};
use signals::Signals;
use store::Store;

pub(crate) use kinds::{Kinds, cause_json, cause_text};

/// Holds a session until it ends or is asked to.
pub(crate) async fn run(args: ConnectArgs, typed: Typed) -> Result<ExitCode, Failure> {
    match args.vendor {
        ConnectVendor::Liveperson(args) => liveperson::run(*args, &typed).await,
        ConnectVendor::Genesys(args) => genesys::run(*args, &typed).await,
    }
}

/// What the tool needs to know about a vendor, beyond its adapter.
pub(crate) trait Vendor:
    redial_core::Adapter<Outgoing: Serialize + DeserializeOwned, Cursor: Serialize + DeserializeOwned>
{
    /// The fields of a frame that say what it is, and nothing of what people say.
    const ENVELOPE: &'static [&'static str];

    /// Returns whether messages may be missing after a loss, where the adapter does not say so
    /// itself.
    fn means_gap(continuity: Continuity) -> bool;
    /// Reads what `send` and `request` carry.
    fn payload(value: serde_json::Value) -> Result<Self::Outgoing, String>;
    /// Reads one of the filters that `subscribe` carries.
    fn filter(value: serde_json::Value) -> Result<Self::Command, String>;
    /// Reads a command that only this vendor has; nothing where it has none of this name.
    fn command(
        name: &str,
        order: &serde_json::Map<String, serde_json::Value>,
    ) -> Option<Self::Command> {
        let _ = (name, order);
        None
    }
    /// Returns the fields of a `message` line.
    fn message(message: &Self::Message) -> serde_json::Value;
    /// Returns what a `response` line says.
    fn reply(reply: &Self::Reply) -> Answer;
    /// Returns what the vendor itself would call this.
    fn vendor_lines(notice: &Notice) -> Vec<serde_json::Value>;
    /// Returns what the vendor's documents say about this.
    fn explain(notice: &Notice) -> Option<Cow<'static, str>> {
        let _ = notice;
        None
    }
}

/// What a `response` line says.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: serde_json::Value,
    /// `socket` or `https`.
    pub(crate) via: &'static str,
}

/// Drives a client from stdin and signals, and prints what it says.
pub(crate) async fn drive<A: Vendor>(
    (mut client, store): (Client<A>, Store),
    common: &CommonArgs,
) -> Result<ExitCode, Failure> {
    let mut signals = Signals::new()?;
    let mut files = Files::open(common, &client)?;
    let mut console = Console::new(Kinds::new(Lines::new(common.json)), store.clone());
    let mut stdin = Input::new();
    let mut interrupted = false;
    let mut stopped = None;
    loop {
        let mut busy = true;
        tokio::select! {
            biased;
            () = signals.next() => {
                if interrupted {
                    return Ok(ExitCode::from(INTERRUPTED));
                }
                interrupted = true;
                output::hurry();
                client.shutdown();
            }
            item = next_item(&mut client) => {
                files.record(&mut client)?;
                let Some(item) = item else { break };
                if let Item::Notice(notice @ Notice::Stopped { reason }) = &item {
                    stopped = Some((*reason, A::explain(notice)));
                }
                console.item::<A>(item);
            }
            line = stdin.next() => {
                match line {
                    Line::Text(line) => console.line(&mut client, &line)?,
                    Line::Bad(text) => console.misunderstood(text),
                }
                files.record(&mut client)?;
            }
            () = console.outbox_due() => busy = false,
        }
        if let Some(failure) = store.take_failure() {
            return Err(failure);
        }
        console.outbox(client.load(), busy);
    }
    files.record(&mut client)?;
    store.save(&client.snapshot())?;
    Ok(match stopped {
        Some((StopReason::Requested, _)) | None => ExitCode::SUCCESS,
        Some((StopReason::Policy(_) | StopReason::TokenRejected(_), words)) => {
            let why = words.map(|words| format!(": {words}")).unwrap_or_default();
            output::complain(&format!("the policy gave the session up{why}"));
            ExitCode::from(STOPPED)
        }
    })
}

/// Waits for the next item, and for room to print what comes of it.
async fn next_item<A: Vendor>(client: &mut Client<A>) -> Option<Item<A>> {
    output::room().await;
    client.next().await
}

const STOPPED: u8 = 3;
const INTERRUPTED: u8 = 130;
