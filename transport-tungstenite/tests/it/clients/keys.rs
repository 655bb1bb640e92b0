//! Keys, and what they keep apart.

use redial_core::{Item, Notice, StopReason};
use redial_evolution::codechat::Credentials;
use redial_tungstenite::{Client, Clients, ClientsError};

use super::support::{Sockets, builder, key, online, run, sim, token, until};

#[tokio::test]
async fn a_second_session_under_a_key_is_refused_before_it_dials() {
    let sim = sim().await;
    let mut clients = run(&sim, &[("shop-1", &["call.upsert"])]);
    online(&mut clients, 1).await;
    let again = || {
        let credentials = Credentials::Token(token(&sim, "shop-1"));
        Client::builder(builder(&sim, credentials).event("call.upsert").build().unwrap())
    };
    let key = key("shop-1", "call.upsert");
    let refused = clients.insert(key.clone(), again());
    assert!(matches!(refused, Err(ClientsError::Duplicate)));
    assert_eq!(clients.len(), 1);

    // One that has ended makes room, once its last item is taken.
    clients.handle(&key).unwrap().shutdown().await;
    assert!(matches!(clients.insert(key.clone(), again()), Err(ClientsError::Duplicate)));
    let mut last = None;
    while let Some((_, item)) = clients.next().await {
        last = Some(item);
    }
    let requested = Notice::Stopped { reason: StopReason::Requested };
    assert!(matches!(last, Some(Item::Notice(notice)) if notice == requested));
    assert!(clients.is_empty() && clients.handle(&key).is_none());
    clients.insert(key, again()).unwrap();
    online(&mut clients, 1).await;
    let state = sim.state();
    assert_eq!((state.upgrades_ok(), state.mute_sockets(), state.live_sockets), (2, 0, 1));
}

#[tokio::test]
async fn all_are_ended_at_once_and_none_comes_back() {
    let sim = sim().await;
    let mut clients = run(&sim, &[("shop-1", &["call.upsert", "send.message"])]);
    online(&mut clients, 2).await;
    // One is in the middle of a wait.
    sim.down(std::time::Duration::from_secs(60)).await;
    until(&mut clients, |_, item| {
        matches!(item, Item::Notice(Notice::RetryScheduled { .. })).then_some(())
    })
    .await;
    clients.shutdown().await;
    let mut stopped = 0;
    while let Some((_, item)) = clients.next().await {
        stopped += usize::from(matches!(item, Item::Notice(Notice::Stopped { .. })));
    }
    assert_eq!(stopped, 2);
    assert_eq!(sim.state().live_sockets, 0);
}

#[tokio::test]
async fn without_sessions_there_is_nothing_to_wait_for() {
    let mut clients: Sockets = Clients::new();
    assert!(clients.next().await.is_none());
    clients.shutdown().await;
    assert_eq!(format!("{clients:?}"), "{}");
}

#[tokio::test]
async fn dropping_them_ends_them() {
    let sim = sim().await;
    let mut clients = run(&sim, &[("shop-1", &["call.upsert", "send.message"])]);
    online(&mut clients, 2).await;
    drop(clients);
    let ended = sim.until(super::support::SOON, |state| state.live_sockets == 0).await;
    ended.expect("they end");
}
