//! The watch over the peer: `.GetClock` every 30 s.

use redial_core::{Cause, Frame, Span, TokenUse, Wait};
use redial_liveperson::Request;
use serde_json::json;

use crate::support::{World, names, response};

#[test]
fn the_clock_is_asked_every_thirty_seconds_whatever_the_traffic() {
    let mut world = World::online();
    world.take_wire();
    for second in 1..=200 {
        world.run_until(second * 1_000);
        world.receive(&json!({ "kind": "notification", "type": "x", "body": {} }));
        world.send(Request::query_messages("d", 0));
        let request = world.wire.last().cloned().expect("the request").1;
        let crate::support::Wire::Text(request) = request else { panic!("a text") };
        let request = crate::support::parsed(&request);
        world.receive(&response(&request, 200, json!([])));
    }
    let probes: Vec<u64> = names(&world.take_wire())
        .into_iter()
        .filter_map(|(at, name)| (name == "clock").then_some(at))
        .collect();
    assert_eq!(probes, [30_000, 60_000, 90_000, 120_000, 150_000, 180_000]);
}

#[test]
fn each_connection_has_its_own_grid() {
    let mut world = World::online();
    world.run_until(47_000);
    world.lose(Cause::Network);
    world.run(10_000);
    world.open();
    world.take_wire();
    world.run(61_000);
    assert_eq!(names(&world.take_wire()), [(87_000, "clock"), (117_000, "clock")]);
}

#[test]
fn an_unanswered_probe_is_the_end_after_ten_seconds() {
    let mut world = World::online();
    world.answers = false;
    world.take_wire();
    world.run_until(39_999);
    assert!(world.session.is_online());
    world.run_until(40_000);
    assert_eq!(names(&world.take_wire()), [(30_000, "clock"), (40_000, "drop")]);
    let wait = (Span::from_secs(10), TokenUse::Keep, Cause::Timeout(Wait::Pong));
    assert_eq!(world.wait(), Some(wait));
}

#[test]
fn a_late_answer_to_a_dead_connection_changes_nothing() {
    let mut world = World::online();
    world.answers = false;
    world.take_wire();
    world.run_until(40_000);
    let probe = world.take_texts().remove(0);
    world.receive(&response(&probe, 200, json!({})));
    assert!(!world.session.is_online());
    world.run_until(50_000);
    assert_eq!(names(&world.take_wire()), [(50_000, "dial bearer-1")]);
}

#[test]
fn an_answer_of_any_code_proves_life() {
    for code in [0, 200, 404, 500, 4401] {
        let mut world = World::online();
        world.answers = false;
        world.take_wire();
        world.run_until(39_999);
        let probe = world.take_texts().remove(0);
        world.receive(&response(&probe, code, json!("no")));
        world.run_until(59_999);
        assert!(world.session.is_online(), "{code}");
        assert_eq!(world.problems(), Vec::<&str>::new());
    }
}

#[test]
fn a_talking_server_that_hears_nothing_is_dead_at_the_next_probe() {
    let mut world = World::online();
    world.answers = false;
    for second in 1..60 {
        world.run_until(second * 1_000);
        world.receive(&json!({ "kind": "notification", "type": "x", "body": {} }));
        assert!(world.session.is_online(), "{second} s");
    }
    world.run_until(60_000);
    assert!(!world.session.is_online());
}

#[test]
fn pongs_are_not_the_answer() {
    let mut world = World::online();
    world.answers = false;
    world.run_until(35_000);
    world.receive_frame(Frame::Pong(bytes::Bytes::new()));
    world.run_until(45_000);
    assert!(!world.session.is_online(), "ten seconds after the pong");
}

#[test]
fn the_keepalive_never_acts_on_a_closed_socket() {
    let mut world = World::online();
    world.run_until(29_999);
    world.lose(Cause::Network);
    world.take_wire();
    world.run_until(39_998);
    assert_eq!(world.take_wire(), []);
    world.run_until(39_999);
    assert_eq!(names(&world.take_wire()), [(39_999, "dial bearer-1")]);
}
