//! The session meets a server that follows a script; every time is exact.

use redial_core::{Action, Cause, Event, Notice, Phase, Span, StopReason, Wait};
use redial_testkit::world::{Dial, Link, Login, World};

use crate::policies::LIVEPERSON;

#[test]
fn a_day_on_a_healthy_connection_is_probed_every_thirty_seconds_and_never_lost() {
    let mut world = World::new(&LIVEPERSON);
    let day = 24 * 3_600_000;
    world.talk(0, 700, day);
    world.run_until(day);
    let expected: Vec<u64> = (1..=day / 30_000).map(|number| number * 30_000).collect();
    assert_eq!(world.probes(), expected);
    assert_eq!(world.connects(), [0]);
    let renewals = world.times(|action| matches!(action, Action::RenewToken { .. }));
    assert_eq!(renewals.len(), 288, "every five minutes");
}

#[test]
fn a_cut_is_followed_by_one_dial_with_the_same_token() {
    let mut world = World::new(&LIVEPERSON);
    world.cut(42_123, Cause::Close(1006));
    world.run_until(70_000);
    assert_eq!(world.connects(), [0, 52_123]);
    assert_eq!(world.logged_in(), [0]);
    assert_eq!(world.probes(), [30_000], "the next grid begins with the next connection");
}

#[test]
fn a_half_open_connection_is_noticed_after_the_probe_and_ten_seconds() {
    let mut world = World::new(&LIVEPERSON);
    world.become_link(31_000, Link::HalfOpen);
    world.run_until(100_000);
    let cause = Cause::Timeout(Wait::Pong);
    let offline = world.times(
        |action| matches!(action, Action::Notify(Notice::Offline { cause: why, .. }) if *why == cause),
    );
    assert_eq!(offline, [70_000]);
    assert_eq!(world.connects(), [0, 80_000]);
}

#[test]
fn an_outage_of_ten_minutes_is_tried_every_ten_seconds_after_each_refusal() {
    let refused = Dial::Refused { after: Span::from_millis(250), status: 503, retry_after: None };
    let script = std::iter::repeat_n(refused, 60);
    let open = Dial::Open {
        after: Span::from_millis(250),
        link: Link::Healthy { latency: Span::from_millis(40) },
    };
    let mut world = World::new(&LIVEPERSON).dials(script.chain([open]));
    world.run_until(3_600_000);
    let connects = world.connects();
    assert_eq!(connects.len(), 61);
    assert!(connects.windows(2).all(|pair| pair[1] - pair[0] == 10_250), "{connects:?}");
    assert_eq!(world.machine().phase().name(), "Online");
    // LivePerson's seed makes a new token after each HTTP error.
    assert_eq!(world.logged_in(), connects);
}

#[test]
fn retry_after_of_61_s_at_the_login_and_at_the_upgrade_is_kept_to_the_millisecond() {
    let login = Login::Refused {
        after: Span::from_millis(100),
        status: 429,
        retry_after: Some(Span::from_secs(61)),
    };
    let good = Login::Good { after: Span::ZERO };
    let mut world = World::new(&LIVEPERSON).logins([login, good]);
    (1..60).for_each(|second| world.at(second * 1_000, Event::Recover));
    world.run_until(70_000);
    assert_eq!(world.logged_in(), [0, 61_100]);

    let refused = Dial::Refused {
        after: Span::from_millis(100),
        status: 503,
        retry_after: Some(Span::from_secs(61)),
    };
    let link = Link::Healthy { latency: Span::ZERO };
    let open = Dial::Open { after: Span::ZERO, link };
    let mut world = World::new(&LIVEPERSON).dials([refused, open]);
    (1..60).for_each(|second| world.at(second * 1_000, Event::NetworkChanged));
    world.run_until(70_000);
    assert_eq!(world.connects(), [0, 61_100]);
}

#[test]
fn a_hanging_upgrade_and_a_hanging_login_are_given_up() {
    let mut world = World::new(&LIVEPERSON).dials([Dial::Silent]);
    world.run_until(65_000);
    assert_eq!(world.connects(), [0, 30_000, 60_000], "20 s to connect and 10 s to wait");
    let mut world = World::new(&LIVEPERSON).logins([Login::Silent]);
    world.run_until(85_000);
    assert_eq!(world.logged_in(), [0, 40_000, 80_000], "30 s for the token and 10 s to wait");
    let after = Span::from_millis(500);
    let mut world = World::new(&LIVEPERSON).dials([Dial::OpenUnready { after }]);
    world.run_until(45_000);
    assert_eq!(world.connects(), [0, 20_500, 41_000], "10 s to be ready and 10 s to wait");
}

#[test]
fn a_server_that_accepts_and_closes_meets_one_dial_every_ten_seconds() {
    let link = Link::Closes { after: Span::ZERO, cause: Cause::Close(4401) };
    let mut world = World::new(&LIVEPERSON).dials([Dial::Open { after: Span::ZERO, link }]);
    world.run_until(3_600_000);
    assert_eq!(world.connects().len(), 361);
    assert_eq!(world.logged_in(), world.connects());
}

#[test]
fn tokens_that_expire_at_once_are_not_fetched_faster_than_the_session_dials() {
    let login = Login::Expiring { after: Span::ZERO, within: Span::ZERO };
    let refused = Dial::Refused { after: Span::ZERO, status: 500, retry_after: None };
    let mut world = World::new(&LIVEPERSON).logins([login]).dials([refused]);
    world.run_until(60_000);
    assert_eq!(world.logged_in(), [0, 10_000, 20_000, 30_000, 40_000, 50_000, 60_000]);
}

#[test]
fn a_shutdown_during_a_wait_ends_it_and_nothing_follows() {
    let mut world = World::new(&LIVEPERSON);
    world.cut(5_000, Cause::Network);
    world.at(7_000, Event::Shutdown);
    world.run_until(3_600_000);
    assert_eq!(world.connects(), [0]);
    let reason = StopReason::Requested;
    assert_eq!(world.log().last(), Some(&(7_000, Action::Notify(Notice::Stopped { reason }))));
    assert_eq!(*world.machine().phase(), Phase::Stopped(reason));
}

#[test]
fn a_shutdown_of_a_healthy_session_ends_with_the_answer_and_of_a_dead_one_with_the_deadline() {
    for (link, end) in
        [(Link::Healthy { latency: Span::from_millis(80) }, 1_080), (Link::HalfOpen, 6_000)]
    {
        let mut world = World::new(&LIVEPERSON);
        world.become_link(500, link);
        world.at(1_000, Event::Shutdown);
        world.run_until(60_000);
        assert_eq!(world.log().last().map(|(at, _)| *at), Some(end));
    }
}

#[test]
fn the_same_world_has_the_same_history() {
    let run = || {
        let mut world = World::new(&LIVEPERSON).entropy(7);
        world.cut(12_345, Cause::Network);
        world.cut(99_999, Cause::Close(1011));
        world.run_until(200_000);
        (world.log().to_vec(), *world.machine())
    };
    assert_eq!(run(), run());
}
