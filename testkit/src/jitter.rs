//! Whether clients that fail together come back apart.
//!
//! A thousand clients that lose their server in one instant and wait the same time come back in
//! one instant. [`check`] lets a fleet fail together under a policy, once for each attempt until
//! the waits no longer grow and a few times more, and says where too many come back at once:
//!
//! ```
//! use redial_core::{Backoff, Jitter, Policy, PolicySpec, Span};
//! use redial_testkit::jitter;
//!
//! jitter::check(&Policy::new(PolicySpec::DEFAULT))?;
//!
//! let backoff = Backoff::fixed(Span::from_secs(10));
//! let herd = jitter::check(&Policy::new(PolicySpec { backoff, ..PolicySpec::DEFAULT }));
//! assert!(herd.is_err(), "everybody comes back after ten seconds");
//!
//! let backoff = Backoff { jitter: Jitter::Full, ..backoff };
//! jitter::check(&Policy::new(PolicySpec { backoff, ..PolicySpec::DEFAULT }))?;
//! # Ok::<(), jitter::Herd>(())
//! ```
//!
//! # What counts as "at once"
//!
//! The machine knows milliseconds, and a share of one millisecond says little: timers of hosts and
//! ways through a network differ by more. So the check looks at every window of
//! [`Fleet::WINDOW`], 10 ms, wherever it begins, and lets it hold [`Fleet::SHARE`], 5 %, of the
//! clients. No single millisecond holds more than such a window does. In numbers: waits that are
//! drawn evenly pass from 200 ms of jitter on. Whoever knows what a server bears sets both.
//!
//! # What is not judged
//!
//! The waits that a server asks for, with `Retry-After` or by a rule with
//! [`Delay::AtLeast`](redial_core::Delay): what is asked is done, to the millisecond. Retries without
//! any wait, by a rule with `Delay::Now`, are judged only after the [`COMMON`] causes, which befall
//! all clients of a server at once. Everything else that the policy draws is judged through a real
//! [`Machine`], so an attempt that drew nothing would show.

use core::fmt;
use std::collections::BTreeMap;

use redial_core::{
    Action, Backoff, Cause, Cx, Delay, Event, Jitter, Machine, Policy, Span, Timestamp, Verdict,
    Wait,
};

use crate::random::Random;

/// Lets a [`Fleet`] of ordinary size fail together under `policy`.
///
/// # Errors
///
/// Says at which attempt too many clients come back at once, after which cause nobody waits, or that
/// the policy never draws a wait. A policy without jitter fails on its first attempt.
pub fn check(policy: &Policy) -> Result<Spread, Herd> {
    Fleet::default().check(policy)
}

/// Returns whether the policy draws its waits at all.
#[must_use]
pub fn is_jittered(policy: &Policy) -> bool {
    policy.spec().backoff.jitter != Jitter::None
}

/// Clients that lose their server in the same instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fleet {
    /// How many there are.
    pub clients: u32,
    /// What their chance comes from; the same seed gives the same waits.
    pub seed: u64,
    /// What counts as at once.
    pub window: Span,
    /// How many of a thousand clients may come back at once.
    pub share: u32,
}

impl Fleet {
    /// What counts as at once unless told otherwise.
    pub const WINDOW: Span = Span::from_millis(10);
    /// How many of a thousand clients may come back at once unless told otherwise.
    pub const SHARE: u32 = 50;

    /// Lets every dial of every client fail and returns the waits, attempt by attempt.
    ///
    /// The attempts go on until the waits no longer grow and three more, or until the budget of
    /// the policy is spent. Waits that still grow after 200 attempts are not followed further;
    /// then the longest wait is drawn without them. There are none at all where no failure leads
    /// to a wait that is drawn.
    #[must_use]
    pub fn fail(&self, policy: &Policy) -> Spread {
        let backoff = policy.spec().backoff;
        let Some(cause) = drawn(policy) else { return Spread { waits: BTreeMap::new() } };
        let plateau = Backoff { attempts: None, ..backoff }.plateau();
        let last = backoff.attempts.unwrap_or(u16::MAX).min(plateau.saturating_add(3));
        let mut waits: BTreeMap<u16, Vec<u32>> =
            (1..=last.min(MOST_ATTEMPTS)).map(|attempt| (attempt, Vec::new())).collect();
        let mut chance = Random::new(self.seed);
        for _ in 0..self.clients {
            fail_one(policy, cause, &mut chance, &mut waits);
        }
        if last > MOST_ATTEMPTS {
            let floor = policy.spec().floor;
            let longest = || backoff.wait(last, chance.next(), floor).as_millis();
            let count = usize::try_from(self.clients).unwrap_or_default();
            waits.insert(last, std::iter::repeat_with(longest).take(count).collect());
        }
        waits.retain(|_, waits| !waits.is_empty());
        waits.values_mut().for_each(|waits| waits.sort_unstable());
        Spread { waits }
    }

