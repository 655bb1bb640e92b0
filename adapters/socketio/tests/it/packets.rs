//! What each packet looks like.

use std::collections::BTreeMap;

use bytes::Bytes;
use redial_core::{Frame, Keepalive, Pace, Span};
use redial_socketio::{
    Args, Content, Event, Generation, Inbound, Json, Namespace, Packet, Placeholder, Query, Refusal,
};
use serde_json::json;
use serde_json::value::RawValue;

use crate::support::{Eio3, Eio4, binary, decode, main, namespace, show, text};

#[test]
fn every_packet_has_its_text_and_every_text_its_packet() {
    for (generation, wire, packet) in texts() {
        let frames: Vec<_> = packet.frames(generation).collect();
        assert_eq!(frames, [text(wire)]);
        assert_eq!(decode(generation, &frames), Ok(Inbound::Packet(packet)), "{wire}");
    }
}

#[test]
fn bytes_follow_their_packet() {
    let args = Args::with_attachments(&(Placeholder(0),), vec![bytes(&[9, 8])]).expect("args");
    let answer = Packet { namespace: main(), content: Content::Ack { id: 1, args } };
    for (generation, attachment) in [(Eio3, &[4, 9, 8][..]), (Eio4, &[9, 8])] {
        let frames: Vec<_> = answer.frames(generation).collect();
        let wire = r#"461-1[{"_placeholder":true,"num":0}]"#;
        assert_eq!(frames, [text(wire), binary(attachment)]);
        assert_eq!(decode(generation, &frames), Ok(Inbound::Packet(answer.clone())));
    }
}

#[test]
fn bytes_are_found_by_their_placeholder() {
    let wire =
        r#"452-/a,12["blob",{"part":{"_placeholder":true,"num":1}},{"num":0,"_placeholder":true}]"#;
    let frames = [text(wire), binary(b"first"), binary(b"second")];
    let Ok(Inbound::Packet(packet)) = decode(Eio4, &frames) else { panic!("a packet") };
    assert_eq!(packet.namespace, namespace("a"));
    let Content::Event { ack: Some(12), event } = packet.content else { panic!("an event") };
    assert_eq!(event.name(), &"blob");
    let second = event.arg(1).expect("two arguments");
    assert_eq!(event.attachment(&second), Some(&bytes(b"first")));
    assert_eq!(event.attachment(&event.arg(0).expect("one")), None);
    assert_eq!(event.array().attachments(), [bytes(b"first"), bytes(b"second")]);
    assert_eq!(event.arg(2), None);
}

