//! What must be done.

use core::fmt;

use crate::cause::Cause;
use crate::event::Continuity;
use crate::id::{ConnId, TokenId};
use crate::policy::{Intent, TokenUse};
use crate::time::{Span, Timestamp};

/// Something that must be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Action {
    /// Make a new token.
    RegenerateToken {
        /// The name of the request.
        token: TokenId,
        /// Why it is needed.
        reason: Reason,
    },
    /// Prolong the token that is there.
    RenewToken {
        /// The name of the request.
        token: TokenId,
    },
    /// Dial.
    Connect {
        /// The name of the connection.
        conn: ConnId,
        /// Whether to ask for the old session.
        intent: Intent,
        /// The attempt of this outage; 0 for a dial that no failure led to.
        attempt: u16,
    },
    /// Ask the peer whether it lives.
    SendPing {
        /// The connection.
        conn: ConnId,
    },
    /// End a connection.
    Close {
        /// The connection.
        conn: ConnId,
        /// The close code to send; `None`: dead or never open, just drop it.
        code: Option<u16>,
    },
    /// Nothing is under way until `at`. Emitted once for each wait, and again with
    /// [`Cause::Held`] when its instant moves.
    ScheduleRetry {
        /// The end of the wait, the same instant as [`Machine::poll_timeout`](crate::Machine::poll_timeout).
        at: Timestamp,
        /// The attempt that follows, from 1 in each outage.
        attempt: u16,
        /// Which token it will use.
        token: TokenUse,
        /// Why it is needed.
        cause: Cause,
        /// The earliest time that a server asked for, where that rules the wait.
        not_before: Option<Timestamp>,
    },
    /// Tell the application.
    Notify(Notice),
}

/// What the application may watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Notice {
    /// A token is being made.
    Authorizing {
        /// The name of the request.
        token: TokenId,
        /// Why.
        reason: Reason,
    },
    /// There is a token.
    Token {
        /// The name of the request that it answers.
        token: TokenId,
        /// How long it lives, where that is known.
        expires_in: Option<Span>,
    },
    /// A renewal or a token request beside a living connection failed. The session goes on.
    TokenFailed {
        /// The name of the request.
        token: TokenId,
        /// Why.
        cause: Cause,
    },
    /// A connection is being made.
    Connecting {
        /// Its name.
        conn: ConnId,
        /// Whether the old session is asked for.
        intent: Intent,
        /// The attempt of this outage; 0 for a dial that no failure led to.
        attempt: u16,
    },
    /// The session can be used.
    Online {
        /// The connection.
        conn: ConnId,
        /// Whether it is the old session.
        continuity: Continuity,
    },
    /// The session cannot be used any more.
    Offline {
        /// The connection that it had.
        conn: ConnId,
        /// Why.
        cause: Cause,
    },
    /// Nothing is under way until `at`.
    RetryScheduled {
        /// The end of the wait.
        at: Timestamp,
        /// How long it is.
        delay: Span,
        /// The attempt that follows, from 1 in each outage.
        attempt: u16,
        /// Which token it will use.
        token: TokenUse,
        /// Why it is needed.
        cause: Cause,
        /// The earliest time that a server asked for, where that rules the wait.
        not_before: Option<Timestamp>,
    },
    /// The old session can no longer be resumed: its window has passed.
    ResumeExpired,
    /// Nothing will happen until the application acts.
    Suspended {
        /// Why.
        reason: SuspendReason,
    },
    /// The session has ended. Nothing follows.
    Stopped {
        /// Why.
        reason: StopReason,
    },
}

/// Why a token is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Reason {
    /// There has been none yet.
    Start,
    /// The server rejected the one that was there.
    Rejected,
    /// The one that was there has expired or is about to.
    Expiring,
    /// The policy or the application wants a new one.
    Policy,
}

/// Why nothing will happen until the application acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum SuspendReason {
    /// All attempts are spent.
    AttemptsExhausted(Cause),
    /// The policy says that only the application can help.
    Policy(Cause),
}

/// Why the session has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum StopReason {
    /// The application asked for it.
    Requested,
    /// The policy gives up on this cause.
    Policy(Cause),
    /// Too many tokens were rejected in a row.
    TokenRejected(Cause),
}

/// Up to [`Actions::CAPACITY`] actions, in order.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Actions {
    actions: [Action; Actions::CAPACITY],
    len: u8,
}

impl Actions {
    /// The most actions that one event leads to. The explorer proves it.
    pub const CAPACITY: usize = 4;

    pub(crate) const fn new() -> Self {
        let filler = Action::Close { conn: ConnId::new(0), code: None };
        Self { actions: [filler; Self::CAPACITY], len: 0 }
    }

    pub(crate) fn push(&mut self, action: Action) {
        debug_assert!(usize::from(self.len) < Self::CAPACITY, "too many actions for one event");
        if let Some(place) = self.actions.get_mut(usize::from(self.len)) {
            *place = action;
            self.len += 1;
        }
    }

    /// Returns the actions.
    #[must_use]
    pub fn as_slice(&self) -> &[Action] {
        &self.actions[..usize::from(self.len)]
    }
}

impl core::ops::Deref for Actions {
    type Target = [Action];

    fn deref(&self) -> &[Action] {
        self.as_slice()
    }
}

impl fmt::Debug for Actions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.as_slice()).finish()
    }
}

impl<const N: usize> PartialEq<[Action; N]> for Actions {
    fn eq(&self, other: &[Action; N]) -> bool {
        self.as_slice() == other
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for Actions {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.as_slice().serialize(serializer)
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for Actions {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Reading)
    }
}

/// Reads no more actions than there can be.
#[cfg(feature = "serde")]
struct Reading;

#[cfg(feature = "serde")]
impl<'de> serde::de::Visitor<'de> for Reading {
    type Value = Actions;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at most {} actions", Actions::CAPACITY)
    }

    fn visit_seq<S: serde::de::SeqAccess<'de>>(self, mut seq: S) -> Result<Actions, S::Error> {
        let mut actions = Actions::new();
        while let Some(action) = seq.next_element()? {
            if usize::from(actions.len) == Actions::CAPACITY {
                return Err(serde::de::Error::invalid_length(Actions::CAPACITY + 1, &self));
            }
            actions.push(action);
        }
        Ok(actions)
    }
}
