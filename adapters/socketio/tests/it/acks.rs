//! Acknowledgements in both directions.

use bytes::Bytes;
use redial_socketio::{Args, Event, Join, Limits, Placeholder, SendError, Signal};

use crate::support::{Eio3, Eio4, OPEN, World, binary, main, namespace};

#[test]
fn ids_are_counted_for_each_namespace_and_each_direction() {
    let mut world = World::joined(Eio4);
    let chat = namespace("chat");
    world.connection.join(&chat, Join::new()).expect("a join");
    world.text(r#"40/chat,{"sid":"s"}"#);
    let event = Event::new("ev", &()).expect("an event");
    let ids = [&main(), &main(), &chat].map(|to| world.connection.request(to, &event));
    assert_eq!(ids, [Ok(0), Ok(1), Ok(0)]);
    world.text(r#"420["ask"]"#);
    world.connection.answer(&main(), 0, &Args::new(&()).expect("args")).expect("an answer");
    let written = world.written();
    assert_eq!(written[1..], [r#"420["ev"]"#, r#"421["ev"]"#, r#"42/chat,0["ev"]"#, "430[]"]);
}

#[test]
fn an_answer_is_told_once() {
    let mut world = World::joined(Eio3);
    let event = Event::new("ev", &()).expect("an event");
    world.connection.request(&main(), &event).expect("a request");
    world.text(r#"430["yes"]"#);
    let args = Args::new(&("yes",)).expect("args");
    assert_eq!(world.signal(), Signal::Answered { namespace: main(), id: 0, args });
    for wire in [r#"430["yes"]"#, "431[]"] {
        world.text(wire);
        assert!(matches!(world.signal(), Signal::Ignored(_)));
    }
}

#[test]
fn bytes_go_both_ways() {
    let mut world = World::joined(Eio3);
    let bytes = vec![Bytes::from_static(b"a"), Bytes::from_static(b"b")];
    let event = Event::with_attachments("ev", &[Placeholder(1), Placeholder(0)], bytes);
    world.connection.request(&main(), &event.expect("an event")).expect("a request");
    assert_eq!(
        world.written(),
        [
            r#"452-0["ev",{"_placeholder":true,"num":1},{"_placeholder":true,"num":0}]"#,
            "0461",
            "0462",
        ],
    );
    world.text(r#"461-0[{"_placeholder":true,"num":0}]"#);
    assert_eq!(world.signals(), []);
    world.connection.handle_frame(&binary(b"\x04c")).expect("bytes");
    let Signal::Answered { args, .. } = world.signal() else { panic!("an answer") };
    let value = args.get(0).expect("one");
    assert_eq!(args.attachment(&value), Some(&Bytes::from_static(b"c")));
}

#[test]
fn a_forgotten_request_makes_room() {
    let limits = Limits { acks: 1, ..Limits::DEFAULT };
    let mut world = World::joined_with(Eio4, limits, OPEN);
    let event = Event::new("ev", &()).expect("an event");
    assert_eq!(world.connection.request(&main(), &event), Ok(0));
    assert_eq!(world.connection.request(&main(), &event), Err(SendError::ManyAcks));
    world.connection.forget(&main(), 0);
    assert_eq!(world.connection.request(&main(), &event), Ok(1));
    assert_eq!(world.written().len(), 2);
    world.text("430[]");
    assert!(matches!(world.signal(), Signal::Ignored(_)));
}

#[test]
fn what_is_refused_takes_no_id() {
    let open = r#"0{"sid":"t","pingInterval":9,"pingTimeout":9,"maxPayload":20}"#;
    let mut world = World::joined_with(Eio4, Limits::DEFAULT, open);
    let large = Event::new("ev", &("x".repeat(20),)).expect("an event");
    let small = Event::new("ev", &()).expect("an event");
    assert_eq!(world.connection.request(&main(), &large), Err(SendError::TooLarge));
    assert_eq!(world.connection.request(&main(), &small), Ok(0));
    assert_eq!(world.written(), [r#"420["ev"]"#]);
}

#[test]
fn acknowledgements_end_with_their_namespace() {
    let mut world = World::joined(Eio4);
    let event = Event::new("ev", &()).expect("an event");
    world.connection.request(&main(), &event).expect("a request");
    world.text("41");
    assert_eq!(world.signal(), Signal::Left { namespace: main() });
    world.text("430[]");
    assert!(matches!(world.signal(), Signal::Ignored(_)));
    assert_eq!(world.connection.request(&main(), &event), Err(SendError::NotJoined));
}
