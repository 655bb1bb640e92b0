//! Why something ended or was refused.

/// Why a connection, a token request or a wait came about.
///
/// A cause is a few numbers, so it can be logged, compared, stored and looked up in a
/// [`Policy`](crate::Policy). The texts that a peer sends along never get here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Cause {
    /// The connection ended with a close frame of this code; 1005 when the frame had none.
    ///
    /// A connection that our side ended because the peer broke the protocol has the code that
    /// was sent to it: 1002, 1007 or 1009.
    Close(u16),
    /// The upgrade was answered with this HTTP status instead of 101.
    Handshake(u16),
    /// An HTTP exchange of the adapter was answered with this status. With a status below 300 the
    /// answer lacked what it must contain.
    Http {
        /// The adapter's own number for the exchange; see [`Adapter::step_name`](crate::Adapter::step_name).
        step: u8,
        /// The HTTP status.
        status: u16,
    },
    /// The vendor refused in band; the number is from the adapter's own space.
    Refused(u16),
    /// Something did not happen in its time.
    Timeout(Wait),
    /// The network failed: name resolution, TCP, TLS, or the end of TCP without a close frame.
    Network,
    /// The connection was replaced as planned.
    Replaced,
    /// The application asked for it.
    Requested,
    /// More arrived than may be held.
    Overflow,
    /// A wait that had begun has another end; see [`Action::ScheduleRetry`](crate::Action).
    Held,
}

/// What was waited for in vain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Wait {
    /// The token.
    Token,
    /// Name resolution, TCP, TLS and upgrade.
    Connect,
    /// The vendor's word that the session can be used.
    Ready,
    /// The answer to a probe.
    Pong,
    /// Any sign of life from a server that has promised some.
    Health,
}
