//! Failing, waiting and beginning again.

use super::{Machine, Phase, Resumable, Token, Turn};
use crate::action::{Action, Reason, StopReason, SuspendReason};
use crate::cause::Cause;
use crate::policy::{Delay, Intent, Policy, Recovery, TokenUse, Verdict};
use crate::time::{Span, Timestamp};

impl Machine {
    /// Begins an attempt, or waits until the floors allow one.
    ///
    /// Every attempt passes here, whoever asks for it. Both floors hold, so no order of events
    /// leads to attempts that follow each other without time.
    pub(super) fn begin(&mut self, turn: &mut Turn<'_>) {
        let earliest = self.not_before.max(self.pace);
        if earliest > self.now {
            self.wait(turn, earliest, Cause::Held);
            return;
        }
        self.pace = self.now + turn.policy.spec().floor;
        if self.is_token_usable(turn.policy) {
            self.dial(turn);
        } else {
            self.authorize(turn);
        }
    }

    /// Ends a wait. Where a floor holds it back, the wait gets another end and no attempt is spent.
    pub(super) fn retry(&mut self, turn: &mut Turn<'_>) {
        let earliest = self.not_before.max(self.pace);
        if earliest <= self.now {
            self.attempts = self.attempts.saturating_add(1);
        }
        self.begin(turn);
    }

    /// A finished token fetch dials at once: it honours what servers asked for and nothing else.
    pub(super) fn dial_when_allowed(&mut self, turn: &mut Turn<'_>) {
        if self.not_before > self.now {
            // The attempt is not spent: the wait that follows counts it again.
            self.attempts = self.attempts.saturating_sub(1);
            self.wait(turn, self.not_before, Cause::Held);
        } else {
            self.dial(turn);
        }
    }

    /// The effort that was under way has come to nothing; its connection is gone already.
    pub(super) fn fail(&mut self, turn: &mut Turn<'_>, cause: Cause, retry_after: Option<Span>) {
        self.raise_not_before(turn.policy, retry_after);
        let recovery = match turn.policy.verdict(cause) {
            Verdict::Retry(recovery) => recovery,
            Verdict::Suspend => {
                self.suspend(turn, SuspendReason::Policy(cause));
                return;
            }
            Verdict::Stop => {
                self.stop(turn, StopReason::Policy(cause));
                return;
            }
        };
        if self.forget(cause, recovery) && self.is_rejection_final(turn.policy) {
            self.stop(turn, StopReason::TokenRejected(cause));
            return;
        }
        let backoff = turn.policy.spec().backoff;
        if backoff.attempts.is_some_and(|budget| self.attempts >= budget) {
            self.suspend(turn, SuspendReason::AttemptsExhausted(cause));
            return;
        }
        let attempt = self.attempts.saturating_add(1);
        let floor = turn.policy.spec().floor;
        let backed_off = || backoff.wait(attempt, turn.entropy, floor);
        let delay = match recovery.delay {
            Delay::Now => Span::ZERO,
            Delay::Backoff => backed_off(),
            Delay::AtLeast(_) if retry_after.is_some() => backed_off(),
            Delay::AtLeast(span) => backed_off().max(span),
        };
        let until = (self.now + delay).max(self.not_before).max(self.pace);
        self.wait(turn, until, cause);
    }

    /// The same loss has a second cause. What was decided stays; what the recovery forgets is
    /// forgotten, a rejected token counts once, and what a server asks for holds.
    ///
    /// A verdict to stop or to suspend has no say here: the answer to our own close frame would
    /// otherwise end a session that is on its way back.
    pub(super) fn merge(&mut self, turn: &mut Turn<'_>, cause: Cause, retry_after: Option<Span>) {
        self.raise_not_before(turn.policy, retry_after);
        if let Verdict::Retry(recovery) = turn.policy.verdict(cause) {
            let known = self.token == Token::None(Reason::Rejected);
            let rejected = self.forget(cause, recovery) && !known;
            let waiting = matches!(self.phase, Phase::Waiting { .. });
            if rejected && waiting && self.is_rejection_final(turn.policy) {
                self.stop(turn, StopReason::TokenRejected(cause));
                return;
            }
        }
        self.hold(turn);
    }

    /// Nothing may be sent to this account's servers for a while.
    pub(super) fn throttle(&mut self, turn: &mut Turn<'_>, within: Span) {
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
        self.raise_not_before(turn.policy, Some(within));
        self.hold(turn);
        self.hold_renewal();
    }

    pub(super) fn raise_not_before(&mut self, policy: &Policy, retry_after: Option<Span>) {
        if let Some(span) = retry_after {
            let span = span.min(policy.spec().retry_after_max);
            self.not_before = self.not_before.max(self.now + span);
        }
    }

