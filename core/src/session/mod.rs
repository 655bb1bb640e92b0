//! A whole session: machine, ledger and adapter as one sans-IO object.

mod peer_reason;
mod perform;
#[cfg(feature = "serde")]
mod saved;
mod snapshot;
mod transmit;
mod types;

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use perform::abort;
pub use snapshot::Snapshot;
pub use types::{Effect, Input, Item, Recorded, Transmit};

use crate::adapter::{Adapter, Authorize};
use crate::cause::Cause;
use crate::event::{Event, Evidence};
use crate::http::{HttpResult, NoAnswer};
use crate::id::{ConnId, HttpId, MessageId};
use crate::io::{Exchange, Frame, Io, Queue, Scope};
use crate::ledger::{Bounds, Ledger, Path};
use crate::machine::{Machine, Phase};
use crate::secret::Secret;
use crate::time::{Cx, Timestamp};

/// A session: bytes and answers go in, bytes and requests come out.
///
/// The loop of a driver:
///
/// 1. Take what is there (frames, answers, the application's wishes) to [`Session::handle`];
///    then, when [`Session::poll_timeout`] has passed, [`Input::Tick`]. Never the other way
///    round: evidence of life that has arrived must count before a deadline fires.
/// 2. Drain [`Session::poll_effect`], whatever the socket's state; [`Session::poll_transmit`],
///    as long as the socket takes more; [`Session::poll_item`], as long as the application does.
/// 3. Sleep until something arrives or the timeout is reached.
pub struct Session<A: Adapter> {
    adapter: A,
    machine: Machine,
    ledger: Ledger<A::Outgoing>,
    queue: Queue<A>,
    exchanges: Vec<Exchange<A::Step>>,
    next_http: HttpId,
    effects: VecDeque<Effect>,
    items: VecDeque<Item<A>>,
    /// Messages that came before the session was online.
    held: VecDeque<A::Message>,
    /// The close frame that ends the session.
    farewell: Option<u16>,
    /// What the pending token request was asked for.
    authorizing: Option<Authorize>,
    /// What befell the last token.
    last_cause: Option<Cause>,
    /// What the adapter knew of secrets when it dialled: the peer knows it for as long.
    presented: Vec<Secret>,
    /// Until when the adapter wants no message to be written.
    silent_until: Timestamp,
    /// A message that was found to go over HTTP at a time when it may not.
    over_http: Option<MessageId>,
    /// A message whose exchange has just ended without an answer.
    unanswered: Option<MessageId>,
    nonce: u128,
    /// What a snapshot keeps has changed since somebody asked.
    unsaved: bool,
    problems: u64,
    log: Option<Log>,
}

/// The flight recorder.
struct Log {
    /// What the session was when it was switched on.
    from: Machine,
    entries: VecDeque<Recorded>,
}

impl<A: Adapter> Session<A> {
    /// The most messages that are kept before the session is online.
    pub const HELD_MAX: usize = 1024;

    /// The most frames of the adapter's own that wait for the socket: a peer that asks to be
    /// answered and does not read the answers is given up beyond that.
    pub const FRAMES_MAX: usize = 1024;

    /// The longest reason that is kept, in characters. A close frame has no room for more.
    pub const REASON_MAX: usize = 123;

    /// Makes a session. `nonce` is 128 random bits from a source fit for credentials: ids on the
    /// wire come from it.
    #[must_use]
    pub fn new(adapter: A, nonce: u128) -> Self {
        Self::assemble(adapter, Machine::new(), Ledger::new(Bounds::default()), nonce)
    }

    /// Bounds what [`Session::send`] accepts. To be called before the first message.
    #[must_use]
    pub fn with_bounds(mut self, bounds: Bounds) -> Self {
        if self.ledger.is_empty() {
            self.ledger = Ledger::new(bounds);
        }
        self
    }

