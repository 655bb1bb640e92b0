//! One lookup for every cause.

use super::PolicyError;
use crate::cause::{Cause, Wait};
use crate::time::{Span, Speed};

/// What is done about a cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Verdict {
    /// Try again.
    Retry(Recovery),
    /// Wait for the application: only it can help.
    Suspend,
    /// Give up for good.
    Stop,
}

/// How to try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub struct Recovery {
    /// Whether the token can be used again.
    pub token: TokenUse,
    /// Whether the session can be resumed.
    pub intent: Intent,
    /// How long to wait.
    pub delay: Delay,
}

impl Recovery {
    /// Same token, same session if it still exists, after the backoff.
    pub const KEEP: Self =
        Self { token: TokenUse::Keep, intent: Intent::Resume, delay: Delay::Backoff };
    /// New token, same session if it still exists, after the backoff.
    pub const REGENERATE: Self =
        Self { token: TokenUse::Regenerate, intent: Intent::Resume, delay: Delay::Backoff };
}

/// Whether the token can be used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum TokenUse {
    /// Use the token that is there.
    Keep,
    /// Make a new one.
    Regenerate,
}

/// Whether to ask for the old session or for a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Intent {
    /// Ask for the old one; the server's reply decides.
    Resume,
    /// Forget the old one.
    Restart,
}

/// How long to wait before trying again. `Retry-After` and the policy's floor only lengthen it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Delay {
    /// The backoff.
    Backoff,
    /// The backoff, and this span where the server names none.
    AtLeast(Span),
    /// Not at all.
    Now,
}

/// A cause, or a range of causes, and what is done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub struct Rule {
    /// The causes.
    pub when: When,
    /// What is done about them.
    pub verdict: Verdict,
}

/// Causes that share a verdict. Ranges include both ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum When {
    /// Close codes.
    Close(u16, u16),
    /// HTTP statuses that answered the upgrade.
    Handshake(u16, u16),
    /// HTTP statuses of the adapter's own exchanges.
    Http(u16, u16),
    /// Refusals in band.
    Refused(u16, u16),
    /// Something that did not happen in its time.
    Timeout(Wait),
    /// A failure of the network.
    Network,
    /// A planned replacement.
    Replaced,
    /// More than may be held.
    Overflow,
}

impl Rule {
    /// Decides about one close code.
    #[must_use]
    pub const fn close(code: u16, verdict: Verdict) -> Self {
        Self { when: When::Close(code, code), verdict }
    }

    /// Decides about one HTTP status of the upgrade.
    #[must_use]
    pub const fn handshake(status: u16, verdict: Verdict) -> Self {
        Self { when: When::Handshake(status, status), verdict }
    }

    /// Decides about one HTTP status of the adapter's own exchanges.
    #[must_use]
    pub const fn http(status: u16, verdict: Verdict) -> Self {
        Self { when: When::Http(status, status), verdict }
    }

    /// Decides about one refusal in band.
    #[must_use]
    pub const fn refused(code: u16, verdict: Verdict) -> Self {
        Self { when: When::Refused(code, code), verdict }
    }

    /// Decides about any other set of causes.
    #[must_use]
    pub const fn new(when: When, verdict: Verdict) -> Self {
        Self { when, verdict }
    }
}

impl When {
    pub(super) const fn matches(&self, cause: Cause) -> bool {
        match (*self, cause) {
            (Self::Close(from, to), Cause::Close(code))
            | (Self::Handshake(from, to), Cause::Handshake(code))
            | (Self::Http(from, to), Cause::Http { status: code, .. })
            | (Self::Refused(from, to), Cause::Refused(code)) => from <= code && code <= to,
            (Self::Timeout(rule), Cause::Timeout(wait)) => rule as u8 == wait as u8,
            (Self::Network, Cause::Network)
            | (Self::Replaced, Cause::Replaced)
            | (Self::Overflow, Cause::Overflow) => true,
            _ => false,
        }
    }

