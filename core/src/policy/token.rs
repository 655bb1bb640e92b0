//! How long a token serves.

use super::PolicyError;
use crate::time::{Span, Speed};

/// How long a token serves and what its rejection means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub struct TokenPolicy {
    /// Whether a token is spent once it has opened a connection.
    pub single_use: bool,
    /// When it is renewed while the session is online.
    pub renew: Renew,
    /// How many tokens may be rejected in a row before the session stops; `None`: any number, at
    /// the pace of the policy.
    pub rejections: Option<u8>,
}

/// When a token is renewed while the session is online.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Renew {
    /// Never by time.
    Never,
    /// Never while a connection lives; one that lives no longer than this is replaced before a
    /// dial.
    BeforeDial(Span),
    /// This long before it expires, where its life is known; where that is later, at half of the
    /// life that it had when it was made beside a connection.
    Before(Span),
    /// Each time this span has passed.
    Every(Span),
}

impl Renew {
    /// Returns how long before its end a token is no longer worth a dial.
    #[must_use]
    pub const fn margin(self) -> Span {
        match self {
            Self::Before(span) | Self::BeforeDial(span) => span,
            Self::Never | Self::Every(_) => Span::ZERO,
        }
    }
}

impl TokenPolicy {
    pub(super) const fn check(&self) -> Result<(), PolicyError> {
        match self.renew {
            Renew::Every(span) if span.is_zero() => return Err(PolicyError::ZeroSpan),
            Renew::Never | Renew::BeforeDial(_) | Renew::Before(_) | Renew::Every(_) => {}
        }
        match self.rejections {
            Some(0) => Err(PolicyError::NoAttempts),
            _ => Ok(()),
        }
    }

    pub(super) const fn scaled(mut self, speed: Speed) -> Self {
        self.renew = match self.renew {
            Renew::Never => Renew::Never,
            Renew::BeforeDial(span) => Renew::BeforeDial(span.scaled(speed)),
            Renew::Before(span) => Renew::Before(span.scaled(speed)),
            Renew::Every(span) => Renew::Every(span.scaled(speed)),
        };
        self
    }
}
