//! Shutting down, in every phase.

use std::sync::Arc;
use std::time::{Duration, Instant};

use redial_core::{Cause, Fate, Item, Notice, StopReason};
use redial_liveperson::Request;
use redial_testkit::servers::Refusal;
use redial_testkit::servers::liveperson::LivePersonSim;
use redial_tungstenite::{Direction, Handle, Updates};
use tokio::sync::Notify;

use super::support::{
    Out, SOON, adapter, client, closes, notice, offline, online, plain, rest, seen,
};

type Session = (Handle<redial_liveperson::LivePerson>, Updates<redial_liveperson::LivePerson>);

fn session(sim: &LivePersonSim) -> Session {
    client(sim, adapter(sim)).build().unwrap().spawn()
}

/// Shuts down and expects the end, soon, and with nothing after it.
async fn ends(sim: &LivePersonSim, (handle, mut updates): Session, within: Duration) -> Vec<Out> {
    let begun = Instant::now();
    tokio::time::timeout(SOON, handle.shutdown()).await.unwrap();
    assert!(begun.elapsed() < within, "{:?}", begun.elapsed());
    let rest = rest(&mut updates).await;
    let last = rest.last();
    let stopped = Notice::Stopped { reason: StopReason::Requested };
    assert!(matches!(last, Some(Item::Notice(notice)) if *notice == stopped), "{rest:?}");
    let state = seen(sim, |state| state.live_sockets == 0).await;
    // Longer than any wait of the policy: nothing is tried again.
    tokio::time::sleep(Duration::from_millis(1200)).await;
    let later = sim.state();
    assert_eq!(later.upgrades, state.upgrades);
    assert_eq!((later.logins, later.csds), (state.logins, state.csds));
    // A second one finds nothing to do.
    handle.shutdown().await;
    assert!(handle.send(Request::get_clock()).await.is_err());
    rest
}

#[tokio::test]
async fn while_online() {
    for tls in [false, true] {
        let sim = LivePersonSim::builder().tls(tls).start().await.unwrap();
        let (handle, mut updates) = session(&sim);
        online(&mut updates).await;
        let rest = ends(&sim, (handle, updates), Duration::from_secs(5)).await;
        let offline = rest.iter().any(|item| {
            matches!(item, Item::Notice(Notice::Offline { cause: Cause::Requested, .. }))
        });
        assert!(offline, "{rest:?}");
        assert_eq!(closes(&sim, 1).await, [1000]);
    }
}

#[tokio::test]
async fn in_a_backoff() {
    let sim = plain().await;
    let (handle, mut updates) = session(&sim);
    online(&mut updates).await;
    sim.cut().await;
    notice(&mut updates, |notice| matches!(notice, Notice::RetryScheduled { .. }).then_some(()))
        .await;
    ends(&sim, (handle, updates), Duration::from_millis(400)).await;
    assert_eq!(sim.state().upgrades.len(), 1);
}

#[tokio::test]
async fn while_connecting() {
    let sim = plain().await;
    sim.refuse(Refusal::hang("upgrade")).await;
    let session = session(&sim);
    seen(&sim, |state| state.upgrades.len() == 1).await;
    ends(&sim, session, Duration::from_millis(800)).await;
}

#[tokio::test]
async fn while_authorizing() {
    for step in ["csds", "login"] {
        let sim = plain().await;
        sim.refuse(Refusal::hang(step)).await;
        let session = session(&sim);
        seen(&sim, |state| {
            state.csds.len() + state.logins.len() == 1 + usize::from(step == "login")
        })
        .await;
        ends(&sim, session, Duration::from_millis(400)).await;
        assert!(sim.state().upgrades.is_empty());
    }
}

#[tokio::test]
async fn before_anything_has_begun() {
    let sim = plain().await;
    let mut client = client(&sim, adapter(&sim)).build().unwrap();
    client.shutdown();
    let rest = rest(&mut client).await;
    assert!(matches!(rest.last(), Some(Item::Notice(Notice::Stopped { .. }))), "{rest:?}");
    assert!(client.next().await.is_none());
    assert!(sim.state().upgrades.is_empty());
}

