//! Guest creation, upgrade, and messages by REST.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::AUTHORIZATION;
use http::{HeaderName, Method};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use super::Instance;
use crate::servers::genesys::delivery::Arrival;
use crate::servers::genesys::options::{RefuseMode, Settings, SocketAuth};
use crate::servers::genesys::state::{GuestCall, Path, Proof, RestCall, UpgradeCall, note};
use crate::servers::genesys::{Genesys, Inner};
use crate::servers::http::{handshake_fault, header};
use crate::servers::hub::{Answer, Hub, Reply, Request};
use crate::servers::random::epoch_ms;
use crate::servers::socket::Out;
use crate::servers::valve::End;
use crate::servers::wire::WireLog;

/// Where a request goes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Route<'a> {
    Guests,
    Messages(&'a str),
    Socket(&'a str),
    Unknown,
}

impl<'a> Route<'a> {
    fn of(request: &'a Request) -> Self {
        let segments: Vec<_> = request.path.split('/').collect();
        match segments[..] {
            ["", "api", "v2", "webchat", "guests"] => Self::Guests,
            ["", "api", "v2", "webchat", "instances", id, "messages"] => Self::Messages(id),
            ["", "api", "v2", "webchat", "instances", id, "websocket"] => Self::Socket(id),
            _ => Self::Unknown,
        }
    }
}

/// Names the step that a request is.
pub(in crate::servers::genesys) fn step(request: &Request) -> &'static str {
    match Route::of(request) {
        Route::Guests => "guest",
        Route::Messages(_) => "rest",
        Route::Socket(_) => "upgrade",
        Route::Unknown => "",
    }
}

/// Labels the OAuth token of a guest creation; every other place has a field name that tells.
pub(in crate::servers::genesys) fn label_secrets(wire: &WireLog, request: &Request) {
    if let (Route::Guests, Some(token)) = (Route::of(request), bearer(request)) {
        wire.name("oauth", token);
    }
}

impl Genesys {
    /// Records a refusal and gives the error body that the recordings show.
    pub(in crate::servers::genesys) fn guest_refused(
        &self,
        request: &Request,
        status: Option<u16>,
    ) -> Reply {
        let t_ms = self.wire.now_ms();
        let inner = &mut *self.lock();
        match Route::of(request) {
            Route::Guests => {
                note(&mut inner.seen.guests, GuestCall { t_ms, status, token: None });
            }
            Route::Messages(_) => {
                inner.seen.refused_messages += 1;
                let id = message_id(&request.body);
                note(&mut inner.seen.rests, RestCall { t_ms, id, status });
            }
            Route::Socket(_) => {
                let token = self.shown_token(request);
                note(&mut inner.seen.upgrades, UpgradeCall { t_ms, token, status, conn: None });
                return Reply::empty(status.unwrap_or(200));
            }
            Route::Unknown => {}
        }
        error(status.unwrap_or(200), "error")
    }

    /// Answers a request; `omit` names a field of the guest answer to leave out.
    pub(in crate::servers::genesys) fn guest_answer(
        &self,
        hub: &Hub,
        request: &Request,
        omit: Option<&str>,
    ) -> Answer {
        let inner = &mut *self.lock();
        match Route::of(request) {
            Route::Guests => Answer::Reply(self.create(inner, request, omit)),
            Route::Messages(id) => self.post(hub, inner, request, id),
            Route::Socket(id) => self.upgrade(hub, inner, request, id),
            Route::Unknown => {
                inner.seen.unknown_paths += 1;
                Answer::Reply(error(404, "not found"))
            }
        }
    }

    fn create(&self, inner: &mut Inner, request: &Request, omit: Option<&str>) -> Reply {
        let t_ms = self.wire.now_ms();
        let (reply, token) = match self.try_create(inner, request, omit) {
            Ok((reply, label)) => (reply, Some(label)),
            Err(reply) => (reply, None),
        };
        note(&mut inner.seen.guests, GuestCall { t_ms, status: Some(reply.status), token });
        reply
    }

