//! The mistakes of the seed's own code and of clients like it.

use redial_core::{Cause, Frame, Input};
use redial_evolution::codechat::Credentials;
use redial_evolution::{CodeChat, ConfigError};
use serde_json::json;

use crate::support::{TEST_DATA, URL, Wire, World, sockets, url};

/// The seed, section 4: `setTimeout(() => socket(event), reconnectInterval)`, where `event` is the
/// close event. It would ask for `event=%5Bobject%20CloseEvent%5D`, and without a callback. Section
/// 2: "o setTimeout deve chamar socket(eventName, callback) ao invés de socket(event)".
#[test]
fn a_reconnect_asks_for_the_event_name_and_not_for_the_close_event() {
    let mut world = World::online("messages.upsert");
    world.receive(r#"{"keyId":"before"}"#);
    for round in 1..=3 {
        world.take_wire();
        world.lose(Cause::Close(1006));
        world.run(5_000);
        world.open();
        assert_eq!(
            world.take_wire(),
            [
                (round * 5_000, Wire::Dial(url("messages.upsert", "tok-1"))),
                (round * 5_000, Wire::Text(TEST_DATA.into())),
            ]
        );
    }
    world.receive(r#"{"keyId":"after"}"#);
    // The subscriber is the same: what comes after the reconnects comes to it, under its name.
    assert_eq!(
        world.payloads(),
        [
            ("messages.upsert", json!({ "keyId": "before" })),
            ("messages.upsert", json!({ "keyId": "after" })),
        ]
    );
}

/// The seed, `onmessage`: `JSON.parse(event.data)` throws on anything else.
#[test]
fn a_frame_that_is_not_json_ends_nothing() {
    let mut world = World::online("call.upsert");
    for text in ["not json", "", "{\"a\":1", "{} {}", "\u{feff}{}", "[object CloseEvent]"] {
        world.receive(text);
    }
    world.receive_frame(Frame::Binary(vec![1, 2, 3].into()));
    world.receive(r#"{"still":"here"}"#);
    assert!(world.session.is_online());
    assert_eq!(world.payloads(), [("call.upsert", json!({ "still": "here" }))]);
    let mut wanted = vec![(0, "a frame that is not JSON"); 6];
    wanted.push((0, "a binary frame"));
    assert_eq!(world.problems(), wanted);
}

/// Nested as deep as nobody can take apart: the payload is text until somebody asks.
#[test]
fn a_payload_that_is_nested_without_end_is_handed_on() {
    let mut world = World::online("call.upsert");
    world.receive(format!("{}{}", "[".repeat(100_000), "]".repeat(100_000)));
    assert_eq!(world.payloads(), [("call.upsert", json!(null))]);
    assert!(world.session.is_online());
}

/// A 401 that is retried with the same dead token heals by nothing, and says nothing.
#[test]
fn a_401_is_reported_each_time_as_token_or_event_refused_at_the_pace_of_five_seconds() {
    let mut world = World::codechat(sockets("call.upsert"));
    world.input(Input::Connect);
    for round in 0..50_u64 {
        assert_eq!(world.take_wire(), [(round * 5_000, Wire::Dial(url("call.upsert", "tok-1")))]);
        world.refuse(401, None);
        assert_eq!(world.problems().len() as u64, round + 1);
        assert_eq!(world.problems().last(), Some(&(round * 5_000, "token or event refused")));
        world.run(5_000);
    }
    // The refusals were the server's: the session has not given up.
    world.open();
    assert!(world.session.is_online());
}

/// The bare 401 is followed by the end of TCP, and may be lost in it: that is a loss like any.
#[test]
fn a_refusal_that_is_seen_as_a_reset_is_a_loss_like_any() {
    let mut world = World::codechat(sockets("call.upsert"));
    world.input(Input::Connect);
    world.fail_dial(Cause::Network);
    world.run(5_000);
    let dial = Wire::Dial(url("call.upsert", "tok-1"));
    assert_eq!(world.take_wire(), [(0, dial.clone()), (5_000, dial)]);
    assert!(world.problems().is_empty());
}

/// A wrong name is refused as a wrong token is, every 5 s and for ever: it is not dialled.
#[test]
fn a_name_that_the_server_would_refuse_is_refused_before_it_is_dialled() {
    let token = || Credentials::Token("t".into());
    let build = |name| CodeChat::builder(URL, name, token()).build().err();
    assert_eq!(build("message.upsert"), Some(ConfigError::UnknownEvent));
    assert_eq!(build("[object CloseEvent]"), Some(ConfigError::UnknownEvent));
    assert_eq!(build("messaging-history.set"), Some(ConfigError::HistoryEvent));
}
