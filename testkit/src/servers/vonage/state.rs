//! What the simulator has seen: the counters that acceptance checks are about.

use serde_json::{Value, json};

/// A snapshot of everything that was counted. Times are milliseconds since the start.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct State {
    /// When the snapshot was taken.
    pub t_ms: u64,
    /// Requests to open a socket, refused ones included.
    pub upgrades: Vec<UpgradeCall>,
    /// What became of each attempt to have a session.
    pub attaches: Vec<Attach>,
    /// Requests for another token on a session, in whatever way, refused ones included.
    pub refreshes: Vec<RefreshCall>,
    /// What the application has sent: events that are not about the session.
    pub messages: Vec<MessageSeen>,
    /// Events that were produced, one for each session.
    pub events: Vec<EventSeen>,
    /// Endings by `41`.
    pub disconnects: u64,
    /// Sessions that were ended on request.
    pub logouts: u64,
    /// Reports to the metrics endpoint.
    pub metrics: u64,
    /// Other REST requests.
    pub rest: u64,
    /// Sessions that are attached, or can still be resumed.
    pub sessions: usize,
    /// Sockets that are open.
    pub live_sockets: usize,
    /// Frames and packets that made no sense.
    pub bad_frames: u64,
    /// Frames that were swallowed by a silence.
    pub swallowed: u64,
    /// HTTP requests to no known endpoint.
    pub unknown_paths: u64,
    /// Wire records that lagging subscribers have missed.
    pub wire_dropped: u64,
}

/// A request to open a socket.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct UpgradeCall {
    /// When it came.
    pub t_ms: u64,
    /// Number of the socket; absent when it was refused.
    pub conn: Option<u64>,
    /// The session that it wanted to resume.
    pub session_id: Option<String>,
    /// Label of its token.
    pub token: Option<String>,
}

/// How an attempt to have a session ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Attach {
    /// When that was.
    pub t_ms: u64,
    /// Number of the socket.
    pub conn: u64,
    /// How it ended.
    pub outcome: Outcome,
    /// The session that it got.
    pub session_id: Option<String>,
    /// Label of its token.
    pub token: String,
    /// When its connection ended.
    pub closed_ms: Option<u64>,
}

/// How an attempt to have a session ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// A new session.
    Fresh,
    /// The session that was asked for.
    Resumed,
    /// Another session than the one that was asked for.
    Replaced,
    /// It was refused by this event.
    Refused(String),
    /// Nothing was answered, or the connection was reset, as the script said.
    Lost,
}

/// A request for another token.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RefreshCall {
    /// When it came.
    pub t_ms: u64,
    /// Whether by HTTP; else on the socket.
    pub http: bool,
    /// Label of the new token.
    pub token: String,
    /// Whether it was taken.
    pub ok: bool,
}

/// An event of the client.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MessageSeen {
    /// When it came.
    pub t_ms: u64,
    /// Its `tid`.
    pub id: String,
    /// Its name.
    pub event: String,
    /// Whether its `tid` has come before.
    pub duplicate: bool,
    /// Whether it was answered.
    pub answered: bool,
}

/// An event for one session.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct EventSeen {
    /// When it was produced.
    pub t_ms: u64,
    /// Its name.
    pub event: String,
    /// Its conversation.
    pub cid: Option<String>,
    /// Its number there.
    pub id: Option<String>,
    /// How often it was sent.
    pub sent: u32,
    /// When it was acknowledged.
    pub acked_ms: Option<u64>,
}

impl State {
    /// Counts the sessions that were begun.
    #[must_use]
    pub fn logins(&self) -> usize {
        self.attaches.iter().filter(|one| one.outcome == Outcome::Fresh).count()
    }

    /// Counts the sessions that were resumed.
    #[must_use]
    pub fn resumed(&self) -> usize {
        self.attaches.iter().filter(|one| one.outcome == Outcome::Resumed).count()
    }

    /// Counts the sockets that were opened.
    #[must_use]
    pub fn upgrades_ok(&self) -> usize {
        self.upgrades.iter().filter(|call| call.conn.is_some()).count()
    }

    /// Counts the refreshes that were granted.
    #[must_use]
    pub fn refreshed(&self) -> usize {
        self.refreshes.iter().filter(|call| call.ok).count()
    }

    /// The answer to the command `state`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "t_ms": self.t_ms,
            "upgrades": self.upgrades_ok(),
            "upgrade_calls": self.upgrades.iter().map(UpgradeCall::to_json).collect::<Vec<_>>(),
            "live_sockets": self.live_sockets,
            "sessions": self.sessions,
            "logins": self.logins(),
            "resumed": self.resumed(),
            "attaches": self.attaches.iter().map(Attach::to_json).collect::<Vec<_>>(),
            "refreshes": self.refreshed(),
            "refresh_calls": self.refreshes.iter().map(RefreshCall::to_json).collect::<Vec<_>>(),
            "token_calls": self.refreshes.iter().map(|call| call.t_ms).collect::<Vec<_>>(),
            "messages": self.messages.iter().map(MessageSeen::to_json).collect::<Vec<_>>(),
            "events": self.events.iter().map(EventSeen::to_json).collect::<Vec<_>>(),
            "disconnects": self.disconnects,
            "logouts": self.logouts,
            "metrics": self.metrics,
            "rest": self.rest,
            "bad_frames": self.bad_frames,
            "swallowed": self.swallowed,
            "unknown_paths": self.unknown_paths,
            "wire_dropped": self.wire_dropped,
        })
    }
}

impl UpgradeCall {
    fn to_json(&self) -> Value {
        json!({ "t_ms": self.t_ms, "conn": self.conn, "session_id": self.session_id, "token": self.token })
    }
}

impl Attach {
    fn to_json(&self) -> Value {
        let (outcome, event) = match &self.outcome {
            Outcome::Fresh => ("fresh", None),
            Outcome::Resumed => ("resumed", None),
            Outcome::Replaced => ("replaced", None),
            Outcome::Refused(event) => ("refused", Some(event)),
            Outcome::Lost => ("lost", None),
        };
        json!({
            "t_ms": self.t_ms, "conn": self.conn, "outcome": outcome, "event": event,
            "session_id": self.session_id, "token": self.token, "closed_ms": self.closed_ms,
        })
    }
}

impl RefreshCall {
    fn to_json(&self) -> Value {
        let via = if self.http { "rest" } else { "socket" };
        json!({ "t_ms": self.t_ms, "via": via, "token": self.token, "ok": self.ok })
    }
}

impl MessageSeen {
    fn to_json(&self) -> Value {
        json!({
            "t_ms": self.t_ms, "id": self.id, "path": "socket", "event": self.event,
            "duplicate": self.duplicate, "answered": self.answered,
        })
    }
}

impl EventSeen {
    fn to_json(&self) -> Value {
        json!({
            "t_ms": self.t_ms, "event": self.event, "cid": self.cid, "id": self.id,
            "sent": self.sent, "acked_ms": self.acked_ms,
        })
    }
}

/// Keeps a list of what was seen from growing for ever; the first ones stay.
pub(super) fn note<T>(list: &mut Vec<T>, one: T) -> Option<usize> {
    (list.len() < MAX_SEEN).then(|| {
        list.push(one);
        list.len() - 1
    })
}

const MAX_SEEN: usize = 100_000;
