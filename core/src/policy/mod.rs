//! A vendor's rules as data that the compiler checks.

mod backoff;
mod keepalive;
mod resume;
mod rules;
mod token;

use core::fmt;

pub use backoff::{Backoff, Clip, Growth, Jitter, Reset};
pub use keepalive::{Keepalive, Pace};
pub use resume::Resume;
pub use rules::{Delay, Intent, Recovery, Rule, Rules, TokenUse, Verdict, When};
pub use token::{Renew, TokenPolicy};

use crate::cause::Cause;
use crate::time::{Span, Speed};

/// A vendor's rules, checked.
///
/// Made in a `const`, a policy that contradicts itself does not compile:
///
/// ```compile_fail
/// use redial_core::*;
/// const BAD: Policy = Policy::new(PolicySpec {
///     rules: Rules::new(&[
///         Rule::close(4401, Verdict::Stop),
///         Rule::new(When::Close(4400, 4499), Verdict::Suspend), // overlaps
///     ]),
///     ..PolicySpec::DEFAULT
/// });
/// fn main() { let _ = BAD; }
/// ```
///
/// ```compile_fail
/// use redial_core::*;
/// const BAD: Policy = Policy::new(PolicySpec {
///     backoff: Backoff::fixed(Span::ZERO), // a zero span
///     ..PolicySpec::DEFAULT
/// });
/// fn main() { let _ = BAD; }
/// ```
///
/// ```compile_fail
/// use redial_core::*;
/// const BAD: Policy = Policy::new(PolicySpec {
///     backoff: Backoff {
///         growth: Growth::Exponential {
///             first: Span::from_secs(30), percent: 200, cap: Span::from_secs(10), // shrinks
///         },
///         ..Backoff::fixed(Span::from_secs(1))
///     },
///     ..PolicySpec::DEFAULT
/// });
/// fn main() { let _ = BAD; }
/// ```
///
/// ```
/// use redial_core::*;
/// const GOOD: Policy = Policy::new(PolicySpec {
///     rules: Rules::new(&[Rule::close(4401, Verdict::Retry(Recovery::REGENERATE))]),
///     ..PolicySpec::DEFAULT
/// });
/// assert_eq!(GOOD.verdict(Cause::Close(4401)), Verdict::Retry(Recovery::REGENERATE));
/// assert_eq!(GOOD.verdict(Cause::Close(1006)), Verdict::Retry(Recovery::KEEP));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy(PolicySpec);

/// What a [`Policy`] is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
pub struct PolicySpec {
    /// What is done about each cause.
    pub rules: Rules,
    /// What is done about every cause that no rule names.
    pub otherwise: Verdict,
    /// The waits of an outage.
    pub backoff: Backoff,
    /// How a dead peer is noticed.
    pub keepalive: Keepalive,
    /// How long a token serves.
    pub token: TokenPolicy,
    /// How long a session can be resumed.
    pub resume: Resume,
    /// How long each step may take.
    pub timeouts: Timeouts,
    /// Attempts and token calls never follow each other faster than this.
    pub floor: Span,
    /// A server that asks for a longer wait than this gets this one.
    pub retry_after_max: Span,
}

/// How long each step may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
pub struct Timeouts {
    /// A token, with all its exchanges; `None`: as long as it takes, because a person may have to
    /// fetch it.
    pub token: Option<Span>,
    /// One HTTP exchange.
    pub http: Span,
    /// Name resolution, TCP, TLS and upgrade together.
    pub connect: Span,
    /// From the upgrade to the vendor's word that the session can be used.
    pub ready: Span,
    /// A close handshake.
    pub close: Span,
    /// A request to its response.
    pub request: Span,
}

impl Timeouts {
    /// 30 s for a token, 10 s for an exchange, 20 s to connect, 10 s for the rest, 5 s to close.
    pub const DEFAULT: Self = Self {
        token: Some(Span::from_secs(30)),
        http: Span::from_secs(10),
        connect: Span::from_secs(20),
        ready: Span::from_secs(10),
        close: Span::from_secs(5),
        request: Span::from_secs(10),
    };
}

impl Default for Timeouts {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl PolicySpec {
    /// Retries for ever with the same token, from 2 s doubled up to 30 s with equal jitter, and
    /// probes every 30 s. The first wait is twice the floor, so that chance has room there too.
    pub const DEFAULT: Self = Self {
        rules: Rules::new(&[]),
        otherwise: Verdict::Retry(Recovery::KEEP),
        backoff: Backoff {
            growth: Growth::Exponential {
                first: Span::from_secs(2),
                percent: 200,
                cap: Span::from_secs(30),
            },
            jitter: Jitter::Equal,
            clip: Clip::ThenJitter,
            attempts: None,
            reset: Reset::Online,
        },
        keepalive: Keepalive::Probe {
            interval: Span::from_secs(30),
            timeout: Span::from_secs(10),
            misses: 1,
            pace: Pace::Quiet,
        },
        token: TokenPolicy { single_use: false, renew: Renew::Never, rejections: Some(2) },
        resume: Resume::Never,
        timeouts: Timeouts::DEFAULT,
        floor: Span::from_secs(1),
        retry_after_max: Span::from_secs(24 * 3600),
    };
}

impl Default for PolicySpec {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl Policy {
    /// Checks `spec`.
    ///
    /// # Panics
    ///
    /// Where the policy contradicts itself; in a `const` that is a compile error.
    #[must_use]
    pub const fn new(spec: PolicySpec) -> Self {
        match Self::try_new(spec) {
            Ok(policy) => policy,
            Err(error) => panic!("{}", error.text()),
        }
    }

