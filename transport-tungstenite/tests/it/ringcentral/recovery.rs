//! Lost connections, and what becomes of the session.

use redial_core::{Continuity, Item, Notice};
use redial_ringcentral::{Certainty, Message};
use redial_testkit::servers::ringcentral::RingCentralSim;
use serde_json::json;

use super::support::{
    FILTER, Out, adapter, client, message, notice, seen, shown, sim, subscribed, until,
};

/// Cuts a subscribed session, lets `missed` notifications pass, and gives what follows the loss up
/// to the last one, or to the gap where one is expected.
async fn cut_and_recover(sim: &RingCentralSim, missed: u32, kept: usize) -> Vec<Out> {
    let adapter = adapter(sim).subscribe([FILTER], None);
    let (handle, mut items) = client(adapter).build().unwrap().spawn();
    subscribed(&mut items).await;
    sim.notify(1, json!({})).await;
    message(&mut items, |message| matches!(message, Message::Notification(_)).then_some(())).await;
    sim.cut().await;
    sim.notify(missed, json!({})).await;
    let mut all = Vec::new();
    let mut notifications = 0;
    let full = kept < missed as usize;
    until(&mut items, |item| {
        if let Item::Message(message) = item {
            all.push(Item::Message(message.clone()));
            notifications += usize::from(matches!(message, Message::Notification(_)));
        }
        if let Item::Notice(notice) = item {
            all.push(Item::Notice(*notice));
        }
        let gap = all.iter().any(|item| matches!(item, Item::Message(Message::Gap(_))));
        (notifications == kept && gap == full).then_some(())
    })
    .await;
    handle.shutdown().await;
    all
}

fn numbers(items: &[Out]) -> Vec<u64> {
    let notifications = items.iter().filter_map(|item| match item {
        Item::Message(Message::Notification(notification)) => Some(notification),
        _ => None,
    });
    let count = |body: serde_json::Value| body.pointer("/body/n").cloned();
    notifications.map(|it| count(it.body.value()).unwrap().as_u64().unwrap()).collect()
}

#[tokio::test]
async fn a_cut_within_the_window_keeps_the_session_and_loses_nothing() {
    let sim = sim().await;
    let items = cut_and_recover(&sim, 3, 3).await;
    let online = items.iter().position(|item| {
        matches!(item, Item::Notice(Notice::Online { continuity: Continuity::Resumed, .. }))
    });
    let success = items
        .iter()
        .position(|item| matches!(item, Item::Message(Message::AutoRecoverSuccess { .. })));
    let first =
        items.iter().position(|item| matches!(item, Item::Message(Message::Notification(_))));
    assert!(online < success && success < first && online.is_some(), "{items:?}");
    assert_eq!(numbers(&items), [2, 3, 4]);
    let state = seen(&sim, |_| true).await;
    assert_eq!((state.subscriptions_made, state.upgrades.len()), (1, 2), "{state:?}");
    assert_eq!(state.upgrades[1].outcome, "resumed");
}

#[tokio::test]
async fn of_130_missed_notifications_in_the_burst_of_the_hello_the_newest_100_come() {
    let sim = RingCentralSim::builder()
        .settings(|settings| settings.replay_delay = std::time::Duration::ZERO)
        .start()
        .await
        .unwrap();
    let items = cut_and_recover(&sim, 130, 100).await;
    let seen: Vec<String> = items.iter().map(shown).collect();
    assert_eq!(numbers(&items), (32..=131).collect::<Vec<u64>>(), "{seen:?}");
    let gap = items.iter().rev().find_map(|item| match item {
        Item::Message(Message::Gap(gap)) => Some(*gap),
        _ => None,
    });
    assert_eq!(gap.unwrap().certainty, Certainty::Possible);
}

#[tokio::test]
async fn without_auto_recovery_nothing_happens_until_the_application_recovers() {
    let sim = sim().await;
    let adapter = adapter(&sim).auto_recover(false).subscribe([FILTER], None);
    let (handle, mut items) = client(adapter).build().unwrap().spawn();
    subscribed(&mut items).await;
    sim.cut().await;
    notice(&mut items, |notice| matches!(notice, Notice::Suspended { .. }).then_some(())).await;
    sim.notify(2, json!({})).await;
    assert_eq!(sim.state().upgrades.len(), 1);
    // Calls that come together are one attempt, and while it is up they are none.
    handle.recover().await;
    handle.recover().await;
    message(&mut items, |message| {
        matches!(message, Message::AutoRecoverSuccess { .. }).then_some(())
    })
    .await;
    handle.recover().await;
    for _ in 0..2 {
        message(&mut items, |message| matches!(message, Message::Notification(_)).then_some(()))
            .await;
    }
    let state = sim.state();
    assert_eq!((state.upgrades.len(), state.ws_token_calls.len()), (2, 2), "{state:?}");
    handle.shutdown().await;
}

#[tokio::test]
async fn after_an_outage_of_everything_the_session_is_back_within_one_wait() {
    let sim = sim().await;
    let adapter = adapter(&sim).subscribe([FILTER], None);
    let (handle, mut items) = client(adapter).build().unwrap().spawn();
    subscribed(&mut items).await;
    // Sped up, some eight attempts: more than the rate group lets reach the server.
    sim.down(std::time::Duration::from_millis(3000)).await;
    let mut errors = 0;
    message(&mut items, |message| {
        errors += u32::from(matches!(message, Message::AutoRecoverError { .. }));
        matches!(message, Message::AutoRecoverSuccess { .. }).then_some(())
    })
    .await;
    assert!(errors >= 6, "{errors}");
    let state = sim.state();
    assert_eq!(state.ws_token_calls.len(), 2, "{state:?}");
    // 8 s and up to 1 s of jitter, sped up, and what the machine takes.
    let (call, back) = (&state.ws_token_calls[1], &state.upgrades[1]);
    assert!(call.t_ms - state.ws_token_calls[0].t_ms < 3000 + 450 + 1500, "{state:?}");
    assert_eq!(back.outcome, "resumed");
    handle.shutdown().await;
}

#[tokio::test]
async fn a_request_under_way_at_a_cut_is_unknown_and_sent_once() {
    use redial_ringcentral::Request;
    let sim = RingCentralSim::builder()
        .settings(|settings| settings.answer_delay = std::time::Duration::from_secs(60))
        .start()
        .await
        .unwrap();
    let adapter = adapter(&sim).rest_over_websocket(true);
    let (handle, mut items) = client(adapter).build().unwrap().spawn();
    notice(&mut items, |notice| matches!(notice, Notice::Online { .. }).then_some(())).await;
    let extension = "/restapi/v1.0/account/~/extension/~/company-pager";
    let receipt = handle.send(Request::post(extension, json!({ "text": "Hello" }))).await.unwrap();
    seen(&sim, |state| state.rest.len() == 1).await;
    sim.cut().await;
    assert_eq!(receipt.await.unwrap().settled.fate, redial_core::Fate::Unknown);
    notice(&mut items, |notice| matches!(notice, Notice::Online { .. }).then_some(())).await;
    assert_eq!(sim.state().rest.len(), 1);
    handle.shutdown().await;
}
