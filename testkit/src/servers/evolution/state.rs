//! What the simulator has seen: the counters that acceptance checks are about.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::options::Profile;

/// A snapshot of everything that was counted. Times are milliseconds since the start.
///
/// A status is absent where the request was reset or never answered.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct State {
    /// Which protocol is simulated.
    pub profile: Profile,
    /// When the snapshot was taken.
    pub t_ms: u64,
    /// WebSocket upgrades, refused ones included.
    pub upgrades: Vec<UpgradeCall>,
    /// Creations of instances, refused ones included.
    pub creates: Vec<TokenCall>,
    /// Refreshes of tokens, refused ones included (codechat).
    pub refreshes: Vec<TokenCall>,
    /// Every socket, ended ones included.
    pub sockets: Vec<SocketSeen>,
    /// Pings on sockets.
    pub pings: Vec<PingSeen>,
    /// What clients have sent, which the service ignores: messages, or events of Socket.IO.
    pub messages: Vec<MessageSeen>,
    /// Wishes to join a namespace, refused ones included (v2).
    pub joins: Vec<JoinCall>,
    /// Namespaces of instances that exist (v2).
    pub namespaces: Vec<String>,
    /// Events of the service, whether anybody got them or not.
    pub emits: Vec<Emitted>,
    /// Sockets that are open.
    pub live_sockets: usize,
    /// Frames that broke the WebSocket protocol, or that of Socket.IO.
    pub bad_frames: u64,
    /// Frames that were swallowed by a silence.
    pub swallowed: u64,
    /// HTTP requests to no known endpoint.
    pub unknown_paths: u64,
    /// Wire records that lagging subscribers have missed.
    pub wire_dropped: u64,
}

/// A WebSocket upgrade.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct UpgradeCall {
    /// When it came.
    pub t_ms: u64,
    /// Path that it asked for.
    pub path: String,
    /// Event that it asked for, as it stood in the query, decoded (codechat).
    pub event: Option<String>,
    /// Instance that its token names, whether the token was good or not (codechat).
    pub instance: Option<String>,
    /// Label of the token or key that it showed.
    pub token: Option<String>,
    /// Status of the answer.
    pub status: Option<u16>,
    /// Number of the socket.
    pub conn: Option<u64>,
    /// Time since the last socket of this event and instance ended, or since the last upgrade for
    /// them was refused.
    pub since_ms: Option<u64>,
}

/// A request that asks for a token.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TokenCall {
    /// When it came.
    pub t_ms: u64,
    /// Status of the answer.
    pub status: Option<u16>,
    /// Label of the token that was issued.
    pub token: Option<String>,
}

/// A socket.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct SocketSeen {
    /// Its number.
    pub conn: u64,
    /// Its instance; `undefined` when its token names none (codechat).
    pub instance: Option<String>,
    /// Its event (codechat).
    pub event: Option<String>,
    /// When it was accepted.
    pub opened_ms: u64,
    /// When it ended.
    pub closed_ms: Option<u64>,
    /// When another socket of the same event and instance took its place (codechat).
    pub replaced_ms: Option<u64>,
    /// The first message of its client, at most 1 KiB of it.
    pub first_message: Option<String>,
    /// Events that were written to it.
    pub sent: u64,
}

/// A wish to join a namespace.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct JoinCall {
    /// When it came.
    pub t_ms: u64,
    /// Number of the socket.
    pub conn: u64,
    /// The namespace, as in `/shop-1`.
    pub namespace: String,
    /// Whether it was let in; absent when it was never answered.
    pub joined: Option<bool>,
}

/// A ping.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PingSeen {
    /// When it came.
    pub t_ms: u64,
    /// Number of the socket.
    pub conn: u64,
}

/// A message of a client.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct MessageSeen {
    /// When it came.
    pub t_ms: u64,
    /// Number of the socket.
    pub conn: u64,
    /// Its size in bytes.
    pub bytes: usize,
}

/// An event of the service.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Emitted {
    /// When it happened.
    pub t_ms: u64,
    /// Its instance; absent where the script named none and nobody listened.
    pub instance: Option<String>,
    /// Its name; absent where the script named none and nobody listened.
    pub event: Option<String>,
    /// Number of the socket that got it; absent when it is lost.
    pub conn: Option<u64>,
}

impl State {
    /// Counts the upgrades that were accepted.
    #[must_use]
    pub fn upgrades_ok(&self) -> usize {
        self.upgrades.iter().filter(|call| call.status == Some(101)).count()
    }

    /// Counts the refreshes that gave a token.
    #[must_use]
    pub fn refreshes_ok(&self) -> usize {
        self.refreshes.iter().filter(|call| call.token.is_some()).count()
    }

