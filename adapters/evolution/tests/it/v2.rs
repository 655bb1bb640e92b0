//! Evolution API v2: what a server of its kind asks of a client.

use bytes::Bytes;
use redial_core::{
    Cause, Continuity, Fault, Frame, Input, Item, Notice, Span, Speed, SuspendReason, Wait,
};
use redial_evolution::v2::{ApiKey, GLOBAL_ONLY, KeyPlace, POLICY, Refusal, Scope};
use redial_evolution::{ConfigError, EvolutionApi};
use serde_json::json;

use crate::support::{NOT_THERE, OPEN, Wire, World, inst1, namespaces};

const JOINED: &str = r#"40/inst1,{"sid":"SID"}"#;
const EVENT: &str = concat!(
    r#"42/inst1,["messages.upsert",{"event":"messages.upsert","instance":"inst1","#,
    r#""data":{"key":{"id":"M1"}},"server_url":"http://localhost:8080","#,
    r#""date_time":"2025-01-01T00:00:00.000Z","sender":"5511999999999@s.whatsapp.net","#,
    r#""apikey":null}]"#
);

#[test]
fn the_key_stands_in_a_header_or_in_the_query_and_never_in_the_auth_object() {
    let mut world = World::v2(inst1());
    world.input(Input::Connect);
    let (_, handshake) = world.dial.as_ref().expect("a dial");
    assert_eq!(handshake.url, "ws://localhost:8080/socket.io/?EIO=4&transport=websocket");
    assert_eq!(handshake.headers, [("apikey", "key-1".to_owned())]);

    let mut world = World::v2(inst1().key_place(KeyPlace::Query));
    world.connect();
    let wanted = "ws://localhost:8080/socket.io/?apikey=key-1&EIO=4&transport=websocket";
    assert_eq!(world.take_wire(), [(0, Wire::Dial(wanted.into()))]);
    world.receive(OPEN);
    assert_eq!(world.take_texts(), ["40/inst1,"]);

    let builder = EvolutionApi::builder("wss://evo.example/api/", Scope::Global, ApiKey::None);
    let mut world = World::v2(builder);
    world.input(Input::Connect);
    let (_, handshake) = world.dial.as_ref().expect("a dial");
    assert_eq!(handshake.url, "wss://evo.example/api/socket.io/?EIO=4&transport=websocket");
    assert!(handshake.headers.is_empty());
}

#[test]
fn an_instance_is_online_when_its_namespace_is_confirmed() {
    let mut world = World::joining(inst1());
    assert_eq!(world.take_texts(), ["40/inst1,"]);
    assert!(!world.session.is_online());
    world.receive(JOINED);
    assert!(world.session.is_online());
    world.receive(EVENT);
    let [event] = world.messages()[..] else { panic!("one event") };
    assert_eq!(event.name, "messages.upsert");
    assert_eq!(event.instance().as_deref(), Some("inst1"));
    assert_eq!(event.data().expect("data").value(), json!({ "key": { "id": "M1" } }));
    assert_eq!(event.envelope.value()["sender"], "5511999999999@s.whatsapp.net");
}

