//! The upgrade, and the endpoints that issue tokens.

use http::{HeaderName, Method};
use serde_json::{Value, json};

use super::events::EVENTS;
use super::{Instance, Key};
use crate::servers::evolution::jwt;
use crate::servers::evolution::options::{RefuseMode, Settings};
use crate::servers::evolution::state::{SocketSeen, TokenCall, UpgradeCall, note};
use crate::servers::evolution::{Evolution, Inner, MAX_KEPT};
use crate::servers::form::{find, pairs};
use crate::servers::http::{handshake_fault, header};
use crate::servers::hub::{Answer, Hub, Reply, Request};
use crate::servers::random::{epoch_ms, iso_time};
use crate::servers::socket::Out;
use crate::servers::valve::End;
use crate::servers::wire::WireLog;

/// Where a request goes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Route {
    /// Any upgrade: the server listens for them before it looks at the path.
    Upgrade,
    Create,
    Refresh,
    Unknown,
}

impl Route {
    fn of(request: &Request) -> Self {
        if request.upgrade {
            return Self::Upgrade;
        }
        let segments: Vec<_> = request.path.trim_end_matches('/').split('/').collect();
        match (segments.as_slice(), &request.method) {
            (["", "instance", "create"], &Method::POST) => Self::Create,
            (["", "instance", "refreshToken", _], &Method::PUT) => Self::Refresh,
            _ => Self::Unknown,
        }
    }
}

/// Names the step that a request is.
pub(in crate::servers::evolution) fn step(request: &Request) -> &'static str {
    match Route::of(request) {
        Route::Upgrade => "upgrade",
        Route::Create => "login",
        Route::Refresh => "refresh",
        Route::Unknown => "",
    }
}

/// Names the step that creating and refreshing are part of.
pub(in crate::servers::evolution) fn wider_step(request: &Request) -> &'static str {
    match Route::of(request) {
        Route::Create | Route::Refresh => "token",
        Route::Upgrade | Route::Unknown => "",
    }
}

/// Labels the tokens in a request that stand where only the vendor knows of them.
pub(in crate::servers::evolution) fn label_secrets(wire: &WireLog, request: &Request) {
    if let Some(token) = shown_token(request).filter(|token| !token.is_empty()) {
        wire.name("token", &token);
    }
    if let Some(token) = old_token(request) {
        wire.name("token", &token);
    }
}

impl Evolution {
    /// Records a refusal; that of an upgrade with 401 is the server's own.
    pub(in crate::servers::evolution) fn chat_refused(
        &self,
        request: &Request,
        status: Option<u16>,
    ) -> Reply {
        let t_ms = self.wire.now_ms();
        let inner = &mut *self.lock();
        match Route::of(request) {
            Route::Upgrade => {
                self.note_upgrade(inner, request, status, None);
                return match status {
                    Some(401) | None => Reply::bare(401),
                    Some(other) => Reply::empty(other),
                };
            }
            Route::Create => note(&mut inner.seen.creates, TokenCall { t_ms, status, token: None }),
            Route::Refresh => {
                note(&mut inner.seen.refreshes, TokenCall { t_ms, status, token: None });
            }
            Route::Unknown => {}
        }
        error(status.unwrap_or(500), &[])
    }

    /// Answers a request; `omit` names a field of an answer with a token to leave out.
    pub(in crate::servers::evolution) fn chat_answer(
        &self,
        hub: &Hub,
        request: &Request,
        omit: Option<&str>,
    ) -> Answer {
        let t_ms = self.wire.now_ms();
        let inner = &mut *self.lock();
        let route = Route::of(request);
        let issued = match route {
            Route::Upgrade => return self.chat_upgrade(hub, inner, request),
            Route::Create => inner.create(request),
            Route::Refresh => inner.refresh(request),
            Route::Unknown => {
                inner.seen.unknown_paths += 1;
                let message = format!("Cannot {} {}", request.method, request.path);
                return Answer::Reply(error(404, &[&message]));
            }
        };
        let (mut reply, token) = match issued {
            Ok((body, token)) => {
                let label = self.wire.name("token", &token);
                (Reply::json(201, Some(body)), Some(label))
            }
            Err(reply) => (reply, None),
        };
        if let (Some(field), Some(Value::Object(fields))) = (omit, reply.body.as_mut()) {
            fields.remove(field);
        }
        let call = TokenCall { t_ms, status: Some(reply.status), token };
        let seen = &mut inner.seen;
        note(if route == Route::Create { &mut seen.creates } else { &mut seen.refreshes }, call);
        Answer::Reply(reply)
    }

