//! The Evolution simulator: CodeChat's event sockets.
//!
//! ```no_run
//! # async fn example() -> std::io::Result<()> {
//! use redial_testkit::servers::evolution::EvolutionSim;
//! use serde_json::json;
//!
//! let sim = EvolutionSim::builder().jwt_secret("secret").seed(1).start().await?;
//! let token = sim.sign(&json!({ "instanceName": "shop-1" }));
//! // ... let a client open `/ws/events?event=messages.upsert&token=..` at `sim.ws_base()` ...
//! # let _ = token;
//! assert!(sim.emit("shop-1", "messages.upsert", json!({ "keyId": "A" })).await);
//! # Ok(()) }
//! ```
//!
//! An ordinary run answers as the recordings do: every refused upgrade is the same status line and
//! the end of the connection; there is no greeting, no acknowledgment and no ping; what a client
//! sends is ignored; and a second socket for the same event of an instance takes the place of the
//! first, which stays open and mute. When the second ends, nobody gets the events, until somebody
//! connects anew.
//!
//! `POST /instance/create` (header `apikey`, body `{"instanceName"}`) and
//! `PUT /instance/refreshToken/{instanceName}` (body `{"oldToken"}`) issue tokens.
//!
//! Everything else is asked for by the fault script, either by the methods of [`EvolutionSim`] or
//! as JSON at its control endpoint. The body of `notify` is `{"instance", "event", "data"}`, where
//! each may be absent: without an instance it is for those of all that have a socket, without an
//! event for all sockets, and without data a payload is made up. A body with none of them is the
//! payload for every socket. Besides the options of [`Settings::set`], the command `set` takes the
//! key `cut_event`, which cuts the sockets of the event that it names.
//!
//! The steps of a refusal are `upgrade`, `login` (creating an instance), `refresh`, and `token`,
//! which is both of these. An upgrade refused with status 401 is refused as the server does.

mod builder;
mod codechat;
mod jwt;
mod options;
mod sim;
mod state;

use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

pub use self::builder::Builder;
use self::codechat::CodeChat;
pub use self::codechat::events::EVENTS;
pub use self::jwt::sign;
pub use self::options::{Options, Profile, RefuseMode, Settings};
pub use self::sim::{EvolutionSim, serve};
use self::state::note;
pub use self::state::{Emitted, MessageSeen, PingSeen, SocketSeen, State, TokenCall, UpgradeCall};
use super::fault::Command;
use super::frame::Message;
use super::hub::{Answer, Hub, Reply, Request, Vendor};
use super::random::Random;
use super::socket::SocketHandle;
use super::wire::WireLog;

/// The vendor's behaviour.
pub(crate) struct Evolution {
    wire: Arc<WireLog>,
    inner: Mutex<Inner>,
}

/// Everything that changes.
struct Inner {
    settings: Settings,
    random: Random,
    seen: State,
    chat: CodeChat,
}

impl Evolution {
    fn new(profile: Profile, seed: u64, settings: Settings, wire: Arc<WireLog>) -> Self {
        label_settings(&settings, &wire);
        let inner = Inner {
            settings,
            random: Random::new(seed),
            seen: State { profile, ..State::default() },
            chat: CodeChat::default(),
        };
        Self { wire, inner: Mutex::new(inner) }
    }

    /// Looks at the counters without copying them.
    fn with_state<T>(&self, hub: &Hub, look: impl FnOnce(&State) -> T) -> T {
        let live = hub.live();
        let state = &mut self.lock().seen;
        state.t_ms = hub.wire.now_ms();
        state.live_sockets = live;
        state.swallowed = hub.swallowed.load(SeqCst);
        state.wire_dropped = hub.wire.dropped();
        state.bad_frames = hub.bad_frames.load(SeqCst);
        look(state)
    }

    fn set(&self, hub: &Hub, key: &str, value: &Value) -> Result<(), String> {
        if key == "cut_event" {
            let event =
                value.as_str().ok_or_else(|| options::takes(key, "the name of an event"))?;
            self.cut_event(hub, event);
            return Ok(());
        }
        let inner = &mut *self.lock();
        inner.settings.set(key, value)?;
        label_settings(&inner.settings, &hub.wire);
        hub.sockets().iter().for_each(SocketHandle::wake);
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The simulator and its handle both need the behaviour.
impl Vendor for Arc<Evolution> {
    fn step(&self, request: &Request) -> &'static str {
        codechat::step(request)
    }

    fn wider_step(&self, request: &Request) -> &'static str {
        codechat::wider_step(request)
    }

    fn label_secrets(&self, hub: &Hub, request: &Request) {
        codechat::label_secrets(&hub.wire, request);
    }

    fn refused(&self, _hub: &Hub, request: &Request, status: Option<u16>) -> Reply {
        self.chat_refused(request, status)
    }

    fn answer(&self, hub: &Hub, request: &Request, omit: Option<&str>) -> Answer {
        self.chat_answer(hub, request, omit)
    }

    fn opened(&self, _hub: &Hub, socket: &SocketHandle) {
        self.chat_opened(socket);
    }

    fn message(&self, hub: &Hub, socket: &SocketHandle, message: Message) {
        match message {
            Message::Ping(_) => {
                let ping = PingSeen { t_ms: hub.wire.now_ms(), conn: socket.conn };
                note(&mut self.lock().seen.pings, ping);
            }
            Message::Text(text) => {
                self.chat_message(socket.conn, &hub.wire.redact(&text), text.len());
            }
            Message::Binary(data) => self.chat_message(socket.conn, "(binary)", data.len()),
            Message::Pong(_) | Message::Close(..) => {}
        }
        hub.wire.touch();
    }

    fn answers_pings(&self) -> bool {
        self.lock().settings.answer_pings
    }

    fn closed(&self, conn: u64) {
        let inner = &mut *self.lock();
        self.chat_closed(inner, conn);
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
                self.lock().chat.revoke_all();
                Ok(json!({ "ok": true }))
            }
            Command::ExpireSessions => {
                self.lock().chat.expire_all();
                Ok(json!({ "ok": true }))
            }
            Command::Notify { n, body } => Ok(self.chat_notify(n, &body)),
            Command::Set { key, value } => {
                self.set(hub, &key, &value)?;
                Ok(json!({ "ok": true }))
            }
            Command::State => Ok(self.with_state(hub, State::to_json)),
            _ => Err("this simulator has no such command".to_owned()),
        }
    }
}

/// Labels the secrets that the options hold.
fn label_settings(settings: &Settings, wire: &WireLog) {
    wire.name("jwt-secret", &settings.jwt_secret);
    for key in &settings.api_keys {
        wire.name("api-key", key);
    }
}

/// Adds fields that no client knows, when the options say so.
fn decorate(settings: &Settings, payload: &mut Value) {
    if let (true, Some(fields)) = (settings.extra_fields, payload.as_object_mut()) {
        fields.insert("x-unknown".to_owned(), json!({ "nested": [1, null, { "deep": true }] }));
    }
}
