//! Evolution API 2: Socket.IO, with a namespace for each instance.

mod events;
mod http;

use std::collections::{BTreeMap, BTreeSet, HashSet};

use serde_json::{Value, json};

pub use self::events::CONFIGURED_EVENTS;
pub(super) use self::http::{label_secrets, step, wider_step};
use super::state::{Emitted, JoinCall, MessageSeen, note};
use super::{Evolution, Inner, MAX_KEPT, Wanted};
use crate::servers::fault::Refused;
use crate::servers::frame::Message;
use crate::servers::hub::Hub;
use crate::servers::random::{epoch_ms, iso_time};
use crate::servers::socket::SocketHandle;
use crate::servers::socketio::Heard;
use crate::servers::valve::End;
use crate::servers::wire::WireLog;

/// What a created instance has.
#[derive(Clone, Debug)]
struct Instance {
    id: String,
    token: Option<String>,
    /// The events that its namespace gets; none at all until somebody configures it.
    websocket: Option<Websocket>,
}

/// How the events of an instance are configured.
#[derive(Clone, Debug)]
struct Websocket {
    enabled: bool,
    events: Vec<String>,
}

/// Everything that changes about Evolution API.
#[derive(Debug, Default)]
pub(super) struct Api {
    instances: BTreeMap<String, Instance>,
    /// Instances whose namespace exists: those that have had an event since the start.
    namespaces: BTreeSet<String>,
    /// Instances whose namespace somebody has asked for.
    asked: BTreeSet<String>,
    /// Who is in which namespace.
    joined: BTreeMap<String, BTreeSet<u64>>,
    /// Keys that were shown and good, and those of them that the script has revoked.
    keys: HashSet<String>,
    revoked: HashSet<String>,
    emitted: u64,
}

impl Evolution {
    /// Greets a new socket.
    pub(super) fn api_opened(&self, socket: &SocketHandle) {
        // Only the older protocol joins anything by opening.
        let _ = self.io.opened(socket);
    }

    /// Hears a message of a client.
    pub(super) fn api_message(&self, hub: &Hub, socket: &SocketHandle, message: Message) {
        let bytes = match &message {
            Message::Text(text) => text.len(),
            Message::Binary(data) => data.len(),
            Message::Ping(_) | Message::Pong(_) | Message::Close(..) => return,
        };
        let (t_ms, conn) = (self.wire.now_ms(), socket.conn);
        match self.io.hear(conn, message) {
            Some(Heard::Connect { nsp, .. }) => self.join(hub, socket, nsp),
            // `sendNode` is the only event that the service listens to, and has no answer.
            Some(Heard::Event { .. }) => {
                note(&mut self.lock().seen.messages, MessageSeen { t_ms, conn, bytes });
            }
            Some(Heard::Disconnect { nsp }) => self.lock().api.leave(conn, &nsp),
            Some(Heard::Broken) => self.lock().broken += 1,
            Some(Heard::Ack { .. }) | None => {}
        }
    }

    /// Forgets a socket.
    pub(super) fn api_closed(&self, inner: &mut Inner, conn: u64) {
        self.io.closed(conn);
        inner.api.joined.values_mut().for_each(|conns| {
            conns.remove(&conn);
        });
        inner.ended((String::new(), String::new()), self.wire.now_ms());
    }

    /// Lets a client into a namespace that exists.
    fn join(&self, hub: &Hub, socket: &SocketHandle, nsp: String) {
        let conn = socket.conn;
        let refusal = hub.take_refusal("join");
        let inner = &mut *self.lock();
        let name = nsp.strip_prefix('/').unwrap_or(&nsp);
        if !name.is_empty() && inner.api.asked.len() < MAX_KEPT {
            inner.api.asked.insert(name.to_owned());
        }
        let joined = match refusal.as_ref().map(|refusal| (refusal.verdict(), &refusal.body)) {
            Some((Refused::Hang, _)) => None,
            Some((Refused::Reset, _)) => {
                socket.link.valve.kill(End::Reset);
                None
            }
            Some((Refused::Status(_) | Refused::Omit, body)) => {
                let message = body.as_ref().and_then(Value::as_str).unwrap_or(INVALID);
                self.io.reject(conn, &nsp, message, None);
                Some(false)
            }
            None if name.is_empty() || inner.api.namespaces.contains(name) => {
                let accepted = self.io.accept(conn, &nsp).is_some();
                if accepted {
                    inner.api.joined.entry(nsp.clone()).or_default().insert(conn);
                }
                Some(accepted)
            }
            None => {
                self.io.reject(conn, &nsp, INVALID, None);
                Some(false)
            }
        };
        let namespace = self.wire.redact(&nsp);
        let call = JoinCall { t_ms: self.wire.now_ms(), conn, namespace, joined };
        note(&mut inner.seen.joins, call);
    }