    fn chat_upgrade(&self, hub: &Hub, inner: &mut Inner, request: &Request) -> Answer {
        let Some((instance, event)) = inner.admit(request) else {
            let mode = inner.settings.refuse_mode;
            let status = (mode == RefuseMode::Status).then_some(401);
            self.note_upgrade(inner, request, status, None);
            return match mode {
                RefuseMode::Status => Answer::Reply(Reply::bare(401)),
                RefuseMode::End => Answer::Lost(End::Fin),
                RefuseMode::Reset => Answer::Lost(End::Reset),
            };
        };
        if let Some(status) = handshake_fault(request) {
            self.note_upgrade(inner, request, Some(status), None);
            return Answer::Reply(Reply::empty(status));
        }
        let conn = hub.next_conn();
        self.note_upgrade(inner, request, Some(101), Some(conn));
        let seen = SocketSeen {
            conn,
            instance: Some(self.wire.redact(&instance)),
            event: Some(event.clone()),
            opened_ms: self.wire.now_ms(),
            ..SocketSeen::default()
        };
        note(&mut inner.seen.sockets, seen);
        inner.chat.keys.insert(conn, (instance, event));
        let greeting = inner.settings.greeting.as_ref();
        let then = greeting.map(|frame| Out::Text(frame.to_string())).into_iter().collect();
        Answer::Upgrade { conn, headers: Vec::new(), then }
    }

    fn note_upgrade(
        &self,
        inner: &mut Inner,
        request: &Request,
        status: Option<u16>,
        conn: Option<u64>,
    ) {
        let t_ms = self.wire.now_ms();
        let query = query(request);
        let event = find(&query, "event").map(str::to_owned);
        let token = find(&query, "token").filter(|token| !token.is_empty());
        let claims = token.and_then(jwt::claims);
        let instance = claims.as_ref().map(instance_name);
        let key = (instance.clone().unwrap_or_default(), event.clone().unwrap_or_default());
        let since_ms = inner.ends.get(&key).map(|end| t_ms.saturating_sub(*end));
        if conn.is_none() {
            inner.ended(key, t_ms);
        }
        let show = |text: String| self.wire.redact(&text);
        let call = UpgradeCall {
            t_ms,
            path: show(request.path.clone()),
            event: event.map(show),
            instance: instance.map(show),
            token: token.map(|token| self.wire.name("token", token)),
            status,
            conn,
            since_ms,
        };
        note(&mut inner.seen.upgrades, call);
    }
}

impl Inner {
    /// Checks path, event and token of an upgrade, as the server does: nobody can tell from the
    /// answer what was wrong.
    fn admit(&mut self, request: &Request) -> Option<Key> {
        let query = query(request);
        let event = find(&query, "event").filter(|event| EVENTS.contains(event))?;
        let token = find(&query, "token").filter(|_| request.path == "/ws/events")?;
        let claims = jwt::verify(&self.settings.jwt_secret, token)?;
        let is_timely = jwt::is_timely(&claims, now_s(), self.settings.expires_in_s == 0);
        if !is_timely || self.chat.revoked.contains(token) {
            return None;
        }
        self.chat.remember(token);
        self.adopt(&claims);
        Some((instance_name(&claims), event.to_owned()))
    }

    /// Makes the instance of a token known that was signed elsewhere.
    fn adopt(&mut self, claims: &Value) {
        let Some(name) = claims.get("instanceName").and_then(Value::as_str) else { return };
        let known = self.chat.instances.contains_key(name) || self.chat.expired.contains(name);
        if self.settings.adopt && !known {
            self.chat.add(name, token_id(claims));
        }
    }

