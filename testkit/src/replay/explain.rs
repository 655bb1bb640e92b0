//! A step in words.

use std::fmt;

use redial_core::{
    Action, Cause, Continuity, Event, Evidence, Intent, Notice, Phase, Policy, Reason, Recovery,
    Resumable, Resume, StopReason, SuspendReason, Timestamp, Token, TokenUse, Verdict,
};

use super::Turn;
use super::wait::{Wait, asked, came_in_time};
use super::words::{self, At, Names, span};

/// What happened in a step, and why it led to what it led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// When it was, counted from the beginning of the trace, and what happened.
    pub event: String,
    /// What was decided, in order.
    pub decisions: Vec<String>,
}

/// Explains a step. `start` is what instants are counted from: the time of the first step. What
/// only the adapter has names for, the steps of a login and refusals, stands there as numbers.
#[must_use]
pub fn explain(policy: &Policy, start: Timestamp, turn: &Turn) -> Explanation {
    explain_as(policy, start, turn, Names::NUMBERS)
}

/// Explains a step as [`explain`] does, in the vendor's words.
#[must_use]
pub fn explain_as(policy: &Policy, start: Timestamp, turn: &Turn, names: Names) -> Explanation {
    let tale = Tale { policy, turn, at: At(start), names };
    let event = format!("{}: {}", tale.at.of(turn.cx.now), tale.happened());
    Explanation { event, decisions: tale.decisions() }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.event)?;
        self.decisions.iter().try_for_each(|decision| write!(f, "\n    {decision}"))
    }
}

/// What a step is told from.
pub(super) struct Tale<'a> {
    pub(super) policy: &'a Policy,
    pub(super) turn: &'a Turn,
    pub(super) at: At,
    names: Names,
}

