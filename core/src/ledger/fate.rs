//! How a message ends.

use crate::id::MessageId;
use crate::time::Span;

/// How a message ended. Every accepted message ends in exactly one of these.
///
/// `Expired` and `NotSent` promise that not one byte of it was written. A message that was written
/// and has no proof is `Unknown`, also where each write was refused: what is known about the
/// writes then stands in [`Settled::arrivals`], which is 0.
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
    /// How many of these writes may have arrived. A write that was answered with a refusal has
    /// not; one whose answer is missing may have.
    pub arrivals: u8,
}

impl Settled {
    /// Returns whether the peer may have the message more than once.
    #[must_use]
    pub const fn may_be_duplicate(&self) -> bool {
        self.arrivals > 1
    }
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
///
/// A write that was answered by a refusal, whatever its status, did not arrive: that is
/// [`Outcome::Retry`]. One that was not answered may have: that is [`Outcome::Lost`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It arrived.
    Acked,
    /// The vendor refused it, with this code.
    Rejected(u16),
    /// The vendor did not take it this time. It is written again while it has tries left.
    Retry {
        /// How long it asks to wait.
        after: Option<Span>,
    },
    /// There is no answer to this write. It is written again where its class allows that, and
    /// may then arrive twice.
    Lost {
        /// How long to wait.
        after: Option<Span>,
    },
    /// The vendor did not take it this time and wants a new token first.
    AfterToken,
    /// There will be no proof.
    Unknown,
}

/// Whether there is room for a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Room {
    /// It is accepted.
    Now,
    /// It is accepted when others have ended.
    Later,
    /// It is more than the bounds allow at all, or the session has ended.
    Never,
}

/// What is known about a message that has no fate yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Status {
    /// How often it was written.
    pub tries: u8,
    /// The way that it went last.
    pub path: Option<Path>,
    /// Whether it was written and its proof is due.
    pub in_flight: bool,
    /// How many of its writes may have arrived.
    pub arrivals: u8,
}

/// What a message needs and what may be done with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Class {
    /// What proves that it arrived.
    pub proof: Proof,
    /// What becomes of it when the connection is lost before there is proof.
    pub cut: Cut,
    /// Whether a new session may take it over when the old one may have it already.
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
