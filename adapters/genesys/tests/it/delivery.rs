//! Each fate, and the order over both paths.

use redial_core::{Bounds, Cause, Fate, Input, Path, Refusal, Session};
use redial_genesys::guest::Text;

use crate::support::{NONCE, World, chat};

#[test]
fn acked_on_the_socket_and_by_rest() {
    let mut world = World::chatting();
    world.say("m1");
    let texts = world.take_texts();
    world.acknowledge(&texts);
    world.say("m2");
    world.lose(Cause::Network);
    world.come_back();
    world.answer_send(202);
    let settled = world.settled();
    let ends: Vec<_> = settled.iter().map(|end| (end.fate, end.path, end.tries)).collect();
    let acked = |path, tries| (Fate::Acked, Some(path), tries);
    assert_eq!(ends, [acked(Path::Socket, 1), acked(Path::Http, 2)]);
    assert!(!settled[0].may_be_duplicate());
    assert!(settled[1].may_be_duplicate());
}

#[test]
fn rejected_with_the_vendors_status() {
    let mut world = World::chatting();
    let id = world.say("m1");
    world.lose(Cause::Network);
    world.come_back();
    world.answer_send(413);
    assert_eq!(world.fates(), [(id, Fate::Rejected(413))]);
    // What was written to the socket before may have arrived all the same.
    assert_eq!(world.settled()[0].arrivals, 1);
}

#[test]
fn expired_when_never_written() {
    let mut world = World::guest(chat());
    let id = world.say("m1");
    world.run(300_000);
    assert_eq!(world.fates(), [(id, Fate::Expired)]);
    assert_eq!((world.settled()[0].tries, world.settled()[0].arrivals), (0, 0));
}

#[test]
fn not_sent_when_the_session_ends_first() {
    let mut world = World::guest(chat());
    let id = world.say("m1");
    world.input(Input::Connect);
    world.answer(403, &serde_json::Value::Null);
    assert!(world.session.is_stopped());
    assert_eq!(world.fates(), [(id, Fate::NotSent)]);
}

#[test]
fn unknown_when_written_and_never_proved() {
    let mut world = World::chatting();
    let id = world.say("m1");
    world.input(Input::Shutdown);
    world.lose(Cause::Close(1000));
    assert_eq!(world.fates(), [(id, Fate::Unknown)]);
    assert_eq!(world.settled()[0].arrivals, 1);
}

#[test]
fn unknown_when_cut_between_write_and_ack_and_the_session_comes_back_fresh() {
    let mut world = World::guest(chat().carry_over(false));
    world.connect();
    let written = world.say("written");
    world.lose(Cause::Close(4401));
    let waiting = world.say("waiting");
    world.take_wire();
    world.come_back();
    // What was never written goes to the conversation that there is.
    let texts = world.take_texts();
    assert_eq!(texts.len(), 1);
    world.acknowledge(&texts);
    assert_eq!(world.fates(), [(written, Fate::Unknown), (waiting, Fate::Acked)]);
}

#[test]
fn an_acknowledgment_that_never_comes_is_asked_for_by_rest() {
    let mut world = World::chatting();
    let id = world.say("m1");
    world.run(29_999);
    assert!(world.http.is_empty());
    world.run(1);
    assert!(world.session.is_online());
    world.answer_send(200);
    assert_eq!(world.fates(), [(id, Fate::Acked)]);
    assert!(world.settled()[0].may_be_duplicate());
}

#[test]
fn the_order_holds_over_both_paths() {
    let mut world = World::chatting();
    let mut order = Vec::new();
    for n in 0..3 {
        world.say(&format!("m{n}"));
    }
    let texts = world.take_texts();
    // The server has the first two and acknowledges one.
    order.extend(["m0", "m1"].map(String::from));
    world.acknowledge(&texts[..1]);
    world.lose(Cause::Network);
    for n in 3..6 {
        world.say(&format!("m{n}"));
    }
    world.take_wire();
    world.come_back();
    while !world.http.is_empty() {
        let content = world.answer_send(200)["content"].as_str().expect("text").to_owned();
        if !order.contains(&content) {
            order.push(content);
        }
    }
    let texts = world.take_texts();
    order.extend(texts.iter().filter_map(|text| text["content"].as_str().map(String::from)));
    assert_eq!(order, ["m0", "m1", "m2", "m3", "m4", "m5"]);
}

#[test]
fn a_full_buffer_hands_the_message_back() {
    let adapter = chat().build().expect("a good configuration");
    let bounds = Bounds { messages: 2, bytes: 1 << 20 };
    let mut world = World::with(Session::new(adapter, NONCE).with_bounds(bounds));
    world.say("m1");
    world.say("m2");
    let cx = world.cx();
    let refused = world.session.send(cx, Text::new("m3")).expect_err("no room");
    assert_eq!((refused.why, refused.message.content()), (Refusal::Full, "m3"));
    let bounds = Bounds { messages: 9, bytes: 200 };
    let adapter = chat().build().expect("a good configuration");
    let mut world = World::with(Session::new(adapter, NONCE).with_bounds(bounds));
    world.say("m1");
    world.say("m2");
    let cx = world.cx();
    assert!(world.session.send(cx, Text::new("m3")).is_err());
}
