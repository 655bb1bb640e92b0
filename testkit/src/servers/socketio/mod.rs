//! The server side of Engine.IO 3 and 4 with Socket.IO 2, 3 and 4, over WebSocket only.
//!
//! Two vendors speak it, so their simulators share it. A vendor keeps a [`SocketIo`], asks it about
//! each handshake, hands it what its sockets say, and is told what was heard in terms of
//! namespaces, events and acknowledgments; it answers by the same object. Heartbeats, the
//! deadline for the first namespace, binary packets and the reference server's ways to refuse are
//! done here.
//!
//! It is written from the protocol documents and recordings, and shares nothing with the client's
//! codec. An existing server would have been the better witness. `socketioxide` is not what the
//! simulators stand on: it needs a newer Rust than the workspace declares and some eighty crates more;
//! it hides the frames, so that a script could neither cut inside one nor write a wrong one nor log a
//! secret as a label; and what it answers with `CONNECT_ERROR` is not the script's to choose. It is
//! the other side of the interop test `testkit/interop/socketio-rs` instead, as the npm packages are
//! of `socketio-node`.
//!
//! Left out, since no vendor here has it: polling and upgrades from it, and connection state
//! recovery.

mod connection;
mod handshake;
mod packet;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use self::connection::Connection;
pub(crate) use self::handshake::{forbid, query};
use self::packet::{Kind, Packet};
use super::frame::Message;
use super::hub::{Answer, Hub, Request};
use super::socket::{Out, SocketHandle};

/// Which protocol a server, or one of its connections, speaks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Generation {
    /// Engine.IO 3 and Socket.IO 2: the client pings, `/` is joined unasked.
    V3,
    /// Engine.IO 4 and Socket.IO 3 and 4: the server pings, every namespace is asked for.
    V4,
}

/// What is chosen about a server; each connection keeps the numbers that it was told.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) generation: Generation,
    /// Whether a server of the newer generation speaks the older one to those who ask.
    pub(crate) allow_eio3: bool,
    pub(crate) ping_interval: Duration,
    pub(crate) ping_timeout: Duration,
    /// Longest message of a client; a longer one is closed with 1009.
    pub(crate) max_payload: usize,
    /// How long a connection of the newer generation may be without a namespace.
    pub(crate) connect_timeout: Duration,
}

impl Config {
    /// The defaults of the reference servers 2.5 and 4.8.
    pub(crate) fn new(generation: Generation) -> Self {
        let timeout = if generation == Generation::V3 { 5 } else { 20 };
        Self {
            generation,
            allow_eio3: false,
            ping_interval: Duration::from_secs(25),
            ping_timeout: Duration::from_secs(timeout),
            max_payload: 1_000_000,
            connect_timeout: Duration::from_secs(45),
        }
    }
}

/// What a client has said.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Heard {
    /// It wants to join; [`SocketIo::accept`] or [`SocketIo::reject`] answers. The older generation
    /// wants `/` by opening, and may put a query behind another name; the newer sends `auth`.
    Connect { nsp: String, auth: Option<Value>, query: Option<String> },
    /// An event; with an `id` it wants to be answered by [`SocketIo::ack`].
    Event { nsp: String, name: String, args: Vec<Value>, id: Option<u64>, attachments: Vec<Bytes> },
    /// The answer to [`SocketIo::ask`].
    Ack { nsp: String, id: u64, args: Vec<Value>, attachments: Vec<Bytes> },
    /// It has left a namespace.
    Disconnect { nsp: String },
    /// It has broken the protocol, and is being closed for it.
    Broken,
}

/// All connections of one Socket.IO server.
///
/// No call waits and none calls back, so a vendor may hold its own lock meanwhile.
#[derive(Debug)]
pub(crate) struct SocketIo {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    config: Config,
    random: u64,
    admitted: BTreeMap<u64, Generation>,
    conns: BTreeMap<u64, (Connection, Arc<Notify>)>,
    // Acknowledgments are numbered for each namespace of the server, not for each connection.
    asked: BTreeMap<String, u64>,
}

