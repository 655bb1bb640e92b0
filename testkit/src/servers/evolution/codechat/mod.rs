//! CodeChat: one plain WebSocket for each event of an instance.

pub(super) mod events;
mod http;

use std::collections::{HashMap, HashSet};

use serde_json::{Value, json};

pub(super) use self::http::{label_secrets, step, wider_step};
use super::state::{Emitted, MessageSeen, note};
use super::{Evolution, Inner, MAX_KEPT, Wanted};
use crate::servers::frame::Message;
use crate::servers::hub::Hub;
use crate::servers::socket::{Out, SocketHandle};

/// An instance and an event: what one socket is for.
pub(super) type Key = (String, String);

/// What a created instance has.
#[derive(Clone, Debug)]
struct Instance {
    id: u64,
    /// `tokenId` of the newest token.
    token_id: Value,
    created: String,
}

/// Everything that changes about CodeChat.
#[derive(Debug, Default)]
pub(super) struct CodeChat {
    instances: HashMap<String, Instance>,
    /// Instances that the script has expired: a token does not bring them back.
    expired: HashSet<String>,
    /// Tokens that were issued or accepted, and those of them that the script has revoked.
    tokens: HashSet<String>,
    revoked: HashSet<String>,
    /// Who gets the events of a key: the socket that came last.
    holders: HashMap<Key, SocketHandle>,
    keys: HashMap<u64, Key>,
    created: u64,
    emitted: u64,
}

impl CodeChat {
    /// Makes every token so far invalid for sockets; each can be refreshed still.
    pub(super) fn revoke_all(&mut self) {
        self.revoked.extend(self.tokens.drain());
    }

    /// Forgets every instance, so that no token so far can be refreshed.
    pub(super) fn expire_all(&mut self) {
        let names = self.instances.drain().map(|(name, _)| name);
        self.expired.extend(names);
    }

    /// Gives the sockets of an event that are alive, holders or not.
    pub(super) fn conns_of(&self, event: &str) -> Vec<u64> {
        let conns = self.keys.iter().filter(|(_, (_, known))| known == event);
        conns.map(|(conn, _)| *conn).collect()
    }

    /// Remembers a token, and that it is good again if it was revoked.
    fn remember(&mut self, token: &str) {
        self.revoked.remove(token);
        if self.tokens.len() >= MAX_KEPT {
            self.tokens.clear();
        }
        self.tokens.insert(token.to_owned());
    }

    /// Makes this socket the one that gets the events of its key; gives the one that did before.
    fn attach(&mut self, socket: &SocketHandle) -> Option<u64> {
        let key = self.keys.get(&socket.conn)?.clone();
        self.holders.insert(key, socket.clone()).map(|before| before.conn)
    }

    /// Forgets a socket. When it got the events, nobody does, though an older one may be open.
    fn forget(&mut self, conn: u64) -> Option<Key> {
        let key = self.keys.remove(&conn)?;
        if self.holders.get(&key).is_some_and(|holder| holder.conn == conn) {
            self.holders.remove(&key);
        }
        Some(key)
    }

    /// Gives the keys that a script means, with or without a listener.
    fn targets(&self, instance: Option<&str>, event: Option<&str>) -> Vec<Key> {
        if let (Some(instance), Some(event)) = (instance, event) {
            return vec![(instance.to_owned(), event.to_owned())];
        }
        let means = |wanted: Option<&str>, name: &str| wanted.is_none_or(|wanted| wanted == name);
        let mut found: Vec<_> = self
            .holders
            .keys()
            .filter(|(its, name)| means(instance, its) && means(event, name))
            .cloned()
            .collect();
        found.sort_unstable();
        found
    }
}

