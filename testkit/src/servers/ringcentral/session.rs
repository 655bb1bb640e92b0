//! What the server keeps of a connection that is lost: its subscription and what was missed.

use std::collections::{BTreeMap, HashMap, VecDeque};

use serde_json::{Value, json};

use super::options::Settings;
use super::tokens::{Tokens, millis};
use crate::servers::wire::WireLog;

/// A WebSocket session, with a connection or waiting for one.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) oauth: u64,
    pub(crate) owner: String,
    pub(crate) subscription: Option<Subscription>,
    pub(crate) conn: Option<u64>,
    pub(crate) wsc: String,
    sequence: u64,
    // Produced while nobody heard, oldest first.
    buffer: VecDeque<Note>,
    // Queued on the connection, and not yet known to be written.
    pending: VecDeque<Note>,
    // Written, newest last.
    recent: VecDeque<Note>,
    away_since: Option<u64>,
    expired: bool,
}

/// The one subscription of a session.
#[derive(Clone, Debug)]
pub(crate) struct Subscription {
    pub(crate) id: String,
    pub(crate) filters: Vec<String>,
    pub(crate) created_ms: u64,
    pub(crate) until: u64,
}

/// A notification.
#[derive(Clone, Debug)]
pub(crate) struct Note {
    pub(crate) uuid: String,
    pub(crate) body: Value,
}

impl Session {
    /// Tells whether the session can be recovered, or is alive.
    pub(crate) fn is_recoverable(&self, now: u64, settings: &Settings) -> bool {
        let window = millis(settings.recovery_timeout);
        !self.expired && self.away_since.is_none_or(|since| now <= since.saturating_add(window))
    }

    /// Makes the session impossible to recover; nothing changes while its connection lasts.
    pub(crate) fn expire(&mut self) {
        self.expired = true;
        if self.conn.is_none() {
            self.forget();
        }
    }

    /// Takes the connection that opens or recovers the session.
    pub(crate) fn attach(&mut self, conn: u64) {
        self.conn = Some(conn);
        self.away_since = None;
    }

    /// Loses the connection; what was not written is kept. Gives the ids that are dropped.
    pub(crate) fn detach(&mut self, now: u64, settings: &Settings) -> Vec<String> {
        self.conn = None;
        self.away_since = Some(now);
        for note in self.pending.drain(..).rev() {
            self.buffer.push_front(note);
        }
        if self.expired {
            self.forget();
        }
        self.trim(settings)
    }

    /// Keeps a notification until somebody hears it. Gives the ids that are dropped for it.
    pub(crate) fn keep(&mut self, note: Note, settings: &Settings) -> Vec<String> {
        self.buffer.push_back(note);
        // A replay that has not begun yet loses nothing to what comes in the meantime.
        let limit = if self.conn.is_some() { MAX_KEPT } else { settings.recovery_buffer };
        self.trim_to(limit)
    }

    /// Counts a notification as queued on the connection.
    pub(crate) fn queued(&mut self, note: Note) {
        self.pending.push_back(note);
        if self.pending.len() > MAX_KEPT {
            self.pending.pop_front();
        }
    }

    /// Tells whether there is a subscription that notifications come for.
    pub(crate) fn is_subscribed(&self, now: u64, settings: &Settings) -> bool {
        self.subscription.as_ref().is_some_and(|own| own.is_alive(now, settings))
    }

    /// Counts a notification as written.
    pub(crate) fn wrote(&mut self, uuid: &str) {
        let Some(at) = self.pending.iter().position(|note| note.uuid == uuid) else { return };
        if let Some(note) = self.pending.remove(at) {
            self.recent.push_back(note);
        }
        if self.recent.len() > MAX_OVERLAP {
            self.recent.pop_front();
        }
    }

    /// Puts the newest of what was written before everything that waits.
    pub(crate) fn repeat(&mut self, overlap: usize) {
        let again = self.recent.len().saturating_sub(overlap);
        for note in self.recent.drain(again..).rev() {
            self.buffer.push_front(note);
        }
    }

    /// Takes the oldest of what waits.
    pub(crate) fn pop(&mut self) -> Option<Note> {
        self.buffer.pop_front()
    }

    /// Puts it back.
    pub(crate) fn unpop(&mut self, note: Note) {
        self.buffer.push_front(note);
    }

    /// Counts what waits for a recovery.
    pub(crate) fn buffered(&self) -> usize {
        self.buffer.len()
    }