#[test]
fn a_binary_packet_without_bytes_is_an_ordinary_one() {
    let Ok(Inbound::Packet(packet)) = decode(Eio4, &[text(r#"450-["ev"]"#)]) else {
        panic!("a packet")
    };
    assert_eq!(packet.frames(Eio4).map(|frame| show(&frame)).collect::<Vec<_>>(), [r#"42["ev"]"#]);
}

#[test]
fn payloads_share_the_memory_of_their_frame() {
    let frame = Bytes::from_static(br#"42["ev",{"a":1},"x"]"#);
    let range = frame.as_ptr() as usize..frame.as_ptr() as usize + frame.len();
    let Ok(Inbound::Packet(Packet { content: Content::Event { event, .. }, .. })) =
        decode(Eio4, &[Frame::Text(frame.clone())])
    else {
        panic!("an event")
    };
    assert!(range.contains(&(event.name().as_str().as_ptr() as usize)));
    for argument in event.args() {
        assert!(range.contains(&(argument.as_bytes().as_ptr() as usize)));
    }
    assert_eq!(
        event.args().map(|json| json.value()).collect::<Vec<_>>(),
        [json!({"a":1}), json!("x")]
    );
}

#[test]
fn a_part_of_a_text_shares_its_memory_and_a_part_of_another_is_none() {
    let whole = Json::of(&json!({ "a": [1, { "b": 2 }] })).expect("JSON");
    let parts: BTreeMap<&str, &RawValue> =
        serde_json::from_slice(whole.as_bytes()).expect("an object");
    let part = whole.part(parts["a"]).expect("a part of it");
    assert_eq!(part.as_str(), r#"[1,{"b":2}]"#);
    let (inner, outer) = (part.as_bytes().as_ptr_range(), whole.as_bytes().as_ptr_range());
    assert!(outer.start < inner.start && inner.end < outer.end, "no copy was made");
    // The same text in other memory, before, after or around it, is not a part.
    let copy = Json::check(&Bytes::copy_from_slice(whole.as_str().as_bytes())).expect("JSON");
    assert_eq!(copy.part(parts["a"]), None);
    assert_eq!(part.part(serde_json::from_str(whole.as_str()).expect("JSON")), None);
}

#[test]
fn an_escaped_name_is_read() {
    let Ok(Inbound::Packet(Packet { content: Content::Event { event, .. }, .. })) =
        decode(Eio4, &[text(r#"42["a\"\u00e9\ud83d\ude00",1]"#)])
    else {
        panic!("an event")
    };
    assert_eq!(event.name(), &"a\"é😀");
}

#[test]
fn a_number_is_a_name() {
    let Ok(Inbound::Packet(Packet { content: Content::Event { event, .. }, .. })) =
        decode(Eio4, &[text("42[7,1]")])
    else {
        panic!("an event")
    };
    assert_eq!((event.name().as_str(), event.args().count()), ("7", 1));
}

#[test]
fn both_generations_say_why_a_namespace_is_refused() {
    let table = [
        (Eio4, r#"44/a,{"message":"Invalid namespace"}"#, Some("Invalid namespace"), None),
        (
            Eio4,
            r#"44/a,{"message":"no","data":{"code":"E1"}}"#,
            Some("no"),
            Some(r#"{"code":"E1"}"#),
        ),
        (Eio3, r#"44/a,"Invalid namespace""#, Some("Invalid namespace"), None),
        (Eio3, r#"44/a,{"code":"E1"}"#, None, Some(r#"{"code":"E1"}"#)),
        (Eio3, "44/a,17", None, Some("17")),
        (Eio3, "44/a,", None, None),
    ];
    for (generation, wire, message, data) in table {
        let Ok(Inbound::Packet(Packet { content: Content::Refused(refusal), .. })) =
            decode(generation, &[text(wire)])
        else {
            panic!("a refusal: {wire}")
        };
        assert_eq!(refusal.message().as_deref(), message, "{wire}");
        assert_eq!(refusal.data().as_ref().map(Json::as_str), data, "{wire}");
        assert_eq!(refusal.is_unknown_namespace(), message == Some("Invalid namespace"), "{wire}");
    }
}

#[test]
fn the_open_packet_says_how_a_dead_server_is_noticed() {
    let wire = r#"0{"sid":"a\u0062","upgrades":["x"],"pingInterval":25000,"pingTimeout":5000,"maxPayload":9,"new":[]}"#;
    let Ok(Inbound::Open(open)) = decode(Eio4, &[text(wire)]) else { panic!("an open packet") };
    assert_eq!((open.sid.as_str(), open.max_payload), ("ab", Some(9)));
    assert_eq!(open.upgrades.as_ref().map(Json::as_str), Some(r#"["x"]"#));
    let keepalive = |generation: Generation| generation.terms(&open).keepalive;
    assert_eq!(keepalive(Eio4), Some(Keepalive::Listen { within: Span::from_secs(30) }));
    let probe = Keepalive::Probe {
        interval: Span::from_secs(25),
        timeout: Span::from_secs(5),
        misses: 1,
        pace: Pace::Steady,
    };
    assert_eq!(keepalive(Eio3), Some(probe));
}

#[test]
fn a_timeout_above_the_interval_slows_the_heartbeat() {
    let wire = r#"0{"sid":"t","pingInterval":3000,"pingTimeout":8000}"#;
    let Ok(Inbound::Open(open)) = decode(Eio3, &[text(wire)]) else { panic!("an open packet") };
    let Some(Keepalive::Probe { interval, timeout, .. }) = Eio3.terms(&open).keepalive else {
        panic!("a probe")
    };
    assert_eq!((interval, timeout), (Span::from_secs(8), Span::from_secs(8)));
}

#[test]
fn the_address_names_the_generation() {
    assert_eq!(Eio3.query(), "EIO=3&transport=websocket");
    assert_eq!(Eio4.query(), "EIO=4&transport=websocket");
    assert_eq!((Eio3.number(), Eio4.number()), (3, 4));
}

#[test]
fn what_no_packet_can_carry_is_refused() {
    assert_eq!(Namespace::new("a,b"), None);
    assert_eq!(Namespace::new("/a?b"), None);
    assert_eq!(Query::new("a=1,2"), None);
    assert!(Event::new("disconnect", &()).is_err());
    assert!(Event::new("ev", "no list").is_err());
    assert!(Args::with_attachments(&(Placeholder(1),), vec![Bytes::new()]).is_err());
}

#[test]
fn nothing_of_a_payload_is_shown() {
    let secret = Packet {
        namespace: main(),
        content: Content::Connect {
            query: Query::new("token=hush"),
            payload: Some(Json::of(&json!({"token": "hush"})).expect("json")),
        },
    };
    assert!(!format!("{secret:?}").contains("hush"));
    let event = Event::new("ev", &("hush",)).expect("an event");
    assert!(!format!("{event:?}").contains("hush"));
}

fn bytes(bytes: &[u8]) -> Bytes {
    Bytes::copy_from_slice(bytes)
}

/// The table of the protocol, and what it leaves out.
fn texts() -> Vec<(Generation, &'static str, Packet)> {
    let token = || Some(Json::of(&json!({"token": "T"})).expect("json"));
    let connect = |query: Option<&str>, payload| Content::Connect {
        query: query.map(|query| Query::new(query).expect("a query")),
        payload,
    };
    let event = |ack, name: &str, args: serde_json::Value| Content::Event {
        ack,
        event: Event::new(name, &args).expect("an event"),
    };
    let answer =
        |id, args: serde_json::Value| Content::Ack { id, args: Args::new(&args).expect("args") };
    let refused = |value: serde_json::Value| {
        Content::Refused(Refusal::new(Some(Json::of(&value).expect("json"))))
    };
    let chat = || namespace("/chat");
    let packet = |namespace, content| Packet { namespace, content };
    vec![
        (Eio4, "40", packet(main(), connect(None, None))),
        (Eio3, "40", packet(main(), connect(None, None))),
        (Eio4, r#"40{"token":"T"}"#, packet(main(), connect(None, token()))),
        (Eio4, r#"40/chat,{"token":"T"}"#, packet(chat(), connect(None, token()))),
        (Eio3, "40/chat?token=T,", packet(chat(), connect(Some("token=T"), None))),
        (Eio3, "40/?token=T,", packet(main(), connect(Some("token=T"), None))),
        (Eio3, "40/chat,", packet(chat(), connect(None, None))),
        (Eio4, "41", packet(main(), Content::Disconnect)),
        (Eio3, "41/chat,", packet(chat(), Content::Disconnect)),
        (Eio4, r#"42["hello",{"a":1}]"#, packet(main(), event(None, "hello", json!([{"a": 1}])))),
        (Eio4, r#"42["hello"]"#, packet(main(), event(None, "hello", json!(null)))),
        (Eio4, r#"420["echo",1]"#, packet(main(), event(Some(0), "echo", json!([1])))),
        (Eio3, r#"42/chat,7["x"]"#, packet(chat(), event(Some(7), "x", json!([])))),
        (Eio4, "430[null,1]", packet(main(), answer(0, json!([null, 1])))),
        (Eio3, "43/chat,7[]", packet(chat(), answer(7, json!([])))),
        (Eio4, "4318446744073709551615[]", packet(main(), answer(u64::MAX, json!([])))),
        (Eio4, r#"44/chat,{"message":"no"}"#, packet(chat(), refused(json!({"message": "no"})))),
        (Eio3, r#"44"no""#, packet(main(), refused(json!("no")))),
        (Eio3, "44", packet(main(), Content::Refused(Refusal::new(None)))),
    ]
}

#[test]
fn half_a_surrogate_pair_does_not_lose_the_rest_of_a_payload() {
    let cases = [
        (r#"{"a":"x\ud83d","b":1}"#, json!({ "a": "x\u{FFFD}", "b": 1 })),
        (r#"["\udc00\uD83D\uDE00"]"#, json!(["\u{FFFD}\u{1F600}"])),
        (r#"["\ud83d\ud83d\ude00\n"]"#, json!(["\u{FFFD}\u{1F600}\n"])),
        (r#"["\\ud83d \ud83d"]"#, json!(["\\ud83d \u{FFFD}"])),
    ];
    for (text, value) in cases {
        let json = Json::check(&Bytes::from_static(text.as_bytes())).expect("JSON");
        assert_eq!(json.value(), value, "{text}");
        assert_eq!(json.as_str(), text, "what came stays as it came");
    }
}
