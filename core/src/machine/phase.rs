//! The phases of a session, each with exactly the data that exists in it.

use crate::action::{Reason, StopReason, SuspendReason};
use crate::event::Terms;
use crate::id::TokenId;
use crate::policy::Keepalive;
use crate::time::Timestamp;

/// A phase of the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Phase {
    /// Nothing has been asked for yet.
    Idle,
    /// A token is being made.
    Authorizing {
        /// When that has failed; `None`: it may take as long as it takes.
        deadline: Option<Timestamp>,
    },
    /// Nothing is under way until the wait ends.
    Waiting {
        /// The end of the wait.
        until: Timestamp,
    },
    /// A connection is being made.
    Connecting {
        /// When that has failed; `None` until the driver may dial.
        deadline: Option<Timestamp>,
    },
    /// The socket is open, the session cannot be used yet.
    Starting {
        /// When that has failed.
        deadline: Timestamp,
        /// What the server has said so far.
        terms: Terms,
    },
    /// The session can be used.
    Online(Online),
    /// Nothing will happen until the application acts.
    Suspended(SuspendReason),
    /// The connection is being closed for good.
    Closing {
        /// When that has failed.
        deadline: Timestamp,
    },
    /// The session has ended.
    Stopped(StopReason),
}

impl Phase {
    /// The names of all phases, in the order of the enum.
    pub const NAMES: [&'static str; 9] = [
        "Idle",
        "Authorizing",
        "Waiting",
        "Connecting",
        "Starting",
        "Online",
        "Suspended",
        "Closing",
        "Stopped",
    ];

    /// Returns the place of this phase in [`Phase::NAMES`].
    #[must_use]
    pub const fn index(&self) -> usize {
        match self {
            Self::Idle => 0,
            Self::Authorizing { .. } => 1,
            Self::Waiting { .. } => 2,
            Self::Connecting { .. } => 3,
            Self::Starting { .. } => 4,
            Self::Online(_) => 5,
            Self::Suspended(_) => 6,
            Self::Closing { .. } => 7,
            Self::Stopped(_) => 8,
        }
    }

    /// Returns the name of this phase.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        Self::NAMES[self.index()]
    }
}

/// What exists while the session can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Online {
    /// How a dead peer is noticed on this connection.
    pub keepalive: Keepalive,
    /// Where that stands.
    pub liveness: Liveness,
    /// Where the renewal of the token stands.
    pub renewal: Renewal,
    /// What the server has said.
    pub terms: Terms,
    /// When the connection is replaced as planned.
    pub retire: Option<Timestamp>,
    /// When the attempts count from zero again.
    pub stable_at: Option<Timestamp>,
}

/// Where the watch over the peer stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Liveness {
    /// There is none.
    Off,
    /// No probe is unanswered.
    Quiet {
        /// When the next probe is due.
        probe_at: Timestamp,
    },
    /// A probe is unanswered.
    Probing {
        /// When the next probe of the steady pace is due.
        probe_at: Timestamp,
        /// When this one counts as missed.
        deadline: Timestamp,
        /// How many have been missed in a row.
        missed: u8,
    },
    /// The peer has promised a sign of life.
    Listening {
        /// When it is dead.
        deadline: Timestamp,
    },
}

/// Where the renewal of the token stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Renewal {
    /// None is planned.
    None,
    /// One is due.
    At {
        /// When.
        at: Timestamp,
        /// What it does.
        kind: RenewalKind,
    },
    /// One is under way.
    Running {
        /// What it does.
        kind: RenewalKind,
        /// When it has failed; `None`: it may take as long as it takes.
        deadline: Option<Timestamp>,
    },
}

/// What a renewal does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum RenewalKind {
    /// Prolongs the token.
    Renew,
    /// Makes a new one.
    Regenerate(Reason),
}

/// The token that the next dial uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Token {
    /// There is none, for this reason.
    None(Reason),
    /// There is one.
    Held {
        /// The name of the request that it answers.
        token: TokenId,
        /// When it expires, where that is known.
        expires_at: Option<Timestamp>,
        /// Whether no connection has used it yet: the local clock never refuses a fresh token.
        fresh: bool,
    },
}

/// Whether the old session can be resumed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Resumable {
    /// There is nothing to resume.
    No,
    /// Until this instant.
    Until(Timestamp),
    /// As long as the server accepts it.
    Always,
}
