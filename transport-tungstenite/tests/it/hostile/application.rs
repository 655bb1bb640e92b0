//! Applications that do not look.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use redial_auth_http::{TokenRequest, TokenSourceError};
use redial_core::{Item, Refusal, Secret, TokenUse};
use redial_liveperson::{Credentials, Request};

use super::support::{adapter, client, online, password, vendor, within};

#[tokio::test]
async fn a_token_source_whose_token_is_refused_is_not_asked_without_end() {
    let web = vendor(|peer| async move { drop(peer) }).await;
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let source = move |_: TokenRequest| {
        count.fetch_add(1, Ordering::SeqCst);
        // No bearer at all: the adapter takes none such.
        async { Ok::<_, TokenSourceError>(Secret::new("")) }
    };
    let adapter = adapter(Credentials::Bearer(Secret::new("dead"))).token_source(true);
    let mut client = client(&web, adapter).token_source(source).build().unwrap();
    online(&mut client).await;
    client.reconnect(TokenUse::Regenerate);
    let items = within(&mut client, Duration::from_secs(3)).await;
    assert!(asked.load(Ordering::SeqCst) <= 2, "asked {}", asked.load(Ordering::SeqCst));
    let told = items.iter().any(|item| {
        matches!(item, Item::Problem(problem)
        if problem.fault == redial_core::Fault::Caller)
    });
    assert!(told, "{items:?}");
}

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