#[tokio::test]
async fn twice() {
    let sim = plain().await;
    let (handle, mut updates) = session(&sim);
    online(&mut updates).await;
    let again = handle.clone();
    tokio::join!(handle.shutdown(), again.shutdown());
    let stops = rest(&mut updates).await;
    let stops = stops.iter().filter(|item| matches!(item, Item::Notice(Notice::Stopped { .. })));
    assert_eq!(stops.count(), 1);
    assert_eq!(closes(&sim, 1).await, [1000]);
}

#[tokio::test]
async fn of_a_server_that_never_answers_the_close_frame() {
    let sim = plain().await;
    let (handle, mut updates) = session(&sim);
    online(&mut updates).await;
    sim.silent(true).await;
    // The policy's time for a close handshake is 250 ms at this speed.
    ends(&sim, (handle, updates), Duration::from_secs(2)).await;
}

#[tokio::test]
async fn of_a_server_that_reads_nothing() {
    let builder = LivePersonSim::builder().with(|options| options.recv_buffer = Some(4096));
    let sim = builder.start().await.unwrap();
    let written = Arc::new(Notify::new());
    let tell = Arc::clone(&written);
    let builder = client(&sim, adapter(&sim)).tap(move |way, _| {
        if way == Direction::Sent {
            tell.notify_one();
        }
    });
    let (handle, mut updates) = builder.build().unwrap().spawn();
    online(&mut updates).await;
    sim.stall(true).await;
    let text = "x".repeat(60_000);
    let mut receipts = Vec::new();
    for _ in 0..60 {
        receipts.push(handle.send(Request::publish_text("d", &text)).await.unwrap());
    }
    tokio::time::timeout(SOON, written.notified()).await.unwrap();
    let begun = Instant::now();
    tokio::time::timeout(SOON, handle.shutdown()).await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(6), "{:?}", begun.elapsed());
    let rest = rest(&mut updates).await;
    assert!(matches!(rest.last(), Some(Item::Notice(Notice::Stopped { .. }))), "{rest:?}");
    // What the host has not sent yet is still in its hands.
    sim.stall(false).await;
    seen(&sim, |state| state.live_sockets == 0).await;
    let mut fates = Vec::new();
    for receipt in receipts {
        // Some were refused: more than may wait.
        fates.extend(receipt.await.ok().map(|delivery| delivery.settled.fate));
    }
    assert!(fates.contains(&Fate::Unknown) && fates.contains(&Fate::NotSent), "{fates:?}");
}

#[tokio::test]
async fn with_requests_in_flight() {
    let sim = plain().await;
    let (handle, mut updates) = session(&sim);
    online(&mut updates).await;
    sim.lose_acks(1).await;
    let receipt = handle.send(Request::get_clock()).await.unwrap();
    seen(&sim, |state| state.requests_of("GetClock").count() == 1).await;
    let rest = ends(&sim, (handle, updates), Duration::from_secs(2)).await;
    assert_eq!(receipt.await.unwrap().settled.fate, Fate::Unknown);
    assert!(!rest.iter().any(|item| matches!(item, Item::Fate(_))), "{rest:?}");
}

#[tokio::test]
async fn needs_nobody_who_reads() {
    let sim = plain().await;
    let (handle, updates) = session(&sim);
    seen(&sim, |state| state.live_sockets == 1).await;
    // More than the channel holds.
    sim.notify(900, serde_json::json!({})).await;
    let request = handle.request(Request::get_clock());
    tokio::time::timeout(SOON, request).await.unwrap().unwrap();
    tokio::time::timeout(SOON, handle.shutdown()).await.expect("the end, though nobody reads");
    drop(updates);
}

#[tokio::test]
async fn of_the_peer_comes_first() {
    let sim = plain().await;
    let (handle, mut updates) = session(&sim);
    online(&mut updates).await;
    sim.close(1001, "").await;
    assert_eq!(offline(&mut updates).await, Cause::Close(1001));
    ends(&sim, (handle, updates), Duration::from_millis(400)).await;
}
