//! The Vonage simulator: sessions over Socket.IO, of both generations of the platform.
//!
//! ```no_run
//! # async fn example() -> std::io::Result<()> {
//! use redial_testkit::servers::vonage::{Generation, VonageSim};
//!
//! let sim = VonageSim::builder(Generation::V2).seed(1).start().await?;
//! let url = sim.base();
//! // ... let a client create a session at `url` ...
//! sim.cut().await;
//! sim.notify(1, serde_json::json!({ "event": "text", "body": { "text": "hello" } })).await;
//! // ... the client resumes its session, and finds the event in `session:success` ...
//! # let _ = url; Ok(()) }
//! ```
//!
//! Tokens are JWTs of which only the claims are read: `sub`, `exp` and `acl`. Everything else is
//! asked for by the fault script, either by the methods of [`VonageSim`] or as JSON at its control
//! endpoint. Besides the options of [`Settings::set`], the command `set` takes these keys, which
//! make something happen:
//!
//! | key | value |
//! | --- | --- |
//! | `advance_ms` | number: the clock that tokens and windows are measured by jumps |
//! | `expire_tokens` | true: every token so far is expired, and attached sessions hear of it |
//! | `disconnect` | `close` or `open`: every session is disconnected by `41`, with or without a close frame |
//!
//! The steps that a script can refuse are `upgrade`; `login`, which is every attempt to have a
//! session, resumed ones included; `refresh`, which is a new token for a session in either way
//! (both are `token`); and `rest`. What happens on the socket is refused by an event: `body` may
//! name it as `{"event":..,"description":..}`, else the status chooses one (401
//! `system:error:invalid-token`, 403 `system:error:permission`, 404 `user:error:not-found`, 410
//! `session:error:invalid`, 429 `session:error:max-open-sessions`, any other
//! `system:error:internal`).
//!
//! What the vendor does not say is chosen so. A second connection of a session ends the first one
//! by `41`. An event of the client that is not about the session is answered by its name with
//! `:success`, and one with a `cid` becomes an event of that conversation, which every session
//! gets. A session id with a token of another user is invalid. A name that begins with `session:`
//! and is not known is answered by `system:error:invalid-event`.

mod attach;
mod events;
mod http;
mod jwt;
mod options;
mod push;
mod session;
mod sim;
mod state;
mod timers;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::Notify;

use self::jwt::tokens_in;
use self::options::number;
pub use self::options::{
    Generation, OnExpiry, Options, RejectWith, ResumeAnswer, Settings, UnknownSession, Withhold,
};
use self::session::{Pushed, Sessions};
pub use self::sim::{Builder, VonageSim, serve};
pub use self::state::{Attach, EventSeen, MessageSeen, Outcome, RefreshCall, State, UpgradeCall};
use super::fault::Command;
use super::frame::Message;
use super::hub::{Answer, Hub, Reply, Request, Vendor};
use super::random::epoch_ms;
use super::socket::SocketHandle;
use super::socketio::{Config, Heard, SocketIo};
use super::wire::WireLog;

/// The vendor's behaviour.
pub(crate) struct Vonage {
    generation: Generation,
    started_ms: u64,
    wire: Arc<WireLog>,
    io: Arc<SocketIo>,
    /// Wakes whoever waits for a token to expire.
    waker: Notify,
    inner: Mutex<Inner>,
}

/// Everything that changes.
struct Inner {
    settings: Settings,
    sessions: Sessions,
    conns: BTreeMap<u64, Conn>,
    admitted: BTreeMap<u64, Hello>,
    /// The events of each conversation.
    conversations: BTreeMap<String, Conversation>,
    tokens: Tokens,
    advanced_ms: u64,
    notified: u64,
    tids: BTreeSet<String>,
    seen: State,
}

/// What a client has said in its query.
#[derive(Clone, Debug, Default)]
struct Hello {
    session_id: Option<String>,
    token: Option<String>,
    acknowledges: bool,
}

/// A socket.
struct Conn {
    handle: SocketHandle,
    hello: Hello,
    /// Whether it has been told to go; nothing that it says counts then.
    refused: bool,
}

#[derive(Default)]
struct Conversation {
    last_id: u64,
    events: Vec<Pushed>,
}

/// Tokens that were presented, and those that have been declared dead.
#[derive(Default)]
struct Tokens {
    known: BTreeSet<String>,
    revoked: BTreeSet<String>,
    expired: BTreeSet<String>,
}

impl Vonage {
    fn new(generation: Generation, seed: u64, settings: Settings, wire: Arc<WireLog>) -> Self {
        let config = Config::new(generation.protocol());
        let inner = Inner {
            settings,
            sessions: Sessions::new(seed),
            conns: BTreeMap::new(),
            admitted: BTreeMap::new(),
            conversations: BTreeMap::new(),
            tokens: Tokens::default(),
            advanced_ms: 0,
            notified: 0,
            tids: BTreeSet::new(),
            seen: State::default(),
        };
        let vonage = Self {
            generation,
            started_ms: epoch_ms(),
            wire,
            io: Arc::new(SocketIo::new(config, seed)),
            waker: Notify::new(),
            inner: Mutex::new(inner),
        };
        vonage.configure(&vonage.lock().settings);
        vonage
    }

    /// Hands the settings of the protocol underneath on to it.
    fn configure(&self, settings: &Settings) {
        self.io.configure(|config| {
            config.ping_interval = settings.ping_interval;
            config.ping_timeout = settings.ping_timeout;
            config.max_payload = settings.max_payload;
            config.allow_eio3 = settings.allow_eio3;
        });
    }

    /// Tells the time since the start, as far as windows are concerned.
    fn now_ms(&self, inner: &Inner) -> u64 {
        self.wire.now_ms().saturating_add(inner.advanced_ms)
    }

