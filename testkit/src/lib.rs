//! What redial is tested with, for whoever tests a policy, an adapter or a client of their own.
//!
//! | to find out | take | what it takes |
//! | --- | --- | --- |
//! | whether a policy can go wrong in any state at all | [`explorer`] | a `Policy`, scaled to small spans |
//! | whether it does in long histories, and in property tests | [`scenario`] | a `Policy` and bytes, or a seed |
//! | what one session does, to the millisecond | [`world::World`] | a `Policy` and a script |
//! | whether many sessions keep every law for days | [`world::Plan`] | a `Policy` and a seed |
//! | whether clients that fail together come back apart | [`jitter`] | a `Policy` |
//! | what a fleet does to a server that comes back | [`storm`] | a `Policy` |
//! | what an adapter writes for what it reads, frame by frame | [`rig::Rig`] | an `Adapter`, or a `Session` |
//! | whether an adapter does what every adapter must | [`conformance`] | a [`Vendor`](conformance::Vendor) |
//! | whether a process may die at any moment | [`crash`] | the same `Vendor` |
//! | what a live session went through, and why | [`replay`] | a trace |
//! | whether a client stands a vendor's faults | `servers` | a client of any kind |
//! | whether it stands broken connections | `proxy` | a client and a server of any kind |
//!
//! Three things judge the machine, and none of them is the machine: the explorer's
//! [`INVARIANTS`](explorer::INVARIANTS), the [`Model`], which says in another way what a machine must
//! do, and the [`Accounts`] of an onlooker, who knows what became of each message. [`Watched`] puts
//! the first two beside whatever is fed, and [`peer`] is the server that whole sessions meet.
//!
//! # A policy of one's own
//!
//! ```
//! use redial_core::{Policy, PolicySpec, Recovery, Rule, Rules, Verdict};
//! use redial_testkit::explorer::{Explorer, Extent, scaled_to_small, with_few_attempts};
//! use redial_testkit::scenario::{History, bytes_of};
//! use redial_testkit::{jitter, world::Plan};
//!
//! const POLICY: Policy = Policy::new(PolicySpec {
//!     rules: Rules::new(&[Rule::close(4401, Verdict::Retry(Recovery::REGENERATE))]),
//!     ..PolicySpec::DEFAULT
//! });
//!
//! // Every state, every event. Real spans have too many states, so the order of the spans is kept.
//! // Policies that resume and renew take seconds in a release build, and minutes in a debug build.
//! let small = scaled_to_small(&with_few_attempts(&POLICY, 2));
//! let report = Explorer::new(small).extent(Extent::Plain).run();
//! assert!(report.is_sound(), "{report}");
//! // Its own spans, in histories of chance; `scenario::strategy` has them for proptest.
//! for seed in 0..20 {
//!     let history = History::under(&POLICY, &bytes_of(seed, History::USUAL_BYTES));
//!     history.play().unwrap_or_else(|failed| panic!("seed {seed}: {failed}"));
//! }
//! // Whole sessions with their servers, and everybody at once.
//! Plan::new(&POLICY, 1).sized(4, 2).run().unwrap_or_else(|failed| panic!("{failed}"));
//! jitter::check(&POLICY)?;
//! # Ok::<(), jitter::Herd>(())
//! ```
//!
//! # An adapter of one's own
//!
//! Write it frame by frame against a [`rig::Rig`], bytes in and bytes out. Then describe the vendor's
//! side once, as a [`Vendor`](conformance::Vendor), and have the adapter judged by
//! [`conformance::check`] and by [`crash::check`]. `examples/new_vendor.rs` in the repository makes
//! an adapter from nothing and has it judged so, in under a hundred lines. A server with a memory is
//! a [`peer::Peer`]; with it the adapter lives in a [`world::Fleet`]. What no check can know is
//! listed in [`conformance`].
//!
//! # Features
//!
//! Both are off unless asked for.
//!
//! | feature | what it adds | what it needs |
//! | --- | --- | --- |
//! | `proptest` | `scenario::strategy`: strategies for events, policies, fault schedules, histories | `proptest` |
//! | `servers` | `servers`: simulators of the vendors; `proxy`: a TCP proxy that breaks connections | tokio, hyper, rustls |

mod accounts;
pub mod conformance;
pub mod crash;
pub mod explorer;
pub mod jitter;
mod model;
pub mod peer;
#[cfg(feature = "servers")]
pub mod proxy;
mod random;
pub mod replay;
pub mod rig;
pub mod scenario;
#[cfg(feature = "servers")]
pub mod servers;
pub mod storm;
mod watch;
pub mod world;

pub use accounts::Accounts;
pub use model::Model;
pub use watch::{Breach, Watched};