impl SocketIo {
    pub(crate) fn new(config: Config, seed: u64) -> Self {
        let inner = Inner {
            config,
            random: seed,
            admitted: BTreeMap::new(),
            conns: BTreeMap::new(),
            asked: BTreeMap::new(),
        };
        Self { inner: Mutex::new(inner) }
    }

    /// Changes what new connections are told and held to.
    pub(crate) fn configure(&self, change: impl FnOnce(&mut Config)) {
        change(&mut self.lock().config);
    }

    /// Answers a request for the server's path: upgrades a good handshake, refuses another as the
    /// reference server does. The vendor has made its own checks before ([`forbid`]).
    pub(crate) fn handshake(&self, hub: &Hub, request: &Request) -> Answer {
        let inner = &mut *self.lock();
        match handshake::judge(hub, &inner.config, request) {
            Ok(generation) => {
                let conn = hub.next_conn();
                inner.admitted.insert(conn, generation);
                Answer::Upgrade { conn, headers: Vec::new(), then: Vec::new() }
            }
            Err(answer) => answer,
        }
    }

    /// Takes a new socket: sends the open packet and minds the heartbeat from now on.
    ///
    /// Gives [`Heard::Connect`] for `/` in the older generation, and nothing for a socket that no
    /// [`handshake`](Self::handshake) has admitted.
    pub(crate) fn opened(self: &Arc<Self>, socket: &SocketHandle) -> Option<Heard> {
        let inner = &mut *self.lock();
        let generation = inner.admitted.remove(&socket.conn)?;
        let now = Instant::now();
        let connection = Connection::new(socket.clone(), generation, &inner.config, now);
        let sid = inner.id();
        // Only the newer server announces its limit, to old clients as well.
        let announce = inner.config.generation == Generation::V4;
        socket.send(Out::Text(connection.open_packet(&sid, announce)));
        let waker = Arc::new(Notify::new());
        inner.conns.insert(socket.conn, (connection, waker.clone()));
        tokio::spawn(self.clone().mind(socket.conn, waker));
        (generation == Generation::V3).then(|| Heard::Connect {
            nsp: "/".to_owned(),
            auth: None,
            query: None,
        })
    }

    /// Takes a message of a live socket.
    pub(crate) fn hear(&self, conn: u64, message: Message) -> Option<Heard> {
        let inner = &mut *self.lock();
        let (connection, waker) = inner.conns.get_mut(&conn)?;
        let heard = connection.hear(message, Instant::now());
        waker.notify_one();
        heard
    }

    /// Forgets a socket.
    pub(crate) fn closed(&self, conn: u64) {
        let inner = &mut *self.lock();
        inner.admitted.remove(&conn);
        if let Some((_, waker)) = inner.conns.remove(&conn) {
            waker.notify_one();
        }
    }

    /// Confirms a namespace; gives the id of the client in it.
    pub(crate) fn accept(&self, conn: u64, nsp: &str) -> Option<String> {
        let inner = &mut *self.lock();
        let sid = inner.id();
        let (connection, _) = inner.conns.get_mut(&conn)?;
        if !connection.join(nsp) {
            connection.close();
            return None;
        }
        let mut packet = Packet::new(Kind::Connect, nsp);
        if connection.generation == Generation::V4 {
            packet.data = Some(json!({ "sid": sid }));
        }
        connection.send(&packet);
        Some(sid)
    }

    /// Refuses a namespace. The older generation sends `data` alone when there is some, else the
    /// bare message.
    pub(crate) fn reject(&self, conn: u64, nsp: &str, message: &str, data: Option<Value>) {
        let inner = &mut *self.lock();
        let Some((connection, _)) = inner.conns.get(&conn) else { return };
        let body = match (connection.generation, data) {
            (Generation::V3, None) => json!(message),
            (Generation::V3, Some(data)) => data,
            (Generation::V4, None) => json!({ "message": message }),
            (Generation::V4, Some(data)) => json!({ "message": message, "data": data }),
        };
        let packet = Packet { data: Some(body), ..Packet::new(Kind::Error, nsp) };
        connection.send(&packet);
    }

