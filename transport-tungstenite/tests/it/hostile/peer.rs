//! Peers that mean harm.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use redial_core::{Cause, Item, Notice, Span, Speed, TokenUse, Wait};
use tokio::io::AsyncWriteExt as _;

use super::support::{adapter, client, online, password, vendor, within};

#[tokio::test]
async fn large_messages_that_nobody_takes_do_not_pile_up() {
    let sent = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&sent);
    let web = vendor(move |mut peer| {
        let count = Arc::clone(&count);
        async move {
            let body = "x".repeat(4 << 20);
            let text = format!(r#"{{"kind":"notification","type":"x","body":"{body}"}}"#);
            while peer.send(text.as_str().into()).await.is_ok() {
                count.fetch_add(1, Ordering::SeqCst);
            }
        }
    })
    .await;
    let mut client = client(&web, adapter(password())).build().unwrap();
    online(&mut client).await;
    // Polled without taking more than an item a second, as a busy application would.
    for _ in 0..2 {
        let _ = client.next().await;
        tokio::time::sleep(Duration::from_millis(700)).await;
    }
    let (handle, updates) = client.spawn();
    tokio::time::sleep(Duration::from_secs(3)).await;
    let sent = sent.load(Ordering::SeqCst);
    assert!(sent <= 40, "{sent} messages of 4 MiB are in memory");
    drop((handle, updates));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_of_fragments_without_end_is_taken_for_silence() {
    let web = vendor(|mut peer| async move {
        // A text that goes on with fragments of nothing.
        let stream = peer.get_mut();
        if stream.write_all(&[0x01, 0x00]).await.is_ok() {
            let nothing = [0x00; 4096];
            while stream.write_all(&nothing).await.is_ok() {}
        }
    })
    .await;
    let adapter = adapter(password()).speed(Speed::new(20));
    let mut client = client(&web, adapter).build().unwrap();
    online(&mut client).await;
    let begun = std::time::Instant::now();
    let lost = async {
        loop {
            if let Some(Item::Notice(Notice::Offline { cause, .. })) = client.next().await {
                return cause;
            }
        }
    };
    // Two seconds, and what a loaded machine takes in a debug build to read so many fragments.
    let cause = tokio::time::timeout(Duration::from_secs(60), lost).await;
    assert_eq!(cause, Ok(Cause::Timeout(Wait::Pong)), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn close_codes_that_no_peer_may_send_keep_the_token() {
    for code in [0_u16, 1, 999, 1004, 1005, 1006, 1015, 2999, 5000, 65535] {
        let web = vendor(move |mut peer| async move {
            let [high, low] = code.to_be_bytes();
            let _ = peer.get_mut().write_all(&[0x88, 0x02, high, low]).await;
            while let Some(Ok(_)) = peer.next().await {}
        })
        .await;
        let mut client = client(&web, adapter(password())).build().unwrap();
        let items = within(&mut client, Duration::from_millis(400)).await;
        let wait = items.iter().find_map(|item| match item {
            Item::Notice(Notice::RetryScheduled { delay, token, .. }) => Some((*delay, *token)),
            _ => None,
        });
        assert_eq!(wait, Some((Span::from_secs(10), TokenUse::Keep)), "{code}: {items:?}");
    }
}
