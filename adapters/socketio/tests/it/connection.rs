//! A connection, its namespaces and its heartbeat.

use redial_core::Frame;
use redial_socketio::{Error, Event, Join, Namespace, Query, SendError, Signal};
use serde_json::json;

use crate::support::{Eio3, Eio4, OPEN, World, main, namespace};

#[test]
fn nothing_is_asked_before_the_open_packet() {
    let mut world = World::new(Eio4);
    let auth = Join::new().auth(&json!({"token": "T"})).expect("an object");
    world.connection.join(&main(), auth.clone()).expect("a join");
    world.connection.join(&namespace("chat"), auth).expect("a join");
    assert_eq!(world.written(), [""; 0]);
    world.text(OPEN);
    assert_eq!(world.written(), [r#"40{"token":"T"}"#, r#"40/chat,{"token":"T"}"#]);
    assert!(matches!(world.signal(), Signal::Opened(_)));
    world.text(r#"40/chat,{"sid":"s2"}"#);
    let joined =
        Signal::Joined { namespace: namespace("chat"), sid: Some("s2".into()), recovered: false };
    assert_eq!(world.signal(), joined);
    assert!(!world.connection.is_joined(&main()));
}

#[test]
fn an_older_server_gives_the_main_namespace_unasked() {
    let mut world = World::new(Eio3);
    assert_eq!(world.connection.join(&main(), Join::new()), Ok(()));
    let query = Query::new("token=T").expect("a query");
    world.connection.join(&namespace("chat"), Join::new().query(query)).expect("a join");
    world.text(OPEN);
    assert_eq!(world.written(), ["40/chat?token=T,"]);
    world.signals();
    world.text("40");
    let joined = Signal::Joined { namespace: main(), sid: None, recovered: false };
    assert_eq!(world.signal(), joined);
    world.connection.leave(&main()).expect("a member");
    assert_eq!(world.written(), ["41"]);
    assert_eq!(world.connection.join(&main(), Join::new()), Err(SendError::Gone));
}

#[test]
fn nobody_asks_twice() {
    let mut world = World::new(Eio4);
    let again = Err(SendError::JoinedAlready);
    assert_eq!(world.connection.join(&main(), Join::new()), Ok(()));
    assert_eq!(world.connection.join(&main(), Join::new()), again);
    world.text(OPEN);
    assert_eq!(world.connection.join(&main(), Join::new()), again);
    world.text(r#"40{"sid":"s"}"#);
    assert_eq!(world.connection.join(&main(), Join::new()), again);
    assert_eq!(world.written(), ["40"]);
    world.signals();
    world.text(r#"40{"sid":"s"}"#);
    assert!(matches!(world.signal(), Signal::Ignored(_)));
}

#[test]
fn a_refused_namespace_may_be_asked_for_again() {
    for (generation, wire) in
        [(Eio4, r#"44/a,{"message":"Invalid namespace"}"#), (Eio3, r#"44/a,"Invalid namespace""#)]
    {
        let mut world = World::joined(generation);
        for _ in 0..3 {
            world.connection.join(&namespace("a"), Join::new()).expect("a join");
            assert_eq!(world.written(), ["40/a,"]);
            world.text(wire);
            let Signal::Refused { refusal, .. } = world.signal() else { panic!("a refusal") };
            assert!(refusal.is_unknown_namespace());
        }
        assert!(world.connection.is_joined(&main()));
    }
}

#[test]
fn an_answer_may_repeat_the_query() {
    let mut world = World::joined(Eio3);
    let chat = namespace("chat");
    let join = || Join::new().query(Query::new("token=T").expect("a query"));
    world.connection.join(&chat, join()).expect("a join");
    // As socketioxide does, for which the query is a part of the name.
    world.text(r#"44/chat?token=T,{"message":"Invalid namespace"}"#);
    let Signal::Refused { namespace, refusal } = world.signal() else { panic!("a refusal") };
    assert!(namespace == chat && refusal.is_unknown_namespace());
    world.connection.join(&chat, join()).expect("a join");
    world.text("40/chat?token=T,");
    assert!(world.connection.is_joined(&chat));
}

#[test]
fn who_leaves_before_the_answer_leaves_after_it() {
    let mut world = World::joined(Eio4);
    let a = namespace("a");
    for wire in [r#"40/a,{"sid":"s"}"#, r#"44/a,{"message":"no"}"#] {
        world.connection.join(&a, Join::new()).expect("a join");
        world.connection.leave(&a).expect("asked for");
        assert_eq!(world.connection.join(&a, Join::new()), Err(SendError::JoinedAlready));
        assert_eq!(world.written(), ["40/a,"]);
        world.text(r#"42/a,["ev"]"#);
        world.text(wire);
        assert_eq!(world.signals(), []);
        let expected: &[&str] = if wire.starts_with("40") { &["41/a,"] } else { &[] };
        assert_eq!(world.written(), expected);
    }
}

#[test]
fn who_leaves_before_the_open_packet_never_asks() {
    let mut world = World::new(Eio4);
    world.connection.join(&main(), Join::new()).expect("a join");
    world.connection.leave(&main()).expect("wanted");
    world.text(OPEN);
    assert_eq!(world.written(), [""; 0]);
    assert_eq!(world.connection.leave(&main()), Err(SendError::NotJoined));
}

#[test]
fn the_server_can_remove_us() {
    for generation in [Eio3, Eio4] {
        let mut world = World::joined(generation);
        world.text("41");
        assert_eq!(world.signal(), Signal::Left { namespace: main() });
        let event = Event::new("ev", &()).expect("an event");
        assert_eq!(world.connection.emit(&main(), &event), Err(SendError::NotJoined));
    }
}

#[test]
fn a_newer_servers_ping_is_answered_and_never_returned() {
    let mut world = World::joined(Eio4);
    for wire in ["2", "2probe"] {
        world.text(wire);
        assert_eq!((world.written(), world.signal()), (vec!["3".into()], Signal::Ping));
    }
    assert_eq!(world.connection.ping(), Ok(()));
    assert_eq!(world.written(), [""; 0]);
    world.text("3");
    assert!(matches!(world.signal(), Signal::Ignored(_)));
}

#[test]
fn an_older_server_is_pinged() {
    let mut world = World::new(Eio3);
    assert_eq!((world.connection.ping(), world.written()), (Ok(()), vec![]));
    let mut world = World::joined(Eio3);
    assert_eq!((world.connection.ping(), world.written()), (Ok(()), vec!["2".into()]));
    world.text("3");
    assert_eq!(world.signal(), Signal::Pong);
}

#[test]
fn the_order_of_a_connection_is_kept() {
    for wire in ["2", "3", "40", r#"42["ev"]"#, "6", "1"] {
        for generation in [Eio3, Eio4] {
            assert_eq!(World::new(generation).try_text(wire), Err(Error::NotOpen), "{wire}");
        }
    }
    assert_eq!(World::joined(Eio4).try_text(OPEN), Err(Error::OpenTwice));
    assert_eq!(World::joined(Eio3).try_text(OPEN), Err(Error::OpenTwice));
}

#[test]
fn what_is_out_of_place_is_ignored_and_told() {
    for wire in
        [r#"42/b,["ev"]"#, "41/b,", r#"40/b,{"sid":"s"}"#, "43/b,0[]", "44{}", "44/b,{}", "5"]
    {
        let mut world = World::joined(Eio4);
        world.text(wire);
        assert!(matches!(world.signal(), Signal::Ignored(_)), "{wire}");
        assert!(world.connection.is_joined(&main()));
        assert_eq!(world.written(), [""; 0]);
    }
}

#[test]
fn the_other_packets_have_their_meaning() {
    let mut world = World::joined(Eio4);
    world.text("6");
    world.connection.handle_frame(&Frame::Ping("x".into())).expect("a ping");
    world.connection.handle_frame(&Frame::Pong("x".into())).expect("a pong");
    assert_eq!(world.signals(), []);
    world.text("1");
    assert_eq!(world.signal(), Signal::Closed);
}

#[test]
fn a_confirmation_may_hold_more() {
    let mut world = World::joined(Eio4);
    world.connection.join(&namespace("a"), Join::new()).expect("a join");
    world.text(r#"40/a,{"new":[1],"sid":"\u0041"}"#);
    let Signal::Joined { sid: Some(sid), .. } = world.signal() else { panic!("joined") };
    assert_eq!(sid, "A");
    for wire in [r#"40/b,{"sid":""}"#, r#"40/b,{"sid":7}"#, "40/b,{}"] {
        assert_eq!(World::joined(Eio4).try_text(wire), Err(Error::BadPayload), "{wire}");
    }
    assert!(Join::new().auth("no object").is_err());
    assert_eq!(Namespace::new("a"), Namespace::new("/a"));
}
