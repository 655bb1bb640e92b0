//! The handle of a running RingCentral simulator.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::RingCentral;
use super::options::{Options, RecoveryAnswer, Settings};
use super::state::State;
use super::timers::Timeout;
use crate::servers::fault::{Command, Direction, Refusal, Silence};
use crate::servers::sim::{Listen, Sim};

/// Chooses the options of a simulator for a test.
#[derive(Clone, Debug)]
pub struct Builder {
    options: Options,
}

impl Builder {
    /// Speaks TLS, or not (the default).
    #[must_use]
    pub fn tls(mut self, on: bool) -> Self {
        self.options.tls = on;
        self
    }

    /// Seeds everything that looks random.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.options.seed = seed;
        self
    }

    /// Changes any other option.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Options)) -> Self {
        change(&mut self.options);
        self
    }

    /// Changes any setting.
    #[must_use]
    pub fn settings(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(&mut self.options.settings);
        self
    }

    /// Starts the simulator.
    ///
    /// # Errors
    ///
    /// Fails when it cannot listen or cannot write the authority's certificate.
    pub async fn start(self) -> io::Result<RingCentralSim> {
        RingCentralSim::start(self.options).await
    }
}

/// A running RingCentral simulator; it ends when dropped.
pub struct RingCentralSim {
    sim: Sim,
    vendor: Arc<RingCentral>,
}

impl RingCentralSim {
    /// Begins with the options for tests: plain text, wstokens that open one connection, and tokens
    /// that need percent-encoding.
    #[must_use]
    pub fn builder() -> Builder {
        Builder { options: Options::for_tests() }
    }

    /// Starts a simulator.
    ///
    /// # Errors
    ///
    /// Fails when it cannot listen or cannot write the authority's certificate.
    pub async fn start(options: Options) -> io::Result<Self> {
        let listen = Listen {
            addr: options.listen,
            control: options.control,
            advertise: options.advertise,
            tls: options.tls,
            ca_path: options.ca_path,
            recv_buffer: options.recv_buffer,
            wire_capacity: options.wire_capacity,
        };
        let mut made = None;
        let sim = Sim::start(listen, |host, wire| {
            let vendor =
                Arc::new(RingCentral::new(host, options.tls, options.seed, options.settings, wire));
            made = Some(vendor.clone());
            Box::new(vendor)
        })
        .await?;
        let vendor = made.ok_or_else(|| io::Error::other("the vendor was not made"))?;
        Ok(Self { sim, vendor })
    }

