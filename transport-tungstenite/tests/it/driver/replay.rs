//! The flight recorder.

use redial_core::{Action, Adapter, Item, Machine, Notice, Reason, Recorded, TokenUse};
use redial_testkit::servers::Refusal;

use super::support::{Out, adapter, client, offline, online, plain, rest};

/// Says what the application must have been told when the machine asks for this.
fn told(action: Action, now: redial_core::Timestamp) -> Option<Notice> {
    match action {
        Action::Notify(notice) => Some(notice),
        Action::RegenerateToken { token, reason } => Some(Notice::Authorizing { token, reason }),
        Action::RenewToken { token } => {
            Some(Notice::Authorizing { token, reason: Reason::Expiring })
        }
        Action::Connect { conn, intent, attempt } => {
            Some(Notice::Connecting { conn, intent, attempt })
        }
        Action::ScheduleRetry { at, attempt, token, cause, not_before } => {
            let delay = at.since(now);
            Some(Notice::RetryScheduled { at, delay, attempt, token, cause, not_before })
        }
        Action::SendPing { .. } | Action::Close { .. } => None,
    }
}

#[tokio::test]
async fn its_log_alone_makes_the_same_session_again() {
    let sim = plain().await;
    let mut client = client(&sim, adapter(&sim)).record().seed(7).build().unwrap();
    let mut items: Vec<Out> = Vec::new();
    let mut watched = super::support::Kept { inner: &mut client, items: &mut items };
    online(&mut watched).await;
    sim.cut().await;
    offline(&mut watched).await;
    sim.refuse(Refusal::status("upgrade", 401)).await;
    sim.refuse(Refusal::status("login", 429).retry_after("1")).await;
    online(&mut watched).await;
    sim.close(4401, "").await;
    offline(&mut watched).await;
    online(&mut watched).await;
    sim.silent(true).await;
    offline(&mut watched).await;
    online(&mut watched).await;
    watched.inner.reconnect(TokenUse::Regenerate);
    online(&mut watched).await;
    watched.inner.shutdown();
    rest(&mut watched).await;

    let mut machine = Machine::new();
    let policy = client.adapter().policy().to_owned();
    let (mut replayed, mut entries) = (Vec::new(), 0);
    while let Some(Recorded { cx, event, actions }) = client.poll_record() {
        entries += 1;
        assert_eq!(machine.handle(&policy, cx, event), actions);
        replayed.extend(actions.as_slice().iter().filter_map(|action| told(*action, cx.now)));
    }
    assert!(entries > 30, "{entries}");
    let notices: Vec<_> = items
        .into_iter()
        .filter_map(|item| match item {
            Item::Notice(notice) => Some(notice),
            _ => None,
        })
        .collect();
    assert_eq!(replayed, notices);
    assert_eq!(machine, *client.machine());
}
