//! Numbers and causes in words.

use redial_core::{
    Adapter, Cause, Delay, Intent, Keepalive, Reason, Recovery, Rule, Span, Terms, Timestamp,
    TokenUse, Verdict, Wait, When,
};

/// Instants, counted from the beginning of a trace.
#[derive(Clone, Copy, Debug)]
pub(super) struct At(pub(super) Timestamp);

impl At {
    pub(super) fn of(self, instant: Timestamp) -> String {
        if instant == Timestamp::ZERO {
            return "the beginning of time".to_owned();
        }
        match instant.as_millis().checked_sub(self.0.as_millis()) {
            Some(millis) => format!("+{}", seconds(millis)),
            None => format!("-{}", seconds(self.0.as_millis() - instant.as_millis())),
        }
    }
}

pub(super) fn span(span: Span) -> String {
    seconds(u64::from(span.as_millis()))
}

fn seconds(millis: u64) -> String {
    if millis < 1000 {
        return format!("{millis} ms");
    }
    let (whole, rest) = (millis / 1000, millis % 1000);
    if rest == 0 {
        return format!("{whole} s");
    }
    format!("{whole}.{} s", format!("{rest:03}").trim_end_matches('0'))
}

/// What a vendor calls what a trace has numbers for.
///
/// They are what [`Adapter::step_name`](redial_core::Adapter::step_name) and
/// [`Adapter::refusal_name`](redial_core::Adapter::refusal_name) of its adapter return.
#[derive(Clone, Copy, Debug)]
pub struct Names {
    step: Option<fn(u8) -> &'static str>,
    refusal: Option<fn(u16) -> &'static str>,
}

impl Names {
    /// No names, so that numbers stay numbers.
    pub const NUMBERS: Self = Self { step: None, refusal: None };

    /// Takes the names of an adapter.
    #[must_use]
    pub fn of<A: Adapter>() -> Self {
        Self { step: Some(A::step_name), refusal: Some(A::refusal_name) }
    }
}

pub(super) fn cause(cause: Cause, names: Names) -> String {
    match cause {
        Cause::Close(1005) => "a close frame without a code".to_owned(),
        Cause::Close(code) => format!("a close frame with code {code}"),
        Cause::Handshake(status) => format!("status {status} in answer to the upgrade"),
        Cause::Http { step, status } => match names.step {
            Some(name) => format!("status {status} in answer to the step \"{}\"", name(step)),
            None => format!("status {status} in answer to the adapter's HTTP step {step}"),
        },
        Cause::Refused(code) => match names.refusal {
            Some(name) => format!("the vendor's refusal {code}, \"{}\"", name(code)),
            None => format!("the vendor's refusal {code}"),
        },
        Cause::Timeout(Wait::Token) => "no token in time".to_owned(),
        Cause::Timeout(Wait::Connect) => "no connection in time".to_owned(),
        Cause::Timeout(Wait::Ready) => "not ready in time".to_owned(),
        Cause::Timeout(Wait::Pong) => "no answer to a probe".to_owned(),
        Cause::Timeout(Wait::Health) => "no sign of life".to_owned(),
        Cause::Network => "a failure of the network".to_owned(),
        Cause::Replaced => "a planned replacement".to_owned(),
        Cause::Requested => "the application's wish".to_owned(),
        Cause::Overflow => "more than may be held".to_owned(),
        Cause::Held => "a wait that moved".to_owned(),
    }
}

pub(super) fn verdict(verdict: Verdict) -> String {
    let Recovery { token, intent, delay } = match verdict {
        Verdict::Retry(recovery) => recovery,
        Verdict::Suspend => return "wait for the application".to_owned(),
        Verdict::Stop => return "give up".to_owned(),
    };
    let token = match token {
        TokenUse::Keep => "the same token",
        TokenUse::Regenerate => "a new token",
    };
    let intent = match intent {
        Intent::Resume => "the same session if there still is one",
        Intent::Restart => "a new session",
    };
    let delay = match delay {
        Delay::Backoff => "after the backoff".to_owned(),
        Delay::AtLeast(least) => {
            format!("after the backoff and, where the server names no time, {}", span(least))
        }
        Delay::Now => "at once".to_owned(),
    };
    format!("try again with {token} and {intent}, {delay}")
}

pub(super) fn rule(rule: Option<&Rule>) -> String {
    let Some(rule) = rule else {
        return "no rule names it, and otherwise the policy says".to_owned();
    };
    let codes = |name: &str, from: u16, to: u16| {
        if from == to { format!("{name} {from}") } else { format!("{name} {from} to {to}") }
    };
    let when = match rule.when {
        When::Close(from, to) => codes("close", from, to),
        When::Handshake(from, to) => codes("handshake", from, to),
        When::Http(from, to) => codes("http", from, to),
        When::Refused(from, to) => codes("refused", from, to),
        When::Timeout(wait) => format!(
            "timeout {}",
            match wait {
                Wait::Token => "token",
                Wait::Connect => "connect",
                Wait::Ready => "ready",
                Wait::Pong => "pong",
                Wait::Health => "health",
            }
        ),
        When::Network => "network".to_owned(),
        When::Replaced => "replaced".to_owned(),
        When::Overflow => "overflow".to_owned(),
    };
    format!("the rule \"{when}\" says")
}

pub(super) fn reason(reason: Reason) -> &'static str {
    match reason {
        Reason::Start => "there is none",
        Reason::Rejected => "a server rejected the one there was",
        Reason::Expiring => "the one there is expires",
        Reason::Policy => "the policy or the application wants a new one",
    }
}

/// Says what a server has announced.
pub(super) fn terms(terms: Terms) -> String {
    let mut said = Vec::new();
    if let Some(keepalive) = terms.keepalive {
        said.push(match keepalive {
            Keepalive::Off => "it is not watched".to_owned(),
            Keepalive::Probe { interval, timeout, misses, .. } => format!(
                "a probe every {}, each answered within {}, {misses} missed at most",
                span(interval),
                span(timeout)
            ),
            Keepalive::Listen { within } => format!("it is heard of every {}", span(within)),
        });
    }
    said.extend(terms.resume.map(|window| format!("it can be resumed for {}", span(window))));
    said.extend(terms.retire.map(|life| format!("it lives for {}", span(life))));
    if said.is_empty() { "none".to_owned() } else { said.join(", ") }
}
