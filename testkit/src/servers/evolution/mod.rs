//! The Evolution simulator: CodeChat's event sockets, and Evolution API 2 over Socket.IO.
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
//! # CodeChat
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
//! # Evolution API 2
//!
//! Engine.IO 4 at `/socket.io/`, over WebSocket only. A key comes in the query or in a header
//! (`apikey`). The namespace of an instance exists after its first event, and gets those that are
//! configured; the root namespace gets all events of all instances while `global` is set.
//!
//! `POST /instance/create` issues a key (`hash`), `POST /websocket/set/{instanceName}` configures
//! (body `{"websocket":{"enabled","events"}}`) and `GET /websocket/find/{instanceName}` shows it;
//! all want a key in the header `apikey`.
//!
//! # The fault script
//!
//! Everything else is asked for by the fault script, either by the methods of [`EvolutionSim`] or
//! as JSON at its control endpoint. The body of `notify` is `{"instance", "event", "data"}`, where
//! each may be absent. Without data a payload is made up. Without an instance CodeChat means those
//! of all sockets, without an event all sockets; Evolution API means every instance that anybody
//! has spoken of, and `messages.upsert`. A body with none of them is the payload itself.
//!
//! Besides the options of [`Settings::set`], the command `set` takes these keys:
//!
//! | key | value |
//! | --- | --- |
//! | `cut_event` | an event: cuts its sockets (codechat) |
//! | `namespace` | an instance: makes its namespace exist (v2) |
//! | `disconnect` | a namespace: throws everybody out of it (v2) |
//!
//! `revoke_tokens` makes tokens and keys invalid for new sockets; `expire_sessions` forgets the
//! instances of CodeChat, so that their tokens cannot be refreshed, and the namespaces of
//! Evolution API, as a restart does.
//!
//! The steps of a refusal are `upgrade`, `login` (creating an instance), `refresh`, and `token`,
//! which is both of these. An upgrade of CodeChat refused with 401 is refused as the server does.
//! For Evolution API there are `subscribe` (configuring) and `join`, which is refused in band: with
//! any status by `Invalid namespace`, or by the text that is the body.

mod builder;
mod codechat;
mod jwt;
mod options;
mod sim;
mod state;
mod v2;

use std::collections::HashMap;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

pub use self::builder::Builder;
pub use self::codechat::events::EVENTS;
use self::codechat::{CodeChat, Key};
pub use self::jwt::sign;
pub use self::options::{Options, Profile, RefuseMode, Settings};
pub use self::sim::{EvolutionSim, serve};
use self::state::note;
pub use self::state::{
    Emitted, JoinCall, MessageSeen, PingSeen, SocketSeen, State, TokenCall, UpgradeCall,
};
use self::v2::Api;
pub use self::v2::CONFIGURED_EVENTS;
use super::fault::Command;
use super::frame::Message;
use super::hub::{Answer, Hub, Reply, Request, Vendor};
use super::random::Names;
use super::socket::SocketHandle;
use super::socketio::{Config, Generation, SocketIo};
use super::wire::WireLog;

/// The vendor's behaviour.
pub(crate) struct Evolution {
    profile: Profile,
    wire: Arc<WireLog>,
    /// Where the service says that it is.
    url: String,
    io: Arc<SocketIo>,
    inner: Mutex<Inner>,
}

/// Everything that changes.
struct Inner {
    settings: Settings,
    random: Names,
    seen: State,
    chat: CodeChat,
    api: Api,
    /// When something last ended for a key.
    ends: HashMap<Key, u64>,
    /// Frames that broke the protocol of Socket.IO.
    broken: u64,
}

/// What a script wants to be emitted.
struct Wanted<'a> {
    instance: Option<&'a str>,
    event: Option<&'a str>,
    /// Made up when absent.
    data: Option<&'a Value>,
}

impl Evolution {
    fn new(
        profile: Profile,
        seed: u64,
        settings: Settings,
        host: &str,
        wire: Arc<WireLog>,
    ) -> Self {
        label_settings(&settings, &wire);
        let io = SocketIo::new(Config::new(Generation::V4), seed);
        let inner = Inner {
            settings,
            random: Names::new(seed),
            seen: State { profile, ..State::default() },
            chat: CodeChat::default(),
            api: Api::default(),
            ends: HashMap::new(),
            broken: 0,
        };
        let (io, inner, url) = (Arc::new(io), Mutex::new(inner), format!("http://{host}"));
        let this = Self { profile, wire, url, io, inner };
        this.configure(&this.lock().settings);
        this
    }

    /// Looks at the counters without copying them.
    fn with_state<T>(&self, hub: &Hub, look: impl FnOnce(&State) -> T) -> T {
        let live = hub.live();
        let inner = &mut *self.lock();
        let state = &mut inner.seen;
        state.t_ms = hub.wire.now_ms();
        state.live_sockets = live;
        state.swallowed = hub.swallowed.load(SeqCst);
        state.wire_dropped = hub.wire.dropped();
        state.bad_frames = hub.bad_frames.load(SeqCst) + inner.broken;
        look(state)
    }

