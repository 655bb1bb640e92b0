//! What the simulator has seen: the counters that acceptance checks are about.

use serde_json::{Value, json};

use super::options::Profile;

/// A snapshot of everything that was counted. Times are milliseconds since the start.
///
/// A status is absent where the request was reset or never answered.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct State {
    /// Which service is simulated.
    pub profile: Profile,
    /// When the snapshot was taken.
    pub t_ms: u64,
    /// Guest creations, refused ones included (guest).
    pub guests: Vec<GuestCall>,
    /// WebSocket upgrades, refused ones included.
    pub upgrades: Vec<UpgradeCall>,
    /// Messages by REST, refused ones included (guest).
    pub rests: Vec<RestCall>,
    /// Configurations of sessions, refused ones included (web messaging).
    pub configures: Vec<ConfigureCall>,
    /// Requests for a history token (web messaging).
    pub jwts: Vec<u64>,
    /// History pages, refused ones included (web messaging).
    pub histories: Vec<HistoryCall>,
    /// Health checks, refused ones included (web messaging).
    pub echoes: Vec<PingSeen>,
    /// Pings on sockets.
    pub pings: Vec<PingSeen>,
    /// Messages that arrived and were not refused, whatever became of them.
    pub messages: Vec<MessageSeen>,
    /// Events that arrived: typing and presence (web messaging).
    pub events: Vec<EventSeen>,
    /// What the application behind the service got, in order.
    pub delivered: Vec<Delivered>,
    /// Which messages were acknowledged: an ack or echo was written, or a 2xx answered.
    pub proofs: Vec<Proof>,
    /// Acknowledgments that the script kept back.
    pub lost_acks: u64,
    /// Messages refused in band or by status.
    pub refused_messages: u64,
    /// Every socket, ended ones included.
    pub sockets: Vec<SocketSeen>,
    /// Conversations that were begun.
    pub conversations: u64,
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

/// The way that a message took.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Path {
    /// A WebSocket.
    Socket,
    /// An HTTP request.
    Rest,
}

impl Path {
    /// Gives its name in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Socket => "socket",
            Self::Rest => "rest",
        }
    }
}

/// A guest creation.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct GuestCall {
    /// When it came.
    pub t_ms: u64,
    /// Status of the answer.
    pub status: Option<u16>,
    /// Label of the token that was issued.
    pub token: Option<String>,
}

/// A WebSocket upgrade.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct UpgradeCall {
    /// When it came.
    pub t_ms: u64,
    /// Label of the token that it showed.
    pub token: Option<String>,
    /// Status of the answer.
    pub status: Option<u16>,
    /// Number of the socket.
    pub conn: Option<u64>,
}

/// A message by REST.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RestCall {
    /// When it came.
    pub t_ms: u64,
    /// Id of the message.
    pub id: Option<String>,
    /// Status of the answer, absent when the answer was lost.
    pub status: Option<u16>,
}

/// A configuration of a session.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ConfigureCall {
    /// When it came.
    pub t_ms: u64,
    /// Number of the socket.
    pub conn: u64,
    /// Label of the session's token.
    pub token: String,
    /// Code of the answer, absent when there was none.
    pub code: Option<u16>,
    /// Whether it began a session.
    pub new_session: bool,
}

/// A request for a page of the history.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct HistoryCall {
    /// When it came.
    pub t_ms: u64,
    /// The page.
    pub page: u64,
    /// Status of the answer.
    pub status: Option<u16>,
}

/// A ping, or a health check.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PingSeen {
    /// When it came.
    pub t_ms: u64,
    /// Number of the socket.
    pub conn: u64,
}

/// A message of the client.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MessageSeen {
    /// Its `messageId`, or its `tracingId`.
    pub id: String,
    /// The way it came.
    pub path: Path,
    /// When it came.
    pub t_ms: u64,
    /// Whether a message with this id came before, in any conversation.
    pub duplicate: bool,
    /// Number of its conversation, from 1.
    pub conversation: u64,
    /// Whether the application got it this time.
    pub delivered: bool,
}

/// A typing or presence event of the client.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct EventSeen {
    /// When it came.
    pub t_ms: u64,
    /// Number of the socket.
    pub conn: u64,
    /// Kind and type, as in `Presence.Join`.
    pub kind: String,
}

/// A message that the application behind the service got.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Delivered {
    /// When it got it.
    pub t_ms: u64,
    /// The message's id.
    pub id: String,
    /// What it says.
    pub text: String,
    /// The way it came.
    pub path: Path,
    /// Number of its conversation, from 1.
    pub conversation: u64,
}

/// An acknowledgment that went out.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Proof {
    /// When.
    pub t_ms: u64,
    /// The message's id.
    pub id: String,
    /// By a frame, or by an HTTP answer.
    pub path: Path,
}