    /// Forgets what the recovery does not keep; returns whether a server rejected a token.
    fn forget(&mut self, cause: Cause, recovery: Recovery) -> bool {
        match recovery.intent {
            Intent::Resume => {}
            Intent::Restart => self.resumable = Resumable::No,
        }
        match recovery.token {
            TokenUse::Keep => return false,
            TokenUse::Regenerate => {}
        }
        // A token that no connection has used yet is not the one that was refused. Only while
        // online that cannot be told: the connection may have been moved over to it.
        if matches!(self.token, Token::Held { fresh: true, .. })
            && !matches!(self.phase, Phase::Online(_))
        {
            return false;
        }
        let reason = rejection(cause);
        self.drop_token(reason);
        if (self.token, reason) == (Token::None(Reason::Policy), Reason::Rejected) {
            self.token = Token::None(Reason::Rejected);
        }
        let refused = matches!(cause, Cause::Close(_) | Cause::Handshake(_) | Cause::Refused(_));
        refused && reason == Reason::Rejected
    }

    /// Counts a rejected token; returns whether that was one too many.
    fn is_rejection_final(&mut self, policy: &Policy) -> bool {
        self.rejections = self.rejections.saturating_add(1);
        policy.spec().token.rejections.is_some_and(|most| self.rejections >= most)
    }

    /// Waits. The instant is announced once, and again when it moves.
    fn wait(&mut self, turn: &mut Turn<'_>, until: Timestamp, cause: Cause) {
        if let Phase::Waiting { until: before } = self.phase
            && before == until
        {
            return;
        }
        self.phase = Phase::Waiting { until };
        self.announce_wait(turn, until, cause);
    }

    pub(super) fn announce_wait(&self, turn: &mut Turn<'_>, until: Timestamp, cause: Cause) {
        let held = self.not_before == until;
        turn.out.push(Action::ScheduleRetry {
            at: until,
            attempt: self.attempts.saturating_add(1),
            token: match self.token {
                Token::Held { .. } => TokenUse::Keep,
                Token::None(_) => TokenUse::Regenerate,
            },
            cause,
            not_before: held.then_some(self.not_before),
        });
    }

    /// Moves a wait that servers have lengthened.
    fn hold(&mut self, turn: &mut Turn<'_>) {
        if let Phase::Waiting { until } = self.phase
            && until < self.not_before
        {
            self.wait(turn, self.not_before, Cause::Held);
        }
    }

    fn suspend(&mut self, turn: &mut Turn<'_>, reason: SuspendReason) {
        self.phase = Phase::Suspended(reason);
        turn.notify(crate::action::Notice::Suspended { reason });
    }

    fn dial(&mut self, turn: &mut Turn<'_>) {
        self.conn = self.conn.next();
        self.phase = Phase::Connecting { deadline: None };
        if let Token::Held { fresh, .. } = &mut self.token {
            *fresh = false;
        }
        turn.out.push(Action::Connect {
            conn: self.conn,
            intent: self.intent(),
            attempt: self.attempts,
        });
    }

    fn authorize(&mut self, turn: &mut Turn<'_>) {
        let reason = match self.token {
            Token::None(reason) => reason,
            Token::Held { .. } => Reason::Expiring,
        };
        self.token = Token::None(reason);
        self.request = self.request.next();
        let deadline = turn.policy.spec().timeouts.token.map(|span| self.now + span);
        self.phase = Phase::Authorizing { deadline };
        turn.out.push(Action::RegenerateToken { token: self.request, reason });
    }

    /// A token that lives no longer than its renewal asks for is not worth a dial.
    fn is_token_usable(&self, policy: &Policy) -> bool {
        match self.token {
            Token::None(_) => false,
            Token::Held { fresh: true, .. } | Token::Held { expires_at: None, .. } => true,
            Token::Held { expires_at: Some(at), .. } => {
                at > self.now + policy.spec().token.renew.margin()
            }
        }
    }
}

/// Tells a token that the server refused from one that only the policy gives up.
fn rejection(cause: Cause) -> Reason {
    match cause {
        Cause::Close(_) | Cause::Refused(_) | Cause::Handshake(401 | 403 | 407) => Reason::Rejected,
        Cause::Http { status: 401 | 403, .. } => Reason::Rejected,
        Cause::Handshake(_)
        | Cause::Http { .. }
        | Cause::Timeout(_)
        | Cause::Network
        | Cause::Replaced
        | Cause::Requested
        | Cause::Overflow
        | Cause::Held => Reason::Policy,
    }
}
