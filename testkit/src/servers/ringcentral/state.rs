//! What the simulator has seen: the counters that acceptance checks are about.

use serde_json::{Value, json};

pub use super::rest::Via;

/// A snapshot of everything that was counted. Times are milliseconds since the start.
///
/// A status is absent where the request was reset or never answered.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct State {
    /// When the snapshot was taken.
    pub t_ms: u64,
    /// Requests to the token endpoint, refused ones included.
    pub token_calls: Vec<TokenCall>,
    /// Requests for a wstoken, refused ones included.
    pub ws_token_calls: Vec<WsTokenCall>,
    /// WebSocket upgrades, refused ones included.
    pub upgrades: Vec<UpgradeCall>,
    /// REST requests, over the socket and over HTTPS.
    pub rest: Vec<RestSeen>,
    /// What the application has sent: the `POST` requests that were carried out.
    pub messages: Vec<MessageSeen>,
    /// Notifications, one for each subscription that each was produced for.
    pub notifications: Vec<NotificationSeen>,
    /// Sockets that are open.
    pub live_sockets: usize,
    /// Notifications that wait for a recovery.
    pub buffered: usize,
    /// Subscriptions that exist, of live and of lost sessions.
    pub subscriptions: usize,
    /// Subscriptions that were created.
    pub subscriptions_made: u64,
    /// Subscriptions that were deleted on request.
    pub subscriptions_deleted: u64,
    /// OAuth revocations.
    pub revocations: u64,
    /// `Heartbeat` frames.
    pub heartbeats: u64,
    /// Ping frames of clients.
    pub pings: u64,
    /// Pong frames of clients.
    pub pongs: u64,
    /// Connections that were cut because a pong was missing.
    pub pong_timeouts: u64,
    /// Connections that were ended by `WSG-902`.
    pub idle_timeouts: u64,
    /// Connections that were ended by `WSG-903`.
    pub absolute_timeouts: u64,
    /// The most requests that were under way on one socket.
    pub most_active: usize,
    /// Requests beyond `maxActiveRequests`.
    pub over_limit: u64,
    /// Requests on a socket that belong on HTTPS.
    pub misrouted: u64,
    /// Frames that came before the hello.
    pub early_frames: u64,
    /// Frames whose second part is null, or nothing that a body can be.
    pub null_bodies: u64,
    /// Frames that made no sense.
    pub bad_frames: u64,
    /// Frames that were swallowed by a silence.
    pub swallowed: u64,
    /// HTTP requests to no known endpoint.
    pub unknown_paths: u64,
    /// Wire records that lagging subscribers have missed.
    pub wire_dropped: u64,
}

/// A request to the token endpoint.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TokenCall {
    /// When it came.
    pub t_ms: u64,
    /// `jwt-bearer`, `authorization_code`, `refresh_token` or `unknown`.
    pub grant: &'static str,
    /// Status of the answer.
    pub status: Option<u16>,
    /// Label of the issued access token.
    pub access: Option<String>,
}

/// A request for a wstoken.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct WsTokenCall {
    /// When it came.
    pub t_ms: u64,
    /// Status of the answer.
    pub status: Option<u16>,
    /// Label of the issued wstoken.
    pub token: Option<String>,
}

/// A WebSocket upgrade.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct UpgradeCall {
    /// When it came.
    pub t_ms: u64,
    /// Label of the wstoken that it presented.
    pub token: Option<String>,
    /// Label of the `wsc` that it presented.
    pub wsc: Option<String>,
    /// Status of the answer.
    pub status: Option<u16>,
    /// Number of the socket.
    pub conn: Option<u64>,
    /// `fresh`, `resumed`, `failed` (let in, the session is lost), `refused`, `unauthorized` or
    /// `malformed` (upgraded and closed).
    pub outcome: &'static str,
}

/// A REST request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RestSeen {
    /// When it came.
    pub t_ms: u64,
    /// How it came.
    pub via: Via,
    /// Its `messageId`; over HTTPS its `x-request-id`, or nothing.
    pub id: String,
    /// Its method.
    pub method: String,
    /// Its path, without query.
    pub path: String,
    /// Status of the answer.
    pub status: Option<u16>,
    /// Size of the frame, or of the body.
    pub bytes: usize,
}

/// A `POST` that was carried out.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MessageSeen {
    /// Its id.
    pub id: String,
    /// How it came.
    pub via: Via,
    /// When it came.
    pub t_ms: u64,
    /// Its path.
    pub path: String,
    /// Whether one with this id came before.
    pub duplicate: bool,
}

/// A notification.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NotificationSeen {
    /// Which one it was since the start, from 1.
    pub n: u64,
    /// Its `uuid`.
    pub uuid: String,
    /// When it was produced.
    pub t_ms: u64,
    /// The subscription that it was for.
    pub subscription: String,
    /// How often it was written to a socket.
    pub written: u32,
    /// Number of the socket that it was written to last.
    pub conn: Option<u64>,
    /// Whether it fell out of the buffer.
    pub dropped: bool,
}

impl State {
    /// Counts the logins that issued tokens.
    #[must_use]
    pub fn logins_ok(&self) -> usize {
        let issued = self.token_calls.iter().filter(|call| call.status == Some(200));
        issued.filter(|call| call.grant != "refresh_token").count()
    }

