//! Sessions: who they belong to, until when their token is good, and what waits for them.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use serde_json::{Value, json};

use super::jwt::Claims;
use crate::servers::random::Names;

/// An event of a conversation, or anything else that is pushed.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Pushed {
    /// Where it stands among those that were seen.
    pub(super) seen: usize,
    pub(super) name: String,
    /// The payload as it is on the wire, without the name.
    pub(super) payload: Value,
}

impl Pushed {
    /// Gives the form in which it stands in `pending_events` and in a history.
    pub(super) fn with_type(&self) -> Value {
        let mut whole = json!({ "type": self.name });
        if let (Some(whole), Some(fields)) = (whole.as_object_mut(), self.payload.as_object()) {
            whole.extend(fields.clone());
        }
        whole
    }
}

/// One session.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) user: String,
    /// End of its token in milliseconds since 1970.
    pub(super) exp_ms: Option<u64>,
    /// Whether its client has been told that the token is over.
    pub(super) told: bool,
    /// The token itself, to be found by a revocation.
    pub(super) token: String,
    pub(super) conn: Option<u64>,
    /// When its connection was lost, on the simulator's clock.
    lost_ms: u64,
    /// Whether its client answers events that ask for it.
    pub(super) acknowledges: bool,
    /// Events that nobody could be told.
    pub(super) pending: VecDeque<Pushed>,
    /// Events that were sent and wait for their acknowledgment, by its number.
    pub(super) unacknowledged: BTreeMap<u64, Pushed>,
}

impl Session {
    /// Notes the loss of the connection.
    pub(super) fn lose(&mut self, now_ms: u64, redeliver: bool) {
        self.conn = None;
        self.lost_ms = now_ms;
        let unacknowledged = std::mem::take(&mut self.unacknowledged);
        if redeliver {
            for event in unacknowledged.into_values().rev() {
                self.pending.push_front(event);
            }
        }
    }

    /// Keeps an event for later; the oldest go when there are too many.
    pub(super) fn keep(&mut self, event: Pushed, most: usize) {
        self.pending.push_back(event);
        while self.pending.len() > most {
            self.pending.pop_front();
        }
    }

    /// Takes another token.
    pub(super) fn renew(&mut self, token: &str, claims: &Claims) {
        token.clone_into(&mut self.token);
        (self.exp_ms, self.told) = (claims.exp_ms, false);
    }

    /// Tells whether it is attached or can still be resumed.
    pub(super) fn is_there(&self, now_ms: u64, window: Duration) -> bool {
        self.conn.is_some() || u128::from(now_ms.saturating_sub(self.lost_ms)) <= window.as_millis()
    }
}

/// All sessions by their id, and the users that they belong to.
#[derive(Debug)]
pub(super) struct Sessions {
    by_id: BTreeMap<String, Session>,
    users: BTreeMap<String, String>,
    random: Names,
}

impl Sessions {
    pub(super) fn new(seed: u64) -> Self {
        Self { by_id: BTreeMap::new(), users: BTreeMap::new(), random: Names::new(seed) }
    }

    /// Opens a session for the bearer of a token; gives its id.
    pub(super) fn open(&mut self, token: &str, claims: &Claims, acknowledges: bool) -> String {
        let id = self.random.uuid();
        let session = Session {
            user: claims.sub.clone(),
            exp_ms: claims.exp_ms,
            told: false,
            token: token.to_owned(),
            conn: None,
            lost_ms: 0,
            acknowledges,
            pending: VecDeque::new(),
            unacknowledged: BTreeMap::new(),
        };
        self.by_id.insert(id.clone(), session);
        id
    }

    /// Forgets what was lost too long ago.
    pub(super) fn sweep(&mut self, now_ms: u64, window: Duration) {
        self.by_id.retain(|_, session| session.is_there(now_ms, window));
    }

    pub(super) fn remove(&mut self, id: &str) -> Option<Session> {
        self.by_id.remove(id)
    }

    /// Forgets all that are not attached, and gives the others new ids that nobody knows.
    pub(super) fn expire_all(&mut self) {
        let all = std::mem::take(&mut self.by_id);
        for session in all.into_values().filter(|session| session.conn.is_some()) {
            let id = self.random.uuid();
            self.by_id.insert(id, session);
        }
    }

    pub(super) fn get(&self, id: &str) -> Option<&Session> {
        self.by_id.get(id)
    }

    pub(super) fn get_mut(&mut self, id: &str) -> Option<&mut Session> {
        self.by_id.get_mut(id)
    }

    pub(super) fn on(&mut self, conn: u64) -> Option<(&String, &mut Session)> {
        self.by_id.iter_mut().find(|(_, session)| session.conn == Some(conn))
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (&String, &mut Session)> {
        self.by_id.iter_mut()
    }

    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Counts the sessions of a user.
    pub(super) fn of(&self, user: &str) -> usize {
        self.by_id.values().filter(|session| session.user == user).count()
    }

    /// The body of `session:success`, apart from pending events.
    pub(super) fn body(&mut self, id: &str) -> Value {
        let name = self.by_id.get(id).map(|session| session.user.clone()).unwrap_or_default();
        let random = &mut self.random;
        let user =
            self.users.entry(name.clone()).or_insert_with(|| format!("USR-{}", random.uuid()));
        json!({ "id": id, "user_id": user, "name": name, "api_key": "simulated" })
    }
}
