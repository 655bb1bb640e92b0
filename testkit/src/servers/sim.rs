//! A running simulator, whatever the vendor.

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::control;
use super::hub::{Hub, Vendor};
use super::listener::{BACKLOG, Gate, bind};
use super::tls::Tls;
use super::wire::WireLog;

/// Where and how a simulator listens.
#[derive(Clone, Debug)]
pub(crate) struct Listen {
    pub(crate) addr: SocketAddr,
    pub(crate) control: SocketAddr,
    pub(crate) advertise: Option<String>,
    pub(crate) tls: bool,
    pub(crate) ca_path: Option<PathBuf>,
    pub(crate) recv_buffer: Option<u32>,
    pub(crate) wire_capacity: usize,
}

/// A simulator that listens; it ends when dropped.
pub(crate) struct Sim {
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
    /// Starts listening; `vendor` is made once the advertised host and port are known.
    pub(crate) async fn start(
        listen: Listen,
        vendor: impl FnOnce(&str, Arc<WireLog>) -> Box<dyn Vendor>,
    ) -> io::Result<Self> {
        let listener = bind(listen.addr, listen.recv_buffer)?.listen(BACKLOG)?;
        let addr = listener.local_addr()?;
        let control_listener = TcpListener::bind(listen.control).await?;
        let control = control_listener.local_addr()?;
        let advertised = listen.advertise.unwrap_or_else(|| reachable(addr).to_string());
        let host = advertised.rsplit_once(':').map_or(advertised.as_str(), |(host, _)| host);
        let tls = listen.tls.then(|| Tls::new(Some(host))).transpose()?;
        let ca = match &tls {
            Some(tls) => Some(Ca::write(&tls.ca_pem, listen.ca_path, addr.port())?),
            None => None,
        };

        let (stop, stopped) = watch::channel(false);
        let (down, down_requests) = mpsc::channel(16);
        let wire = Arc::new(WireLog::new(listen.wire_capacity));
        let hub = Arc::new(Hub::new(vendor(&advertised, wire.clone()), wire, down));
        let gate = Gate {
            hub: hub.clone(),
            addr,
            recv_buffer: listen.recv_buffer,
            tls: tls.map(|tls| tls.acceptor),
            down: down_requests,
            stop: stopped.clone(),
        };
        let mut tasks = JoinSet::new();
        tasks.spawn(gate.run(listener));
        tasks.spawn(control::run(hub.clone(), control_listener, stopped));
        Ok(Self { hub, addr, control, advertised, ca, stop, tasks })
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    pub(crate) fn host(&self) -> &str {
        &self.advertised
    }

    pub(crate) fn base(&self) -> String {
        let scheme = if self.ca.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.advertised)
    }

    pub(crate) fn ws_base(&self) -> String {
        let scheme = if self.ca.is_some() { "wss" } else { "ws" };
        format!("{scheme}://{}", self.advertised)
    }

    pub(crate) fn control_base(&self) -> String {
        format!("http://{}", self.control)
    }

    pub(crate) fn ca_pem(&self) -> Option<&str> {
        self.ca.as_ref().map(|ca| ca.pem.as_str())
    }

    pub(crate) fn ca_path(&self) -> Option<&Path> {
        self.ca.as_ref().map(|ca| ca.path.as_path())
    }

    /// The first line of `redial serve`.
    pub(crate) fn listening(&self) -> Value {
        json!({
            "t_ms": 0,
            "kind": "listening",
            "base": self.base(),
            "ws": self.ws_base(),
            "control": self.control_base(),
            "ca": self.ca_path().map(|path| path.display().to_string()),
        })
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

/// The address that a client on this machine can connect to.
fn reachable(addr: SocketAddr) -> SocketAddr {
    match addr.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => (Ipv4Addr::LOCALHOST, addr.port()).into(),
        IpAddr::V6(ip) if ip.is_unspecified() => (Ipv4Addr::LOCALHOST, addr.port()).into(),
        _ => addr,
    }
}
