//! What each event does in each phase.

use super::{Machine, NORMAL, Phase, RenewalKind, Resumable, Token, Turn};
use crate::action::{Action, Notice, Reason, StopReason};
use crate::cause::{Cause, Wait};
use crate::event::Terms;
use crate::id::{ConnId, TokenId};
use crate::policy::TokenUse;
use crate::time::Span;

impl Machine {
    pub(super) fn handle_connect(&mut self, turn: &mut Turn<'_>) {
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

    pub(super) fn handle_recover(&mut self, turn: &mut Turn<'_>) {
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

    pub(super) fn handle_reconnect(&mut self, turn: &mut Turn<'_>, token: TokenUse) {
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
        let before = (self.phase, self.attempts);
        self.attempts = 0;
        self.begin(turn);
        // The same instant, but the count of attempts has begun anew.
        if let Phase::Waiting { until } = self.phase
            && before.0 == self.phase
            && before.1 > 0
        {
            self.announce_wait(turn, until, Cause::Held);
        }
    }

    pub(super) fn handle_network_changed(&mut self, turn: &mut Turn<'_>) {
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

    pub(super) fn handle_shutdown(&mut self, turn: &mut Turn<'_>) {
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

    pub(super) fn handle_token_offered(&mut self, turn: &mut Turn<'_>, resumable: bool) {
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
            Phase::Online(_) => self.plan_renewal(turn.policy, None),
            Phase::Idle
            | Phase::Waiting { .. }
            | Phase::Connecting { .. }
            | Phase::Starting { .. }
            | Phase::Closing { .. }
            | Phase::Stopped(_) => {}
        }
    }

    pub(super) fn handle_token_ready(
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
            self.plan_renewal(turn.policy, expires_in);
        } else {
            self.dial_when_allowed(turn);
        }
    }

    pub(super) fn handle_token_failed(
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

    pub(super) fn handle_token_rejected(&mut self, turn: &mut Turn<'_>, token: TokenId) {
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

    pub(super) fn handle_dialing(&mut self, turn: &mut Turn<'_>, conn: ConnId) {
        if conn != self.conn {
            return;
        }
        if let Phase::Connecting { deadline: deadline @ None } = &mut self.phase {
            *deadline = Some(self.now + turn.policy.spec().timeouts.connect);
        }
    }

    pub(super) fn handle_opened(&mut self, turn: &mut Turn<'_>, conn: ConnId) {
        if conn != self.conn || !matches!(self.phase, Phase::Connecting { .. }) {
            return;
        }
        if turn.policy.spec().token.single_use {
            self.drop_token(Reason::Policy);
        }
        let deadline = self.now + turn.policy.spec().timeouts.ready;
        self.phase = Phase::Starting { deadline, terms: Terms::default() };
    }

    pub(super) fn handle_announced(&mut self, turn: &mut Turn<'_>, conn: ConnId, announced: Terms) {
        if conn != self.conn {
            return;
        }
        let now = self.now;
        match &mut self.phase {
            Phase::Starting { deadline, terms } => {
                *deadline = now + turn.policy.spec().timeouts.ready;
                terms.adopt(announced.checked());
            }
            Phase::Online(online) => online.announce(now, announced.checked()),
            Phase::Idle
            | Phase::Authorizing { .. }
            | Phase::Waiting { .. }
            | Phase::Connecting { .. }
            | Phase::Suspended(_)
            | Phase::Closing { .. }
            | Phase::Stopped(_) => {}
        }
    }

    pub(super) fn handle_refused(
        &mut self,
        turn: &mut Turn<'_>,
        conn: ConnId,
        code: u16,
        retry_after: Option<Span>,
    ) {
        if matches!(self.phase, Phase::Closing { .. }) {
            return;
        }
        if self.is_conn_live(conn) {
            turn.close(conn, Some(NORMAL));
        }
        self.handle_closed(turn, conn, Cause::Refused(code), retry_after);
    }

    pub(super) fn handle_closed(
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
            // The same loss, reported once more: what follows it goes on, but "regenerate" wins.
            Phase::Waiting { .. } | Phase::Authorizing { .. } | Phase::Suspended(_) => {
                self.merge(turn, cause, retry_after);
            }
            Phase::Closing { .. } => self.stop(turn, StopReason::Requested),
            Phase::Idle | Phase::Stopped(_) => {}
        }
    }

    pub(super) fn handle_tick(&mut self, turn: &mut Turn<'_>) {
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
}