    const fn overlaps(&self, other: &Self) -> bool {
        match (*self, *other) {
            (Self::Close(a, b), Self::Close(c, d))
            | (Self::Handshake(a, b), Self::Handshake(c, d))
            | (Self::Http(a, b), Self::Http(c, d))
            | (Self::Refused(a, b), Self::Refused(c, d)) => a <= d && c <= b,
            (Self::Timeout(a), Self::Timeout(b)) => a as u8 == b as u8,
            (Self::Network, Self::Network)
            | (Self::Replaced, Self::Replaced)
            | (Self::Overflow, Self::Overflow) => true,
            _ => false,
        }
    }

    const fn is_empty(&self) -> bool {
        match *self {
            Self::Close(from, to)
            | Self::Handshake(from, to)
            | Self::Http(from, to)
            | Self::Refused(from, to) => from > to,
            Self::Timeout(_) | Self::Network | Self::Replaced | Self::Overflow => false,
        }
    }
}

/// Up to [`Rules::CAPACITY`] rules, none of which overlap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    rules: [Rule; Rules::CAPACITY],
    len: usize,
}

impl Rules {
    /// The most rules that a policy has.
    pub const CAPACITY: usize = 32;

    /// Takes the rules.
    ///
    /// # Panics
    ///
    /// Where there are more than [`Rules::CAPACITY`]; in a `const` that is a compile error.
    #[must_use]
    pub const fn new(rules: &[Rule]) -> Self {
        match Self::try_new(rules) {
            Ok(rules) => rules,
            Err(_) => panic!("a policy has at most Rules::CAPACITY rules"),
        }
    }

    /// Takes the rules.
    ///
    /// # Errors
    ///
    /// Where there are more than [`Rules::CAPACITY`].
    pub const fn try_new(rules: &[Rule]) -> Result<Self, PolicyError> {
        if rules.len() > Self::CAPACITY {
            return Err(PolicyError::TooManyRules);
        }
        let filler = Rule { when: When::Network, verdict: Verdict::Stop };
        let mut all = [filler; Self::CAPACITY];
        let mut index = 0;
        while index < rules.len() {
            all[index] = rules[index];
            index += 1;
        }
        Ok(Self { rules: all, len: rules.len() })
    }

    /// Returns the rules in the order in which they were given.
    #[must_use]
    pub fn as_slice(&self) -> &[Rule] {
        &self.rules[..self.len]
    }

    pub(super) const fn find(&self, cause: Cause) -> Option<Verdict> {
        let mut index = 0;
        while index < self.len {
            if self.rules[index].when.matches(cause) {
                return Some(self.rules[index].verdict);
            }
            index += 1;
        }
        None
    }

    pub(super) const fn check(&self) -> Result<(), PolicyError> {
        let mut index = 0;
        while index < self.len {
            if self.rules[index].when.is_empty() {
                return Err(PolicyError::EmptyRule);
            }
            let mut other = index + 1;
            while other < self.len {
                if self.rules[index].when.overlaps(&self.rules[other].when) {
                    return Err(PolicyError::OverlappingRules);
                }
                other += 1;
            }
            index += 1;
        }
        Ok(())
    }

    pub(super) const fn scaled(mut self, speed: Speed) -> Self {
        let mut index = 0;
        while index < self.len {
            self.rules[index].verdict = self.rules[index].verdict.scaled(speed);
            index += 1;
        }
        self
    }
}

impl Verdict {
    pub(super) const fn scaled(self, speed: Speed) -> Self {
        match self {
            Self::Retry(Recovery { token, intent, delay: Delay::AtLeast(span) }) => {
                Self::Retry(Recovery { token, intent, delay: Delay::AtLeast(span.scaled(speed)) })
            }
            other => other,
        }
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for Rules {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.as_slice().serialize(serializer)
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for Rules {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let rules = alloc::vec::Vec::<Rule>::deserialize(deserializer)?;
        Self::try_new(&rules).map_err(serde::de::Error::custom)
    }
}
