//! A later process goes on, and nothing shows what must not be seen.

use redial_core::{Continuity, Input, Notice, Session, Snapshot, Timestamp};
use redial_vonage::{Outgoing, Vonage};
use serde_json::json;

use crate::support::{BOTH, START, V1, V2, World, builder};

#[test]
fn a_later_process_resumes_the_session_with_its_token() {
    for generation in BOTH {
        let mut world = World::online(generation);
        world.event("text", &json!({ "id": "7", "cid": "CON-1" }));
        world.run(60_000);
        let mut world = restored(&world);
        assert_eq!(world.asked(), []);
        let url = world.dialled().expect("a dial");
        assert!(url.contains("?session_id=S1&token=T1&"), "{url}");
        world.log_in("S1");
        assert_eq!(world.continuities(), [Continuity::Resumed]);
        assert!(!world.texts().iter().any(|text| text.contains("session:login")));
        // What has come is known.
        world.event("text", &json!({ "id": "7", "cid": "CON-1" }));
        let duplicate = world.messages().into_iter().any(|message| {
            matches!(message, redial_vonage::Message::Event(event) if event.is_duplicate())
        });
        assert!(duplicate);
    }
}

/// The words are about attempts that somebody was told of: a later process was told of none.
#[test]
fn the_first_connection_of_a_later_process_is_no_reconnection() {
    for generation in BOTH {
        let mut world = World::online(generation);
        world.run(60_000);
        let mut world = restored(&world);
        world.log_in("S1");
        let callbacks: Vec<_> = world.take_callbacks().into_iter().map(|(_, what)| what).collect();
        assert_eq!(callbacks, [redial_vonage::Callback::Ready]);
    }
}

#[test]
fn a_dead_token_is_not_left_to_a_later_process() {
    let mut world = World::online(V2);
    world.text("41");
    let world = restored(&world);
    assert_eq!(world.asked().len(), 1);
    assert!(world.dial.is_none());
}

#[test]
fn a_window_that_has_passed_between_two_processes_begins_a_new_session() {
    let mut world = World::online(V1);
    world.lose(redial_core::Cause::Network);
    world.run(500);
    let saved = stored(&world);
    let mut world = World::with(V1, revived(saved, 400_000));
    world.now = 400_000;
    world.input(Input::Tick);
    world.input(Input::Connect);
    world.run(1_000);
    let url = world.dialled().expect("a dial");
    assert!(!url.contains("session_id"), "{url}");
    assert!(world.notices().contains(&Notice::ResumeExpired));
}

#[test]
fn what_waits_is_sent_by_the_later_process_with_the_same_id() {
    let mut world = World::online_with(V2, builder(V2).token("T1".into()).resend(true));
    world.send(Outgoing::request("text", json!({ "text": "hi" })));
    let first = world.last_text();
    let saved = stored(&world);
    let adapter = builder(V2).resend(true).build().expect("a configuration");
    let now = Timestamp::from_millis(START + 10);
    let mut world = World::with(V2, Session::restore(adapter, now, saved));
    world.now = 10;
    world.input(Input::Connect);
    world.run(1_000);
    world.log_in("S1");
    assert_eq!(world.last_text(), first);
}

#[test]
fn a_stored_count_at_its_end_does_not_panic() {
    let mut world = World::online(V2);
    world.event("text", &json!({ "id": "1", "cid": "CON-1" }));
    let text = serde_json::to_string(&world.session.snapshot()).expect("JSON");
    assert!(text.contains(r#""clock":1"#), "{text}");
    let text = text.replace(r#""clock":1"#, r#""clock":18446744073709551615"#);
    let saved: Snapshot<Vonage> = serde_json::from_str(&text).expect("a snapshot");
    let adapter = builder(V2).build().expect("a configuration");
    let session = Session::restore(adapter, Timestamp::from_millis(START + 10), saved);
    let mut world = World::with(V2, session);
    world.now = 10;
    world.input(Input::Connect);
    world.run(1_000);
    world.log_in("S1");
    world.event("text", &json!({ "id": "2", "cid": "CON-1" }));
    assert!(world.session.is_online());
}

#[test]
fn nothing_that_can_be_printed_shows_a_token_a_session_or_a_body() {
    for generation in BOTH {
        let secret = "canary-token";
        let mut world =
            World::new(generation, builder(generation).token(secret.into()).token_source(true));
        world.input(Input::Connect);
        world.log_in("canary-session");
        world.send(Outgoing::event("text", json!({ "text": "canary-body" })));
        world.event("text", &json!({ "id": "1", "cid": "c", "body": { "text": "canary-body" } }));
        world.run(20);
        world.offer("canary-offered");
        world.lose(redial_core::Cause::Network);
        world.run(1_000);
        world.join();
        world.error("session:error:invalid");
        let snapshot = world.session.snapshot();
        let printed = format!(
            "{:?} {:?} {:?} {:?} {:?} {:?} {:?}",
            world.session,
            world.session.adapter(),
            snapshot,
            snapshot.cursor,
            world.items,
            world.messages(),
            world.http,
        );
        assert!(!printed.contains("canary"), "{printed}");
        let bare = builder(generation).token(secret.into());
        assert!(!format!("{bare:?}").contains("canary"));
    }
}

fn stored(world: &World) -> Snapshot<Vonage> {
    let text = serde_json::to_string(&world.session.snapshot()).expect("JSON");
    serde_json::from_str(&text).expect("what was stored")
}

fn revived(saved: Snapshot<Vonage>, now: u64) -> Session<Vonage> {
    let adapter = builder(V1).build().expect("a configuration");
    Session::restore(adapter, Timestamp::from_millis(START + now), saved)
}

/// A later process with an adapter that was told nothing.
fn restored(world: &World) -> World {
    let saved = stored(world);
    let adapter = builder(world.generation).build().expect("a configuration");
    let at = world.now + 1_000;
    let session = Session::restore(adapter, Timestamp::from_millis(START + at), saved);
    let mut later = World::with(world.generation, session);
    later.now = at;
    later.input(Input::Connect);
    later.run(1_000);
    later
}
