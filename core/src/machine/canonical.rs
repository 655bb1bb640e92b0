//! Restoring a session, and the form in which equal sessions are equal.

use super::{Liveness, Machine, Online, Phase, Renewal, Resumable, Token};
use crate::action::{Reason, StopReason};
use crate::event::Terms;
use crate::id::{ConnId, TokenId};
use crate::policy::{Keepalive, Pace, Policy};
use crate::time::Timestamp;

impl Machine {
    /// The time of every [canonical](Machine::canonical) session.
    pub const ORIGIN: Timestamp = Timestamp::from_millis(1 << 40);

    /// Returns the session as another process goes on with it.
    ///
    /// The token is gone, what servers asked for is not. Whatever was under way is waited for as
    /// long as the floors say and then begun again; old connections and requests are fenced off.
    /// Where the clock was set back between the two processes, what was left of each wait is left
    /// of it still.
    #[must_use]
    pub fn restore(mut self, policy: &Policy, now: Timestamp) -> Self {
        let ahead = self.now.as_millis().saturating_sub(now.as_millis());
        let shifted = |at: Timestamp| Timestamp::from_millis(at.as_millis().saturating_sub(ahead));
        self.now = now;
        self.not_before = shifted(self.not_before).min(now + policy.spec().retry_after_max);
        self.pace = shifted(self.pace).min(now + policy.spec().floor);
        self.conn = self.conn.next();
        self.request = self.request.next();
        if let Resumable::Until(at) = self.resumable {
            self.resumable = Resumable::Until(shifted(at));
        }
        let until = self.now.max(self.not_before).max(self.pace);
        if let Phase::Online(online) = &self.phase {
            self.resumable = self.resumable_after(policy, online);
        }
        self.phase = match self.phase {
            Phase::Idle => Phase::Idle,
            Phase::Authorizing { .. }
            | Phase::Connecting { .. }
            | Phase::Starting { .. }
            | Phase::Online(_) => Phase::Waiting { until },
            Phase::Waiting { until: planned } => {
                Phase::Waiting { until: shifted(planned).max(until) }
            }
            Phase::Suspended(reason) => Phase::Suspended(reason),
            Phase::Closing { .. } => Phase::Stopped(StopReason::Requested),
            Phase::Stopped(reason) => Phase::Stopped(reason),
        };
        self.token = match self.token {
            Token::None(reason) => Token::None(reason),
            Token::Held { .. } => Token::None(Reason::Start),
        };
        self
    }

    /// Returns the form in which all sessions that behave alike are equal: it is always
    /// [`Machine::ORIGIN`], the newest connection is 1 and the newest token request is 2, counters
    /// stop where they no longer matter, and what no event can reach any more is forgotten.
    #[must_use]
    pub fn canonical(mut self, policy: &Policy) -> Self {
        match self.phase {
            Phase::Stopped(_) | Phase::Closing { .. } => {
                let Self { now, phase, .. } = self;
                self = Self { now, phase, ..Self::new() };
            }
            Phase::Idle
            | Phase::Authorizing { .. }
            | Phase::Waiting { .. }
            | Phase::Connecting { .. }
            | Phase::Starting { .. }
            | Phase::Online(_)
            | Phase::Suspended(_) => {}
        }
        let now = self.now;
        let at = |at: Timestamp| {
            let ahead = at.as_millis().saturating_sub(now.as_millis());
            Timestamp::from_millis(Self::ORIGIN.as_millis().saturating_add(ahead))
        };
        // A token within the margin of its renewal is as good as expired.
        let margin = policy.spec().token.renew.margin();
        let expiry = |when: Timestamp| if when <= now + margin { Self::ORIGIN } else { at(when) };
        self.now = Self::ORIGIN;
        self.not_before = at(self.not_before);
        self.pace = at(self.pace);
        // Whether there was an attempt at all is told apart by the announcement of a reconnect.
        let plateau = policy.spec().backoff.plateau().max(2);
        self.attempts = match self.phase {
            Phase::Idle | Phase::Suspended(_) | Phase::Stopped(_) | Phase::Closing { .. } => 0,
            // The attempt that follows is one more.
            Phase::Waiting { .. } => self.attempts.min(plateau - 1),
            Phase::Authorizing { .. }
            | Phase::Connecting { .. }
            | Phase::Starting { .. }
            | Phase::Online(_) => self.attempts.min(plateau),
        };
        self.rejections = match policy.spec().token.rejections {
            Some(most) => self.rejections.min(most),
            None => 0,
        };
        self.resumable = match self.resumable {
            Resumable::Until(until) => Resumable::Until(at(until)),
            other => other,
        };
        let newest = self.request;
        self.conn = ConnId::new(1);
        self.request = TokenId::new(2);
        self.token = match self.token {
            Token::None(reason) => Token::None(reason),
            Token::Held { token, expires_at, fresh } => Token::Held {
                token: TokenId::new(if token == newest { 2 } else { 1 }),
                expires_at: expires_at.map(expiry),
                fresh,
            },
        };
        self.phase = match self.phase {
            Phase::Authorizing { deadline } => Phase::Authorizing { deadline: deadline.map(at) },
            Phase::Waiting { until } => Phase::Waiting { until: at(until) },
            Phase::Connecting { deadline } => Phase::Connecting { deadline: deadline.map(at) },
            Phase::Starting { deadline, terms } => {
                Phase::Starting { deadline: at(deadline), terms }
            }
            Phase::Online(online) => Phase::Online(canonical_online(online, now, at)),
            Phase::Closing { deadline } => Phase::Closing { deadline: at(deadline) },
            phase @ (Phase::Idle | Phase::Suspended(_) | Phase::Stopped(_)) => phase,
        };
        self
    }
}

fn canonical_online(
    online: Online,
    now: Timestamp,
    at: impl Fn(Timestamp) -> Timestamp + Copy,
) -> Online {
    // A steady probe that is overdue by less than its interval still says where the grid stands.
    let probe = |when: Timestamp| match online.keepalive {
        Keepalive::Probe { interval, pace: Pace::Steady, .. } if when < now => {
            Machine::ORIGIN.minus(now.since(when).min(interval))
        }
        Keepalive::Off | Keepalive::Probe { .. } | Keepalive::Listen { .. } => at(when),
    };
    Online {
        keepalive: online.keepalive,
        liveness: match online.liveness {
            Liveness::Off => Liveness::Off,
            Liveness::Quiet { probe_at } => Liveness::Quiet { probe_at: probe(probe_at) },
            Liveness::Probing { probe_at, deadline, missed } => {
                Liveness::Probing { probe_at: probe(probe_at), deadline: at(deadline), missed }
            }
            Liveness::Listening { deadline } => Liveness::Listening { deadline: at(deadline) },
        },
        renewal: match online.renewal {
            Renewal::None => Renewal::None,
            Renewal::At { at: when, kind } => Renewal::At { at: at(when), kind },
            Renewal::Running { kind, deadline } => {
                Renewal::Running { kind, deadline: deadline.map(at) }
            }
        },
        terms: Terms { keepalive: None, resume: online.terms.resume, retire: None },
        retire: online.retire.map(at),
        stable_at: online.stable_at.map(at),
    }
}
