//! The RingCentral simulator: OAuth, WebSocket tokens, the gateway with its recovery, and REST.
//!
//! ```no_run
//! # async fn example() -> std::io::Result<()> {
//! use redial_testkit::servers::ringcentral::RingCentralSim;
//!
//! let sim = RingCentralSim::builder().tls(false).seed(1).start().await?;
//! let server = sim.base();
//! // ... let a client log in at `server`, connect and subscribe ...
//! sim.cut().await;
//! sim.notify(3, serde_json::json!({})).await;
//! // ... the client recovers its session, and three notifications follow the hello ...
//! # let _ = server; Ok(()) }
//! ```
//!
//! An ordinary run answers as the recordings of the vendor's SDK do. Everything else is asked for
//! by the fault script, either by the methods of [`RingCentralSim`] or as JSON at its control
//! endpoint. The steps that a script can refuse are `login` and `refresh` (both are `token`),
//! `wstoken`, `upgrade`, `subscribe` and `rest`; the last two on the socket and over HTTPS.
//!
//! What the vendor does not say is chosen so: an expired session fails with `WSG-1003`, a request
//! beyond `maxActiveRequests` is answered by an `Error` with status 429, and only frames of the
//! client count against the idle timeout. A notification that could not be written to a silenced
//! socket waits for the recovery like one that came while the client was away.

mod delivery;
mod form;
mod frames;
mod gateway;
mod http;
mod options;
mod rest;
mod session;
mod set;
mod sim;
mod state;
mod subscription;
mod time;
mod timers;
mod tokens;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

use self::delivery::Conn;
use self::gateway::Admission;
use self::http::Route;
pub use self::options::{
    AuthCode, AuthRate, Canned, Options, RecoveryAnswer, RefuseMode, Settings, TokenReuse, WscMode,
};
pub use self::rest::CONTENT;
use self::session::Sessions;
pub use self::sim::{Builder, RingCentralSim, serve};
pub use self::state::{
    MessageSeen, NotificationSeen, RestSeen, State, TokenCall, UpgradeCall, Via, WsTokenCall,
};
pub use self::timers::Timeout;
use self::tokens::Tokens;
use super::fault::Command;
use super::frame::Message;
use super::hub::{Answer, Hub, Reply, Request, Vendor};
use super::socket::SocketHandle;
use super::wire::WireLog;

/// The vendor's behaviour.
pub(crate) struct RingCentral {
    base: String,
    ws_uri: String,
    wire: Arc<WireLog>,
    inner: Mutex<Inner>,
}

/// Everything that changes.
struct Inner {
    settings: Settings,
    tokens: Tokens,
    sessions: Sessions,
    conns: BTreeMap<u64, Conn>,
    admitted: BTreeMap<u64, Admission>,
    seen: State,
    message_ids: HashSet<String>,
    last_message: u64,
    notified: u64,
    // Where a notification stands among those that were seen.
    noted: HashMap<String, usize>,
}

impl RingCentral {
    fn new(host: &str, tls: bool, seed: u64, settings: Settings, wire: Arc<WireLog>) -> Self {
        label_settings(&settings, &wire);
        let inner = Inner {
            settings,
            tokens: Tokens::new(seed),
            sessions: Sessions::default(),
            conns: BTreeMap::new(),
            admitted: BTreeMap::new(),
            seen: State::default(),
            message_ids: HashSet::new(),
            last_message: 0,
            notified: 0,
            noted: HashMap::new(),
        };
        let secure = if tls { "s" } else { "" };
        Self {
            base: format!("http{secure}://{host}"),
            ws_uri: format!("ws{secure}://{host}{}", http::SOCKET_PATH),
            wire,
            inner: Mutex::new(inner),
        }
    }

    fn state(&self, hub: &Hub) -> State {
        use std::sync::atomic::Ordering::SeqCst;
        let inner = &mut *self.lock();
        let t_ms = hub.wire.now_ms();
        let (mut buffered, mut subscriptions) = (0, 0);
        for session in inner.sessions.iter_mut() {
            let settings = &inner.settings;
            if session.conn.is_some() || session.is_recoverable(t_ms, settings) {
                buffered += session.buffered();
                subscriptions += usize::from(session.is_subscribed(t_ms, settings));
            }
        }
        let mut state = inner.seen.clone();
        state.t_ms = t_ms;
        state.buffered = buffered;
        state.subscriptions = subscriptions;
        state.live_sockets = hub.live();
        state.bad_frames += hub.bad_frames.load(SeqCst);
        state.swallowed = hub.swallowed.load(SeqCst);
        state.wire_dropped = hub.wire.dropped();
        state
    }

