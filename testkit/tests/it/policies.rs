//! The policies that are explored.

use redial_core::{
    Backoff, Clip, Delay, Growth, Intent, Jitter, Keepalive, Pace, Policy, PolicySpec, Recovery,
    Renew, Reset, Resume, Rule, Rules, Span, Timeouts, TokenPolicy, TokenUse, Verdict, Wait, When,
};

/// The numbers of LivePerson's seed.
pub(crate) const LIVEPERSON: Policy = Policy::new(PolicySpec {
    rules: Rules::new(&[
        Rule::close(4401, REGENERATE),
        Rule::close(4407, REGENERATE),
        Rule::close(1011, REGENERATE),
        Rule::new(When::Handshake(0, u16::MAX), REGENERATE),
        Rule::new(When::Http(0, u16::MAX), REGENERATE),
    ]),
    otherwise: Verdict::Retry(Recovery::KEEP),
    backoff: Backoff::fixed(Span::from_secs(10)),
    keepalive: Keepalive::Probe {
        interval: Span::from_secs(30),
        timeout: Span::from_secs(10),
        misses: 1,
        pace: Pace::Steady,
    },
    token: TokenPolicy {
        single_use: false,
        renew: Renew::Every(Span::from_secs(300)),
        rejections: None,
    },
    resume: Resume::Never,
    ..PolicySpec::DEFAULT
});

/// Few and short spans, and every verdict: it leads to each phase.
pub(crate) const SHORT: Policy = Policy::new(PolicySpec {
    rules: Rules::new(&[
        Rule::close(4401, REGENERATE),
        Rule::close(4403, Verdict::Suspend),
        Rule::close(4404, Verdict::Stop),
        Rule::new(When::Timeout(Wait::Pong), AT_ONCE),
        Rule::handshake(401, REGENERATE),
        Rule::http(401, REGENERATE),
        Rule::refused(1, Verdict::Retry(Recovery { intent: Intent::Restart, ..Recovery::KEEP })),
    ]),
    otherwise: Verdict::Retry(Recovery::KEEP),
    backoff: Backoff { attempts: Some(2), ..Backoff::fixed(Span::from_millis(2)) },
    keepalive: Keepalive::Probe {
        interval: Span::from_millis(2),
        timeout: Span::from_millis(1),
        misses: 2,
        pace: Pace::Steady,
    },
    token: TokenPolicy { single_use: false, renew: Renew::Never, rejections: Some(2) },
    resume: Resume::Never,
    timeouts: TIMEOUTS,
    floor: Span::from_millis(1),
    retry_after_max: Span::from_millis(3),
});

/// A session that can be resumed for a while, with tokens that serve once and waits that grow.
pub(crate) const RESUMING: Policy = Policy::new(PolicySpec {
    rules: Rules::new(&[
        Rule::close(
            4401,
            Verdict::Retry(Recovery {
                token: TokenUse::Regenerate,
                intent: Intent::Resume,
                delay: Delay::Now,
            }),
        ),
        Rule::handshake(
            429,
            Verdict::Retry(Recovery {
                delay: Delay::AtLeast(Span::from_millis(3)),
                ..Recovery::KEEP
            }),
        ),
        Rule::http(401, REGENERATE),
        Rule::new(When::Timeout(Wait::Ready), AT_ONCE),
    ]),
    otherwise: Verdict::Retry(Recovery::KEEP),
    backoff: Backoff {
        growth: Growth::Exponential {
            first: Span::from_millis(1),
            percent: 200,
            cap: Span::from_millis(2),
        },
        jitter: Jitter::Full,
        clip: Clip::ThenJitter,
        attempts: None,
        reset: Reset::Stable(Span::from_millis(2)),
    },
    keepalive: Keepalive::Listen { within: Span::from_millis(2) },
    token: TokenPolicy { single_use: true, renew: Renew::Never, rejections: Some(1) },
    resume: Resume::Within(Span::from_millis(3)),
    timeouts: Timeouts { token: None, ..TIMEOUTS },
    floor: Span::from_millis(1),
    retry_after_max: Span::from_millis(3),
});

/// Tokens that expire, a quiet pace, and no end to the resumption.
pub(crate) const EXPIRING: Policy = Policy::new(PolicySpec {
    rules: Rules::new(&[Rule::close(4401, REGENERATE), Rule::http(401, REGENERATE)]),
    backoff: Backoff::fixed(Span::from_millis(1)),
    keepalive: Keepalive::Probe {
        interval: Span::from_millis(2),
        timeout: Span::from_millis(1),
        misses: 2,
        pace: Pace::Quiet,
    },
    token: TokenPolicy {
        single_use: false,
        renew: Renew::Before(Span::from_millis(1)),
        rejections: Some(2),
    },
    resume: Resume::Always,
    timeouts: TIMEOUTS,
    floor: Span::from_millis(1),
    retry_after_max: Span::from_millis(2),
    ..PolicySpec::DEFAULT
});

const REGENERATE: Verdict = Verdict::Retry(Recovery::REGENERATE);

const AT_ONCE: Verdict = Verdict::Retry(Recovery { delay: Delay::Now, ..Recovery::KEEP });

const TIMEOUTS: Timeouts = Timeouts {
    token: Some(Span::from_millis(2)),
    http: Span::from_millis(1),
    connect: Span::from_millis(2),
    ready: Span::from_millis(1),
    close: Span::from_millis(1),
    request: Span::from_millis(1),
};