impl Tale<'_> {
    fn decisions(&self) -> Vec<String> {
        let mut said = self.due();
        said.extend(self.retry_after());
        said.extend(self.verdict());
        said.extend(self.turn.actions.iter().map(|action| self.act(*action)));
        said.extend(self.counts());
        said.extend(self.expected());
        if said.is_empty() {
            said.push(self.nothing());
        }
        said
    }

    fn cause(&self, cause: Cause) -> String {
        words::cause(cause, self.names)
    }

    fn happened(&self) -> String {
        match self.turn.event {
            Event::Connect => "the application wants the session".to_owned(),
            Event::Recover => "the application wants no more waiting".to_owned(),
            Event::Reconnect { token: TokenUse::Keep } => {
                "the application wants another connection".to_owned()
            }
            Event::Reconnect { token: TokenUse::Regenerate } => {
                "the application wants another connection and another token".to_owned()
            }
            Event::NetworkChanged => "the host has another network".to_owned(),
            Event::Renew => "the token is to be renewed now".to_owned(),
            Event::Shutdown => "the application wants the end".to_owned(),
            Event::TokenOffered { resumable } => {
                format!("the application gives a token{}", survival(resumable))
            }
            Event::Tick => "time has passed".to_owned(),
            Event::TokenReady { token, expires_in, resumable } => {
                let life = expires_in
                    .map_or("for a time unknown".to_owned(), |life| format!("for {}", span(life)));
                format!("token {token} is there, {life}{}", survival(resumable))
            }
            Event::TokenFailed { token, cause, .. } => {
                format!("token {token} could not be had: {}", self.cause(cause))
            }
            Event::TokenRejected { token } => format!("a side call found token {token} dead"),
            Event::Dialing { conn } => format!("connection {conn} is being dialled"),
            Event::Opened { conn } => format!("connection {conn} is open"),
            Event::Announced { conn, terms } => {
                format!(
                    "the server of connection {conn} has said its terms: {}",
                    words::terms(terms)
                )
            }
            Event::Ready { conn, .. } => format!("connection {conn} can be used"),
            Event::Ack { conn, evidence: Evidence::Inbound } => {
                format!("connection {conn} shows a sign of life")
            }
            Event::Ack { conn, evidence: Evidence::Probe } => {
                format!("connection {conn} answers the probe")
            }
            Event::Refused { conn, code, .. } => {
                let refusal = self.cause(Cause::Refused(code));
                format!("connection {conn} has brought {refusal}")
            }
            Event::Closed { conn, cause, .. } => {
                format!("connection {conn} has ended: {}", self.cause(cause))
            }
            Event::Throttled { within } => {
                format!("the account's servers want nothing for {}", span(within))
            }
        }
    }

    /// Says until when a server wants nothing to start.
    fn retry_after(&self) -> Option<String> {
        let asked = asked(self.turn.event)?;
        let most = self.policy.spec().retry_after_max;
        let (now, until) = (self.turn.after.now(), self.turn.after.not_before());
        let heard = now + asked.min(most);
        if until < heard || !self.is_changed() {
            return None;
        }
        let bound =
            if asked > most { format!(", of which {} count", span(most)) } else { String::new() };
        let earlier = if until > heard { ", which was asked for earlier" } else { "" };
        let (asked, until) = (span(asked), self.at.of(until));
        Some(format!("the server asks for {asked}{bound}: nothing starts before {until}{earlier}"))
    }

    /// Says what the policy has to say about the cause of a failure.
    fn verdict(&self) -> Vec<String> {
        if let Some(cause) = self.second_report() {
            return vec![self.known_loss(cause)];
        }
        let Some(cause) = self.failed() else { return Vec::new() };
        let mut said = vec![self.rule(cause)];
        if let Verdict::Retry(Recovery { token: TokenUse::Regenerate, .. }) =
            self.policy.verdict(cause)
            && let Token::Held { token, fresh: true, .. } = self.turn.before.token()
            && self.turn.before.token() == self.turn.after.token()
            && !matches!(self.turn.before.phase(), Phase::Online(_))
        {
            said.push(format!("keeps token {token}, which no connection has used yet"));
        }
        said
    }

    fn rule(&self, cause: Cause) -> String {
        let rule = words::rule(self.policy.rule(cause));
        let verdict = words::verdict(self.policy.verdict(cause));
        format!("for {}, {rule}: {verdict}", self.cause(cause))
    }

    /// Returns the cause that the policy was asked about.
    pub(super) fn failed(&self) -> Option<Cause> {
        let told = self.turn.actions.iter().find_map(|action| match action {
            Action::ScheduleRetry { cause: Cause::Held, .. } => None,
            Action::ScheduleRetry { cause, .. } => Some(*cause),
            Action::Notify(Notice::TokenFailed { cause, .. }) => Some(*cause),
            Action::Notify(Notice::Suspended {
                reason: SuspendReason::AttemptsExhausted(cause) | SuspendReason::Policy(cause),
            }) => Some(*cause),
            Action::Notify(Notice::Stopped {
                reason: StopReason::Policy(cause) | StopReason::TokenRejected(cause),
            }) => Some(*cause),
            _ => None,
        });
        told.filter(|cause| *cause != Cause::Requested)
    }

    /// Returns the cause that a loss has, too, which is known already.
    fn second_report(&self) -> Option<Cause> {
        let (conn, cause) = match self.turn.event {
            Event::Closed { conn, cause, .. } => (conn, cause),
            Event::Refused { conn, code, .. } => (conn, Cause::Refused(code)),
            _ => return None,
        };
        let known = match self.turn.before.phase() {
            Phase::Waiting { .. } | Phase::Authorizing { .. } | Phase::Suspended(_) => true,
            Phase::Idle
            | Phase::Connecting { .. }
            | Phase::Starting { .. }
            | Phase::Online(_)
            | Phase::Closing { .. }
            | Phase::Stopped(_) => false,
        };
        (known && conn == self.turn.before.newest_conn() && self.is_changed()).then_some(cause)
    }

    /// Says what a second cause of a loss changes: a verdict to end the session has no say.
    fn known_loss(&self, cause: Cause) -> String {
        let (before, after) = (self.turn.before, self.turn.after);
        let rule = self.rule(cause);
        let counts =
            match (before.token() != after.token(), before.resumable() != after.resumable()) {
                (true, true) => "the token and the session count",
                (true, false) => "the token counts",
                (false, true) => "the session counts",
                (false, false) => "nothing counts",
            };
        format!("this loss is known, so what was decided stays; {rule}, of which {counts}")
    }

    fn act(&self, action: Action) -> String {
        match action {
            Action::RegenerateToken { token, reason } => {
                format!("asks for token {token}: {}", words::reason(reason))
            }
            Action::RenewToken { token } => format!("renews the token as {token}"),
            Action::Connect { conn, intent, attempt } => self.dials(conn, intent, attempt),
            Action::SendPing { conn } => format!("probes connection {conn}"),
            Action::Close { conn, code: Some(code) } => {
                format!("closes connection {conn} with {code}")
            }
            Action::Close { conn, code: None } => format!("drops connection {conn}"),
            Action::ScheduleRetry { attempt, cause, token, .. } => {
                let wait = Wait::of(self.policy, self.turn, attempt, cause);
                let keeps = match self.policy.verdict(cause) {
                    Verdict::Retry(recovery) => recovery.token == TokenUse::Keep,
                    Verdict::Suspend | Verdict::Stop => false,
                };
                let token = match token {
                    TokenUse::Keep => "with the token that it has",
                    TokenUse::Regenerate if keeps && cause != Cause::Held => {
                        "with a new token, since it holds none"
                    }
                    TokenUse::Regenerate => "with a new token",
                };
                format!("{}; then it goes on {token}", self.waits(&wait))
            }
            Action::Notify(notice) => self.told(notice),
        }
    }

    fn dials(&self, conn: redial_core::ConnId, intent: Intent, attempt: u16) -> String {
        let session = match (intent, self.turn.after.resumable()) {
            (Intent::Restart, _) => "for a new session".to_owned(),
            (Intent::Resume, Resumable::Until(until)) => {
                format!("for the old session, which lives until {}", self.at.of(until))
            }
            (Intent::Resume, _) => "for the old session".to_owned(),
        };
        let token = match self.turn.after.token() {
            Token::Held { token, .. } => format!(", with token {token}"),
            Token::None(_) => String::new(),
        };
        let attempt = match attempt {
            0 => String::new(),
            attempt => format!(", attempt {attempt}"),
        };
        format!("dials connection {conn} {session}{token}{attempt}")
    }

    fn told(&self, notice: Notice) -> String {
        match notice {
            Notice::Token { token, .. } => format!("has token {token}"),
            Notice::TokenFailed { cause, .. } => match self.policy.verdict(cause) {
                Verdict::Retry(_) => "keeps the connection that it has".to_owned(),
                Verdict::Suspend | Verdict::Stop => {
                    "keeps the connection that it has: only a session without one ends by that"
                        .to_owned()
                }
            },
            Notice::Online { continuity: Continuity::Fresh, .. } => {
                "is online, in a new session".to_owned()
            }
            Notice::Online { continuity: Continuity::Resumed, .. } => {
                "is online, in the old session".to_owned()
            }
            Notice::Offline { .. } => format!("is offline{}", self.left()),
            Notice::ResumeExpired => "forgets the old session".to_owned(),
            Notice::Suspended { reason: SuspendReason::AttemptsExhausted(_) } => {
                match self.policy.spec().backoff.attempts.unwrap_or_default() {
                    0 => "waits for the application: the policy has no attempts".to_owned(),
                    most => format!("waits for the application: all {most} attempts are spent"),
                }
            }
            Notice::Suspended { reason: SuspendReason::Policy(_) } => {
                "waits for the application".to_owned()
            }
            Notice::Stopped { reason: StopReason::TokenRejected(_) } => {
                let most = self.policy.spec().token.rejections.unwrap_or_default();
                format!("gives up: {most} tokens were rejected in a row")
            }
            Notice::Stopped { .. } => "has ended".to_owned(),
            other => format!("tells the application: {other:?}"),
        }
    }

    /// Says what remains of a session that is lost.
    fn left(&self) -> String {
        match (self.turn.after.phase(), self.turn.after.resumable()) {
            (Phase::Closing { .. } | Phase::Stopped(_), _) => String::new(),
            (_, Resumable::Until(until)) => {
                format!("; the session can be resumed until {}", self.at.of(until))
            }
            (_, Resumable::Always) => {
                "; the session can be resumed as long as its server agrees".to_owned()
            }
            (_, Resumable::No) if self.policy.spec().resume == Resume::Never => {
                "; this policy resumes no session".to_owned()
            }
            (_, Resumable::No) => "; the session cannot be resumed".to_owned(),
        }
    }

    /// Says which counts have changed.
    fn counts(&self) -> Vec<String> {
        let (before, after) = (self.turn.before, self.turn.after);
        let mut said = Vec::new();
        if let (Token::Held { token, .. }, Token::None(Reason::Policy), Event::Opened { .. }) =
            (before.token(), after.token(), self.turn.event)
        {
            said.push(format!("token {token} is spent: it is good for one connection"));
        }
        if came_in_time(self.turn) && matches!(after.phase(), Phase::Waiting { .. }) {
            if before.attempts() > after.attempts() {
                said.push("the attempt counts only when it is made".to_owned());
            }
        } else if before.attempts() > 0 && after.attempts() == 0 {
            said.push("attempts count from zero again".to_owned());
        }
        if let Some(most) = self.policy.spec().token.rejections {
            if before.rejections() > after.rejections() {
                said.push("rejected tokens count from zero again".to_owned());
            } else if after.rejections() > before.rejections() {
                let count = after.rejections();
                said.push(format!("tokens rejected in a row: {count}, and {most} end the session"));
            }
        }
        said
    }

    fn nothing(&self) -> String {
        let (before, event) = (self.turn.before, self.turn.event);
        if self.is_changed() {
            return "is noted; nothing follows from it yet".to_owned();
        }
        let stale = match event {
            Event::TokenReady { token, .. } | Event::TokenFailed { token, .. } => {
                !before.is_token_pending(token)
            }
            Event::TokenRejected { token: dead } => match before.token() {
                Token::Held { token, .. } if token == dead => {
                    return "changes nothing: another token is being made already".to_owned();
                }
                Token::Held { .. } | Token::None(_) => true,
            },
            Event::Dialing { conn }
            | Event::Opened { conn }
            | Event::Announced { conn, .. }
            | Event::Ready { conn, .. }
            | Event::Ack { conn, .. }
            | Event::Refused { conn, .. }
            | Event::Closed { conn, .. } => !before.is_conn_live(conn),
            Event::Tick => return "no deadline has been reached".to_owned(),
            _ => false,
        };
        if stale {
            return "changes nothing: what it belongs to is gone".to_owned();
        }
        format!("changes nothing while the session is {}", before.phase().name())
    }

    /// Returns whether more than the time has changed.
    fn is_changed(&self) -> bool {
        let unlike = |machine: &redial_core::Machine| {
            let held = (machine.token(), machine.resumable());
            let counts = (machine.attempts(), machine.rejections());
            (*machine.phase(), held, counts, machine.not_before(), machine.pace())
        };
        unlike(&self.turn.before) != unlike(&self.turn.after)
    }
}

fn survival(resumable: bool) -> &'static str {
    if resumable { "" } else { "; the old session does not survive it" }
}
