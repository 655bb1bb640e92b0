//! The handshake, and the endpoints that create and configure instances.

use http::{HeaderName, Method};
use serde_json::{Value, json};

use super::{CONFIGURED_EVENTS, Instance, Websocket};
use crate::servers::evolution::state::{SocketSeen, TokenCall, UpgradeCall, note};
use crate::servers::evolution::{Evolution, Inner, MAX_KEPT};
use crate::servers::http::header;
use crate::servers::hub::{Answer, Hub, Reply, Request};
use crate::servers::socketio::{forbid, query};
use crate::servers::valve::End;
use crate::servers::wire::WireLog;

/// Where a request goes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Route<'a> {
    Socket,
    /// An upgrade to another path, which nobody answers.
    Elsewhere,
    Create,
    Configure(&'a str),
    Find(&'a str),
    Unknown,
}

impl<'a> Route<'a> {
    fn of(request: &'a Request) -> Self {
        if request.path.starts_with("/socket.io/") {
            return Self::Socket;
        }
        if request.upgrade {
            return Self::Elsewhere;
        }
        let segments: Vec<_> = request.path.split('/').collect();
        match (segments.as_slice(), &request.method) {
            (["", "instance", "create"], &Method::POST) => Self::Create,
            (["", "websocket", "set", name], &Method::POST) => Self::Configure(name),
            (["", "websocket", "find", name], &Method::GET) => Self::Find(name),
            _ => Self::Unknown,
        }
    }
}

/// Names the step that a request is.
pub(in crate::servers::evolution) fn step(request: &Request) -> &'static str {
    match Route::of(request) {
        Route::Socket => "upgrade",
        Route::Create => "login",
        Route::Configure(_) | Route::Find(_) => "subscribe",
        Route::Elsewhere | Route::Unknown => "",
    }
}

/// Names the step that creating an instance is part of.
pub(in crate::servers::evolution) fn wider_step(request: &Request) -> &'static str {
    if Route::of(request) == Route::Create { "token" } else { "" }
}

/// Labels the key of a request.
pub(in crate::servers::evolution) fn label_secrets(wire: &WireLog, request: &Request) {
    for key in [query(request, "apikey"), header_key(request)].into_iter().flatten() {
        wire.name("api-key", &key);
    }
}

impl Evolution {
    /// Records a refusal.
    pub(in crate::servers::evolution) fn api_refused(
        &self,
        request: &Request,
        status: Option<u16>,
    ) -> Reply {
        let t_ms = self.wire.now_ms();
        let inner = &mut *self.lock();
        match Route::of(request) {
            Route::Socket => {
                self.note_handshake(inner, request, status, None);
                return handshake_refused(request, status.unwrap_or(400));
            }
            Route::Create => note(&mut inner.seen.creates, TokenCall { t_ms, status, token: None }),
            Route::Elsewhere | Route::Configure(_) | Route::Find(_) | Route::Unknown => {}
        }
        error(status.unwrap_or(500), "scripted")
    }

    /// Answers a request; `omit` names a field of an answer to leave out.
    pub(in crate::servers::evolution) fn api_answer(
        &self,
        hub: &Hub,
        request: &Request,
        omit: Option<&str>,
    ) -> Answer {
        let inner = &mut *self.lock();
        let mut reply = match Route::of(request) {
            Route::Socket => return self.api_upgrade(hub, inner, request),
            Route::Elsewhere => {
                inner.seen.unknown_paths += 1;
                return Answer::Lost(End::Fin);
            }
            Route::Create => self.api_create(inner, request),
            Route::Configure(name) => inner.api_configure(request, name),
            Route::Find(name) => inner.api_find(request, name),
            Route::Unknown => {
                inner.seen.unknown_paths += 1;
                error(404, &format!("Cannot {} {}", request.method, request.path))
            }
        };
        if let (Some(field), Some(Value::Object(fields))) = (omit, reply.body.as_mut()) {
            fields.remove(field);
        }
        Answer::Reply(reply)
    }

