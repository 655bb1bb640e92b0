//! Handles, receipts and updates.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use redial_core::{Fate, Item, Refusal as NotTaken, Snapshot};
use redial_liveperson::{AgentState, Command, LivePerson, Request, Subscription};
use redial_tungstenite::{Direction, RequestError};

use super::support::{SOON, adapter, client, closes, offline, online, plain, rest, seen};

#[tokio::test]
async fn requests_in_flight_at_a_cut_fail_at_once() {
    let sim = plain().await;
    let (handle, mut updates) = client(&sim, adapter(&sim)).build().unwrap().spawn();
    online(&mut updates).await;
    sim.set("answer_delay_ms", 60_000).await.unwrap();
    let mut receipts = Vec::new();
    for _ in 0..3 {
        receipts.push(handle.send(Request::get_user_profile("me")).await.unwrap());
    }
    seen(&sim, |state| state.requests_of("GetUserProfile").count() == 3).await;
    let begun = Instant::now();
    sim.cut().await;
    for receipt in receipts {
        let delivery = tokio::time::timeout(SOON, receipt).await.unwrap().unwrap();
        assert_eq!(delivery.settled.fate, Fate::Unknown);
        assert_eq!(delivery.settled.tries, 1);
    }
    // Their own deadline is 500 ms at this speed.
    assert!(begun.elapsed() < Duration::from_millis(400), "{:?}", begun.elapsed());
    sim.set("answer_delay_ms", 0).await.unwrap();
    online(&mut updates).await;
    assert_eq!(sim.state().requests_of("GetUserProfile").count(), 3, "none is sent twice");
}

#[tokio::test]
async fn requests_wait_for_the_session_and_need_no_reader() {
    let sim = plain().await;
    let (handle, updates) = client(&sim, adapter(&sim)).build().unwrap().spawn();
    let request = handle.request(Request::get_user_profile("me"));
    let response = tokio::time::timeout(SOON, request).await.unwrap().unwrap();
    assert!(response.is_success());
    drop(updates);
    let request = handle.request(Request::get_user_profile("me"));
    assert!(tokio::time::timeout(SOON, request).await.unwrap().is_ok());
    sim.cut().await;
    seen(&sim, |state| state.upgrades_ok() == 2).await;
    let request = handle.request(Request::get_user_profile("me"));
    assert!(tokio::time::timeout(SOON, request).await.unwrap().is_ok());
}

#[tokio::test]
async fn a_refused_request_has_its_answer() {
    let sim = plain().await;
    let (handle, _updates) = client(&sim, adapter(&sim)).build().unwrap().spawn();
    let failing = redial_testkit::servers::Command::FailRequests {
        n: 1,
        code: 1042,
        body: serde_json::json!("scripted"),
    };
    sim.control(failing).await.unwrap();
    let response = handle.request(Request::get_user_profile("me")).await.unwrap();
    assert_eq!(response.code, Some(1042));
    assert!(handle.request(Request::get_user_profile("me")).await.unwrap().is_success());
    assert_eq!(sim.state().upgrades.len(), 1);
}

#[tokio::test]
async fn a_request_without_an_answer_fails() {
    let sim = plain().await;
    let (handle, _updates) = client(&sim, adapter(&sim)).build().unwrap().spawn();
    seen(&sim, |state| state.live_sockets == 1).await;
    sim.lose_acks(1).await;
    let answer = handle.request(Request::get_user_profile("me")).await;
    let Err(RequestError::NoReply(settled)) = answer else { panic!("{answer:?}") };
    assert_eq!(settled.fate, Fate::Unknown);
}

#[tokio::test]
async fn the_session_ends_when_nobody_holds_it() {
    for updates_first in [true, false] {
        let sim = plain().await;
        let (handle, mut updates) = client(&sim, adapter(&sim)).build().unwrap().spawn();
        online(&mut updates).await;
        let other = handle.clone();
        drop(handle);
        // Whichever is left keeps it up, and reconnecting.
        if updates_first {
            drop(updates);
            sim.cut().await;
            seen(&sim, |state| state.upgrades_ok() == 2 && state.live_sockets == 1).await;
            other.request(Request::get_user_profile("me")).await.unwrap();
            drop(other);
        } else {
            drop(other);
            sim.cut().await;
            offline(&mut updates).await;
            online(&mut updates).await;
            drop(updates);
        }
        seen(&sim, |state| state.live_sockets == 0).await;
        assert_eq!(closes(&sim, 1).await, [1000]);
    }
}

#[tokio::test]
async fn fates_of_messages_without_a_receipt_are_updates() {
    let sim = plain().await;
    let mut client = client(&sim, adapter(&sim)).build().unwrap();
    let id = client.send(Request::get_user_profile("me")).unwrap();
    let (handle, mut updates) = client.spawn();
    let reply = super::support::until(&mut updates, |item| match item {
        Item::Reply { id, .. } => Some(*id),
        _ => None,
    })
    .await;
    assert_eq!(reply, id);
    let settled = super::support::until(&mut updates, |item| match item {
        Item::Fate(settled) => Some(*settled),
        _ => None,
    })
    .await;
    assert_eq!((settled.id, settled.fate), (id, Fate::Acked));
    handle.shutdown().await;
}

#[tokio::test]
async fn what_is_over_the_bound_comes_back() {
    let sim = plain().await;
    sim.refuse(redial_testkit::servers::Refusal::hang("csds")).await;
    let bounds = redial_core::Bounds { messages: 2, ..redial_core::Bounds::default() };
    let builder = client(&sim, adapter(&sim)).bounds(bounds);
    let (handle, _updates) = builder.build().unwrap().spawn();
    let mut waiting = Vec::new();
    for _ in 0..2 {
        waiting.push(handle.send(Request::get_clock()).await.unwrap());
    }
    let answer = handle.request(Request::get_user_profile("me")).await;
    let Err(RequestError::Refused(refused)) = answer else { panic!("{answer:?}") };
    assert_eq!(refused.why, NotTaken::Full);
    assert_eq!(refused.message.name(), Request::get_user_profile("me").name());
    handle.shutdown().await;
    for receipt in waiting {
        assert_eq!(receipt.await.unwrap().settled.fate, Fate::NotSent);
    }
}

