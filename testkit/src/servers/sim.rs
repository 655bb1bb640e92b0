//! A running simulator, whatever the vendor.

use std::fs;
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::control;
use super::fault::{Command, Direction, Refusal, Silence};
use super::hub::{Hub, Vendor};
use super::listener::{BACKLOG, Gate, bind};
use super::options::Options;
use super::tls::Tls;
use super::wire::WireLog;

/// A simulator that listens; it ends when dropped.
///
/// Each vendor's handle is one of these, and adds what only its vendor has.
pub struct Sim {
    pub(crate) hub: Arc<Hub>,
    addr: SocketAddr,
    control: SocketAddr,
    advertised: String,
    ca: Option<Ca>,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

struct Ca {
    pem: String,
    path: PathBuf,
    // Whether the file is ours to remove.
    ours: bool,
}

impl Sim {
    /// Starts listening; the vendor is made once the advertised host and port are known.
    pub(crate) async fn start<S, V>(
        mut options: Options<S>,
        vendor: impl FnOnce(&str, Options<S>, Arc<WireLog>) -> V,
    ) -> io::Result<(Self, Arc<V>)>
    where
        Arc<V>: Vendor + 'static,
    {
        let listener = bind(options.listen, options.recv_buffer)?.listen(BACKLOG)?;
        let addr = listener.local_addr()?;
        let control_listener = TcpListener::bind(options.control).await?;
        let control = control_listener.local_addr()?;
        let advertised = options.advertise.take().unwrap_or_else(|| reachable(addr).to_string());
        let host = advertised.rsplit_once(':').map_or(advertised.as_str(), |(host, _)| host);
        let tls = options.tls.then(|| Tls::new(Some(host))).transpose()?;
        let ca = match &tls {
            Some(tls) => Some(Ca::write(&tls.ca_pem, options.ca_path.take(), addr.port())?),
            None => None,
        };

        let (stop, stopped) = watch::channel(false);
        let (down, down_requests) = mpsc::channel(16);
        let wire = Arc::new(WireLog::new(options.wire_capacity));
        let recv_buffer = options.recv_buffer;
        let vendor = Arc::new(vendor(&advertised, options, wire.clone()));
        let hub = Arc::new(Hub::new(Box::new(vendor.clone()), wire, down));
        let gate = Gate {
            hub: hub.clone(),
            addr,
            recv_buffer,
            tls: tls.map(|tls| tls.acceptor),
            down: down_requests,
            stop: stopped.clone(),
        };
        let mut tasks = JoinSet::new();
        tasks.spawn(gate.run(listener));
        tasks.spawn(control::run(hub.clone(), control_listener, stopped));
        Ok((Self { hub, addr, control, advertised, ca, stop, tasks }, vendor))
    }

    /// Gives the address that it listens on.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Gives the advertised `host:port`.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.advertised
    }