    fn api_upgrade(&self, hub: &Hub, inner: &mut Inner, request: &Request) -> Answer {
        // The library looks at these first, and asks the service only about a first request.
        let first = query(request, "sid").is_none();
        let known = matches!(query(request, "transport").as_deref(), Some("websocket" | "polling"));
        if let (true, Err(message)) = (first && known, inner.admit_key(request)) {
            let status = if request.upgrade { 400 } else { 403 };
            self.note_handshake(inner, request, Some(status), None);
            return forbid(request, message);
        }
        let mut answer = self.io.handshake(hub, request);
        let (status, conn) = match &mut answer {
            Answer::Upgrade { conn, headers, .. } => {
                headers.push(("access-control-allow-origin", "*".to_owned()));
                (101, Some(*conn))
            }
            Answer::Reply(reply) => (reply.status, None),
            Answer::Bytes { status, .. } => (*status, None),
            Answer::Lost(_) => (400, None),
        };
        self.note_handshake(inner, request, Some(status), conn);
        if let Some(conn) = conn {
            let opened_ms = self.wire.now_ms();
            note(&mut inner.seen.sockets, SocketSeen { conn, opened_ms, ..SocketSeen::default() });
        }
        answer
    }

    fn note_handshake(
        &self,
        inner: &mut Inner,
        request: &Request,
        status: Option<u16>,
        conn: Option<u64>,
    ) {
        let t_ms = self.wire.now_ms();
        let key = (String::new(), String::new());
        let since_ms = inner.ends.get(&key).map(|end| t_ms.saturating_sub(*end));
        if conn.is_none() {
            inner.ended(key, t_ms);
        }
        let token = shown_key(request).map(|key| self.wire.name("api-key", &key));
        let path = self.wire.redact(&request.path);
        let call =
            UpgradeCall { t_ms, path, token, status, conn, since_ms, ..UpgradeCall::default() };
        note(&mut inner.seen.upgrades, call);
    }

    fn api_create(&self, inner: &mut Inner, request: &Request) -> Reply {
        let t_ms = self.wire.now_ms();
        let (reply, token) = match inner.api_create(request) {
            Ok((body, token)) => {
                let label = self.wire.name("api-key", &token);
                (Reply::json(201, Some(body)), Some(label))
            }
            Err(reply) => (reply, None),
        };
        note(&mut inner.seen.creates, TokenCall { t_ms, status: Some(reply.status), token });
        reply
    }
}

