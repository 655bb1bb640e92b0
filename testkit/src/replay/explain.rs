//! A step in words.

use std::fmt;

use redial_core::{
    Action, Cause, Continuity, Event, Evidence, Intent, Liveness, Machine, Notice, Online, Phase,
    Policy, Renewal, Resumable, StopReason, SuspendReason, Timestamp, Token, TokenUse,
};

use super::Turn;
use super::wait::{Wait, asked};
use super::words::{self, At, span};

/// What happened in a step, and why it led to what it led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// When it was, counted from the beginning of the trace, and what happened.
    pub event: String,
    /// What was decided, in order.
    pub decisions: Vec<String>,
}

/// Explains a step. `start` is what instants are counted from: the time of the first step.
#[must_use]
pub fn explain(policy: &Policy, start: Timestamp, turn: &Turn) -> Explanation {
    let at = At(start);
    let mut decisions = Vec::new();
    if turn.event == Event::Tick {
        decisions.extend(due(turn, at));
    }
    if let Some(span) = asked(turn.event).filter(|_| turn.after != turn.before) {
        decisions.push(retry_after(policy, turn, span, at));
    }
    if let Some(cause) = failed(turn) {
        let rule = words::rule(policy.rule(cause));
        let (cause, verdict) = (words::cause(cause), words::verdict(policy.verdict(cause)));
        decisions.push(format!("for {cause}, {rule}: {verdict}"));
    }
    decisions.extend(turn.actions.iter().map(|action| act(policy, turn, *action, at)));
    decisions.extend(expected(turn, at));
    if decisions.is_empty() {
        decisions.push(nothing(turn));
    }
    let event = format!("{}: {}", at.of(turn.cx.now), happened(turn.event));
    Explanation { event, decisions }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.event)?;
        self.decisions.iter().try_for_each(|decision| write!(f, "\n    {decision}"))
    }
}

fn happened(event: Event) -> String {
    match event {
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
        Event::TokenOffered { .. } => "the application gives a token".to_owned(),
        Event::Tick => "time has passed".to_owned(),
        Event::TokenReady { token, expires_in, resumable } => {
            let life = expires_in
                .map_or("for a time unknown".to_owned(), |life| format!("for {}", span(life)));
            let session = if resumable { "" } else { "; the old session does not survive it" };
            format!("token {token} is there, {life}{session}")
        }
        Event::TokenFailed { token, cause, .. } => {
            format!("token {token} could not be had: {}", words::cause(cause))
        }
        Event::TokenRejected { token } => format!("a side call found token {token} dead"),
        Event::Dialing { conn } => format!("connection {conn} is being dialled"),
        Event::Opened { conn } => format!("connection {conn} is open"),
        Event::Announced { conn, .. } => {
            format!("the server of connection {conn} has said its terms")
        }
        Event::Ready { conn, .. } => format!("connection {conn} can be used"),
        Event::Ack { conn, evidence: Evidence::Inbound } => {
            format!("connection {conn} shows a sign of life")
        }
        Event::Ack { conn, evidence: Evidence::Probe } => {
            format!("connection {conn} answers the probe")
        }
        Event::Refused { conn, code, .. } => {
            format!("the vendor refuses on connection {conn}, with {code}")
        }
        Event::Closed { conn, cause, .. } => {
            format!("connection {conn} has ended: {}", words::cause(cause))
        }
        Event::Throttled { within } => {
            format!("the account's servers want nothing for {}", span(within))
        }
    }
}

