//! Servers that answer a recovery with another outcome than was asked for.

use redial_core::{Continuity, Item, Notice};
use redial_ringcentral::{Certainty, Message};
use redial_testkit::servers::ringcentral::{RecoveryAnswer, RingCentralSim, Timeout};
use serde_json::json;

use super::support::{FILTER, adapter, client, message, notice, seen, sim, subscribed, until};

/// Cuts a subscribed session whose recovery is answered so, and gives how it went on: the
/// continuity, what the adapter told of it in order, and how many subscriptions were made.
async fn answered(answer: RecoveryAnswer) -> (Continuity, Vec<String>, u64) {
    let sim = sim().await;
    let (handle, mut items) =
        client(adapter(&sim).subscribe([FILTER], None)).build().unwrap().spawn();
    subscribed(&mut items).await;
    sim.answer_recovery(answer, Some(1));
    sim.cut().await;
    let continuity = notice(&mut items, |notice| match notice {
        Notice::Online { continuity, .. } => Some(*continuity),
        _ => None,
    })
    .await;
    let mut told = Vec::new();
    until(&mut items, |item| {
        let Item::Message(message) = item else { return None };
        match message {
            Message::NewWsc { .. } => told.push("newWsc".to_owned()),
            Message::Subscribed { restored, .. } => told.push(format!("subscribed {restored}")),
            Message::AutoRecoverFailed { error_code, .. } => {
                told.push(format!("autoRecoverFailed {error_code:?}"));
            }
            Message::AutoRecoverSuccess { .. } => {
                told.push("autoRecoverSuccess".to_owned());
                return Some(());
            }
            Message::Gap(gap) => {
                told.push(format!("gap {}", gap.certainty.as_str()));
                return Some(());
            }
            _ => {}
        }
        None
    })
    .await;
    let made = sim.state().subscriptions_made;
    handle.shutdown().await;
    (continuity, told, made)
}

fn told(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[tokio::test]
async fn a_failed_recovery_is_told_after_the_new_subscription_exists() {
    let (continuity, words, made) =
        answered(RecoveryAnswer::Failed { code: "WSG-1003".into() }).await;
    let failed = "autoRecoverFailed Some(\"WSG-1003\")";
    assert_eq!(words, told(&["newWsc", "subscribed false", failed, "gap certain"]));
    assert_eq!((continuity, made), (Continuity::Fresh, 2));
}

#[tokio::test]
async fn an_answer_without_a_state_is_a_new_session() {
    let (continuity, words, made) = answered(RecoveryAnswer::Absent).await;
    let failed = "autoRecoverFailed None";
    assert_eq!(words, told(&["newWsc", "subscribed false", failed, "gap certain"]));
    assert_eq!((continuity, made), (Continuity::Fresh, 2));
}

#[tokio::test]
async fn a_success_is_one_whatever_context_token_comes_with_it() {
    for answer in [RecoveryAnswer::SameWsc, RecoveryAnswer::OtherWsc] {
        let (continuity, words, made) = answered(answer).await;
        assert_eq!(words, told(&["newWsc", "autoRecoverSuccess"]));
        assert_eq!((continuity, made), (Continuity::Resumed, 1));
    }
}

#[tokio::test]
async fn a_recovery_that_nobody_asked_for_is_a_new_session() {
    let sim = sim().await;
    sim.answer_recovery(RecoveryAnswer::Unasked, Some(1));
    let (handle, mut items) =
        client(adapter(&sim).subscribe([FILTER], None)).build().unwrap().spawn();
    let continuity = notice(&mut items, |notice| match notice {
        Notice::Online { continuity, .. } => Some(*continuity),
        _ => None,
    })
    .await;
    assert_eq!(continuity, Continuity::Fresh);
    subscribed(&mut items).await;
    handle.shutdown().await;
}

#[tokio::test]
async fn an_outage_beyond_the_window_begins_a_new_session_without_the_old_context() {
    let sim = RingCentralSim::builder()
        .settings(|settings| {
            settings.recovery_timeout = std::time::Duration::from_millis(300);
        })
        .start()
        .await
        .unwrap();
    let (handle, mut items) =
        client(adapter(&sim).subscribe([FILTER], None)).build().unwrap().spawn();
    subscribed(&mut items).await;
    sim.down(std::time::Duration::from_millis(900)).await;
    notice(&mut items, |notice| matches!(notice, Notice::ResumeExpired).then_some(())).await;
    let gap = message(&mut items, |message| match message {
        Message::Gap(gap) => Some(*gap),
        _ => None,
    })
    .await;
    assert_eq!(gap.certainty, Certainty::Certain);
    let state = seen(&sim, |state| state.upgrades.len() >= 2).await;
    assert_eq!(state.upgrades.last().unwrap().wsc, None, "{state:?}");
    // The new context counts, although its sequence is no higher: a short outage is recovered.
    sim.cut().await;
    message(&mut items, |message| {
        matches!(message, Message::AutoRecoverSuccess { .. }).then_some(())
    })
    .await;
    handle.shutdown().await;
}

#[tokio::test]
async fn the_end_of_a_connections_life_is_normal_operation() {
    for timeout in [Timeout::Absolute, Timeout::Idle] {
        let sim = sim().await;
        let (handle, mut items) =
            client(adapter(&sim).subscribe([FILTER], None)).build().unwrap().spawn();
        subscribed(&mut items).await;
        sim.time_out(timeout).await;
        sim.notify(1, json!({})).await;
        message(&mut items, |message| {
            matches!(message, Message::AutoRecoverSuccess { .. }).then_some(())
        })
        .await;
        message(&mut items, |message| matches!(message, Message::Notification(_)).then_some(()))
            .await;
        handle.shutdown().await;
    }
}
