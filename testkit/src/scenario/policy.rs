//! Policies read from bytes.

use redial_core::{
    Backoff, Clip, Delay, Growth, Intent, Jitter, Keepalive, Pace, Policy, PolicySpec, Recovery,
    Renew, Reset, Resume, Rule, Rules, Span, Timeouts, TokenPolicy, TokenUse, Verdict, Wait, When,
};

use super::Source;

/// Reads a policy. Every one is without contradictions: it comes from
/// [`Policy::try_new`].
///
/// Its spans are those of life, from milliseconds to minutes; its rules are about the codes that
/// histories draw from, so each verdict can be reached.
#[must_use]
pub fn policy(source: &mut Source<'_>) -> Policy {
    let rules: Vec<Rule> = WHENS.iter().filter_map(|when| rule(source, *when)).collect();
    let spec = PolicySpec {
        rules: Rules::try_new(&rules).expect("fewer rules than the capacity"),
        otherwise: match source.below(12) {
            0..=6 => Verdict::Retry(Recovery::KEEP),
            7..=9 => Verdict::Retry(Recovery::REGENERATE),
            10 => Verdict::Retry(recovery(source)),
            _ => Verdict::Suspend,
        },
        backoff: backoff(source),
        keepalive: keepalive(source),
        token: token(source),
        resume: match source.below(3) {
            0 => Resume::Never,
            1 => Resume::Within(source.span(0, 120_000)),
            _ => Resume::Always,
        },
        timeouts: timeouts(source),
        floor: source.span(1, 3_000),
        retry_after_max: source.span(1, 120_000),
    };
    Policy::try_new(spec).expect("a policy made without contradictions")
}

/// Reads how a dead peer is noticed. It never contradicts itself.
#[must_use]
pub fn keepalive(source: &mut Source<'_>) -> Keepalive {
    let timeout = source.span(1, 15_000);
    let misses = 1 + source.below(3);
    let verdict = timeout.as_millis() * u32::from(misses);
    match source.below(8) {
        0..=2 => {
            let interval = source.span(verdict, verdict + 60_000);
            Keepalive::Probe { interval, timeout, misses, pace: Pace::Steady }
        }
        3..=5 => {
            let interval = source.span(1, 60_000);
            Keepalive::Probe { interval, timeout, misses, pace: Pace::Quiet }
        }
        6 => Keepalive::Listen { within: source.span(1, 60_000) },
        _ => Keepalive::Off,
    }
}

fn rule(source: &mut Source<'_>, when: When) -> Option<Rule> {
    let verdict = match source.below(16) {
        0..=3 => return None,
        4..=6 => Verdict::Retry(Recovery::KEEP),
        7..=9 => Verdict::Retry(Recovery::REGENERATE),
        10 | 11 => Verdict::Retry(recovery(source)),
        12 | 13 => Verdict::Suspend,
        _ => Verdict::Stop,
    };
    Some(Rule::new(when, verdict))
}

fn recovery(source: &mut Source<'_>) -> Recovery {
    Recovery {
        token: source.pick(&[TokenUse::Keep, TokenUse::Regenerate]),
        intent: source.pick(&[Intent::Resume, Intent::Restart]),
        delay: match source.below(3) {
            0 => Delay::Backoff,
            1 => Delay::Now,
            _ => Delay::AtLeast(source.span(0, 20_000)),
        },
    }
}

fn backoff(source: &mut Source<'_>) -> Backoff {
    let first = source.span(1, 10_000);
    let longer = |source: &mut Source<'_>, by: u32| {
        Span::from_millis(first.as_millis() + source.span(0, by).as_millis())
    };
    let growth = match source.below(4) {
        0 => Growth::Fixed(first),
        1 => {
            let percent = 101 + source.number() % 400;
            Growth::Exponential { first, percent, cap: longer(source, 60_000) }
        }
        2 => Growth::Linear { first, step: source.span(1, 5_000), cap: longer(source, 60_000) },
        _ => {
            let mut wait = first;
            Growth::Table(std::array::from_fn(|_| {
                wait = Span::from_millis(wait.as_millis() + source.span(0, 5_000).as_millis());
                wait
            }))
        }
    };
    Backoff {
        growth,
        jitter: match source.below(5) {
            0 => Jitter::None,
            1 => Jitter::Additive(source.span(1, 5_000)),
            2 => Jitter::Full,
            3 => Jitter::Equal,
            _ => Jitter::SocketIo { percent: 1 + u16::from(source.below(100)) },
        },
        clip: source.pick(&[Clip::ThenJitter, Clip::AfterJitter]),
        attempts: match source.below(4) {
            0 | 1 => None,
            _ => Some(u16::from(source.below(8))),
        },
        reset: match source.below(3) {
            0 | 1 => Reset::Online,
            _ => Reset::Stable(source.span(1, 60_000)),
        },
    }
}

fn token(source: &mut Source<'_>) -> TokenPolicy {
    TokenPolicy {
        single_use: source.below(4) == 3,
        renew: match source.below(3) {
            0 => Renew::Never,
            1 => Renew::Before(source.span(0, 60_000)),
            _ => Renew::Every(source.span(1, 300_000)),
        },
        rejections: match source.below(3) {
            0 => None,
            _ => Some(1 + source.below(4)),
        },
    }
}

fn timeouts(source: &mut Source<'_>) -> Timeouts {
    Timeouts {
        token: (source.below(4) < 3).then(|| source.span(1, 30_000)),
        http: source.span(1, 10_000),
        connect: source.span(1, 20_000),
        ready: source.span(1, 10_000),
        close: source.span(1, 5_000),
        request: source.span(1, 10_000),
    }
}

/// What rules are about. None overlaps another.
const WHENS: [When; 16] = [
    When::Close(1000, 1000),
    When::Close(1006, 1006),
    When::Close(1011, 1013),
    When::Close(4401, 4401),
    When::Close(4402, 4410),
    When::Handshake(401, 401),
    When::Handshake(403, 429),
    When::Handshake(500, 599),
    When::Http(401, 401),
    When::Http(403, 499),
    When::Http(500, 599),
    When::Refused(1, 9),
    When::Refused(10, 10),
    When::Timeout(Wait::Pong),
    When::Timeout(Wait::Ready),
    When::Overflow,
];
