//! Web Messaging: sessions that are known by a token which the client has made up.

mod actions;
mod frames;
mod http;
mod push;

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Weak};
use std::time::Duration;

use serde_json::{Value, json};

pub(super) use self::actions::label_secrets;
pub(super) use self::http::step;
use super::{Genesys, Inner};
use crate::servers::socket::{Out, SocketHandle};

/// A session.
#[derive(Debug)]
struct Session {
    conversation: u64,
    expires_ms: u64,
    is_over: bool,
    is_read_only: bool,
    /// Newest last.
    history: VecDeque<Value>,
    /// What each message was answered with, to answer it again.
    echoes: HashMap<String, Value>,
    /// Oldest first.
    conns: Vec<u64>,
}

/// All sessions of a run, their sockets, and their tokens for the history.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    by_token: HashMap<String, Session>,
    conns: HashMap<u64, (String, SocketHandle)>,
    jwts: HashMap<String, (String, u64)>,
    issued: u64,
    pushes: u64,
}

impl Session {
    fn new(conversation: u64, expires_ms: u64) -> Self {
        Self {
            conversation,
            expires_ms,
            is_over: false,
            is_read_only: false,
            history: VecDeque::new(),
            echoes: HashMap::new(),
            conns: Vec::new(),
        }
    }

    fn keep(&mut self, body: Value) {
        if self.history.len() >= MAX_HISTORY {
            self.history.pop_front();
        }
        self.history.push_back(body);
    }
}

impl Sessions {
    /// Finds the session that this connection has configured with this token.
    fn of(&mut self, conn: u64, token: &str) -> Option<&mut Session> {
        let (configured, _) = self.conns.get(&conn)?;
        if configured != token {
            return None;
        }
        self.by_token.get_mut(token)
    }

    /// Begins a session, in place of one with the same token.
    fn begin(&mut self, token: &str, session: Session) {
        if self.by_token.len() >= MAX_SESSIONS && !self.by_token.contains_key(token) {
            self.by_token.clear();
            self.conns.clear();
        }
        self.by_token.insert(token.to_owned(), session);
    }

    /// Adds a connection to a session; gives those that are too many, oldest first.
    fn attach(&mut self, token: &str, socket: &SocketHandle, max: usize) -> Vec<SocketHandle> {
        self.forget(socket.conn);
        let Some(session) = self.by_token.get_mut(token) else { return Vec::new() };
        session.conns.push(socket.conn);
        let surplus = session.conns.len().saturating_sub(max);
        let surplus: Vec<_> = session.conns.drain(..surplus).collect();
        self.conns.insert(socket.conn, (token.to_owned(), socket.clone()));
        surplus
            .iter()
            .filter_map(|conn| self.conns.remove(conn))
            .map(|(_, socket)| socket)
            .collect()
    }

    /// Gives the sockets of a session, oldest first.
    fn sockets(&self, token: &str) -> Vec<SocketHandle> {
        let conns = self.by_token.get(token).map_or(&[][..], |session| &session.conns[..]);
        let found = conns.iter().filter_map(|conn| self.conns.get(conn));
        found.map(|(_, socket)| socket.clone()).collect()
    }

    /// Ends a session; gives its sockets.
    fn end(&mut self, token: &str) -> Vec<SocketHandle> {
        let sockets = self.sockets(token);
        self.by_token.remove(token);
        for socket in &sockets {
            self.conns.remove(&socket.conn);
        }
        sockets
    }

    /// Forgets a socket.
    pub(super) fn forget(&mut self, conn: u64) {
        let Some((token, _)) = self.conns.remove(&conn) else { return };
        if let Some(session) = self.by_token.get_mut(&token) {
            session.conns.retain(|known| *known != conn);
        }
    }

    /// Forgets every session, and every token for a history.
    pub(super) fn forget_all(&mut self) {
        self.by_token.clear();
        self.conns.clear();
        self.jwts.clear();
    }

    /// Issues a token for the history of a session.
    fn issue(&mut self, jwt: String, token: &str, expires_ms: u64) -> u64 {
        if self.jwts.len() >= MAX_SESSIONS {
            self.jwts.clear();
        }
        self.jwts.insert(jwt, (token.to_owned(), expires_ms));
        self.issued += 1;
        self.issued
    }

    /// Finds the session of a token for a history.
    fn reader(&self, jwt: &str, now_ms: u64) -> Option<(&str, &Session)> {
        let (token, expires_ms) = self.jwts.get(jwt)?;
        let session = self.by_token.get(token).filter(|_| now_ms < *expires_ms)?;
        Some((token, session))
    }

    fn tokens(&self) -> Vec<String> {
        self.by_token.keys().cloned().collect()
    }
}

impl Inner {
    /// Ends every session for want of messages, and says so to its sockets.
    pub(super) fn expire_sessions(&mut self) {
        for token in self.sessions.tokens() {
            self.expire(&token);
        }
    }

    /// Ends every conversation as an agent does, or reopens it.
    pub(super) fn set_read_only(&mut self, on: bool) {
        for token in self.sessions.tokens() {
            if let Some(session) = self.sessions.by_token.get_mut(&token) {
                session.is_read_only = on;
            }
            if on {
                let events = json!([{
                    "eventType": "Presence", "presence": { "type": "Disconnect" },
                }]);
                let body = json!({
                    "type": "Event", "events": events, "metadata": { "readOnly": "true" },
                });
                self.push_message(&token, &body);
            }
        }
    }

    fn expire(&mut self, token: &str) {
        let Some(session) = self.sessions.by_token.get_mut(token) else { return };
        session.is_over = true;
        let event = frames::message("SessionExpiredEvent", json!({}), None);
        for socket in self.sessions.sockets(token) {
            self.send_to(&socket, event.clone());
        }
    }

    /// Sends a frame of the server's own, late if it is its turn to be overtaken.
    fn send_to(&mut self, socket: &SocketHandle, mut frame: Value) -> bool {
        super::decorate(&self.settings, &mut frame);
        let late = self.lateness();
        if late.is_zero() {
            return socket.send(Out::Text(frame.to_string()));
        }
        socket.send_after(late, Out::Text(frame.to_string()));
        true
    }

    /// Delays every second frame, when the options say so.
    fn lateness(&mut self) -> Duration {
        self.sessions.pushes = self.sessions.pushes.wrapping_add(1);
        if self.sessions.pushes % 2 == 1 { self.settings.out_of_order } else { Duration::ZERO }
    }
}

/// Ends a session in its time, however often messages prolong it.
async fn watch(genesys: Weak<Genesys>, token: String, conversation: u64) {
    loop {
        let wait = {
            let Some(genesys) = genesys.upgrade() else { return };
            let now = genesys.wire.now_ms();
            let inner = &mut *genesys.lock();
            let Some(session) = inner.sessions.by_token.get(&token) else { return };
            if session.is_over || session.conversation != conversation {
                return;
            }
            let left = session.expires_ms.saturating_sub(now);
            if left == 0 {
                inner.expire(&token);
                genesys.wire.touch();
                return;
            }
            Duration::from_millis(left)
        };
        tokio::time::sleep(wait).await;
    }
}

/// Begins to watch a session.
fn spawn_watch(genesys: &Arc<Genesys>, token: &str, conversation: u64) {
    tokio::spawn(watch(Arc::downgrade(genesys), token.to_owned(), conversation));
}

const MAX_SESSIONS: usize = 10_000;
const MAX_HISTORY: usize = 10_000;
