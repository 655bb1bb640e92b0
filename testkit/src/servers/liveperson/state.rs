//! What the simulator has seen: the counters that acceptance checks are about.

use serde_json::{Map, Value, json};

/// A snapshot of everything that was counted. Times are milliseconds since the start.
///
/// A status is absent where the request was reset or never answered.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct State {
    /// When the snapshot was taken.
    pub t_ms: u64,
    /// Domain lookups.
    pub csds: Vec<CsdsCall>,
    /// Logins, refused ones included.
    pub logins: Vec<LoginCall>,
    /// Session refreshes, refused ones included.
    pub refreshes: Vec<RefreshCall>,
    /// WebSocket upgrades, refused ones included.
    pub upgrades: Vec<UpgradeCall>,
    /// Pings on sockets.
    pub pings: Vec<PingSeen>,
    /// Requests on sockets.
    pub requests: Vec<RequestSeen>,
    /// Content that was published.
    pub messages: Vec<MessageSeen>,
    /// Sockets that are open.
    pub live_sockets: usize,
    /// Frames that made no sense.
    pub bad_frames: u64,
    /// Frames that were swallowed by a silence.
    pub swallowed: u64,
    /// HTTP requests to no known endpoint.
    pub unknown_paths: u64,
    /// Wire records that lagging subscribers have missed.
    pub wire_dropped: u64,
}

/// A domain lookup.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CsdsCall {
    /// When it came.
    pub t_ms: u64,
    /// The single service that was asked for.
    pub service: Option<String>,
    /// Status of the answer.
    pub status: Option<u16>,
}

/// A login.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LoginCall {
    /// When it came.
    pub t_ms: u64,
    /// `password`, `oauth1`, `assertion` or `unknown`.
    pub variant: &'static str,
    /// Status of the answer.
    pub status: Option<u16>,
    /// Label of the issued bearer.
    pub bearer: Option<String>,
}

/// A session refresh.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RefreshCall {
    /// When it came.
    pub t_ms: u64,
    /// Status of the answer.
    pub status: Option<u16>,
    /// Label of the bearer whose session was prolonged.
    pub bearer: Option<String>,
}

/// A WebSocket upgrade.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct UpgradeCall {
    /// When it came.
    pub t_ms: u64,
    /// Label of the bearer in its path.
    pub bearer: String,
    /// Status of the answer.
    pub status: Option<u16>,
    /// Number of the socket.
    pub conn: Option<u64>,
}

/// A ping.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PingSeen {
    /// When it came.
    pub t_ms: u64,
    /// Number of the socket.
    pub conn: u64,
}

/// A request on a socket.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RequestSeen {
    /// When it came.
    pub t_ms: u64,
    /// Number of the socket.
    pub conn: u64,
    /// Its id, as text.
    pub id: String,
    /// Its `type`.
    pub kind: String,
}

/// A content event that was published.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MessageSeen {
    /// Id of the request that carried it.
    pub id: String,
    /// When it came.
    pub t_ms: u64,
    /// Number of the socket.
    pub conn: u64,
    /// Its dialog.
    pub dialog: String,
    /// The sequence it was given.
    pub sequence: u64,
    /// Whether a message with this id came before.
    pub duplicate: bool,
}

impl State {
    /// Gives the times of all login requests.
    #[must_use]
    pub fn token_calls(&self) -> Vec<u64> {
        self.logins.iter().map(|call| call.t_ms).collect()
    }

    /// Counts the logins that issued a bearer.
    #[must_use]
    pub fn logins_ok(&self) -> usize {
        self.logins.iter().filter(|call| call.status == Some(200)).count()
    }

    /// Counts the refreshes that prolonged a session.
    #[must_use]
    pub fn refreshes_ok(&self) -> usize {
        self.refreshes.iter().filter(|call| call.status == Some(200)).count()
    }

    /// Counts the upgrades that were accepted.
    #[must_use]
    pub fn upgrades_ok(&self) -> usize {
        self.upgrades.iter().filter(|call| call.status == Some(101)).count()
    }

    /// Gives the bearer labels of the accepted upgrades.
    #[must_use]
    pub fn bearers_used(&self) -> Vec<&str> {
        let accepted = self.upgrades.iter().filter(|call| call.status == Some(101));
        accepted.map(|call| call.bearer.as_str()).collect()
    }

    /// Gives the requests of a type, found by its last dotted segment.
    pub fn requests_of<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a RequestSeen> {
        self.requests.iter().filter(move |seen| last_segment(&seen.kind) == kind)
    }

    /// Gives the answer to the command `state`.
    ///
    /// `logins`, `refreshes` and `upgrades` count successes; `login_calls` and its like list all.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut requests = Map::new();
        for seen in &self.requests {
            let times = requests.entry(seen.kind.clone()).or_insert_with(|| json!([]));
            if let Value::Array(times) = times {
                times.push(json!(seen.t_ms));
            }
        }
        json!({
            "t_ms": self.t_ms,
            "csds": self.csds.len(),
            "logins": self.logins_ok(),
            "refreshes": self.refreshes_ok(),
            "upgrades": self.upgrades_ok(),
            "live_sockets": self.live_sockets,
            "token_calls": self.token_calls(),
            "csds_calls": list(&self.csds, |call| json!({
                "t_ms": call.t_ms, "service": call.service, "status": call.status,
            })),
            "login_calls": list(&self.logins, |call| json!({
                "t_ms": call.t_ms, "variant": call.variant, "status": call.status,
                "bearer": call.bearer,
            })),
            "refresh_calls": list(&self.refreshes, |call| json!({
                "t_ms": call.t_ms, "status": call.status, "bearer": call.bearer,
            })),
            "upgrade_calls": list(&self.upgrades, |call| json!({
                "t_ms": call.t_ms, "bearer": call.bearer, "status": call.status,
                "conn": call.conn,
            })),
            "pings": list(&self.pings, |ping| json!({ "t_ms": ping.t_ms, "conn": ping.conn })),
            "requests": requests,
            "messages": list(&self.messages, |message| json!({
                "id": message.id, "path": "socket", "t_ms": message.t_ms,
                "duplicate": message.duplicate, "conn": message.conn,
                "dialog": message.dialog, "sequence": message.sequence,
            })),
            "bad_frames": self.bad_frames,
            "swallowed": self.swallowed,
            "unknown_paths": self.unknown_paths,
            "wire_dropped": self.wire_dropped,
        })
    }
}

/// Gives what stands behind the last dot of a type.
pub(crate) fn last_segment(kind: &str) -> &str {
    kind.rsplit('.').next().unwrap_or(kind)
}

/// Appends to a list that keeps its first [`MAX_SEEN`] entries.
pub(crate) fn note<T>(list: &mut Vec<T>, entry: T) {
    if list.len() < MAX_SEEN {
        list.push(entry);
    }
}

fn list<T>(entries: &[T], show: impl Fn(&T) -> Value) -> Vec<Value> {
    entries.iter().map(show).collect()
}

const MAX_SEEN: usize = 100_000;
