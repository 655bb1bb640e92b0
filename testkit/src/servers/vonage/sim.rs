//! The handle of a running Vonage simulator.

use std::future::Future;
use std::io;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::Vonage;
use super::options::{Generation, Options, Settings};
use super::state::State;
use crate::servers::fault::Command;
use crate::servers::sim::Sim;
use crate::servers::{self, Simulator};

/// Chooses the options of a simulator for a test.
pub type Builder = servers::Builder<VonageSim>;

/// A running Vonage simulator; it ends when dropped.
pub struct VonageSim {
    sim: Sim,
    vendor: Arc<Vonage>,
    _watch: Watch,
}

/// The task that waits for tokens to expire; it ends with the simulator.
struct Watch(JoinHandle<()>);

impl Simulator for VonageSim {
    type Settings = Settings;

    async fn start(options: Options) -> io::Result<Self> {
        let (sim, vendor) = Sim::start(options, |_, options, wire| {
            Vonage::new(options.settings.generation, options.seed, options.settings, wire)
        })
        .await?;
        let watch = Watch(tokio::spawn(vendor.clone().watch()));
        Ok(Self { sim, vendor, _watch: watch })
    }
}

impl VonageSim {
    /// Begins with the defaults of a generation: plain text, any token that is not expired.
    #[must_use]
    pub fn builder(generation: Generation) -> Builder {
        Builder { options: Options::new(Settings::new(generation)) }
    }

    /// Gives the path of the WebSocket, with its last slash.
    #[must_use]
    pub fn path(&self) -> String {
        format!("{}/", self.vendor.generation.path())
    }

    /// Makes every token so far invalid; attached sessions notice nothing.
    pub async fn revoke_tokens(&self) {
        self.sim.run(Command::RevokeTokens).await;
    }

    /// Lets every token so far expire; attached sessions hear of it as [`Settings::on_expiry`] says.
    pub async fn expire_tokens(&self) {
        self.happen("expire_tokens", true).await;
    }

    /// Makes every session so far impossible to resume; attached ones notice nothing.
    pub async fn expire_sessions(&self) {
        self.sim.run(Command::ExpireSessions).await;
    }

    /// Lets the clock jump that tokens and session windows are measured by.
    pub async fn advance(&self, span: Duration) {
        let ms = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        self.happen("advance_ms", ms).await;
    }

    /// Disconnects every session by `41`, with or without a close frame.
    pub async fn disconnect(&self, close: bool) {
        self.happen("disconnect", if close { "close" } else { "open" }).await;
    }

    /// Pushes `n` events to every session; one that is away gets them when it is resumed.
    ///
    /// `body` may hold the `event`, its `cid`, `from` and `body`, which are numbered for each
    /// conversation, or a whole `payload`, which is sent as it is. Anything else becomes the body
    /// of a `custom:notify`. A body of the event counts with `n` when it has no such field.
    pub async fn notify(&self, n: u32, body: Value) {
        self.sim.run(Command::Notify { n, body }).await;
    }

    /// Takes a snapshot of the counters.
    #[must_use]
    pub fn state(&self) -> State {
        self.vendor.state(&self.sim.hub)
    }

    /// Waits until the counters are as `wanted`, without polling.
    ///
    /// # Errors
    ///
    /// Gives the last snapshot when that does not happen `within` the time.
    pub async fn until(
        &self,
        within: Duration,
        mut wanted: impl FnMut(&State) -> bool,
    ) -> Result<State, Box<State>> {
        let found = self.sim.wait(within, || Some(self.state()).filter(|state| wanted(state)));
        found.await.ok_or_else(|| Box::new(self.state()))
    }

    /// Ends every connection and the listeners, and waits for it.
    pub async fn shutdown(self) {
        self.sim.shutdown().await;
    }

    async fn happen(&self, key: &str, value: impl Into<Value>) {
        self.sim.run(Command::Set { key: key.to_owned(), value: value.into() }).await;
    }
}

impl Deref for VonageSim {
    type Target = Sim;

    fn deref(&self) -> &Sim {
        &self.sim
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Serves until `shutdown` is ready: what `redial serve vonage` does.
///
/// The first record is the `listening` line; one for each HTTP message and frame follows. A reader
/// that does not keep up misses records, which the counter `wire_dropped` tells.
///
/// # Errors
///
/// Fails when it cannot listen or cannot write the authority's certificate.
pub async fn serve(
    options: Options,
    records: mpsc::Sender<Value>,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    VonageSim::start(options).await?.sim.serve(records, shutdown).await;
    Ok(())
}
