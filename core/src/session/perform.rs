//! Turning actions into effects, and signals into events.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use super::{Effect, Item, Recorded, Session};
use crate::action::{Action, Actions, Notice, Reason, StopReason, SuspendReason};
use crate::adapter::{Adapter, Authorize};
use crate::cause::Cause;
use crate::event::{Continuity, Event, Evidence};
use crate::handshake::Handshake;
use crate::id::{ConnId, TokenId};
use crate::io::{Exchange, Fault, Io, Problem, Scope, Signal};
use crate::ledger::Outcome;
use crate::machine::{Phase, Token};
use crate::policy::{Intent, Recovery, TokenUse, Verdict};
use crate::secret::Secret;
use crate::time::Cx;

impl<A: Adapter> Session<A> {
    /// Feeds the machine. This is the only place that does.
    pub(super) fn feed(&mut self, cx: Cx, event: Event) {
        let (conn, request) = (self.machine.live_conn(), self.machine.pending_token());
        let actions = self.machine.handle(self.adapter.policy(), cx, event);
        if let Event::Closed { cause, .. } = event
            && let Verdict::Retry(Recovery { token: TokenUse::Regenerate, .. }) =
                self.adapter.policy().verdict(cause)
        {
            self.last_cause = Some(cause);
        }
        if let Some(log) = &mut self.log {
            log.entries.push_back(Recorded { cx, event, actions });
        }
        if let Some(conn) = conn.filter(|conn| !self.machine.is_conn_live(*conn)) {
            self.bury(cx, conn, end_of(event, &actions));
        }
        if let Some(token) = request.filter(|token| !self.machine.is_token_pending(*token)) {
            self.give_up_token(event);
            self.abort_where(|scope| scope == Scope::Token(token));
        }
        if let Event::TokenReady { .. } | Event::TokenOffered { .. } = event {
            self.ledger.token_ready();
        }
        for action in actions.as_slice() {
            self.perform(cx, *action);
        }
        self.take_fates();
    }

    /// Acts upon what the adapter has said until it has nothing more to say.
    pub(super) fn drain(&mut self, cx: Cx) {
        let token = self.held_token();
        self.drain_with(cx, token);
    }

    /// Acts upon what the adapter has said about an exchange that was made with `token`.
    pub(super) fn drain_with(&mut self, cx: Cx, token: Option<TokenId>) {
        while !self.queue.is_idle() {
            if let Some(signal) = self.queue.signals.pop_front() {
                self.heed(cx, signal, token);
            }
        }
    }

    fn heed(&mut self, cx: Cx, signal: Signal<A>, token: Option<TokenId>) {
        // The word that the session has ended is the last one.
        if self.is_stopped() {
            return;
        }
        match signal {
            Signal::Http { scope, step, within, request } => {
                if !self.is_alive(scope) {
                    return;
                }
                let id = self.next_http;
                self.next_http = id.next();
                let (deadline, token) = (cx.now + within, self.held_token());
                self.exchanges.push(Exchange { id, step, scope, deadline, token });
                self.effects.push_back(Effect::Http { id, request });
            }
            Signal::TokenReady { expires_in, resumable } => {
                if let Some(token) = self.machine.pending_token() {
                    self.feed(cx, Event::TokenReady { token, expires_in, resumable });
                }
            }
            Signal::TokenFailed { cause, retry_after } => {
                if let Some(token) = self.machine.pending_token() {
                    self.last_cause = Some(cause);
                    self.feed(cx, Event::TokenFailed { token, cause, retry_after });
                }
            }
            Signal::TokenRejected => {
                if let Some(token) = token {
                    self.feed(cx, Event::TokenRejected { token });
                }
            }
            Signal::Renew => self.feed(cx, Event::Renew),
            Signal::TokenNeeded { rejected } => {
                let pending = self.machine.pending_token();
                let (reason, cause) = match self.authorizing.filter(|_| pending.is_some()) {
                    Some(Authorize::Regenerate { reason, cause }) => (reason, cause),
                    Some(Authorize::Renew) => (Reason::Expiring, None),
                    // Not for a connection, but for what a session does beside it.
                    None => (Reason::Rejected, None),
                };
                if let Some(token) = pending.or(self.beside()) {
                    self.items.push_back(Item::TokenNeeded { token, rejected, reason, cause });
                }
            }
            Signal::Announce { conn, terms } => self.feed(cx, Event::Announced { conn, terms }),
            Signal::Ready { conn, continuity } => self.feed(cx, Event::Ready { conn, continuity }),
            Signal::Alive { conn } => {
                self.feed(cx, Event::Ack { conn, evidence: Evidence::Probe });
            }
            Signal::Refused { conn, code, retry_after } => {
                self.feed(cx, Event::Refused { conn, code, retry_after });
            }
            Signal::Throttled { within } => {
                self.feed(cx, Event::Throttled { within });
                let asked = (self.machine.now() + within).min(self.machine.not_before());
                self.silent_until = self.silent_until.max(asked);
            }
            Signal::Message(message) => self.deliver(cx, message),
            Signal::Reply { id, outcome, reply } => {
                if self.ledger.is_written(id) {
                    self.items.push_back(Item::Reply { id, reply });
                }
                self.ledger.settle(cx.now, id, outcome);
                self.take_fates();
            }
            Signal::Settle { id, outcome } => {
                let outcome = match outcome {
                    // Silence is no refusal: what was not answered may have arrived.
                    Outcome::Retry { after } if self.unanswered == Some(id) => {
                        Outcome::Lost { after }
                    }
                    outcome => outcome,
                };
                self.ledger.settle(cx.now, id, outcome);
                self.take_fates();
            }
            Signal::Window { requests } => self.ledger.limit(requests),
            Signal::Gap { closed } => self.items.push_back(Item::Gap { closed }),
            Signal::Problem(problem) => self.report(problem.fault, problem.text),
        }
    }

