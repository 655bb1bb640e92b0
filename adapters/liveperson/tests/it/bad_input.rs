//! What a server may send and must not: counted, reported, survived.

use bytes::Bytes;
use redial_core::{Fate, Fault, Frame, Item};
use redial_liveperson::{Content, Message, Notification, Request};
use serde_json::json;

use crate::support::{World, response};

#[test]
fn frames_that_are_no_messages_are_problems_and_nothing_else() {
    let deep = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
    let cases: &[(&str, &str)] = &[
        ("", "a frame that is not a JSON object"),
        ("   ", "a frame that is not a JSON object"),
        ("hello", "a frame that is not a JSON object"),
        ("[]", "a frame that is not a JSON object"),
        (r#"["resp","x",200]"#, "a frame that is not a JSON object"),
        ("null", "a frame that is not a JSON object"),
        ("7", "a frame that is not a JSON object"),
        (&deep, "a frame that is not a JSON object"),
        ("{", "a frame that is not a message"),
        ("{}x", "a frame that is not a message"),
        (r#"{"kind":"resp","kind":"resp"}"#, "a frame that is not a message"),
        (r#"{"kind":"\ud800"#, "a frame that is not a message"),
        ("{}", "a message without a kind"),
        (r#"{"kind":null}"#, "a message without a kind"),
        (r#"{"kind":7}"#, "a message of an unknown kind"),
        (r#"{"kind":"RESP"}"#, "a message of an unknown kind"),
        (r#"{"kind":"req","id":"1","type":"x"}"#, "a request from the server"),
    ];
    let mut world = World::online();
    world.items.clear();
    for (text, problem) in cases {
        world.receive_frame(Frame::Text(Bytes::copy_from_slice(text.as_bytes())));
        assert_eq!(world.problems().last(), Some(problem), "{text:.60}");
    }
    world.receive_frame(Frame::Binary(Bytes::from_static(b"\xFF\x00")));
    assert_eq!(world.problems().last(), Some(&"a binary frame"));
    assert_eq!(world.session.problems(), cases.len() as u64 + 1);
    assert!(world.items.iter().all(|(_, item)| {
        matches!(item, Item::Problem(problem) if problem.fault == Fault::Vendor)
    }));
    assert!(world.session.is_online());
    let id = world.send(Request::get_clock());
    assert_eq!(world.fates().pop().map(|fate| (fate.1, fate.2)), Some((id, Fate::Acked)));
}

#[test]
fn invalid_utf8_in_a_text_frame_is_a_problem() {
    let mut world = World::online();
    for bytes in [&b"{\"kind\":\"\xFF\"}"[..], b"\xFF", b"{\"kind\":\"resp\",\"body\":\"\xC0\"}"] {
        world.receive_frame(Frame::Text(Bytes::copy_from_slice(bytes)));
    }
    assert_eq!(world.problems().len(), 3);
    assert!(world.session.is_online());
}

#[test]
fn unknown_notifications_come_as_they_are() {
    let body = json!({ "deep": [1, { "x": null }], "big": 1.5e300 });
    let notification =
        receive(&json!({ "kind": "notification", "type": ".new.Thing", "body": body,
                                        "later": true }));
    assert_eq!(notification.name(), ".new.Thing");
    assert_eq!(notification.event_name(), ".new.Thing");
    assert_eq!(notification.content(), &Content::Other);
    assert_eq!(notification.body().value(), body);
    let notification = receive(&json!({ "kind": "notification" }));
    assert_eq!((notification.name(), notification.body().as_str()), ("", ""));
    let notification = receive(&json!({ "kind": "notification", "type": 7, "body": "text" }));
    assert_eq!((notification.name(), notification.body().as_str()), ("7", "\"text\""));
}

#[test]
fn known_notifications_are_typed_in_every_spelling() {
    let change = json!({ "type": "UPSERT", "later": 1, "result": { "convId": "c1" } });
    for changes in [json!([change]), change.clone()] {
        for name in [
            ".ams.aam.ExConversationChangeNotification",
            "cqm.ExConversationChangeNotification",
            "ExConversationChangeNotification",
        ] {
            let notification = receive(&json!({ "kind": "notification", "type": name,
                "body": { "subscriptionId": "s", "changes": changes, "sentTs": 1 } }));
            assert_eq!(notification.event_name(), "cqm.ExConversationChangeNotification");
            let Content::ExConversationChange(content) = notification.content() else {
                panic!("{name}")
            };
            assert_eq!(content.subscription_id.as_deref(), Some("s"));
            assert_eq!(content.changes.len(), 1);
            assert_eq!(content.changes[0].kind.as_deref(), Some("UPSERT"));
            assert_eq!(content.changes[0].conversation_id(), Some("c1"));
        }
    }
    let ring = json!({ "ringId": "r", "ringState": "WAITING", "weight": 1 });
    for rings in [json!([ring]), ring.clone()] {
        let notification = receive(&json!({ "kind": "notification",
            "type": ".ams.routing.RoutingTaskNotification",
            "body": { "changes": [{ "result": { "ringsDetails": rings } }, 7] } }));
        let Content::RoutingTask(content) = notification.content() else { panic!("a task") };
        assert_eq!(content.changes.len(), 1);
        assert_eq!(content.changes[0].rings().collect::<Vec<_>>(), [("r", "WAITING")]);
    }
    let event = json!({ "dialogId": "d", "sequence": 4, "serverTimestamp": "odd",
                        "event": { "type": "ContentEvent", "message": "hi" } });
    for body in [event.clone(), json!({ "changes": [event] }), json!({ "changes": event })] {
        let notification = receive(&json!({ "kind": "notification",
            "type": ".ams.ms.OnlineEventDistribution", "body": body }));
        assert_eq!(notification.event_name(), "ms.MessagingEventNotification");
        let Content::MessagingEvent(events) = notification.content() else { panic!("events") };
        assert_eq!(events.len(), 1);
        assert_eq!((events[0].dialog_id.as_deref(), events[0].sequence), (Some("d"), Some(4)));
        assert_eq!(events[0].server_timestamp, None);
        assert_eq!(events[0].event["message"], "hi");
    }
    let notification = receive(&json!({ "kind": "notification",
        "type": ".ams.routing.AgentStateNotification", "body": { "changes": [] } }));
    assert!(matches!(notification.content(), Content::AgentState(_)));
    // Of another shape: the body is there all the same.
    let notification = receive(&json!({ "kind": "notification",
        "type": ".ams.routing.AgentStateNotification", "body": "odd" }));
    assert_eq!(notification.content(), &Content::Other);
    assert_eq!(notification.body().value(), "odd");
}

#[test]
fn numbers_of_any_size_survive() {
    let mut world = World::online();
    world.take_wire();
    world.send(Request::query_messages("d", u64::MAX));
    let text = world.take_texts().remove(0);
    assert_eq!(text["body"]["newerThanSequence"], u64::MAX);
    let mut answer = response(&text, 200, json!(null)).to_string();
    answer = answer.replace("\"body\":null", "\"body\":1e99999");
    world.receive_frame(Frame::Text(answer.into()));
    let reply = world.items.iter().find_map(|(_, item)| match item {
        Item::Reply { reply, .. } => Some(reply.body.clone()),
        _ => None,
    });
    assert_eq!(reply.expect("a reply").as_str(), "1e99999");
}

fn receive(value: &serde_json::Value) -> Notification {
    let mut world = World::online();
    world.items.clear();
    world.receive(value);
    match world.items.pop() {
        Some((_, Item::Message(Message::Notification(notification)))) => notification,
        other => panic!("{other:?}"),
    }
}
