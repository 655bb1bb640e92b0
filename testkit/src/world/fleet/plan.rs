//! What a simulation is made of.

use redial_core::{Machine, Policy, Span, Speed};
use serde::{Deserialize, Serialize};

use super::{Fleet, Tally, WorldFailed};
use crate::explorer::Subject;
use crate::peer::Office;
use crate::scenario::Random;

/// What a simulation is made of. The same plan is the same simulation, to the bit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// What chance is drawn from.
    pub seed: u64,
    /// The rules of all sessions.
    pub policy: Policy,
    /// How many sessions there are.
    pub sessions: u16,
    /// How many of them have one account.
    pub account_of: u16,
    /// How long it lasts, in milliseconds.
    pub lasts: u64,
    /// The mean time between two faults of one session.
    pub fault_every: Span,
    /// The longest time that a fault lasts.
    pub fault_lasts: Span,
    /// The mean time between two messages of one session.
    pub send_every: Span,
    /// The longest way one way, when nothing is slow.
    pub latency: Span,
    /// How many dials may be under way at once.
    pub dials_at_once: u16,
}

impl Plan {
    /// 32 sessions for a day: a fault every 15 minutes that lasts up to 3, a message every 2.
    #[must_use]
    pub const fn new(policy: &Policy, seed: u64) -> Self {
        Self {
            seed,
            policy: *policy,
            sessions: 32,
            account_of: 8,
            lasts: 24 * HOUR,
            fault_every: Span::from_secs(15 * 60),
            fault_lasts: Span::from_secs(3 * 60),
            send_every: Span::from_secs(2 * 60),
            latency: Span::from_millis(150),
            dials_at_once: 16,
        }
    }

    /// Sets how many sessions there are and for how many hours they live.
    #[must_use]
    pub const fn sized(mut self, sessions: u16, hours: u32) -> Self {
        self.sessions = sessions;
        self.lasts = hours as u64 * HOUR;
        self
    }

    /// Divides every span, those of the policy too.
    #[must_use]
    pub fn scaled(mut self, speed: Speed) -> Self {
        self.policy = self.policy.scaled(speed);
        self.lasts /= u64::from(speed.get());
        for span in
            [&mut self.fault_every, &mut self.fault_lasts, &mut self.send_every, &mut self.latency]
        {
            *span = span.scaled(speed);
        }
        self
    }

    /// Makes the random bits of a process.
    pub(super) const fn nonce(&self, session: usize, process: u64) -> u128 {
        let mut random = Random::new(self.seed ^ (session as u64) << 32 ^ process << 48);
        ((random.next() as u128) << 64) | random.next() as u128
    }

    /// Returns the sum of all sessions' lives in hours.
    #[must_use]
    pub const fn session_hours(&self) -> u64 {
        self.lasts.saturating_mul(self.sessions as u64) / HOUR
    }

    /// Simulates sessions of the [`Courier`](crate::peer::Courier).
    ///
    /// # Errors
    ///
    /// Names the first thing that did not hold, with what led to it.
    pub fn run(&self) -> Result<Tally, Box<WorldFailed>> {
        self.run_with(Machine::new)
    }

    /// Does the same and lets every session be judged by a subject of its own, which is fed what
    /// the session's machine is fed.
    ///
    /// # Errors
    ///
    /// Names the first thing that did not hold, with what led to it.
    pub fn run_with<S: Subject>(&self, subject: impl Fn() -> S) -> Result<Tally, Box<WorldFailed>> {
        Fleet::new(self, |_, account| Office::new(&self.policy, account), subject).run()
    }
}

pub(super) const HOUR: u64 = 3_600_000;
