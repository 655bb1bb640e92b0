//! The checks of single steps.

use redial_core::{Action, Actions, Event, Keepalive, Notice, Phase, Token};

use super::invariant::Step;
use super::witness::{Link, Seen};

type Verdict = Result<(), &'static str>;

pub(super) fn one_connection(step: &Step<'_>) -> Verdict {
    let mut there = step.seen_before.conn != Link::None && !is_end(step);
    for action in step.actions {
        match action {
            Action::Connect { .. } if there => return Err("a second connection is dialled"),
            Action::Connect { .. } => there = true,
            Action::Close { .. } => there = false,
            Action::RegenerateToken { .. }
            | Action::RenewToken { .. }
            | Action::SendPing { .. }
            | Action::ScheduleRetry { .. }
            | Action::Notify(_) => {}
        }
    }
    match (step.seen.conn == Link::None, step.after.live_conn().is_none()) {
        (false, true) => Err("a connection is left behind without a close"),
        (true, false) => Err("the machine watches a connection that does not exist"),
        (true, true) | (false, false) => Ok(()),
    }
}

pub(super) fn one_token_request(step: &Step<'_>) -> Verdict {
    let mut asked = step.actions.iter().filter_map(|action| match action {
        Action::RegenerateToken { token, .. } | Action::RenewToken { token } => Some(*token),
        _ => None,
    });
    let Some(token) = asked.next() else { return Ok(()) };
    if asked.next().is_some() {
        return Err("two token requests in one step");
    }
    if step.after.pending_token() != Some(token) {
        return Err("a token is asked for that nobody waits for");
    }
    let answered = match step.event {
        Event::TokenReady { .. } | Event::TokenFailed { .. } | Event::Tick => true,
        // The application wants another connection: what belonged to the old one is given up.
        Event::Reconnect { .. } => true,
        _ => step.before.pending_token().is_none(),
    };
    if answered { Ok(()) } else { Err("a token request begins while another is pending") }
}

pub(super) fn no_action_for_dead_generation(step: &Step<'_>) -> Verdict {
    if is_stale(step) && (!step.actions.is_empty() || !step.is_unchanged()) {
        return Err("a stale answer has an effect");
    }
    let mut live = match step.seen_before.conn {
        Link::None => None,
        _ if is_end(step) => None,
        _ => Some(step.before.newest_conn()),
    };
    for action in step.actions {
        match action {
            Action::Connect { conn, .. } => {
                if *conn == step.before.newest_conn() || *conn != step.after.newest_conn() {
                    return Err("a dial does not make a new generation");
                }
                live = Some(*conn);
            }
            Action::SendPing { conn } => {
                if live != Some(*conn) || !matches!(step.after.phase(), Phase::Online(_)) {
                    return Err("a probe goes out where there is no session");
                }
            }
            Action::Close { conn, .. } => {
                if live != Some(*conn) {
                    return Err("a connection is closed that is gone");
                }
                live = None;
            }
            Action::RegenerateToken { token, .. } | Action::RenewToken { token } => {
                if *token == step.before.newest_token() {
                    return Err("a token request does not make a new generation");
                }
            }
            Action::ScheduleRetry { .. } | Action::Notify(_) => {}
        }
    }
    Ok(())
}

pub(super) fn pending_effect_or_deadline(step: &Step<'_>) -> Verdict {
    let spec = step.policy.spec();
    let needed = match step.after.phase() {
        Phase::Idle | Phase::Suspended(_) | Phase::Stopped(_) => false,
        Phase::Waiting { .. } | Phase::Starting { .. } | Phase::Closing { .. } => true,
        Phase::Authorizing { .. } => {
            if step.after.pending_token().is_none() {
                return Err("nobody makes the token");
            }
            spec.timeouts.token.is_some()
        }
        Phase::Connecting { .. } => step.seen.conn != Link::Dialled,
        Phase::Online(online) => online.keepalive != Keepalive::Off,
    };
    if needed && step.timeout.is_none() {
        return Err("nothing will ever happen");
    }
    Ok(())
}

pub(super) fn retry_after_respected(step: &Step<'_>) -> Verdict {
    let early = step.seen.not_before.max(step.seen_before.not_before) > step.now();
    if early && step.count(is_effort) > 0 { Err("an attempt before Retry-After") } else { Ok(()) }
}

pub(super) fn token_before_connect(step: &Step<'_>) -> Verdict {
    let dials = step.count(|action| matches!(action, Action::Connect { .. })) > 0;
    if dials && step.seen.token == Seen::None {
        return Err("a dial without a token that may be used");
    }
    Ok(())
}

pub(super) fn online_implies_ready(step: &Step<'_>) -> Verdict {
    let told = step.count(|action| matches!(action, Action::Notify(Notice::Online { .. }))) > 0;
    if told {
        let ready =
            matches!(step.event, Event::Ready { conn, .. } if conn == step.before.newest_conn());
        if !ready || step.seen_before.conn != Link::Open {
            return Err("online without the adapter's word");
        }
    }
    if matches!(step.after.phase(), Phase::Online(_)) != step.seen.online {
        return Err("the application believes something else than the machine");
    }
    Ok(())
}

pub(super) fn stopped_is_silent(step: &Step<'_>) -> Verdict {
    let told = step.count(|action| matches!(action, Action::Notify(Notice::Stopped { .. })));
    if step.seen_before.stopped {
        let silent = step.actions.is_empty() && step.timeout.is_none();
        return if silent { Ok(()) } else { Err("something happens after the end") };
    }
    match (told, step.after.phase()) {
        (0, Phase::Stopped(_)) => Err("the end is not told"),
        (1, Phase::Stopped(_)) => {
            let last = step.actions.last();
            let last = matches!(last, Some(Action::Notify(Notice::Stopped { .. })));
            if last { Ok(()) } else { Err("something follows the end") }
        }
        (0, _) => Ok(()),
        _ => Err("an end that is none, or more than one"),
    }
}

