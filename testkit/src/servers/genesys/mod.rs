//! The Genesys simulator: guest sessions with resend by REST, and today's Web Messaging.
//!
//! ```no_run
//! # async fn example() -> std::io::Result<()> {
//! use redial_testkit::servers::genesys::{CutWhen, GenesysSim, Profile};
//!
//! let sim = GenesysSim::builder().profile(Profile::Guest).seed(1).start().await?;
//! sim.cut_at(2, CutWhen::BeforeAck).await;
//! // ... let a client send three messages to `sim.base()` ...
//! let state = sim.state();
//! assert_eq!(state.texts(), ["one", "two", "three"]);
//! assert_eq!(state.duplicates(), 1);
//! # Ok(()) }
//! ```
//!
//! An ordinary run answers as the recordings do. Everything else is asked for by the fault script,
//! either by the methods of [`GenesysSim`] or as JSON at its control endpoint. Besides the options
//! of [`Settings::set`], the command `set` takes these keys, which are about faults:
//!
//! | key | value |
//! | --- | --- |
//! | `cut_at` | `{"n":3,"when":"before_delivery"}`, `before_ack` or `after_ack`: cuts at the third message on a socket from now; null disarms |
//! | `lose_rest_replies` | how many of the next good answers to a message by REST are lost (guest) |
//! | `read_only` | true ends every conversation, as an agent does; false reopens it (web messaging) |
//!
//! The steps of a refusal are `guest`, `upgrade` and `rest` for guests. For Web Messaging they are
//! `upgrade`, `history`, and three that are refused in band: `join` is `configureSession`, `token`
//! is `getJwt`, and `rest`, the step that sends, is `onMessage`. `fail_requests` is about messages
//! by REST for guests, and about `onMessage` for Web Messaging, where any code can be chosen.
//! `lose_acks` is about the acknowledgments of messages on sockets.

mod builder;
mod delivery;
mod guest;
mod limits;
mod options;
mod sim;
mod state;
mod web_messaging;

use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

pub use self::builder::Builder;
pub use self::delivery::CutWhen;
use self::delivery::Desk;
use self::guest::Guests;
pub use self::limits::Rate;
use self::limits::Recent;
pub use self::options::{DedupeScope, Options, Profile, RefuseMode, Settings, SocketAuth};
pub use self::sim::{GenesysSim, serve};
use self::state::note;
pub use self::state::{
    ConfigureCall, Delivered, EventSeen, GuestCall, HistoryCall, MessageSeen, Path, PingSeen,
    Proof, RestCall, SocketSeen, State, UpgradeCall,
};
use self::web_messaging::Sessions;
use super::fault::Command;
use super::frame::Message;
use super::hub::{Answer, Hub, Reply, Request, Vendor};
use super::random::Names;
use super::socket::SocketHandle;
use super::wire::WireLog;

/// The vendor's behaviour.
pub(crate) struct Genesys {
    profile: Profile,
    wire: Arc<WireLog>,
    inner: Mutex<Inner>,
}

/// Everything that changes.
struct Inner {
    settings: Settings,
    random: Names,
    seen: State,
    desk: Desk,
    recent: Limits,
    guests: Guests,
    sessions: Sessions,
}

/// What was asked for lately, for each limit.
#[derive(Default)]
struct Limits {
    guests: Recent<()>,
    rests: Recent<String>,
    messages: Recent<String>,
    requests: Recent<u64>,
    configures: Recent<String>,
    echoes: Recent<u64>,
    histories: Recent<String>,
    connects: Recent<String>,
}

impl Genesys {
    fn new(profile: Profile, seed: u64, settings: Settings, wire: Arc<WireLog>) -> Self {
        label_settings(&settings, &wire);
        let inner = Inner {
            settings,
            random: Names::new(seed),
            seen: State { profile, ..State::default() },
            desk: Desk::default(),
            recent: Limits::default(),
            guests: Guests::default(),
            sessions: Sessions::default(),
        };
        Self { profile, wire, inner: Mutex::new(inner) }
    }

    /// Looks at the counters without copying them.
    fn with_state<T>(&self, hub: &Hub, look: impl FnOnce(&State) -> T) -> T {
        let live = hub.live();
        let state = &mut self.lock().seen;
        state.t_ms = hub.wire.now_ms();
        state.live_sockets = live;
        state.swallowed = hub.swallowed.load(SeqCst);
        state.wire_dropped = hub.wire.dropped();
        // Frames that broke the protocol move over from where they were counted.
        state.bad_frames += hub.bad_frames.swap(0, SeqCst);
        look(state)
    }

    /// Notes that a socket is open.
    fn opened(&self, inner: &mut Inner, conn: u64, conversation: Option<u64>) {
        let opened_ms = self.wire.now_ms();
        let socket = SocketSeen { conn, opened_ms, closed_ms: None, conversation };
        note(&mut inner.seen.sockets, socket);
    }

