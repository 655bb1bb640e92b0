//! Peers that send more than the application takes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use redial_auth_http::{HttpClient, HttpError, ReqwestClient};
use redial_core::http::{HttpRequest, HttpResponse};
use redial_core::{Fault, Item, Notice, Problem, Speed};
use redial_liveperson::Builder;
use redial_testkit::servers::liveperson::LivePersonSim;
use redial_tungstenite::{Connector, Direction};
use serde_json::json;

use super::support::{ACCOUNT, Out, Pushed, SOON, adapter, client, online, plain, seen};

/// Pushes 30,000 notifications, more than socket buffers hold.
async fn flood(sim: &LivePersonSim) {
    let body = "x".repeat(200);
    let text = format!(r#"{{"kind":"notification","type":"x","body":"{body}"}}"#);
    let length = u16::try_from(text.len()).unwrap().to_be_bytes();
    let frame = [&[0x81, 126][..], &length, text.as_bytes()].concat();
    for _ in 0..3 {
        sim.send_raw(frame.repeat(10_000)).await;
    }
}

/// Leaves a debug build the time that it takes for so much, on both sides.
fn slower(sim: &LivePersonSim) -> Builder {
    adapter(sim).speed(Speed::new(10))
}

fn is_slow(item: &Out) -> bool {
    matches!(item, Item::Problem(Problem { fault: Fault::Caller, text }) if text.contains("slowly"))
}

fn is_offline(item: &Out) -> bool {
    matches!(item, Item::Notice(Notice::Offline { .. }))
}

#[tokio::test]
async fn a_flood_waits_for_an_application_that_reads_nothing() {
    let sim = plain().await;
    let (frames, clock) = (Arc::new(AtomicUsize::new(0)), Pushed::new());
    let count = Arc::clone(&frames);
    let builder = client(&sim, slower(&sim)).clock(clock.clone()).tap(move |way, _| {
        count.fetch_add(usize::from(way == Direction::Received), Ordering::SeqCst);
    });
    let (handle, mut updates) = builder.build().unwrap().spawn();
    online(&mut updates).await;
    flood(&sim).await;
    // Twice the span after which a silent peer is dead, at 3 + 1 s.
    tokio::time::sleep(Duration::from_secs(8)).await;
    let read = frames.load(Ordering::SeqCst);
    assert!((1000..1500).contains(&read), "{read} frames were read");
    let reads = clock.reads_in_a_second().await;
    assert!(reads < 60, "{reads} looks at the clock while nothing is read");
    assert_eq!(sim.state().upgrades.len(), 1);

    let (mut messages, mut slow, mut early) = (0, 0, 0);
    let all = async {
        while messages < 30_000 {
            let item = updates.next().await.unwrap();
            assert!(!is_offline(&item), "{item:?}");
            messages += usize::from(matches!(item, Item::Message(_)));
            slow += usize::from(is_slow(&item));
            early += usize::from(is_slow(&item) && messages < 1400);
        }
    };
    tokio::time::timeout(SOON, all).await.unwrap();
    assert_eq!(early, 1, "it is said once");
    assert!(slow < 60, "{slow}");
    // The watch goes on as before.
    let probes = sim.state().requests_of("GetClock").count();
    seen(&sim, |state| state.requests_of("GetClock").count() >= probes + 2).await;
    assert_eq!(sim.state().upgrades.len(), 1);
    handle.shutdown().await;
}

#[tokio::test]
async fn a_flood_is_no_reason_to_take_the_peer_for_dead() {
    let sim = plain().await;
    let mut client = client(&sim, slower(&sim)).build().unwrap();
    online(&mut client).await;
    flood(&sim).await;
    let mut messages = 0;
    let begun = tokio::time::Instant::now();
    let all = async {
        while messages < 30_000 {
            let item = client.next().await.unwrap();
            assert!(!is_offline(&item), "{item:?}");
            messages += usize::from(matches!(item, Item::Message(_)));
            // The first seconds are spent item by item.
            if begun.elapsed() < Duration::from_secs(4) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
    };
    tokio::time::timeout(SOON, all).await.unwrap();
    assert_eq!(sim.state().upgrades.len(), 1);
    let idle = async { while !is_offline(&client.next().await.unwrap()) {} };
    assert!(tokio::time::timeout(Duration::from_secs(3), idle).await.is_err());
}

#[tokio::test]
async fn large_messages_that_nobody_takes_are_bounded_by_their_size() {
    let sim = plain().await;
    let bytes = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&bytes);
    let builder = client(&sim, slower(&sim).speed(Speed::new(4))).tap(move |_, frame| {
        if let redial_core::Frame::Text(text) = frame {
            count.fetch_add(text.len(), Ordering::SeqCst);
        }
    });
    let (_handle, mut updates) = builder.build().unwrap().spawn();
    online(&mut updates).await;
    for _ in 0..60 {
        sim.notify(1, json!({ "message": "x".repeat(1_000_000) })).await;
    }
    // Sixteen of them are in the channel, and 16 MiB wait before it.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let read = bytes.load(Ordering::SeqCst);
    assert!(read < 40_000_000, "{read} bytes wait for nobody");
    let mut messages = 0;
    let all = async {
        while messages < 60 {
            let item = updates.next().await.unwrap();
            assert!(!is_offline(&item), "{item:?}");
            messages += usize::from(matches!(item, Item::Message(_)));
        }
    };
    tokio::time::timeout(SOON, all).await.unwrap();
    assert_eq!(sim.state().upgrades.len(), 1);
}

/// Has no answer for anything.
struct Unreachable(Arc<AtomicUsize>, ReqwestClient);

#[async_trait]
impl HttpClient for Unreachable {
    async fn perform(&self, mut request: HttpRequest) -> Result<HttpResponse, HttpError> {
        self.0.fetch_add(1, Ordering::SeqCst);
        request.url = "nonsense".to_owned();
        self.1.perform(request).await
    }
}

#[tokio::test]
async fn notices_that_nobody_reads_are_bounded() {
    let calls = Arc::new(AtomicUsize::new(0));
    let who = redial_liveperson::Credentials::Bearer("x".into());
    let adapter = redial_liveperson::LivePerson::builder(ACCOUNT, who).speed(Speed::new(10_000));
    let client = redial_tungstenite::Client::builder(adapter.build().unwrap())
        .http(Unreachable(Arc::clone(&calls), ReqwestClient::builder().build().unwrap()))
        .connector(Connector::new().unwrap());
    let (handle, mut updates) = client.build().unwrap().spawn();
    let many = async {
        while calls.load(Ordering::SeqCst) < 2000 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(SOON, many).await.unwrap();
    handle.shutdown().await;
    let mut items = Vec::new();
    while let Some(item) = updates.next().await {
        items.push(item);
    }
    assert!((2000..2500).contains(&items.len()), "{}", items.len());
    assert!(matches!(items.pop(), Some(Item::Notice(Notice::Stopped { .. }))));
}
