//! A WebSocket session as pure functions.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod action;
mod cause;
mod event;
mod handshake;
pub mod http;
mod http_date;
mod id;
mod machine;
mod policy;
mod secret;
mod time;

pub use action::{Action, Actions, Notice, Reason, StopReason, SuspendReason};
pub use cause::{Cause, Wait};
pub use event::{Continuity, Event, Evidence, Terms};
pub use handshake::Handshake;
pub use id::{ConnId, HttpId, MessageId, TokenId};
pub use machine::{Liveness, Machine, Online, Phase, Renewal, RenewalKind, Resumable, Token};
pub use policy::{
    Backoff, Clip, Delay, Growth, Intent, Jitter, Keepalive, Pace, Policy, PolicyError, PolicySpec,
    Recovery, Renew, Reset, Resume, Rule, Rules, Timeouts, TokenPolicy, TokenUse, Verdict, When,
};
pub use secret::Secret;
pub use time::{Cx, Span, Speed, Timestamp};
