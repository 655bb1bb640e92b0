//! The shipped rules, unscaled.

use redial_core::{
    Cause, Fate, Input, Notice, Recovery, Span, Speed, SuspendReason, TokenUse, Verdict, Wait,
};
use redial_liveperson::{LivePerson, POLICY, POLICY_BACKOFF, Request};

use crate::support::{ACCOUNT, World, names, password};

#[test]
fn the_seed_decides_about_every_close_code() {
    for code in 0..=u16::MAX {
        let expected = match code {
            4401 | 4407 | 1011 => Recovery::REGENERATE,
            _ => Recovery::KEEP,
        };
        assert_eq!(POLICY.verdict(Cause::Close(code)), Verdict::Retry(expected));
    }
}

#[test]
fn every_http_status_below_1000_regenerates() {
    for status in 0..=999 {
        let regenerate = Verdict::Retry(Recovery::REGENERATE);
        assert_eq!(POLICY.verdict(Cause::Handshake(status)), regenerate);
        for step in 0..3 {
            assert_eq!(POLICY.verdict(Cause::Http { step, status }), regenerate);
        }
    }
    let keep = Verdict::Retry(Recovery::KEEP);
    assert_eq!(POLICY.verdict(Cause::Handshake(1000)), keep);
    for cause in [Cause::Network, Cause::Timeout(Wait::Pong), Cause::Timeout(Wait::Connect)] {
        assert_eq!(POLICY.verdict(cause), keep);
    }
}

#[test]
fn the_delay_is_ten_seconds_for_ever() {
    let mut world = World::online();
    world.lose(Cause::Network);
    let (lost_at, rounds) = (world.now, 1000);
    world.take_wire();
    for round in 1..=rounds {
        world.run_until(lost_at + round * 10_000);
        assert_eq!(names(&world.take_wire()), [(lost_at + round * 10_000, "dial bearer-1")]);
        let (conn, _) = world.dial.take().expect("a dial");
        world.input(Input::Dialing { conn });
        world.lose(Cause::Network);
    }
    assert!(!world.notices().iter().any(|notice| matches!(notice, Notice::Suspended { .. })));
}

#[test]
fn accept_and_close_is_met_at_the_same_pace() {
    let mut world = World::online();
    world.take_wire();
    for round in 1..=5 {
        world.lose(Cause::Close(1000));
        world.run(10_000);
        assert_eq!(names(&world.take_wire()), [(round * 10_000, "dial bearer-1")]);
        world.open();
        assert!(world.session.is_online());
    }
}

#[test]
fn the_vendors_backoff_grows_and_ends() {
    let mut world = World::new(LivePerson::builder(ACCOUNT, password()).policy(POLICY_BACKOFF));
    world.connect();
    let mut waits = Vec::new();
    world.lose(Cause::Network);
    while let Some((wait, _, _)) = world.wait()
        && !matches!(world.notices().last(), Some(Notice::Suspended { .. }))
    {
        waits.push(wait.as_millis());
        world.run(u64::from(wait.as_millis()));
        let (conn, _) = world.dial.take().expect("a dial");
        world.input(Input::Dialing { conn });
        world.lose(Cause::Network);
    }
    assert_eq!(waits.len(), 35);
    assert_eq!(waits[..4], [5_000, 6_250, 7_812, 9_765]);
    assert_eq!(waits[34], 480_000);
    let reason = SuspendReason::AttemptsExhausted(Cause::Network);
    assert_eq!(world.notices().last(), Some(&Notice::Suspended { reason }));
}

#[test]
fn speed_divides_every_span() {
    let mut world = World::new(LivePerson::builder(ACCOUNT, password()).speed(Speed::new(100)));
    world.connect();
    world.take_wire();
    world.run(300);
    assert_eq!(names(&world.take_wire()), [(300, "clock")]);
    world.run(200);
    world.lose(Cause::Close(4401));
    assert_eq!(world.wait().map(|wait| wait.0), Some(Span::from_millis(100)));
    world.take_wire();
    world.run(100);
    // The lookup holds for 600 ms.
    assert_eq!(names(&world.take_wire()), [(600, "csds")]);
    world.settle();
    world.lose(Cause::Network);
    let id = world.send(Request::get_clock());
    world.run(100);
    world.refuse(502, None);
    world.run(500);
    assert_eq!(world.fates(), [(1_200, id, Fate::Expired)]);
}

#[test]
fn the_application_can_reconnect_with_either_token() {
    for (token, expected) in [
        (TokenUse::Keep, vec![(5_000, "drop"), (5_000, "dial bearer-1")]),
        (TokenUse::Regenerate, vec![(5_000, "drop"), (5_000, "login"), (5_000, "dial bearer-2")]),
    ] {
        let mut world = World::online();
        world.run(5_000);
        world.take_wire();
        world.input(Input::Reconnect { token });
        world.settle();
        assert_eq!(names(&world.take_wire()), expected);
        assert!(world.session.is_online());
    }
}