/// Says which deadlines a tick has met.
fn due(turn: &Turn, at: At) -> Vec<String> {
    let now = turn.after.now();
    let mut due = Vec::new();
    let mut say = |deadline: Option<Timestamp>, what: &str| {
        if let Some(deadline) = deadline.filter(|deadline| *deadline <= now) {
            due.push(format!("{what}, due at {}", at.of(deadline)));
        }
    };
    if let Resumable::Until(until) = turn.before.resumable()
        && turn.actions.contains(&Action::Notify(Notice::ResumeExpired))
    {
        say(Some(until), "the old session can no longer be resumed");
    }
    match *turn.before.phase() {
        Phase::Waiting { until } => say(Some(until), "the wait is over"),
        Phase::Authorizing { deadline } => say(deadline, "the time to get a token is over"),
        Phase::Connecting { deadline } => say(deadline, "the time to connect is over"),
        Phase::Starting { deadline, .. } => {
            say(Some(deadline), "the time to become ready is over");
        }
        Phase::Closing { deadline } => say(Some(deadline), "the time to close is over"),
        Phase::Online(online) => {
            match online.liveness {
                Liveness::Off => {}
                Liveness::Quiet { probe_at } => say(Some(probe_at), "the next probe"),
                Liveness::Probing { probe_at, deadline, missed } => {
                    let what = format!(
                        "the answer to a probe is missing ({} in a row)",
                        u16::from(missed) + 1
                    );
                    say(Some(deadline), &what);
                    say(Some(probe_at).filter(|at| *at < deadline), "the next probe");
                }
                Liveness::Listening { deadline } => {
                    say(Some(deadline), "the sign of life that the peer promised");
                }
            }
            match online.renewal {
                Renewal::None => {}
                Renewal::At { at, .. } => say(Some(at), "the renewal of the token"),
                Renewal::Running { deadline, .. } => {
                    say(deadline, "the time to renew the token is over");
                }
            }
            say(online.retire, "the planned replacement of the connection");
            say(online.stable_at, "the session has proved itself: attempts count from zero again");
        }
        Phase::Idle | Phase::Suspended(_) | Phase::Stopped(_) => {}
    }
    due
}

