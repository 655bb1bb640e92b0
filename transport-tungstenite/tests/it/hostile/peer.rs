//! Peers that mean harm.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::SinkExt as _;

use super::support::{adapter, client, online, password, vendor};

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