    /// Takes something in.
    pub fn handle(&mut self, cx: Cx, input: Input<A>) {
        match input {
            Input::Connect => self.feed(cx, Event::Connect),
            Input::Recover => self.feed(cx, Event::Recover),
            Input::Reconnect { token } => self.feed(cx, Event::Reconnect { token }),
            Input::NetworkChanged => self.feed(cx, Event::NetworkChanged),
            Input::Shutdown => self.feed(cx, Event::Shutdown),
            Input::OfferToken(token) => self.offer_token(cx, token),
            Input::TokenUnavailable { cause, retry_after } => {
                if let Some(token) = self.machine.pending_token() {
                    let keep = self.adapter.keep_token();
                    let event = if keep && retry_after.is_none() {
                        Event::TokenReady { token, expires_in: None, resumable: true }
                    } else {
                        Event::TokenFailed { token, cause, retry_after }
                    };
                    self.feed(cx, event);
                }
            }
            Input::Command(command) => {
                self.unsaved = true;
                self.call(cx, Scope::Session, |adapter, io| adapter.handle_command(command, io));
            }
            Input::Dialing { conn } => self.feed(cx, Event::Dialing { conn }),
            Input::Opened { conn } => {
                let connecting = matches!(self.machine.phase(), Phase::Connecting { .. });
                let fresh = connecting && self.machine.is_conn_live(conn);
                self.feed(cx, Event::Opened { conn });
                if fresh {
                    self.call(cx, Scope::Conn(conn), A::handle_opened);
                }
            }
            Input::Frame { conn, frame } => self.handle_frame(cx, conn, frame),
            Input::Closed { conn, cause, retry_after } => {
                self.feed(cx, Event::Closed { conn, cause, retry_after });
            }
            Input::Http { id, answer } => self.handle_http(cx, id, answer),
            Input::Throttled { within } => self.feed(cx, Event::Throttled { within }),
            Input::Unread { conn } => {
                self.feed(cx, Event::Ack { conn, evidence: Evidence::Probe });
            }
            Input::Problem(problem) => self.report(problem.fault, problem.text),
            Input::Tick => self.handle_tick(cx),
        }
        self.drain(cx);
    }

    /// Returns the next thing to do that does not wait for the socket or the application. It may
    /// change after every [`Session::handle`], and after [`Session::poll_transmit`]: a message
    /// that goes over HTTP leaves here.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// Returns the next thing for the application. Call it only while the application can take
    /// more, and hand the session no more frames while much is waiting here.
    pub fn poll_item(&mut self) -> Option<Item<A>> {
        let item = self.items.pop_front();
        // A fate that was taken is not told again.
        self.unsaved |= matches!(item, Some(Item::Fate(_)));
        item
    }

