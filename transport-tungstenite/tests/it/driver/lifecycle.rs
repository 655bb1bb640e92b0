//! Connecting, and connecting again.

use std::time::Duration;

use redial_core::{Cause, Item, Notice, TokenUse, Wait};
use redial_liveperson::Credentials;
use redial_testkit::servers::Refusal;
use redial_testkit::servers::liveperson::LivePersonSim;

use super::support::{
    ACCOUNT, SOON, adapter, adapter_for, client, closes, notice, offline, online, plain, rest,
    seen, until,
};

async fn retry(
    items: &mut (impl futures_core::Stream<Item = super::support::Out> + Unpin),
) -> Cause {
    notice(items, |notice| match notice {
        Notice::RetryScheduled { cause, .. } => Some(*cause),
        _ => None,
    })
    .await
}

#[tokio::test]
async fn comes_online_over_plain_and_tls() {
    for tls in [false, true] {
        let sim = LivePersonSim::builder().tls(tls).start().await.unwrap();
        let (handle, mut updates) = client(&sim, adapter(&sim)).build().unwrap().spawn();
        online(&mut updates).await;
        let state = seen(&sim, |state| state.live_sockets == 1).await;
        assert_eq!((state.csds.len(), state.logins.len(), state.upgrades.len()), (1, 1, 1));
        handle.shutdown().await;
        assert!(matches!(
            rest(&mut updates).await.pop(),
            Some(Item::Notice(Notice::Stopped { .. }))
        ));
        assert_eq!(closes(&sim, 1).await, [1000]);
    }
}

#[tokio::test]
async fn a_cut_keeps_the_bearer() {
    for tls in [false, true] {
        let sim = LivePersonSim::builder().tls(tls).start().await.unwrap();
        let mut client = client(&sim, adapter(&sim)).build().unwrap();
        for reset in [false, true] {
            online(&mut client).await;
            if reset {
                sim.reset().await
            } else {
                sim.cut().await
            }
            assert_eq!(offline(&mut client).await, Cause::Network);
        }
        online(&mut client).await;
        let state = sim.state();
        assert_eq!(state.logins.len(), 1);
        let bearers = state.bearers_used();
        assert_eq!(bearers.len(), 3);
        assert!(bearers.iter().all(|bearer| *bearer == bearers[0]));
    }
}

#[tokio::test]
async fn close_4401_makes_a_new_bearer_and_is_answered() {
    let sim = LivePersonSim::builder().tls(true).start().await.unwrap();
    let mut client = client(&sim, adapter(&sim)).build().unwrap();
    online(&mut client).await;
    sim.close(4401, "gone").await;
    let text = until(&mut client, |item| match item {
        Item::PeerReason { text, .. } => Some(text.clone()),
        _ => None,
    })
    .await;
    assert_eq!(text, "gone");
    assert_eq!(offline(&mut client).await, Cause::Close(4401));
    online(&mut client).await;
    let state = sim.state();
    assert_eq!(state.logins.len(), 2);
    assert_ne!(state.bearers_used()[0], state.bearers_used()[1]);
    assert_eq!(closes(&sim, 1).await, [4401]);
}

#[tokio::test]
async fn close_frames_are_answered_with_their_code() {
    let sim = plain().await;
    let mut client = client(&sim, adapter(&sim)).build().unwrap();
    for code in [1000, 1001, 1011, 3000, 4999] {
        online(&mut client).await;
        sim.close(code, "").await;
        assert_eq!(offline(&mut client).await, Cause::Close(code));
    }
    online(&mut client).await;
    sim.close(1005, "").await;
    assert_eq!(offline(&mut client).await, Cause::Close(1005));
    online(&mut client).await;
    assert_eq!(closes(&sim, 6).await, [1000, 1001, 1011, 3000, 4999, 1005]);
}

#[tokio::test]
async fn a_revoked_bearer_is_replaced_although_the_end_was_a_cut() {
    let sim = plain().await;
    let mut client = client(&sim, adapter(&sim)).build().unwrap();
    online(&mut client).await;
    sim.revoke_tokens().await;
    sim.cut().await;
    assert_eq!(offline(&mut client).await, Cause::Network);
    assert_eq!(retry(&mut client).await, Cause::Network);
    assert_eq!(retry(&mut client).await, Cause::Handshake(401));
    online(&mut client).await;
    let state = sim.state();
    let statuses: Vec<_> = state.upgrades.iter().map(|upgrade| upgrade.status).collect();
    assert_eq!(statuses, [Some(101), Some(401), Some(101)]);
    assert_eq!(state.logins.len(), 2);
}