    /// Gives the address that it listens on.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.sim.addr()
    }

    /// Gives the advertised `host:port`.
    #[must_use]
    pub fn host(&self) -> &str {
        self.sim.host()
    }

    /// Gives the base address of OAuth and REST: a client's `server`.
    #[must_use]
    pub fn base(&self) -> String {
        self.sim.base()
    }

    /// Gives the base address of the WebSocket.
    #[must_use]
    pub fn ws_base(&self) -> String {
        self.sim.ws_base()
    }

    /// Gives the address of the control endpoint.
    #[must_use]
    pub fn control_base(&self) -> String {
        self.sim.control_base()
    }

    /// Gives the authority's certificate in PEM; nothing without TLS.
    #[must_use]
    pub fn ca_pem(&self) -> Option<&str> {
        self.sim.ca_pem()
    }

    /// Gives the file that the authority's certificate stands in; nothing without TLS.
    #[must_use]
    pub fn ca_path(&self) -> Option<&Path> {
        self.sim.ca_path()
    }

    /// Gives the first line of `redial serve ringcentral`.
    #[must_use]
    pub fn listening(&self) -> Value {
        self.sim.listening()
    }

    /// Carries out one command of the fault script.
    ///
    /// # Errors
    ///
    /// Says what is wrong with the command, as the control endpoint does.
    pub async fn control(&self, command: Command) -> Result<Value, String> {
        self.sim.hub.execute(command).await
    }

    /// Carries out one command in its JSON form.
    ///
    /// # Errors
    ///
    /// Says what is wrong with the command, as the control endpoint does.
    pub async fn control_json(&self, command: Value) -> Result<Value, String> {
        self.control(Command::parse(command)?).await
    }

    /// Ends every live socket with a close frame; 1005 sends an empty one.
    pub async fn close(&self, code: u16, reason: &str) {
        self.run(Command::Close { code, reason: reason.to_owned() }).await;
    }

    /// Ends every live socket by a FIN without a close frame.
    pub async fn cut(&self) {
        self.run(Command::Cut { rst: false }).await;
    }

    /// Ends every live socket by a reset.
    pub async fn reset(&self) {
        self.run(Command::Cut { rst: true }).await;
    }

    /// Makes live sockets half-open in both directions, or ends that.
    pub async fn silent(&self, on: bool) {
        self.silence(on, Direction::Both, false).await;
    }

    /// Makes the server deaf: what the client sends is swallowed.
    pub async fn silent_inbound(&self, on: bool) {
        self.silence(on, Direction::ToServer, false).await;
    }

    /// Makes the server mute: it hears the client and sends nothing.
    pub async fn silent_outbound(&self, on: bool) {
        self.silence(on, Direction::ToClient, false).await;
    }

    /// Stops reading from live sockets, so that the client's send buffer fills.
    pub async fn stall(&self, on: bool) {
        self.silence(on, Direction::ToServer, true).await;
    }

    /// Cuts everything and refuses connections for a while; returns once nobody listens.
    pub async fn down(&self, span: Duration) {
        self.run(Command::Down(span)).await;
    }

    /// Arms a refusal of a step.
    pub async fn refuse(&self, refusal: Refusal) {
        self.run(Command::Refuse(refusal)).await;
    }

    /// Makes every access token and every wstoken so far invalid; refresh tokens stay good.
    pub async fn revoke_tokens(&self) {
        self.run(Command::RevokeTokens).await;
    }

    /// Makes every refresh token so far invalid.
    pub async fn revoke_refresh_tokens(&self) {
        self.happen("revoke_refresh_tokens", true).await;
    }

    /// Makes every session so far impossible to recover; live sockets notice nothing.
    pub async fn expire_sessions(&self) {
        self.run(Command::ExpireSessions).await;
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
        self.run(Command::Notify { n, body }).await;
    }

    /// Keeps the next `n` responses back.
    pub async fn lose_acks(&self, n: u32) {
        self.run(Command::LoseAcks(n)).await;
    }

    /// Sends a text frame on every live socket.
    pub async fn send_text(&self, text: &str) {
        self.run(Command::SendText(text.to_owned())).await;
    }

    /// Sends a binary frame on every live socket.
    pub async fn send_binary(&self, data: impl Into<Bytes>) {
        self.run(Command::SendBinary(data.into())).await;
    }

    /// Writes bytes to every live socket as they are.
    pub async fn send_raw(&self, data: impl Into<Bytes>) {
        self.run(Command::SendRaw(data.into())).await;
    }

    /// Changes an option.
    ///
    /// # Errors
    ///
    /// Says which key is unknown, or what kind of value it takes.
    pub async fn set(&self, key: &str, value: impl Into<Value>) -> Result<(), String> {
        let command = Command::Set { key: key.to_owned(), value: value.into() };
        self.control(command).await.map(|_| ())
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
        let mut changes = self.sim.hub.wire.changes();
        let search = async {
            loop {
                changes.borrow_and_update();
                let state = self.state();
                if wanted(&state) {
                    return state;
                }
                if changes.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        };
        timeout(within, search).await.map_err(|_| Box::new(self.state()))
    }

    /// Gives the wire records so far.
    #[must_use]
    pub fn wire(&self) -> Vec<Value> {
        self.sim.hub.wire.records()
    }

    /// Subscribes to the wire records from now on.
    #[must_use]
    pub fn subscribe(&self) -> mpsc::Receiver<Value> {
        self.sim.hub.wire.subscribe(SUBSCRIPTION)
    }

    /// Ends every connection and the listeners, and waits for it.
    pub async fn shutdown(self) {
        self.sim.shutdown().await;
    }

    async fn silence(&self, on: bool, direction: Direction, stall: bool) {
        self.run(Command::Silent(Silence { on, direction, stall, new: false })).await;
    }

    async fn happen(&self, key: &str, value: impl Into<Value>) {
        self.run(Command::Set { key: key.to_owned(), value: value.into() }).await;
    }

    /// Runs a command that cannot be wrong.
    async fn run(&self, command: Command) -> Value {
        self.control(command).await.unwrap_or_else(|reason| json!({ "error": reason }))
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
    let sim = RingCentralSim::start(options).await?;
    let mut lines = sim.subscribe();
    let forward = async {
        let mut next = Some(sim.listening());
        while let Some(line) = next {
            if records.send(line).await.is_err() {
                // Nobody reads; the simulator is still of use.
                return std::future::pending().await;
            }
            next = lines.recv().await;
        }
    };
    tokio::select! {
        () = shutdown => {}
        () = forward => {}
    }
    sim.shutdown().await;
    while let Ok(line) = lines.try_recv() {
        if records.send(line).await.is_err() {
            break;
        }
    }
    Ok(())
}

const SUBSCRIPTION: usize = 64 * 1024;