    /// Tells the wall clock, as far as tokens are concerned.
    fn wall_ms(&self, inner: &Inner) -> u64 {
        self.started_ms.saturating_add(self.now_ms(inner))
    }

    fn state(&self, hub: &Hub) -> State {
        let inner = &mut *self.lock();
        inner.sessions.sweep(self.now_ms(inner), inner.settings.window);
        let mut state = inner.seen.clone();
        state.t_ms = hub.wire.now_ms();
        state.sessions = inner.sessions.len();
        state.live_sockets = hub.live();
        state.bad_frames += hub.bad_frames.load(SeqCst);
        state.swallowed = hub.swallowed.load(SeqCst);
        state.wire_dropped = hub.wire.dropped();
        state
    }

    fn set(self: &Arc<Self>, key: &str, value: &Value) -> Result<(), String> {
        let inner = &mut *self.lock();
        match key {
            "advance_ms" => {
                let by = number(key, value)?;
                inner.advanced_ms = inner.advanced_ms.saturating_add(by).min(FAR_MS);
            }
            "expire_tokens" if value == &json!(true) => {
                let known = inner.tokens.known.clone();
                inner.tokens.expired.extend(known);
            }
            "expire_tokens" => return Err("\"expire_tokens\" takes true".to_owned()),
            "disconnect" => {
                let close = match value.as_str() {
                    Some("close") => true,
                    Some("open") => false,
                    _ => return Err("\"disconnect\" takes close or open".to_owned()),
                };
                let conns: Vec<_> = inner.conns.keys().copied().collect();
                conns.into_iter().for_each(|conn| self.throw_out(inner, conn, close));
            }
            _ => {
                inner.settings.set(key, value)?;
                self.configure(&inner.settings);
            }
        }
        self.expire(inner);
        self.waker.notify_one();
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The simulator and its handle both need the behaviour.
impl Vendor for Arc<Vonage> {
    fn step(&self, request: &Request) -> &'static str {
        http::Route::of(self.generation, request).step()
    }

    fn wider_step(&self, request: &Request) -> &'static str {
        if self.step(request) == "refresh" { "token" } else { "" }
    }

    fn label_secrets(&self, hub: &Hub, request: &Request) {
        let query = http::hello(request);
        for token in query.token.iter().map(String::as_str).chain(http::bearer(request)) {
            hub.wire.name("jwt", token);
        }
        let body = String::from_utf8_lossy(&request.body);
        tokens_in(&body).for_each(|token| drop(hub.wire.name("jwt", token)));
    }

    fn label_frame(&self, hub: &Hub, text: &str) {
        tokens_in(text).for_each(|token| drop(hub.wire.name("jwt", token)));
        if let Some(token) = events::token_in(text) {
            hub.wire.name("jwt", &token);
        }
    }

    fn refused(&self, hub: &Hub, request: &Request, status: Option<u16>) -> Reply {
        self.refuse(hub, request, status)
    }

    fn answer(&self, hub: &Hub, request: &Request, omit: Option<&str>) -> Answer {
        self.route(hub, request, omit)
    }

    fn opened(&self, hub: &Hub, socket: &SocketHandle) {
        let inner = &mut *self.lock();
        let Some(hello) = inner.admitted.remove(&socket.conn) else { return };
        let conn = Conn { handle: socket.clone(), hello, refused: false };
        inner.conns.insert(socket.conn, conn);
        if inner.settings.withhold == Withhold::Open {
            return;
        }
        if let Some(Heard::Connect { nsp, .. }) = self.io.opened(socket) {
            self.join(hub, inner, socket.conn, &nsp);
        }
    }

    fn message(&self, hub: &Hub, socket: &SocketHandle, message: Message) {
        let conn = socket.conn;
        let Some(heard) = self.io.hear(conn, message) else { return };
        let inner = &mut *self.lock();
        match heard {
            Heard::Connect { nsp, .. } => self.join(hub, inner, conn, &nsp),
            Heard::Event { name, args, id, .. } => {
                self.event(hub, inner, conn, &name, &args);
                if let Some(id) = id {
                    self.io.ack(conn, "/", id, Vec::new());
                }
            }
            Heard::Ack { id, .. } => self.acknowledged(inner, conn, id),
            Heard::Disconnect { .. } => self.detach(inner, conn),
            Heard::Broken => inner.seen.bad_frames += 1,
        }
        hub.wire.touch();
    }

    fn closed(&self, conn: u64) {
        self.io.closed(conn);
        let inner = &mut *self.lock();
        inner.admitted.remove(&conn);
        inner.conns.remove(&conn);
        self.detach(inner, conn);
        let now = self.wire.now_ms();
        if let Some(last) = inner.seen.attaches.iter_mut().rfind(|one| one.conn == conn) {
            last.closed_ms = Some(now);
        }
        self.wire.touch();
    }

    fn idle(&self) -> Option<(Duration, u16)> {
        None
    }

    fn command(&self, hub: &Hub, command: Command) -> Result<Value, String> {
        match command {
            Command::RevokeTokens => {
                let inner = &mut *self.lock();
                let known = inner.tokens.known.clone();
                inner.tokens.revoked.extend(known);
            }
            Command::ExpireSessions => self.lock().sessions.expire_all(),
            Command::Notify { n, body } => return self.notify(&mut self.lock(), n, &body),
            Command::Set { key, value } => self.set(&key, &value)?,
            Command::State => return Ok(self.state(hub).to_json()),
            _ => return Err("this simulator has no such command".to_owned()),
        }
        hub.wire.touch();
        Ok(json!({ "ok": true }))
    }
}

/// A hundred years: as far as the clock may jump.
const FAR_MS: u64 = 100 * 366 * 24 * 60 * 60 * 1000;
