//! What happened.

use crate::cause::Cause;
use crate::id::{ConnId, TokenId};
use crate::policy::{Keepalive, TokenUse};
use crate::time::Span;

/// Something that happened, from the application, the driver or the adapter.
///
/// An event holds numbers only, so a log of `(Cx, Event)` cannot hold a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Event {
    /// The application wants the session. Means something only where none is under way.
    Connect,
    /// The application wants no more waiting. The policy's floors hold all the same.
    Recover,
    /// The application wants another connection, with the same token or with a new one.
    Reconnect {
        /// Which token the next connection uses.
        token: TokenUse,
    },
    /// The host has another network: a wait ends, a connection is probed.
    NetworkChanged,
    /// The token that is held is to be renewed now: the adapter or the application says so, not
    /// the clock. Means something only while online.
    Renew,
    /// The application wants the end.
    Shutdown,
    /// The application gave a token that the next dial can use.
    TokenOffered {
        /// Whether the old session survives it.
        resumable: bool,
    },
    /// Time has passed.
    Tick,
    /// The token that was asked for is there.
    TokenReady {
        /// The request that it answers.
        token: TokenId,
        /// How long it lives, where that is known.
        expires_in: Option<Span>,
        /// Whether the old session survives it.
        resumable: bool,
    },
    /// The token that was asked for could not be had.
    TokenFailed {
        /// The request that failed.
        token: TokenId,
        /// Why.
        cause: Cause,
        /// How long the server asks to wait.
        retry_after: Option<Span>,
    },
    /// A side call found the token dead.
    TokenRejected {
        /// The token that it used.
        token: TokenId,
    },
    /// The driver may dial: only now the time to connect begins to count.
    Dialing {
        /// The connection.
        conn: ConnId,
    },
    /// The socket is open.
    Opened {
        /// The connection.
        conn: ConnId,
    },
    /// The server has said something about the session, perhaps only that it is not ready yet.
    Announced {
        /// The connection.
        conn: ConnId,
        /// What it said.
        terms: Terms,
    },
    /// The session can be used.
    Ready {
        /// The connection.
        conn: ConnId,
        /// Whether it is the old session.
        continuity: Continuity,
    },
    /// Proof of life.
    Ack {
        /// The connection.
        conn: ConnId,
        /// What it was.
        evidence: Evidence,
    },
    /// The vendor refused in band.
    Refused {
        /// The connection.
        conn: ConnId,
        /// The adapter's own number for the refusal.
        code: u16,
        /// How long the server asks to wait.
        retry_after: Option<Span>,
    },
    /// The connection ended, or never came to be.
    Closed {
        /// The connection.
        conn: ConnId,
        /// Why.
        cause: Cause,
        /// How long the server asks to wait.
        retry_after: Option<Span>,
    },
    /// Nothing may be sent to this account's servers for a while.
    Throttled {
        /// How long.
        within: Span,
    },
}

impl Event {
    /// The names of all events, in the order of the enum.
    pub const NAMES: [&'static str; 19] = [
        "Connect",
        "Recover",
        "Reconnect",
        "NetworkChanged",
        "Renew",
        "Shutdown",
        "TokenOffered",
        "Tick",
        "TokenReady",
        "TokenFailed",
        "TokenRejected",
        "Dialing",
        "Opened",
        "Announced",
        "Ready",
        "Ack",
        "Refused",
        "Closed",
        "Throttled",
    ];

    /// Returns the place of this event in [`Event::NAMES`].
    #[must_use]
    pub const fn index(&self) -> usize {
        match self {
            Self::Connect => 0,
            Self::Recover => 1,
            Self::Reconnect { .. } => 2,
            Self::NetworkChanged => 3,
            Self::Renew => 4,
            Self::Shutdown => 5,
            Self::TokenOffered { .. } => 6,
            Self::Tick => 7,
            Self::TokenReady { .. } => 8,
            Self::TokenFailed { .. } => 9,
            Self::TokenRejected { .. } => 10,
            Self::Dialing { .. } => 11,
            Self::Opened { .. } => 12,
            Self::Announced { .. } => 13,
            Self::Ready { .. } => 14,
            Self::Ack { .. } => 15,
            Self::Refused { .. } => 16,
            Self::Closed { .. } => 17,
            Self::Throttled { .. } => 18,
        }
    }

    /// Returns the name of this event.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        Self::NAMES[self.index()]
    }
}

/// What a server says about the session that it serves. `None` leaves the policy's own value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Terms {
    /// How a dead peer is noticed.
    pub keepalive: Option<Keepalive>,
    /// How long the session can be resumed after a loss.
    pub resume: Option<Span>,
    /// When the server will end this connection.
    pub retire: Option<Span>,
}

/// Whether a session goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Continuity {
    /// It is the old session.
    Resumed,
    /// It is a new session.
    Fresh,
}

/// A proof of life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Evidence {
    /// Anything that the peer sent.
    Inbound,
    /// The answer to a probe: both directions work.
    Probe,
}
