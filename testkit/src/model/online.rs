//! What goes on while the session can be used.

use redial_core::{
    Action, Cause, ConnId, Continuity, Delay, Evidence, Keepalive, Notice, Pace, Reason, Renew,
    Resume, Span, Terms, TokenId, TokenUse, Verdict, Wait,
};

use super::alarms::Alarm;
use super::rules::{is_sane, ms, verdict, wait};
use super::{Model, Rules, Stage, Token, probation, window};

/// What a renewal does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Work {
    Prolong,
    Replace(Reason),
}

impl Model {
    pub(super) fn take_token(
        &mut self,
        rules: &Rules<'_>,
        expires_in: Option<Span>,
        resumable: bool,
    ) {
        let expires = expires_in.map(|span| self.after(ms(span)));
        self.token = Some(Token { request: self.request, expires, unused: true });
        if !resumable {
            self.forget_session();
        }
        self.notify(Notice::Token { token: TokenId::new(self.request), expires_in });
        match self.stage {
            Stage::Online => self.plan_renewal(rules, expires_in.map_or(0, |life| ms(life) / 2)),
            // A token that was waited for is used at once, but never against a server's wish.
            Stage::Fetching if self.earliest > self.now => {
                self.attempts = self.attempts.saturating_sub(1);
                self.wait_until(self.earliest, Cause::Held);
            }
            Stage::Fetching => self.dial(),
            _ => {}
        }
    }

    pub(super) fn go_online(&mut self, rules: &Rules<'_>, continuity: Continuity) {
        let spec = rules.policy.spec();
        self.enter(Stage::Online);
        match probation(rules.policy) {
            None => self.proven(),
            Some(span) => self.alarms.set(Alarm::Stable, self.after(span)),
        }
        if let Some(span) = self.terms.retire {
            self.alarms.set(Alarm::Retire, self.after(ms(span)));
        }
        self.forget_session();
        self.resumable = spec.resume != Resume::Never;
        self.watch(self.terms.keepalive.unwrap_or(spec.keepalive));
        self.notify(Notice::Online { conn: ConnId::new(self.conn), continuity });
        self.plan_renewal(rules, 0);
    }

    fn proven(&mut self) {
        self.attempts = 0;
        self.rejections = 0;
    }

    pub(super) fn go_offline(&mut self, rules: &Rules<'_>, cause: Cause) {
        // A window of nothing is closed before it opens.
        let never = rules.policy.spec().resume == Resume::Never;
        if never || window(rules.policy, &self.terms) == Some(0) {
            self.forget_session();
        }
        if let (true, Some(span)) = (self.resumable, window(rules.policy, &self.terms)) {
            self.alarms.set(Alarm::Window, self.after(span));
        }
        if let Some(Work::Replace(reason)) = self.renewal {
            self.lose_token(reason);
        }
        self.notify(Notice::Offline { conn: ConnId::new(self.conn), cause });
    }

    pub(super) fn announced(&mut self, rules: &Rules<'_>, mut said: Terms) {
        if !matches!(self.stage, Stage::Opening | Stage::Online) {
            return;
        }
        said.keepalive = said.keepalive.filter(|keepalive| is_sane(*keepalive));
        let terms = &mut self.terms;
        terms.keepalive = said.keepalive.or(terms.keepalive);
        terms.resume = said.resume.or(terms.resume);
        terms.retire = said.retire.or(terms.retire);
        if self.stage == Stage::Opening {
            self.alarms.set(Alarm::Ready, self.after(ms(rules.policy.spec().timeouts.ready)));
            return;
        }
        if let Some(keepalive) = said.keepalive.filter(|keepalive| *keepalive != self.keepalive) {
            self.watch(keepalive);
        }
        if let Some(span) = said.retire {
            self.alarms.set(Alarm::Retire, self.after(ms(span)));
        }
    }