/// Returns the cause that the policy was asked about.
fn failed(turn: &Turn) -> Option<Cause> {
    let told = turn.actions.iter().find_map(|action| match action {
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
    // A second report of one loss is looked up as well, for what it says about the token.
    told.or(match turn.event {
        Event::Closed { cause, .. } if is_changed(turn) => Some(cause),
        Event::Refused { code, .. } if is_changed(turn) => Some(Cause::Refused(code)),
        _ => None,
    })
    .filter(|cause| *cause != Cause::Requested)
}

fn retry_after(policy: &Policy, turn: &Turn, asked: redial_core::Span, at: At) -> String {
    let most = policy.spec().retry_after_max;
    let bound =
        if asked > most { format!(", of which {} count", span(most)) } else { String::new() };
    let earliest = at.of(turn.after.not_before());
    format!("the server asks for {}{bound}: nothing starts before {earliest}", span(asked))
}

fn act(policy: &Policy, turn: &Turn, action: Action, at: At) -> String {
    match action {
        Action::RegenerateToken { token, reason } => {
            format!("asks for token {token}: {}", words::reason(reason))
        }
        Action::RenewToken { token } => format!("renews the token as {token}"),
        Action::Connect { conn, intent, attempt } => {
            let session = match (intent, turn.after.resumable()) {
                (Intent::Restart, _) => "for a new session".to_owned(),
                (Intent::Resume, Resumable::Until(until)) => {
                    format!("for the old session, which lives until {}", at.of(until))
                }
                (Intent::Resume, _) => "for the old session".to_owned(),
            };
            let token = match turn.after.token() {
                Token::Held { token, .. } => format!(" with token {token}"),
                Token::None(_) => String::new(),
            };
            let attempt = match attempt {
                0 => String::new(),
                attempt => format!(", attempt {attempt}"),
            };
            format!("dials connection {conn} {session}{token}{attempt}")
        }
        Action::SendPing { conn } => format!("probes connection {conn}"),
        Action::Close { conn, code: Some(code) } => format!("closes connection {conn} with {code}"),
        Action::Close { conn, code: None } => format!("drops connection {conn}"),
        Action::ScheduleRetry { attempt, cause, token, .. } => {
            let words = Wait::of(policy, turn, attempt, cause).words(policy, at);
            let token = match token {
                TokenUse::Keep => "with the token that it has",
                TokenUse::Regenerate => "with a new token",
            };
            format!("{words}; then it goes on {token}")
        }
        Action::Notify(notice) => told(policy, notice),
    }
}

fn told(policy: &Policy, notice: Notice) -> String {
    match notice {
        Notice::Token { token, .. } => format!("has token {token}"),
        Notice::TokenFailed { .. } => "keeps the connection that it has".to_owned(),
        Notice::Online { continuity: Continuity::Fresh, .. } => {
            "is online, in a new session".to_owned()
        }
        Notice::Online { continuity: Continuity::Resumed, .. } => {
            "is online, in the old session".to_owned()
        }
        Notice::Offline { .. } => "is offline".to_owned(),
        Notice::ResumeExpired => "forgets the old session".to_owned(),
        Notice::Suspended { reason: SuspendReason::AttemptsExhausted(_) } => {
            let most = policy.spec().backoff.attempts.unwrap_or_default();
            format!("waits for the application: all {most} attempts are spent")
        }
        Notice::Suspended { reason: SuspendReason::Policy(_) } => {
            "waits for the application".to_owned()
        }
        Notice::Stopped { reason: StopReason::TokenRejected(_) } => {
            let most = policy.spec().token.rejections.unwrap_or_default();
            format!("gives up: {most} tokens were rejected in a row")
        }
        Notice::Stopped { .. } => "has ended".to_owned(),
        other => format!("tells the application: {other:?}"),
    }
}

/// Says what a phase that has just begun waits for.
fn expected(turn: &Turn, at: At) -> Option<String> {
    let (before, after) = (turn.before.phase(), turn.after.phase());
    if before == after {
        return None;
    }
    match *after {
        Phase::Authorizing { deadline: Some(deadline) } => {
            Some(format!("a token must be there by {}", at.of(deadline)))
        }
        Phase::Connecting { deadline: Some(deadline) } => {
            Some(format!("it must be open by {}", at.of(deadline)))
        }
        Phase::Starting { deadline, .. } => {
            Some(format!("it must be ready by {}", at.of(deadline)))
        }
        Phase::Closing { deadline } => Some(format!("it must be closed by {}", at.of(deadline))),
        Phase::Online(online) => watched(&turn.before, &online, at),
        Phase::Idle
        | Phase::Authorizing { deadline: None }
        | Phase::Connecting { deadline: None }
        | Phase::Waiting { .. }
        | Phase::Suspended(_)
        | Phase::Stopped(_) => None,
    }
}

/// Says what has moved while the session can be used.
fn watched(before: &Machine, online: &Online, at: At) -> Option<String> {
    let old = match before.phase() {
        Phase::Online(old) => Some(old),
        _ => None,
    };
    let mut said = Vec::new();
    if old.is_none_or(|old| old.liveness != online.liveness) {
        match online.liveness {
            Liveness::Off => {}
            Liveness::Quiet { probe_at } => said.push(format!("probes at {}", at.of(probe_at))),
            Liveness::Probing { deadline, .. } => {
                said.push(format!("expects the answer by {}", at.of(deadline)));
            }
            Liveness::Listening { deadline } => {
                said.push(format!("expects a sign of life by {}", at.of(deadline)));
            }
        }
    }
    if let Renewal::At { at: instant, .. } = online.renewal
        && old.is_none_or(|old| old.renewal != online.renewal)
    {
        said.push(format!("renews the token at {}", at.of(instant)));
    }
    (!said.is_empty()).then(|| said.join(", "))
}

fn nothing(turn: &Turn) -> String {
    if is_changed(turn) {
        return "is noted; nothing follows from it yet".to_owned();
    }
    let stale = match turn.event {
        Event::TokenReady { token, .. }
        | Event::TokenFailed { token, .. }
        | Event::TokenRejected { token } => !turn.before.is_token_pending(token),
        Event::Dialing { conn }
        | Event::Opened { conn }
        | Event::Announced { conn, .. }
        | Event::Ready { conn, .. }
        | Event::Ack { conn, .. }
        | Event::Refused { conn, .. }
        | Event::Closed { conn, .. } => !turn.before.is_conn_live(conn),
        _ => false,
    };
    if stale {
        return "changes nothing: what it belongs to is gone".to_owned();
    }
    format!("changes nothing while the session is {}", turn.before.phase().name())
}

/// Returns whether more than the time has changed.
fn is_changed(turn: &Turn) -> bool {
    let unlike = |machine: &Machine| {
        let held = (machine.token(), machine.resumable(), machine.attempts(), machine.rejections());
        (*machine.phase(), held, machine.not_before(), machine.pace())
    };
    unlike(&turn.before) != unlike(&turn.after)
}
