//! A lost connection that the server still knows.

use redial_socketio::{Join, Limits, Recovery, Signal};
use serde_json::json;

use crate::support::{Eio3, Eio4, OPEN, World, main};

#[test]
fn early_events_follow_the_confirmation() {
    let mut world = opened(Join::new().recover(Some(Recovery::new("P", Some("o1")))));
    assert_eq!(world.written(), [r#"40{"pid":"P","offset":"o1"}"#]);
    world.text(r#"42["ev",1,"o2"]"#);
    world.text(r#"427["ask"]"#);
    assert_eq!(world.signals(), []);
    world.text(r#"40{"sid":"A","pid":"P"}"#);
    let signals = world.signals();
    assert!(
        matches!(
            &signals[..],
            [
                Signal::Joined { recovered: true, .. },
                Signal::Event { ack: None, .. },
                Signal::Event { ack: Some(7), .. },
            ],
        ),
        "{signals:?}",
    );
    let recovery = world.connection.recovery(&main());
    assert_eq!(recovery, Some(&Recovery::new("P", Some("o2"))));
}

#[test]
fn a_recovery_without_an_event_keeps_its_offset() {
    let mut world = opened(Join::new().recover(Some(Recovery::new("P", Some("o1")))));
    world.text(r#"40{"sid":"A","pid":"P"}"#);
    assert_eq!(world.connection.recovery(&main()), Some(&Recovery::new("P", Some("o1"))));
}

#[test]
fn another_id_is_a_fresh_start_without_an_offset() {
    let mut world = opened(Join::new().recover(Some(Recovery::new("P", Some("o1")))));
    world.signals();
    world.text(r#"40{"sid":"B","pid":"Q"}"#);
    assert!(matches!(world.signal(), Signal::Joined { recovered: false, .. }));
    assert_eq!(world.connection.recovery(&main()), Some(&Recovery::new("Q", None)));
}

#[test]
fn a_server_without_recovery_has_none() {
    let mut world = opened(Join::new().recover(Some(Recovery::new("P", Some("o1")))));
    world.text(r#"40{"sid":"B"}"#);
    world.text(r#"42["ev","text"]"#);
    assert_eq!(world.connection.recovery(&main()), None);
}

#[test]
fn a_loss_before_the_confirmation_loses_nothing() {
    let lost = Recovery::new("P\"", Some("o1"));
    let mut world = opened(Join::new().recover(Some(lost.clone())));
    assert_eq!(world.written(), [r#"40{"pid":"P\"","offset":"o1"}"#]);
    assert_eq!(world.connection.recovery(&main()), Some(&lost));
    let mut world = World::new(Eio4);
    world.connection.join(&main(), Join::new().recover(Some(lost.clone()))).expect("a join");
    assert_eq!(world.connection.recovery(&main()), Some(&lost));
    assert!(world.try_text("x").is_err());
    assert_eq!(world.connection.recovery(&main()), Some(&lost));
}

#[test]
fn only_events_without_an_acknowledgement_have_an_offset() {
    let mut world = opened(Join::new());
    world.text(r#"40{"sid":"A","pid":"P"}"#);
    world.text(r#"42["ev"]"#);
    world.text(r#"42["ev",1]"#);
    world.text(r#"423["ev","text"]"#);
    assert_eq!(world.connection.recovery(&main()), Some(&Recovery::new("P", None)));
    world.text(r#"42["o1"]"#);
    assert_eq!(world.connection.recovery(&main()).and_then(Recovery::offset), None);
    world.text(r#"42["ev","o1"]"#);
    assert_eq!(world.connection.recovery(&main()).and_then(Recovery::offset), Some("o1"));
}

#[test]
fn who_is_removed_has_nothing_to_recover() {
    let mut world = opened(Join::new());
    world.text(r#"40{"sid":"A","pid":"P"}"#);
    world.text("41");
    assert_eq!(world.connection.recovery(&main()), None);
}

#[test]
fn credentials_follow_the_recovery() {
    let lost = || Some(Recovery::new("P", None));
    let auth = |auth| Join::new().auth(&auth).expect("an object").recover(lost());
    assert_eq!(opened(auth(json!({}))).written(), [r#"40{"pid":"P"}"#]);
    let mut world = opened(auth(json!({"token": "T", "a": [1]})));
    assert_eq!(world.written(), [r#"40{"pid":"P","a":[1],"token":"T"}"#]);
    assert!(!format!("{:?} {:?}", lost(), auth(json!({"token": "T"}))).contains(['P', 'T']));
}

#[test]
fn early_events_are_kept_in_the_older_generation_too() {
    let mut world = World::new(Eio3);
    world.text(OPEN);
    world.text(r#"42["ev"]"#);
    world.signals();
    world.text("40");
    let signals = world.signals();
    assert!(matches!(&signals[..], [Signal::Joined { .. }, Signal::Event { .. }]), "{signals:?}");
}

#[test]
fn early_events_are_bounded_by_number_and_by_bytes() {
    let table = [
        (Limits { early: 2, ..Limits::DEFAULT }, 2),
        (Limits { early_bytes: 20, ..Limits::DEFAULT }, 2),
    ];
    for (limits, most) in table {
        let mut world = World::limited(Eio4, limits);
        world.connection.join(&main(), Join::new()).expect("a join");
        world.text(OPEN);
        for _ in 0..most {
            world.text(r#"42["ev",1]"#);
        }
        let error = redial_socketio::Error::ManyEarlyEvents;
        assert_eq!(world.try_text(r#"42["ev",1]"#), Err(error));
    }
}

fn opened(join: Join) -> World {
    let mut world = World::new(Eio4);
    world.connection.join(&main(), join).expect("a join");
    world.text(OPEN);
    world.signals();
    world
}