    /// Begins to watch the peer.
    fn watch(&mut self, keepalive: Keepalive) {
        self.keepalive = keepalive;
        self.missed = None;
        self.alarms.clear(Alarm::Probe);
        self.alarms.clear(Alarm::Life);
        match keepalive {
            Keepalive::Off => {}
            Keepalive::Probe { interval, .. } => {
                self.alarms.set(Alarm::Probe, self.after(ms(interval)));
            }
            Keepalive::Listen { within } => self.alarms.set(Alarm::Life, self.after(ms(within))),
        }
    }

    pub(super) fn heard(&mut self, evidence: Evidence) {
        match self.keepalive {
            Keepalive::Off => {}
            Keepalive::Listen { within } => self.alarms.set(Alarm::Life, self.after(ms(within))),
            Keepalive::Probe { pace: Pace::Quiet, .. } => self.watch(self.keepalive),
            Keepalive::Probe { timeout, .. } => {
                let (Some(life), Some(_)) = (self.alarms.get(Alarm::Life), self.missed) else {
                    return;
                };
                if evidence == Evidence::Probe {
                    self.missed = None;
                    self.alarms.clear(Alarm::Life);
                } else {
                    let next = self.alarms.get(Alarm::Probe).unwrap_or(u64::MAX);
                    self.alarms.set(Alarm::Life, life.max((self.after(ms(timeout))).min(next)));
                }
            }
        }
    }

    pub(super) fn probe_out_of_turn(&mut self) {
        if matches!(self.keepalive, Keepalive::Probe { .. }) && self.missed.is_none() {
            self.probe(0);
        }
    }

    /// Sends a probe that must be answered; `missed` came to nothing before it.
    fn probe(&mut self, missed: u32) {
        let Keepalive::Probe { timeout, pace, .. } = self.keepalive else { return };
        self.missed = Some(missed);
        self.alarms.set(Alarm::Life, self.after(ms(timeout)));
        if pace == Pace::Quiet {
            self.alarms.clear(Alarm::Probe);
        }
        self.send_probe();
    }

    fn send_probe(&mut self) {
        self.out.push(Action::SendPing { conn: ConnId::new(self.conn) });
    }

    /// Moves the next probe on to the first instant of its grid that is ahead. Who slept through
    /// more than one begins a new grid.
    fn advance_grid(&mut self, interval: Span) {
        if let Some(at) = self.alarms.get(Alarm::Probe).filter(|at| *at <= self.now) {
            let next = at.saturating_add(ms(interval));
            let next = if next > self.now { next } else { self.after(ms(interval)) };
            self.alarms.set(Alarm::Probe, next);
        }
    }

    pub(super) fn tick_online(&mut self, rules: &Rules<'_>) {
        let now = self.now;
        let is_due = |at: Option<u64>| at.is_some_and(|at| at <= now);
        let unanswered = is_due(self.alarms.get(Alarm::Life));
        let (misses, silent) = match self.keepalive {
            Keepalive::Probe { misses, .. } => (u32::from(misses), Wait::Pong),
            Keepalive::Off | Keepalive::Listen { .. } => (0, Wait::Health),
        };
        let missed = self.missed.unwrap_or(0) + 1;
        if unanswered && missed >= misses {
            self.close(None);
            self.go_offline(rules, Cause::Timeout(silent));
            return self.fail(rules, Cause::Timeout(silent), None);
        }
        if is_due(self.alarms.get(Alarm::Retire)) {
            self.close(Some(1000));
            self.go_offline(rules, Cause::Replaced);
            return self.fail(rules, Cause::Replaced, None);
        }
        if let Keepalive::Probe { interval, .. } = self.keepalive {
            let turn = is_due(self.alarms.get(Alarm::Probe));
            self.advance_grid(interval);
            match (unanswered, turn, self.missed) {
                (true, ..) => self.probe(missed),
                (false, true, None) => self.probe(0),
                (false, true, Some(_)) => self.send_probe(),
                (false, false, _) => {}
            }
        }
        if self.alarms.take_due(Alarm::Stable, self.now) {
            self.proven();
        }
        let turn = is_due(self.alarms.get(Alarm::Renewal));
        match self.renewal {
            Some(work) if turn && !self.renewing => self.renew_when_allowed(rules, work),
            Some(_) if turn => self.renewal_failed(rules, Cause::Timeout(Wait::Token), None),
            Some(_) | None => {}
        }
    }