#[tokio::test]
async fn a_message_waits_for_room_and_keeps_its_place() {
    let sim = plain().await;
    let bounds = redial_core::Bounds { messages: 1, ..redial_core::Bounds::default() };
    let builder = client(&sim, adapter(&sim)).bounds(bounds);
    let (handle, mut updates) = builder.build().unwrap().spawn();
    let mut receipts = Vec::new();
    for number in 0..20 {
        let text = Request::publish_text("dialog", &number.to_string());
        receipts.push(handle.send(text).await.unwrap());
    }
    online(&mut updates).await;
    for receipt in receipts {
        let delivery = tokio::time::timeout(SOON, receipt).await.unwrap().unwrap();
        assert_eq!(delivery.settled.fate, Fate::Acked);
    }
    let sequences: Vec<u64> = sim.state().messages.iter().map(|seen| seen.sequence).collect();
    assert_eq!(sequences, (1..=20).collect::<Vec<_>>(), "one after the other");
}

#[tokio::test]
async fn the_end_does_not_wait_for_room() {
    let sim = plain().await;
    sim.refuse(redial_testkit::servers::Refusal::hang("csds")).await;
    let bounds = redial_core::Bounds { messages: 1, ..redial_core::Bounds::default() };
    let (handle, _updates) = client(&sim, adapter(&sim)).bounds(bounds).build().unwrap().spawn();
    let accepted = handle.send(Request::get_clock()).await.unwrap();
    let waiting = handle.send(Request::get_clock()).await.unwrap();
    tokio::time::timeout(SOON, handle.shutdown()).await.unwrap();
    assert_eq!(accepted.await.unwrap().settled.fate, Fate::NotSent);
    assert_eq!(waiting.await.unwrap_err().why, NotTaken::Stopped);
}

#[tokio::test]
async fn subscriptions_are_made_again_on_each_connection() {
    let sim = plain().await;
    let (handle, mut updates) = client(&sim, adapter(&sim)).build().unwrap().spawn();
    handle.command(Command::SetAgentState(AgentState::online())).await;
    handle.command(Command::Subscribe(Subscription::routing_tasks())).await;
    for round in 1..=3 {
        online(&mut updates).await;
        seen(&sim, |state| {
            state.requests_of("SubscribeRoutingTasks").count() == round
                && state.requests_of("SetAgentState").count() == round
        })
        .await;
        sim.cut().await;
    }
    handle.shutdown().await;
    rest(&mut updates).await;
}

#[tokio::test]
async fn a_tap_sees_every_frame() {
    let sim = plain().await;
    let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let log = std::sync::Arc::clone(&seen);
    let builder = client(&sim, adapter(&sim)).tap(move |direction, frame| {
        if let redial_core::Frame::Text(bytes) = frame {
            let text = String::from_utf8(bytes.to_vec()).unwrap();
            log.lock().unwrap().push((direction, text));
        }
    });
    let (handle, _updates) = builder.build().unwrap().spawn();
    handle.request(Request::get_user_profile("me")).await.unwrap();
    handle.shutdown().await;
    let seen = seen.lock().unwrap();
    let sent: Vec<_> = seen.iter().filter(|(way, _)| *way == Direction::Sent).collect();
    assert_eq!(sent.len(), 1, "{seen:?}");
    assert!(sent[0].1.contains("GetUserProfile"));
    assert!(seen.iter().any(|(way, text)| *way == Direction::Received && text.contains("resp")));
}

#[tokio::test]
async fn a_snapshot_is_stored_before_the_message_in_it_is_written() {
    let sim = plain().await;
    sim.set("answer_delay_ms", 60_000).await.unwrap();
    let stored = Arc::new(Mutex::new(None));
    let (store, look) = (Arc::clone(&stored), Arc::clone(&stored));
    let written = Arc::new(Mutex::new(Vec::new()));
    let note = Arc::clone(&written);
    let builder = client(&sim, adapter(&sim))
        .write_ahead(move |snapshot| *store.lock().unwrap() = Some(snapshot))
        .tap(move |direction, frame| {
            if direction == Direction::Sent && format!("{frame:?}").starts_with("Text") {
                let stored = look.lock().unwrap();
                let load = stored.as_ref().map(|saved: &Snapshot<LivePerson>| saved.ledger.load());
                note.lock().unwrap().push(load);
            }
        });
    let (handle, mut updates) = builder.build().unwrap().spawn();
    online(&mut updates).await;
    let _receipt = handle.send(Request::get_user_profile("me")).await.unwrap();
    seen(&sim, |state| state.requests_of("GetUserProfile").count() == 1).await;
    let loads = written.lock().unwrap().clone();
    let last = loads.last().unwrap().unwrap();
    assert_eq!((last.queued, last.in_flight), (0, 1), "{loads:?}");
    // What was stored serves another process, which takes the message for one that was written.
    let saved = stored.lock().unwrap().clone().unwrap();
    drop((handle, updates));
    let mut next = client(&sim, adapter(&sim)).restore(saved).build().unwrap();
    let settled = loop {
        match tokio::time::timeout(SOON, next.next()).await.unwrap().unwrap() {
            Item::Fate(settled) => break settled,
            _ => continue,
        }
    };
    assert_eq!((settled.fate, settled.tries), (Fate::Unknown, 1));
}
