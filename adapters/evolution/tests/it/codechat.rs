//! The seed, sentence by sentence, and what a server of its kind asks of a client.

use redial_core::{
    Cause, Continuity, Frame, Input, Notice, Secret, Span, Speed, StopReason, TokenUse, Wait,
};
use redial_evolution::codechat::{Credentials, EVENTS, Payload, SILENT};
use redial_evolution::{CodeChat, ConfigError};
use serde_json::json;

use crate::support::{START, TEST_DATA, URL, Wire, World, sockets, url};

#[test]
fn one_socket_for_the_event_at_the_seeds_address_and_the_test_message_when_it_is_open() {
    let mut world = World::codechat(sockets("messages.upsert"));
    world.connect();
    assert_eq!(
        world.take_wire(),
        [(0, Wire::Dial(url("messages.upsert", "tok-1"))), (0, Wire::Text(TEST_DATA.into()))]
    );
    assert!(matches!(world.last_notice(), Notice::Online { continuity: Continuity::Fresh, .. }));
}

#[test]
fn event_and_token_are_percent_encoded_as_encode_uri_component_does() {
    let token = Credentials::Token(Secret::new("a+b/c=d&e%f#g(h)!i~j*k'l"));
    let builder = CodeChat::builder(URL, "odd event/ação", token).allow_unknown_event(true);
    let mut world = World::codechat(builder);
    world.connect();
    let dial = world.take_wire().remove(0).1;
    let query = "event=odd%20event%2Fa%C3%A7%C3%A3o&token=a%2Bb%2Fc%3Dd%26e%25f%23g(h)!i~j*k'l";
    assert_eq!(dial, Wire::Dial(format!("{URL}/ws/events?{query}")));
}

#[test]
fn the_path_is_exact_whatever_way_the_address_is_written() {
    for (written, dialled) in [
        ("ws://localhost:8084", "ws://localhost:8084/ws/events"),
        ("ws://localhost:8084/", "ws://localhost:8084/ws/events"),
        ("ws://localhost:8084/ws/events", "ws://localhost:8084/ws/events"),
        ("ws://localhost:8084/ws/events/", "ws://localhost:8084/ws/events"),
        ("http://localhost:8084", "ws://localhost:8084/ws/events"),
        ("https://chat.example", "wss://chat.example/ws/events"),
        ("wss://chat.example/api/", "wss://chat.example/api/ws/events"),
        ("ws://[::1]:8084", "ws://[::1]:8084/ws/events"),
    ] {
        let builder = CodeChat::builder(written, "call.upsert", Credentials::Token("t".into()));
        let mut world = World::codechat(builder);
        world.input(Input::Connect);
        let wanted = Wire::Dial(format!("{dialled}?event=call.upsert&token=t"));
        assert_eq!(world.take_wire(), [(0, wanted)], "{written}");
    }
}

#[test]
fn an_address_that_would_send_the_token_elsewhere_is_refused() {
    let long = format!("ws://{}", "a".repeat(300));
    for bad in [
        "localhost:8084",
        "ftp://h",
        "ws://",
        "ws:///x",
        "ws://user@h",
        "ws://user:pw@h",
        "ws://h:0",
        "ws://h:65536",
        "ws://h:+80",
        "ws://h?x=1",
        "ws://h#x",
        "ws://h/a?x",
        "ws://h/a b",
        "ws://h\r\nx",
        "ws://[::1",
        "ws://[zz]",
        "ws://h\\x",
        &long,
    ] {
        let built = CodeChat::builder(bad, "call.upsert", Credentials::Token("t".into())).build();
        assert_eq!(built.err(), Some(ConfigError::Url), "{bad}");
    }
}

#[test]
fn a_token_that_no_url_can_carry_is_refused() {
    for bad in ["", "a b", "a\n", "ü", &"x".repeat(10_000)] {
        let built = CodeChat::builder(URL, "call.upsert", Credentials::Token(bad.into())).build();
        assert_eq!(built.err(), Some(ConfigError::Token));
    }
}

