//! The vendor's rates, and the end of sessions by time.

use redial_core::{Fate, Input};
use redial_genesys::WebMessaging;
use redial_genesys::web::{Command, Message};
use serde_json::{Value, json};

use crate::support::{START, Wire, World, messenger, parsed};

#[test]
fn five_messages_a_second_and_no_more() {
    let mut world = World::messaging();
    for n in 0..12 {
        world.text(&n.to_string());
    }
    assert_eq!(sent_at(&mut world), [(0, "onMessage"); 5]);
    world.run(999);
    assert!(sent_at(&mut world).is_empty());
    world.run(1);
    assert_eq!(sent_at(&mut world), [(1_000, "onMessage"); 5]);
    world.run(1_000);
    assert_eq!(sent_at(&mut world), [(2_000, "onMessage"); 2]);
}

#[test]
fn sixty_requests_a_minute_and_no_more() {
    let mut world = World::messaging();
    let mut sent = vec![0];
    for n in 0..200 {
        world.text(&n.to_string());
    }
    for _ in 0..180 {
        for (at, wire) in world.take_wire() {
            if let Wire::Text(text) = wire {
                sent.push(at);
                world.echo(&parsed(&text));
            }
        }
        world.run(1_000);
    }
    for window in sent.windows(61) {
        assert!(window[60] - window[0] >= 60_000, "{window:?}");
    }
    for window in sent.windows(6).skip(1) {
        assert!(window[5] - window[0] >= 1_000, "{window:?}");
    }
    assert!(sent.len() > 150);
}

#[test]
fn a_refusal_for_the_rate_waits_and_keeps_the_order() {
    for class in ["TooManyRequestsErrorMessage", "string"] {
        let mut world = World::messaging();
        let ids = [world.text("a"), world.text("b")];
        let sent = world.take_texts();
        let body = json!({ "errorCode": 4029, "errorMessage": "rate", "retryAfter": 3 });
        world.receive(&json!({ "type": "response", "class": class, "code": 429,
                               "tracingId": sent[0]["tracingId"], "body": body }));
        world.echo(&sent[1]);
        let late = world.text("c");
        world.run(2_999);
        assert!(world.take_texts().is_empty());
        world.run(1);
        let again = world.take_texts();
        assert_eq!(again[0], sent[0]);
        world.echo(&again[0]);
        let last = world.take_texts().pop().or_else(|| again.get(1).cloned()).expect("the last");
        world.echo(&last);
        assert_eq!(
            world.fates(),
            [(ids[1], Fate::Acked), (ids[0], Fate::Acked), (late, Fate::Acked)]
        );
    }
}

#[test]
fn retries_of_a_refused_message_are_bounded() {
    let mut world = World::messaging();
    let id = world.text("a");
    for round in 0..4 {
        assert_eq!(world.fates(), [], "{round}");
        let sent = world.take_texts();
        world.refused(&sent[0], 429, &json!({ "retryAfter": 1 }));
        world.run(1_000);
    }
    assert_eq!(world.fates(), [(id, Fate::Unknown)]);
    assert_eq!(world.settled()[0].arrivals, 0);
}

#[test]
fn health_checks_are_at_most_two_a_minute() {
    let mut world = World::messaging();
    world.take_wire();
    for _ in 0..600 {
        world.input(Input::Command(Command::HealthCheck));
        world.run(100);
    }
    let sent: Vec<_> = sent_at(&mut world);
    assert_eq!(sent, [(0, "echo"), (30_000, "echo"), (60_000, "echo")]);
    let mut world = World::messaging();
    world.take_wire();
    world.input(Input::Command(Command::HealthCheck));
    let echo = world.take_texts().remove(0);
    let metadata = json!({ "durationSeconds": "259200", "expirationDate": "1795486476" });
    world.receive(&json!({ "type": "response", "class": "StructuredMessage", "code": 200,
        "tracingId": echo["tracingId"], "body": { "text": "ping", "type": "Text",
        "direction": "Inbound", "metadata": metadata } }));
    assert!(world.messages().contains(&&Message::Health));
    // Asked too often all the same: it is asked again when the server says.
    world.run(30_000);
    world.input(Input::Command(Command::HealthCheck));
    let echo = world.take_texts().pop().expect("an echo");
    world.refused(&echo, 429, &json!({ "retryAfter": 50 }));
    world.take_wire();
    world.run(50_000);
    assert_eq!(sent_at(&mut world), [(80_000, "echo")]);
}

#[test]
fn the_end_of_a_session_is_announced_and_confirmed() {
    let mut world = World::web(messenger());
    world.input(Input::Connect);
    world.open();
    let request = world.take_texts().remove(0);
    let mut response = world.session_response(&request, true);
    response["body"]["durationSeconds"] = json!(900);
    response["body"]["expirationDate"] = json!(START / 1000 + 900);
    world.receive(&response);
    world.take_wire();
    world.run_until(589_999);
    assert!(sent_at(&mut world).is_empty());
    world.run_until(590_000);
    assert_eq!(sent_at(&mut world), [(590_000, "echo")]);
    world.run_until(600_000);
    let at = redial_core::Timestamp::from_millis(START + 900_000);
    assert!(world.messages().contains(&&Message::Expiring { at }));
    // A message moves the end.
    world.text("still here");
    let sent = world.take_texts().pop().expect("a message");
    world.echo(&sent);
    world.run_until(1_100_000);
    assert!(sent_at(&mut world).is_empty());
    world.run_until(1_502_000);
    let echoes = sent_at(&mut world);
    assert_eq!(echoes, [(1_190_000, "echo"), (1_502_000, "echo")]);
}

fn sent_at(world: &mut World<WebMessaging>) -> Vec<(u64, &'static str)> {
    let sent = world.take_wire().into_iter().filter_map(|(at, wire)| match wire {
        Wire::Text(text) => Some((at, action(&parsed(&text)))),
        _ => None,
    });
    sent.collect()
}

fn action(text: &Value) -> &'static str {
    match text["action"].as_str() {
        Some("onMessage") => "onMessage",
        Some("echo") => "echo",
        _ => "other",
    }
}
