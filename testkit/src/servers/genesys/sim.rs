//! The handle of a running Genesys simulator.

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

use super::Genesys;
use super::builder::Builder;
use super::delivery::CutWhen;
use super::options::Options;
use super::state::State;
use crate::servers::fault::{Command, Direction, Refusal, Silence};
use crate::servers::sim::{Listen, Sim};

/// A running Genesys simulator; it ends when dropped.
pub struct GenesysSim {
    sim: Sim,
    vendor: Arc<Genesys>,
}

impl GenesysSim {
    /// Begins with the options for tests: plain text, and sockets that need the guest token.
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
        let sim = Sim::start(listen, |_, wire| {
            let (profile, seed) = (options.profile, options.seed);
            let vendor = Arc::new(Genesys::new(profile, seed, options.settings, wire));
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

    /// Gives the advertised `host:port`, which is the organisation of a guest client.
    #[must_use]
    pub fn host(&self) -> &str {
        self.sim.host()
    }

    /// Gives the base address of the HTTP steps.
    #[must_use]
    pub fn base(&self) -> String {
        self.sim.base()
    }

    /// Gives the base address of the WebSocket, without its path.
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

    /// Writes the authority's certificate to a file.
    ///
    /// # Errors
    ///
    /// Fails when the file cannot be written, or without TLS.
    pub fn write_ca(&self, path: impl AsRef<Path>) -> io::Result<()> {
        let pem = self.ca_pem().ok_or_else(|| io::Error::other("the simulator has no TLS"))?;
        std::fs::write(path, pem)
    }

    /// Gives the first line of `redial serve genesys`.
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

    /// Makes every guest token so far answer 401; for Web Messaging forgets every session and every
    /// token for a history.
    pub async fn revoke_tokens(&self) {
        self.run(Command::RevokeTokens).await;
    }

    /// Makes every guest instance so far answer 404; for Web Messaging ends every session, which
    /// its sockets hear of.
    pub async fn expire_sessions(&self) {
        self.run(Command::ExpireSessions).await;
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
        self.run(Command::Notify { n, body }).await;
    }

    /// Keeps the next `n` acknowledgments back that would go out on a socket.
    pub async fn lose_acks(&self, n: u32) {
        self.run(Command::LoseAcks(n)).await;
    }

    /// Cuts the socket of the `n`th message from now, before or after what `when` says.
    pub async fn cut_at(&self, n: u32, when: CutWhen) {
        let value = json!({ "n": n, "when": when.name() });
        self.run(Command::Set { key: "cut_at".to_owned(), value }).await;
    }

    /// Loses the next `n` good answers to messages by REST, after the messages were taken.
    pub async fn lose_rest_replies(&self, n: u32) {
        let value = json!(n);
        self.run(Command::Set { key: "lose_rest_replies".to_owned(), value }).await;
    }

    /// Ends every conversation of Web Messaging as an agent does, or reopens it.
    pub async fn read_only(&self, on: bool) {
        self.run(Command::Set { key: "read_only".to_owned(), value: json!(on) }).await;
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
        let mut changes = self.sim.hub.wire.changes();
        let search = async {
            loop {
                changes.borrow_and_update();
                let look = |state: &State| wanted(state).then(|| state.clone());
                if let Some(state) = self.vendor.with_state(&self.sim.hub, look) {
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

    /// Runs a command that cannot be wrong.
    async fn run(&self, command: Command) -> Value {
        self.control(command).await.unwrap_or_else(|reason| json!({ "error": reason }))
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
    let sim = GenesysSim::start(options).await?;
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
