//! Policies that contradict themselves, one answer for every cause, and sizes.

use core::mem::size_of;

use redial_core::{
    Action, Actions, Backoff, Cause, Event, Growth, Jitter, Keepalive, Machine, Pace, Phase,
    Policy, PolicyError, PolicySpec, Recovery, Renew, Reset, Rule, Rules, Span, Speed, TokenPolicy,
    Verdict, Wait, When,
};

use crate::support::LIVEPERSON;

const KEEP: Verdict = Verdict::Retry(Recovery::KEEP);
const REGENERATE: Verdict = Verdict::Retry(Recovery::REGENERATE);

#[test]
fn a_policy_that_contradicts_itself_is_refused_with_the_reason() {
    let overlapping = [Rule::close(4401, KEEP), Rule::new(When::Close(4400, 4499), KEEP)];
    let twice = [Rule::new(When::Network, KEEP), Rule::new(When::Network, Verdict::Stop)];
    let pong = When::Timeout(Wait::Pong);
    let timeouts = [Rule::new(pong, KEEP), Rule::new(pong, Verdict::Stop)];
    let empty = [Rule::new(When::Http(500, 499), KEEP)];
    refused(PolicyError::OverlappingRules, |spec| spec.rules = Rules::new(&overlapping));
    refused(PolicyError::OverlappingRules, |spec| spec.rules = Rules::new(&twice));
    refused(PolicyError::OverlappingRules, |spec| spec.rules = Rules::new(&timeouts));
    refused(PolicyError::EmptyRule, |spec| spec.rules = Rules::new(&empty));
    assert_eq!(
        Rules::try_new(&[Rule::close(1, KEEP); Rules::CAPACITY + 1]),
        Err(PolicyError::TooManyRules)
    );

    let second = Span::from_secs(1);
    let exponential = |first, percent, cap| Growth::Exponential { first, percent, cap };
    let mut shrinking = [second; 8];
    shrinking[7] = Span::from_millis(999);
    for (error, growth) in [
        (PolicyError::ZeroSpan, Growth::Fixed(Span::ZERO)),
        (PolicyError::ZeroSpan, exponential(Span::ZERO, 200, second)),
        (PolicyError::ShrinkingBackoff, exponential(second, 100, second)),
        (PolicyError::ShrinkingBackoff, exponential(second, 200, Span::from_millis(999))),
        (PolicyError::ZeroSpan, Growth::Linear { first: second, step: Span::ZERO, cap: second }),
        (PolicyError::ShrinkingBackoff, Growth::Table(shrinking)),
        (PolicyError::ZeroSpan, Growth::Table([Span::ZERO; 8])),
    ] {
        refused(error, |spec| spec.backoff.growth = growth);
    }
    refused(PolicyError::ZeroSpan, |spec| spec.backoff.jitter = Jitter::Additive(Span::ZERO));
    refused(PolicyError::ZeroSpan, |spec| spec.backoff.reset = Reset::Stable(Span::ZERO));
    for percent in [0, 101] {
        refused(PolicyError::WideJitter, |spec| {
            spec.backoff.jitter = Jitter::SocketIo { percent };
        });
    }
    refused(PolicyError::NoAttempts, |spec| spec.token.rejections = Some(0));
    refused(PolicyError::ZeroSpan, |spec| spec.token.renew = Renew::Every(Span::ZERO));
    refused(PolicyError::ZeroSpan, |spec| spec.timeouts.connect = Span::ZERO);
    refused(PolicyError::ZeroSpan, |spec| spec.timeouts.token = Some(Span::ZERO));
    refused(PolicyError::ZeroSpan, |spec| spec.floor = Span::ZERO);
    refused(PolicyError::ZeroSpan, |spec| spec.retry_after_max = Span::ZERO);

    let probe = |interval, timeout, misses| Keepalive::Probe {
        interval: Span::from_secs(interval),
        timeout: Span::from_secs(timeout),
        misses,
        pace: Pace::Steady,
    };
    for (error, keepalive) in [
        (PolicyError::ZeroSpan, probe(0, 10, 1)),
        (PolicyError::ZeroSpan, probe(30, 0, 1)),
        (PolicyError::ZeroSpan, probe(30, 10, 0)),
        (PolicyError::SlowVerdict, probe(30, 10, 4)),
        (PolicyError::SlowVerdict, probe(30, 31, 1)),
        (PolicyError::ZeroSpan, Keepalive::Listen { within: Span::ZERO }),
    ] {
        refused(error, |spec| spec.keepalive = keepalive);
    }
}

#[test]
fn every_cause_has_a_verdict() {
    for code in 0..=u16::MAX {
        let expected = if matches!(code, 1011 | 4401 | 4407) { REGENERATE } else { KEEP };
        assert_eq!(LIVEPERSON.verdict(Cause::Close(code)), expected, "{code}");
        assert_eq!(LIVEPERSON.verdict(Cause::Handshake(code)), REGENERATE);
        assert_eq!(LIVEPERSON.verdict(Cause::Http { step: 3, status: code }), REGENERATE);
        assert_eq!(LIVEPERSON.verdict(Cause::Refused(code)), KEEP);
    }
    for cause in [
        Cause::Network,
        Cause::Replaced,
        Cause::Requested,
        Cause::Overflow,
        Cause::Held,
        Cause::Timeout(Wait::Token),
        Cause::Timeout(Wait::Pong),
    ] {
        assert_eq!(LIVEPERSON.verdict(cause), KEEP, "{cause:?}");
    }
}

