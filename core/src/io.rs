//! All that an adapter may say.

use alloc::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use crate::adapter::Adapter;
use crate::cause::Cause;
use crate::event::{Continuity, Terms};
use crate::http::HttpRequest;
use crate::id::{ConnId, HttpId, MessageId, TokenId};
use crate::ledger::Outcome;
use crate::secret::Secret;
use crate::time::{Cx, Span};
use crate::wire_id::WireIds;

/// A WebSocket frame. Text is valid UTF-8: whoever reads the socket has checked it.
#[derive(Clone, PartialEq, Eq)]
pub enum Frame {
    /// Text.
    Text(Bytes),
    /// Bytes.
    Binary(Bytes),
    /// A ping.
    Ping(Bytes),
    /// A pong.
    Pong(Bytes),
}

impl core::fmt::Debug for Frame {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let (name, bytes) = match self {
            Self::Text(bytes) => ("Text", bytes),
            Self::Binary(bytes) => ("Binary", bytes),
            Self::Ping(bytes) => ("Ping", bytes),
            Self::Pong(bytes) => ("Pong", bytes),
        };
        write!(f, "{name}({} bytes)", bytes.len())
    }
}

/// Whose fault an error is. It says who can do something about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// This library's.
    Ours,
    /// The application's.
    Caller,
    /// The vendor's.
    Vendor,
    /// The network's.
    Network,
}

impl Fault {
    /// Returns the name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Caller => "caller",
            Self::Vendor => "vendor",
            Self::Network => "network",
        }
    }
}

impl core::fmt::Display for Fault {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Something that went wrong and did not end the session. The text is fixed, so it can never
/// hold what a peer sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Problem {
    /// Whose fault it is.
    pub fault: Fault,
    /// What went wrong.
    pub text: &'static str,
}

/// What an HTTP exchange belongs to. When that dies, so does the exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// A token request.
    Token(TokenId),
    /// A connection.
    Conn(ConnId),
    /// A message.
    Message(MessageId),
    /// The session.
    Session,
}

/// What an adapter is called with, and all that it may say.
///
/// What it says is queued, keeps its order, and becomes events after the call.
pub struct Io<'a, A: Adapter> {
    /// The time and a source of chance.
    pub cx: Cx,
    pub(crate) scope: Scope,
    pub(crate) conn: Option<ConnId>,
    /// Whether the connection takes frames.
    pub(crate) open: bool,
    pub(crate) online: bool,
    pub(crate) nonce: u128,
    pub(crate) queue: &'a mut Queue<A>,
}

/// What adapters have said and sessions have not yet acted upon.
pub(crate) struct Queue<A: Adapter> {
    pub(crate) signals: VecDeque<Signal<A>>,
    /// Frames for the socket that lives now.
    pub(crate) frames: VecDeque<Frame>,
    pub(crate) arena: BytesMut,
}

pub(crate) enum Signal<A: Adapter> {
    Http { scope: Scope, step: A::Step, within: Span, request: HttpRequest },
    TokenReady { expires_in: Option<Span>, resumable: bool },
    TokenFailed { cause: Cause, retry_after: Option<Span> },
    TokenRejected,
    Renew,
    TokenNeeded { rejected: Option<Secret> },
    Announce { conn: ConnId, terms: Terms },
    Ready { conn: ConnId, continuity: Continuity },
    Alive { conn: ConnId },
    Refused { conn: ConnId, code: u16, retry_after: Option<Span> },
    Throttled { within: Span },
    Message(A::Message),
    Reply { id: MessageId, outcome: Outcome, reply: A::Reply },
    Settle { id: MessageId, outcome: Outcome },
    Window { requests: u16 },
    Gap { closed: bool },
    Problem(Problem),
}

impl<A: Adapter> Signal<A> {
    /// Returns whether this asks for an exchange that carries a message.
    pub(crate) fn is_exchange_of(&self, id: MessageId) -> bool {
        matches!(self, Self::Http { scope: Scope::Message(of), .. } if *of == id)
    }
}

impl<A: Adapter> Queue<A> {
    pub(crate) fn is_idle(&self) -> bool {
        self.signals.is_empty()
    }
}

