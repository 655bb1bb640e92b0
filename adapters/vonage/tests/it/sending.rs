//! What the application sends.

use redial_core::{Cause, Fate, Input, Item, Notice, StopReason};
use redial_vonage::{Callback, Command, DisconnectReason, Outgoing, Reply};
use serde_json::{Value, json};

use crate::support::{BOTH, V1, V2, World, builder, parse};

fn text() -> Outgoing {
    Outgoing::request("text", json!({ "text": "hi" })).conversation("CON-1").from("MEM-1")
}

#[test]
fn a_request_is_the_sdks_and_its_reply_is_its_proof() {
    for generation in BOTH {
        let mut world = World::online(generation);
        let id = world.send(text());
        let written = world.last_text().expect("a frame");
        assert!(written.starts_with(r#"42["text",{"body":{"text":"hi"},"tid":""#), "{written}");
        assert!(written.ends_with(r#"","cid":"CON-1","from":"MEM-1"}]"#), "{written}");
        let (_, payload) = parse(&written).expect("an event");
        assert_eq!(world.fates(), []);
        world.event("text:success", &json!({ "rid": payload["tid"], "body": { "id": "9" } }));
        assert_eq!(world.fates(), [(id, Fate::Acked)]);
        let reply = reply(&world).expect("a reply");
        assert_eq!((reply.name(), reply.is_error()), (Some("text:success"), false));
        assert_eq!(reply.body().expect("a body").value(), json!({ "id": "9" }));
        // The same answer once more is an answer to nothing.
        world.event("text:success", &json!({ "rid": payload["tid"] }));
        assert_eq!(world.fates().len(), 1);
    }
}

#[test]
fn an_error_reply_rejects_its_request() {
    let mut world = World::online(V2);
    let id = world.send(text());
    let tid = world.tid_of("text").expect("a tid");
    world.event("conversation:error:not-found", &json!({ "rid": tid, "code": "c" }));
    assert_eq!(world.fates(), [(id, Fate::Rejected(Reply::ERROR))]);
    assert!(reply(&world).expect("a reply").is_error());
    // So does one that would be the end of a login.
    let id = world.send(text());
    let tid = world.tid_of("text").expect("a tid");
    world.event("system:error:permission", &json!({ "rid": tid }));
    assert_eq!(world.fates()[1..], [(id, Fate::Rejected(Reply::ERROR))]);
    assert!(world.session.is_online());
}

#[test]
fn an_event_is_proved_by_its_acknowledgement_or_its_reply() {
    for generation in BOTH {
        let mut world = World::online(generation);
        let id = world.send(Outgoing::event("custom:x", json!({})));
        let written = world.last_text().expect("a frame");
        assert!(written.starts_with(r#"420["custom:x",{"body":{},"tid":""#), "{written}");
        world.text(r#"430[{"ok":true}]"#);
        assert_eq!(world.fates(), [(id, Fate::Acked)]);
        let reply = reply(&world).expect("a reply");
        assert_eq!((reply.name(), reply.is_error()), (None, false));
        assert_eq!(reply.body().map(redial_vonage::Json::as_str), Some(r#"{"ok":true}"#));
        let id = world.send(Outgoing::event("custom:x", json!({})));
        let (_, payload) = parse(&world.last_text().expect("a frame")).expect("an event");
        world.event("custom:x:done", &json!({ "rid": payload["tid"] }));
        assert_eq!(world.fates()[1..], [(id, Fate::Acked)]);
        world.text("431[]");
        assert_eq!(world.fates().len(), 2);
    }
}

#[test]
fn an_event_without_proof_is_acked_when_it_is_written() {
    let mut world = World::online(V2);
    let id = world.send(Outgoing::event("custom:x", json!({})).unproved());
    assert!(world.last_text().expect("a frame").starts_with("42[\"custom:x\""));
    assert_eq!(world.fates(), [(id, Fate::Acked)]);
}

#[test]
fn what_was_written_is_not_written_again_by_default() {
    let mut world = World::online(V2);
    let id = world.send(text());
    world.lose(Cause::Network);
    assert_eq!(world.fates(), [(id, Fate::Unknown)]);
    // What was not written waits for the session.
    let later = world.send(text());
    world.run(1_000);
    world.forget();
    world.log_in("S1");
    let tid = world.tid_of("text").expect("a frame");
    world.event("text:success", &json!({ "rid": tid }));
    assert_eq!(world.fates(), [(later, Fate::Acked)]);
}

#[test]
fn where_it_is_switched_on_it_is_written_again_with_its_id() {
    let mut world = World::online_with(V2, builder(V2).token("T1".into()).resend(true));
    let id = world.send(text());
    let first = world.last_text();
    world.lose(Cause::Network);
    world.run(1_000);
    world.log_in("S1");
    assert_eq!(world.last_text(), first);
    let tid = world.tid_of("text").expect("a frame");
    world.event("text:success", &json!({ "rid": tid }));
    assert_eq!(world.fates(), [(id, Fate::Acked)]);
}

#[test]
fn a_request_without_a_reply_has_its_fate_in_time() {
    let mut world = World::online(V2);
    let id = world.send(text());
    world.run(10_000);
    assert_eq!(world.fates(), [(id, Fate::Unknown)]);
}

#[test]
fn what_the_server_does_not_take_is_rejected_and_not_sent() {
    let mut world = World::new(V2, builder(V2).token("T1".into()));
    world.input(Input::Connect);
    world.open();
    world.text(r#"0{"sid":"e","pingInterval":25000,"pingTimeout":20000,"maxPayload":200}"#);
    world.text(r#"40{"sid":"s"}"#);
    world.log_in_answer("S1");
    world.forget();
    let large = world.send(Outgoing::request("text", Value::String("x".repeat(200))));
    let reserved = world.send(Outgoing::request("disconnect", json!({})));
    assert_eq!(
        world.fates(),
        [(large, Fate::Rejected(Reply::TOO_LARGE)), (reserved, Fate::Rejected(Reply::UNWRITABLE))]
    );
    assert_eq!(world.texts(), [""; 0]);
}

#[test]
fn acknowledgements_that_never_come_keep_no_later_one_out() {
    let mut world = World::online_with(V2, builder(V2).token("T1".into()).retries(0));
    for _ in 0..3_000 {
        world.send(Outgoing::event("custom:x", json!({})));
        world.run(10_000);
        world.answer_heartbeats();
    }
    assert_eq!(world.texts().iter().filter(|text| text.contains("custom:x")).count(), 3_000);
    assert!(world.fates().iter().all(|(_, fate)| *fate == Fate::Unknown));
    assert_eq!(world.problems(), [""; 0]);
}

#[test]
fn a_logout_is_answered_and_ends_the_session() {
    for generation in BOTH {
        let mut world = World::online(generation);
        world.input(Input::Command(Command::Logout));
        let rid = world.tid_of("session:logout").expect("a logout");
        assert!(world.session.is_online());
        world.event("session:logged-out", &json!({ "rid": rid, "body": {} }));
        let Notice::Stopped { reason: StopReason::Policy(_) } = world.last_notice() else {
            panic!("{:?}", world.last_notice());
        };
    }
    let mut world = World::online(V1);
    world.lose(Cause::Network);
    world.forget();
    world.input(Input::Command(Command::Logout));
    assert!(world.wire.is_empty());
}

#[test]
fn the_older_wire_is_pinged_by_us_in_its_own_words() {
    let mut world = World::online(V1);
    world.run(25_000);
    assert_eq!(world.texts(), ["2"]);
    world.text("3");
    world.run(25_000);
    assert_eq!(world.texts(), ["2", "2"]);
    world.run(20_000);
    assert!(!world.session.is_online(), "no pong within the server's own timeout");
}

fn reply(world: &World) -> Option<Reply> {
    world.items.iter().rev().find_map(|(_, item)| match item {
        Item::Reply { reply, .. } => Some(reply.clone()),
        _ => None,
    })
}

#[test]
fn a_burst_of_events_waits_for_acknowledgements_and_none_is_forgotten() {
    let mut world = World::online(V2);
    let ids: Vec<_> =
        (0..1_000).map(|_| world.send(Outgoing::event("custom:x", json!({})))).collect();
    assert_eq!(world.texts().len(), 512);
    for ack in 0..1_000 {
        world.text(&format!("43{ack}[]"));
    }
    let acked: Vec<_> = ids.into_iter().map(|id| (id, Fate::Acked)).collect();
    assert_eq!(world.fates(), acked);
}

#[test]
fn a_logout_of_ours_is_our_own_disconnect() {
    for generation in BOTH {
        for answer in ["session:logged-out", "session:terminated"] {
            let mut world = World::online(generation);
            world.input(Input::Command(Command::Logout));
            let rid = world.tid_of("session:logout").expect("a logout");
            world.event(answer, &json!({ "rid": rid, "body": {} }));
            let reason = DisconnectReason::ClientDisconnected;
            assert_eq!(world.take_callbacks(), [(0, Callback::Disconnect { reason })]);
            assert!(world.session.is_stopped());
        }
    }
}

#[test]
fn a_disconnect_packet_in_answer_to_a_logout_is_the_end() {
    for generation in BOTH {
        let mut world = World::online(generation);
        world.input(Input::Command(Command::Logout));
        world.text("41");
        assert!(world.session.is_stopped());
        world.run(60_000);
        assert!(world.take_dials().is_empty() && world.asked().is_empty());
    }
}

#[test]
fn a_connection_that_ends_instead_of_an_answer_to_a_logout_leads_to_no_other_session() {
    for generation in BOTH {
        let mut world = World::online(generation);
        world.input(Input::Command(Command::Logout));
        world.lose(Cause::Close(1005));
        world.run(1_000);
        world.forget();
        world.open();
        assert!(world.session.is_stopped());
        assert_eq!(world.texts(), [""; 0]);
        world.run(60_000);
        assert!(world.take_dials().is_empty());
    }
}