#[test]
fn both_ends_of_a_range_belong_to_it() {
    let rules = [Rule::new(When::Close(4400, 4499), Verdict::Stop)];
    let spec = PolicySpec { rules: Rules::new(&rules), otherwise: KEEP, ..PolicySpec::DEFAULT };
    let policy = Policy::try_new(spec).expect("a policy without contradictions");
    for (code, verdict) in
        [(4399, KEEP), (4400, Verdict::Stop), (4499, Verdict::Stop), (4500, KEEP)]
    {
        assert_eq!(policy.verdict(Cause::Close(code)), verdict, "{code}");
    }
}

#[test]
fn a_policy_runs_faster_by_dividing_every_span() {
    let fast = LIVEPERSON.scaled(Speed::new(100));
    let spec = fast.spec();
    assert_eq!(spec.backoff.growth, Growth::Fixed(Span::from_millis(100)));
    assert_eq!(spec.token.renew, Renew::Every(Span::from_secs(3)));
    assert_eq!(spec.floor, Span::from_millis(10));
    assert_eq!(spec.timeouts.connect, Span::from_millis(200));
    assert_eq!(spec.retry_after_max, LIVEPERSON.spec().retry_after_max, "the server's own span");
    assert_eq!(Policy::try_new(*spec), Ok(fast));
    let fastest = LIVEPERSON.scaled(Speed::new(u32::MAX));
    assert_eq!(Policy::try_new(*fastest.spec()), Ok(fastest), "no span becomes zero");
    assert_eq!(LIVEPERSON.scaled(Speed::REAL), LIVEPERSON);
}

#[test]
fn states_events_and_actions_stay_small() {
    for (name, size, most) in [
        ("Machine", size_of::<Machine>(), 248),
        ("Phase", size_of::<Phase>(), 160),
        ("Event", size_of::<Event>(), 48),
        ("Action", size_of::<Action>(), 40),
        ("Actions", size_of::<Actions>(), 168),
        ("Policy", size_of::<Policy>(), 1_024),
        ("TokenPolicy", size_of::<TokenPolicy>(), 16),
        ("Backoff", size_of::<Backoff>(), 64),
    ] {
        println!("{name}: {size} bytes");
        assert!(size <= most, "{name}: {size} bytes");
    }
}

#[cfg(feature = "serde")]
#[test]
fn a_policy_survives_serialisation_and_is_checked_when_it_is_read() {
    for policy in [LIVEPERSON, Policy::new(PolicySpec::DEFAULT)] {
        let text = serde_json::to_string(&policy).expect("a policy is data");
        assert_eq!(serde_json::from_str::<Policy>(&text).ok(), Some(policy), "{text}");
    }
    let partial = r#"{ "backoff": { "growth": { "fixed": 5000 }, "jitter": "none",
        "clip": "then_jitter", "attempts": null, "reset": "online" } }"#;
    let policy: Policy = serde_json::from_str(partial).expect("the rest has defaults");
    assert_eq!(policy.spec().backoff, Backoff::fixed(Span::from_secs(5)));
    for (text, reason) in [
        (r#"{ "floor": 0 }"#, "a span that must not be zero is zero"),
        (
            r#"{ "rules": [{ "when": { "close": [1, 5] }, "verdict": "stop" },
                           { "when": { "close": [5, 9] }, "verdict": "suspend" }] }"#,
            "two rules decide about the same cause",
        ),
        (r#"{ "flor": 5 }"#, "unknown field `flor`"),
    ] {
        let error = serde_json::from_str::<Policy>(text).expect_err(text).to_string();
        assert!(error.contains(reason), "{error}");
    }
}

#[cfg(feature = "serde")]
#[test]
fn a_log_of_events_and_a_saved_machine_survive_serialisation() {
    use crate::support::{Rig, closed, token_failed};
    let mut rig = Rig::online(&LIVEPERSON);
    for event in [
        closed(1, Cause::Handshake(401)),
        token_failed(1, 429, Some(Span::from_secs(61))),
        Event::Reconnect { token: redial_core::TokenUse::Regenerate },
    ] {
        let text = serde_json::to_string(&event).expect("an event is data");
        assert_eq!(serde_json::from_str::<Event>(&text).ok(), Some(event), "{text}");
        rig.event(5_000, event);
        let text = serde_json::to_string(&rig.machine).expect("a machine is data");
        assert_eq!(serde_json::from_str::<Machine>(&text).ok(), Some(rig.machine), "{text}");
    }
}

fn refused(error: PolicyError, change: impl FnOnce(&mut PolicySpec)) {
    let mut spec = PolicySpec::DEFAULT;
    change(&mut spec);
    assert_eq!(Policy::try_new(spec), Err(error));
    assert!(!error.to_string().is_empty());
}
