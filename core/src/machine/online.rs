//! What goes on while the session can be used: the watch over the peer and the token's renewal.

use super::{
    Liveness, Machine, Online, Phase, Renewal, RenewalKind, Resumable, Token, Turn, earliest,
};
use crate::action::{Action, Notice, Reason};
use crate::cause::{Cause, Wait};
use crate::event::{Continuity, Evidence, Terms};
use crate::id::ConnId;
use crate::policy::{Delay, Keepalive, Pace, Policy, Renew, Reset, Resume, TokenUse, Verdict};
use crate::time::{Span, Timestamp};

impl Machine {
    pub(super) fn handle_ready(
        &mut self,
        turn: &mut Turn<'_>,
        conn: ConnId,
        continuity: Continuity,
    ) {
        if conn != self.conn {
            return;
        }
        let Phase::Starting { terms, .. } = self.phase else { return };
        let spec = turn.policy.spec();
        let keepalive = terms.keepalive.unwrap_or(spec.keepalive);
        let stable_at = match spec.backoff.reset {
            Reset::Online => {
                self.settle();
                None
            }
            Reset::Stable(span) => Some(self.now + span),
        };
        self.phase = Phase::Online(Online {
            keepalive,
            liveness: Liveness::start(keepalive, self.now),
            renewal: Renewal::None,
            terms,
            retire: terms.retire.map(|span| self.now + span),
            stable_at,
        });
        self.resumable = match spec.resume {
            Resume::Never => Resumable::No,
            Resume::Within(_) | Resume::Always => Resumable::Always,
        };
        turn.notify(Notice::Online { conn, continuity });
        self.plan_renewal(turn.policy, None);
    }

    pub(super) fn handle_ack(&mut self, conn: ConnId, evidence: Evidence) {
        if conn != self.conn {
            return;
        }
        if let Phase::Online(online) = &mut self.phase {
            online.liveness = online.liveness.heard(online.keepalive, self.now, evidence);
        }
    }

    pub(super) fn tick_online(&mut self, turn: &mut Turn<'_>) {
        let now = self.now;
        let Phase::Online(online) = &mut self.phase else { return };
        let verdict = online.tick(now);
        if let Verdicts::Dead(wait) = verdict {
            turn.close(self.conn, None);
            self.leave_online(turn, Cause::Timeout(wait));
            self.fail(turn, Cause::Timeout(wait), None);
            return;
        }
        if online.retire.is_some_and(|at| at <= now) {
            turn.close(self.conn, Some(super::NORMAL));
            self.leave_online(turn, Cause::Replaced);
            self.fail(turn, Cause::Replaced, None);
            return;
        }
        match verdict {
            Verdicts::Alive | Verdicts::Dead(_) => {}
            Verdicts::Probe => turn.out.push(Action::SendPing { conn: self.conn }),
        }
        if online.stable_at.is_some_and(|at| at <= now) {
            online.stable_at = None;
            self.settle();
        }
        self.tick_renewal(turn);
    }

    /// Plans the next renewal of the token that is held. One that was made beside this connection is
    /// left alone for half of its life, or each renewal could be the reason for the next.
    pub(super) fn plan_renewal(&mut self, policy: &Policy, made_now: Option<Span>) {
        let now = self.now;
        let half = made_now.map_or(Span::ZERO, |life| Span::from_millis(life.as_millis() / 2));
        let expires_at = match self.token {
            Token::Held { expires_at, .. } => expires_at,
            Token::None(_) => None,
        };
        let at = match policy.spec().token.renew {
            Renew::Never | Renew::BeforeDial(_) => None,
            Renew::Every(span) => Some(now + span),
            Renew::Before(span) => expires_at.map(|at| at.minus(span).max(now + half)),
        };
        if let Phase::Online(online) = &mut self.phase {
            online.renewal = match at {
                Some(at) => Renewal::At { at: at.max(self.pace), kind: RenewalKind::Renew },
                None => Renewal::None,
            };
        }
    }

    /// Starts a renewal, or plans it for when the floors allow it.
    pub(super) fn start_renewal(&mut self, turn: &mut Turn<'_>, kind: RenewalKind) {
        let at = self.not_before.max(self.pace);
        let now = self.now;
        if let Phase::Online(online) = &mut self.phase
            && at > now
        {
            online.renewal = Renewal::At { at, kind };
        } else {
            self.run_renewal(turn, kind);
        }
    }

    /// Starts a renewal that nobody has planned, or the one that is planned, as soon as the floors
    /// allow it. One that is under way goes on.
    pub(super) fn handle_renew(&mut self, turn: &mut Turn<'_>) {
        let Phase::Online(online) = &self.phase else { return };
        match online.renewal {
            Renewal::Running { .. } => {}
            Renewal::None => self.start_renewal(turn, RenewalKind::Renew),
            Renewal::At { kind, .. } => self.start_renewal(turn, kind),
        }
    }