    /// Hands a message on, or keeps it until the session is online.
    fn deliver(&mut self, cx: Cx, message: A::Message) {
        let early = matches!(self.machine.phase(), Phase::Starting { .. });
        if !early && self.held.is_empty() {
            self.items.push_back(Item::Message(message));
        } else if self.held.len() < Self::HELD_MAX {
            self.held.push_back(message);
        } else if let Some(conn) = self.machine.live_conn() {
            self.overflow(cx, conn, "too many messages before the session was ready");
        }
    }

    /// A peer asks for more answers than it reads.
    pub(super) fn give_up_deaf_peer(&mut self, cx: Cx, conn: ConnId) {
        if self.machine.is_conn_live(conn) {
            self.overflow(cx, conn, "too many answers that the peer does not read");
        }
    }

    fn overflow(&mut self, cx: Cx, conn: ConnId, text: &'static str) {
        self.report(Fault::Vendor, text);
        self.effects.push_back(Effect::Drop { conn, code: Some(POLICY_VIOLATION) });
        let cause = Cause::Overflow;
        self.feed(cx, Event::Closed { conn, cause, retry_after: None });
    }

    fn perform(&mut self, cx: Cx, action: Action) {
        match action {
            Action::RegenerateToken { token, reason } => {
                self.notify(Notice::Authorizing { token, reason });
                let cause = self.last_cause.take();
                self.authorize(cx, token, Authorize::Regenerate { reason, cause });
            }
            Action::RenewToken { token } => {
                self.notify(Notice::Authorizing { token, reason: Reason::Expiring });
                self.authorize(cx, token, Authorize::Renew);
            }
            Action::Connect { conn, intent, attempt } => self.dial(conn, intent, attempt),
            Action::SendPing { conn } => self.call(cx, Scope::Conn(conn), A::probe),
            Action::Close { conn, code } => match (self.machine.phase(), code) {
                (Phase::Closing { .. }, Some(code)) => {
                    self.call(cx, Scope::Conn(conn), A::farewell);
                    self.farewell = Some(code);
                }
                (_, code) => self.effects.push_back(Effect::Drop { conn, code }),
            },
            Action::ScheduleRetry { at, attempt, token, cause, not_before } => {
                let delay = at.since(cx.now);
                self.notify(Notice::RetryScheduled {
                    at,
                    delay,
                    attempt,
                    token,
                    cause,
                    not_before,
                });
            }
            Action::Notify(notice) => self.notify_of(cx, notice),
        }
    }

    fn notify_of(&mut self, cx: Cx, notice: Notice) {
        match notice {
            Notice::Online { continuity, .. } => {
                self.notify(notice);
                while let Some(message) = self.held.pop_front() {
                    self.items.push_back(Item::Message(message));
                }
                self.go_online(cx, continuity);
            }
            Notice::Offline { .. } => {
                self.notify(notice);
                self.take_fates();
            }
            Notice::Stopped { .. } => {
                self.ledger.stop();
                self.take_fates();
                self.abort_where(|_| true);
                self.notify(notice);
            }
            _ => self.notify(notice),
        }
    }

    fn go_online(&mut self, cx: Cx, continuity: Continuity) {
        self.last_cause = None;
        self.ledger.online(continuity);
        self.take_fates();
        if let Some(conn) = self.machine.live_conn() {
            self.call(cx, Scope::Conn(conn), |adapter, io| adapter.handle_online(continuity, io));
        }
    }

    fn authorize(&mut self, cx: Cx, token: TokenId, kind: Authorize) {
        self.authorizing = Some(kind);
        self.call(cx, Scope::Token(token), |adapter, io| adapter.authorize(kind, io));
    }

    fn dial(&mut self, conn: ConnId, intent: Intent, attempt: u16) {
        self.notify(Notice::Connecting { conn, intent, attempt });
        let mut handshake = Handshake::default();
        self.adapter.handle_dial(conn);
        self.adapter.dial(intent, &mut handshake);
        self.presented.clear();
        self.adapter.secrets(&mut |secret| self.presented.push(Secret::new(secret)));
        self.effects.push_back(Effect::Dial { conn, handshake });
    }

