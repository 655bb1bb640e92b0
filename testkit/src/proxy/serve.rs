//! A proxy as a process: one line for each thing that happens.

use std::io;
use std::pin::Pin;

use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::Builder;

/// Runs a proxy until `shutdown` is ready, and writes down what happens. The first record says where
/// it listens.
///
/// # Errors
///
/// Where an address cannot be had.
pub async fn serve(
    builder: Builder,
    records: mpsc::Sender<Value>,
    shutdown: Pin<Box<dyn Future<Output = ()> + Send>>,
) -> io::Result<()> {
    let start = std::time::Instant::now();
    let (events, mut happened) = mpsc::channel(1024);
    let target = builder.targets.first().copied();
    let proxy = builder.events(events).start().await?;
    let first = json!({
        "t_ms": 0,
        "kind": "listening",
        "listen": proxy.addr().to_string(),
        "target": target.map(|addr| addr.to_string()),
        "control": proxy.control().map(|addr| format!("http://{addr}")),
    });
    let _ = records.send(first).await;
    tokio::pin!(shutdown);
    loop {
        tokio::select! {
            biased;
            () = &mut shutdown => break,
            Some(event) = happened.recv() => {
                let t_ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
                // While nobody reads, the proxy goes on and counts what it has not told.
                if records.try_send(event.to_json(t_ms)).is_err() {
                    proxy.shared.state.send_modify(|state| state.untold += 1);
                }
            }
        }
    }
    proxy.shutdown().await;
    Ok(())
}