    /// Moves a planned renewal that servers have put off.
    pub(super) fn hold_renewal(&mut self) {
        if let Phase::Online(Online { renewal: Renewal::At { at, .. }, .. }) = &mut self.phase {
            *at = (*at).max(self.not_before);
        }
    }

    /// A renewal has failed: the session goes on with the connection that it has.
    pub(super) fn renewal_failed(
        &mut self,
        turn: &mut Turn<'_>,
        cause: Cause,
        retry_after: Option<Span>,
    ) {
        self.raise_not_before(turn.policy, retry_after);
        turn.notify(Notice::TokenFailed { token: self.request, cause });
        let Phase::Online(Online { renewal: Renewal::Running { kind, .. }, .. }) = self.phase
        else {
            return;
        };
        let (regenerate, wait) = match turn.policy.verdict(cause) {
            Verdict::Retry(recovery) => {
                let backoff = turn.policy.spec().backoff;
                let wait = backoff.wait(1, turn.entropy, turn.policy.spec().floor);
                let wait = match recovery.delay {
                    Delay::Now | Delay::Backoff => wait,
                    Delay::AtLeast(span) => wait.max(span),
                };
                (recovery.token == TokenUse::Regenerate, wait)
            }
            // What ends a session that has no connection does not end one that has.
            Verdict::Suspend | Verdict::Stop => {
                let spec = turn.policy.spec();
                (true, spec.backoff.wait(u16::MAX, turn.entropy, spec.floor))
            }
        };
        match kind {
            // Refused for the first time: one regeneration at once, unless the server said when.
            // Silence is no refusal, so after a timeout that is shorter than it the floor holds.
            RenewalKind::Renew if regenerate => {
                let kind = RenewalKind::Regenerate(Reason::Rejected);
                let at = match cause {
                    Cause::Timeout(_) => self.not_before.max(self.pace),
                    _ => self.not_before,
                };
                if at > self.now {
                    self.replan(at, kind);
                } else {
                    self.run_renewal(turn, kind);
                }
            }
            RenewalKind::Renew | RenewalKind::Regenerate(_) => {
                self.replan((self.now + wait).max(self.not_before).max(self.pace), kind);
            }
        }
    }

    fn replan(&mut self, at: Timestamp, kind: RenewalKind) {
        if let Phase::Online(online) = &mut self.phase {
            online.renewal = Renewal::At { at, kind };
        }
    }

    fn tick_renewal(&mut self, turn: &mut Turn<'_>) {
        let Phase::Online(online) = &self.phase else { return };
        match online.renewal {
            Renewal::None => {}
            Renewal::At { at, kind } => {
                if at <= self.now {
                    self.start_renewal(turn, kind);
                }
            }
            Renewal::Running { deadline, .. } => {
                if deadline.is_some_and(|at| at <= self.now) {
                    self.renewal_failed(turn, Cause::Timeout(Wait::Token), None);
                }
            }
        }
    }

    fn run_renewal(&mut self, turn: &mut Turn<'_>, kind: RenewalKind) {
        self.pace = self.now + turn.policy.spec().floor;
        self.request = self.request.next();
        let deadline = turn.policy.spec().timeouts.token.map(|span| self.now + span);
        if let Phase::Online(online) = &mut self.phase {
            online.renewal = Renewal::Running { kind, deadline };
        }
        turn.out.push(match kind {
            RenewalKind::Renew => Action::RenewToken { token: self.request },
            RenewalKind::Regenerate(reason) => {
                Action::RegenerateToken { token: self.request, reason }
            }
        });
    }

    /// The session has proved itself: its attempts and rejections count from zero again.
    fn settle(&mut self) {
        self.attempts = 0;
        self.rejections = 0;
    }
}

impl Online {
    pub(super) fn poll_timeout(&self) -> Option<Timestamp> {
        let renewal = match self.renewal {
            Renewal::None => None,
            Renewal::At { at, .. } => Some(at),
            Renewal::Running { deadline, .. } => deadline,
        };
        let rest = earliest(self.retire, self.stable_at);
        earliest(self.liveness.poll_timeout(), earliest(renewal, rest))
    }

    /// Probes a connection that nobody doubts yet; returns false where that cannot be done.
    pub(super) fn probe_now(&mut self, now: Timestamp) -> bool {
        match (self.liveness, self.keepalive) {
            (Liveness::Quiet { probe_at }, Keepalive::Probe { .. }) => {
                self.liveness = Liveness::probing(self.keepalive, now, probe_at, 0);
                true
            }
            _ => false,
        }
    }

    pub(super) fn announce(&mut self, now: Timestamp, announced: Terms) {
        self.terms.adopt(announced);
        if let Some(keepalive) = announced.keepalive
            && keepalive != self.keepalive
        {
            self.keepalive = keepalive;
            self.liveness = Liveness::start(keepalive, now);
        }
        if let Some(span) = announced.retire {
            self.retire = Some(now + span);
        }
    }