    /// A token request has ended. Where it brought nothing and says nothing new, the next one is
    /// told what this one was told.
    fn give_up_token(&mut self, event: Event) {
        let authorizing = self.authorizing.take();
        let brought = matches!(event, Event::TokenReady { .. } | Event::TokenOffered { .. });
        if let Some(Authorize::Regenerate { cause, .. }) = authorizing
            && !brought
        {
            self.last_cause = self.last_cause.or(cause);
        }
    }

    /// A connection is gone, and everything that belonged to it goes too.
    fn bury(&mut self, cx: Cx, conn: ConnId, cause: Cause) {
        self.queue.frames.clear();
        self.farewell = None;
        // A connection that is being made already is not the one that this is about.
        self.call_about(cx, Scope::Session, None, |adapter, io| adapter.handle_closed(cause, io));
        self.ledger.cut();
        self.abort_where(|scope| scope == Scope::Conn(conn));
        // What came before the session was online and belongs to no later one still comes out.
        while let Some(message) = self.held.pop_front() {
            self.items.push_back(Item::Message(message));
        }
    }

    /// Calls the adapter about this connection, or about none: whatever lives now, there is nobody
    /// to say anything to then.
    pub(super) fn call_about<T>(
        &mut self,
        cx: Cx,
        scope: Scope,
        conn: Option<ConnId>,
        ask: impl FnOnce(&mut A, &mut Io<'_, A>) -> T,
    ) -> T {
        let mut io = Io {
            cx,
            scope,
            conn,
            open: conn.is_some() && self.is_open(),
            online: conn.is_some() && self.is_online(),
            nonce: self.nonce,
            queue: &mut self.queue,
        };
        ask(&mut self.adapter, &mut io)
    }

    fn is_alive(&self, scope: Scope) -> bool {
        match scope {
            Scope::Token(token) => self.machine.is_token_pending(token),
            Scope::Conn(conn) => self.machine.is_conn_live(conn),
            Scope::Message(id) => self.ledger.contains(id),
            Scope::Session => !self.is_stopped(),
        }
    }

    /// Returns whether there is a socket that takes frames.
    pub(super) const fn is_open(&self) -> bool {
        matches!(
            self.machine.phase(),
            Phase::Starting { .. } | Phase::Online(_) | Phase::Closing { .. }
        )
    }

    fn held_token(&self) -> Option<TokenId> {
        match self.machine.token() {
            Token::Held { token, .. } => Some(token),
            Token::None(_) => None,
        }
    }

    /// Returns the name of the last token request, while a session is online and there is none
    /// under way.
    fn beside(&self) -> Option<TokenId> {
        self.is_online().then(|| self.machine.newest_token())
    }

    /// Returns whether the close frame that ends the session has been written: nothing follows it.
    pub(super) const fn has_said_goodbye(&self) -> bool {
        matches!(self.machine.phase(), Phase::Closing { .. }) && self.farewell.is_none()
    }

    /// Counts a problem and tells it.
    pub(super) fn report(&mut self, fault: Fault, text: &'static str) {
        self.problems = self.problems.saturating_add(1);
        // The word that the session has ended is the last one.
        if !self.is_stopped() {
            self.items.push_back(Item::Problem(Problem { fault, text }));
        }
    }

    pub(super) fn abort_where(&mut self, dead: impl Fn(Scope) -> bool) {
        abort(&mut self.exchanges, &mut self.effects, dead);
    }

    fn notify(&mut self, notice: Notice) {
        self.unsaved = true;
        self.items.push_back(Item::Notice(notice));
    }
}

/// Returns why a connection has ended. What the machine has found out by itself, such as a silence,
/// stands in what it asks for.
fn end_of(event: Event, actions: &Actions) -> Cause {
    let told = |action: &Action| match *action {
        Action::Notify(
            Notice::Offline { cause, .. }
            | Notice::Suspended {
                reason: SuspendReason::AttemptsExhausted(cause) | SuspendReason::Policy(cause),
            }
            | Notice::Stopped {
                reason: StopReason::Policy(cause) | StopReason::TokenRejected(cause),
            },
        )
        | Action::ScheduleRetry { cause, .. } => Some(cause),
        _ => None,
    };
    match event {
        Event::Closed { cause, .. } => cause,
        Event::Refused { code, .. } => Cause::Refused(code),
        _ => actions.as_slice().iter().find_map(told).unwrap_or(Cause::Requested),
    }
}

/// Drops the exchanges of dead scopes.
pub(super) fn abort<S>(
    exchanges: &mut Vec<Exchange<S>>,
    effects: &mut VecDeque<Effect>,
    dead: impl Fn(Scope) -> bool,
) {
    exchanges.retain(|exchange| {
        let dead = dead(exchange.scope);
        if dead {
            effects.push_back(Effect::Abort { id: exchange.id });
        }
        !dead
    });
}

/// The close code for a peer that sends more than it may.
const POLICY_VIOLATION: u16 = 1008;