    /// Plans the renewal of the token that there is, which is left alone for so long.
    fn plan_renewal(&mut self, rules: &Rules<'_>, alone: u64) {
        let expires = self.token.and_then(|token| token.expires);
        let at = match rules.policy.spec().token.renew {
            Renew::Never | Renew::BeforeDial(_) => None,
            Renew::Every(span) => Some(self.after(ms(span))),
            Renew::Before(span) => {
                expires.map(|expires| expires.saturating_sub(ms(span)).max(self.after(alone)))
            }
        };
        self.renewing = false;
        self.renewal = None;
        self.alarms.clear(Alarm::Renewal);
        if let Some(at) = at {
            self.renew_at(at.max(self.pace), Work::Prolong);
        }
    }

    fn renew_at(&mut self, at: u64, work: Work) {
        self.renewing = false;
        self.renewal = Some(work);
        self.alarms.set(Alarm::Renewal, at);
    }

    pub(super) fn renew_when_allowed(&mut self, rules: &Rules<'_>, work: Work) {
        if self.may_begin() > self.now {
            self.renew_at(self.may_begin(), work);
        } else {
            self.renew(rules, work);
        }
    }

    fn renew(&mut self, rules: &Rules<'_>, work: Work) {
        let spec = rules.policy.spec();
        self.pace = self.after(ms(spec.floor));
        self.request += 1;
        self.renewal = Some(work);
        self.renewing = true;
        self.alarms.clear(Alarm::Renewal);
        if let Some(span) = spec.timeouts.token {
            self.alarms.set(Alarm::Renewal, self.after(ms(span)));
        }
        let token = TokenId::new(self.request);
        self.out.push(match work {
            Work::Prolong => Action::RenewToken { token },
            Work::Replace(reason) => Action::RegenerateToken { token, reason },
        });
    }

    pub(super) fn side_call_found_it_dead(&mut self, rules: &Rules<'_>, token: TokenId) {
        let held = self.token.is_some_and(|held| held.request == token.get());
        if !held || self.renewing || matches!(self.stage, Stage::Fetching) {
            return;
        }
        self.lose_token(Reason::Rejected);
        if self.stage == Stage::Online {
            self.renew_when_allowed(rules, Work::Replace(Reason::Rejected));
        }
    }

    /// The connection stays, whatever the policy says about the cause.
    pub(super) fn renewal_failed(
        &mut self,
        rules: &Rules<'_>,
        cause: Cause,
        retry_after: Option<Span>,
    ) {
        let spec = rules.policy.spec();
        self.hold_back(rules.policy, retry_after);
        self.notify(Notice::TokenFailed { token: TokenId::new(self.request), cause });
        let first = wait(&spec.backoff, 1, rules.entropy, spec.floor);
        let (anew, delay) = match verdict(rules.policy, cause) {
            Verdict::Retry(recovery) => {
                let delay = match recovery.delay {
                    Delay::AtLeast(span) => first.max(ms(span)),
                    Delay::Now | Delay::Backoff => first,
                };
                (recovery.token == TokenUse::Regenerate, delay)
            }
            Verdict::Suspend | Verdict::Stop => {
                let last = u64::from(u16::MAX);
                (true, wait(&spec.backoff, last, rules.entropy, spec.floor))
            }
        };
        let Some(work) = self.renewal else { return };
        let replace = Work::Replace(Reason::Rejected);
        let silence = matches!(cause, Cause::Timeout(_));
        let from = if silence { self.may_begin() } else { self.earliest };
        if work == Work::Prolong && anew && from > self.now {
            self.renew_at(from, replace);
        } else if work == Work::Prolong && anew {
            self.renew(rules, replace);
        } else {
            self.renew_at((self.after(delay)).max(self.may_begin()), work);
        }
    }
}
