//! The lifecycle of a session.

mod canonical;
mod online;
mod phase;
mod retry;

pub use phase::{Liveness, Online, Phase, Renewal, RenewalKind, Resumable, Token};

use crate::action::{Action, Actions, Notice, Reason, StopReason};
use crate::cause::{Cause, Wait};
use crate::event::{Event, Terms};
use crate::id::{ConnId, TokenId};
use crate::policy::{Intent, Policy, Resume, TokenUse};
use crate::time::{Cx, Span, Timestamp};

/// The lifecycle of a session: one connection, one token request, one wait at a time.
///
/// The policy is an argument, so the state is small, comparable and safe to store. Every event
/// is accepted in every phase: what makes no sense there, and every answer that belongs to a
/// connection or a token request that is gone, changes nothing.
///
/// ```
/// use redial_core::*;
/// const POLICY: Policy = Policy::new(PolicySpec::DEFAULT);
/// let mut machine = Machine::new();
/// let cx = Cx::new(Timestamp::from_millis(1_000), 0);
/// let actions = machine.handle(&POLICY, cx, Event::Connect);
/// let token = TokenId::new(1);
/// assert_eq!(actions, [Action::RegenerateToken { token, reason: Reason::Start }]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Machine {
    /// The latest time seen: a clock that runs backwards is held here.
    now: Timestamp,
    phase: Phase,
    /// The newest connection. There is at most one, so this is it where the phase has one.
    conn: ConnId,
    /// The newest token request.
    request: TokenId,
    token: Token,
    /// What servers asked for: nothing starts earlier.
    not_before: Timestamp,
    /// What the policy's floor asks for: nothing starts earlier.
    pace: Timestamp,
    attempts: u16,
    rejections: u8,
    resumable: Resumable,
}

impl Default for Machine {
    fn default() -> Self {
        Self::new()
    }
}

