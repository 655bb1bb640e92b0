//! Peers that are gone and do not say so, and applications that look away.

use std::time::{Duration, Instant};

use redial_core::{Cause, Fate, Item, Notice, Speed, Wait};
use redial_liveperson::{LivePerson, Request};
use redial_testkit::servers::liveperson::LivePersonSim;
use redial_tungstenite::{Handle, Receipt};
use serde_json::json;

use super::support::{
    Out, Pushed, SOON, adapter, client, notice, offline, online, plain, rest, seen,
};

/// Silences the peer in one way and expects that it is noticed, that its socket is dropped, and
/// that another one is made.
async fn notices(tls: bool, silence: impl AsyncFn(&LivePersonSim)) {
    let sim = LivePersonSim::builder().tls(tls).start().await.unwrap();
    let mut client = client(&sim, adapter(&sim)).build().unwrap();
    online(&mut client).await;
    silence(&sim).await;
    let begun = Instant::now();
    let talk = async {
        let mut beat = tokio::time::interval(Duration::from_millis(100));
        loop {
            beat.tick().await;
            sim.notify(1, json!({})).await;
        }
    };
    let cause = tokio::select! {
        cause = offline(&mut client) => cause,
        () = talk => unreachable!(),
    };
    assert_eq!(cause, Cause::Timeout(Wait::Pong));
    // A probe each 1.5 s; what the server says postpones the verdict at most until the next one.
    assert!(begun.elapsed() < Duration::from_secs(6), "{:?}", begun.elapsed());
    assert!(begun.elapsed() > Duration::from_millis(450), "{:?}", begun.elapsed());
    online(&mut client).await;
    // Only the new socket is left.
    let state = seen(&sim, |state| state.live_sockets == 1).await;
    assert_eq!((state.upgrades_ok(), state.logins.len()), (2, 1));
    // Which is watched too, and lives.
    stays_online(&mut client, Duration::from_secs(2)).await;
}

/// Polls for a while in which the session must not go offline.
async fn stays_online(
    client: &mut (impl futures_core::Stream<Item = Out> + Unpin),
    span: Duration,
) {
    let cause = tokio::time::timeout(span, offline(client)).await;
    assert!(cause.is_err(), "offline: {cause:?}");
}

#[tokio::test]
async fn a_peer_that_is_deaf_and_mute_is_noticed() {
    notices(false, async |sim| sim.silent(true).await).await;
    notices(true, async |sim| sim.silent(true).await).await;
}

#[tokio::test]
async fn a_peer_that_is_mute_is_noticed() {
    notices(false, async |sim| sim.silent_outbound(true).await).await;
}

#[tokio::test]
async fn a_peer_that_is_deaf_and_goes_on_talking_is_noticed() {
    notices(false, async |sim| sim.silent_inbound(true).await).await;
}

/// Sends more than the socket takes to a peer that reads no more.
async fn fill(handle: &Handle<LivePerson>) -> Vec<Receipt<LivePerson>> {
    let text = "x".repeat(60_000);
    let mut receipts = Vec::new();
    for _ in 0..60 {
        receipts.push(handle.send(Request::publish_text("d", &text)).await.unwrap());
    }
    receipts
}

#[tokio::test]
async fn a_peer_that_reads_no_more_while_much_is_sent_is_noticed() {
    let builder = LivePersonSim::builder().with(|options| options.recv_buffer = Some(4096));
    let sim = builder.start().await.unwrap();
    let (handle, mut updates) = client(&sim, adapter(&sim)).build().unwrap().spawn();
    online(&mut updates).await;
    sim.stall(true).await;
    let receipts = fill(&handle).await;
    assert_eq!(offline(&mut updates).await, Cause::Timeout(Wait::Pong));
    online(&mut updates).await;
    for receipt in receipts {
        tokio::time::timeout(SOON, receipt).await.unwrap().ok();
    }
    sim.stall(false).await;
    seen(&sim, |state| state.live_sockets == 1).await;
}

#[tokio::test]
async fn nobody_spins_while_the_socket_is_full() {
    let builder = LivePersonSim::builder().with(|options| options.recv_buffer = Some(4096));
    let sim = builder.start().await.unwrap();
    let clock = Pushed::new();
    let builder = client(&sim, adapter(&sim).speed(Speed::REAL)).clock(clock.clone());
    let (handle, mut updates) = builder.build().unwrap().spawn();
    online(&mut updates).await;
    sim.stall(true).await;
    let receipts = fill(&handle).await;
    clock.reads_in_a_second().await;
    let reads = clock.reads_in_a_second().await;
    assert!(reads <= 10, "{reads} looks at the clock");
    // What waited goes on when there is room.
    sim.stall(false).await;
    let mut acked = 0;
    for receipt in receipts {
        let delivery = tokio::time::timeout(SOON, receipt).await.unwrap();
        acked += usize::from(delivery.is_ok_and(|delivery| delivery.settled.fate == Fate::Acked));
    }
    assert!(acked > 10, "{acked}");
    assert_eq!(sim.state().messages.len(), acked);
}

