//! What a server does.

use redial_core::{Cause, Span};

/// How a token request ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Login {
    /// With a token that does not expire.
    Good {
        /// After this time.
        after: Span,
    },
    /// With a token that expires.
    Expiring {
        /// After this time.
        after: Span,
        /// How long it lives.
        within: Span,
    },
    /// With an HTTP status that is no success.
    Refused {
        /// After this time.
        after: Span,
        /// The status.
        status: u16,
        /// How long the server asks to wait.
        retry_after: Option<Span>,
    },
    /// Never.
    Silent,
}

/// How a dial ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dial {
    /// With a session that can be used.
    Open {
        /// After this time.
        after: Span,
        /// How the connection behaves then.
        link: Link,
    },
    /// With an open socket on which nothing is ever said.
    OpenUnready {
        /// After this time.
        after: Span,
    },
    /// With an HTTP status instead of an upgrade.
    Refused {
        /// After this time.
        after: Span,
        /// The status.
        status: u16,
        /// How long the server asks to wait.
        retry_after: Option<Span>,
    },
    /// Never: the upgrade hangs.
    Silent,
}

/// How a connection behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// Everything is answered.
    Healthy {
        /// After this time.
        latency: Span,
    },
    /// Nothing arrives in either direction, and nobody says so.
    HalfOpen,
    /// It ends.
    Closes {
        /// After this time.
        after: Span,
        /// Why.
        cause: Cause,
    },
}

impl Link {
    /// Returns how long an answer takes, where there is one.
    pub(super) const fn latency(self) -> Option<Span> {
        match self {
            Self::Healthy { latency } => Some(latency),
            Self::HalfOpen => None,
            Self::Closes { .. } => Some(Span::ZERO),
        }
    }
}