    /// Lets the fleet fail, and judges how it comes back.
    ///
    /// # Errors
    ///
    /// Says at which attempt too many clients come back at once, after which cause nobody waits, or
    /// that the policy never draws a wait.
    pub fn check(&self, policy: &Policy) -> Result<Spread, Herd> {
        let now = |cause: &Cause| match policy.verdict(*cause) {
            Verdict::Retry(recovery) => recovery.delay == Delay::Now,
            Verdict::Suspend | Verdict::Stop => false,
        };
        if let Some(cause) = COMMON.into_iter().find(now) {
            return Err(Herd::AtOnce { cause });
        }
        let spread = self.fail(policy);
        if spread.waits.is_empty() {
            return Err(Herd::NothingDrawn);
        }
        for attempt in spread.attempts() {
            let peak = spread.peak(attempt, self.window);
            if u64::from(peak.clients) * 1000 > u64::from(self.share) * u64::from(peak.of) {
                return Err(Herd::TooMany { attempt, peak, share: self.share });
            }
        }
        Ok(spread)
    }
}

impl Default for Fleet {
    fn default() -> Self {
        Self { clients: 4_000, seed: 1, window: Self::WINDOW, share: Self::SHARE }
    }
}

/// How long the clients of a fleet waited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spread {
    /// For each attempt the waits in milliseconds, sorted.
    waits: BTreeMap<u16, Vec<u32>>,
}

impl Spread {
    /// Returns the attempts, the first is 1.
    pub fn attempts(&self) -> impl Iterator<Item = u16> + use<'_> {
        self.waits.keys().copied()
    }

    /// Returns the waits before `attempt` in milliseconds, the shortest first.
    #[must_use]
    pub fn waits(&self, attempt: u16) -> &[u32] {
        self.waits.get(&attempt).map_or(&[], Vec::as_slice)
    }

    /// Returns where most clients come back within `window` before `attempt`.
    #[must_use]
    pub fn peak(&self, attempt: u16, window: Span) -> Peak {
        let waits = self.waits(attempt);
        let width = window.as_millis().max(1);
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let window = Span::from_millis(width);
        let mut peak = Peak { from: Span::ZERO, window, clients: 0, of: count(waits.len()) };
        let mut first = 0;
        for (place, wait) in waits.iter().enumerate() {
            while wait - waits[first] >= width {
                first += 1;
            }
            let clients = count(place + 1 - first);
            if clients > peak.clients {
                peak = Peak { from: Span::from_millis(waits[first]), clients, ..peak };
            }
        }
        peak
    }

    /// Measures how evenly the waits before `attempt` fill the range between the shortest and the
    /// longest: Pearson's chi-square over `parts` parts of equal length. Even draws give about
    /// `parts - 1`, with a standard deviation of the root of twice that.
    #[must_use]
    pub fn chi_square(&self, attempt: u16, parts: u32) -> f64 {
        let waits = self.waits(attempt);
        let (Some(first), Some(last)) = (waits.first(), waits.last()) else { return 0.0 };
        let range = u64::from(last - first) + 1;
        let parts = u64::from(parts).clamp(1, range);
        let mut counts = vec![0_u32; usize::try_from(parts).unwrap_or(1)];
        for wait in waits {
            let part = u64::from(wait - first) * parts / range;
            if let Some(count) = usize::try_from(part).ok().and_then(|part| counts.get_mut(part)) {
                *count += 1;
            }
        }
        // Parts of whole milliseconds may differ by one.
        let begin = |part: u64| (part * range).div_ceil(parts);
        let sum = counts.iter().zip(0_u64..).map(|(count, part)| {
            let share = (begin(part + 1) - begin(part)) as f64 / range as f64;
            let expected = share * waits.len() as f64;
            (f64::from(*count) - expected).powi(2) / expected
        });
        sum.sum()
    }
}