#[tokio::test]
async fn an_idle_session_sleeps() {
    let sim = plain().await;
    let clock = Pushed::new();
    let builder = client(&sim, adapter(&sim).speed(Speed::REAL)).clock(clock.clone());
    let (handle, mut updates) = builder.build().unwrap().spawn();
    online(&mut updates).await;
    let reads = clock.reads_in_a_second().await;
    assert!(reads <= 10, "{reads} looks at the clock while online");
    // Offline, with messages that wait.
    sim.down(Duration::from_secs(60)).await;
    offline(&mut updates).await;
    let receipt = handle.send(Request::get_clock()).await.unwrap();
    tokio::task::yield_now().await;
    let reads = clock.reads_in_a_second().await;
    assert!(reads <= 20, "{reads} looks at the clock while offline");
    handle.shutdown().await;
    assert_eq!(receipt.await.unwrap().settled.fate, Fate::NotSent);
}

#[tokio::test]
async fn a_client_that_was_not_polled_goes_on() {
    let sim = plain().await;
    let mut client = client(&sim, adapter(&sim)).build().unwrap();
    online(&mut client).await;
    // Longer than a probe and its answer may take; the application is busy elsewhere.
    tokio::time::sleep(Duration::from_millis(2500)).await;
    stays_online(&mut client, Duration::from_secs(3)).await;
    assert_eq!(sim.state().upgrades.len(), 1);
}

/// The thread that polls the client is also the one that looks at its sockets, and it is busy: the
/// answer to the probe lies in the socket, and the runtime does not know.
#[test]
fn an_answer_that_the_runtime_has_not_noticed_counts() {
    let elsewhere = tokio::runtime::Builder::new_multi_thread();
    let elsewhere = { elsewhere }.worker_threads(1).enable_all().build().unwrap();
    let sim = elsewhere.block_on(async { elsewhere.spawn(plain()).await.unwrap() });
    let here = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    here.block_on(async {
        let mut client = client(&sim, adapter(&sim)).build().unwrap();
        online(&mut client).await;
        sim.set("answer_delay_ms", 100).await.unwrap();
        for probes in 1..=3 {
            tokio::select! {
                biased;
                cause = offline(&mut client) => panic!("offline: {cause:?}"),
                _ = seen(&sim, |state| state.requests_of("GetClock").count() >= probes) => {}
            }
            std::thread::sleep(Duration::from_secs(1));
        }
        stays_online(&mut client, Duration::from_secs(1)).await;
        assert_eq!(sim.state().upgrades.len(), 1);
    });
    elsewhere.shutdown_background();
}

#[tokio::test]
async fn deadlines_that_passed_in_the_hosts_sleep_act_at_the_next_wake_up() {
    let sim = plain().await;
    let clock = Pushed::new();
    let builder = client(&sim, adapter(&sim).speed(Speed::REAL)).clock(clock.clone());
    let (handle, mut updates) = builder.build().unwrap().spawn();
    online(&mut updates).await;
    assert_eq!(sim.state().requests.len(), 0);

    // The probe of 30 s is overdue; a frame wakes the driver.
    clock.push(Duration::from_secs(31));
    let begun = Instant::now();
    sim.notify(1, json!({})).await;
    seen(&sim, |state| state.requests_of("GetClock").count() == 1).await;
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());

    // The wait of 10 s is over.
    sim.cut().await;
    notice(&mut updates, |notice| matches!(notice, Notice::RetryScheduled { .. }).then_some(()))
        .await;
    clock.push(Duration::from_secs(11));
    let begun = Instant::now();
    handle.connect().await;
    online(&mut updates).await;
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    handle.shutdown().await;
    assert!(matches!(rest(&mut updates).await.pop(), Some(Item::Notice(Notice::Stopped { .. }))));
}

#[tokio::test]
async fn what_arrived_in_the_hosts_sleep_is_read_before_deadlines_fire() {
    let sim = plain().await;
    let clock = Pushed::new();
    let builder = client(&sim, adapter(&sim).speed(Speed::REAL)).clock(clock.clone());
    let mut client = builder.build().unwrap();
    online(&mut client).await;
    clock.push(Duration::from_secs(31));
    sim.set("answer_delay_ms", 100).await.unwrap();
    tokio::select! {
        biased;
        cause = offline(&mut client) => panic!("offline: {cause:?}"),
        _ = seen(&sim, |state| state.requests_of("GetClock").count() == 1) => {}
    }
    // The answer is on its way, and has come long before the client is polled again.
    tokio::time::sleep(Duration::from_millis(500)).await;
    clock.push(Duration::from_secs(11));
    stays_online(&mut client, Duration::from_secs(1)).await;
    assert_eq!(sim.state().live_sockets, 1);
}
