//! Many sessions, their servers and the network between them, in virtual time.
//!
//! A [`Plan`] is a seed and a few numbers. From it come sessions with their ledgers, token servers
//! and vendor servers; latency, lost and half-open connections, outages of one and of all, answers
//! that overtake each other and come too late, tokens that are revoked, hosts that sleep, and
//! applications that change their minds. Sessions of one account share a governor, all dials share
//! a number of permits. The same plan is the same simulation, to the bit.
//!
//! As it runs, every step of every machine is checked by [`Watched`](crate::Watched), the state of
//! the machine is compared with one that is fed its recorded events, and every message is checked
//! by [`Accounts`](crate::Accounts). What fails, a panic of the adapter or of its server included,
//! says its seed and becomes a trace of the flight recorder, which [`Case`] reads and `redial replay` explains.
//!
//! ```
//! use redial_core::{Policy, PolicySpec};
//! use redial_testkit::world::Plan;
//!
//! let plan = Plan::new(&Policy::new(PolicySpec::DEFAULT), 7).sized(4, 2);
//! let tally = plan.run().unwrap_or_else(|failed| panic!("{failed}"));
//! assert_eq!(tally.session_hours, 8);
//! assert!(tally.onlines > 0 && tally.fates[0] > 0, "{tally}");
//! ```
//!
//! The laws forbid; they do not demand. A session that never gets online breaks none, so what must be
//! reached is to be asserted of the [`Tally`]. A server of one's own, a [`Peer`](crate::peer::Peer)
//! in a [`Fleet`], has a memory and may `assert!` what a client must never do to it.

mod case;
mod host;
mod net;
mod plan;
mod report;
mod server;

pub use case::{Case, Origin};
pub use plan::Plan;
pub use report::{Tally, WorldFailed};

use std::panic::{AssertUnwindSafe, catch_unwind};

use host::Host;
use net::{BEGINNING, Net};

use crate::explorer::Subject;
use crate::peer::Peer;
use crate::watch::Breach;

/// Makes the server of a session.
type Peers<'a, P> = Box<dyn Fn(usize, &str) -> P + 'a>;

/// A session, the time and what did not hold.
type Failure = (usize, u64, Breach);

/// A simulation with servers and subjects of any kind.
pub struct Fleet<'a, P, S> {
    plan: &'a Plan,
    peers: Peers<'a, P>,
    subject: Box<dyn Fn() -> S + 'a>,
}

impl<'a, P: Peer, S: Subject> Fleet<'a, P, S> {
    /// Makes a simulation: `peers` makes the server of the session with this number and account,
    /// `subject` what judges it.
    #[must_use]
    pub fn new(
        plan: &'a Plan,
        peers: impl Fn(usize, &str) -> P + 'a,
        subject: impl Fn() -> S + 'a,
    ) -> Self {
        Self { plan, peers: Box::new(peers), subject: Box::new(subject) }
    }

    /// Lets it run.
    ///
    /// # Errors
    ///
    /// Names the first thing that did not hold, with the events of the session that it befell.
    pub fn run(&self) -> Result<Tally, Box<WorldFailed>> {
        let (hosts, failed) = self.live(None);
        let Some((session, ..)) = failed else {
            return Ok(Tally::of(self.plan, &hosts));
        };
        // Once more from the seed, with the flight recorder of the session that failed.
        let (mut hosts, failed) = self.live(Some(session));
        let (session, at, breach) = failed.expect("the same plan fails in the same way");
        let trace = hosts[session].trace.take().unwrap_or_default();
        Err(Box::new(WorldFailed { plan: *self.plan, session, at, breach, trace }))
    }

    fn live(&self, recorded: Option<usize>) -> (Vec<Host<P, S>>, Option<Failure>) {
        let mut net = Net::new(self.plan);
        let mut hosts: Vec<Host<P, S>> = (0..usize::from(self.plan.sessions))
            .map(|number| {
                let account =
                    format!("account-{}", number / usize::from(self.plan.account_of.max(1)));
                let peer = (self.peers)(number, &account);
                let mut host = Host::new(number, self.plan, peer, (self.subject)());
                host.trace = (recorded == Some(number)).then(Vec::new);
                host.begin(&mut net);
                host
            })
            .collect();
        while let Some(due) = net.next(BEGINNING.saturating_add(self.plan.lasts)) {
            let number = due.host;
            // A panic has a seed, too.
            let handled = catch_unwind(AssertUnwindSafe(|| hosts[number].handle(&mut net, due)));
            let mut outcome = handled.unwrap_or_else(|panic| Err(Breach::of_panic(panic.as_ref())));
            if let Ok(Some(fault)) = outcome {
                outcome = hosts
                    .iter_mut()
                    .try_for_each(|host| host.suffer(&mut net, fault))
                    .map(|()| None);
            }
            if let Err(breach) = outcome {
                return (hosts, Some((number, net.now - BEGINNING, breach)));
            }
            if hosts[number].is_stopped() {
                hosts[number].begin_again(&mut net, (self.subject)(), self.plan);
            }
        }
        (hosts, None)
    }
}