    /// Sends an event; false when the client is not in the namespace or cannot hear it.
    pub(crate) fn emit(&self, conn: u64, nsp: &str, name: &str, args: Vec<Value>) -> bool {
        self.emit_binary(conn, nsp, name, args, Vec::new())
    }

    /// Sends an event whose arguments hold `{"_placeholder":true,"num":0}` for each attachment.
    pub(crate) fn emit_binary(
        &self,
        conn: u64,
        nsp: &str,
        name: &str,
        args: Vec<Value>,
        attachments: Vec<Bytes>,
    ) -> bool {
        let packet = Packet { attachments, ..Packet::event(nsp, name, args) };
        self.send(conn, &packet)
    }

    /// Sends an event that wants an answer; gives the number of the answer.
    pub(crate) fn ask(&self, conn: u64, nsp: &str, name: &str, args: Vec<Value>) -> Option<u64> {
        let inner = &mut *self.lock();
        let (connection, _) = inner.conns.get_mut(&conn)?;
        if !connection.is_joined(nsp) {
            return None;
        }
        let next = inner.asked.entry(nsp.to_owned()).or_default();
        let packet = Packet { id: Some(*next), ..Packet::event(nsp, name, args) };
        if !connection.send(&packet) {
            return None;
        }
        connection.expect_ack(nsp, *next);
        *next += 1;
        packet.id
    }

    /// Answers an event.
    pub(crate) fn ack(&self, conn: u64, nsp: &str, id: u64, args: Vec<Value>) -> bool {
        self.ack_binary(conn, nsp, id, args, Vec::new())
    }

    /// Answers an event with attachments.
    pub(crate) fn ack_binary(
        &self,
        conn: u64,
        nsp: &str,
        id: u64,
        args: Vec<Value>,
        attachments: Vec<Bytes>,
    ) -> bool {
        let (id, data) = (Some(id), Some(Value::Array(args)));
        self.send(conn, &Packet { id, data, attachments, ..Packet::new(Kind::Ack, nsp) })
    }

    /// Throws a client out of a namespace; `close` ends the connection as well.
    pub(crate) fn disconnect(&self, conn: u64, nsp: &str, close: bool) {
        let inner = &mut *self.lock();
        let Some((connection, _)) = inner.conns.get_mut(&conn) else { return };
        if connection.leave(nsp) {
            connection.send(&Packet::new(Kind::Disconnect, nsp));
        }
        if close {
            connection.close();
        }
    }

    /// Tells whether a client is in a namespace.
    pub(crate) fn is_joined(&self, conn: u64, nsp: &str) -> bool {
        self.lock().conns.get(&conn).is_some_and(|(conn, _)| conn.is_joined(nsp))
    }

    fn send(&self, conn: u64, packet: &Packet) -> bool {
        let inner = self.lock();
        let connection = inner.conns.get(&conn).map(|(connection, _)| connection);
        connection
            .filter(|connection| !connection.is_over() && connection.is_joined(&packet.nsp))
            .is_some_and(|connection| connection.send(packet))
    }

    /// Minds the deadlines of one connection until it is gone.
    async fn mind(self: Arc<Self>, conn: u64, waker: Arc<Notify>) {
        loop {
            let next = {
                let inner = &mut *self.lock();
                let Some((connection, _)) = inner.conns.get_mut(&conn) else { return };
                connection.tick(Instant::now())
            };
            match next {
                Some(at) => tokio::select! {
                    () = waker.notified() => {}
                    () = sleep_until(at) => {}
                },
                None => waker.notified().await,
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Makes up an id of twenty characters, as the reference server does.
    fn id(&mut self) -> String {
        let mut bytes = [0; 16];
        for half in bytes.chunks_mut(8) {
            // SplitMix64, Sebastiano Vigna, public domain.
            self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut mixed = self.random;
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            half.copy_from_slice(&(mixed ^ (mixed >> 31)).to_be_bytes());
        }
        URL_SAFE_NO_PAD.encode(&bytes[..15])
    }
}
