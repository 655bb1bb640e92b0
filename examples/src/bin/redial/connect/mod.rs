//! `redial connect`: a session from a terminal.

mod control;
mod files;
mod kinds;
mod liveperson;
pub(crate) mod setup;
pub(crate) mod signals;

use std::process::ExitCode;
use std::time::Duration;

use redial_core::{Item, Notice, StopReason};
use redial_tungstenite::Client;
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::cli::{CommonArgs, ConnectArgs, ConnectVendor};
use crate::output::{self, Failure, Lines};
use control::Console;
use files::Files;
use signals::Signals;

pub(crate) use kinds::{Kinds, cause_json};

/// Returns the name of a fault.
fn fault_name(fault: redial_core::Fault) -> &'static str {
    fault.as_str()
}

/// Holds a session until it ends or is asked to.
pub(crate) async fn run(args: ConnectArgs) -> Result<ExitCode, Failure> {
    match args.vendor {
        ConnectVendor::Liveperson(args) => liveperson::run(*args).await,
    }
}

/// What the tool needs to know about a vendor, beyond its adapter.
pub(crate) trait Vendor: redial_core::Adapter {
    /// Reads what `send` and `request` carry.
    fn payload(value: serde_json::Value) -> Result<Self::Outgoing, String>;
    /// Returns the fields of a `message` line.
    fn message(message: &Self::Message) -> serde_json::Value;
    /// Returns status and body of a `response` line.
    fn reply(reply: &Self::Reply) -> (u16, serde_json::Value);
    /// Returns what the vendor itself would call this.
    fn vendor_lines(notice: &Notice) -> Vec<serde_json::Value>;
    /// Writes down what a later process needs.
    fn cursor_json(cursor: &Self::Cursor) -> serde_json::Value;
    /// Reads it again.
    fn cursor_from_json(value: &serde_json::Value) -> Option<Self::Cursor>;
}

/// Drives a client from stdin and signals, and prints what it says.
pub(crate) async fn drive<A: Vendor>(
    mut client: Client<A>,
    common: &CommonArgs,
) -> Result<ExitCode, Failure> {
    let mut signals = Signals::new()?;
    let mut files = Files::open(common)?;
    let mut console = Console::new(Kinds::new(Lines::new(common.json)));
    let mut stdin = Input::new();
    let mut outbox = tokio::time::interval(Duration::from_secs(1));
    outbox.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut interrupted = false;
    let mut stopped = None;
    loop {
        tokio::select! {
            biased;
            () = signals.next() => {
                if interrupted {
                    return Ok(ExitCode::from(INTERRUPTED));
                }
                interrupted = true;
                client.shutdown();
            }
            item = client.next() => {
                files.record(&mut client)?;
                let Some(item) = item else { break };
                if let Item::Notice(Notice::Stopped { reason }) = &item {
                    stopped = Some(*reason);
                }
                console.item::<A>(item);
            }
            line = stdin.next() => match line {
                Some(line) => {
                    console.line(&mut client, &mut files, &line)?;
                    files.record(&mut client)?;
                }
                None => stdin.end(),
            },
            _ = outbox.tick() => console.outbox(client.load()),
        }
    }
    files.record(&mut client)?;
    files.save(&client)?;
    Ok(match stopped {
        Some(StopReason::Requested) | None => ExitCode::SUCCESS,
        Some(StopReason::Policy(_) | StopReason::TokenRejected(_)) => {
            output::complain("the policy gave the session up");
            ExitCode::from(STOPPED)
        }
    })
}

/// Stdin, line by line. Its end keeps the session up.
struct Input {
    lines: Option<tokio::io::Lines<BufReader<tokio::io::Stdin>>>,
}

impl Input {
    fn new() -> Self {
        Self { lines: Some(BufReader::new(tokio::io::stdin()).lines()) }
    }

    async fn next(&mut self) -> Option<String> {
        match &mut self.lines {
            Some(lines) => lines.next_line().await.ok().flatten(),
            None => std::future::pending().await,
        }
    }

    fn end(&mut self) {
        self.lines = None;
    }
}

const STOPPED: u8 = 3;
const INTERRUPTED: u8 = 130;
