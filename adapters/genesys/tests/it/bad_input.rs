//! What a server may send and must not: counted, reported, survived.

use bytes::Bytes;
use redial_core::{Fate, Fault, Frame, Item};
use redial_genesys::guest::Message;
use serde_json::json;

use crate::support::World;

#[test]
fn frames_that_are_no_messages_are_problems_and_nothing_else() {
    let deep = format!("{{\"type\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    let cases: &[(&str, &str)] = &[
        ("", "a frame that is not a JSON object"),
        ("hello", "a frame that is not a JSON object"),
        ("[]", "a frame that is not a JSON object"),
        ("null", "a frame that is not a JSON object"),
        ("{", "a frame that is not a message"),
        ("{}x", "a frame that is not a message"),
        (&deep, "a message without a type"),
        ("{}", "a message without a type"),
        (r#"{"type":7}"#, "a message without a type"),
        (r#"{"type":"messageReceived"}"#, "an acknowledgment without a messageId"),
        (r#"{"type":"messageReceived","messageId":7}"#, "an acknowledgment without a messageId"),
    ];
    let mut world = World::chatting();
    world.items.clear();
    for (text, problem) in cases {
        world.receive_frame(Frame::Text(Bytes::copy_from_slice(text.as_bytes())));
        assert_eq!(world.problems().last(), Some(problem), "{text:.60}");
    }
    world.receive_frame(Frame::Binary(Bytes::from_static(b"\xFF")));
    assert_eq!(world.problems().last(), Some(&"a binary frame"));
    assert_eq!(world.session.problems(), cases.len() as u64 + 1);
    assert!(world.items.iter().all(|(_, item)| {
        matches!(item, Item::Problem(problem) if problem.fault == Fault::Vendor)
    }));
    let id = world.say("still there");
    let texts = world.take_texts();
    world.acknowledge(&texts);
    assert_eq!(world.fates(), [(id, Fate::Acked)]);
}

#[test]
fn odd_messages_are_delivered_as_they_came() {
    let mut world = World::chatting();
    world.items.clear();
    let odd = json!({ "type": "message", "content": { "deep": [1] }, "messageId": 7, "x": 1 });
    world.receive(&odd);
    let other = json!({ "type": "typing", "on": true });
    world.receive(&other);
    let messages = world.messages();
    let Message::Chat(chat) = messages[0] else { panic!("a chat") };
    assert_eq!((&chat.content, &chat.message_id), (&None, &None));
    assert_eq!(chat.body.value(), odd);
    let Message::Other { kind, body } = messages[1] else { panic!("another") };
    assert_eq!((kind.as_str(), body.value()), ("typing", other));
}

#[test]
fn web_frames_that_are_no_messages_are_problems_and_nothing_else() {
    let cases: &[(&str, &str)] = &[
        ("", "a frame that is not a JSON object"),
        ("[]", "a frame that is not a JSON object"),
        ("{", "a frame that is not a message"),
        ("{}", "a message without a class"),
        (r#"{"class":7}"#, "a message without a class"),
        (r#"{"class":"x","code":{}}"#, "a message whose code is no number"),
    ];
    let mut world = World::messaging();
    world.items.clear();
    for (text, problem) in cases {
        world.receive_frame(Frame::Text(Bytes::copy_from_slice(text.as_bytes())));
        assert_eq!(world.problems().last(), Some(problem), "{text}");
    }
    world.receive_frame(Frame::Binary(Bytes::new()));
    assert_eq!(world.session.problems(), cases.len() as u64 + 1);
    assert!(world.session.is_online());
}
