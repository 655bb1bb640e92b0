//! A WebSocket session as pure functions.
//!
//! This crate decides; it does no IO. It knows no clock, no random numbers and no runtime, needs
//! `alloc` and [`bytes`], and is the same in a test, in a simulation of a fleet and in production.
//! Depend on it and on one adapter to bring your own runtime; `redial-tungstenite` is the driver
//! for tokio.
//!
//! # The words
//!
//! - An [`Event`] happened and goes in; an [`Action`] must be done and comes out; a [`Notice`] is
//!   what the application may watch; a [`Policy`] is the vendor's rules as data; a *driver* is
//!   whoever does IO.
//! - A [`Machine`] is the lifecycle: one connection, one token request, one wait at a time.
//! - A [`Ledger`] keeps account of messages: each ends in exactly one [`Fate`].
//! - An [`Adapter`] is a vendor: policy, frames and HTTP exchanges, without IO.
//! - A [`Session`] composes the three: bytes in, bytes out.
//!
//! # The machine alone
//!
//! ```
//! use redial_core::*;
//!
//! const POLICY: Policy = Policy::new(PolicySpec {
//!     rules: Rules::new(&[Rule::close(4401, Verdict::Retry(Recovery::REGENERATE))]),
//!     backoff: Backoff::fixed(Span::from_secs(10)),
//!     ..PolicySpec::DEFAULT
//! });
//! let at = |secs: u64| Cx::new(Timestamp::from_millis(secs * 1_000), 0);
//! let (token, conn) = (TokenId::new(1), ConnId::new(1));
//!
//! let mut machine = Machine::new();
//! machine.handle(&POLICY, at(0), Event::Connect);
//! machine.handle(&POLICY, at(1), Event::TokenReady { token, expires_in: None, resumable: false });
//! machine.handle(&POLICY, at(1), Event::Dialing { conn });
//! machine.handle(&POLICY, at(1), Event::Opened { conn });
//! machine.handle(&POLICY, at(1), Event::Ready { conn, continuity: Continuity::Fresh });
//!
//! let cause = Cause::Close(4401);
//! let actions = machine.handle(&POLICY, at(60), Event::Closed { conn, cause, retry_after: None });
//! assert_eq!(
//!     actions,
//!     [
//!         Action::Notify(Notice::Offline { conn, cause }),
//!         Action::ScheduleRetry {
//!             at: Timestamp::from_millis(70_000),
//!             attempt: 1,
//!             token: TokenUse::Regenerate,
//!             cause,
//!             not_before: None,
//!         },
//!     ]
//! );
//! assert_eq!(machine.poll_timeout(), Some(Timestamp::from_millis(70_000)));
//! ```
//!
//! # A driver
//!
//! The loop that every driver runs, whatever it runs on. What has arrived goes in before
//! deadlines fire; the three outputs are separate because three consumers block on their own.
//!
//! ```
//! use redial_core::*;
//!
//! /// Whatever does IO for you.
//! trait World<A: Adapter> {
//!     fn cx(&mut self) -> Cx;
//!     /// What has arrived by now: dials, frames, HTTP answers, the application's wishes.
//!     fn arrived(&mut self) -> Option<Input<A>>;
//!     /// Dial, drop, perform or abort. Never blocks.
//!     fn perform(&mut self, effect: Effect);
//!     fn is_writable(&self) -> bool;
//!     fn write(&mut self, transmit: Transmit);
//!     fn deliver(&mut self, item: Item<A>);
//!     /// Sleeps until something arrives or this instant is reached.
//!     fn sleep(&mut self, until: Option<Timestamp>);
//! }
//!
//! fn drive<A: Adapter>(session: &mut Session<A>, world: &mut impl World<A>) {
//!     session.handle(world.cx(), Input::Connect);
//!     while !session.is_stopped() || session.has_effects() {
//!         while let Some(input) = world.arrived() {
//!             session.handle(world.cx(), input);
//!         }
//!         let cx = world.cx();
//!         if session.poll_timeout().is_some_and(|at| at <= cx.now) {
//!             session.handle(cx, Input::Tick);
//!         }
//!         while let Some(effect) = session.poll_effect() {
//!             world.perform(effect);
//!         }
//!         while world.is_writable() {
//!             let Some(transmit) = session.poll_transmit(cx) else { break };
//!             world.write(transmit);
//!         }
//!         while let Some(item) = session.poll_item() {
//!             world.deliver(item);
//!         }
//!         world.sleep(session.poll_timeout());
//!     }
//! }
//! ```
//!
//! # Time and chance
//!
//! A [`Timestamp`] is milliseconds since the Unix epoch on a clock that never steps: the wall clock
//! at the start plus elapsed time, which should count the host's sleep. A clock that runs backwards
//! is held. `Cx::entropy` is for jitter and nothing else; ids on the wire come from the 128-bit
//! nonce that [`Session::new`] takes. So a log of `(Cx, Event)` replays bit for bit.
//!
//! # Secrets
//!
//! [`Secret`], requests, handshakes and frames hide what they hold in `Debug`; causes, notices,
//! events and actions hold numbers only. A [`Snapshot`] holds message bodies and may hold secrets:
//! whoever stores one protects it.
//!
//! # Features
//!
//! `serde` makes policies, events, causes, the machine and what snapshots hold serialisable. There
//! is no `std` feature: nothing here needs it.
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
pub mod net;
mod policy;
mod recent;
#[cfg(feature = "serde")]
mod saved;
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
    Bounds, Class, Cut, Fate, Ledger, Load, Outcome, Path, Proof, Refusal, Refused, Room, Settled,
    Status,
};
pub use machine::{Liveness, Machine, Online, Phase, Renewal, RenewalKind, Resumable, Token};
pub use policy::{
    Backoff, Clip, Delay, Growth, Intent, Jitter, Keepalive, Pace, Policy, PolicyError, PolicySpec,
    Recovery, Renew, Reset, Resume, Rule, Rules, Timeouts, TokenPolicy, TokenUse, Verdict, When,
};
pub use recent::Recent;
pub use secret::Secret;
pub use session::{Effect, Input, Item, Recorded, Session, Snapshot, Transmit};
pub use time::{Cx, Span, Speed, Timestamp};
pub use wire_id::{WireId, WireIds};
