//! What the parts of one simulator share, and what a vendor has to provide.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method};
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};

use super::fault::{Command, Faults, Refusal, Silence};
use super::frame::Message;
use super::socket::{Out, SocketHandle};
use super::valve::{End, Valve};
use super::wire::WireLog;

/// One HTTP request, whole.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: Option<String>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) upgrade: bool,
}

/// A plain HTTP answer.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Option<Value>,
    /// Whether exactly this is written, without a header of HTTP's own, and the connection ended.
    pub(crate) bare: bool,
}

impl Reply {
    /// Answers with JSON, or with a JSON content type and nothing.
    pub(crate) fn json(status: u16, body: Option<Value>) -> Self {
        let headers = vec![("content-type", "application/json".to_owned())];
        Self { status, headers, body, bare: false }
    }

    /// Answers without a body and closes.
    pub(crate) fn empty(status: u16) -> Self {
        let headers = vec![("connection", "close".to_owned())];
        Self { status, headers, body: None, bare: false }
    }

    /// Answers with a status line and an empty line, and cuts the connection.
    pub(crate) fn bare(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: None, bare: true }
    }
}

/// What a vendor says to a request.
#[derive(Debug)]
pub(crate) enum Answer {
    Reply(Reply),
    /// Become a WebSocket with this number; `then` is queued on it at once.
    Upgrade {
        conn: u64,
        headers: Vec<(&'static str, String)>,
        then: Vec<Out>,
    },
    /// An answer whose body is no JSON.
    Bytes {
        status: u16,
        headers: Vec<(&'static str, String)>,
        body: Bytes,
    },
    /// Do what was asked and end the connection: the answer is lost on its way.
    Lost(End),
}

/// One vendor's behaviour. Everything is in memory, so nothing here waits.
pub(crate) trait Vendor: Send + Sync {
    /// Names the step that the request is, in the script's words; empty when it is none.
    fn step(&self, request: &Request) -> &'static str;
    /// Names the wider step that the request's own step is part of; empty when there is none.
    fn wider_step(&self, _request: &Request) -> &'static str {
        ""
    }
    /// Labels the secrets in the path of the request, before it is logged.
    fn label_secrets(&self, hub: &Hub, request: &Request);
    /// Labels the secrets in a text frame that only the vendor knows for what they are, before it
    /// is logged.
    fn label_frame(&self, _hub: &Hub, _text: &str) {}
    /// Records a scripted refusal and gives the vendor's own error body.
    fn refused(&self, hub: &Hub, request: &Request, status: Option<u16>) -> Reply;
    /// Answers a request; `omit` names a field to leave out.
    fn answer(&self, hub: &Hub, request: &Request, omit: Option<&str>) -> Answer;
    /// Learns of a new socket, before anything is heard on it; frames can be queued already.
    fn opened(&self, _hub: &Hub, _socket: &SocketHandle) {}
    /// Handles a message of a live socket.
    fn message(&self, hub: &Hub, socket: &SocketHandle, message: Message);
    /// Learns that the text with this mark was written to a socket.
    fn wrote(&self, _conn: u64, _mark: &str) {}
    /// Tells whether pings are answered.
    fn answers_pings(&self) -> bool {
        true
    }
    /// Forgets a socket.
    fn closed(&self, conn: u64);
    /// Gives the idle time after which a socket is closed, and the code.
    fn idle(&self) -> Option<(Duration, u16)>;
    /// Carries out what is the vendor's part of the script.
    fn command(&self, hub: &Hub, command: Command) -> Result<Value, String>;
}

/// The shared part of a simulator.
pub(crate) struct Hub {
    pub(crate) vendor: Box<dyn Vendor>,
    pub(crate) wire: Arc<WireLog>,
    faults: Mutex<Faults>,
    sockets: Mutex<BTreeMap<u64, SocketHandle>>,
    links: Mutex<Vec<(bool, Weak<Valve>)>>,
    silent_new: AtomicBool,
    last_conn: AtomicU64,
    pub(crate) bad_frames: AtomicU64,
    pub(crate) swallowed: AtomicU64,
    down: mpsc::Sender<DownRequest>,
}

/// Asks the accept loop to be away for a while; answered once nobody listens.
pub(crate) type DownRequest = (Duration, oneshot::Sender<()>);

impl Hub {
    pub(crate) fn new(
        vendor: Box<dyn Vendor>,
        wire: Arc<WireLog>,
        down: mpsc::Sender<DownRequest>,
    ) -> Self {
        Self {
            vendor,
            wire,
            faults: Mutex::default(),
            sockets: Mutex::default(),
            links: Mutex::default(),
            silent_new: AtomicBool::new(false),
            last_conn: AtomicU64::new(0),
            bad_frames: AtomicU64::new(0),
            swallowed: AtomicU64::new(0),
            down,
        }
    }