pub(super) fn actions_bounded(step: &Step<'_>) -> Verdict {
    if step.actions.len() > Actions::CAPACITY { Err("too many actions") } else { Ok(()) }
}

pub(super) fn no_overdue_deadline_after_tick(step: &Step<'_>) -> Verdict {
    let overdue = step.timeout.is_some_and(|at| at <= step.now());
    if step.event == Event::Tick && overdue { Err("still due after the tick") } else { Ok(()) }
}

/// A jump is what a suspended machine or a stepped clock does.
///
/// Backwards: the same as a clock that stands still, in every bit. Forwards, with any event but
/// the tick: no deadline fires, so the phase is the one that the event leads to without the jump,
/// except that a floor has passed or a token has expired meanwhile, and a wait becomes the attempt
/// that it was for. Forwards, with a tick: whatever was missed happens once.
pub(super) fn clock_jump_changes_only_waiting(step: &Step<'_>) -> Verdict {
    if let Some(twin) = step.at_once {
        if step.cx.now <= step.before.now() {
            let same = step.actions == twin.actions && step.after == twin.after;
            return if same { Ok(()) } else { Err("a clock that runs backwards has an effect") };
        }
        if step.event != Event::Tick {
            let before_dial = |phase: &Phase| {
                matches!(
                    phase,
                    Phase::Waiting { .. } | Phase::Authorizing { .. } | Phase::Connecting { .. }
                )
            };
            let (phase, at_once) = (step.after.phase(), twin.after.phase());
            let only_the_wait = before_dial(phase) && before_dial(at_once);
            if phase.index() != at_once.index() && !only_the_wait {
                return Err("a deadline fires without a tick");
            }
        }
    }
    let twice = step.count(|action| matches!(action, Action::SendPing { .. })) > 1
        || step.count(is_effort) > 1
        || step.count(|action| matches!(action, Action::ScheduleRetry { .. })) > 1
        || step.count(|action| matches!(action, Action::Close { .. })) > 1;
    if twice { Err("something happens twice at once") } else { Ok(()) }
}

pub(super) fn schedule_announced(step: &Step<'_>) -> Verdict {
    let announced = step.actions.iter().find_map(|action| match action {
        Action::ScheduleRetry { at, attempt, .. } => Some((*at, *attempt)),
        _ => None,
    });
    let Phase::Waiting { until } = *step.after.phase() else {
        // A wait that has no length ends in the step in which it began.
        let passed = announced.is_none_or(|(at, _)| at <= step.now());
        return if passed { Ok(()) } else { Err("a wait is announced that is not held") };
    };
    let attempt = step.after.attempts().saturating_add(1);
    let goes_on = matches!(step.before.phase(), Phase::Waiting { until: before } if *before == until)
        && step.before.attempts() == step.after.attempts();
    match announced {
        Some(pair) if pair != (until, attempt) => {
            return Err("the announced wait is not the one that is held");
        }
        Some(_) if goes_on => return Err("the same wait is announced twice"),
        None if !goes_on => return Err("a wait is not announced"),
        Some(_) | None => {}
    }
    if step.seen.scheduled != Some(until) {
        return Err("the last announcement names another instant");
    }
    let window = match step.after.resumable() {
        redial_core::Resumable::Until(at) => at.min(until),
        redial_core::Resumable::No | redial_core::Resumable::Always => until,
    };
    if step.timeout == Some(window) { Ok(()) } else { Err("the driver arms another instant") }
}

pub(super) fn floor_respected(step: &Step<'_>) -> Verdict {
    // A token that has just come is used at once, and a refused renewal gets one regeneration at
    // once: both belong to the attempt that began with the request.
    let goes_on = matches!(
        step.event,
        Event::TokenReady { .. } | Event::TokenOffered { .. } | Event::TokenFailed { .. }
    );
    let early = step.before.pace() > step.now();
    if early && !goes_on && step.count(is_effort) > 0 {
        return Err("an attempt before the floor has passed");
    }
    Ok(())
}

/// Returns whether something costs the server an exchange.
pub(super) fn is_effort(action: &Action) -> bool {
    matches!(
        action,
        Action::Connect { .. } | Action::RegenerateToken { .. } | Action::RenewToken { .. }
    )
}

/// Returns whether the event ends the newest connection by itself.
fn is_end(step: &Step<'_>) -> bool {
    matches!(step.event, Event::Closed { conn, .. } if conn == step.before.newest_conn())
}

/// Returns whether the event belongs to something that is gone.
fn is_stale(step: &Step<'_>) -> bool {
    let gone = step.seen_before.conn == Link::None;
    let newest = step.before.newest_conn();
    match step.event {
        // A loss may be reported more than once.
        Event::Closed { conn, .. } | Event::Refused { conn, .. } => conn != newest,
        Event::Dialing { conn }
        | Event::Opened { conn }
        | Event::Announced { conn, .. }
        | Event::Ready { conn, .. }
        | Event::Ack { conn, .. } => conn != newest || gone,
        Event::TokenReady { token, .. } | Event::TokenFailed { token, .. } => {
            !step.before.is_token_pending(token)
        }
        Event::TokenRejected { token } => {
            !matches!(step.before.token(), Token::Held { token: held, .. } if held == token)
        }
        Event::Connect
        | Event::Recover
        | Event::Reconnect { .. }
        | Event::NetworkChanged
        | Event::Renew
        | Event::Shutdown
        | Event::TokenOffered { .. }
        | Event::Tick
        | Event::Throttled { .. } => false,
    }
}
