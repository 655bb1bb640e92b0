//! The handle of a running Evolution simulator.

use std::future::Future;
use std::io;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::Evolution;
use super::builder::Builder;
use super::jwt;
use super::options::{Options, Settings};
use super::state::State;
use crate::servers::Simulator;
use crate::servers::fault::Command;
use crate::servers::sim::Sim;

/// A running Evolution simulator; it ends when dropped.
pub struct EvolutionSim {
    sim: Sim,
    vendor: Arc<Evolution>,
}

impl Simulator for EvolutionSim {
    type Settings = Settings;

    async fn start(options: Options) -> io::Result<Self> {
        let (sim, vendor) = Sim::start(options, |host, options, wire| {
            Evolution::new(options.settings.profile, options.seed, options.settings, host, wire)
        })
        .await?;
        Ok(Self { sim, vendor })
    }
}

impl EvolutionSim {
    /// Begins with the options for tests: plain text, tokens that expire, and nothing known
    /// but what was created.
    #[must_use]
    pub fn builder() -> Builder {
        Builder { options: Options::for_tests() }
    }

    /// Makes every token and key so far invalid for new sockets; open sockets stay, and a token that
    /// is the newest of its instance can be refreshed still.
    pub async fn revoke_tokens(&self) {
        self.sim.run(Command::RevokeTokens).await;
    }

    /// Forgets every instance of CodeChat, so that no token so far can be refreshed, and every
    /// namespace of Evolution API.
    pub async fn expire_sessions(&self) {
        self.sim.run(Command::ExpireSessions).await;
    }

    /// Emits `n` events; see the module's page for what `body` means.
    pub async fn notify(&self, n: u32, body: Value) {
        self.sim.run(Command::Notify { n, body }).await;
    }

    /// Emits one event of an instance with this payload or data; tells whether a socket got it.
    pub async fn emit(&self, instance: &str, event: &str, data: Value) -> bool {
        let body = json!({ "instance": instance, "event": event, "data": data });
        let answer = self.sim.run(Command::Notify { n: 1, body }).await;
        answer["sent"].as_u64().is_some_and(|sent| sent > 0)
    }

    /// Signs claims with the secret, as any server with the same secret does.
    #[must_use]
    pub fn sign(&self, claims: &Value) -> String {
        jwt::sign(&self.vendor.lock().settings.jwt_secret, claims)
    }

    /// Cuts the sockets of one event.
    pub async fn cut_event(&self, event: &str) {
        let value = json!(event);
        self.sim.run(Command::Set { key: "cut_event".to_owned(), value }).await;
    }

    /// Takes a snapshot of the counters.
    #[must_use]
    pub fn state(&self) -> State {
        self.vendor.with_state(&self.sim.hub, State::clone)
    }

    /// Waits until the counters are as `wanted`, without polling.
    ///
    /// `wanted` looks at the counters themselves, so it must not ask the simulator for anything.
    ///
    /// # Errors
    ///
    /// Gives the last snapshot when that does not happen `within` the time.
    pub async fn until(
        &self,
        within: Duration,
        mut wanted: impl FnMut(&State) -> bool,
    ) -> Result<State, Box<State>> {
        let mut look = |state: &State| wanted(state).then(|| state.clone());
        let found = self.sim.wait(within, || self.vendor.with_state(&self.sim.hub, &mut look));
        found.await.ok_or_else(|| Box::new(self.state()))
    }

    /// Ends every connection and the listeners, and waits for it.
    pub async fn shutdown(self) {
        self.sim.shutdown().await;
    }
}

impl Deref for EvolutionSim {
    type Target = Sim;

    fn deref(&self) -> &Sim {
        &self.sim
    }
}

/// Serves until `shutdown` is ready: what `redial serve evolution` does.
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
    EvolutionSim::start(options).await?.sim.serve(records, shutdown).await;
    Ok(())
}
