//! What a proxy tells: that things happened, never what a connection carries.

use std::sync::atomic::Ordering;

use serde_json::{Value, json};

use super::conn::Conn;

/// Something that happened.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Event {
    /// A client has connected.
    Accepted {
        /// The number of the connection, from 1.
        conn: u64,
    },
    /// A rule has fired.
    Hit {
        /// The connection.
        conn: u64,
        /// The rule.
        rule: u32,
        /// What it waited for.
        on: &'static str,
        /// What it does.
        act: &'static str,
    },
    /// What the client sends cannot be read, so no rule on requests or frames applies from here
    /// on, and no close frame can be sent.
    Unread {
        /// The connection.
        conn: u64,
        /// Whether it is TLS; else it is some other protocol than HTTP/1.1, or damaged.
        tls: bool,
    },
    /// A rule or a command asks for something that cannot be done to a connection that cannot be
    /// read.
    Missed {
        /// The connection.
        conn: u64,
        /// What was asked for.
        act: &'static str,
    },
    /// A client was turned away, because there are as many connections as there may be.
    Full,
    /// The target could not be reached.
    Unreachable {
        /// The connection.
        conn: u64,
    },
    /// A connection has ended.
    Ended {
        /// The connection.
        conn: u64,
        /// Whether by RST.
        rst: bool,
        /// How many bytes went to the server.
        to_server: u64,
        /// How many bytes went to the client.
        to_client: u64,
    },
}

/// What a proxy has seen.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct State {
    /// Connections that were accepted.
    pub connections: u64,
    /// Connections that live.
    pub live: u64,
    /// How often rules have fired in all.
    pub hits: u64,
    /// Connections whose target could not be reached.
    pub unreachable: u64,
    /// Connections that could not be read.
    pub unread: u64,
    /// Close frames that could not be sent for that reason.
    pub missed: u64,
    /// Connections that were turned away for want of room.
    pub turned_away: u64,
    /// Events that nobody had room for.
    pub untold: u64,
    /// How often each rule has fired.
    pub rules: Vec<(u32, u32)>,
    /// The connections that live.
    pub sockets: Vec<Socket>,
}

/// A connection that lives.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Socket {
    /// Its number.
    pub conn: u64,
    /// Bytes that went to the server.
    pub to_server: u64,
    /// Bytes that went to the client.
    pub to_client: u64,
    /// Frames of the client that have begun.
    pub frames_to_server: u64,
    /// Frames of the server that have begun.
    pub frames_to_client: u64,
    /// Bytes that a blackhole has swallowed.
    pub lost: u64,
    /// Whether it cannot be read.
    pub unread: bool,
}

impl Event {
    /// Returns the event as one line of `redial proxy`.
    #[must_use]
    pub fn to_json(&self, t_ms: u64) -> Value {
        match self {
            Self::Accepted { conn } => json!({ "t_ms": t_ms, "kind": "accepted", "conn": conn }),
            Self::Hit { conn, rule, on, act } => json!({
                "t_ms": t_ms, "kind": "hit", "conn": conn, "rule": rule, "on": on, "act": act,
            }),
            Self::Unread { conn, tls } => {
                json!({ "t_ms": t_ms, "kind": "unread", "conn": conn, "tls": tls })
            }
            Self::Missed { conn, act } => {
                json!({ "t_ms": t_ms, "kind": "missed", "conn": conn, "act": act })
            }
            Self::Full => json!({ "t_ms": t_ms, "kind": "full" }),
            Self::Unreachable { conn } => {
                json!({ "t_ms": t_ms, "kind": "unreachable", "conn": conn })
            }
            Self::Ended { conn, rst, to_server, to_client } => json!({
                "t_ms": t_ms, "kind": "ended", "conn": conn, "rst": rst,
                "to_server": to_server, "to_client": to_client,
            }),
        }
    }
}

impl State {
    pub(crate) fn count(&mut self, event: &Event) {
        match event {
            Event::Accepted { .. } => {
                self.connections += 1;
                self.live += 1;
            }
            Event::Hit { .. } => self.hits += 1,
            Event::Unread { .. } => self.unread += 1,
            Event::Missed { .. } => self.missed += 1,
            Event::Full => self.turned_away += 1,
            Event::Unreachable { .. } => self.unreachable += 1,
            Event::Ended { .. } => {}
        }
    }

    /// Returns what the control endpoint answers to `state`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let rule = |(rule, fired): &(u32, u32)| json!({ "rule": rule, "fired": fired });
        let socket = |socket: &Socket| {
            json!({
                "conn": socket.conn, "to_server": socket.to_server, "to_client": socket.to_client,
                "frames_to_server": socket.frames_to_server,
                "frames_to_client": socket.frames_to_client, "lost": socket.lost,
                "unread": socket.unread,
            })
        };
        json!({
            "connections": self.connections, "live": self.live, "hits": self.hits,
            "unreachable": self.unreachable, "unread": self.unread, "missed": self.missed,
            "turned_away": self.turned_away,
            "untold": self.untold,
            "rules": self.rules.iter().map(rule).collect::<Vec<_>>(),
            "sockets": self.sockets.iter().map(socket).collect::<Vec<_>>(),
        })
    }
}

impl Socket {
    pub(crate) fn of(conn: &Conn) -> Self {
        let [to_server, to_client] = &conn.bytes;
        let [frames_to_server, frames_to_client] = &conn.frames;
        Self {
            conn: conn.id,
            to_server: to_server.load(Ordering::SeqCst),
            to_client: to_client.load(Ordering::SeqCst),
            frames_to_server: frames_to_server.load(Ordering::SeqCst),
            frames_to_client: frames_to_client.load(Ordering::SeqCst),
            lost: conn.lost.load(Ordering::SeqCst),
            unread: conn.unread.load(Ordering::SeqCst),
        }
    }
}
