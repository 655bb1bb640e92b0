//! What goes into a session and what comes out.

use crate::action::{Actions, Notice, Reason};
use crate::adapter::Adapter;
use crate::cause::Cause;
use crate::event::Event;
use crate::handshake::Handshake;
use crate::http::{HttpRequest, HttpResult};
use crate::id::{ConnId, HttpId, MessageId, TokenId};
use crate::io::{Frame, Problem};
use crate::ledger::Settled;
use crate::policy::TokenUse;
use crate::secret::Secret;
use crate::time::{Cx, Span};

/// What goes into a session.
pub enum Input<A: Adapter> {
    /// The application wants the session.
    Connect,
    /// The application wants no more waiting.
    Recover,
    /// The application wants another connection.
    Reconnect {
        /// Which token it uses.
        token: TokenUse,
    },
    /// The host has another network.
    NetworkChanged,
    /// The application wants the end: close 1000 and no reconnect.
    Shutdown,
    /// The application gives a token.
    OfferToken(Secret),
    /// The application has no token to give.
    TokenUnavailable {
        /// Why.
        cause: Cause,
        /// How long it asks to wait.
        retry_after: Option<Span>,
    },
    /// The application sets something.
    Command(A::Command),
    /// The driver may dial and does so now.
    Dialing {
        /// The connection.
        conn: ConnId,
    },
    /// The socket is open.
    Opened {
        /// The connection.
        conn: ConnId,
    },
    /// A frame has arrived.
    Frame {
        /// The connection.
        conn: ConnId,
        /// The frame.
        frame: Frame,
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
    /// An HTTP exchange has ended.
    Http {
        /// The exchange.
        id: HttpId,
        /// How it ended.
        answer: HttpResult,
    },
    /// The account is held back, by another session of this process.
    Throttled {
        /// How long.
        within: Span,
    },
    /// The driver does not read what the peer sends, because the application does not take it.
    /// Until it reads again the peer is not judged.
    Unread {
        /// The connection.
        conn: ConnId,
    },
    /// The driver found something wrong that does not end the session.
    Problem(Problem),
    /// Time has passed.
    Tick,
}

/// What a driver does, whatever the state of the socket and of the application.
#[derive(Debug)]
pub enum Effect {
    /// Dial. Answered by `Dialing`, then by `Opened` or `Closed`.
    Dial {
        /// The name of the connection.
        conn: ConnId,
        /// What to dial.
        handshake: Handshake,
    },
    /// Be done with a connection: nothing of it counts any more.
    Drop {
        /// The connection.
        conn: ConnId,
        /// The close code to send, detached and in bounded time; `None`: just drop it.
        code: Option<u16>,
    },
    /// Perform an exchange. Answered by `Http`.
    Http {
        /// The name of the exchange.
        id: HttpId,
        /// What to perform.
        request: HttpRequest,
    },
    /// Nobody waits for this exchange any more.
    Abort {
        /// The exchange.
        id: HttpId,
    },
}

/// What a driver writes to the socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transmit {
    /// A frame.
    Frame(Frame),
    /// The close frame that ends the session. Its answer is `Closed`.
    Close {
        /// The code.
        code: u16,
    },
}

/// An entry of the flight recorder: what the machine was given and what it asked for. It holds
/// numbers only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub struct Recorded {
    /// When it was, and the chance that it was given.
    pub cx: Cx,
    /// What happened.
    pub event: Event,
    /// What was to be done about it.
    pub actions: Actions,
}

/// What comes out for the application.
pub enum Item<A: Adapter> {
    /// What the session does.
    Notice(Notice),
    /// What the vendor says unasked.
    Message(A::Message),
    /// The answer to a message. Its fate follows.
    Reply {
        /// The message.
        id: MessageId,
        /// The answer.
        reply: A::Reply,
    },
    /// The end of a message.
    Fate(Settled),
    /// A token is needed that only the application can give.
    TokenNeeded {
        /// The request.
        token: TokenId,
        /// The token that was rejected, where one was.
        rejected: Option<Secret>,
        /// Why a token is needed.
        reason: Reason,
        /// What befell the one before, where something did.
        cause: Option<Cause>,
    },
    /// Messages may be missing, or no longer are.
    Gap {
        /// Whether it is closed.
        closed: bool,
    },
    /// Something went wrong that does not end the session.
    Problem(Problem),
    /// What the peer wrote into its close frame. Drivers give it, before the notice that the
    /// session is offline. It is the peer's own text: it is for people, not for logs.
    PeerReason {
        /// The connection.
        conn: ConnId,
        /// The text, at most 123 bytes.
        text: alloc::string::String,
    },
}

impl<A: Adapter> core::fmt::Debug for Item<A> {
    /// Shows what is known to hold no message body and no secret.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Notice(notice) => f.debug_tuple("Notice").field(notice).finish(),
            Self::Message(_) => f.write_str("Message(..)"),
            Self::Reply { id, .. } => {
                f.debug_struct("Reply").field("id", id).finish_non_exhaustive()
            }
            Self::Fate(settled) => f.debug_tuple("Fate").field(settled).finish(),
            Self::TokenNeeded { token, reason, cause, .. } => f
                .debug_struct("TokenNeeded")
                .field("token", token)
                .field("reason", reason)
                .field("cause", cause)
                .finish_non_exhaustive(),
            Self::Gap { closed } => f.debug_struct("Gap").field("closed", closed).finish(),
            Self::Problem(problem) => f.debug_tuple("Problem").field(problem).finish(),
            Self::PeerReason { conn, .. } => {
                f.debug_struct("PeerReason").field("conn", conn).finish_non_exhaustive()
            }
        }
    }
}