    /// Creates an instance; gives the answer and the token in it.
    fn create(&mut self, request: &Request) -> Result<(Value, String), Reply> {
        authorize(&self.settings, request)?;
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let name = match body.get("instanceName") {
            None => self.random.hex(13).to_uppercase(),
            Some(Value::String(name)) if !name.is_empty() && name.len() <= MAX_NAME => name.clone(),
            Some(_) => return Err(error(400, &["instanceName should be a text"])),
        };
        if self.chat.instances.contains_key(&name) {
            return Err(error(400, &["Instance already exists"]));
        }
        let (token, id) = self.issue(&name);
        self.chat.expired.remove(&name);
        let instance = self.chat.add(&name, id);
        let answer = json!({
            "id": instance.id, "name": name, "description": body.get("description"),
            "createdAt": instance.created, "updatedAt": null,
            "Auth": { "id": instance.id, "token": token },
        });
        Ok((answer, token))
    }

    /// Gives a new token for the newest one of an instance, whether that has expired or not.
    fn refresh(&mut self, request: &Request) -> Result<(Value, String), Reply> {
        let refused = || error(400, &["Invalid \"oldToken\""]);
        let old = old_token(request).ok_or_else(refused)?;
        let claims = jwt::verify(&self.settings.jwt_secret, &old).ok_or_else(refused)?;
        self.adopt(&claims);
        let name = claims.get("instanceName").and_then(Value::as_str).ok_or_else(refused)?;
        let known = self.chat.instances.get(name).map(|known| &known.token_id);
        if known != Some(&token_id(&claims)) {
            return Err(refused());
        }
        let (token, id) = self.issue(name);
        let instance = self.chat.instances.get_mut(name).ok_or_else(refused)?;
        instance.token_id = id;
        let answer = json!({
            "id": instance.id, "token": token, "createdAt": instance.created,
            "updatedAt": iso_time(epoch_ms()), "instanceId": instance.id,
        });
        Ok((answer, token))
    }

    /// Signs a token for an instance; gives its `tokenId`, too.
    fn issue(&mut self, name: &str) -> (String, Value) {
        let id = json!(self.random.hex(13).to_uppercase());
        let now = epoch_ms() / 1000;
        let claims = json!({
            "instanceName": name, "apiName": "whatsapp-api", "tokenId": id, "iat": now,
            "exp": now + self.settings.expires_in_s, "sub": "g-t",
        });
        let token = jwt::sign(&self.settings.jwt_secret, &claims);
        self.chat.remember(&token);
        (token, id)
    }
}

impl super::CodeChat {
    fn add(&mut self, name: &str, token_id: Value) -> &Instance {
        if self.instances.len() >= MAX_KEPT {
            self.instances.clear();
        }
        self.created += 1;
        let instance = Instance { id: self.created, token_id, created: iso_time(epoch_ms()) };
        self.instances.entry(name.to_owned()).insert_entry(instance).into_mut()
    }
}

/// Checks the key that may create instances.
fn authorize(settings: &Settings, request: &Request) -> Result<(), Reply> {
    let key = header(&request.headers, HeaderName::from_static("apikey"));
    let known = &settings.api_keys;
    match key {
        "" => Err(error(403, &["Missing global api key", "The global api key must be set"])),
        key if known.is_empty() || known.iter().any(|known| known == key) => Ok(()),
        _ => Err(error(401, &[])),
    }
}

/// Gives an error as the server's exceptions look.
fn error(status: u16, messages: &[&str]) -> Reply {
    let name = http::StatusCode::from_u16(status).ok().and_then(|code| code.canonical_reason());
    let mut body = json!({ "status": status, "error": name });
    if !messages.is_empty() {
        body["message"] = json!(messages);
    }
    Reply::json(status, Some(body))
}

fn query(request: &Request) -> Vec<(String, String)> {
    pairs(request.query.as_deref().unwrap_or_default())
}

fn shown_token(request: &Request) -> Option<String> {
    find(&query(request), "token").map(str::to_owned)
}

fn old_token(request: &Request) -> Option<String> {
    let body: Value = serde_json::from_slice(&request.body).ok()?;
    body.get("oldToken")?.as_str().map(str::to_owned)
}

/// Names the instance of a token as the server's string template does.
fn instance_name(claims: &Value) -> String {
    match claims.get("instanceName") {
        Some(Value::String(name)) => name.clone(),
        Some(other) => other.to_string(),
        None => "undefined".to_owned(),
    }
}

fn token_id(claims: &Value) -> Value {
    claims.get("tokenId").cloned().unwrap_or_default()
}

fn now_s() -> f64 {
    epoch_ms() as f64 / 1000.0
}

const MAX_NAME: usize = 256;
