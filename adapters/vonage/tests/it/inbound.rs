//! What the platform says: events, acknowledgements, duplicates and gaps.

use bytes::Bytes;
use redial_core::{Cause, Frame, Input, Item};
use redial_vonage::{Event, Message};
use serde_json::json;

use crate::support::{BOTH, V2, World, builder};

#[test]
fn an_event_is_acknowledged_at_once_with_nothing() {
    for generation in BOTH {
        let mut world = World::online(generation);
        world.text(r#"420["custom:hello",{"id":"1","cid":"CON-1","from":"MEM-x","body":{"n":1}}]"#);
        world.text(r#"427["echo",{}]"#);
        world.text(r#"428["strange"]"#);
        assert_eq!(world.texts(), ["430[]", "437[]", "438[]"]);
        let events = events(&world);
        assert_eq!(events.len(), 2, "an echo is nothing");
        let (name, cid, from) = (events[0].name(), events[0].cid(), events[0].from());
        assert_eq!((name, cid, from), ("custom:hello", Some("CON-1"), Some("MEM-x")));
        assert_eq!(events[0].id(), Some(1));
        assert_eq!(events[0].body().map(redial_vonage::Json::as_str), Some(r#"{"n":1}"#));
        assert_eq!(events[1].payload(), None);
    }
}

#[test]
fn an_event_is_acknowledged_before_the_session_is_confirmed() {
    for generation in BOTH {
        let mut world = World::new(generation, builder(generation).token("T1".into()));
        world.input(Input::Connect);
        world.open();
        world.text(r#"0{"sid":"e","upgrades":[],"pingInterval":25000,"pingTimeout":20000}"#);
        // One that comes before its namespace is answered as soon as that is there.
        world.text(r#"424["text",{"id":"1","cid":"CON-1"}]"#);
        assert!(!world.texts().contains(&"434[]".to_owned()));
        world.text(if generation == V2 { r#"40{"sid":"s"}"# } else { "40" });
        assert!(world.texts().contains(&"434[]".to_owned()));
        world.text(r#"425["text",{"id":"2","cid":"CON-1"}]"#);
        assert_eq!(world.last_text().as_deref(), Some("435[]"));
        assert_eq!(events(&world).len(), 0);
    }
}

#[test]
fn bytes_in_an_event_are_read_and_its_acknowledgement_goes_out_after_them() {
    for generation in BOTH {
        let mut world = World::online(generation);
        world.text(r#"451-3["up",{"_placeholder":true,"num":0}]"#);
        assert_eq!(world.texts(), [""; 0]);
        let bytes: &'static [u8] = if generation == V2 { b"a" } else { b"\x04a" };
        world.receive_frame(Frame::Binary(Bytes::from_static(bytes)));
        assert_eq!(world.texts(), ["433[]"]);
        assert_eq!(events(&world).len(), 1);
    }
}

#[test]
fn the_newer_platform_pings_and_is_answered_before_anything_else() {
    let mut world = World::online(V2);
    world.text("2");
    assert_eq!(world.texts(), ["3"]);
}

#[test]
fn pending_events_follow_the_session_and_say_what_they_are() {
    let mut world = World::online(V2);
    world.event("text", &json!({ "id": "1", "cid": "CON-1", "body": {} }));
    world.lose(Cause::Network);
    world.run(1_000);
    world.forget();
    world.join();
    world.succeed(&json!({ "id": "S1", "pending_events": [
        { "type": "text", "id": "1", "cid": "CON-1", "body": { "n": 1 } },
        { "type": "custom:while-away", "id": "2", "cid": "CON-1", "from": "MEM-x", "body": { "n": 2 } },
        7,
    ] }));
    let events = events(&world);
    let told: Vec<_> = events
        .iter()
        .map(|event| (event.name(), event.id(), event.is_pending(), event.is_duplicate()))
        .collect();
    assert_eq!(
        told,
        [
            ("text", Some(1), true, true),
            ("custom:while-away", Some(2), true, false),
            ("", None, true, false)
        ]
    );
    let order: Vec<_> = world.items.iter().map(|(_, item)| kind(item)).collect();
    let online = order.iter().position(|kind| *kind == "Online");
    let session = order.iter().position(|kind| *kind == "Session");
    let event = order.iter().position(|kind| *kind == "Event");
    assert!(online < session && session < event, "{order:?}");
}

#[test]
fn an_event_before_the_session_is_confirmed_comes_after_it() {
    let mut world = World::new(V2, builder(V2).token("T1".into()));
    world.input(Input::Connect);
    world.join();
    world.event("text", &json!({ "id": "4", "cid": "CON-1" }));
    assert_eq!(events(&world).len(), 0);
    world.log_in_answer("S1");
    assert_eq!(events(&world).len(), 1);
}

#[test]
fn duplicates_and_gaps_are_told_for_each_conversation() {
    let mut world = World::online(V2);
    let event = |cid: &str, id: u64| json!({ "id": id.to_string(), "cid": cid, "body": {} });
    for (cid, id) in [("A", 5), ("B", 1), ("A", 6), ("A", 6), ("B", 4), ("A", 7), ("B", 3)] {
        world.event("text", &event(cid, id));
    }
    assert_eq!(gaps(&world), [false]);
    let missing = Message::Missing { cid: "B".to_owned(), from: 2, to: 3 };
    assert!(world.messages().contains(&&missing));
    let duplicates: Vec<bool> = events(&world).iter().map(|event| event.is_duplicate()).collect();
    assert_eq!(duplicates, [false, false, false, true, false, false, false]);
    world.event("text", &event("B", 2));
    assert_eq!(gaps(&world), [false, true], "all that was missing has come");
    world.event("text", &event("B", 2));
    assert!(events(&world).last().expect("an event").is_duplicate());
}

#[test]
fn what_the_session_does_not_need_may_be_of_any_kind() {
    for odd in [json!(7), json!({}), json!(null), json!([1])] {
        let mut world = World::new(V2, builder(V2).token("T1".into()));
        world.input(Input::Connect);
        world.join();
        let pending = if odd.is_array() { json!("x") } else { odd.clone() };
        world.succeed(&json!({
            "id": "S1", "user_id": odd, "name": odd, "api_key": odd, "pending_events": pending,
        }));
        assert!(world.session.is_online(), "{odd}");
    }
}

#[test]
fn pending_events_without_end_are_bounded_and_the_rest_is_told_missing() {
    let mut world = World::new(V2, builder(V2).token("T1".into()));
    world.input(Input::Connect);
    world.join();
    let zeros = "0,".repeat(2_000_000);
    world.text(&format!(
        r#"42["session:success",{{"body":{{"id":"S1","pending_events":[{zeros}0]}}}}]"#
    ));
    assert!(world.session.is_online());
    assert_eq!(events(&world).len(), 4096);
    assert_eq!(world.problems(), ["more pending events than are taken"]);
    assert_eq!(gaps(&world), [false]);
}

#[test]
fn a_flood_before_the_session_is_confirmed_is_bounded_in_bytes() {
    for generation in BOTH {
        let mut world = World::new(generation, builder(generation).token("T1".into()));
        world.input(Input::Connect);
        world.join();
        let body = "x".repeat(100_000);
        for round in 0..11 {
            assert!(world.session.machine().live_conn().is_some(), "{round}");
            world.event("text", &json!({ "body": body }));
        }
        assert!(world.session.machine().live_conn().is_none());
        assert_eq!(world.problems(), ["too much before the session was confirmed"]);
        world.run(1_000);
        assert_eq!(world.take_dials().len(), 2, "it is met like a lost connection");
    }
}

#[test]
fn duplicates_and_gaps_are_told_across_sessions() {
    for generation in BOTH {
        let mut world = World::online(generation);
        let event = |id: u64| json!({ "id": id.to_string(), "cid": "A", "body": {} });
        world.event("text", &event(1));
        world.lose(Cause::Network);
        world.run(1_000);
        world.log_in("S2");
        for id in [1, 3, 2] {
            world.event("text", &event(id));
        }
        let duplicates: Vec<_> = events(&world).iter().map(Event::is_duplicate).collect();
        assert_eq!(duplicates, [false, true, false, false]);
        assert_eq!(gaps(&world), [false, true]);
    }
}

#[test]
fn a_gap_is_closed_by_all_of_it_however_wide_it_is() {
    let mut world = World::online(V2);
    let event = |id: u64| json!({ "id": id.to_string(), "cid": "A", "body": {} });
    world.event("text", &event(1));
    world.event("text", &event(1_000));
    for id in (3..1_000).rev() {
        world.event("text", &event(id));
    }
    assert_eq!(gaps(&world), [false], "number 2 has not come");
    assert!(!events(&world).iter().any(Event::is_duplicate));
    world.event("text", &event(2));
    assert_eq!(gaps(&world), [false, true]);
    world.event("text", &event(500));
    assert!(events(&world).last().expect("an event").is_duplicate());
}

#[test]
fn where_too_many_gaps_are_open_nothing_is_called_closed_or_a_duplicate_without_knowing() {
    let mut world = World::online(V2);
    let event = |id: u64| json!({ "id": id.to_string(), "cid": "A", "body": {} });
    for id in (1..2_000).step_by(2) {
        world.event("text", &event(id));
    }
    for id in (2..2_000).step_by(2) {
        world.event("text", &event(id));
    }
    assert!(!gaps(&world).contains(&true));
    assert!(!events(&world).iter().any(Event::is_duplicate));
}

#[test]
fn what_a_peer_makes_us_remember_is_bounded() {
    let mut world = World::online(V2);
    for number in 0..2_000 {
        let cid = format!("CON-{number}");
        world.event("text", &json!({ "id": "1", "cid": cid }));
        world.event("text", &json!({ "id": "18446744073709551615", "cid": cid }));
        world.event("text", &json!({ "id": "3", "cid": "C".repeat(4_000) }));
    }
    let cursor = serde_json::to_string(&world.session.snapshot().cursor).expect("JSON");
    assert!(cursor.len() < 256 * 256 * 24, "{}", cursor.len());
}

#[test]
fn an_application_error_is_an_event_and_not_the_end() {
    for name in
        ["conversation:error:not-found", "system:error:permission", "user:error:invalid-user"]
    {
        let mut world = World::online(V2);
        world.error(name);
        assert!(world.session.is_online());
        assert!(events(&world)[0].is_error());
    }
}

#[test]
fn a_frame_that_is_no_packet_is_a_problem_and_a_lost_connection() {
    for generation in BOTH {
        let mut world = World::online(generation);
        world.text("not json");
        assert_eq!(world.problems().len(), 1);
        assert!(!world.session.is_online());
        world.run(1_000);
        assert!(world.dialled().expect("a dial").contains("session_id=S1&token=T1"));
    }
}

fn events(world: &World) -> Vec<Event> {
    let events = world.messages().into_iter().filter_map(|message| match message {
        Message::Event(event) => Some(event.clone()),
        _ => None,
    });
    events.collect()
}

fn gaps(world: &World) -> Vec<bool> {
    let gaps = world.items.iter().filter_map(|(_, item)| match item {
        Item::Gap { closed } => Some(*closed),
        _ => None,
    });
    gaps.collect()
}

fn kind(item: &Item<redial_vonage::Vonage>) -> &'static str {
    match item {
        Item::Notice(redial_core::Notice::Online { .. }) => "Online",
        Item::Message(Message::Session(_)) => "Session",
        Item::Message(Message::Event(_)) => "Event",
        _ => "other",
    }
}