    fn try_create(
        &self,
        inner: &mut Inner,
        request: &Request,
        omit: Option<&str>,
    ) -> Result<(Reply, String), Reply> {
        let now = self.wire.now_ms();
        if request.method != Method::POST {
            return Err(error(405, "method not allowed"));
        }
        if let Err(wait) = inner.recent.guests.admit((), now, inner.settings.guest_rate) {
            return Err(too_many(wait));
        }
        if !is_authorized(&inner.settings, request) {
            return Err(error(401, "invalid token or missing scope webchat:guest:write"));
        }
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        if !body.get("guest").is_some_and(Value::is_object) {
            return Err(error(400, "guest is missing"));
        }
        let conversation = inner.next_conversation();
        let id = inner.random.uuid();
        let token = format!("GT_{}", inner.random.uuid());
        let label = format!("guest-{conversation}");
        self.wire.label_as(&token, &label);
        let announced = inner.settings.expires_in_s;
        let life = match inner.settings.token_life {
            Some(life) => u64::try_from(life.as_millis()).unwrap_or(u64::MAX),
            None => announced.saturating_mul(1000),
        };
        let expires_ms = now.saturating_add(life);
        let mut answer = json!({ "webchatInstanceId": id, "token": token, "expiresIn": announced });
        inner.guests.add(Instance::new(id, token, conversation, expires_ms));
        if let (Some(field), Some(fields)) = (omit, answer.as_object_mut()) {
            fields.remove(field);
        }
        super::super::decorate(&inner.settings, &mut answer);
        Ok((Reply::json(200, Some(answer)), label))
    }

    fn post(&self, hub: &Hub, inner: &mut Inner, request: &Request, instance: &str) -> Answer {
        let t_ms = self.wire.now_ms();
        let id = message_id(&request.body);
        let taken = self.take_post(hub, inner, request, instance);
        if taken.is_ok() && inner.desk.loses_rest() {
            inner.seen.lost_acks += 1;
            note(&mut inner.seen.rests, RestCall { t_ms, id, status: None });
            return Answer::Lost(End::Reset);
        }
        let reply = match taken {
            Ok(body) => {
                let id = id.clone().unwrap_or_default();
                note(&mut inner.seen.proofs, Proof { t_ms, id, path: Path::Rest });
                Reply::json(200, Some(body))
            }
            Err(reply) => {
                inner.seen.refused_messages += 1;
                reply
            }
        };
        note(&mut inner.seen.rests, RestCall { t_ms, id, status: Some(reply.status) });
        Answer::Reply(reply)
    }

    fn take_post(
        &self,
        hub: &Hub,
        inner: &mut Inner,
        request: &Request,
        instance: &str,
    ) -> Result<Value, Reply> {
        let now = self.wire.now_ms();
        if request.method != Method::POST {
            return Err(error(405, "method not allowed"));
        }
        let conversation = inner
            .guests
            .admit(instance, bearer(request), now, true)
            .map_err(|status| error(status, "instance or token is not valid"))?;
        let rate = inner.settings.rest_rate;
        inner.recent.rests.admit(instance.to_owned(), now, rate).map_err(too_many)?;
        if let Some((code, body)) = hub.faults().fails_request() {
            let status = if (400..=599).contains(&code) { code } else { 500 };
            let body = if body.is_object() { body } else { json!({ "message": body }) };
            return Err(Reply::json(status, Some(body)));
        }
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let (id, text) = super::socket::parse(&body).ok_or_else(|| error(400, "bad message"))?;
        let arrival = Arrival { id, text, path: Path::Rest, conversation, t_ms: now };
        let known = inner.desk.take_in(&mut inner.seen, &inner.settings, &arrival);
        let mut answer = json!({ "messageId": id });
        if known && inner.settings.dedupe {
            answer["duplicate"] = json!(true);
        }
        super::super::decorate(&inner.settings, &mut answer);
        Ok(answer)
    }

