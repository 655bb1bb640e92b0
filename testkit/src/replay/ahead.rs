//! What a deadline has led to, and what the next ones are.

use redial_core::{
    Action, Event, Keepalive, Liveness, Notice, Online, Pace, Phase, Renew, Renewal, RenewalKind,
    Resumable, Span, Timestamp, Token,
};

use super::explain::Tale;
use super::wait::Wait;
use super::words::span;

impl Tale<'_> {
    /// Says which deadlines a tick has met. Of several only those that something follows from.
    pub(super) fn due(&self) -> Vec<String> {
        let turn = self.turn;
        if turn.event != Event::Tick {
            return Vec::new();
        }
        let mut due = Vec::new();
        if let Resumable::Until(until) = turn.before.resumable()
            && turn.actions.contains(&Action::Notify(Notice::ResumeExpired))
        {
            due.extend(self.met(Some(until), "the old session can no longer be resumed"));
        }
        match *turn.before.phase() {
            Phase::Waiting { until } => due.extend(self.met(Some(until), "the wait is over")),
            Phase::Authorizing { deadline } => {
                due.extend(self.met(deadline, "the time to get a token is over"));
            }
            Phase::Connecting { deadline } => {
                due.extend(self.met(deadline, "the time to connect is over"));
            }
            Phase::Starting { deadline, .. } => {
                due.extend(self.met(Some(deadline), "the time to become ready is over"));
            }
            Phase::Closing { deadline } => {
                due.extend(self.met(Some(deadline), "the time to close is over"));
            }
            Phase::Online(online) => due.extend(self.due_online(&online)),
            Phase::Idle | Phase::Suspended(_) | Phase::Stopped(_) => {}
        }
        due
    }

    fn met(&self, deadline: Option<Timestamp>, what: &str) -> Option<String> {
        let deadline = deadline.filter(|deadline| *deadline <= self.turn.after.now())?;
        Some(format!("{what}, due at {}", self.at.of(deadline)))
    }

    /// A dead peer and a planned replacement end the connection, and whatever else was due on it.
    fn due_online(&self, online: &Online) -> Vec<String> {
        let lost = !matches!(self.turn.after.phase(), Phase::Online(_));
        let peer = match (online.liveness, online.keepalive) {
            (Liveness::Off, _) => None,
            (Liveness::Quiet { probe_at }, _) => {
                self.met(Some(probe_at).filter(|_| !lost), "the next probe")
            }
            (Liveness::Probing { probe_at, deadline, missed }, keepalive) => {
                let missed = u16::from(missed) + 1;
                let most = match keepalive {
                    Keepalive::Probe { misses, .. } => u16::from(misses),
                    Keepalive::Off | Keepalive::Listen { .. } => missed,
                };
                let what =
                    format!("the answer to a probe is missing ({missed} in a row of {most})");
                let next = Some(probe_at).filter(|at| *at < deadline && !lost);
                self.met(Some(deadline).filter(|_| !lost || missed >= most), &what)
                    .or_else(|| self.met(next, "the next probe"))
            }
            (Liveness::Listening { deadline }, _) => {
                self.met(Some(deadline), "the sign of life that the peer promised")
            }
        };
        if lost {
            let replaced = || self.met(online.retire, "the planned replacement of the connection");
            return peer.or_else(replaced).into_iter().collect();
        }
        let renewal = match online.renewal {
            Renewal::None => None,
            Renewal::At { at, .. } => self.met(Some(at), "the renewal of the token"),
            Renewal::Running { deadline, .. } => {
                self.met(deadline, "the time to renew the token is over")
            }
        };
        let proved = self.met(online.stable_at, "the session has proved itself");
        [peer, proved, renewal].into_iter().flatten().collect()
    }

    /// Says what a phase that has just begun waits for.
    pub(super) fn expected(&self) -> Option<String> {
        let (before, after) = (self.turn.before.phase(), self.turn.after.phase());
        if before == after {
            return None;
        }
        let by = |what: &str, deadline| Some(format!("{what} by {}", self.at.of(deadline)));
        match *after {
            Phase::Authorizing { deadline: Some(deadline) } => {
                by("a token must be there", deadline)
            }
            Phase::Connecting { deadline: Some(deadline) } => by("it must be open", deadline),
            Phase::Starting { deadline, .. } => by("it must be ready", deadline),
            Phase::Closing { deadline } => by("it must be closed", deadline),
            Phase::Online(online) => self.watched(&online),
            Phase::Authorizing { deadline: None } => {
                Some("the token may take as long as it takes".to_owned())
            }
            Phase::Idle
            | Phase::Connecting { deadline: None }
            | Phase::Waiting { .. }
            | Phase::Suspended(_)
            | Phase::Stopped(_) => None,
        }
    }

    /// Says what has moved while the session can be used.
    fn watched(&self, online: &Online) -> Option<String> {
        let old = match self.turn.before.phase() {
            Phase::Online(old) => Some(old),
            _ => None,
        };
        let mut said = Vec::new();
        if old.is_none_or(|old| old.liveness != online.liveness) {
            said.extend(self.watches(online));
        }
        if let Some(at) = online.retire
            && old.is_none_or(|old| old.retire != online.retire)
        {
            said.push(format!("replaces the connection at {}", self.at.of(at)));
        }
        if let Some(at) = online.stable_at
            && old.is_none_or(|old| old.stable_at != online.stable_at)
        {
            said.push(format!("counts attempts from zero again at {}", self.at.of(at)));
        }
        match online.renewal {
            Renewal::At { at, kind } if old.is_none_or(|old| old.renewal != online.renewal) => {
                said.push(self.renews(at, kind, old.map(|old| old.renewal)));
            }
            Renewal::Running { deadline: Some(deadline), .. }
                if old.is_none_or(|old| old.renewal != online.renewal) =>
            {
                said.push(format!("the token must be there by {}", self.at.of(deadline)));
            }
            Renewal::None | Renewal::At { .. } | Renewal::Running { .. } => {}
        }
        (!said.is_empty()).then(|| said.join(", "))
    }

    fn watches(&self, online: &Online) -> Option<String> {
        match online.liveness {
            Liveness::Off => None,
            Liveness::Quiet { probe_at } => {
                let quiet = match online.keepalive {
                    Keepalive::Probe { pace: Pace::Quiet, .. } => " unless it is heard of before",
                    Keepalive::Probe { .. } | Keepalive::Off | Keepalive::Listen { .. } => "",
                };
                Some(format!("probes at {}{quiet}", self.at.of(probe_at)))
            }
            Liveness::Probing { deadline, .. } => {
                Some(format!("expects the answer by {}", self.at.of(deadline)))
            }
            Liveness::Listening { deadline } => {
                Some(format!("expects a sign of life by {}", self.at.of(deadline)))
            }
        }
    }

    /// Says when the token is renewed, and why then.
    fn renews(&self, at: Timestamp, kind: RenewalKind, old: Option<Renewal>) -> String {
        let what = match kind {
            RenewalKind::Renew => "renews the token",
            RenewalKind::Regenerate(_) => "asks for a new token",
        };
        let text = format!("{what} at {}", self.at.of(at));
        let refused = self.turn.actions.iter().find_map(|action| match action {
            Action::Notify(Notice::TokenFailed { cause, .. }) => Some(*cause),
            _ => None,
        });
        match (refused, old, kind) {
            // The first refusal is followed by a new token as soon as the floors allow it.
            (
                Some(_),
                Some(Renewal::Running { kind: RenewalKind::Renew, .. }),
                RenewalKind::Regenerate(_),
            ) => format!("{text}, as soon as it may: {}", self.floor(at)),
            (Some(cause), ..) => {
                let wait = Wait::of_renewal(self.policy, self.turn, cause);
                format!("{text}: {}", wait.reason(self.policy, self.at))
            }
            (None, Some(Renewal::At { .. }), _) => format!("{text}: {}", self.floor(at)),
            (None, ..) => format!("{text}{}", self.planned(at, kind)),
        }
    }

    /// Says which of the two floors an instant stands on.
    fn floor(&self, at: Timestamp) -> String {
        if at == self.turn.after.not_before() {
            format!("a server asked for nothing before {}", self.at.of(at))
        } else {
            format!("attempts keep {} between them", span(self.policy.spec().floor))
        }
    }

    /// Says why a renewal is planned for then.
    fn planned(&self, at: Timestamp, kind: RenewalKind) -> String {
        if let RenewalKind::Regenerate(_) = kind {
            return format!(", as soon as it may: {}", self.floor(at));
        }
        let (expires_at, now) = match self.turn.after.token() {
            Token::Held { expires_at, .. } => (expires_at, self.turn.after.now()),
            Token::None(_) => (None, self.turn.after.now()),
        };
        match (self.policy.spec().token.renew, expires_at) {
            (Renew::Every(every), _) if now + every == at => format!(", every {}", span(every)),
            (Renew::Before(margin), Some(end)) if end.minus(margin) == at => {
                format!(", {} before it expires", span(margin))
            }
            (Renew::Before(margin), Some(end)) if end.minus(margin) <= now && at == now => {
                format!(", since it expires at {}", self.at.of(end))
            }
            (Renew::Before(margin), Some(end)) if at == now + half(end.since(now)) => {
                format!(", at half of its life, which leaves less than {}", span(margin))
            }
            _ => format!(", as soon as it may: {}", self.floor(at)),
        }
    }
}

fn half(life: Span) -> Span {
    Span::from_millis(life.as_millis() / 2)
}
