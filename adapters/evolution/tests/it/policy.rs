//! The rules as numbers.

use redial_core::{
    Backoff, Cause, Keepalive, Pace, Policy, Recovery, Renew, Resume, Span, Verdict, Wait,
};
use redial_evolution::{codechat, v2};

const KEEP: Verdict = Verdict::Retry(Recovery::KEEP);
const REGENERATE: Verdict = Verdict::Retry(Recovery::REGENERATE);

#[test]
fn the_seeds_numbers() {
    let spec = codechat::POLICY.spec();
    assert_eq!(spec.backoff, Backoff::fixed(Span::from_millis(5_000)));
    assert_eq!(spec.backoff.attempts, None);
    assert_eq!(spec.token.rejections, None);
    assert_eq!(spec.token.renew, Renew::Never);
    assert_eq!(spec.resume, Resume::Never);
    let (interval, timeout) = (Span::from_secs(30), Span::from_secs(10));
    let probe = Keepalive::Probe { interval, timeout, misses: 1, pace: Pace::Quiet };
    assert_eq!(spec.keepalive, probe);
}

#[test]
fn every_number_has_a_verdict_and_none_of_them_is_the_end() {
    for code in 0..=u16::MAX {
        for policy in [codechat::POLICY, v2::POLICY] {
            assert_eq!(policy.verdict(Cause::Close(code)), KEEP);
            assert_ne!(policy.verdict(Cause::Handshake(code)), Verdict::Stop);
            assert_ne!(policy.verdict(Cause::Refused(code)), Verdict::Stop);
            assert_eq!(policy.verdict(Cause::Http { step: 0, status: code }), KEEP);
        }
    }
    for cause in [Cause::Network, Cause::Overflow, Cause::Timeout(Wait::Pong)] {
        assert_eq!(codechat::POLICY.verdict(cause), KEEP);
        assert_eq!(v2::POLICY.verdict(cause), KEEP);
    }
}

#[test]
fn refusals_of_the_upgrade_are_those_of_the_token() {
    let renewing = |policy: &Policy| -> Vec<u16> {
        (100..600)
            .filter(|status| policy.verdict(Cause::Handshake(*status)) == REGENERATE)
            .collect()
    };
    assert_eq!(renewing(&codechat::POLICY), [401, 403]);
    assert_eq!(renewing(&v2::POLICY), [400, 401, 403]);
}

#[test]
fn a_policy_survives_its_form_in_a_file() {
    for policy in [codechat::POLICY, v2::POLICY] {
        let text = serde_json::to_string(&policy).expect("JSON");
        assert_eq!(serde_json::from_str::<Policy>(&text).expect("a policy"), policy);
    }
}