    /// Gives the sequence of the next `wsc` after the hello's.
    pub(crate) fn advance(&mut self) -> u64 {
        self.sequence += 1;
        self.sequence
    }

    fn forget(&mut self) {
        self.buffer.clear();
        self.pending.clear();
        self.subscription = None;
    }

    fn trim(&mut self, settings: &Settings) -> Vec<String> {
        self.trim_to(settings.recovery_buffer)
    }

    fn trim_to(&mut self, limit: usize) -> Vec<String> {
        let excess = self.buffer.len().saturating_sub(limit);
        self.buffer.drain(..excess).map(|note| note.uuid).collect()
    }
}

impl Subscription {
    /// Tells whether notifications still come.
    pub(crate) fn is_alive(&self, now: u64, settings: &Settings) -> bool {
        settings.subscription_renewal || now < self.until
    }

    /// Tells whether an event is asked for; `~` stands for anything.
    pub(crate) fn wants(&self, event: &str) -> bool {
        let matches = |filter: &String| {
            let filter = filter.split('?').next().unwrap_or_default();
            let (mut asked, mut given) = (filter.split('/'), event.split('/'));
            loop {
                match (asked.next(), given.next()) {
                    (None, None) => return true,
                    (Some(one), Some(other)) if one == "~" || other == "~" || one == other => {}
                    _ => return false,
                }
            }
        };
        self.filters.iter().any(matches)
    }
}

/// Every session of a run, and the tokens that name them.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    // In the order of their beginning, so that notifications go out in one order.
    sessions: BTreeMap<u64, Session>,
    tokens: HashMap<String, u64>,
    order: VecDeque<String>,
    last: u64,
}

impl Sessions {
    /// Begins a session; its first `wsc` is given by [`Sessions::renew`].
    pub(crate) fn begin(&mut self, oauth: u64, owner: &str, now: u64, settings: &Settings) -> u64 {
        if self.sessions.len() >= MAX_SESSIONS {
            self.sessions.retain(|_, session| session.is_recoverable(now, settings));
        }
        if self.sessions.len() >= MAX_SESSIONS {
            self.sessions.pop_first();
        }
        self.last += 1;
        let session = Session {
            oauth,
            owner: owner.to_owned(),
            subscription: None,
            conn: None,
            wsc: String::new(),
            sequence: 1,
            buffer: VecDeque::new(),
            pending: VecDeque::new(),
            recent: VecDeque::new(),
            away_since: Some(now),
            expired: false,
        };
        self.sessions.insert(self.last, session);
        self.last
    }

    /// Gives a session a new `wsc` token.
    pub(crate) fn renew(
        &mut self,
        id: u64,
        tokens: &mut Tokens,
        settings: &Settings,
        wire: &WireLog,
    ) {
        let token = tokens.token("WSC", "wsc", settings, wire);
        while self.order.len() >= MAX_WSC {
            if let Some(oldest) = self.order.pop_front() {
                self.tokens.remove(&oldest);
            }
        }
        self.tokens.insert(token.clone(), id);
        self.order.push_back(token.clone());
        if let Some(session) = self.sessions.get_mut(&id) {
            session.wsc = token;
        }
    }

    /// Finds the session that a `wsc` token names, even when nothing is left of it.
    pub(crate) fn named(&self, wsc: &str) -> Option<u64> {
        self.tokens.get(wsc).copied()
    }

    pub(crate) fn of(&mut self, id: u64) -> Option<&mut Session> {
        self.sessions.get_mut(&id)
    }

    /// Gives the numbers of all sessions.
    pub(crate) fn ids(&self) -> Vec<u64> {
        self.sessions.keys().copied().collect()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Session> {
        self.sessions.values_mut()
    }

    /// Finds the session whose subscription has this id.
    pub(crate) fn holding(&mut self, subscription: &str) -> Option<&mut Session> {
        self.sessions.values_mut().find(|session| {
            session.subscription.as_ref().is_some_and(|known| known.id == subscription)
        })
    }
}

/// Builds the `wsc` member of a frame.
pub(crate) fn wsc(token: &str, sequence: u64) -> Value {
    json!({ "token": token, "sequence": sequence })
}

const MAX_SESSIONS: usize = 10_000;
const MAX_WSC: usize = 20_000;
const MAX_KEPT: usize = 20_000;
const MAX_OVERLAP: usize = 1_000;