impl Inner {
    /// Checks the key of a handshake; gives what the refusal says.
    fn admit_key(&mut self, request: &Request) -> Result<(), &'static str> {
        if !self.settings.key_required {
            return Ok(());
        }
        let key = shown_key(request).ok_or("apiKey is required")?;
        let mut instances = self.api.instances.values();
        let known = instances.any(|known| known.token.as_ref() == Some(&key));
        if !known && !self.is_global(&key) || self.api.revoked.contains(&key) {
            return Err("Invalid global token");
        }
        if self.api.keys.len() < MAX_KEPT {
            self.api.keys.insert(key);
        }
        Ok(())
    }

    fn is_global(&self, key: &str) -> bool {
        let known = &self.settings.api_keys;
        known.is_empty() || known.iter().any(|known| known == key)
    }

    /// Creates an instance; gives the answer and the token in it.
    fn api_create(&mut self, request: &Request) -> Result<(Value, String), Reply> {
        if !header_key(request).is_some_and(|key| self.is_global(&key)) {
            return Err(error(401, "Unauthorized"));
        }
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let name = body.get("instanceName").and_then(Value::as_str);
        let name = name.filter(|name| !name.is_empty() && name.len() <= MAX_NAME);
        let name = name.ok_or_else(|| error(400, "instanceName is missing"))?;
        if self.api.instances.contains_key(name) {
            return Err(error(403, &format!("This name \"{name}\" is already in use.")));
        }
        let token = self.random.uuid().to_uppercase();
        let instance = self.add(name, Some(token.clone()));
        let answer = json!({
            "instance": {
                "instanceName": name, "instanceId": instance.id,
                "integration": "WHATSAPP-BAILEYS", "status": "connecting",
            },
            "hash": token,
        });
        Ok((answer, token))
    }

    fn add(&mut self, name: &str, token: Option<String>) -> &mut Instance {
        if self.api.instances.len() >= MAX_KEPT {
            self.api.instances.clear();
        }
        let id = self.random.uuid();
        let instance = Instance { id, token, websocket: None };
        self.api.instances.entry(name.to_owned()).or_insert(instance)
    }

    /// Finds an instance for whoever may speak of it; one that nobody created is made if allowed.
    fn find(&mut self, request: &Request, name: &str) -> Result<&mut Instance, Reply> {
        let key = header_key(request).unwrap_or_default();
        let token = self.api.instances.get(name).and_then(|known| known.token.as_ref());
        if key.is_empty() || !self.is_global(&key) && token != Some(&key) {
            return Err(error(401, "Unauthorized"));
        }
        if self.settings.adopt && !self.api.instances.contains_key(name) && name.len() <= MAX_NAME {
            return Ok(self.add(name, None));
        }
        let missing = || error(404, &format!("The \"{name}\" instance does not exist"));
        self.api.instances.get_mut(name).ok_or_else(missing)
    }

    /// Chooses the events that the namespace of an instance gets; an empty list means all.
    fn api_configure(&mut self, request: &Request, name: &str) -> Reply {
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let wanted = body.get("websocket").unwrap_or(&Value::Null);
        let Some(enabled) = wanted.get("enabled").and_then(Value::as_bool) else {
            return error(400, "websocket.enabled is missing");
        };
        let listed = wanted.get("events").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let mut events: Vec<&str> = listed.iter().filter_map(Value::as_str).collect();
        let known = events.iter().all(|event| CONFIGURED_EVENTS.contains(event));
        if !known || events.len() != listed.len() {
            return error(400, "websocket.events holds an unknown event");
        }
        if events.is_empty() {
            events.extend(CONFIGURED_EVENTS);
        }
        if !enabled {
            events.clear();
        }
        let events = events.into_iter().map(str::to_owned).collect();
        match self.find(request, name) {
            Ok(instance) => {
                instance.websocket = Some(Websocket { enabled, events });
                Reply::json(201, Some(shown(instance)))
            }
            Err(reply) => reply,
        }
    }

    fn api_find(&mut self, request: &Request, name: &str) -> Reply {
        match self.find(request, name) {
            Ok(instance) => Reply::json(200, Some(shown(instance))),
            Err(reply) => reply,
        }
    }
}

/// Shows how an instance is configured; null when it is not.
fn shown(instance: &Instance) -> Value {
    instance.websocket.as_ref().map_or(Value::Null, |websocket| {
        json!({
            "enabled": websocket.enabled, "events": websocket.events, "instanceId": instance.id,
        })
    })
}

/// Refuses a handshake as the service does with its own statuses, as a proxy does with others.
fn handshake_refused(request: &Request, status: u16) -> Reply {
    match forbid(request, "Invalid global token") {
        Answer::Reply(reply) if reply.status == status => reply,
        Answer::Bytes { status: own, headers, body } if own == status => {
            let text = String::from_utf8_lossy(&body).into_owned();
            Reply { status, headers, body: Some(Value::String(text)), bare: false }
        }
        _ => Reply::empty(status),
    }
}

/// Gives an error as the service's handler of errors does.
fn error(status: u16, message: &str) -> Reply {
    let name = http::StatusCode::from_u16(status).ok().and_then(|code| code.canonical_reason());
    let response = json!({ "message": [message] });
    Reply::json(status, Some(json!({ "status": status, "error": name, "response": response })))
}

/// Gives the key of a handshake: that of the query counts first.
fn shown_key(request: &Request) -> Option<String> {
    query(request, "apikey").filter(|key| !key.is_empty()).or_else(|| header_key(request))
}

fn header_key(request: &Request) -> Option<String> {
    let key = header(&request.headers, HeaderName::from_static("apikey"));
    (!key.is_empty()).then(|| key.to_owned())
}

const MAX_NAME: usize = 256;
