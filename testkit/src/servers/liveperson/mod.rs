//! The LivePerson simulator: domain lookup, login, refresh, and the agent messaging socket.
//!
//! ```no_run
//! # async fn example() -> std::io::Result<()> {
//! use redial_testkit::servers::liveperson::LivePersonSim;
//!
//! let sim = LivePersonSim::builder().tls(false).seed(1).start().await?;
//! let lookup = format!("{}/api/account/1/service/baseURI.json?version=1.0", sim.base());
//! // ... let a client connect by way of `lookup` ...
//! sim.close(4401, "token revoked").await;
//! assert_eq!(sim.state().live_sockets, 0);
//! # let _ = lookup; Ok(()) }
//! ```
//!
//! An ordinary run answers as the recordings of the vendor's SDK do. Everything else is asked for
//! by the fault script, either by the methods of [`LivePersonSim`] or as JSON at its control
//! endpoint.

mod http;
mod options;
mod session;
mod sim;
mod state;
mod tokens;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

use self::http::Route;
pub use self::options::{Bearers, Options, RefuseMode, Settings};
pub use self::sim::{Builder, LivePersonSim, serve};
pub use self::state::{
    CsdsCall, LoginCall, MessageSeen, PingSeen, RefreshCall, RequestSeen, State, UpgradeCall,
};
use self::tokens::Tokens;
use super::fault::Command;
use super::frame::Message;
use super::hub::{Answer, Hub, Reply, Request, Vendor};
use super::socket::SocketHandle;
use super::wire::WireLog;

/// The vendor's behaviour.
pub(crate) struct LivePerson {
    host: String,
    inner: Mutex<Inner>,
}

/// Everything that changes.
struct Inner {
    settings: Settings,
    tokens: Tokens,
    seen: State,
    accounts: HashMap<u64, String>,
    subscribed: HashSet<u64>,
    message_ids: HashSet<String>,
    dialogs: HashMap<String, Dialog>,
}

#[derive(Default)]
struct Dialog {
    sequence: u64,
    history: Vec<(u64, Value)>,
}

impl LivePerson {
    fn new(host: &str, seed: u64, settings: Settings, wire: &WireLog) -> Self {
        label_settings(&settings, wire);
        let inner = Inner {
            settings,
            tokens: Tokens::new(seed),
            seen: State::default(),
            accounts: HashMap::new(),
            subscribed: HashSet::new(),
            message_ids: HashSet::new(),
            dialogs: HashMap::new(),
        };
        Self { host: host.to_owned(), inner: Mutex::new(inner) }
    }

    fn state(&self, hub: &Hub) -> State {
        use std::sync::atomic::Ordering::SeqCst;
        let mut state = self.lock().seen.clone();
        state.t_ms = hub.wire.now_ms();
        state.live_sockets = hub.live();
        state.bad_frames += hub.bad_frames.load(SeqCst);
        state.swallowed = hub.swallowed.load(SeqCst);
        state.wire_dropped = hub.wire.dropped();
        state
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The simulator and its handle both need the behaviour.
impl Vendor for Arc<LivePerson> {
    fn step(&self, request: &Request) -> &'static str {
        Route::of(request).step()
    }

    fn label_secrets(&self, hub: &Hub, request: &Request) {
        let Some((_, raw)) = request.path.split_once("/messaging/brand/") else { return };
        let decoded = match Route::of(request) {
            Route::Socket { bearer, .. } => bearer,
            _ => raw.to_owned(),
        };
        let label = hub.wire.name("foreign-bearer", &decoded);
        // However the client has encoded it.
        hub.wire.label_as(raw, &label);
    }

    fn refused(&self, hub: &Hub, request: &Request, status: Option<u16>) -> Reply {
        self.refuse(hub, request, status)
    }

    fn answer(&self, hub: &Hub, request: &Request, omit: Option<&str>) -> Answer {
        self.route(hub, request, omit)
    }

    fn message(&self, hub: &Hub, socket: &SocketHandle, message: Message) {
        self.hear(hub, socket, message);
    }

    fn closed(&self, conn: u64) {
        let inner = &mut *self.lock();
        inner.accounts.remove(&conn);
        inner.subscribed.remove(&conn);
    }

    fn idle(&self) -> Option<(Duration, u16)> {
        let settings = &self.lock().settings;
        settings.idle_close.map(|idle| (idle, settings.idle_close_code))
    }

    fn command(&self, hub: &Hub, command: Command) -> Result<Value, String> {
        match command {
            Command::RevokeTokens => {
                let inner = &mut *self.lock();
                inner.tokens.revoke_all(&inner.settings);
                Ok(json!({ "ok": true }))
            }
            Command::ExpireSessions => {
                self.lock().tokens.expire_all();
                Ok(json!({ "ok": true }))
            }
            Command::Notify { n, body } => Ok(self.notify(hub, n, &body)),
            Command::Set { key, value } => {
                let inner = &mut *self.lock();
                inner.settings.set(&key, &value)?;
                if let (true, Some(bearer)) = (key == "accept_bearer", value.as_str()) {
                    inner.tokens.readmit(bearer);
                }
                label_settings(&inner.settings, &hub.wire);
                hub.sockets().iter().for_each(SocketHandle::wake);
                Ok(json!({ "ok": true }))
            }
            Command::State => Ok(self.state(hub).to_json()),
            _ => Err("this simulator has no such command".to_owned()),
        }
    }
}

/// Labels the secrets that the options hold.
fn label_settings(settings: &Settings, wire: &WireLog) {
    for bearer in &settings.accept_bearers {
        wire.name("static-bearer", bearer);
    }
    for (_, password) in &settings.users {
        wire.name("password", password);
    }
    for (_, secret) in &settings.app_secrets {
        wire.name("secret", secret);
    }
    for assertion in &settings.assertions {
        wire.name("assertion", assertion);
    }
}