    fn tick(&mut self, now: Timestamp) -> Verdicts {
        let Keepalive::Probe { interval, misses, pace, .. } = self.keepalive else {
            return match self.liveness {
                Liveness::Listening { deadline } if deadline <= now => Verdicts::Dead(Wait::Health),
                _ => Verdicts::Alive,
            };
        };
        match self.liveness {
            Liveness::Quiet { probe_at } if probe_at <= now => {
                let probe_at = next_probe(probe_at, now, interval);
                self.liveness = Liveness::probing(self.keepalive, now, probe_at, 0);
                Verdicts::Probe
            }
            Liveness::Probing { probe_at, deadline, missed } if deadline <= now => {
                if missed.saturating_add(1) >= misses {
                    return Verdicts::Dead(Wait::Pong);
                }
                let probe_at = next_probe(probe_at, now, interval);
                self.liveness = Liveness::probing(self.keepalive, now, probe_at, missed + 1);
                Verdicts::Probe
            }
            // The steady pace goes on while a probe that was sent out of turn is unanswered.
            Liveness::Probing { probe_at, deadline, missed }
                if probe_at <= now && pace == Pace::Steady =>
            {
                let probe_at = next_probe(probe_at, now, interval);
                self.liveness = Liveness::Probing { probe_at, deadline, missed };
                Verdicts::Probe
            }
            Liveness::Off
            | Liveness::Quiet { .. }
            | Liveness::Probing { .. }
            | Liveness::Listening { .. } => Verdicts::Alive,
        }
    }
}

impl Liveness {
    pub(super) fn start(keepalive: Keepalive, now: Timestamp) -> Self {
        match keepalive {
            Keepalive::Off => Self::Off,
            Keepalive::Probe { interval, .. } => Self::Quiet { probe_at: now + interval },
            Keepalive::Listen { within } => Self::Listening { deadline: now + within },
        }
    }

    /// A probe goes out. Only the steady pace has a next one while this one is unanswered.
    fn probing(keepalive: Keepalive, now: Timestamp, next: Timestamp, missed: u8) -> Self {
        let Keepalive::Probe { timeout, pace, .. } = keepalive else { return Self::Off };
        let deadline = now + timeout;
        let probe_at = match pace {
            Pace::Steady => next,
            Pace::Quiet => deadline,
        };
        Self::Probing { probe_at, deadline, missed }
    }

    pub(super) fn poll_timeout(self) -> Option<Timestamp> {
        match self {
            Self::Off => None,
            Self::Quiet { probe_at } => Some(probe_at),
            Self::Probing { probe_at, deadline, .. } => Some(probe_at.min(deadline)),
            Self::Listening { deadline } => Some(deadline),
        }
    }

    /// Takes evidence of life into account.
    ///
    /// With a steady pace only the answer to the probe ends it. Other evidence postpones the
    /// verdict, at most until the next probe is due: where what we send is swallowed, a peer that
    /// goes on talking would keep a dead connection for ever.
    fn heard(self, keepalive: Keepalive, now: Timestamp, evidence: Evidence) -> Self {
        match (self, keepalive) {
            (Self::Listening { .. }, Keepalive::Listen { within }) => {
                Self::Listening { deadline: now + within }
            }
            (Self::Quiet { .. } | Self::Probing { .. }, Keepalive::Probe { interval, .. })
                if keepalive.is_quiet() =>
            {
                Self::Quiet { probe_at: now + interval }
            }
            (Self::Probing { probe_at, deadline, missed }, Keepalive::Probe { timeout, .. }) => {
                match evidence {
                    Evidence::Probe => Self::Quiet { probe_at },
                    Evidence::Inbound => {
                        let deadline = deadline.max((now + timeout).min(probe_at));
                        Self::Probing { probe_at, deadline, missed }
                    }
                }
            }
            (unchanged, _) => unchanged,
        }
    }
}

impl Keepalive {
    const fn is_quiet(self) -> bool {
        matches!(self, Self::Probe { pace: Pace::Quiet, .. })
    }
}

impl Terms {
    /// Returns the same terms without a keepalive that contradicts itself: a server that announces
    /// an interval of zero must not make us probe without end.
    pub(super) fn checked(mut self) -> Self {
        self.keepalive = self.keepalive.filter(|keepalive| keepalive.check().is_ok());
        self
    }

    /// Takes over what a later announcement says.
    pub(super) fn adopt(&mut self, later: Self) {
        self.keepalive = later.keepalive.or(self.keepalive);
        self.resume = later.resume.or(self.resume);
        self.retire = later.retire.or(self.retire);
    }
}

/// What a tick says about the peer.
enum Verdicts {
    Alive,
    Probe,
    Dead(Wait),
}

/// Returns the next instant of the grid on which the probes stand. A process that slept through
/// several of them sends one, not all.
fn next_probe(probe_at: Timestamp, now: Timestamp, interval: Span) -> Timestamp {
    if probe_at > now {
        return probe_at;
    }
    let next = probe_at + interval;
    if next > now { next } else { now + interval }
}
