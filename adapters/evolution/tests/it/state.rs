//! What a later process goes on from.

use redial_core::{Cause, Input, Session, Snapshot, Timestamp};
use redial_evolution::codechat::Credentials;
use redial_evolution::{CodeChat, EvolutionApi};

use crate::support::{START, URL, Wire, World, inst1, sockets, url};

const EVENT: &str = "call.upsert";

#[test]
fn a_refreshed_token_outlives_the_process() {
    let mut world = World::codechat(refreshing("tok-1"));
    world.input(Input::Connect);
    world.refuse(401, None);
    world.run(5_000);
    world.answer(201, r#"{"token":"tok-2"}"#);
    world.open();
    let mut later = restored(&world, refreshing("tok-1"));
    assert_eq!(later.take_wire(), [(60_000, Wire::Dial(url(EVENT, "tok-2")))]);
    later.open();
    // There was a process before: what came in between is gone.
    assert_eq!(later.gaps(), [false]);
    // A newer token of the configuration counts more than what was kept.
    let mut later = restored(&world, refreshing("tok-3"));
    assert_eq!(later.take_wire(), [(60_000, Wire::Dial(url(EVENT, "tok-3")))]);
}

#[test]
fn a_token_that_the_application_gave_outlives_the_process() {
    let builder = || CodeChat::builder(URL, EVENT, Credentials::Ask);
    let mut world = World::codechat(builder());
    world.input(Input::Connect);
    world.offer("tok-1");
    world.open();
    let mut later = restored(&world, builder());
    assert_eq!(later.take_wire(), [(60_000, Wire::Dial(url(EVENT, "tok-1")))]);
    assert!(later.wanted().is_empty());
    later.refuse(401, None);
    later.run(5_000);
    assert_eq!(later.wanted(), [Some(&"tok-1".into())]);
}

#[test]
fn a_snapshot_in_the_middle_of_a_wait_keeps_the_pace() {
    let mut world = World::online(EVENT);
    world.lose(Cause::Network);
    let saved = stored(&world.session.snapshot());
    let adapter = sockets(EVENT).build().expect("good");
    let now = Timestamp::from_millis(START + 1_000);
    let mut later = World::with(Session::restore(adapter, now, saved));
    later.now = 1_000;
    later.input(Input::Connect);
    later.run_until(6_000);
    let dials: Vec<_> = later.wire.iter().map(|(at, _)| *at).collect();
    assert_eq!(dials.len(), 1);
    assert!((1_000..=6_000).contains(&dials[0]), "{dials:?}");
}

#[test]
fn what_was_stored_by_hand_is_no_token() {
    let mut world = World::online(EVENT);
    let mut text = serde_json::to_value(world.session.snapshot()).expect("JSON");
    text["cursor"]["newest"] = "a b\r\n".into();
    let saved = serde_json::from_value(text).expect("a snapshot");
    let adapter = sockets(EVENT).build().expect("good");
    world = World::with(Session::restore(adapter, Timestamp::from_millis(START), saved));
    world.input(Input::Connect);
    world.run(5_000);
    assert_eq!(
        world.take_wire().pop().map(|(_, wire)| wire),
        Some(Wire::Dial(url(EVENT, "tok-1")))
    );
}

#[test]
fn a_namespace_goes_on_in_a_later_process() {
    let mut world = World::joining(inst1());
    world.receive(r#"40/inst1,{"sid":"S"}"#);
    let text = serde_json::to_string(&world.session.snapshot()).expect("JSON");
    let saved: Snapshot<EvolutionApi> = serde_json::from_str(&text).expect("a snapshot");
    assert!(!text.contains("key-1"), "a key is of the configuration");
    let adapter = inst1().build().expect("good");
    let now = Timestamp::from_millis(START + 60_000);
    let mut later = World::with(Session::restore(adapter, now, saved));
    later.now = 60_000;
    later.input(Input::Connect);
    later.run(0);
    later.open();
    later.receive(crate::support::OPEN);
    later.receive(r#"40/inst1,{"sid":"S"}"#);
    assert!(later.session.is_online());
    assert_eq!(later.gaps(), [false]);
}

fn refreshing(token: &str) -> redial_evolution::codechat::Builder {
    let token = Credentials::Refresh { instance: "i".into(), token: token.into() };
    CodeChat::builder(URL, EVENT, token)
}

/// A process that begins a minute after the start with what the other one stored.
fn restored(
    world: &World<CodeChat>,
    builder: redial_evolution::codechat::Builder,
) -> World<CodeChat> {
    let saved = stored(&world.session.snapshot());
    let now = Timestamp::from_millis(START + 60_000);
    let session = Session::restore(builder.build().expect("good"), now, saved);
    let mut later = World::with(session);
    later.now = 60_000;
    later.input(Input::Connect);
    later.run(0);
    later
}

fn stored(snapshot: &Snapshot<CodeChat>) -> Snapshot<CodeChat> {
    let text = serde_json::to_string(snapshot).expect("JSON");
    serde_json::from_str(&text).expect("a snapshot")
}
