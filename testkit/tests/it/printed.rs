//! A recorded session, decided as it was then. Printed by `redial replay --to-test`.

use redial_core::{Action, Backoff, Cause, Clip, ConnId, Continuity, Cx, Delay, Event, Evidence, Growth, Intent, Jitter, Keepalive, Machine, Notice, Pace, Policy, PolicySpec, Reason, Recovery, Renew, Reset, Resume, Rule, Rules, Span, StopReason, Timeouts, Timestamp, TokenId, TokenPolicy, TokenUse, Verdict, Wait, When};

#[test]
fn the_recorded_session_is_decided_as_it_was() {
    let mut machine = Machine::new();
    for (number, (cx, event, actions)) in STEPS.iter().enumerate() {
        let decided = machine.handle(&POLICY, *cx, *event);
        assert_eq!(decided.as_slice(), *actions, "step {}: {event:?}", number + 1);
    }
}

const POLICY: Policy = Policy::new(PolicySpec { rules: Rules::new(&[Rule { when: When::Close(4401, 4401), verdict: Verdict::Retry(Recovery { token: TokenUse::Regenerate, intent: Intent::Resume, delay: Delay::Backoff }) }, Rule { when: When::Close(4407, 4407), verdict: Verdict::Retry(Recovery { token: TokenUse::Regenerate, intent: Intent::Resume, delay: Delay::Backoff }) }, Rule { when: When::Close(1011, 1011), verdict: Verdict::Retry(Recovery { token: TokenUse::Regenerate, intent: Intent::Resume, delay: Delay::Backoff }) }, Rule { when: When::Handshake(0, 65535), verdict: Verdict::Retry(Recovery { token: TokenUse::Regenerate, intent: Intent::Resume, delay: Delay::Backoff }) }, Rule { when: When::Http(0, 65535), verdict: Verdict::Retry(Recovery { token: TokenUse::Regenerate, intent: Intent::Resume, delay: Delay::Backoff }) }]), otherwise: Verdict::Retry(Recovery { token: TokenUse::Keep, intent: Intent::Resume, delay: Delay::Backoff }), backoff: Backoff { growth: Growth::Fixed(Span::from_millis(10000)), jitter: Jitter::None, clip: Clip::ThenJitter, attempts: None, reset: Reset::Online }, keepalive: Keepalive::Probe { interval: Span::from_millis(30000), timeout: Span::from_millis(10000), misses: 1, pace: Pace::Steady }, token: TokenPolicy { single_use: false, renew: Renew::Every(Span::from_millis(300000)), rejections: None }, resume: Resume::Never, timeouts: Timeouts { token: Some(Span::from_millis(30000)), http: Span::from_millis(10000), connect: Span::from_millis(20000), ready: Span::from_millis(10000), close: Span::from_millis(5000), request: Span::from_millis(10000) }, floor: Span::from_millis(1000), retry_after_max: Span::from_millis(86400000) });

