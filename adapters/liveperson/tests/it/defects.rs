//! What hand-written clients, and the vendor's own, get wrong.

use redial_core::{
    Cause, ConnId, Fate, Frame, Input, Item, Notice, Span, StopReason, TokenUse, Wait,
};
use redial_liveperson::Request;
use serde_json::json;

use crate::support::{World, names, response, response_of};

#[test]
fn one_failure_as_two_events_gives_one_reconnect_and_regenerate_wins() {
    for causes in [
        [Cause::Handshake(401), Cause::Close(1006)],
        [Cause::Close(1006), Cause::Handshake(401)],
        [Cause::Close(1006), Cause::Close(4401)],
    ] {
        let mut world = World::online();
        world.lose(Cause::Network);
        world.run(10_000);
        let (conn, _) = world.dial.take().expect("a dial");
        world.input(Input::Dialing { conn });
        world.take_wire();
        for cause in causes {
            world.lose(cause);
        }
        world.run(10_000);
        world.settle();
        let expected = [(20_000, "login"), (20_000, "dial bearer-2")];
        assert_eq!(names(&world.take_wire()), expected, "{causes:?}");
        world.run(100_000);
        assert!(world.session.is_online(), "no second reconnect cuts it");
    }
}

#[test]
fn events_of_a_replaced_socket_are_ignored() {
    let mut world = World::online();
    let old = world.conn;
    world.input(Input::Reconnect { token: TokenUse::Keep });
    world.run(1_000);
    world.settle();
    let id = world.send(Request::get_clock());
    world.items.clear();
    world.take_wire();
    let text = json!({ "kind": "notification", "type": "x", "body": {} }).to_string();
    let input = [
        Input::Frame { conn: old, frame: Frame::Text(text.into()) },
        Input::Opened { conn: old },
        Input::Closed { conn: old, cause: Cause::Close(4401), retry_after: None },
    ];
    for input in input {
        world.input(input);
    }
    assert!(world.session.is_online());
    assert!(world.items.is_empty() && world.take_wire().is_empty());
    assert!(world.fates().iter().all(|fate| fate.1 != id));
}

#[test]
fn a_handshake_401_means_that_the_token_is_dead() {
    let mut world = World::online();
    world.lose(Cause::Close(1006));
    assert_eq!(world.wait().map(|wait| wait.1), Some(TokenUse::Keep));
    world.run(10_000);
    world.refuse(401, None);
    let wait = (Span::from_secs(10), TokenUse::Regenerate, Cause::Handshake(401));
    assert_eq!(world.wait(), Some(wait));
    // The HTTP client says 1006 as well.
    world.lose(Cause::Close(1006));
    world.take_wire();
    world.run(10_000);
    world.settle();
    assert_eq!(names(&world.take_wire()), [(20_000, "login"), (20_000, "dial bearer-2")]);
}

#[test]
fn a_revoked_token_that_ends_with_1006_does_not_loop() {
    let mut world = World::online();
    world.run(2_000);
    world.take_wire();
    world.lose(Cause::Network);
    world.run(10_000);
    world.refuse(401, None);
    world.run(10_000);
    world.settle();
    let expected = [(12_000, "dial bearer-1"), (22_000, "login"), (22_000, "dial bearer-2")];
    assert_eq!(names(&world.take_wire()), expected);
    assert!(world.session.is_online());
}

#[test]
fn requests_in_flight_at_close_end_at_once() {
    let mut world = World::online();
    world.answers = false;
    world.run(1_000);
    let ids = [world.send(Request::get_clock()), world.send(Request::query_messages("d", 0))];
    world.run(500);
    world.items.clear();
    world.lose(Cause::Close(1001));
    let offline = Notice::Offline { conn: world.conn, cause: Cause::Close(1001) };
    assert!(matches!(&world.items[0], (1_500, Item::Notice(notice)) if *notice == offline));
    let expected = ids.map(|id| (1_500, id, Fate::Unknown));
    assert_eq!(world.fates(), expected);
    world.run(10_000);
    world.take_wire();
    world.settle();
    assert_eq!(world.take_wire(), [], "they are not sent again");
}

#[test]
fn an_upgrade_that_never_completes_times_out() {
    let mut world = World::online();
    world.lose(Cause::Network);
    world.run(10_000);
    let (conn, _) = world.dial.take().expect("a dial");
    world.input(Input::Dialing { conn });
    world.take_wire();
    world.run(19_999);
    assert_eq!(world.take_wire(), []);
    world.run(1);
    assert_eq!(names(&world.take_wire()), [(30_000, "drop")]);
    let wait = (Span::from_secs(10), TokenUse::Keep, Cause::Timeout(Wait::Connect));
    assert_eq!(world.wait(), Some(wait));
}

#[test]
fn codes_of_requests_reconnect_nothing() {
    let mut world = World::online();
    for code in [400, 401, 429, 500, 999, 1000, 1011, 4401, 4407, 65_000] {
        world.take_wire();
        let id = world.send(Request::query_messages("d", 0));
        let sent = world.take_texts().remove(0);
        world.receive(&response(&sent, code, json!("no")));
        assert_eq!(world.fates().pop(), Some((world.now, id, Fate::Rejected(code))));
    }
    world.run(100_000);
    assert!(world.session.is_online());
    assert!(!world.notices().iter().any(|it| matches!(it, Notice::Offline { .. })));
}

#[test]
fn a_login_429_waits_as_long_as_the_server_says() {
    let mut world = World::online();
    world.lose(Cause::Close(4401));
    world.run(10_000);
    let mut answer = response_of(429, "");
    answer.retry_after = Some(Span::from_secs(61));
    world.answer_with(answer);
    world.take_wire();
    // Whoever asks.
    world.input(Input::Recover);
    world.input(Input::Reconnect { token: TokenUse::Keep });
    world.input(Input::NetworkChanged);
    world.run(60_999);
    assert_eq!(world.take_wire(), []);
    world.run(1);
    assert_eq!(names(&world.take_wire()), [(71_000, "csds")]);
}

#[test]
fn an_upgrade_503_waits_as_long_as_the_server_says() {
    let mut world = World::online();
    world.lose(Cause::Network);
    world.run(10_000);
    world.refuse(503, Some(Span::from_secs(61)));
    world.take_wire();
    world.run(60_999);
    assert_eq!(world.take_wire(), []);
    world.run(1);
    assert_eq!(names(&world.take_wire()), [(71_000, "csds")]);
}

#[test]
fn a_shutdown_ends_everything_wherever_it_comes() {
    let mut world = World::online();
    world.input(Input::Shutdown);
    let wire = names(&world.take_wire());
    assert_eq!(wire.last(), Some(&(0, "close")));
    world.lose(Cause::Close(1000));
    assert_stopped(&mut world);

    let mut world = World::online();
    world.lose(Cause::Network);
    world.run(5_000);
    world.input(Input::Shutdown);
    assert_stopped(&mut world);

    let mut world = World::password();
    world.input(Input::Connect);
    world.input(Input::Shutdown);
    assert!(world.http.is_empty(), "the lookup is aborted");
    assert_stopped(&mut world);
}

fn assert_stopped(world: &mut World) {
    let stopped = Notice::Stopped { reason: StopReason::Requested };
    assert!(matches!(world.items.last(), Some((_, Item::Notice(notice))) if *notice == stopped));
    world.take_wire();
    world.run(1_000_000);
    world.input(Input::Connect);
    world.input(Input::Opened { conn: ConnId::new(1) });
    assert_eq!(world.take_wire(), []);
}
