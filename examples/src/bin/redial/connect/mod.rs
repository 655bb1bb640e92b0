//! `redial connect`: a session from a terminal.

mod control;
mod drive;
mod evolution;
mod files;
mod frames;
mod genesys;
mod input;
mod kinds;
mod liveperson;
mod ringcentral;
pub(crate) mod setup;
pub(crate) mod signals;
mod store;
mod vonage;

use std::borrow::Cow;
use std::process::ExitCode;

use redial_core::{Cause, Continuity, Item, Notice, Span};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::cli::{ConnectArgs, ConnectVendor, Typed};
use crate::output::Failure;

pub(crate) use drive::drive;
pub(crate) use kinds::{Kinds, cause_json, cause_text};

/// Holds a session until it ends or is asked to.
pub(crate) async fn run(args: ConnectArgs, typed: Typed) -> Result<ExitCode, Failure> {
    signals::Signals::listen()?;
    match args.vendor {
        ConnectVendor::Liveperson(args) => liveperson::run(*args, &typed).await,
        ConnectVendor::Genesys(args) => genesys::run(*args, &typed).await,
        ConnectVendor::Evolution(args) => evolution::run(*args, &typed).await,
        ConnectVendor::Vonage(args) => vonage::run(*args, &typed).await,
        ConnectVendor::Ringcentral(args) => ringcentral::run(*args, &typed).await,
    }
}

/// What the tool needs to know about a vendor, beyond its adapter.
pub(crate) trait Vendor:
    redial_core::Adapter<Outgoing: Serialize + DeserializeOwned, Cursor: Serialize + DeserializeOwned>
{
    /// The fields of a frame that say what it is, and nothing of what people say.
    const ENVELOPE: &'static [&'static str];

    /// Returns a frame's text as `--debug-frames` shows it, where that is more than its envelope.
    fn shown(frame: &[u8]) -> Option<String> {
        let _ = frame;
        None
    }
    /// Returns whether messages may be missing after a loss, where the adapter does not say so
    /// itself.
    fn means_gap(continuity: Continuity) -> bool;
    /// Reads what `send` and `request` carry.
    fn payload(value: serde_json::Value) -> Result<Self::Outgoing, String>;
    /// Reads what `request` carries, where that differs from what `send` does.
    fn request(value: serde_json::Value) -> Result<Self::Outgoing, String> {
        Self::payload(value)
    }
    /// Reads one of the filters that `subscribe` carries.
    fn filter(value: serde_json::Value) -> Result<Self::Command, String>;
    /// Makes commands of all the filters that `subscribe` carries.
    fn filters(values: Vec<serde_json::Value>) -> Result<Vec<Self::Command>, String> {
        values.into_iter().map(Self::filter).collect()
    }
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
    /// Whether every gap that the adapter finds is told by a message, too.
    const NAMES_GAPS: bool = false;
    /// Whether what was missed may be fetched later. Without that, a gap is over when the session is
    /// back, and the next one has nothing to do with it.
    const FILLS_GAPS: bool = true;
    /// Returns what a message is printed as. Where one vendor's messages tell of gaps, it has
    /// [`Vendor::NAMES_GAPS`].
    fn told(message: &Self::Message) -> Told {
        Told::Message(Self::message(message))
    }
    /// Returns whether a message says that others may be missing, and nobody knows which.
    fn opens_gap(message: &Self::Message) -> bool {
        let _ = message;
        false
    }
    /// Returns whether an end was asked for, whatever the policy has to do with it.
    fn is_asked_for(cause: Cause) -> bool {
        let _ = cause;
        false
    }
    /// Returns what a `response` line says.
    fn reply(reply: &Self::Reply) -> Answer;
    /// Returns the name of the event that was the answer, where answers have names.
    fn reply_event(reply: &Self::Reply) -> Option<&str> {
        let _ = reply;
        None
    }
    /// Returns what the vendor itself would call this.
    fn vendor_lines(notice: &Notice) -> Vec<serde_json::Value> {
        let _ = notice;
        Vec::new()
    }
    /// Returns what sees every item of a session, in its order, and says what the vendor itself
    /// would call it: [`Vendor::vendor_lines`], where the notices alone tell.
    fn words() -> Words<Self> {
        Box::new(|item| match item {
            Item::Notice(notice) => Self::vendor_lines(notice),
            _ => Vec::new(),
        })
    }
    /// Returns what the vendor's documents say about this.
    fn explain(notice: &Notice) -> Option<Cow<'static, str>> {
        let _ = notice;
        None
    }
}

/// Sees every item of one session, and says what the vendor itself would call it.
pub(crate) type Words<A> = Box<dyn FnMut(&Item<A>) -> Vec<serde_json::Value> + Send>;

/// What a vendor's message is printed as.
pub(crate) enum Told {
    /// A `message` line with these fields.
    Message(serde_json::Value),
    /// A `vendor` line with these fields.
    Vendor(serde_json::Value),
    /// A `gap` line with these fields: some messages are missing for certain.
    Missing(serde_json::Value),
    /// A `gap` line: how sure it is, how long it was up to now, and why. An earlier process was
    /// there when it began where nobody knows.
    Gap { certainty: &'static str, span: Option<Span>, cause: Option<Cause> },
    /// Nothing.
    Nothing,
}

/// What a `response` line says.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: serde_json::Value,
    /// `socket` or `https`.
    pub(crate) via: &'static str,
}
