//! What a simulation came to.

use std::fmt;
use std::ops::AddAssign;

use redial_core::Recorded;

use super::host::Host;
use super::plan::{HOUR, Plan};
use crate::watch::Breach;

/// What happened in a simulation in which everything held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// The sum of all sessions' lives.
    pub session_hours: u64,
    /// How many events the machines took.
    pub events: u64,
    /// What went wrong.
    pub faults: u64,
    /// How often a session dialled.
    pub dials: u64,
    /// How often a session came online.
    pub onlines: u64,
    /// How often it went offline again.
    pub losses: u64,
    /// How often it was suspended.
    pub suspensions: u64,
    /// How often it ended and another began.
    pub stops: u64,
    /// How many messages were accepted.
    pub messages: u64,
    /// How many of them ended acknowledged, rejected, expired, not sent, unknown.
    pub fates: [u64; 5],
    /// How often messages were written again.
    pub resent: u64,
}

/// A simulation in which something that must hold did not.
#[derive(Clone, Debug, PartialEq)]
pub struct WorldFailed {
    /// The plan, its seed among it: the same plan fails in the same way.
    pub plan: Plan,
    /// The session.
    pub session: usize,
    /// When, in milliseconds since the beginning.
    pub at: u64,
    /// What did not hold.
    pub breach: Breach,
    /// What the machine of the session was given and what it asked for, up to the event that broke
    /// it. A session that ended and began again has what followed.
    pub trace: Vec<Recorded>,
}

/// What happened to one session.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) events: u64,
    pub(super) dials: u64,
    pub(super) onlines: u64,
    pub(super) losses: u64,
    pub(super) stops: u64,
    pub(super) suspensions: u64,
    pub(super) faults: u64,
}

impl Tally {
    pub(super) fn of<P: crate::peer::Peer, S>(plan: &Plan, hosts: &[Host<P, S>]) -> Self {
        let mut all = Self { session_hours: plan.session_hours(), ..Self::default() };
        for host in hosts {
            all += Self {
                session_hours: 0,
                events: host.counts.events,
                faults: host.counts.faults,
                dials: host.counts.dials,
                onlines: host.counts.onlines,
                losses: host.counts.losses,
                suspensions: host.counts.suspensions,
                stops: host.counts.stops,
                messages: host.accounts.accepted(),
                fates: host.accounts.fates(),
                resent: host.accounts.resent(),
            };
        }
        all
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.session_hours += other.session_hours;
        self.events += other.events;
        self.faults += other.faults;
        self.dials += other.dials;
        self.onlines += other.onlines;
        self.losses += other.losses;
        self.suspensions += other.suspensions;
        self.stops += other.stops;
        self.messages += other.messages;
        self.resent += other.resent;
        for (sum, more) in self.fates.iter_mut().zip(other.fates) {
            *sum += more;
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [acked, rejected, expired, not_sent, unknown] = self.fates;
        write!(
            f,
            "{} session-hours, {} events, {} faults\n\
             {} dials, {} times online, {} lost, {} suspended, {} ended\n\
             {} messages: {acked} acknowledged, {rejected} rejected, {expired} expired, \
             {not_sent} not sent, {unknown} unknown; {} written again",
            self.session_hours,
            self.events,
            self.faults,
            self.dials,
            self.onlines,
            self.losses,
            self.suspensions,
            self.stops,
            self.messages,
            self.resent,
        )
    }
}

impl fmt::Display for WorldFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (hours, rest) = (self.at / HOUR, self.at % HOUR);
        write!(
            f,
            "seed {} breaks {} in session {} after {hours} h {rest} ms, {} events",
            self.plan.seed,
            self.breach,
            self.session,
            self.trace.len()
        )
    }
}

impl std::error::Error for WorldFailed {}