    /// Returns the instant at which [`Input::Tick`] is due. It speaks about time only: a driver
    /// drains the other polls before it sleeps.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        let exchanges = self.exchanges.iter().map(|exchange| exchange.deadline).min();
        [self.machine.poll_timeout(), self.ledger.poll_timeout(), exchanges]
            .into_iter()
            .chain([self.adapter.poll_timeout(), self.release_at()])
            .flatten()
            .min()
    }

    /// Returns the next entry of the flight recorder, if that is on.
    pub fn poll_record(&mut self) -> Option<Recorded> {
        self.log.as_mut()?.entries.pop_front()
    }

    /// Returns the lifecycle as it was when the flight recorder was switched on: with it, the
    /// policy and the entries, the session can be executed again.
    #[must_use]
    pub fn recorded_from(&self) -> Option<&Machine> {
        self.log.as_ref().map(|log| &log.from)
    }

    /// Switches the flight recorder on: a log of what the machine was fed and asked for,
    /// which holds numbers only. Whoever switches it on drains [`Session::poll_record`].
    pub fn record(&mut self) {
        let from = self.machine;
        self.log.get_or_insert_with(|| Log { from, entries: VecDeque::new() });
    }

    /// Returns whether the session can be used.
    #[must_use]
    pub const fn is_online(&self) -> bool {
        matches!(self.machine.phase(), Phase::Online(_))
    }

    /// Returns whether the session has ended. Nothing follows but the items that wait.
    #[must_use]
    pub const fn is_stopped(&self) -> bool {
        matches!(self.machine.phase(), Phase::Stopped(_))
    }

    /// Returns whether [`Session::poll_effect`] has something.
    #[must_use]
    pub fn has_effects(&self) -> bool {
        !self.effects.is_empty()
    }

    /// Returns how many items wait for the application.
    #[must_use]
    pub fn items_waiting(&self) -> usize {
        self.items.len()
    }

    /// Returns whether answers of this connection still count. A driver asks before it hands on
    /// what a socket said last.
    #[must_use]
    pub fn is_conn_live(&self, conn: ConnId) -> bool {
        self.machine.is_conn_live(conn)
    }

    /// Returns the lifecycle.
    #[must_use]
    pub const fn machine(&self) -> &Machine {
        &self.machine
    }

    /// Returns the adapter.
    #[must_use]
    pub const fn adapter(&self) -> &A {
        &self.adapter
    }

    /// Returns how many problems have been reported.
    #[must_use]
    pub const fn problems(&self) -> u64 {
        self.problems
    }

    fn assemble(adapter: A, machine: Machine, ledger: Ledger<A::Outgoing>, nonce: u128) -> Self {
        let queue = Queue {
            signals: VecDeque::new(),
            frames: VecDeque::new(),
            arena: bytes::BytesMut::new(),
        };
        Self {
            adapter,
            machine,
            ledger,
            queue,
            exchanges: Vec::new(),
            next_http: HttpId::new(1),
            effects: VecDeque::new(),
            items: VecDeque::new(),
            held: VecDeque::new(),
            farewell: None,
            authorizing: None,
            last_cause: None,
            presented: Vec::new(),
            silent_until: Timestamp::ZERO,
            over_http: None,
            unanswered: None,
            nonce,
            unsaved: false,
            problems: 0,
            log: None,
        }
    }

    fn handle_frame(&mut self, cx: Cx, conn: ConnId, frame: Frame) {
        if !self.machine.is_conn_live(conn) {
            return;
        }
        // Evidence counts before the frame is decoded, whatever the frame holds.
        self.feed(cx, Event::Ack { conn, evidence: Evidence::Inbound });
        match frame {
            Frame::Ping(_) => {}
            Frame::Pong(_) => self.call(cx, Scope::Conn(conn), A::handle_pong),
            frame @ (Frame::Text(_) | Frame::Binary(_)) => {
                self.call(cx, Scope::Conn(conn), |adapter, io| adapter.handle_frame(frame, io));
                if self.queue.frames.len() > Self::FRAMES_MAX {
                    self.drain(cx);
                    self.give_up_deaf_peer(cx, conn);
                }
            }
        }
    }

    fn handle_http(&mut self, cx: Cx, id: HttpId, answer: HttpResult) {
        // An answer to an exchange whose scope has died finds no entry.
        let Some(index) = self.exchanges.iter().position(|exchange| exchange.id == id) else {
            return;
        };
        let exchange = self.exchanges.swap_remove(index);
        self.continue_exchange(cx, exchange, answer);
    }

    fn handle_tick(&mut self, cx: Cx) {
        while let Some(index) =
            self.exchanges.iter().position(|exchange| exchange.deadline <= cx.now)
        {
            let exchange = self.exchanges.swap_remove(index);
            self.effects.push_back(Effect::Abort { id: exchange.id });
            self.continue_exchange(cx, exchange, Err(NoAnswer::Timeout));
            self.drain(cx);
        }
        if self.adapter.poll_timeout().is_some_and(|at| at <= cx.now) {
            self.call(cx, Scope::Session, A::handle_tick);
            self.drain(cx);
        }
        self.ledger.tick(cx.now);
        self.take_fates();
        self.feed(cx, Event::Tick);
        self.drain(cx);
    }

    fn offer_token(&mut self, cx: Cx, token: Secret) {
        let awaited = self.machine.pending_token().zip(self.authorizing);
        let usable = self.call(cx, Scope::Session, |adapter, io| adapter.offer_token(token, io));
        self.drain(cx);
        match awaited {
            Some((token, kind)) if self.machine.is_token_pending(token) => {
                self.call(cx, Scope::Token(token), |adapter, io| adapter.authorize(kind, io));
            }
            // What the adapter has said has ended the request, and may have begun another.
            Some(_) => {}
            None if usable => self.feed(cx, Event::TokenOffered { resumable: true }),
            None => {}
        }
    }

    /// Calls the adapter. What it says waits in the queue.
    fn call<T>(
        &mut self,
        cx: Cx,
        scope: Scope,
        ask: impl FnOnce(&mut A, &mut Io<'_, A>) -> T,
    ) -> T {
        self.call_about(cx, scope, self.machine.live_conn(), ask)
    }

    fn continue_exchange(&mut self, cx: Cx, exchange: Exchange<A::Step>, answer: HttpResult) {
        if let Scope::Message(id) = exchange.scope
            && !self.ledger.contains(id)
        {
            return;
        }
        let token = exchange.token;
        self.unanswered = match (exchange.scope, &answer) {
            (Scope::Message(id), Err(_)) => Some(id),
            _ => None,
        };
        self.call(cx, exchange.scope, |adapter, io| adapter.handle_http(exchange.step, answer, io));
        self.drain_with(cx, token);
        self.unanswered = None;
    }

    fn take_fates(&mut self) {
        while let Some(settled) = self.ledger.poll_fate() {
            let (id, http) = (settled.id, settled.path == Some(Path::Http));
            if http {
                self.abort_where(|scope| scope == Scope::Message(id));
            }
            self.unsaved = true;
            self.items.push_back(Item::Fate(settled));
        }
    }
}

impl<A: Adapter> core::fmt::Debug for Session<A> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Session")
            .field("machine", &self.machine)
            .field("ledger", &self.ledger)
            .finish_non_exhaustive()
    }
}
