//! The handle of a running RingCentral simulator.

use std::future::Future;
use std::io;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::mpsc;

use super::RingCentral;
use super::options::{Options, RecoveryAnswer, Settings};
use super::state::State;
use super::timers::Timeout;
use crate::servers::fault::Command;
use crate::servers::sim::Sim;
use crate::servers::{self, Simulator};

/// Chooses the options of a simulator for a test.
pub type Builder = servers::Builder<RingCentralSim>;

/// A running RingCentral simulator; it ends when dropped.
pub struct RingCentralSim {
    sim: Sim,
    vendor: Arc<RingCentral>,
}

impl Simulator for RingCentralSim {
    type Settings = Settings;

    async fn start(options: Options) -> io::Result<Self> {
        let (sim, vendor) = Sim::start(options, |host, options, wire| {
            RingCentral::new(host, options.tls, options.seed, options.settings, wire)
        })
        .await?;
        Ok(Self { sim, vendor })
    }
}

impl RingCentralSim {
    /// Begins with the options for tests: plain text, wstokens that open one connection, and tokens
    /// that need percent-encoding.
    #[must_use]
    pub fn builder() -> Builder {
        Builder { options: Options::for_tests() }
    }

    /// Makes every access token and every wstoken so far invalid; refresh tokens stay good.
    pub async fn revoke_tokens(&self) {
        self.sim.run(Command::RevokeTokens).await;
    }

    /// Makes every refresh token so far invalid.
    pub async fn revoke_refresh_tokens(&self) {
        self.happen("revoke_refresh_tokens", true).await;
    }

    /// Makes every session so far impossible to recover; live sockets notice nothing.
    pub async fn expire_sessions(&self) {
        self.sim.run(Command::ExpireSessions).await;
    }

    /// Forgets every subscription.
    pub async fn drop_subscriptions(&self) {
        self.happen("drop_subscriptions", true).await;
    }

    /// Answers the next `times` recoveries so; all of them when there is no number.
    pub fn answer_recovery(&self, answer: RecoveryAnswer, times: Option<u32>) {
        self.vendor.lock().settings.recovery_answer = (answer, times);
    }

    /// Ends every live socket by `WSG-902` or `WSG-903` and a close frame.
    pub async fn time_out(&self, timeout: Timeout) {
        let name = if timeout == Timeout::Idle { "idle" } else { "absolute" };
        self.happen("force_timeout", name).await;
    }

    /// Produces `n` notifications for every subscription.
    ///
    /// A live session gets each at once; a lost one when it is recovered, apart from those that
    /// do not fit into its buffer. `body` may hold the `event` and the `body` of the notification;
    /// anything else becomes part of a made-up body, which counts with `n`. Only subscriptions
    /// whose filters match get one that has an `event`.
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

impl Deref for RingCentralSim {
    type Target = Sim;

    fn deref(&self) -> &Sim {
        &self.sim
    }
}

/// Serves until `shutdown` is ready: what `redial serve ringcentral` does.
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
    RingCentralSim::start(options).await?.sim.serve(records, shutdown).await;
    Ok(())
}
