//! A WebSocket session as pure functions.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod action;
mod adapter;
mod cause;
mod event;
mod governor;
mod handshake;
pub mod http;
mod http_date;
mod id;
mod io;
mod ledger;
mod machine;
mod policy;
mod secret;
mod session;
mod time;
mod wire_id;

pub use action::{Action, Actions, Notice, Reason, StopReason, SuspendReason};
pub use adapter::{Adapter, Authorize};
pub use cause::{Cause, Wait};
pub use event::{Continuity, Event, Evidence, Terms};
pub use governor::Governor;
pub use handshake::Handshake;
pub use id::{ConnId, HttpId, MessageId, TokenId};
pub use io::{Fault, Frame, Io, Problem, Scope};
pub use ledger::{
    Bounds, Class, Cut, Fate, Ledger, Load, Outcome, Path, Proof, Refusal, Refused, Settled,
};
pub use machine::{Liveness, Machine, Online, Phase, Renewal, RenewalKind, Resumable, Token};
pub use policy::{
    Backoff, Clip, Delay, Growth, Intent, Jitter, Keepalive, Pace, Policy, PolicyError, PolicySpec,
    Recovery, Renew, Reset, Resume, Rule, Rules, Timeouts, TokenPolicy, TokenUse, Verdict, When,
};
pub use secret::Secret;
pub use session::{Effect, Input, Item, Session, Snapshot, Transmit};
pub use time::{Cx, Span, Speed, Timestamp};
pub use wire_id::{WireId, WireIds};
