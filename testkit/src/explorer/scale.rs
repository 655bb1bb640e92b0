//! A policy with small spans.

use redial_core::{
    Backoff, Delay, Growth, Jitter, Keepalive, Pace, Policy, PolicySpec, Recovery, Renew, Reset,
    Resume, Rule, Rules, Span, Timeouts, TokenPolicy, Verdict,
};

/// Returns the same policy with its spans replaced by small ones in the same order.
///
/// A session's time is told by the order in which its deadlines come, and every deadline is a span
/// away from an event. Equal spans stay equal, shorter ones stay shorter, zero stays zero; the
/// numbers are 1, 2, 3, and so on milliseconds, with room where several probes must fit between
/// two. What is lost is how often a short span fits into a long one: a session that probes ten
/// times between two renewals does so once. The limits of HTTP exchanges and requests, which the
/// machine does not know, become 1 ms.
#[must_use]
pub fn scaled_to_small(policy: &Policy) -> Policy {
    let mut spans: Vec<Span> = named_spans(policy).into_iter().map(|(_, span)| span).collect();
    spans.sort_unstable();
    spans.dedup();
    let mut small: Vec<(Span, u32)> = Vec::new();
    let at_least = |span: Span, small: &[(Span, u32)]| match policy.spec().keepalive {
        Keepalive::Probe { interval, timeout, misses, pace: Pace::Steady } if interval == span => {
            small
                .iter()
                .find(|(known, _)| *known == timeout)
                .map_or(0, |(_, timeout)| timeout * u32::from(misses))
        }
        Keepalive::Off | Keepalive::Probe { .. } | Keepalive::Listen { .. } => 0,
    };
    for span in spans.into_iter().filter(|span| !span.is_zero()) {
        let next = small.last().map_or(1, |(_, last)| last + 1);
        small.push((span, next.max(at_least(span, &small))));
    }
    let spec = mapped(policy.spec(), &mut |_, span| {
        let found = small.binary_search_by_key(&span, |(known, _)| *known);
        found.map_or(span, |at| Span::from_millis(small[at].1))
    });
    let unknown = Span::from_millis(1);
    let timeouts = Timeouts { http: unknown, request: unknown, ..spec.timeouts };
    Policy::try_new(PolicySpec { timeouts, ..spec }).expect("the order of the spans is kept")
}

/// Returns the same policy with a budget of at most `most` attempts.
///
/// Attempts are a dimension of their own: sixty of them make sixty times as many states, in which
/// nothing else differs once the waits no longer grow.
#[must_use]
pub fn with_few_attempts(policy: &Policy, most: u16) -> Policy {
    let mut spec = *policy.spec();
    spec.backoff.attempts = spec.backoff.attempts.map(|attempts| attempts.min(most.max(1)));
    Policy::try_new(spec).unwrap_or(*policy)
}

/// Returns every span of the policy that the machine knows, with its name.
#[must_use]
pub fn named_spans(policy: &Policy) -> Vec<(&'static str, Span)> {
    let mut spans = Vec::new();
    mapped(policy.spec(), &mut |name, span| {
        if spans.last() != Some(&(name, span)) {
            spans.push((name, span));
        }
        span
    });
    spans
}

/// Replaces each span that the machine knows.
fn mapped(spec: &PolicySpec, map: &mut impl FnMut(&'static str, Span) -> Span) -> PolicySpec {
    let rules: Vec<Rule> = spec
        .rules
        .as_slice()
        .iter()
        .map(|rule| Rule { verdict: mapped_verdict(rule.verdict, map), ..*rule })
        .collect();
    PolicySpec {
        rules: Rules::try_new(&rules).expect("as many rules as before"),
        otherwise: mapped_verdict(spec.otherwise, map),
        floor: map("floor", spec.floor),
        backoff: mapped_backoff(spec.backoff, map),
        keepalive: match spec.keepalive {
            Keepalive::Off => Keepalive::Off,
            Keepalive::Probe { interval, timeout, misses, pace } => Keepalive::Probe {
                interval: map("probe", interval),
                timeout: map("unanswered", timeout),
                misses,
                pace,
            },
            Keepalive::Listen { within } => Keepalive::Listen { within: map("silence", within) },
        },
        token: TokenPolicy {
            renew: match spec.token.renew {
                Renew::Never => Renew::Never,
                Renew::BeforeDial(span) => Renew::BeforeDial(map("margin before a dial", span)),
                Renew::Before(span) => Renew::Before(map("renew before", span)),
                Renew::Every(span) => Renew::Every(map("renew every", span)),
            },
            ..spec.token
        },
        resume: match spec.resume {
            Resume::Within(span) => Resume::Within(map("resume", span)),
            Resume::Never | Resume::Always => spec.resume,
        },
        timeouts: Timeouts {
            token: spec.timeouts.token.map(|span| map("token", span)),
            connect: map("connect", spec.timeouts.connect),
            ready: map("ready", spec.timeouts.ready),
            close: map("close", spec.timeouts.close),
            ..spec.timeouts
        },
        retry_after_max: map("longest Retry-After", spec.retry_after_max),
    }
}

fn mapped_verdict(verdict: Verdict, map: &mut impl FnMut(&'static str, Span) -> Span) -> Verdict {
    match verdict {
        Verdict::Retry(Recovery { token, intent, delay: Delay::AtLeast(span) }) => {
            let delay = Delay::AtLeast(map("delay", span));
            Verdict::Retry(Recovery { token, intent, delay })
        }
        Verdict::Retry(_) | Verdict::Suspend | Verdict::Stop => verdict,
    }
}

fn mapped_backoff(backoff: Backoff, map: &mut impl FnMut(&'static str, Span) -> Span) -> Backoff {
    Backoff {
        growth: match backoff.growth {
            Growth::Fixed(wait) => Growth::Fixed(map("wait", wait)),
            Growth::Exponential { first, percent, cap } => Growth::Exponential {
                first: map("wait", first),
                percent,
                cap: map("longest wait", cap),
            },
            Growth::Linear { first, step, cap } => Growth::Linear {
                first: map("wait", first),
                step: map("more", step),
                cap: map("longest wait", cap),
            },
            Growth::Table(waits) => Growth::Table(waits.map(|wait| map("wait", wait))),
        },
        jitter: match backoff.jitter {
            Jitter::Additive(most) => Jitter::Additive(map("jitter", most)),
            Jitter::None | Jitter::Full | Jitter::Equal | Jitter::SocketIo { .. } => backoff.jitter,
        },
        reset: match backoff.reset {
            Reset::Online => Reset::Online,
            Reset::Stable(span) => Reset::Stable(map("stable", span)),
        },
        ..backoff
    }
}
