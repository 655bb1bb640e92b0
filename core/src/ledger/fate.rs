//! How a message ends.

use crate::id::MessageId;
use crate::time::Span;

/// How a message ended. Every accepted message ends in exactly one of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Fate {
    /// There is proof that it arrived.
    Acked,
    /// The vendor refused it, with this code.
    Rejected(u16),
    /// Its time passed before it was written.
    Expired,
    /// It was never written, and the session ended or its tries were spent.
    NotSent,
    /// It was written at least once, and there will be no proof.
    Unknown,
}

/// The end of one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Settled {
    /// The message.
    pub id: MessageId,
    /// How it ended.
    pub fate: Fate,
    /// How often it was written.
    pub tries: u8,
    /// The way that it went last.
    pub path: Option<Path>,
}

/// The way that a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Path {
    /// As a frame.
    Socket,
    /// As an HTTP exchange.
    Http,
}

/// What is known about a message that was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It arrived.
    Acked,
    /// The vendor refused it, with this code.
    Rejected(u16),
    /// The vendor did not take it this time.
    Retry {
        /// How long it asks to wait.
        after: Option<Span>,
    },
    /// The vendor wants a new token first.
    AfterToken,
    /// There will be no proof.
    Unknown,
}

/// What a message needs and what may be done with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Class {
    /// What proves that it arrived.
    pub proof: Proof,
    /// What becomes of it when the connection is lost before there is proof.
    pub cut: Cut,
    /// Whether a new session may take it over.
    pub portable: bool,
    /// How long the proof may take.
    pub within: Span,
    /// How long it may wait to be written.
    pub ttl: Span,
    /// How often it may be written.
    pub tries: u8,
}

/// What proves that a message arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Proof {
    /// Nothing does: it counts as arrived when it has been handed to the socket.
    Written,
    /// An answer.
    Answer,
}

/// What becomes of a message whose connection is lost before there is proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Cut {
    /// It is written again with the same id, where the session or its class allows it.
    Resend,
    /// Its fate is told at once.
    Report,
}

/// A message that was not accepted, handed back.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Refused<P> {
    /// Why.
    pub why: Refusal,
    /// The message.
    pub message: P,
}

impl<P> core::fmt::Debug for Refused<P> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Refused").field("why", &self.why).finish_non_exhaustive()
    }
}

impl<P> core::fmt::Display for Refused<P> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self.why {
            Refusal::Full => "too many messages or bytes are waiting",
            Refusal::Stopped => "the session has ended",
        })
    }
}

impl<P> core::error::Error for Refused<P> {}

/// Why a message was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// Too many messages or bytes are waiting.
    Full,
    /// The session has ended.
    Stopped,
}