    /// Checks `spec`, for policies that are read at run time.
    ///
    /// # Errors
    ///
    /// Where the policy contradicts itself.
    pub const fn try_new(spec: PolicySpec) -> Result<Self, PolicyError> {
        let checks = [
            spec.rules.check(),
            spec.backoff.check(),
            spec.keepalive.check(),
            spec.token.check(),
            spec.timeouts.check(),
        ];
        let mut index = 0;
        while index < checks.len() {
            if let Err(error) = checks[index] {
                return Err(error);
            }
            index += 1;
        }
        if spec.floor.is_zero() || spec.retry_after_max.is_zero() {
            return Err(PolicyError::ZeroSpan);
        }
        Ok(Self(spec))
    }

    /// Returns the same policy without retries: after every failure the session is suspended, with
    /// [`SuspendReason::AttemptsExhausted`](crate::SuspendReason), until the application recovers
    /// it. What a rule says about the token holds all the same, and one that stops still stops.
    #[must_use]
    pub const fn manual(&self) -> Self {
        let mut spec = self.0;
        // A budget of no attempts is an error in a policy that is read; here it is meant.
        spec.backoff.attempts = Some(0);
        Self(spec)
    }

    /// Returns what the policy is made of.
    #[must_use]
    pub const fn spec(&self) -> &PolicySpec {
        &self.0
    }

    /// Answers every cause.
    #[must_use]
    pub const fn verdict(&self, cause: Cause) -> Verdict {
        match self.0.rules.find(cause) {
            Some(verdict) => verdict,
            None => self.0.otherwise,
        }
    }

    /// Returns the rule that names a cause, if one does.
    #[must_use]
    pub fn rule(&self, cause: Cause) -> Option<&Rule> {
        self.0.rules.as_slice().iter().find(|rule| rule.when.matches(cause))
    }

    /// Returns the same policy with every span divided by `speed`.
    #[must_use]
    pub const fn scaled(&self, speed: Speed) -> Self {
        let mut spec = self.0;
        spec.rules = spec.rules.scaled(speed);
        spec.otherwise = spec.otherwise.scaled(speed);
        spec.backoff = spec.backoff.scaled(speed);
        spec.keepalive = spec.keepalive.scaled(speed);
        spec.token = spec.token.scaled(speed);
        spec.resume = spec.resume.scaled(speed);
        spec.timeouts = spec.timeouts.scaled(speed);
        spec.floor = spec.floor.scaled(speed);
        // A Retry-After is the server's own span, so its bound stays as it is.
        Self(spec)
    }
}

impl Timeouts {
    const fn check(&self) -> Result<(), PolicyError> {
        let zero = matches!(self.token, Some(Span::ZERO))
            || self.http.is_zero()
            || self.connect.is_zero()
            || self.ready.is_zero()
            || self.close.is_zero()
            || self.request.is_zero();
        if zero { Err(PolicyError::ZeroSpan) } else { Ok(()) }
    }

    const fn scaled(self, speed: Speed) -> Self {
        Self {
            token: match self.token {
                Some(span) => Some(span.scaled(speed)),
                None => None,
            },
            http: self.http.scaled(speed),
            connect: self.connect.scaled(speed),
            ready: self.ready.scaled(speed),
            close: self.close.scaled(speed),
            request: self.request.scaled(speed),
        }
    }
}

/// Why a policy contradicts itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PolicyError {
    /// Two rules decide about the same cause.
    OverlappingRules,
    /// A rule's range ends before it begins.
    EmptyRule,
    /// There are more than [`Rules::CAPACITY`] rules.
    TooManyRules,
    /// The waits shrink.
    ShrinkingBackoff,
    /// A span that must not be zero is zero.
    ZeroSpan,
    /// A budget of no rejections at all.
    NoAttempts,
    /// A jitter of nothing, or of more than the whole wait.
    WideJitter,
    /// With a steady pace the verdict about one probe must fall before the next.
    SlowVerdict,
}

impl PolicyError {
    const fn text(self) -> &'static str {
        match self {
            Self::OverlappingRules => "two rules decide about the same cause",
            Self::EmptyRule => "a rule's range ends before it begins",
            Self::TooManyRules => "there are too many rules",
            Self::ShrinkingBackoff => "the waits of the backoff shrink",
            Self::ZeroSpan => "a span that must not be zero is zero",
            Self::NoAttempts => "a budget of no rejections",
            Self::WideJitter => "a jitter outside of 1 to 100 per cent",
            Self::SlowVerdict => "a steady probe is judged only after the next one is due",
        }
    }
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl core::error::Error for PolicyError {}

#[cfg(feature = "serde")]
impl serde::Serialize for Policy {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for Policy {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spec = PolicySpec::deserialize(deserializer)?;
        Self::try_new(spec).map_err(serde::de::Error::custom)
    }
}
