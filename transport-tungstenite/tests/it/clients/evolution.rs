//! Many events of many instances.

use std::collections::BTreeMap;

use redial_core::{Cause, Fault, Item, Notice, Wait};
use redial_evolution::codechat::{Credentials, Message};
use redial_testkit::servers::Refusal;
use redial_tungstenite::{Client, Clients};
use serde_json::{Value, json};

use super::support::{SOON, SPEED, Sockets, builder, key, online, run, sim, token, until};

const EVENTS: [&str; 3] = ["call.upsert", "connection.update", "messages.upsert"];

/// The seed's pace, as the tests have it, and what a busy machine may add. The simulator may note
/// the end of a socket a little later than its client does.
const PACE: std::ops::RangeInclusive<u64> = 5_000 / SPEED as u64 - 10..=5_000;

#[tokio::test]
async fn each_subscriber_gets_the_events_of_its_instance_and_no_others() {
    let sim = sim().await;
    let mut clients = run(&sim, &[("shop-1", &EVENTS), ("shop-2", &EVENTS)]);
    online(&mut clients, 6).await;
    // The seed's test message is the first word on every socket.
    let greeted = |state: &redial_testkit::servers::evolution::State| {
        let test = Some(r#"{"message":"test data"}"#);
        state.sockets.iter().filter(|socket| socket.first_message.as_deref() == test).count() == 6
    };
    sim.until(SOON, greeted).await.expect("six test messages");
    let mut got = BTreeMap::new();
    for instance in ["shop-1", "shop-2"] {
        for event in EVENTS {
            assert!(sim.emit(instance, event, json!({ "for": [instance, event] })).await);
        }
    }
    until(&mut clients, |key, item| {
        if let Item::Message(Message::Event(event)) = item {
            assert_eq!(event.name, *key.event);
            got.insert(key.clone(), event.body.value());
        }
        (got.len() == 6).then_some(())
    })
    .await;
    for (key, body) in got {
        assert_eq!(body, json!({ "for": [key.instance, key.event] }));
    }
    let state = sim.state();
    assert_eq!((state.upgrades_ok(), state.mute_sockets(), state.lost()), (6, 0, 0));
}

#[tokio::test]
async fn a_socket_that_is_lost_comes_back_by_itself_as_what_it_was() {
    let sim = sim().await;
    let mut clients = run(&sim, &[("shop-1", &EVENTS)]);
    online(&mut clients, 3).await;
    for round in 1..=2 {
        sim.cut_event("messages.upsert").await;
        let (lost, cause) = until(&mut clients, |key, item| match item {
            Item::Notice(Notice::Offline { cause, .. }) => Some((key.clone(), *cause)),
            _ => None,
        })
        .await;
        assert_eq!((lost, cause), (key("shop-1", "messages.upsert"), Cause::Network));
        online(&mut clients, 1).await;
        assert!(sim.emit("shop-1", "messages.upsert", json!({ "keyId": round })).await);
        let body = body(&mut clients, "messages.upsert").await;
        assert_eq!(body, json!({ "keyId": round }));
    }
    let state = sim.state();
    let upgrades = state.upgrades_of("messages.upsert");
    assert_eq!(upgrades.len(), 3);
    assert!(upgrades[1..].iter().all(|call| PACE.contains(&call.since_ms.unwrap())));
    assert_eq!(state.upgrades_of("call.upsert").len(), 1, "the others are left alone");
    assert_eq!(state.mute_sockets(), 0);
}

#[tokio::test]
async fn one_refresh_serves_all_sockets_of_an_instance() {
    let sim = sim().await;
    let mut clients = run(&sim, &[("shop-1", &EVENTS)]);
    online(&mut clients, 3).await;
    sim.revoke_tokens().await;
    sim.cut().await;
    online(&mut clients, 3).await;
    let state = sim.state();
    assert_eq!((state.refreshes.len(), state.refreshes_ok()), (1, 1));
    let accepted = state.upgrades.iter().filter(|call| call.status == Some(101)).skip(3);
    let tokens: Vec<_> = accepted.map(|call| call.token.clone()).collect();
    assert_eq!(tokens.len(), 3);
    assert!(tokens.iter().all(|token| *token == state.refreshes[0].token));
    // Each was refused at most once, and at the seed's pace.
    assert!(state.upgrades.iter().all(|call| call.since_ms.is_none_or(|ms| PACE.contains(&ms))));
}

#[tokio::test]
async fn without_a_source_a_refusal_is_reported_each_time_at_the_seeds_pace() {
    let sim = sim().await;
    let stranger = redial_testkit::servers::evolution::sign("another secret", &json!({}));
    let mut clients = one(&sim, Credentials::Token(stranger.as_str().into()));
    for _ in 0..3 {
        let problem = until(&mut clients, |_, item| match item {
            Item::Problem(problem) => Some(*problem),
            _ => None,
        })
        .await;
        assert_eq!((problem.fault, problem.text), (Fault::Caller, "token or event refused"));
    }
    let state = sim.state();
    assert!(state.upgrades.iter().all(|call| call.status == Some(401)));
    let since: Vec<_> = state.upgrades.iter().filter_map(|call| call.since_ms).collect();
    assert!(since.len() >= 2 && since.iter().all(|ms| PACE.contains(ms)), "{since:?}");
}

#[tokio::test]
async fn one_socket_alone_has_its_token_refreshed_by_itself() {
    let sim = sim().await;
    let first = token(&sim, "shop-1");
    let mut clients =
        one(&sim, Credentials::Refresh { instance: "shop-1".into(), token: first.clone() });
    online(&mut clients, 1).await;
    sim.revoke_tokens().await;
    sim.cut().await;
    let newest = until(&mut clients, |_, item| match item {
        Item::Message(Message::TokenRefreshed(token)) => Some(token.clone()),
        _ => None,
    })
    .await;
    assert_ne!(newest, first);
    online(&mut clients, 1).await;
    assert_eq!(sim.state().refreshes_ok(), 1);
}

#[tokio::test]
async fn a_path_that_is_dead_without_a_word_is_noticed() {
    let sim = sim().await;
    let mut clients = run(&sim, &[("shop-1", &["call.upsert"])]);
    online(&mut clients, 1).await;
    sim.silent(true).await;
    let cause = until(&mut clients, |_, item| match item {
        Item::Notice(Notice::Offline { cause, .. }) => Some(*cause),
        _ => None,
    })
    .await;
    assert_eq!(cause, Cause::Timeout(Wait::Pong));
    sim.silent(false).await;
    online(&mut clients, 1).await;
}

#[tokio::test]
async fn what_a_server_asks_of_one_socket_holds_all_of_them() {
    let sim = sim().await;
    let mut clients = run(&sim, &[("shop-1", &EVENTS), ("shop-2", &EVENTS)]);
    online(&mut clients, 6).await;
    sim.refuse(Refusal::status("upgrade", 503).retry_after("2")).await;
    sim.cut_event("call.upsert").await;
    // One of the two is refused; from then on nobody dials for two seconds.
    let refused = |state: &redial_testkit::servers::evolution::State| {
        state.upgrades.iter().any(|call| call.status == Some(503))
    };
    sim.until(SOON, refused).await.expect("a refusal");
    sim.cut_event("messages.upsert").await;
    online(&mut clients, 4).await;
    let state = sim.state();
    let at = state.upgrades.iter().find(|call| call.status == Some(503)).unwrap().t_ms;
    let held = state.upgrades_of("messages.upsert");
    assert!(held[2..].iter().all(|call| call.t_ms >= at + 1_990), "{held:?}");
}

/// One socket with these credentials.
fn one(sim: &redial_testkit::servers::evolution::EvolutionSim, who: Credentials) -> Sockets {
    let mut clients = Clients::new();
    let adapter = builder(sim, who).event("call.upsert").build().unwrap();
    clients.insert(key("shop-1", "call.upsert"), Client::builder(adapter)).unwrap();
    clients
}

/// Waits for the next payload of an event.
async fn body(clients: &mut Sockets, name: &str) -> Value {
    until(clients, |_, item| match item {
        Item::Message(Message::Event(event)) if event.name == *name => Some(event.body.value()),
        _ => None,
    })
    .await
}