impl<A: Adapter> Io<'_, A> {
    /// Returns whether the session can be used.
    #[must_use]
    pub const fn is_online(&self) -> bool {
        self.online
    }

    /// Returns the connection that is being made, lives or is being closed.
    #[must_use]
    pub const fn conn(&self) -> Option<ConnId> {
        self.conn
    }

    /// Returns the maker of ids for the wire.
    #[must_use]
    pub const fn wire_ids(&self) -> WireIds {
        WireIds::new(self.nonce)
    }

    /// Returns how many frames wait for the socket. An adapter that answers what a peer sends asks
    /// here, so that a peer which sends and does not read cannot make it keep answers without end.
    #[must_use]
    pub fn backlog(&self) -> usize {
        self.queue.frames.len()
    }

    /// Sends a text frame on the socket that is open now. Without one nothing is sent.
    pub fn text(&mut self, write: impl FnOnce(&mut BytesMut)) {
        if self.open {
            write(&mut self.queue.arena);
            let bytes = self.queue.arena.split().freeze();
            self.queue.frames.push_back(Frame::Text(bytes));
        }
    }

    /// Sends a binary frame on the socket that is open now. Without one nothing is sent.
    pub fn binary(&mut self, bytes: Bytes) {
        if self.open {
            self.queue.frames.push_back(Frame::Binary(bytes));
        }
    }

    /// Sends a ping on the socket that is open now.
    pub fn ping(&mut self) {
        if self.open {
            self.queue.frames.push_back(Frame::Ping(Bytes::new()));
        }
    }

    /// Asks for an HTTP exchange. Its answer, or its absence after `within`, comes back as
    /// [`Adapter::handle_http`] with this step.
    pub fn http(&mut self, step: A::Step, within: Span, request: HttpRequest) {
        self.say(Signal::Http { scope: self.scope, step, within, request });
    }

    /// Asks for an HTTP exchange that belongs to the session, whatever it was asked for in: its
    /// answer counts although the token request, the connection or the message is given up.
    ///
    /// This is for exchanges that change something at the server which must not be lost, such as
    /// the exchange of a refresh token for the next one.
    pub fn session_http(&mut self, step: A::Step, within: Span, request: HttpRequest) {
        self.say(Signal::Http { scope: Scope::Session, step, within, request });
    }

    /// The token is there.
    pub fn token_ready(&mut self, expires_in: Option<Span>, resumable: bool) {
        self.say(Signal::TokenReady { expires_in, resumable });
    }

    /// The token could not be had.
    pub fn token_failed(&mut self, cause: Cause, retry_after: Option<Span>) {
        self.say(Signal::TokenFailed { cause, retry_after });
    }

    /// A side call found the token dead.
    pub fn token_rejected(&mut self) {
        self.say(Signal::TokenRejected);
    }

    /// The token is to be renewed now, and not when the policy's clock says so. Ends, as every
    /// renewal, in [`Adapter::authorize`]; while the session is not online it does nothing.
    pub fn renew(&mut self) {
        self.say(Signal::Renew);
    }

    /// The application must give a token; the one that was rejected is named to it.
    ///
    /// This is said while a token is being made, or by a session that is online and has found the
    /// token dead which it uses beside the connection. The answer to the latter reaches
    /// [`Adapter::offer_token`] alone, and may never come.
    pub fn token_needed(&mut self, rejected: Option<Secret>) {
        self.say(Signal::TokenNeeded { rejected });
    }

    /// The server has said something about the session.
    pub fn announce(&mut self, terms: Terms) {
        if let Some(conn) = self.conn {
            self.say(Signal::Announce { conn, terms });
        }
    }

    /// The session can be used.
    pub fn ready(&mut self, continuity: Continuity) {
        if let Some(conn) = self.conn {
            self.say(Signal::Ready { conn, continuity });
        }
    }

    /// A probe was answered.
    pub fn alive(&mut self) {
        if let Some(conn) = self.conn {
            self.say(Signal::Alive { conn });
        }
    }

    /// The vendor refused in band; the connection is given up.
    pub fn refused(&mut self, code: u16, retry_after: Option<Span>) {
        if let Some(conn) = self.conn {
            self.say(Signal::Refused { conn, code, retry_after });
        }
    }

    /// Nothing may be sent to this account's servers for a while: no token call, no dial, and no
    /// message, on whatever path.
    pub fn throttled(&mut self, within: Span) {
        self.say(Signal::Throttled { within });
    }

    /// Something for the application. Before the session is online it is kept, and follows.
    pub fn message(&mut self, message: A::Message) {
        self.say(Signal::Message(message));
    }

    /// Bounds how many messages are on the socket without an answer.
    pub fn window(&mut self, requests: u16) {
        self.say(Signal::Window { requests });
    }

    /// Messages may be missing, or no longer are.
    pub fn gap(&mut self, closed: bool) {
        self.say(Signal::Gap { closed });
    }

    /// Something is known about a message that was written.
    pub fn settle(&mut self, id: MessageId, outcome: Outcome) {
        self.say(Signal::Settle { id, outcome });
    }

    /// A message that was written has its answer.
    pub fn reply(&mut self, id: MessageId, outcome: Outcome, reply: A::Reply) {
        self.say(Signal::Reply { id, outcome, reply });
    }

    /// Something went wrong that does not end the session.
    pub fn problem(&mut self, fault: Fault, text: &'static str) {
        self.say(Signal::Problem(Problem { fault, text }));
    }

    fn say(&mut self, signal: Signal<A>) {
        self.queue.signals.push_back(signal);
    }
}

/// An exchange that is under way.
pub(crate) struct Exchange<S> {
    pub(crate) id: HttpId,
    pub(crate) step: S,
    pub(crate) scope: Scope,
    pub(crate) deadline: crate::time::Timestamp,
    /// The token that the session held when it asked.
    pub(crate) token: Option<TokenId>,
}
