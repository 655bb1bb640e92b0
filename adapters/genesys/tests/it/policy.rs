//! The shipped rules, unscaled.

use redial_core::{
    Cause, Clip, Delay, Growth, Intent, Jitter, Keepalive, Pace, Recovery, Renew, Reset, Resume,
    Span, Speed, TokenUse, Verdict, Wait,
};
use redial_genesys::{guest, web};

use crate::support::{World, chat};

const NEW: Verdict = Verdict::Retry(Recovery {
    token: TokenUse::Regenerate,
    intent: Intent::Restart,
    delay: Delay::Backoff,
});
const KEEP: Verdict = Verdict::Retry(Recovery::KEEP);
const LIMITED: Verdict = Verdict::Retry(Recovery {
    token: TokenUse::Keep,
    intent: Intent::Resume,
    delay: Delay::AtLeast(Span::from_millis(5_000)),
});

#[test]
fn the_spans_of_the_guest_chat_are_the_guides() {
    let spec = guest::POLICY.spec();
    assert_eq!(
        spec.backoff.growth,
        Growth::Exponential {
            first: Span::from_millis(1_000),
            percent: 200,
            cap: Span::from_millis(30_000),
        }
    );
    assert_eq!(spec.backoff.jitter, Jitter::Additive(Span::from_millis(1_000)));
    assert_eq!((spec.backoff.clip, spec.backoff.attempts), (Clip::AfterJitter, Some(5)));
    assert_eq!(spec.backoff.reset, Reset::Online);
    assert_eq!(
        spec.keepalive,
        Keepalive::Probe {
            interval: Span::from_millis(10_000),
            timeout: Span::from_millis(10_000),
            misses: 2,
            pace: Pace::Quiet,
        }
    );
    assert_eq!(
        (spec.token.renew, spec.token.rejections),
        (Renew::BeforeDial(Span::from_secs(5)), Some(2))
    );
    assert!(!spec.token.single_use);
    assert_eq!(spec.resume, Resume::Always);
    let timeouts = spec.timeouts;
    assert_eq!(timeouts.token, Some(Span::from_millis(30_000)));
    let spans = [timeouts.http, timeouts.connect, timeouts.ready, timeouts.close, timeouts.request];
    assert_eq!(spans.map(Span::as_millis), [10_000, 20_000, 10_000, 5_000, 30_000]);
    assert_eq!((spec.floor.as_millis(), spec.retry_after_max.as_millis()), (1_000, 86_400_000));
}

#[test]
fn the_guest_chat_decides_about_every_status() {
    for code in 0..=u16::MAX {
        let http = match code {
            429 => LIMITED,
            408 => KEEP,
            400..=499 => Verdict::Stop,
            _ => KEEP,
        };
        assert_eq!(guest::POLICY.verdict(Cause::Http { step: 0, status: code }), http, "{code}");
        let handshake = match code {
            401 | 403 | 404 => NEW,
            429 => LIMITED,
            _ => KEEP,
        };
        assert_eq!(guest::POLICY.verdict(Cause::Handshake(code)), handshake, "{code}");
        let close = if matches!(code, 4401 | 4403 | 4404) { NEW } else { KEEP };
        assert_eq!(guest::POLICY.verdict(Cause::Close(code)), close, "{code}");
        let refused = match code {
            1 | 2 => Verdict::Suspend,
            3 => Verdict::Stop,
            401 => NEW,
            _ => KEEP,
        };
        assert_eq!(guest::POLICY.verdict(Cause::Refused(code)), refused, "{code}");
    }
    for wait in [Wait::Token, Wait::Connect, Wait::Ready, Wait::Pong, Wait::Health] {
        assert_eq!(guest::POLICY.verdict(Cause::Timeout(wait)), KEEP);
    }
}

#[test]
fn the_spans_of_web_messaging_are_the_vendors() {
    let spec = web::POLICY.spec();
    assert_eq!(spec.backoff.growth, Growth::Fixed(Span::from_millis(5_000)));
    assert_eq!(spec.backoff.jitter, Jitter::Additive(Span::from_millis(1_000)));
    assert_eq!((spec.backoff.clip, spec.backoff.attempts), (Clip::ThenJitter, Some(60)));
    assert_eq!(
        spec.keepalive,
        Keepalive::Probe {
            interval: Span::from_millis(15_000),
            timeout: Span::from_millis(15_000),
            misses: 1,
            pace: Pace::Steady,
        }
    );
    assert_eq!((spec.token.renew, spec.token.rejections), (Renew::Never, Some(3)));
    assert_eq!((spec.resume, spec.timeouts.token), (Resume::Always, None));
    assert_eq!((web::MESSAGES_PER_SECOND, web::REQUESTS_PER_MINUTE), (5, 60));
    assert_eq!(web::HEALTH_COOL_DOWN.as_millis(), 30_000);
    assert_eq!((web::EXPIRY_NOTICE.as_millis(), web::MAX_TEXT), (300_000, 4096));
}

#[test]
fn web_messaging_decides_about_every_code() {
    for code in 0..=u16::MAX {
        let restart = Recovery { intent: Intent::Restart, ..Recovery::KEEP };
        let refused = match code {
            1 | 4 | 400 | 401 | 403 | 404 | 409 | 4020 => Verdict::Suspend,
            2 | 3 => Verdict::Stop,
            429 => LIMITED,
            4006 | 4017 => NEW,
            4007 => Verdict::Retry(restart),
            _ => KEEP,
        };
        assert_eq!(web::POLICY.verdict(Cause::Refused(code)), refused, "{code}");
        let handshake = match code {
            403 => Verdict::Stop,
            429 => LIMITED,
            _ => KEEP,
        };
        assert_eq!(web::POLICY.verdict(Cause::Handshake(code)), handshake, "{code}");
        let close = if code == 1000 { Verdict::Suspend } else { KEEP };
        assert_eq!(web::POLICY.verdict(Cause::Close(code)), close, "{code}");
    }
    assert_eq!(web::POLICY.verdict(Cause::Network), KEEP);
}

#[test]
fn speed_divides_every_span() {
    let mut world = World::guest(chat().speed(Speed::new(100)));
    world.connect();
    world.answers = false;
    world.run(299);
    assert!(world.session.is_online());
    world.run(1);
    assert!(!world.session.is_online());
    assert_eq!(world.waits(), [(1, 10)]);
    let id = world.say("m1");
    for _ in 0..5 {
        world.step();
        world.fail_dial();
    }
    world.run_until(3_300);
    assert_eq!(world.fates(), [(id, redial_core::Fate::Expired)]);
}