/// A socket.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SocketSeen {
    /// Its number.
    pub conn: u64,
    /// When it was accepted.
    pub opened_ms: u64,
    /// When it ended.
    pub closed_ms: Option<u64>,
    /// Number of its conversation, once it has one.
    pub conversation: Option<u64>,
}

impl State {
    /// Counts the guest creations that succeeded.
    #[must_use]
    pub fn guests_ok(&self) -> usize {
        self.guests.iter().filter(|call| call.status == Some(200)).count()
    }

    /// Counts the upgrades that were accepted.
    #[must_use]
    pub fn upgrades_ok(&self) -> usize {
        self.upgrades.iter().filter(|call| call.status == Some(101)).count()
    }

    /// Counts the sessions that were begun by a configuration.
    #[must_use]
    pub fn sessions_ok(&self) -> usize {
        self.configures.iter().filter(|call| call.code == Some(200) && call.new_session).count()
    }

    /// Counts the messages whose id had come before.
    #[must_use]
    pub fn duplicates(&self) -> usize {
        self.messages.iter().filter(|message| message.duplicate).count()
    }

    /// Gives what the application got, in order.
    #[must_use]
    pub fn texts(&self) -> Vec<&str> {
        self.delivered.iter().map(|message| message.text.as_str()).collect()
    }

    /// Tells whether an acknowledgment of this message went out.
    #[must_use]
    pub fn proves(&self, id: &str) -> bool {
        self.proofs.iter().any(|proof| proof.id == id)
    }

    /// Gives the times of all calls that ask for a token.
    #[must_use]
    pub fn token_calls(&self) -> Vec<u64> {
        match self.profile {
            Profile::Guest => self.guests.iter().map(|call| call.t_ms).collect(),
            Profile::WebMessaging => self.jwts.clone(),
        }
    }

    /// Gives the answer to the command `state`.
    ///
    /// `logins` and `upgrades` count successes; `guest_calls` and its like list all. `refreshes`
    /// is always 0: neither service has one.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let logins = match self.profile {
            Profile::Guest => self.guests_ok(),
            Profile::WebMessaging => self.sessions_ok(),
        };
        json!({
            "profile": self.profile.name(),
            "t_ms": self.t_ms,
            "logins": logins,
            "refreshes": 0,
            "upgrades": self.upgrades_ok(),
            "live_sockets": self.live_sockets,
            "token_calls": self.token_calls(),
            "guest_calls": list(&self.guests, |call| json!({
                "t_ms": call.t_ms, "status": call.status, "token": call.token,
            })),
            "upgrade_calls": list(&self.upgrades, |call| json!({
                "t_ms": call.t_ms, "token": call.token, "status": call.status, "conn": call.conn,
            })),
            "rest_calls": list(&self.rests, |call| json!({
                "t_ms": call.t_ms, "id": call.id, "status": call.status,
            })),
            "configure_calls": list(&self.configures, |call| json!({
                "t_ms": call.t_ms, "conn": call.conn, "token": call.token, "code": call.code,
                "new_session": call.new_session,
            })),
            "jwt_calls": self.jwts,
            "history_calls": list(&self.histories, |call| json!({
                "t_ms": call.t_ms, "page": call.page, "status": call.status,
            })),
            "echoes": list(&self.echoes, |echo| json!({ "t_ms": echo.t_ms, "conn": echo.conn })),
            "pings": list(&self.pings, |ping| json!({ "t_ms": ping.t_ms, "conn": ping.conn })),
            "messages": list(&self.messages, |message| json!({
                "id": message.id, "path": message.path.name(), "t_ms": message.t_ms,
                "duplicate": message.duplicate, "conversation": message.conversation,
                "delivered": message.delivered,
            })),
            "events": list(&self.events, |event| json!({
                "t_ms": event.t_ms, "conn": event.conn, "kind": event.kind,
            })),
            "delivered": list(&self.delivered, |message| json!({
                "id": message.id, "path": message.path.name(), "t_ms": message.t_ms,
                "conversation": message.conversation,
            })),
            "proofs": list(&self.proofs, |proof| json!({
                "id": proof.id, "path": proof.path.name(), "t_ms": proof.t_ms,
            })),
            "sockets": list(&self.sockets, |socket| json!({
                "conn": socket.conn, "opened_ms": socket.opened_ms,
                "closed_ms": socket.closed_ms, "conversation": socket.conversation,
            })),
            "conversations": self.conversations,
            "duplicates": self.duplicates(),
            "lost_acks": self.lost_acks,
            "refused_messages": self.refused_messages,
            "bad_frames": self.bad_frames,
            "swallowed": self.swallowed,
            "unknown_paths": self.unknown_paths,
            "wire_dropped": self.wire_dropped,
        })
    }
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