    /// Gives the upgrades for an event, refused ones included.
    #[must_use]
    pub fn upgrades_of(&self, event: &str) -> Vec<&UpgradeCall> {
        self.upgrades.iter().filter(|call| call.event.as_deref() == Some(event)).collect()
    }

    /// Counts the events that nobody got.
    #[must_use]
    pub fn lost(&self) -> usize {
        self.emits.iter().filter(|emitted| emitted.conn.is_none()).count()
    }

    /// Counts the open sockets that will never get an event, because another one took their place.
    #[must_use]
    pub fn mute_sockets(&self) -> usize {
        let is_mute = |seen: &&SocketSeen| seen.closed_ms.is_none() && seen.replaced_ms.is_some();
        self.sockets.iter().filter(is_mute).count()
    }

    /// Gives the times of all calls that ask for a token.
    #[must_use]
    pub fn token_calls(&self) -> Vec<u64> {
        let mut times: Vec<_> =
            self.creates.iter().chain(&self.refreshes).map(|call| call.t_ms).collect();
        times.sort_unstable();
        times
    }

    /// Gives the answer to the command `state`.
    ///
    /// `logins`, `refreshes` and `upgrades` count successes; `create_calls` and its like list all.
    /// `events` counts by event; messages have no id here.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let token_calls = |calls: &[TokenCall]| {
            list(
                calls,
                |call| json!({ "t_ms": call.t_ms, "status": call.status, "token": call.token }),
            )
        };
        json!({
            "profile": self.profile.name(),
            "t_ms": self.t_ms,
            "logins": self.creates.iter().filter(|call| call.token.is_some()).count(),
            "refreshes": self.refreshes_ok(),
            "upgrades": self.upgrades_ok(),
            "live_sockets": self.live_sockets,
            "mute_sockets": self.mute_sockets(),
            "token_calls": self.token_calls(),
            "create_calls": token_calls(&self.creates),
            "refresh_calls": token_calls(&self.refreshes),
            "upgrade_calls": list(&self.upgrades, |call| json!({
                "t_ms": call.t_ms, "path": call.path, "event": call.event,
                "instance": call.instance, "token": call.token, "status": call.status,
                "conn": call.conn, "since_ms": call.since_ms,
            })),
            "joins": list(&self.joins, |call| json!({
                "t_ms": call.t_ms, "conn": call.conn, "namespace": call.namespace,
                "joined": call.joined,
            })),
            "namespaces": self.namespaces,
            "events": self.by_event(),
            "sockets": list(&self.sockets, |socket| json!({
                "conn": socket.conn, "instance": socket.instance, "event": socket.event,
                "opened_ms": socket.opened_ms, "closed_ms": socket.closed_ms,
                "replaced_ms": socket.replaced_ms, "first_message": socket.first_message,
                "sent": socket.sent,
            })),
            "pings": list(&self.pings, |ping| json!({ "t_ms": ping.t_ms, "conn": ping.conn })),
            "messages": list(&self.messages, |message| json!({
                "id": null, "path": "socket", "t_ms": message.t_ms, "duplicate": false,
                "conn": message.conn, "bytes": message.bytes,
            })),
            "emits": list(&self.emits, |emitted| json!({
                "t_ms": emitted.t_ms, "instance": emitted.instance, "event": emitted.event,
                "conn": emitted.conn,
            })),
            "lost": self.lost(),
            "bad_frames": self.bad_frames,
            "swallowed": self.swallowed,
            "unknown_paths": self.unknown_paths,
            "wire_dropped": self.wire_dropped,
        })
    }

    /// Counts upgrades, open sockets and events, for each name of an event.
    fn by_event(&self) -> Value {
        let upgrades = self.upgrades.iter().filter_map(|call| {
            Some((call.event.as_deref()?, usize::from(call.status != Some(101))))
        });
        let open = self.sockets.iter().filter(|seen| seen.closed_ms.is_none());
        let live = open.clone().filter_map(|seen| Some((seen.event.as_deref()?, 2)));
        let mute = open.filter(|seen| seen.replaced_ms.is_some());
        let mute = mute.filter_map(|seen| Some((seen.event.as_deref()?, 3)));
        let emits = self.emits.iter().filter_map(|emitted| {
            Some((emitted.event.as_deref()?, if emitted.conn.is_some() { 4 } else { 5 }))
        });
        let mut counts: BTreeMap<&str, [u64; 6]> = BTreeMap::new();
        for (event, at) in upgrades.chain(live).chain(mute).chain(emits) {
            counts.entry(event).or_default()[at] += 1;
        }
        let show = |[upgrades, refused, live, mute, sent, lost]: [u64; 6]| {
            json!({
                "upgrades": upgrades, "refused": refused, "live": live, "mute": mute,
                "sent": sent, "lost": lost,
            })
        };
        counts.into_iter().map(|(event, counts)| (event.to_owned(), show(counts))).collect()
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

const MAX_SEEN: usize = 100_000;
