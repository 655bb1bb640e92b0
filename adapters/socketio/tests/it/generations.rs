//! A server of the other generation is told from ours.

use redial_core::Fault;
use redial_socketio::{Error, Join};

use crate::support::{Eio3, Eio4, OPEN, World, main, namespace};

#[test]
fn an_older_server_confirms_without_an_id() {
    let mut world = World::new(Eio4);
    world.text(OPEN);
    assert_eq!(world.try_text("40"), Err(Error::WrongGeneration { ours: Eio4 }));
    let mut world = World::joined(Eio4);
    world.connection.join(&namespace("chat"), Join::new()).expect("a join");
    assert_eq!(world.try_text("40/chat,"), Err(Error::WrongGeneration { ours: Eio4 }));
}

#[test]
fn a_newer_server_pings() {
    let mut world = World::new(Eio3);
    world.text(OPEN);
    assert_eq!(world.try_text("2"), Err(Error::WrongGeneration { ours: Eio3 }));
    assert_eq!(world.written(), [""; 0]);
}

#[test]
fn a_newer_server_confirms_with_an_id() {
    let mut world = World::new(Eio3);
    world.text(OPEN);
    let error = world.try_text(r#"40{"sid":"s"}"#).expect_err("the other generation");
    assert_eq!(error, Error::WrongGeneration { ours: Eio3 });
    assert_eq!(error.to_string(), "a server of Engine.IO 4 where Engine.IO 3 was asked for");
    assert_eq!(error.fault(), Fault::Caller);
}

#[test]
fn a_loss_before_the_open_packet_is_suspicious_in_the_older_generation() {
    let mut world = World::new(Eio3);
    assert_eq!(world.connection.suspicion(), Some(Error::WrongGeneration { ours: Eio3 }));
    world.text(OPEN);
    assert_eq!(world.connection.suspicion(), None);
    assert_eq!(World::new(Eio4).connection.suspicion(), None);
}

#[test]
fn nothing_follows_an_error() {
    let mut world = World::new(Eio4);
    world.connection.join(&main(), Join::new()).expect("a join");
    world.text(OPEN);
    let _ = (world.frames(), world.signals());
    assert!(world.try_text("40").is_err());
    world.text("2");
    world.text(r#"40{"sid":"s"}"#);
    assert_eq!((world.written(), world.signals()), (vec![], vec![]));
    assert!(world.connection.join(&namespace("a"), Join::new()).is_err());
}
