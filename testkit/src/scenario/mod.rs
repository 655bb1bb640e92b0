//! Histories of sessions, read from bytes.
//!
//! One generator serves property tests, fuzzers and seeds: whatever the bytes, [`History::decode`]
//! makes a policy and what befalls a session under it, and [`History::play`] plays it with a
//! machine while [`Watched`](crate::Watched) checks every step. The empty slice is a calm history.
//!
//! - a **fuzzer** hands its input to [`History::decode`], or reads single decisions with
//!   [`Source`];
//! - a **seed** becomes bytes with [`bytes_of`];
//! - a **property test** takes the strategies of `scenario::strategy` (feature `proptest`).
//!
//! ```
//! use redial_testkit::scenario::{Distribution, History};
//!
//! let played = History::of_seed(7).play().expect("every invariant holds");
//! println!("{} events", played.trace.len());
//! let distribution = Distribution::of_seeds(0..50).expect("every invariant holds");
//! assert!(distribution.percent("online") > 80, "{distribution}");
//! ```
//!
//! To test a policy of one's own, play histories under it. A failure names what it was read from
//! and becomes a trace, which `redial replay FILE --explain` tells in words and [`History::load`]
//! reads again:
//!
//! ```
//! use std::path::Path;
//!
//! use redial_core::{Policy, PolicySpec};
//! use redial_testkit::scenario::{History, bytes_of};
//!
//! const POLICY: Policy = Policy::new(PolicySpec::DEFAULT);
//! for seed in 0..20 {
//!     let history = History::under(&POLICY, &bytes_of(seed, 200));
//!     history.play().unwrap_or_else(|failed| {
//!         let path = failed.save(Path::new("target/world"));
//!         panic!("seed {seed}: {failed}\ntrace: {path:?}")
//!     });
//! }
//! ```

mod case;
mod event;
mod fault;
mod history;
mod play;
mod policy;
mod source;
#[cfg(feature = "proptest")]
pub mod strategy;

pub use case::Origin;
pub use event::{cause, event, loss};
pub use fault::{Fault, Half, Schedule};
pub use history::{Command, Deed, History, Move, Pause};
pub use play::{Distribution, Failed, Played, Reach, replay};
pub use policy::{keepalive, policy};
pub use source::{Source, bytes_of};

pub use crate::random::Random;