#[test]
fn global_mode_is_the_main_namespace_with_the_events_of_all_instances() {
    let mut world = World::joining(namespaces(Scope::Global));
    assert_eq!(world.take_texts(), ["40"]);
    world.receive(r#"40{"sid":"SID"}"#);
    assert!(world.session.is_online());
    for instance in ["inst1", "inst2"] {
        let envelope = json!({ "event": "groups.update", "instance": instance, "data": [] });
        world.receive(format!("42{}", json!(["groups.update", envelope])));
    }
    let instances: Vec<_> =
        world.messages().into_iter().filter_map(|event| event.instance()).collect();
    assert_eq!(instances, ["inst1", "inst2"]);
}

#[test]
fn a_namespace_that_is_not_there_is_asked_for_again_with_a_delay_on_the_same_connection() {
    let mut world = World::joining(inst1());
    world.take_wire();
    // An hour of refusals: the readiness is armed anew by each.
    for round in 0..720_u64 {
        world.receive(NOT_THERE);
        // The main namespace keeps the connection, and is asked for once.
        let wanted: &[String] = if round == 0 { &["40".to_owned()] } else { &[] };
        assert_eq!(world.take_texts(), wanted);
        if round == 0 {
            world.receive(r#"40{"sid":"SID"}"#);
        }
        world.run(4_999);
        assert!(world.take_wire().is_empty());
        world.run(1);
        assert_eq!(world.take_wire(), [((round + 1) * 5_000, Wire::Text("40/inst1,".into()))]);
        if round % 5 == 0 {
            world.receive("2");
            assert_eq!(world.take_texts(), ["3"]);
        }
    }
    assert!(!world.session.is_online());
    world.receive(JOINED);
    assert!(world.session.is_online());
    // What is sent to all would come twice otherwise.
    assert_eq!(world.take_texts(), ["41"]);
    let text = "the namespace is not there: no event of the instance yet, or a wrong name";
    assert_eq!(world.problems(), [(0, text)], "it is said once");
    assert!(world.waits().is_empty(), "the connection was kept");
    world.run(20_000);
    assert!(world.take_wire().is_empty());
}

#[test]
fn a_server_that_falls_silent_before_the_namespace_is_there_is_a_dead_one() {
    let mut world = World::joining(inst1());
    world.receive(NOT_THERE);
    world.run(60_000);
    let cause = Cause::Timeout(Wait::Ready);
    assert_eq!(world.waits().first(), Some(&(1, Span::from_secs(1), cause)));
}

#[test]
fn what_comes_on_the_main_namespace_is_not_the_instances() {
    let mut world = World::joining(inst1());
    world.receive(NOT_THERE);
    world.receive(r#"40{"sid":"SID"}"#);
    world.receive(r#"42["messages.upsert",{"instance":"inst1","data":1}]"#);
    world.run(5_000);
    world.receive(JOINED);
    world.receive(EVENT);
    world.receive(r#"42["messages.upsert",{"instance":"inst1","data":1}]"#);
    assert_eq!(world.messages().len(), 1);
}

#[test]
fn the_servers_pings_are_answered_and_their_absence_for_45_s_is_a_dead_peer() {
    let mut world = World::joining(inst1());
    world.receive(JOINED);
    world.take_wire();
    world.run(25_000);
    world.receive("2");
    assert_eq!(world.take_wire(), [(25_000, Wire::Text("3".into()))]);
    world.run(44_999);
    assert!(world.take_wire().is_empty());
    world.run(1);
    assert_eq!(world.take_wire(), [(70_000, Wire::Drop(None))]);
    assert_eq!(world.waits(), [(1, Span::from_secs(1), Cause::Timeout(Wait::Health))]);
}

#[test]
fn the_servers_own_numbers_count_and_no_speed_divides_them() {
    let mut world = World::joining(inst1().speed(Speed::new(10)));
    world.receive(JOINED);
    world.run(44_999);
    assert!(world.session.is_online());
    world.run(1);
    assert!(!world.session.is_online());
}

#[test]
fn the_waits_are_those_of_the_official_client() {
    for (entropy, wanted) in [
        (0, [1_000, 2_000, 4_000, 5_000, 5_000]),
        (u64::MAX, [1_499, 2_999, 5_000, 5_000, 5_000]),
        // The largest that an even first digit takes away.
        (u64::MAX / 10 * 9 - 1, [551, 1_101, 2_201, 4_401, 5_000]),
    ] {
        let mut world = World::v2(inst1());
        world.entropy = entropy;
        world.input(Input::Connect);
        for _ in 0..5 {
            world.fail_dial(Cause::Network);
            world.run(5_000);
        }
        let delays: Vec<_> = world.waits().iter().map(|(_, delay, _)| delay.as_millis()).collect();
        assert_eq!(delays, wanted);
    }
}

#[test]
fn a_connection_that_ends_with_an_empty_close_is_made_anew() {
    let mut world = World::joining(inst1());
    world.receive(JOINED);
    world.take_wire();
    world.lose(Cause::Close(1005));
    world.run(1_000);
    world.open();
    world.receive(OPEN);
    assert_eq!(world.take_texts(), ["40/inst1,"]);
    assert!(world.gaps().is_empty());
    world.receive(JOINED);
    assert_eq!(world.gaps(), [false]);
    assert!(matches!(world.last_notice(), Notice::Online { continuity: Continuity::Fresh, .. }));
}

#[test]
fn a_refused_key_without_a_source_suspends_and_whoever_asks_gets_another_attempt() {
    let mut world = World::v2(inst1());
    world.input(Input::Connect);
    for _ in 0..3 {
        world.refuse(400, None);
        let reason = SuspendReason::Policy(Cause::Handshake(400));
        assert_eq!(world.last_notice(), Notice::Suspended { reason });
        world.take_wire();
        world.run(600_000);
        assert!(world.take_wire().is_empty());
        world.input(Input::Connect);
        assert!(world.dial.is_some(), "the application asked for it");
    }
    world.refuse(400, None);
    world.run(5_000);
    world.offer("key-2");
    let (_, handshake) = world.dial.as_ref().expect("a dial");
    assert_eq!(handshake.headers, [("apikey", "key-2".to_owned())]);
}

#[test]
fn a_server_that_asks_for_answers_and_reads_none_is_left() {
    for frame in ["2", r#"42/inst1,1["call",{}]"#] {
        let mut world = World::joining(inst1());
        world.receive(r#"40/inst1,{"sid":"SID"}"#);
        let (cx, conn) = (world.cx(), world.conn);
        for _ in 0..128 {
            let frame = Frame::Text(frame.into());
            world.session.handle(cx, Input::Frame { conn, frame });
            assert!(world.session.is_online());
        }
        world.take_wire();
        let frame = Frame::Text(frame.into());
        world.session.handle(cx, Input::Frame { conn, frame });
        world.pump();
        assert_eq!(world.take_wire(), [(0, Wire::Drop(Some(1000)))]);
        let cause = Cause::Refused(Refusal::Unread as u16);
        assert_eq!(world.waits(), [(1, Span::from_secs(1), cause)]);
    }
}

#[test]
fn a_refused_key_is_asked_for_where_there_is_a_source() {
    let scope = Scope::Instance("inst1".into());
    let mut world = World::v2(EvolutionApi::builder("http://localhost:8080", scope, ApiKey::Ask));
    world.input(Input::Connect);
    assert_eq!(world.wanted(), [None]);
    world.offer("key-1");
    world.refuse(400, None);
    world.run(1_000);
    assert_eq!(world.wanted(), [None, Some(&"key-1".into())]);
    world.offer("key-2");
    let (_, handshake) = world.dial.as_ref().expect("a dial");
    assert_eq!(handshake.headers, [("apikey", "key-2".to_owned())]);
    world.fail_dial(Cause::Network);
    world.run(5_000);
    assert!(world.dial.is_some());
    assert_eq!(world.wanted().len(), 2, "a loss asks for nothing");
}

#[test]
fn a_source_without_another_key_leaves_the_pace_to_the_old_one() {
    let scope = Scope::Instance("inst1".into());
    let mut world = World::v2(EvolutionApi::builder("http://localhost:8080", scope, ApiKey::Ask));
    world.input(Input::Connect);
    let none = || Input::TokenUnavailable { cause: Cause::Network, retry_after: None };
    world.input(none());
    assert!(world.dial.is_none(), "there is no key yet");
    world.run(1_000);
    world.offer("key-1");
    for asked in 3..6 {
        world.refuse(400, None);
        world.run(5_000);
        assert_eq!(world.wanted().len(), asked);
        world.input(none());
        let (_, handshake) = world.dial.as_ref().expect("a dial");
        assert_eq!(handshake.headers, [("apikey", "key-1".to_owned())]);
    }
}

#[test]
fn events_are_named_in_dotted_lower_case() {
    for (name, error) in [
        ("MESSAGES_UPSERT", ConfigError::UpperCaseEvent),
        ("messages_upsert", ConfigError::UnknownEvent),
        ("group.update", ConfigError::UnknownEvent),
        ("", ConfigError::Event),
    ] {
        assert_eq!(inst1().event(name).build().err(), Some(error), "{name}");
    }
    assert!(inst1().event("new.event").allow_unknown_event(true).build().is_ok());

    let mut world = World::joining(inst1().event("call").event("connection.update"));
    world.receive(JOINED);
    world.receive(EVENT);
    world.receive(r#"42/inst1,["MESSAGES_UPSERT",{}]"#);
    world.receive(r#"42/inst1,["connection.update",{"data":{"state":"open"}}]"#);
    let names: Vec<_> = world.messages().iter().map(|event| event.name.as_str()).collect();
    assert_eq!(names, ["connection.update"]);
}

#[test]
fn an_event_that_never_reaches_an_instance_warns() {
    let mut world = World::v2(inst1().event(GLOBAL_ONLY));
    world.input(Input::Connect);
    assert_eq!(world.problems(), [(0, "groups.update reaches the global namespace only")]);
    let mut world = World::v2(namespaces(Scope::Global).event(GLOBAL_ONLY));
    world.input(Input::Connect);
    assert!(world.problems().is_empty());
}

#[test]
fn what_ends_a_namespace_or_the_protocol_ends_the_connection() {
    for (frame, refusal) in [
        ("41/inst1,", Refusal::Removed),
        ("1", Refusal::Closed),
        ("42/inst1,[", Refusal::Protocol),
        (OPEN, Refusal::Protocol),
    ] {
        let mut world = World::joining(inst1());
        world.receive(JOINED);
        world.take_wire();
        world.receive(frame);
        assert_eq!(world.take_wire(), [(0, Wire::Drop(Some(1000)))], "{frame}");
        let cause = Cause::Refused(refusal as u16);
        assert_eq!(world.waits(), [(1, Span::from_secs(1), cause)]);
    }
    let mut world = World::joining(inst1());
    world.receive(r#"44/inst1,{"message":"not you"}"#);
    let cause = Cause::Refused(Refusal::Namespace as u16);
    assert_eq!(world.waits(), [(1, Span::from_secs(1), cause)]);
}

#[test]
fn a_server_of_the_older_generation_is_told_as_the_callers_mistake() {
    let mut world = World::joining(inst1());
    world.receive("40/inst1");
    let fault = world.items.iter().find_map(|(_, item)| match item {
        Item::Problem(problem) => Some(problem.fault),
        _ => None,
    });
    assert_eq!(fault, Some(Fault::Caller));
}

#[test]
fn an_event_that_wants_an_answer_is_answered_at_once() {
    let mut world = World::joining(inst1());
    world.receive(JOINED);
    world.take_wire();
    world.receive(r#"42/inst1,17["call",{}]"#);
    assert_eq!(world.take_texts(), ["43/inst1,17[]"]);
}

#[test]
fn an_event_with_bytes_keeps_its_envelope() {
    let mut world = World::joining(inst1());
    world.receive(JOINED);
    world.receive(r#"451-/inst1,["call",{"data":{"_placeholder":true,"num":0}}]"#);
    world.receive_frame(Frame::Binary(Bytes::from_static(b"\x01\x02")));
    assert_eq!(world.messages().len(), 1);
    world.receive(r#"42/inst1,["call"]"#);
    assert_eq!(world.problems(), [(0, "an event without a payload")]);
}

#[test]
fn a_configuration_that_cannot_work_is_refused() {
    let at = |url: &str| EvolutionApi::builder(url, Scope::Global, ApiKey::None).build().err();
    assert_eq!(at("localhost:8080"), Some(ConfigError::Url));
    assert_eq!(at("http://u@h"), Some(ConfigError::Url));
    let long = "x".repeat(257);
    for bad in ["", "a,b", "a?b", "/a", "a\n", &long] {
        let error = namespaces(Scope::Instance(bad.into())).build().err();
        assert_eq!(error, Some(ConfigError::Instance), "{bad}");
    }
    for bad in ["", "a b", "a\r\nx: y"] {
        let scope = Scope::Global;
        let built = EvolutionApi::builder("http://h", scope, ApiKey::Key(bad.into())).build();
        assert_eq!(built.err(), Some(ConfigError::ApiKey));
    }
    for bad in [Span::ZERO, POLICY.spec().timeouts.ready] {
        assert_eq!(inst1().rejoin(bad).build().err(), Some(ConfigError::Rejoin));
    }
}