/// The clients that come back at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peak {
    /// The shortest of their waits.
    pub from: Span,
    /// What counts as at once.
    pub window: Span,
    /// How many they are.
    pub clients: u32,
    /// How many clients there are.
    pub of: u32,
}

/// Clients come back at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Herd {
    /// Too many of them.
    TooMany {
        /// The attempt; the first is 1.
        attempt: u16,
        /// How many, and when.
        peak: Peak,
        /// How many of a thousand may.
        share: u32,
    },
    /// Nobody waits after a cause that befalls all at once.
    AtOnce {
        /// The cause.
        cause: Cause,
    },
    /// No failure leads to a wait that the policy draws.
    NothingDrawn,
}

impl fmt::Display for Herd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooMany { attempt, peak: Peak { from, window, clients, of }, share } => {
                let last = from.as_millis() + window.as_millis() - 1;
                write!(
                    f,
                    "attempt {attempt}: {clients} of {of} clients wait {} to {last} ms; {}.{} % may",
                    from.as_millis(),
                    share / 10,
                    share % 10
                )
            }
            Self::AtOnce { cause } => {
                write!(f, "after {cause:?}, which befalls all clients at once, nobody waits")
            }
            Self::NothingDrawn => f.write_str("no failure leads to a wait that the policy draws"),
        }
    }
}

impl std::error::Error for Herd {}

/// Lets every dial of one client fail; a client that the policy stops waits no more.
fn fail_one(
    policy: &Policy,
    cause: Cause,
    chance: &mut Random,
    waits: &mut BTreeMap<u16, Vec<u32>>,
) {
    let mut machine = Machine::new();
    let mut now = Timestamp::from_millis(1);
    let mut output = machine.handle(policy, Cx::new(now, chance.next()), Event::Connect);
    for waits in waits.values_mut() {
        if let Some(token) = machine.pending_token() {
            let ready = Event::TokenReady { token, expires_in: None, resumable: true };
            output = machine.handle(policy, Cx::new(now, chance.next()), ready);
        }
        let dialled = output.iter().find_map(|action| match action {
            Action::Connect { conn, .. } => Some(*conn),
            _ => None,
        });
        let Some(conn) = dialled else { return };
        let closed = Event::Closed { conn, cause, retry_after: None };
        output = machine.handle(policy, Cx::new(now, chance.next()), closed);
        let scheduled = output.iter().find_map(|action| match action {
            Action::ScheduleRetry { at, .. } => Some(*at),
            _ => None,
        });
        let Some(at) = scheduled else { return };
        waits.push(at.since(now).as_millis());
        now = at;
        output = machine.handle(policy, Cx::new(now, chance.next()), Event::Tick);
    }
}

/// Returns a failure after which the policy draws a wait, one that keeps the token if there is
/// one: a token that is refused again and again may end the session first.
fn drawn(policy: &Policy) -> Option<Cause> {
    let causes = [
        Cause::Network,
        Cause::Close(1006),
        Cause::Close(1001),
        Cause::Handshake(503),
        Cause::Timeout(Wait::Connect),
        Cause::Close(4999),
        Cause::Handshake(500),
        Cause::Handshake(401),
    ];
    let is_drawn = |cause: &Cause| match policy.verdict(*cause) {
        Verdict::Retry(recovery) => recovery.delay == Delay::Backoff,
        Verdict::Suspend | Verdict::Stop => false,
    };
    causes.into_iter().find(is_drawn)
}

/// The causes that befall all clients of a server at once: it is gone, it restarts, or what stands
/// before it says so.
pub const COMMON: [Cause; 8] = [
    Cause::Network,
    Cause::Close(1001),
    Cause::Close(1006),
    Cause::Close(1012),
    Cause::Handshake(502),
    Cause::Handshake(503),
    Cause::Handshake(504),
    Cause::Timeout(Wait::Connect),
];

/// Waits that grow for longer than this are not followed to their end.
const MOST_ATTEMPTS: u16 = 200;
