//! The handle of a running LivePerson simulator.

use std::future::Future;
use std::io;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::mpsc;

use super::LivePerson;
use super::options::{Options, Settings};
use super::state::State;
use crate::servers::fault::Command;
use crate::servers::sim::Sim;
use crate::servers::{self, Simulator};

/// Chooses the options of a simulator for a test.
pub type Builder = servers::Builder<LivePersonSim>;

/// A running LivePerson simulator; it ends when dropped.
pub struct LivePersonSim {
    sim: Sim,
    vendor: Arc<LivePerson>,
}

impl Simulator for LivePersonSim {
    type Settings = Settings;

    async fn start(options: Options) -> io::Result<Self> {
        let (sim, vendor) = Sim::start(options, |host, options, wire| {
            LivePerson::new(host, options.seed, options.settings, &wire)
        })
        .await?;
        Ok(Self { sim, vendor })
    }
}

impl LivePersonSim {
    /// Begins with the options for tests: plain text, and bearers that need percent-encoding.
    #[must_use]
    pub fn builder() -> Builder {
        Builder { options: Options::for_tests() }
    }

    /// Makes every bearer so far invalid.
    pub async fn revoke_tokens(&self) {
        self.sim.run(Command::RevokeTokens).await;
    }

    /// Makes every session so far impossible to refresh.
    pub async fn expire_sessions(&self) {
        self.sim.run(Command::ExpireSessions).await;
    }

    /// Pushes `n` messages to every live socket.
    ///
    /// A `body` with a `kind` is a whole frame; one with `type` and `body` becomes a notification;
    /// anything else becomes a content event, made of `dialogId`, `message`, `originatorPId` and
    /// `event` where they are given. Content events are numbered and kept, so that a later
    /// `QueryMessages` finds those that nobody heard.
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
}

impl Deref for LivePersonSim {
    type Target = Sim;

    fn deref(&self) -> &Sim {
        &self.sim
    }
}

/// Serves until `shutdown` is ready: what `redial serve liveperson` does.
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
    LivePersonSim::start(options).await?.sim.serve(records, shutdown).await;
    Ok(())
}