const STEPS: &[(Cx, Event, &[Action])] = &[
    (Cx::new(Timestamp::from_millis(1700000000000), 0), Event::Connect, &[Action::RegenerateToken { token: TokenId::new(1), reason: Reason::Start }]),
    (Cx::new(Timestamp::from_millis(1700000000400), 439804651110400), Event::TokenReady { token: TokenId::new(1), expires_in: None, resumable: false }, &[Action::Notify(Notice::Token { token: TokenId::new(1), expires_in: None }), Action::Connect { conn: ConnId::new(1), intent: Intent::Restart, attempt: 0 }]),
    (Cx::new(Timestamp::from_millis(1700000000401), 440904162738176), Event::Dialing { conn: ConnId::new(1) }, &[]),
    (Cx::new(Timestamp::from_millis(1700000000520), 571746046443520), Event::Opened { conn: ConnId::new(1) }, &[]),
    (Cx::new(Timestamp::from_millis(1700000000520), 571746046443520), Event::Ready { conn: ConnId::new(1), continuity: Continuity::Fresh }, &[Action::Notify(Notice::Online { conn: ConnId::new(1), continuity: Continuity::Fresh })]),
    (Cx::new(Timestamp::from_millis(1700000030520), 33557094879723520), Event::Tick, &[Action::SendPing { conn: ConnId::new(1) }]),
    (Cx::new(Timestamp::from_millis(1700000030600), 33645055809945600), Event::Ack { conn: ConnId::new(1), evidence: Evidence::Probe }, &[]),
    (Cx::new(Timestamp::from_millis(1700000060520), 66542443713003520), Event::Tick, &[Action::SendPing { conn: ConnId::new(1) }]),
    (Cx::new(Timestamp::from_millis(1700000070520), 77537559990763520), Event::Tick, &[Action::Close { conn: ConnId::new(1), code: None }, Action::Notify(Notice::Offline { conn: ConnId::new(1), cause: Cause::Timeout(Wait::Pong) }), Action::ScheduleRetry { at: Timestamp::from_millis(1700000080520), attempt: 1, token: TokenUse::Keep, cause: Cause::Timeout(Wait::Pong), not_before: None }]),
    (Cx::new(Timestamp::from_millis(1700000070530), 77548555107041280), Event::Closed { conn: ConnId::new(1), cause: Cause::Network, retry_after: None }, &[]),
    (Cx::new(Timestamp::from_millis(1700000080520), 88532676268523520), Event::Tick, &[Action::Connect { conn: ConnId::new(2), intent: Intent::Restart, attempt: 1 }]),
    (Cx::new(Timestamp::from_millis(1700000080521), 88533775780151296), Event::Dialing { conn: ConnId::new(2) }, &[]),
    (Cx::new(Timestamp::from_millis(1700000080700), 88730588361523200), Event::Closed { conn: ConnId::new(2), cause: Cause::Handshake(401), retry_after: None }, &[Action::ScheduleRetry { at: Timestamp::from_millis(1700000090700), attempt: 2, token: TokenUse::Regenerate, cause: Cause::Handshake(401), not_before: None }]),
    (Cx::new(Timestamp::from_millis(1700000090700), 99725704639283200), Event::Tick, &[Action::RegenerateToken { token: TokenId::new(2), reason: Reason::Rejected }]),
    (Cx::new(Timestamp::from_millis(1700000091000), 100055558127616000), Event::TokenFailed { token: TokenId::new(2), cause: Cause::Http { step: 1, status: 429 }, retry_after: Some(Span::from_millis(60000)) }, &[Action::ScheduleRetry { at: Timestamp::from_millis(1700000151000), attempt: 3, token: TokenUse::Regenerate, cause: Cause::Http { step: 1, status: 429 }, not_before: Some(Timestamp::from_millis(1700000151000)) }]),
    (Cx::new(Timestamp::from_millis(1700000095000), 104453604638720000), Event::Recover, &[]),
    (Cx::new(Timestamp::from_millis(1700000151000), 166026255794176000), Event::Tick, &[Action::RegenerateToken { token: TokenId::new(3), reason: Reason::Rejected }]),
    (Cx::new(Timestamp::from_millis(1700000151300), 166356109282508800), Event::TokenReady { token: TokenId::new(3), expires_in: None, resumable: false }, &[Action::Notify(Notice::Token { token: TokenId::new(3), expires_in: None }), Action::Connect { conn: ConnId::new(3), intent: Intent::Restart, attempt: 3 }]),
    (Cx::new(Timestamp::from_millis(1700000151301), 166357208794136576), Event::Dialing { conn: ConnId::new(3) }, &[]),
    (Cx::new(Timestamp::from_millis(1700000151400), 166466060445286400), Event::Opened { conn: ConnId::new(3) }, &[]),
    (Cx::new(Timestamp::from_millis(1700000151400), 166466060445286400), Event::Ready { conn: ConnId::new(3), continuity: Continuity::Fresh }, &[Action::Notify(Notice::Online { conn: ConnId::new(3), continuity: Continuity::Fresh })]),
    (Cx::new(Timestamp::from_millis(1700000160000), 175921860444160000), Event::Closed { conn: ConnId::new(3), cause: Cause::Close(4401), retry_after: None }, &[Action::Notify(Notice::Offline { conn: ConnId::new(3), cause: Cause::Close(4401) }), Action::ScheduleRetry { at: Timestamp::from_millis(1700000170000), attempt: 1, token: TokenUse::Regenerate, cause: Cause::Close(4401), not_before: None }]),
    (Cx::new(Timestamp::from_millis(1700000160001), 175922959955787776), Event::Shutdown, &[Action::Notify(Notice::Stopped { reason: StopReason::Requested })]),
];
