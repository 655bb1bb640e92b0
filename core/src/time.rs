//! Points and lengths of time, in whole milliseconds.

use core::fmt;
use core::ops::Add;

/// A point in time: milliseconds since the Unix epoch, on a clock that never steps.
///
/// A driver takes the wall clock once at its start and adds suspend-aware elapsed time to it, so
/// that HTTP dates, token expiry and snapshots compare.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Timestamp(u64);

impl Timestamp {
    /// The Unix epoch.
    pub const ZERO: Self = Self(0);
    /// The last point in time that can be named.
    pub const MAX: Self = Self(u64::MAX);

    /// Makes a point in time from milliseconds since the Unix epoch.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Returns the milliseconds since the Unix epoch.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// Returns the instant `span` before this one, the epoch at the earliest.
    #[must_use]
    pub const fn minus(self, span: Span) -> Self {
        Self(self.0.saturating_sub(span.0 as u64))
    }

    /// Returns the time that has passed since `earlier`, zero if it lies ahead.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Span {
        Span::saturating_from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Span> for Timestamp {
    type Output = Self;

    fn add(self, span: Span) -> Self {
        Self(self.0.saturating_add(u64::from(span.as_millis())))
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "@{}", self.0)
    }
}

/// A length of time in milliseconds, at most about 49 days.
///
/// "For ever" is never a huge span: where it is possible the type says so with a variant.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Span(u32);

impl Span {
    /// No time at all.
    pub const ZERO: Self = Self(0);
    /// The longest span.
    pub const MAX: Self = Self(u32::MAX);

    /// Makes a span of `millis` milliseconds.
    #[must_use]
    pub const fn from_millis(millis: u32) -> Self {
        Self(millis)
    }

    /// Makes a span of `secs` seconds, the longest span where that is more than it can hold.
    #[must_use]
    pub const fn from_secs(secs: u32) -> Self {
        Self(secs.saturating_mul(1000))
    }

    /// Makes a span of `millis` milliseconds, the longest span where that is more than it can hold.
    #[must_use]
    pub const fn saturating_from_millis(millis: u64) -> Self {
        if millis > u32::MAX as u64 { Self::MAX } else { Self(millis as u32) }
    }

    /// Returns the length in milliseconds.
    #[must_use]
    pub const fn as_millis(self) -> u32 {
        self.0
    }

    /// Returns true for the empty span.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// Returns this span divided by `divisor`; a span that was not zero stays at least 1 ms.
    #[must_use]
    pub const fn scaled(self, divisor: Speed) -> Self {
        if self.0 == 0 {
            return self;
        }
        let scaled = self.0 / divisor.get();
        if scaled == 0 { Self(1) } else { Self(scaled) }
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}ms", self.0)
    }
}

impl From<Span> for core::time::Duration {
    fn from(span: Span) -> Self {
        Self::from_millis(u64::from(span.0))
    }
}

/// How many times faster than life a policy runs: what every span is divided by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Speed(core::num::NonZeroU32);

impl Speed {
    /// Real time.
    pub const REAL: Self = Self(core::num::NonZeroU32::MIN);

    /// Makes a speed of `times`; zero is taken as real time.
    #[must_use]
    pub const fn new(times: u32) -> Self {
        match core::num::NonZeroU32::new(times) {
            Some(times) => Self(times),
            None => Self::REAL,
        }
    }

    /// Returns the divisor.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0.get()
    }
}

/// What an event brings along: the time and a source of chance.
///
/// Both are arguments, so a log of `(Cx, Event)` replays bit for bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Cx {
    /// The time of the event.
    pub now: Timestamp,
    /// Random bits, used for jitter and nothing else.
    pub entropy: u64,
}

impl Cx {
    /// Makes a context for `now` whose jitter draws from `entropy`.
    #[must_use]
    pub const fn new(now: Timestamp, entropy: u64) -> Self {
        Self { now, entropy }
    }
}