#[tokio::test]
async fn an_upgrade_without_answer_times_out() {
    let sim = plain().await;
    sim.refuse(Refusal::hang("upgrade")).await;
    let mut client = client(&sim, adapter(&sim)).build().unwrap();
    assert_eq!(retry(&mut client).await, Cause::Timeout(Wait::Connect));
    online(&mut client).await;
    let state = sim.state();
    assert_eq!((state.logins.len(), state.upgrades.len(), state.upgrades_ok()), (1, 2, 1));
}

#[tokio::test]
async fn a_server_that_accepts_and_closes_is_not_hammered() {
    let sim = plain().await;
    let mut client = client(&sim, adapter(&sim)).build().unwrap();
    for code in [1000, 4401, 1011, 1006] {
        online(&mut client).await;
        sim.close(code, "").await;
    }
    online(&mut client).await;
    let times: Vec<_> = sim.state().upgrades.iter().map(|upgrade| upgrade.t_ms).collect();
    let gaps = times.windows(2).map(|pair| pair[1] - pair[0]);
    assert!(gaps.clone().all(|gap| gap >= 490), "{:?}", gaps.collect::<Vec<_>>());
}

#[tokio::test]
async fn a_server_that_refuses_after_the_upgrade_is_not_hammered() {
    let sim = plain().await;
    sim.set("refuse_mode", "close4401").await.unwrap();
    let bearer = Credentials::Bearer("nobody-issued-this".into());
    let (handle, updates) =
        client(&sim, adapter_for(&sim, ACCOUNT, bearer)).build().unwrap().spawn();
    drop(updates);
    let state = seen(&sim, |state| state.upgrades.len() >= 5).await;
    let times: Vec<_> = state.upgrades.iter().map(|upgrade| upgrade.t_ms).collect();
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] >= 490), "{times:?}");
    handle.shutdown().await;
}

#[tokio::test]
async fn an_outage_is_outlived() {
    let sim = plain().await;
    let mut client = client(&sim, adapter(&sim)).build().unwrap();
    online(&mut client).await;
    sim.down(Duration::from_secs(2)).await;
    assert_eq!(offline(&mut client).await, Cause::Network);
    assert_eq!(retry(&mut client).await, Cause::Network);
    assert_eq!(retry(&mut client).await, Cause::Network);
    online(&mut client).await;
    assert_eq!(sim.state().logins.len(), 1);
}

#[tokio::test]
async fn the_application_may_ask_for_another_connection() {
    let sim = plain().await;
    let (handle, mut updates) = client(&sim, adapter(&sim)).build().unwrap().spawn();
    online(&mut updates).await;
    for (token, logins) in [(TokenUse::Keep, 1), (TokenUse::Regenerate, 2)] {
        handle.reconnect(token).await;
        assert_eq!(offline(&mut updates).await, Cause::Requested);
        online(&mut updates).await;
        assert_eq!(sim.state().logins.len(), logins);
    }
    let state = seen(&sim, |state| state.live_sockets == 1).await;
    assert_eq!(state.upgrades.len(), 3);
    assert_eq!(closes(&sim, 2).await, [1000, 1000]);
}

#[tokio::test]
async fn a_client_that_is_dropped_leaves_nothing_behind() {
    let sim = plain().await;
    let mut client = client(&sim, adapter(&sim)).build().unwrap();
    online(&mut client).await;
    drop(client);
    seen(&sim, |state| state.live_sockets == 0).await;

    for step in ["csds", "login", "upgrade"] {
        sim.refuse(Refusal::hang(step)).await;
        let mut client = super::support::client(&sim, adapter(&sim)).build().unwrap();
        let before = sim.state();
        let polled = tokio::time::timeout(SOON, async {
            let arrived = sim.until(SOON, |state| match step {
                "csds" => state.csds.len() > before.csds.len(),
                "login" => state.logins.len() > before.logins.len(),
                _ => state.upgrades.len() > before.upgrades.len(),
            });
            tokio::select! {
                biased;
                arrived = arrived => arrived.map(|_| ()).unwrap(),
                () = async { while client.next().await.is_some() {} } => panic!("the end"),
            }
        });
        polled.await.unwrap();
        drop(client);
        seen(&sim, |state| state.live_sockets == 0).await;
    }
}