impl Evolution {
    /// Learns of a new socket, whose key is known already.
    pub(super) fn chat_opened(&self, socket: &SocketHandle) {
        let t_ms = self.wire.now_ms();
        let inner = &mut *self.lock();
        if let Some(before) = inner.chat.attach(socket) {
            let mut seen = inner.seen.sockets.iter_mut().rev();
            if let Some(seen) = seen.find(|seen| seen.conn == before) {
                seen.replaced_ms = Some(t_ms);
            }
        }
    }

    /// Hears a message of a client, which the service ignores.
    pub(super) fn chat_message(&self, conn: u64, message: &Message) {
        let (shown, bytes) = match message {
            Message::Text(text) => (self.wire.redact(text), text.len()),
            Message::Binary(data) => ("(binary)".to_owned(), data.len()),
            Message::Ping(_) | Message::Pong(_) | Message::Close(..) => return,
        };
        let inner = &mut *self.lock();
        note(&mut inner.seen.messages, MessageSeen { t_ms: self.wire.now_ms(), conn, bytes });
        let mut sockets = inner.seen.sockets.iter_mut().rev();
        if let Some(seen) = sockets.find(|seen| seen.conn == conn)
            && seen.first_message.is_none()
        {
            let mut ends = (0..=MAX_SHOWN.min(shown.len())).rev();
            let end = ends.find(|at| shown.is_char_boundary(*at)).unwrap_or(0);
            seen.first_message = Some(shown[..end].to_owned());
        }
    }

    /// Forgets a socket.
    pub(super) fn chat_closed(&self, inner: &mut Inner, conn: u64) {
        if let Some(key) = inner.chat.forget(conn) {
            inner.ended(key, self.wire.now_ms());
        }
    }

    /// Emits `n` events to whoever holds the sockets that the script means.
    pub(super) fn chat_notify(&self, n: u32, wanted: &Wanted<'_>) -> Value {
        let (instance, event) = (wanted.instance, wanted.event);
        let inner = &mut *self.lock();
        let targets = inner.chat.targets(instance, event);
        let mut sent = 0_u64;
        for _ in 0..n {
            inner.chat.emitted += 1;
            for (instance, event) in &targets {
                let made = || events::payload(event, instance, inner.chat.emitted);
                let mut payload = wanted.data.cloned().unwrap_or_else(made);
                super::decorate(&inner.settings, &mut payload);
                sent += u64::from(self.emit(inner, instance, event, &payload));
            }
            if targets.is_empty() {
                let named = |name: Option<&str>| name.map(str::to_owned);
                let (instance, event) = (named(instance), named(event));
                let emitted = Emitted { t_ms: self.wire.now_ms(), instance, event, conn: None };
                note(&mut inner.seen.emits, emitted);
            }
        }
        let sockets = targets.iter().filter(|key| inner.chat.holders.contains_key(*key)).count();
        json!({ "ok": true, "sockets": sockets, "sent": sent })
    }

    /// Writes one payload to the socket that holds a key, if there is one.
    fn emit(&self, inner: &mut Inner, instance: &str, event: &str, payload: &Value) -> bool {
        let key = (instance.to_owned(), event.to_owned());
        let holder = inner.chat.holders.get(&key);
        let heard = holder.filter(|holder| holder.send(Out::Text(payload.to_string())));
        let conn = heard.map(|holder| holder.conn);
        let mut sockets = inner.seen.sockets.iter_mut().rev();
        if let Some(seen) = sockets.find(|seen| Some(seen.conn) == conn) {
            seen.sent += 1;
        }
        let (instance, event) = (Some(key.0), Some(key.1));
        let emitted = Emitted { t_ms: self.wire.now_ms(), instance, event, conn };
        note(&mut inner.seen.emits, emitted);
        conn.is_some()
    }

    /// Cuts the sockets of one event.
    pub(super) fn cut_event(&self, hub: &Hub, event: &str) {
        let conns = self.lock().chat.conns_of(event);
        for socket in hub.sockets().iter().filter(|socket| conns.contains(&socket.conn)) {
            socket.send(Out::Cut);
        }
    }
}

const MAX_SHOWN: usize = 1024;