    fn upgrade(&self, hub: &Hub, inner: &mut Inner, request: &Request, id: &str) -> Answer {
        let t_ms = self.wire.now_ms();
        let token = shown(request);
        let required = inner.settings.socket_auth == SocketAuth::Required;
        let admitted = inner.guests.admit(id, token.as_deref(), t_ms, required);
        let mut then = Vec::new();
        let fault = match (handshake_fault(request), admitted) {
            (Some(status), _) => Some(status),
            (None, Ok(_)) => None,
            (None, Err(status)) if inner.settings.refuse_mode == RefuseMode::Close => {
                then.push(Out::Close(4000 + status, "refused".to_owned()));
                None
            }
            (None, Err(status)) => Some(status),
        };
        let conn = fault.is_none().then(|| hub.next_conn());
        let token = self.shown_token(request);
        let status = Some(fault.unwrap_or(101));
        note(&mut inner.seen.upgrades, UpgradeCall { t_ms, token, status, conn });
        match (fault, conn) {
            (None, Some(conn)) => {
                if let Ok(conversation) = admitted {
                    inner.guests.attach(conn, conversation);
                }
                self.opened(inner, conn, admitted.ok());
                Answer::Upgrade { conn, headers: Vec::new(), then }
            }
            (fault, _) => Answer::Reply(bad_handshake(fault.unwrap_or(400))),
        }
    }

    /// Gives the label of the token that an upgrade shows.
    fn shown_token(&self, request: &Request) -> Option<String> {
        shown(request).map(|token| self.wire.name("token", &token))
    }
}

/// Answers a handshake that is not acceptable.
pub(in crate::servers::genesys) fn bad_handshake(status: u16) -> Reply {
    let mut reply = Reply::empty(status);
    if status == 426 {
        reply.headers.push(("sec-websocket-version", "13".to_owned()));
    }
    reply
}

/// Gives an error answer.
pub(in crate::servers::genesys) fn error(status: u16, message: &str) -> Reply {
    Reply::json(status, Some(json!({ "message": message })))
}

/// Answers that there was too much, with the seconds to wait.
pub(in crate::servers::genesys) fn too_many(wait: u64) -> Reply {
    let mut reply = error(429, "rate limit exceeded");
    reply.headers.push(("retry-after", wait.to_string()));
    reply
}

/// Gives the bearer token of a request.
pub(in crate::servers::genesys) fn bearer(request: &Request) -> Option<&str> {
    let (scheme, token) = header(&request.headers, AUTHORIZATION).split_once(' ')?;
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// Gives the guest token of an upgrade, from the header or from the query.
fn shown(request: &Request) -> Option<String> {
    if let Some(token) = bearer(request) {
        return Some(token.to_owned());
    }
    query(request, "token").or_else(|| query(request, "access_token"))
}

/// Gives one parameter of the query.
pub(in crate::servers::genesys) fn query(request: &Request, name: &str) -> Option<String> {
    let mut pairs = request.query.as_deref()?.split('&').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.rfind(|(key, _)| *key == name)?;
    Some(percent_decode_str(value).decode_utf8_lossy().into_owned())
}

fn is_authorized(settings: &Settings, request: &Request) -> bool {
    let listed =
        |list: &[String], value: &str| list.is_empty() || list.iter().any(|known| known == value);
    if let Some(token) = bearer(request) {
        let long = token.chars().count() >= MIN_TOKEN;
        return long && listed(&settings.oauth_tokens, token) && !is_expired(token);
    }
    let key = header(&request.headers, HeaderName::from_static("api_key"));
    !key.is_empty() && listed(&settings.api_keys, key)
}

/// Tells whether a token is a JWT whose time has passed.
fn is_expired(token: &str) -> bool {
    let claims = token.split('.').nth(1).and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
    let claims: Value =
        claims.and_then(|claims| serde_json::from_slice(&claims).ok()).unwrap_or_default();
    let exp = claims.get("exp").and_then(Value::as_u64);
    exp.is_some_and(|exp| exp.saturating_mul(1000) <= epoch_ms())
}

fn message_id(body: &[u8]) -> Option<String> {
    let body: Value = serde_json::from_slice(body).ok()?;
    body.get("messageId")?.as_str().map(str::to_owned)
}

const MIN_TOKEN: usize = 10;
