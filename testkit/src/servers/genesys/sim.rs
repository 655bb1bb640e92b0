//! The handle of a running Genesys simulator.

use std::future::Future;
use std::io;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::Genesys;
use super::builder::Builder;
use super::delivery::CutWhen;
use super::options::{Options, Settings};
use super::state::State;
use crate::servers::Simulator;
use crate::servers::fault::Command;
use crate::servers::sim::Sim;

/// A running Genesys simulator; it ends when dropped.
pub struct GenesysSim {
    sim: Sim,
    vendor: Arc<Genesys>,
}

impl Simulator for GenesysSim {
    type Settings = Settings;

    async fn start(options: Options) -> io::Result<Self> {
        let (sim, vendor) = Sim::start(options, |_, options, wire| {
            Genesys::new(options.settings.profile, options.seed, options.settings, wire)
        })
        .await?;
        Ok(Self { sim, vendor })
    }
}

impl GenesysSim {
    /// Begins with the options for tests: plain text, and sockets that need the guest token.
    #[must_use]
    pub fn builder() -> Builder {
        Builder { options: Options::for_tests() }
    }

    /// Makes every guest token so far answer 401; for Web Messaging forgets every session and every
    /// token for a history.
    pub async fn revoke_tokens(&self) {
        self.sim.run(Command::RevokeTokens).await;
    }

    /// Makes every guest instance so far answer 404; for Web Messaging ends every session, which
    /// its sockets hear of.
    pub async fn expire_sessions(&self) {
        self.sim.run(Command::ExpireSessions).await;
    }

    /// Pushes `n` messages.
    ///
    /// For guests a `body` with a `type` is a whole frame; anything else becomes a message with
    /// its `content` (or `text`) and `messageId` where they are given. Nobody who is away gets it.
    ///
    /// For Web Messaging a `body` with a `class` is a whole frame; anything else becomes a message
    /// of an agent in every session, made of the fields that are given, as `text` or `events`. It
    /// is in the history then, unless it is an event.
    pub async fn notify(&self, n: u32, body: Value) {
        self.sim.run(Command::Notify { n, body }).await;
    }

    /// Cuts the socket of the `n`th message from now, before or after what `when` says.
    pub async fn cut_at(&self, n: u32, when: CutWhen) {
        let value = json!({ "n": n, "when": when.name() });
        self.sim.run(Command::Set { key: "cut_at".to_owned(), value }).await;
    }

    /// Loses the next `n` good answers to messages by REST, after the messages were taken.
    pub async fn lose_rest_replies(&self, n: u32) {
        let value = json!(n);
        self.sim.run(Command::Set { key: "lose_rest_replies".to_owned(), value }).await;
    }

    /// Ends every conversation of Web Messaging as an agent does, or reopens it.
    pub async fn read_only(&self, on: bool) {
        self.sim.run(Command::Set { key: "read_only".to_owned(), value: json!(on) }).await;
    }

    /// Pushes a Web Messaging event without a body of its own: `LogoutEvent`, say.
    pub async fn event(&self, class: &str) {
        self.notify(1, json!({ "class": class })).await;
    }

    /// Pushes a `ConnectionClosedEvent` with this reason.
    pub async fn connection_closed(&self, reason: &str) {
        let body = json!({ "reason": reason });
        self.notify(1, json!({ "class": "ConnectionClosedEvent", "body": body })).await;
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

impl Deref for GenesysSim {
    type Target = Sim;

    fn deref(&self) -> &Sim {
        &self.sim
    }
}

/// Serves until `shutdown` is ready: what `redial serve genesys` does.
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
    GenesysSim::start(options).await?.sim.serve(records, shutdown).await;
    Ok(())
}