    fn set(&self, hub: &Hub, key: &str, value: &Value) -> Result<(), String> {
        let inner = &mut *self.lock();
        match key {
            "cut_at" if value.is_null() => inner.desk.arm_cut(0, CutWhen::BeforeAck),
            "cut_at" => {
                let n = options::number(key, value.get("n").unwrap_or(&json!(1)))?;
                let when = value.get("when").and_then(Value::as_str).and_then(CutWhen::parse);
                let when = when.ok_or("\"when\" is before_delivery, before_ack or after_ack")?;
                inner.desk.arm_cut(u32::try_from(n).unwrap_or(u32::MAX), when);
            }
            "lose_rest_replies" => {
                let n = options::number(key, value)?;
                inner.desk.lose_rest(u32::try_from(n).unwrap_or(u32::MAX));
            }
            "read_only" => inner.set_read_only(options::flag(key, value)?),
            _ => inner.settings.set(key, value)?,
        }
        if key.ends_with("_rate") {
            inner.recent.clear();
        }
        label_settings(&inner.settings, &hub.wire);
        hub.sockets().iter().for_each(SocketHandle::wake);
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The simulator and its handle both need the behaviour.
impl Vendor for Arc<Genesys> {
    fn step(&self, request: &Request) -> &'static str {
        match self.profile {
            Profile::Guest => guest::step(request),
            Profile::WebMessaging => web_messaging::step(request),
        }
    }

    fn label_secrets(&self, hub: &Hub, request: &Request) {
        if self.profile == Profile::Guest {
            guest::label_secrets(&hub.wire, request);
        }
    }

    fn label_frame(&self, hub: &Hub, text: &str) {
        if self.profile == Profile::WebMessaging {
            web_messaging::label_secrets(&hub.wire, text);
        }
    }

    fn refused(&self, _hub: &Hub, request: &Request, status: Option<u16>) -> Reply {
        match self.profile {
            Profile::Guest => self.guest_refused(request, status),
            Profile::WebMessaging => self.web_refused(request, status),
        }
    }

    fn answer(&self, hub: &Hub, request: &Request, omit: Option<&str>) -> Answer {
        match self.profile {
            Profile::Guest => self.guest_answer(hub, request, omit),
            Profile::WebMessaging => self.web_answer(hub, request, omit),
        }
    }

    fn message(&self, hub: &Hub, socket: &SocketHandle, message: Message) {
        if self.lock().desk.is_doomed(socket.conn) {
            return;
        }
        match (message, self.profile) {
            (Message::Ping(_), _) => {
                let ping = PingSeen { t_ms: hub.wire.now_ms(), conn: socket.conn };
                note(&mut self.lock().seen.pings, ping);
            }
            (Message::Text(text), Profile::Guest) => self.guest_text(hub, socket, &text),
            (Message::Text(text), Profile::WebMessaging) => self.web_text(hub, socket, &text),
            (Message::Binary(_), _) => self.lock().seen.bad_frames += 1,
            (Message::Pong(_) | Message::Close(..), _) => {}
        }
        hub.wire.touch();
    }

    fn wrote(&self, _conn: u64, mark: &str) {
        let proof = Proof { t_ms: self.wire.now_ms(), id: mark.to_owned(), path: Path::Socket };
        note(&mut self.lock().seen.proofs, proof);
    }

    fn answers_pings(&self) -> bool {
        self.lock().settings.answer_pings
    }

    fn closed(&self, conn: u64) {
        let inner = &mut *self.lock();
        inner.desk.forget(conn);
        inner.guests.forget(conn);
        inner.sessions.forget(conn);
        if let Some(seen) = inner.seen.sockets.iter_mut().rev().find(|seen| seen.conn == conn) {
            seen.closed_ms = Some(self.wire.now_ms());
        }
    }

    fn idle(&self) -> Option<(Duration, u16)> {
        let settings = &self.lock().settings;
        settings.idle_close.map(|idle| (idle, settings.idle_close_code))
    }

    fn command(&self, hub: &Hub, command: Command) -> Result<Value, String> {
        match command {
            Command::RevokeTokens => {
                let inner = &mut *self.lock();
                inner.guests.revoke_all();
                inner.sessions.forget_all();
                Ok(json!({ "ok": true }))
            }
            Command::ExpireSessions => {
                let inner = &mut *self.lock();
                inner.guests.expire_all();
                inner.expire_sessions();
                Ok(json!({ "ok": true }))
            }
            Command::Notify { n, body } => Ok(match self.profile {
                Profile::Guest => self.guest_notify(hub, n, &body),
                Profile::WebMessaging => self.web_notify(n, &body),
            }),
            Command::Set { key, value } => {
                self.set(hub, &key, &value)?;
                Ok(json!({ "ok": true }))
            }
            Command::State => Ok(self.with_state(hub, State::to_json)),
            _ => Err("this simulator has no such command".to_owned()),
        }
    }
}

impl Inner {
    /// Numbers a new conversation.
    fn next_conversation(&mut self) -> u64 {
        self.seen.conversations += 1;
        self.seen.conversations
    }
}

impl Limits {
    fn clear(&mut self) {
        *self = Self::default();
    }
}

/// Labels the secrets that the options hold.
fn label_settings(settings: &Settings, wire: &WireLog) {
    for token in &settings.oauth_tokens {
        wire.name("oauth", token);
    }
    for key in &settings.api_keys {
        wire.name("api-key", key);
    }
}

/// Adds fields that no client knows, when the options say so.
fn decorate(settings: &Settings, frame: &mut Value) {
    if let (true, Some(fields)) = (settings.extra_fields, frame.as_object_mut()) {
        fields.insert("x-unknown".to_owned(), json!({ "nested": [1, null, { "deep": true }] }));
    }
}