    /// Carries out one command.
    pub(crate) async fn execute(&self, command: Command) -> Result<Value, String> {
        match command {
            Command::Close { code: 1006, .. } => Ok(self.cut(End::Fin)),
            Command::Close { code, reason } => Ok(self.broadcast(&Out::Close(code, reason))),
            Command::Cut { rst } => Ok(self.cut(if rst { End::Reset } else { End::Fin })),
            Command::Silent(silence) => Ok(self.silence(silence)),
            Command::Down(span) => {
                let (done, wait) = oneshot::channel();
                self.down.send((span, done)).await.map_err(|_| "the simulator has ended")?;
                wait.await.map_err(|_| "the simulator has ended")?;
                Ok(json!({ "ok": true }))
            }
            Command::Refuse(refusal) => {
                self.faults().refuse(refusal);
                Ok(json!({ "ok": true }))
            }
            Command::LoseAcks(n) => {
                self.faults().lose_acks(n);
                Ok(json!({ "ok": true }))
            }
            Command::FailRequests { n, code, body } => {
                self.faults().fail_requests(n, code, body);
                Ok(json!({ "ok": true }))
            }
            Command::UnknownIds(n) => {
                self.faults().unknown_ids(n);
                Ok(json!({ "ok": true }))
            }
            Command::SendText(text) => Ok(self.broadcast(&Out::Text(text))),
            Command::SendBinary(data) => Ok(self.broadcast(&Out::Binary(data))),
            Command::SendRaw(data) => Ok(self.broadcast(&Out::Raw(data))),
            Command::SendPing(data) => Ok(self.broadcast(&Out::Ping(data))),
            Command::SendLarge(bytes) => {
                let padding = "x".repeat(bytes);
                Ok(self.broadcast(&Out::Text(json!({ "padding": padding }).to_string())))
            }
            other => self.vendor.command(self, other),
        }
    }

    /// Takes an armed refusal of `step`.
    pub(crate) fn take_refusal(&self, step: &str) -> Option<Refusal> {
        self.faults().take(step)
    }

    /// Locks the armed faults.
    pub(crate) fn faults(&self) -> MutexGuard<'_, Faults> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Numbers the next WebSocket.
    pub(crate) fn next_conn(&self) -> u64 {
        self.last_conn.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// Counts a socket as live from now on.
    pub(crate) fn insert(&self, handle: SocketHandle) {
        self.lock_sockets().insert(handle.conn, handle);
        self.wire.touch();
    }

    /// Counts a socket as gone.
    pub(crate) fn remove(&self, conn: u64) {
        if self.lock_sockets().remove(&conn).is_some() {
            self.vendor.closed(conn);
        }
        self.wire.touch();
    }

    /// Gives the live sockets.
    pub(crate) fn sockets(&self) -> Vec<SocketHandle> {
        self.lock_sockets().values().cloned().collect()
    }

    /// Counts the live sockets.
    pub(crate) fn live(&self) -> usize {
        self.lock_sockets().len()
    }

    /// Remembers a connection, and stalls it when new ones are to be swallowed.
    pub(crate) fn register(&self, valve: &Arc<Valve>) {
        let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        links.retain(|(_, link)| link.strong_count() > 0);
        let swallowed = self.silent_new.load(Ordering::SeqCst);
        valve.stall(swallowed);
        links.push((swallowed, Arc::downgrade(valve)));
    }

    /// Ends every connection.
    pub(crate) fn kill_all(&self, end: End) {
        let links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        for valve in links.iter().filter_map(|(_, link)| link.upgrade()) {
            valve.kill(end);
        }
        drop(links);
        for socket in self.sockets() {
            self.remove(socket.conn);
        }
    }

    /// Queues one frame on every live socket; tells how many can hear it.
    pub(crate) fn broadcast(&self, out: &Out) -> Value {
        let sockets = self.sockets();
        let heard = sockets.iter().filter(|socket| socket.send(out.clone())).count();
        json!({ "ok": true, "sockets": heard })
    }

    fn cut(&self, end: End) -> Value {
        let sockets = self.sockets();
        for socket in &sockets {
            socket.link.valve.kill(end);
            self.remove(socket.conn);
        }
        json!({ "ok": true, "sockets": sockets.len() })
    }

    fn silence(&self, silence: Silence) -> Value {
        let sockets = self.sockets();
        let new = silence.on && silence.new;
        self.silent_new.store(new, Ordering::SeqCst);
        if !silence.on || silence.new {
            // Connections without a WebSocket: those of later requests.
            let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
            let is_socket = |valve: &Arc<Valve>| {
                sockets.iter().any(|socket| Arc::ptr_eq(&socket.link.valve, valve))
            };
            for (stalled, link) in links.iter_mut() {
                let Some(valve) = link.upgrade().filter(|valve| !is_socket(valve)) else {
                    continue;
                };
                if new || *stalled {
                    valve.stall(new);
                }
                *stalled = new;
            }
        }
        for socket in &sockets {
            socket.silence(silence);
        }
        json!({ "ok": true, "sockets": sockets.len() })
    }

    fn lock_sockets(&self) -> MutexGuard<'_, BTreeMap<u64, SocketHandle>> {
        self.sockets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
