//! What may begin, what is waited for, and what a loss leads to.

use redial_core::{
    Action, Cause, ConnId, Delay, Intent, Policy, Reason, Recovery, Span, StopReason,
    SuspendReason, Timestamp, TokenId, TokenUse, Verdict,
};

use super::alarms::Alarm;
use super::rules::{blame, ms, verdict, wait};
use super::{Model, Rules, Stage, Token};

impl Model {
    /// Both floors hold for every beginning.
    pub(super) fn begin(&mut self, rules: &Rules<'_>) {
        let spec = rules.policy.spec();
        if self.may_begin() > self.now {
            return self.wait_until(self.may_begin(), Cause::Held);
        }
        self.pace = self.after(ms(spec.floor));
        let margin = match spec.token.renew {
            redial_core::Renew::Before(span) | redial_core::Renew::BeforeDial(span) => ms(span),
            _ => 0,
        };
        let serves = |token: &Token| {
            token.unused || token.expires.is_none_or(|expires| expires > self.after(margin))
        };
        if self.token.as_ref().is_some_and(serves) {
            return self.dial();
        }
        if self.token.take().is_some() {
            self.lack = Reason::Expiring;
        }
        self.request += 1;
        self.enter(Stage::Fetching);
        if let Some(span) = spec.timeouts.token {
            self.alarms.set(Alarm::Token, self.after(ms(span)));
        }
        let token = TokenId::new(self.request);
        self.out.push(Action::RegenerateToken { token, reason: self.lack });
    }

    pub(super) fn may_begin(&self) -> u64 {
        self.earliest.max(self.pace)
    }

    pub(super) fn dial(&mut self) {
        self.conn += 1;
        if let Some(token) = &mut self.token {
            token.unused = false;
        }
        self.enter(Stage::Dialling);
        let conn = ConnId::new(self.conn);
        let attempt = u16::try_from(self.attempts).unwrap_or(u16::MAX);
        let intent = if self.resumable { Intent::Resume } else { Intent::Restart };
        self.out.push(Action::Connect { conn, intent, attempt });
    }

    pub(super) fn end_wait(&mut self, rules: &Rules<'_>) {
        if self.may_begin() <= self.now {
            self.attempts = (self.attempts + 1).min(u64::from(u16::MAX));
        }
        self.begin(rules);
    }

    /// Waits, and says so unless that very wait is on already.
    pub(super) fn wait_until(&mut self, at: u64, cause: Cause) {
        if self.alarms.get(Alarm::Wait) != Some(at) {
            self.enter(Stage::Waiting);
            self.alarms.set(Alarm::Wait, at);
            self.announce_wait(at, cause);
        }
    }

    pub(super) fn announce_wait(&mut self, at: u64, cause: Cause) {
        let next = (self.attempts + 1).min(u64::from(u16::MAX));
        self.out.push(Action::ScheduleRetry {
            at: Timestamp::from_millis(at),
            attempt: u16::try_from(next).unwrap_or(u16::MAX),
            token: if self.token.is_some() { TokenUse::Keep } else { TokenUse::Regenerate },
            cause,
            not_before: (at == self.earliest).then_some(Timestamp::from_millis(at)),
        });
    }

    pub(super) fn stretch_wait(&mut self) {
        if self.alarms.get(Alarm::Wait).is_some_and(|at| at < self.earliest) {
            self.wait_until(self.earliest, Cause::Held);
        }
    }

    pub(super) fn hold_back(&mut self, policy: &Policy, asked: Option<Span>) {
        if let Some(span) = asked {
            let span = ms(span).min(ms(policy.spec().retry_after_max));
            self.earliest = self.earliest.max(self.after(span));
        }
    }

    /// The newest connection is reported lost, for the first time or once more.
    pub(super) fn lost(&mut self, rules: &Rules<'_>, cause: Cause, retry_after: Option<Span>) {
        match self.stage {
            Stage::Idle | Stage::Over => {}
            Stage::Leaving => self.end(StopReason::Requested),
            Stage::Dialling | Stage::Opening => self.fail(rules, cause, retry_after),
            Stage::Online => {
                self.go_offline(rules, cause);
                self.fail(rules, cause, retry_after);
            }
            Stage::Waiting | Stage::Fetching | Stage::Asleep => {
                self.hold_back(rules.policy, retry_after);
                if let Verdict::Retry(recovery) = verdict(rules.policy, cause) {
                    let told = self.token.is_none() && self.lack == Reason::Rejected;
                    let rejected = self.heed(cause, recovery);
                    if self.stage == Stage::Waiting && rejected && !told && self.one_too_many(rules)
                    {
                        return self.end(StopReason::TokenRejected(cause));
                    }
                }
                self.stretch_wait();
            }
        }
    }

    /// An effort has come to nothing, or an online session to its end.
    pub(super) fn fail(&mut self, rules: &Rules<'_>, cause: Cause, retry_after: Option<Span>) {
        let spec = rules.policy.spec();
        self.hold_back(rules.policy, retry_after);
        let recovery = match verdict(rules.policy, cause) {
            Verdict::Stop => return self.end(StopReason::Policy(cause)),
            Verdict::Suspend => return self.sleep(SuspendReason::Policy(cause)),
            Verdict::Retry(recovery) => recovery,
        };
        if self.heed(cause, recovery) && self.one_too_many(rules) {
            return self.end(StopReason::TokenRejected(cause));
        }
        if spec.backoff.attempts.is_some_and(|most| self.attempts >= u64::from(most)) {
            return self.sleep(SuspendReason::AttemptsExhausted(cause));
        }
        let attempt = (self.attempts + 1).min(u64::from(u16::MAX));
        let backoff = wait(&spec.backoff, attempt, rules.entropy, spec.floor);
        let delay = match (recovery.delay, retry_after) {
            (Delay::Now, _) => 0,
            (Delay::AtLeast(span), None) => backoff.max(ms(span)),
            (Delay::AtLeast(_) | Delay::Backoff, _) => backoff,
        };
        self.wait_until((self.after(delay)).max(self.may_begin()), cause);
    }

    /// Gives up what the recovery does not keep; says whether a server rejected the token.
    pub(super) fn heed(&mut self, cause: Cause, recovery: Recovery) -> bool {
        if recovery.intent == Intent::Restart {
            self.forget_session();
        }
        let spared = self.token.is_some_and(|token| token.unused) && self.stage != Stage::Online;
        if recovery.token == TokenUse::Keep || spared {
            return false;
        }
        let reason = blame(cause);
        self.lose_token(reason);
        if self.lack == Reason::Policy {
            self.lack = reason;
        }
        let of_a_connection =
            matches!(cause, Cause::Close(_) | Cause::Handshake(_) | Cause::Refused(_));
        of_a_connection && reason == Reason::Rejected
    }

    pub(super) fn one_too_many(&mut self, rules: &Rules<'_>) -> bool {
        self.rejections = (self.rejections + 1).min(u64::from(u8::MAX));
        let most = rules.policy.spec().token.rejections;
        most.is_some_and(|most| self.rejections >= u64::from(most))
    }

    pub(super) fn lose_token(&mut self, reason: Reason) {
        if self.token.take().is_some() {
            self.lack = reason;
        }
    }
}