    /// Emits `n` events of the instances that the script means.
    pub(super) fn api_notify(&self, n: u32, wanted: &Wanted<'_>) -> Value {
        let inner = &mut *self.lock();
        let instances = match wanted.instance {
            Some(instance) => BTreeSet::from([instance.to_owned()]),
            None => inner.api.known(),
        };
        let event = wanted.event.unwrap_or("messages.upsert");
        let mut sent = 0;
        for _ in 0..n {
            inner.api.emitted += 1;
            for instance in &instances {
                let made = || events::data(event, instance, inner.api.emitted);
                let data = wanted.data.cloned().unwrap_or_else(made);
                sent += self.emit_api(inner, instance, event, &data);
            }
        }
        let sockets: BTreeSet<_> = inner.api.joined.values().flatten().collect();
        json!({ "ok": true, "sockets": sockets.len(), "sent": sent })
    }

    /// Emits one event: on the root namespace when everything goes there, and on that of the
    /// instance, which exists from then on. Tells how many heard it.
    fn emit_api(&self, inner: &mut Inner, instance: &str, event: &str, data: &Value) -> u64 {
        let known = inner.api.instances.get(instance);
        let token = known.and_then(|known| known.token.as_ref());
        let mut message = json!({
            "event": event, "instance": instance, "data": data, "server_url": self.url,
            "date_time": iso_time(epoch_ms()), "sender": "5511999990000@s.whatsapp.net",
            "apikey": token.filter(|_| inner.settings.expose_key),
        });
        super::decorate(&inner.settings, &mut message);
        // Labels what is secret in it: the frame is no JSON as a whole.
        let _ = self.wire.redact_json(&message);
        let mut targets = Vec::new();
        if inner.settings.global {
            targets.push("/".to_owned());
        }
        if inner.api.is_configured(instance, event, inner.settings.adopt) {
            inner.make_namespace(instance);
            targets.push(format!("/{instance}"));
        }
        let mut heard = 0;
        for nsp in targets {
            for conn in inner.api.joined.get(&nsp).into_iter().flatten() {
                if self.io.emit(*conn, &nsp, event, vec![message.clone()]) {
                    heard += 1;
                    self.note_emit(&mut inner.seen, instance, event, Some(*conn));
                }
            }
        }
        if heard == 0 {
            self.note_emit(&mut inner.seen, instance, event, None);
        }
        heard
    }

    fn note_emit(&self, seen: &mut super::State, instance: &str, event: &str, conn: Option<u64>) {
        let (instance, event) = (Some(instance.to_owned()), Some(event.to_owned()));
        note(&mut seen.emits, Emitted { t_ms: self.wire.now_ms(), instance, event, conn });
        let mut sockets = seen.sockets.iter_mut().rev();
        if let Some(socket) = sockets.find(|socket| Some(socket.conn) == conn) {
            socket.sent += 1;
        }
    }

    /// Throws every client out of a namespace, as a server may and this one never does.
    pub(super) fn throw_out(&self, nsp: &str) {
        let conns = self.lock().api.joined.remove(nsp).unwrap_or_default();
        for conn in conns {
            self.io.disconnect(conn, nsp, false);
        }
    }
}

impl Inner {
    /// Makes the namespace of an instance exist, as its first event does.
    pub(super) fn make_namespace(&mut self, instance: &str) {
        if self.api.namespaces.len() < MAX_KEPT && self.api.namespaces.insert(instance.to_owned()) {
            self.seen.namespaces.push(instance.to_owned());
        }
    }

    /// Forgets which namespaces exist, as a restart of the server does; who is in one stays there.
    pub(super) fn forget_namespaces(&mut self) {
        self.api.namespaces.clear();
        self.seen.namespaces.clear();
    }

    /// Makes every key so far invalid for new connections.
    pub(super) fn revoke_keys(&mut self) {
        let tokens = self.api.instances.values().filter_map(|known| known.token.clone());
        self.api.revoked.extend(tokens.chain(self.settings.api_keys.iter().cloned()));
        self.api.revoked.extend(self.api.keys.drain());
    }
}

impl Api {
    /// Gives every instance that anybody has spoken of.
    fn known(&self) -> BTreeSet<String> {
        let created = self.instances.keys();
        created.chain(&self.namespaces).chain(&self.asked).cloned().collect()
    }

    /// Tells whether the namespace of an instance gets this event.
    fn is_configured(&self, instance: &str, event: &str, adopt: bool) -> bool {
        let name = events::configured(event);
        match self.instances.get(instance).map(|known| &known.websocket) {
            Some(Some(websocket)) => websocket.enabled && websocket.events.contains(&name),
            Some(None) | None => adopt && CONFIGURED_EVENTS.contains(&name.as_str()),
        }
    }

    fn leave(&mut self, conn: u64, nsp: &str) {
        if let Some(conns) = self.joined.get_mut(nsp) {
            conns.remove(&conn);
        }
    }
}

/// Labels the secrets in a packet: it is no JSON as a whole, so the log cannot find them itself.
pub(super) fn label_frame(wire: &WireLog, text: &str) {
    let Some(at) = text.find(['{', '[']) else { return };
    let Ok(value) = serde_json::from_str::<Value>(&text[at..]) else { return };
    if let (true, Value::Object(auth)) = (text.starts_with("40"), &value) {
        for secret in auth.values().filter_map(Value::as_str) {
            wire.name("auth", secret);
        }
    }
    let _ = wire.redact_json(&value);
}

const INVALID: &str = "Invalid namespace";
