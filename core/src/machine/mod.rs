//! The lifecycle of a session.

mod canonical;
mod handle;
mod online;
mod phase;
mod retry;

pub use phase::{Liveness, Online, Phase, Renewal, RenewalKind, Resumable, Token};

use crate::action::{Action, Actions, Notice, Reason, StopReason};
use crate::cause::Cause;
use crate::event::Event;
use crate::id::{ConnId, TokenId};
use crate::policy::{Intent, Policy, Resume};
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
            Event::Renew => self.handle_renew(turn),
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
            Event::Ack { conn, evidence } => self.handle_ack(conn, evidence),
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

    /// Returns the newest connection, whether it lives or not; 0 where there has been none.
    #[must_use]
    pub const fn newest_conn(&self) -> ConnId {
        self.conn
    }

    /// Returns the newest token request, whether it is pending or not; 0 where there was none.
    #[must_use]
    pub const fn newest_token(&self) -> TokenId {
        self.request
    }

    /// Returns the latest time that this session has seen.
    #[must_use]
    pub const fn now(&self) -> Timestamp {
        self.now
    }

    /// Returns how many tokens were rejected since the session was last online.
    #[must_use]
    pub const fn rejections(&self) -> u8 {
        self.rejections
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

    /// Returns whether the old session can be resumed, or the present one after a loss.
    #[must_use]
    pub const fn resumable(&self) -> Resumable {
        self.resumable
    }

    /// Returns how many attempts this outage has had.
    #[must_use]
    pub const fn attempts(&self) -> u16 {
        self.attempts
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
            self.resumable = self.resumable_after(turn.policy, online);
            if let Renewal::Running { kind: RenewalKind::Regenerate(reason), .. }
            | Renewal::At { kind: RenewalKind::Regenerate(reason), .. } = online.renewal
            {
                self.drop_token(reason);
            }
            turn.notify(Notice::Offline { conn: self.conn, cause });
        }
    }

    /// A session that is online can be resumed, unless a token came that it does not survive.
    fn resumable_after(&self, policy: &Policy, online: &Online) -> Resumable {
        match (self.resumable, online.terms.resume, policy.spec().resume) {
            (Resumable::No, ..) | (_, _, Resume::Never) => Resumable::No,
            // A window that is closed before it opens.
            (_, Some(Span::ZERO), _) | (_, None, Resume::Within(Span::ZERO)) => Resumable::No,
            (_, Some(span), _) | (_, None, Resume::Within(span)) => {
                Resumable::Until(self.now + span)
            }
            (_, None, Resume::Always) => Resumable::Always,
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
