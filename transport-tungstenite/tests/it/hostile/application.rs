//! Applications that do not look.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use redial_core::{Item, Refusal};
use redial_liveperson::Request;

use super::support::{adapter, client, online, password, vendor};

#[tokio::test]
async fn a_session_that_has_ended_still_answers_handles_whose_updates_nobody_reads() {
    let web = vendor(|mut peer| async move {
        for _ in 0..600 {
            let text = r#"{"kind":"notification","type":"x","body":{}}"#;
            if peer.send(text.into()).await.is_err() {
                return;
            }
        }
        while let Some(Ok(_)) = peer.next().await {}
    })
    .await;
    let client = client(&web, adapter(password())).build().unwrap();
    let (handle, updates) = client.spawn();
    tokio::time::sleep(Duration::from_millis(500)).await;
    let end = tokio::time::timeout(Duration::from_secs(8), handle.shutdown()).await;
    assert!(end.is_ok(), "shutdown waits for somebody to read");
    let sent = tokio::time::timeout(Duration::from_secs(2), async {
        handle.send(Request::get_clock()).await.map(|_| ()).map_err(|refused| refused.why)
    })
    .await;
    assert_eq!(sent, Ok(Err(Refusal::Stopped)));
    drop(updates);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_application_that_is_slow_is_told_so_once() {
    let web = vendor(|mut peer| async move {
        let text = r#"{"kind":"notification","type":"x","body":{}}"#;
        while peer.send(text.into()).await.is_ok() {}
    })
    .await;
    let mut client = client(&web, adapter(password())).build().unwrap();
    online(&mut client).await;
    let (mut messages, mut problems) = (0_u32, 0_u32);
    while messages < 20_000 {
        match client.next().await {
            Some(Item::Message(_)) => messages += 1,
            Some(Item::Problem(_)) => problems += 1,
            Some(_) => {}
            None => break,
        }
    }
    assert!(problems < 20, "{problems} problems beside {messages} messages");
}