impl Machine {
    /// Makes a session that has not begun.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            now: Timestamp::ZERO,
            phase: Phase::Idle,
            conn: ConnId::new(0),
            request: TokenId::new(0),
            token: Token::None(Reason::Start),
            not_before: Timestamp::ZERO,
            pace: Timestamp::ZERO,
            attempts: 0,
            rejections: 0,
            resumable: Resumable::No,
        }
    }

    /// Takes an event and returns what must be done about it.
    pub fn handle(&mut self, policy: &Policy, cx: Cx, event: Event) -> Actions {
        self.now = self.now.max(cx.now);
        let mut out = Actions::new();
        let turn = &mut Turn { policy, entropy: cx.entropy, out: &mut out };
        match event {
            Event::Connect => self.handle_connect(turn),
            Event::Recover => self.handle_recover(turn),
            Event::Reconnect { token } => self.handle_reconnect(turn, token),
            Event::NetworkChanged => self.handle_network_changed(turn),
            Event::Shutdown => self.handle_shutdown(turn),
            Event::TokenOffered { resumable } => self.handle_token_offered(turn, resumable),
            Event::Tick => self.handle_tick(turn),
            Event::TokenReady { token, expires_in, resumable } => {
                self.handle_token_ready(turn, token, expires_in, resumable);
            }
            Event::TokenFailed { token, cause, retry_after } => {
                self.handle_token_failed(turn, token, cause, retry_after);
            }
            Event::TokenRejected { token } => self.handle_token_rejected(turn, token),
            Event::Dialing { conn } => self.handle_dialing(turn, conn),
            Event::Opened { conn } => self.handle_opened(turn, conn),
            Event::Announced { conn, terms } => self.handle_announced(turn, conn, terms),
            Event::Ready { conn, continuity } => self.handle_ready(turn, conn, continuity),
            Event::Ack { conn, evidence } => self.handle_ack(turn, conn, evidence),
            Event::Refused { conn, code, retry_after } => {
                self.handle_refused(turn, conn, code, retry_after);
            }
            Event::Closed { conn, cause, retry_after } => {
                self.handle_closed(turn, conn, cause, retry_after);
            }
            Event::Throttled { within } => self.throttle(turn, within),
        }
        out
    }

    /// Returns the instant at which [`Event::Tick`] is due. It may change after every event.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        let phase = match &self.phase {
            Phase::Idle | Phase::Suspended(_) | Phase::Stopped(_) => None,
            Phase::Authorizing { deadline } | Phase::Connecting { deadline } => *deadline,
            Phase::Waiting { until } => Some(*until),
            Phase::Starting { deadline, .. } | Phase::Closing { deadline } => Some(*deadline),
            Phase::Online(online) => online.poll_timeout(),
        };
        earliest(phase, self.resume_deadline())
    }

    /// Returns whether answers of this connection still count.
    #[must_use]
    pub fn is_conn_live(&self, conn: ConnId) -> bool {
        self.live_conn() == Some(conn)
    }

    /// Returns whether the answer to this token request is still wanted.
    #[must_use]
    pub fn is_token_pending(&self, token: TokenId) -> bool {
        self.pending_token() == Some(token)
    }

    /// Returns the connection that is being made, lives or is being closed.
    #[must_use]
    pub const fn live_conn(&self) -> Option<ConnId> {
        match self.phase {
            Phase::Connecting { .. }
            | Phase::Starting { .. }
            | Phase::Online(_)
            | Phase::Closing { .. } => Some(self.conn),
            Phase::Idle
            | Phase::Authorizing { .. }
            | Phase::Waiting { .. }
            | Phase::Suspended(_)
            | Phase::Stopped(_) => None,
        }
    }

    /// Returns the token request that is under way.
    #[must_use]
    pub const fn pending_token(&self) -> Option<TokenId> {
        match &self.phase {
            Phase::Authorizing { .. } => Some(self.request),
            Phase::Online(online) => match online.renewal {
                Renewal::Running { .. } => Some(self.request),
                Renewal::None | Renewal::At { .. } => None,
            },
            Phase::Idle
            | Phase::Waiting { .. }
            | Phase::Connecting { .. }
            | Phase::Starting { .. }
            | Phase::Suspended(_)
            | Phase::Closing { .. }
            | Phase::Stopped(_) => None,
        }
    }

    /// Returns the earliest time that servers have asked for.
    #[must_use]
    pub const fn not_before(&self) -> Timestamp {
        self.not_before
    }

    /// Returns the earliest time at which the policy's floor lets the next attempt start.
    #[must_use]
    pub const fn pace(&self) -> Timestamp {
        self.pace
    }

    /// Returns the phase.
    #[must_use]
    pub const fn phase(&self) -> &Phase {
        &self.phase
    }

    /// Returns the token that the next dial uses.
    #[must_use]
    pub const fn token(&self) -> Token {
        self.token
    }

    /// Returns whether the old session can be resumed.
    #[must_use]
    pub const fn resumable(&self) -> Resumable {
        self.resumable
    }

    /// Returns how many attempts this outage has had.
    #[must_use]
    pub const fn attempts(&self) -> u16 {
        self.attempts
    }

    fn handle_connect(&mut self, turn: &mut Turn<'_>) {
        match self.phase {
            Phase::Idle | Phase::Suspended(_) => {
                self.attempts = 0;
                self.begin(turn);
            }
            Phase::Authorizing { .. }
            | Phase::Waiting { .. }
            | Phase::Connecting { .. }
            | Phase::Starting { .. }
            | Phase::Online(_)
            | Phase::Closing { .. }
            | Phase::Stopped(_) => {}
        }
    }

    fn handle_recover(&mut self, turn: &mut Turn<'_>) {
        match self.phase {
            Phase::Idle | Phase::Suspended(_) => {
                self.attempts = 0;
                self.begin(turn);
            }
            Phase::Waiting { .. } => self.retry(turn),
            Phase::Authorizing { .. }
            | Phase::Connecting { .. }
            | Phase::Starting { .. }
            | Phase::Online(_)
            | Phase::Closing { .. }
            | Phase::Stopped(_) => {}
        }
    }

    fn handle_reconnect(&mut self, turn: &mut Turn<'_>, token: TokenUse) {
        match self.phase {
            // A token is being made and nothing is there to cut.
            Phase::Authorizing { .. } | Phase::Closing { .. } | Phase::Stopped(_) => return,
            Phase::Connecting { .. } => turn.close(self.conn, None),
            Phase::Starting { .. } => turn.close(self.conn, Some(NORMAL)),
            Phase::Online(_) => {
                turn.close(self.conn, Some(NORMAL));
                self.leave_online(turn, Cause::Requested);
            }
            Phase::Idle | Phase::Waiting { .. } | Phase::Suspended(_) => {}
        }
        match token {
            TokenUse::Keep => {}
            TokenUse::Regenerate => self.drop_token(Reason::Policy),
        }
        self.attempts = 0;
        self.begin(turn);
    }

    fn handle_network_changed(&mut self, turn: &mut Turn<'_>) {
        match &mut self.phase {
            Phase::Waiting { .. } => self.retry(turn),
            Phase::Online(online) => {
                if online.probe_now(self.now) {
                    turn.out.push(Action::SendPing { conn: self.conn });
                }
            }
            Phase::Idle
            | Phase::Authorizing { .. }
            | Phase::Connecting { .. }
            | Phase::Starting { .. }
            | Phase::Suspended(_)
            | Phase::Closing { .. }
            | Phase::Stopped(_) => {}
        }
    }

    fn handle_shutdown(&mut self, turn: &mut Turn<'_>) {
        match self.phase {
            Phase::Closing { .. } | Phase::Stopped(_) => {}
            Phase::Idle
            | Phase::Authorizing { .. }
            | Phase::Waiting { .. }
            | Phase::Suspended(_) => self.stop(turn, StopReason::Requested),
            Phase::Connecting { .. } => {
                turn.close(self.conn, None);
                self.stop(turn, StopReason::Requested);
            }
            Phase::Starting { .. } | Phase::Online(_) => {
                turn.close(self.conn, Some(NORMAL));
                if matches!(self.phase, Phase::Online(_)) {
                    turn.notify(Notice::Offline { conn: self.conn, cause: Cause::Requested });
                }
                let deadline = self.now + turn.policy.spec().timeouts.close;
                self.phase = Phase::Closing { deadline };
                self.resumable = Resumable::No;
            }
        }
    }

    fn handle_token_offered(&mut self, turn: &mut Turn<'_>, resumable: bool) {
        match self.phase {
            Phase::Closing { .. } | Phase::Stopped(_) => return,
            Phase::Idle
            | Phase::Authorizing { .. }
            | Phase::Waiting { .. }
            | Phase::Connecting { .. }
            | Phase::Starting { .. }
            | Phase::Online(_)
            | Phase::Suspended(_) => {}
        }
        self.request = self.request.next();
        self.hold_token(turn, self.request, None, resumable);
        match self.phase {
            Phase::Authorizing { .. } => self.dial_when_allowed(turn),
            Phase::Suspended(_) => {
                self.attempts = 0;
                self.begin(turn);
            }
            Phase::Online(_) => self.plan_renewal(turn.policy),
            Phase::Idle
            | Phase::Waiting { .. }
            | Phase::Connecting { .. }
            | Phase::Starting { .. }
            | Phase::Closing { .. }
            | Phase::Stopped(_) => {}
        }
    }

    fn handle_token_ready(
        &mut self,
        turn: &mut Turn<'_>,
        token: TokenId,
        expires_in: Option<Span>,
        resumable: bool,
    ) {
        if !self.is_token_pending(token) {
            return;
        }
        self.hold_token(turn, token, expires_in, resumable);
        if matches!(self.phase, Phase::Online(_)) {
            self.plan_renewal(turn.policy);
        } else {
            self.dial_when_allowed(turn);
        }
    }

    fn handle_token_failed(
        &mut self,
        turn: &mut Turn<'_>,
        token: TokenId,
        cause: Cause,
        retry_after: Option<Span>,
    ) {
        if !self.is_token_pending(token) {
            return;
        }
        if matches!(self.phase, Phase::Online(_)) {
            self.renewal_failed(turn, cause, retry_after);
        } else {
            self.fail(turn, cause, retry_after);
        }
    }

    fn handle_token_rejected(&mut self, turn: &mut Turn<'_>, token: TokenId) {
        match self.token {
            Token::Held { token: held, .. } if held == token => {}
            Token::Held { .. } | Token::None(_) => return,
        }
        if self.pending_token().is_some() {
            return;
        }
        self.drop_token(Reason::Rejected);
        if matches!(self.phase, Phase::Online(_)) {
            self.start_renewal(turn, RenewalKind::Regenerate(Reason::Rejected));
        }
    }

    fn handle_dialing(&mut self, turn: &mut Turn<'_>, conn: ConnId) {
        if conn != self.conn {
            return;
        }
        if let Phase::Connecting { deadline: deadline @ None } = &mut self.phase {
            *deadline = Some(self.now + turn.policy.spec().timeouts.connect);
        }
    }

    fn handle_opened(&mut self, turn: &mut Turn<'_>, conn: ConnId) {
        if conn != self.conn || !matches!(self.phase, Phase::Connecting { .. }) {
            return;
        }
        if turn.policy.spec().token.single_use {
            self.drop_token(Reason::Policy);
        }
        let deadline = self.now + turn.policy.spec().timeouts.ready;
        self.phase = Phase::Starting { deadline, terms: Terms::default() };
    }

    fn handle_announced(&mut self, turn: &mut Turn<'_>, conn: ConnId, announced: Terms) {
        if conn != self.conn {
            return;
        }
        let now = self.now;
        match &mut self.phase {
            Phase::Starting { deadline, terms } => {
                *deadline = now + turn.policy.spec().timeouts.ready;
                terms.adopt(announced);
            }
            Phase::Online(online) => online.announce(now, announced),
            Phase::Idle
            | Phase::Authorizing { .. }
            | Phase::Waiting { .. }
            | Phase::Connecting { .. }
            | Phase::Suspended(_)
            | Phase::Closing { .. }
            | Phase::Stopped(_) => {}
        }
    }

    fn handle_refused(
        &mut self,
        turn: &mut Turn<'_>,
        conn: ConnId,
        code: u16,
        retry_after: Option<Span>,
    ) {
        if self.is_conn_live(conn) && !matches!(self.phase, Phase::Closing { .. }) {
            turn.close(conn, Some(NORMAL));
        }
        self.handle_closed(turn, conn, Cause::Refused(code), retry_after);
    }

    fn handle_closed(
        &mut self,
        turn: &mut Turn<'_>,
        conn: ConnId,
        cause: Cause,
        retry_after: Option<Span>,
    ) {
        if conn != self.conn {
            return;
        }
        match self.phase {
            Phase::Connecting { .. } | Phase::Starting { .. } => {
                self.fail(turn, cause, retry_after);
            }
            Phase::Online(_) => {
                self.leave_online(turn, cause);
                self.fail(turn, cause, retry_after);
            }
            // The same loss, reported once more: the wait goes on, but "regenerate" wins.
            Phase::Waiting { .. } => self.merge(turn, cause, retry_after),
            Phase::Closing { .. } => self.stop(turn, StopReason::Requested),
            Phase::Idle | Phase::Authorizing { .. } | Phase::Suspended(_) | Phase::Stopped(_) => {}
        }
    }

    fn handle_tick(&mut self, turn: &mut Turn<'_>) {
        if self.resume_deadline().is_some_and(|at| at <= self.now) {
            self.resumable = Resumable::No;
            turn.notify(Notice::ResumeExpired);
        }
        match self.phase {
            Phase::Idle | Phase::Suspended(_) | Phase::Stopped(_) => {}
            Phase::Authorizing { deadline } => {
                if deadline.is_some_and(|at| at <= self.now) {
                    self.fail(turn, Cause::Timeout(Wait::Token), None);
                }
            }
            Phase::Connecting { deadline } => {
                if deadline.is_some_and(|at| at <= self.now) {
                    turn.close(self.conn, None);
                    self.fail(turn, Cause::Timeout(Wait::Connect), None);
                }
            }
            Phase::Starting { deadline, .. } => {
                if deadline <= self.now {
                    turn.close(self.conn, None);
                    self.fail(turn, Cause::Timeout(Wait::Ready), None);
                }
            }
            Phase::Online(_) => self.tick_online(turn),
            Phase::Closing { deadline } => {
                if deadline <= self.now {
                    turn.close(self.conn, None);
                    self.stop(turn, StopReason::Requested);
                }
            }
            Phase::Waiting { .. } => {}
        }
        // A wait that ends at once, or ended just now, goes on in the same tick.
        if let Phase::Waiting { until } = self.phase
            && until <= self.now
        {
            self.retry(turn);
        }
    }

    /// Keeps the token that a request brought.
    fn hold_token(
        &mut self,
        turn: &mut Turn<'_>,
        token: TokenId,
        expires_in: Option<Span>,
        resumable: bool,
    ) {
        let expires_at = expires_in.map(|span| self.now + span);
        self.token = Token::Held { token, expires_at, fresh: true };
        if !resumable {
            self.resumable = Resumable::No;
        }
        turn.notify(Notice::Token { token, expires_in });
    }

    fn drop_token(&mut self, reason: Reason) {
        match self.token {
            Token::Held { .. } => self.token = Token::None(reason),
            Token::None(_) => {}
        }
    }

    fn stop(&mut self, turn: &mut Turn<'_>, reason: StopReason) {
        self.phase = Phase::Stopped(reason);
        self.resumable = Resumable::No;
        turn.notify(Notice::Stopped { reason });
    }

    /// The session is lost: what it may be resumed for begins to count.
    fn leave_online(&mut self, turn: &mut Turn<'_>, cause: Cause) {
        if let Phase::Online(online) = &self.phase {
            self.resumable = match (online.terms.resume, turn.policy.spec().resume) {
                (_, Resume::Never) => Resumable::No,
                (Some(span), _) | (None, Resume::Within(span)) => Resumable::Until(self.now + span),
                (None, Resume::Always) => Resumable::Always,
            };
            if let Renewal::Running { kind: RenewalKind::Regenerate(reason), .. }
            | Renewal::At { kind: RenewalKind::Regenerate(reason), .. } = online.renewal
            {
                self.drop_token(reason);
            }
            turn.notify(Notice::Offline { conn: self.conn, cause });
        }
    }

    /// The window of the old session counts only while there is no session.
    const fn resume_deadline(&self) -> Option<Timestamp> {
        match (self.resumable, &self.phase) {
            (_, Phase::Online(_) | Phase::Closing { .. } | Phase::Stopped(_)) => None,
            (Resumable::Until(at), _) => Some(at),
            (Resumable::No | Resumable::Always, _) => None,
        }
    }

    const fn intent(&self) -> Intent {
        match self.resumable {
            Resumable::No => Intent::Restart,
            Resumable::Until(_) | Resumable::Always => Intent::Resume,
        }
    }
}

/// One call of [`Machine::handle`].
struct Turn<'a> {
    policy: &'a Policy,
    entropy: u64,
    out: &'a mut Actions,
}

impl Turn<'_> {
    fn notify(&mut self, notice: Notice) {
        self.out.push(Action::Notify(notice));
    }

    fn close(&mut self, conn: ConnId, code: Option<u16>) {
        self.out.push(Action::Close { conn, code });
    }
}

fn earliest(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (at, None) | (None, at) => at,
    }
}

/// The close code of a connection that has done its work.
const NORMAL: u16 = 1000;