#[test]
fn the_test_message_can_be_another_or_none_and_is_made_anew_for_each_connection() {
    let other = Payload::new(r#"{"message":"mine"}"#).expect("JSON");
    let mut world = World::codechat(sockets("call.upsert").test_message(Some(other)));
    for _ in 0..3 {
        if world.dial.is_none() {
            world.input(Input::Connect);
        }
        world.open();
        assert_eq!(world.take_texts(), [r#"{"message":"mine"}"#]);
        world.lose(Cause::Close(1006));
        world.run(5_000);
    }
    let mut world = World::codechat(sockets("call.upsert").test_message(None));
    world.connect();
    assert!(world.take_texts().is_empty());
    assert!(world.session.is_online());
    assert!(Payload::new("{message: 1}").is_err());
}

#[test]
fn the_payload_goes_to_the_subscriber_of_the_event_as_it_stands() {
    let mut world = World::online("messages.upsert");
    world.receive(r#"{"keyId":"A","content":{"text":"oi"}}"#);
    world.receive(r#" [ {"remoteJid":"x"} ] "#);
    world.receive("null");
    assert_eq!(
        world.payloads(),
        [
            ("messages.upsert", json!({ "keyId": "A", "content": { "text": "oi" } })),
            ("messages.upsert", json!([{ "remoteJid": "x" }])),
            ("messages.upsert", json!(null)),
        ]
    );
}

#[test]
fn the_client_reconnects_after_five_seconds_for_ever() {
    let mut world = World::online("call.upsert");
    world.run(1_000);
    world.take_wire();
    world.lose(Cause::Close(1006));
    for attempt in 1..=500_u16 {
        assert_eq!(
            world.waits().last(),
            Some(&(
                attempt,
                Span::from_secs(5),
                if attempt == 1 { Cause::Close(1006) } else { Cause::Network }
            ))
        );
        world.run(4_999);
        assert!(world.take_wire().is_empty());
        world.run(1);
        let at = 1_000 + u64::from(attempt) * 5_000;
        assert_eq!(world.take_wire(), [(at, Wire::Dial(url("call.upsert", "tok-1")))]);
        world.fail_dial(Cause::Network);
    }
}

#[test]
fn any_end_that_is_not_ours_leads_to_a_reconnect_with_the_same_token() {
    let ends = [1000, 1001, 1002, 1005, 1006, 1007, 1009, 1011, 1012, 4000, 4401, 4999];
    let ends = ends.map(Cause::Close).into_iter();
    let others = [502, 503, 520, 404, 500].map(Cause::Handshake);
    let waits = [Cause::Network, Cause::Timeout(Wait::Pong), Cause::Timeout(Wait::Connect)];
    for cause in ends.chain(others).chain(waits) {
        let mut world = World::online("call.upsert");
        world.take_wire();
        world.lose(cause);
        assert_eq!(world.waits(), [(1, Span::from_secs(5), cause)]);
        world.run(5_000);
        assert_eq!(world.take_wire(), [(5_000, Wire::Dial(url("call.upsert", "tok-1")))]);
        assert!(world.problems().is_empty(), "{cause:?}");
    }
}

#[test]
fn after_our_own_close_there_is_no_retry() {
    let mut world = World::online("call.upsert");
    world.take_wire();
    world.input(Input::Shutdown);
    assert_eq!(world.take_wire(), [(0, Wire::Close(1000, ""))]);
    world.lose(Cause::Close(1000));
    assert_eq!(world.last_notice(), Notice::Stopped { reason: StopReason::Requested });
    world.run(600_000);
    assert!(world.take_wire().is_empty());
    assert!(world.waits().is_empty());

    // Nor in the middle of a wait.
    let mut world = World::online("call.upsert");
    world.lose(Cause::Network);
    world.take_wire();
    world.input(Input::Shutdown);
    world.run(600_000);
    assert!(world.take_wire().is_empty());
}

#[test]
fn the_22_names_are_taken_and_nothing_else_is_dialled() {
    for name in EVENTS {
        assert!(sockets(name).build().is_ok(), "{name}");
    }
    for (name, error) in [
        ("", ConfigError::Event),
        ("nope", ConfigError::UnknownEvent),
        ("messages.upsert ", ConfigError::UnknownEvent),
        ("Messages.Upsert", ConfigError::UnknownEvent),
        ("MESSAGES_UPSERT", ConfigError::UpperCaseEvent),
        ("messaging-history.set", ConfigError::HistoryEvent),
        (&*"x".repeat(129), ConfigError::Event),
    ] {
        assert_eq!(sockets(name).build().err(), Some(error), "{name}");
    }
    assert!(sockets("new.event").allow_unknown_event(true).build().is_ok());
    let history = sockets("messaging-history.set").allow_unknown_event(true).build();
    let error = history.expect_err("no server gives it");
    assert_eq!(error.to_string(), "messaging-history.set is not given over a socket");
}

#[test]
fn names_that_are_never_sent_warn_once() {
    for name in EVENTS {
        let mut world = World::online(name);
        world.lose(Cause::Network);
        world.run(5_000);
        world.open();
        let silent = SILENT.contains(&name);
        let warning = "the server takes this event and never sends it over a socket";
        let wanted: &[_] = if silent { &[(0, warning)] } else { &[] };
        assert_eq!(world.problems(), wanted, "{name}");
        assert_eq!(world.session.adapter().is_silent(), silent);
    }
}

#[test]
fn a_dead_peer_is_noticed_by_pings_and_this_can_be_switched_off() {
    let mut world = World::online("call.upsert");
    world.take_wire();
    world.run(30_000);
    assert_eq!(world.take_wire(), [(30_000, Wire::Ping)]);
    world.answers = false;
    world.run(30_000);
    assert_eq!(world.take_wire(), [(60_000, Wire::Ping)]);
    world.run(10_000);
    assert_eq!(world.take_wire(), [(70_000, Wire::Drop(None))]);
    assert_eq!(world.waits(), [(1, Span::from_secs(5), Cause::Timeout(Wait::Pong))]);
    world.run(5_000);
    assert_eq!(world.take_wire(), [(75_000, Wire::Dial(url("call.upsert", "tok-1")))]);

    let mut world = World::codechat(sockets("call.upsert").ping(false));
    world.connect();
    world.take_wire();
    world.run(86_400_000);
    assert!(world.take_wire().is_empty());
    assert!(world.session.is_online());
}

#[test]
fn an_event_is_a_sign_of_life_that_needs_no_ping() {
    let mut world = World::online("call.upsert");
    world.take_wire();
    for _ in 0..20 {
        world.run(20_000);
        world.receive("{}");
    }
    assert!(world.take_wire().is_empty());
}

#[test]
fn what_was_sent_while_nobody_was_connected_is_gone_and_the_application_is_told() {
    let mut world = World::online("call.upsert");
    assert!(world.gaps().is_empty());
    world.lose(Cause::Network);
    world.run(5_000);
    assert!(world.gaps().is_empty());
    world.open();
    assert_eq!(world.gaps(), [false]);
    assert!(matches!(world.last_notice(), Notice::Online { continuity: Continuity::Fresh, .. }));
}

#[test]
fn a_frame_that_arrives_before_the_client_is_ready_is_kept() {
    let mut world = World::codechat(sockets("call.upsert"));
    world.input(Input::Connect);
    let (conn, _) = world.dial.take().expect("a dial");
    let cx = world.cx();
    world.session.handle(cx, Input::Dialing { conn });
    world.session.handle(cx, Input::Opened { conn });
    let frame = Frame::Text(r#"{"first":1}"#.into());
    world.session.handle(cx, Input::Frame { conn, frame });
    world.pump();
    assert_eq!(world.payloads(), [("call.upsert", json!({ "first": 1 }))]);
}

#[test]
fn a_connection_that_is_replaced_leaves_first() {
    let mut world = World::online("call.upsert");
    world.run(60_000);
    world.take_wire();
    world.input(Input::Reconnect { token: TokenUse::Keep });
    assert_eq!(
        world.take_wire(),
        [(60_000, Wire::Drop(Some(1000))), (60_000, Wire::Dial(url("call.upsert", "tok-1"))),]
    );
    assert_eq!(world.now + START, START + 60_000);
}

#[test]
fn every_span_is_divided_by_the_speed() {
    let mut world = World::codechat(sockets("call.upsert").speed(Speed::new(10)));
    world.connect();
    world.lose(Cause::Network);
    assert_eq!(world.waits(), [(1, Span::from_millis(500), Cause::Network)]);
}

#[test]
fn what_is_sent_is_proved_by_being_written() {
    let mut world = World::online("call.upsert");
    world.take_wire();
    let cx = world.cx();
    let payload = Payload::new(r#"{"message":"again"}"#).expect("JSON");
    let id = world.session.send(cx, payload).expect("room");
    world.pump();
    assert_eq!(world.take_texts(), [r#"{"message":"again"}"#]);
    let fates: Vec<_> = world
        .items
        .iter()
        .filter_map(|(_, item)| match item {
            redial_core::Item::Fate(settled) => Some((settled.id, settled.fate)),
            _ => None,
        })
        .collect();
    assert_eq!(fates, [(id, redial_core::Fate::Acked)]);
}