    /// Carries out a `set`; some of its keys are no options but things to happen.
    fn set(&self, wire: &WireLog, key: &str, value: &Value) -> Result<(), String> {
        let inner = &mut *self.lock();
        match key {
            "force_timeout" => {
                let timeout = match value.as_str() {
                    Some("idle") => Timeout::Idle,
                    Some("absolute") => Timeout::Absolute,
                    _ => return Err("\"force_timeout\" takes idle or absolute".to_owned()),
                };
                let conns: Vec<_> = inner.conns.keys().copied().collect();
                conns.into_iter().for_each(|conn| self.end(inner, conn, timeout, wire));
            }
            "revoke_refresh_tokens" => inner.tokens.revoke_refresh(),
            "drop_subscriptions" => {
                inner.sessions.iter_mut().for_each(|session| session.subscription = None);
            }
            _ => inner.settings.set(key, value)?,
        }
        label_settings(&inner.settings, wire);
        inner.conns.values().for_each(|conn| conn.waker.notify_one());
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The simulator and its handle both need the behaviour.
impl Vendor for Arc<RingCentral> {
    fn step(&self, request: &Request) -> &'static str {
        Route::of(request).step(request)
    }

    fn wider_step(&self, request: &Request) -> &'static str {
        if Route::of(request) == Route::Token { "token" } else { "" }
    }

    fn label_secrets(&self, hub: &Hub, request: &Request) {
        if let Some((_, secret)) = form::basic(&request.headers) {
            hub.wire.name("secret", &secret);
        }
        let form = String::from_utf8_lossy(&request.body);
        let (text, kinds): (&str, &[_]) = match Route::of(request) {
            Route::Token | Route::Revoke => (&form, FORM_SECRETS),
            _ => (request.query.as_deref().unwrap_or_default(), QUERY_SECRETS),
        };
        for (name, raw) in text.split('&').filter_map(|pair| pair.split_once('=')) {
            let Some((_, kind)) = kinds.iter().find(|(known, _)| *known == name) else { continue };
            let decoded = super::form::pairs(&format!("={raw}"));
            let decoded = decoded.first().map_or(raw, |(_, value)| value.as_str());
            let label = hub.wire.name(kind, decoded);
            // However the client has encoded it.
            hub.wire.label_as(raw, &label);
        }
    }

    fn refused(&self, hub: &Hub, request: &Request, status: Option<u16>) -> Reply {
        self.refuse(hub, request, status)
    }

    fn answer(&self, hub: &Hub, request: &Request, omit: Option<&str>) -> Answer {
        self.route(hub, request, omit)
    }

    fn opened(&self, hub: &Hub, socket: &SocketHandle) {
        if let Some(waker) = self.open(&hub.wire, socket) {
            tokio::spawn(self.clone().watch(hub.wire.clone(), socket.conn, waker));
        }
    }

    fn message(&self, hub: &Hub, socket: &SocketHandle, message: Message) {
        self.hear(hub, socket, message);
    }

    fn wrote(&self, conn: u64, mark: &str) {
        let inner = &mut *self.lock();
        inner.wrote(mark, conn);
        let session = inner.conns.get(&conn).and_then(|conn| conn.session);
        if let Some(session) = session.and_then(|id| inner.sessions.of(id)) {
            session.wrote(mark);
        }
    }

    fn closed(&self, conn: u64) {
        let inner = &mut *self.lock();
        inner.admitted.remove(&conn);
        let t_ms = self.wire.now_ms();
        self.lose(inner, conn, t_ms);
        if let Some(conn) = inner.conns.remove(&conn) {
            conn.waker.notify_one();
        }
    }

    fn idle(&self) -> Option<(Duration, u16)> {
        None
    }

    fn command(&self, hub: &Hub, command: Command) -> Result<Value, String> {
        match command {
            Command::RevokeTokens => self.lock().tokens.revoke_access(),
            Command::ExpireSessions => {
                let inner = &mut *self.lock();
                inner.sessions.iter_mut().for_each(session::Session::expire);
            }
            Command::Notify { n, body } => return Ok(self.notify(&hub.wire, n, &body)),
            Command::Set { key, value } => self.set(&hub.wire, &key, &value)?,
            Command::State => return Ok(self.state(hub).to_json()),
            _ => return Err("this simulator has no such command".to_owned()),
        }
        Ok(json!({ "ok": true }))
    }
}

/// Labels the secrets that the options hold.
fn label_settings(settings: &Settings, wire: &WireLog) {
    for (_, secret) in &settings.clients {
        wire.name("secret", secret);
    }
    for (assertion, _) in &settings.assertions {
        wire.name("assertion", assertion);
    }
    for code in &settings.auth_codes {
        wire.name("auth-code", &code.code);
        if let Some(verifier) = &code.verifier {
            wire.name("code-verifier", verifier);
        }
    }
}

const FORM_SECRETS: &[(&str, &str)] = &[
    ("assertion", "assertion"),
    ("code", "auth-code"),
    ("code_verifier", "code-verifier"),
    ("client_secret", "secret"),
    ("refresh_token", "foreign-refresh"),
    ("token", "foreign-token"),
];
const QUERY_SECRETS: &[(&str, &str)] =
    &[("access_token", "foreign-wstoken"), ("wsc", "foreign-wsc")];