    /// Counts the refreshes that issued tokens.
    #[must_use]
    pub fn refreshes_ok(&self) -> usize {
        let issued = self.token_calls.iter().filter(|call| call.status == Some(200));
        issued.filter(|call| call.grant == "refresh_token").count()
    }

    /// Counts the wstokens that were issued.
    #[must_use]
    pub fn ws_tokens_ok(&self) -> usize {
        self.ws_token_calls.iter().filter(|call| call.status == Some(200)).count()
    }

    /// Counts the upgrades that were let in.
    #[must_use]
    pub fn upgrades_ok(&self) -> usize {
        self.let_in().count()
    }

    /// Gives the outcomes of the upgrades that were let in.
    #[must_use]
    pub fn outcomes(&self) -> Vec<&'static str> {
        self.let_in().map(|call| call.outcome).collect()
    }

    /// Gives the labels of the wstokens that have opened a connection.
    #[must_use]
    pub fn ws_tokens_used(&self) -> Vec<&str> {
        self.let_in().filter_map(|call| call.token.as_deref()).collect()
    }

    /// Gives the requests with this method, for paths that hold `part`.
    pub fn rest_of<'a>(
        &'a self,
        method: &'a str,
        part: &'a str,
    ) -> impl Iterator<Item = &'a RestSeen> {
        self.rest.iter().filter(move |seen| seen.method == method && seen.path.contains(part))
    }

    /// Counts the notifications that were written at least once.
    #[must_use]
    pub fn delivered(&self) -> usize {
        self.notifications.iter().filter(|seen| seen.written > 0).count()
    }

    /// Counts the notifications that fell out of a buffer.
    #[must_use]
    pub fn dropped_count(&self) -> usize {
        self.notifications.iter().filter(|seen| seen.dropped).count()
    }

    /// Gives the answer to the command `state`.
    ///
    /// `logins`, `refreshes`, `ws_tokens` and `upgrades` count successes; `login_calls` and its
    /// like list all.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "t_ms": self.t_ms,
            "logins": self.logins_ok(),
            "refreshes": self.refreshes_ok(),
            "ws_tokens": self.ws_tokens_ok(),
            "upgrades": self.upgrades_ok(),
            "live_sockets": self.live_sockets,
            "token_calls": list(&self.token_calls, |call| json!(call.t_ms)),
            "login_calls": list(&self.token_calls, |call| json!({
                "t_ms": call.t_ms, "grant": call.grant, "status": call.status,
                "access": call.access,
            })),
            "wstoken_calls": list(&self.ws_token_calls, |call| json!({
                "t_ms": call.t_ms, "status": call.status, "wstoken": call.token,
            })),
            "upgrade_calls": list(&self.upgrades, |call| json!({
                "t_ms": call.t_ms, "wstoken": call.token, "wsc": call.wsc, "status": call.status,
                "conn": call.conn, "outcome": call.outcome,
            })),
            "rest": list(&self.rest, |seen| json!({
                "t_ms": seen.t_ms, "via": seen.via.name(), "id": seen.id, "method": seen.method,
                "path": seen.path, "status": seen.status, "bytes": seen.bytes,
            })),
            "messages": list(&self.messages, |message| json!({
                "id": message.id, "path": message.via.name(), "t_ms": message.t_ms,
                "duplicate": message.duplicate, "resource": message.path,
            })),
            "notifications": list(&self.notifications, |seen| json!({
                "n": seen.n, "uuid": seen.uuid, "t_ms": seen.t_ms,
                "subscription": seen.subscription, "written": seen.written, "conn": seen.conn,
                "dropped": seen.dropped,
            })),
            "produced": self.notifications.len(),
            "delivered": self.delivered(),
            "dropped": self.dropped_count(),
            "buffered": self.buffered,
            "subscriptions": self.subscriptions,
            "subscriptions_made": self.subscriptions_made,
            "subscriptions_deleted": self.subscriptions_deleted,
            "revocations": self.revocations,
            "heartbeats": self.heartbeats,
            "pings": self.pings,
            "pongs": self.pongs,
            "pong_timeouts": self.pong_timeouts,
            "idle_timeouts": self.idle_timeouts,
            "absolute_timeouts": self.absolute_timeouts,
            "most_active": self.most_active,
            "over_limit": self.over_limit,
            "misrouted": self.misrouted,
            "early_frames": self.early_frames,
            "null_bodies": self.null_bodies,
            "bad_frames": self.bad_frames,
            "swallowed": self.swallowed,
            "unknown_paths": self.unknown_paths,
            "wire_dropped": self.wire_dropped,
        })
    }

    fn let_in(&self) -> impl Iterator<Item = &UpgradeCall> {
        let outcomes = ["fresh", "resumed", "failed"];
        self.upgrades.iter().filter(move |call| outcomes.contains(&call.outcome))
    }
}

/// Appends to a list that keeps its first [`MAX_SEEN`] entries.
pub(super) fn note<T>(list: &mut Vec<T>, entry: T) {
    if list.len() < MAX_SEEN {
        list.push(entry);
    }
}

fn list<T>(entries: &[T], show: impl Fn(&T) -> Value) -> Vec<Value> {
    entries.iter().map(show).collect()
}

pub(super) const MAX_SEEN: usize = 100_000;