    fn set(&self, hub: &Hub, key: &str, value: &Value) -> Result<(), String> {
        let named = |what| value.as_str().ok_or_else(|| options::takes(key, what));
        match key {
            "cut_event" => self.cut_event(hub, named("the name of an event")?),
            "namespace" => self.lock().make_namespace(named("the name of an instance")?),
            "disconnect" => self.throw_out(named("a namespace")?),
            _ => {
                let inner = &mut *self.lock();
                inner.settings.set(key, value)?;
                self.configure(&inner.settings);
                label_settings(&inner.settings, &hub.wire);
                hub.sockets().iter().for_each(SocketHandle::wake);
            }
        }
        Ok(())
    }

    /// Tells the server of Socket.IO what new connections are held to.
    fn configure(&self, settings: &Settings) {
        self.io.configure(|config| {
            config.ping_interval = settings.ping_interval;
            config.ping_timeout = settings.ping_timeout;
            config.connect_timeout = settings.join_timeout;
            config.max_payload = settings.max_payload;
        });
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The simulator and its handle both need the behaviour.
impl Vendor for Arc<Evolution> {
    fn step(&self, request: &Request) -> &'static str {
        match self.profile {
            Profile::CodeChat => codechat::step(request),
            Profile::V2 => v2::step(request),
        }
    }

    fn wider_step(&self, request: &Request) -> &'static str {
        match self.profile {
            Profile::CodeChat => codechat::wider_step(request),
            Profile::V2 => v2::wider_step(request),
        }
    }

    fn label_secrets(&self, hub: &Hub, request: &Request) {
        match self.profile {
            Profile::CodeChat => codechat::label_secrets(&hub.wire, request),
            Profile::V2 => v2::label_secrets(&hub.wire, request),
        }
    }

    fn label_frame(&self, hub: &Hub, text: &str) {
        if self.profile == Profile::V2 {
            v2::label_frame(&hub.wire, text);
        }
    }

    fn refused(&self, _hub: &Hub, request: &Request, status: Option<u16>) -> Reply {
        match self.profile {
            Profile::CodeChat => self.chat_refused(request, status),
            Profile::V2 => self.api_refused(request, status),
        }
    }

    fn answer(&self, hub: &Hub, request: &Request, omit: Option<&str>) -> Answer {
        match self.profile {
            Profile::CodeChat => self.chat_answer(hub, request, omit),
            Profile::V2 => self.api_answer(hub, request, omit),
        }
    }

    fn opened(&self, _hub: &Hub, socket: &SocketHandle) {
        match self.profile {
            Profile::CodeChat => self.chat_opened(socket),
            Profile::V2 => self.api_opened(socket),
        }
    }

    fn message(&self, hub: &Hub, socket: &SocketHandle, message: Message) {
        if let Message::Ping(_) = message {
            let ping = PingSeen { t_ms: hub.wire.now_ms(), conn: socket.conn };
            note(&mut self.lock().seen.pings, ping);
        }
        match self.profile {
            Profile::CodeChat => self.chat_message(socket.conn, &message),
            Profile::V2 => self.api_message(hub, socket, message),
        }
        hub.wire.touch();
    }

    fn answers_pings(&self) -> bool {
        self.lock().settings.answer_pings
    }

    fn closed(&self, conn: u64) {
        let inner = &mut *self.lock();
        match self.profile {
            Profile::CodeChat => self.chat_closed(inner, conn),
            Profile::V2 => self.api_closed(inner, conn),
        }
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
                inner.chat.revoke_all();
                inner.revoke_keys();
                Ok(json!({ "ok": true }))
            }
            Command::ExpireSessions => {
                let inner = &mut *self.lock();
                inner.chat.expire_all();
                inner.forget_namespaces();
                Ok(json!({ "ok": true }))
            }
            Command::Notify { n, body } => {
                let wanted = Wanted::of(&body);
                Ok(match self.profile {
                    Profile::CodeChat => self.chat_notify(n, &wanted),
                    Profile::V2 => self.api_notify(n, &wanted),
                })
            }
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
    /// Remembers that something ended for a key.
    fn ended(&mut self, key: Key, now_ms: u64) {
        if self.ends.len() >= MAX_KEPT {
            self.ends.clear();
        }
        self.ends.insert(key, now_ms);
    }
}

impl<'a> Wanted<'a> {
    fn of(body: &'a Value) -> Self {
        let text = |name: &str| body.get(name).and_then(Value::as_str);
        let (instance, event, data) = (text("instance"), text("event"), body.get("data"));
        let is_empty = body.as_object().is_some_and(serde_json::Map::is_empty);
        if instance.is_some() || event.is_some() || data.is_some() || is_empty {
            return Self { instance, event, data };
        }
        // Not an address of any kind: the body is the payload itself.
        Self { instance: None, event: None, data: Some(body) }
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

const MAX_KEPT: usize = 100_000;