    /// Gives the base address of the HTTP steps.
    #[must_use]
    pub fn base(&self) -> String {
        let scheme = if self.ca.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.advertised)
    }

    /// Gives the base address of the WebSocket, without its path.
    #[must_use]
    pub fn ws_base(&self) -> String {
        let scheme = if self.ca.is_some() { "wss" } else { "ws" };
        format!("{scheme}://{}", self.advertised)
    }

    /// Gives the address of the control endpoint.
    #[must_use]
    pub fn control_base(&self) -> String {
        format!("http://{}", self.control)
    }

    /// Gives the authority's certificate in PEM; nothing without TLS.
    #[must_use]
    pub fn ca_pem(&self) -> Option<&str> {
        self.ca.as_ref().map(|ca| ca.pem.as_str())
    }

    /// Gives the file that the authority's certificate stands in; nothing without TLS.
    #[must_use]
    pub fn ca_path(&self) -> Option<&Path> {
        self.ca.as_ref().map(|ca| ca.path.as_path())
    }

    /// Writes the authority's certificate to a file.
    ///
    /// # Errors
    ///
    /// Fails when the file cannot be written, or without TLS.
    pub fn write_ca(&self, path: impl AsRef<Path>) -> io::Result<()> {
        let pem = self.ca_pem().ok_or_else(|| io::Error::other("the simulator has no TLS"))?;
        fs::write(path, pem)
    }

    /// Gives the first line of `redial serve`.
    #[must_use]
    pub fn listening(&self) -> Value {
        json!({
            "t_ms": 0,
            "kind": "listening",
            "base": self.base(),
            "ws": self.ws_base(),
            "control": self.control_base(),
            "addr": self.addr.to_string(),
            "ca": self.ca_path().map(|path| path.display().to_string()),
        })
    }

    /// Carries out one command of the fault script.
    ///
    /// # Errors
    ///
    /// Says what is wrong with the command, as the control endpoint does.
    pub async fn control(&self, command: Command) -> Result<Value, String> {
        self.hub.execute(command).await
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

    /// Keeps the next `n` acknowledgments or responses back that would go out on a socket.
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

    /// Gives the wire records so far.
    #[must_use]
    pub fn wire(&self) -> Vec<Value> {
        self.hub.wire.records()
    }

    /// Subscribes to the wire records from now on.
    #[must_use]
    pub fn subscribe(&self) -> mpsc::Receiver<Value> {
        self.hub.wire.subscribe(SUBSCRIPTION)
    }

    /// Runs a command that cannot be wrong.
    pub(crate) async fn run(&self, command: Command) -> Value {
        self.control(command).await.unwrap_or_else(|reason| json!({ "error": reason }))
    }

    /// Waits, without polling, until `look` finds what it looks for; none after `within`.
    pub(crate) async fn wait<T>(
        &self,
        within: Duration,
        mut look: impl FnMut() -> Option<T>,
    ) -> Option<T> {
        let mut changes = self.hub.wire.changes();
        let search = async {
            loop {
                changes.borrow_and_update();
                if let Some(found) = look() {
                    return found;
                }
                if changes.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        };
        timeout(within, search).await.ok()
    }

    /// Serves until `shutdown` is ready, with every record handed to `records`.
    pub(crate) async fn serve(
        self,
        records: mpsc::Sender<Value>,
        shutdown: impl Future<Output = ()>,
    ) {
        let mut lines = self.subscribe();
        let forward = async {
            let mut next = Some(self.listening());
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
        self.shutdown().await;
        while let Ok(line) = lines.try_recv() {
            if records.send(line).await.is_err() {
                break;
            }
        }
    }

    async fn silence(&self, on: bool, direction: Direction, stall: bool) {
        self.run(Command::Silent(Silence { on, direction, stall, new: false })).await;
    }

    /// Ends the listeners and every connection, and waits for it.
    pub(crate) async fn shutdown(mut self) {
        self.stop.send_replace(true);
        while self.tasks.join_next().await.is_some() {}
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        self.hub.kill_all(super::valve::End::Fin);
        if let Some(ca) = self.ca.as_ref().filter(|ca| ca.ours) {
            let _ = fs::remove_file(&ca.path);
        }
    }
}

impl Ca {
    fn write(pem: &str, path: Option<PathBuf>, port: u16) -> io::Result<Self> {
        let ours = path.is_none();
        let path = path.unwrap_or_else(|| {
            let name = format!("redial-simulator-{}-{port}-ca.pem", std::process::id());
            std::env::temp_dir().join(name)
        });
        fs::write(&path, pem)?;
        Ok(Self { pem: pem.to_owned(), path, ours })
    }
}

/// The control endpoint speaks to the simulator.
impl control::Execute for Arc<Hub> {
    async fn execute(&self, command: Value) -> Result<Value, String> {
        Hub::execute(self, Command::parse(command)?).await
    }
}

/// The address that a client on this machine can connect to.
fn reachable(addr: SocketAddr) -> SocketAddr {
    match addr.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => (Ipv4Addr::LOCALHOST, addr.port()).into(),
        IpAddr::V6(ip) if ip.is_unspecified() => (Ipv4Addr::LOCALHOST, addr.port()).into(),
        _ => addr,
    }
}

const SUBSCRIPTION: usize = 64 * 1024;
