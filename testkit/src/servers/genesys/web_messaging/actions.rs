//! The requests on a socket.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::frames::{message, refusal, response, too_many};
use super::{Session, spawn_watch};
use crate::servers::fault::{Refusal, Refused};
use crate::servers::genesys::state::{ConfigureCall, PingSeen, note};
use crate::servers::genesys::{Genesys, Inner, decorate};
use crate::servers::hub::Hub;
use crate::servers::random::{epoch_ms, iso_time};
use crate::servers::socket::{Out, SocketHandle};
use crate::servers::valve::End;
use crate::servers::wire::WireLog;

/// One request on a socket.
pub(super) struct Asked<'a> {
    pub(super) socket: &'a SocketHandle,
    pub(super) frame: &'a Value,
    pub(super) token: &'a str,
    pub(super) tracing: Option<&'a str>,
    pub(super) t_ms: u64,
}

impl Asked<'_> {
    pub(super) fn refuse(&self, code: u16) -> Value {
        refusal(code, self.tracing)
    }

    fn text(&self, key: &str) -> Option<&str> {
        self.frame.get(key).and_then(Value::as_str).filter(|text| !text.is_empty())
    }
}

/// Labels the code of an authenticated session; every other secret has a field name that tells.
pub(in crate::servers::genesys) fn label_secrets(wire: &WireLog, text: &str) {
    if !text.contains("configureAuthenticatedSession") {
        return;
    }
    let frame: Value = serde_json::from_str(text).unwrap_or_default();
    if let Some(code) = frame["data"]["code"].as_str() {
        wire.name("code", code);
    }
}

impl Genesys {
    /// Hears a text frame.
    pub(in crate::servers::genesys) fn web_text(
        self: &Arc<Self>,
        hub: &Hub,
        socket: &SocketHandle,
        text: &str,
    ) {
        let frame: Value = serde_json::from_str(text).unwrap_or_default();
        let inner = &mut *self.lock();
        let field = |key: &str| frame.get(key).and_then(Value::as_str);
        let asked = Asked {
            socket,
            frame: &frame,
            token: field("token").unwrap_or_default(),
            tracing: field("tracingId").filter(|id| !id.is_empty() && id.len() <= MAX_ID),
            t_ms: self.wire.now_ms(),
        };
        let answer = match field("action") {
            Some(action) => self.act(hub, inner, &asked, action),
            None => {
                inner.seen.bad_frames += 1;
                Some(asked.refuse(400))
            }
        };
        if let Some(answer) = answer {
            inner.reply(socket, answer);
        }
    }

    /// Carries out one action; what comes back is its answer.
    fn act(
        self: &Arc<Self>,
        hub: &Hub,
        inner: &mut Inner,
        asked: &Asked<'_>,
        action: &str,
    ) -> Option<Value> {
        let rate = inner.settings.request_rate;
        if let Err(wait) = inner.recent.requests.admit(asked.socket.conn, asked.t_ms, rate) {
            let text = "Request rate too high for this connection";
            return Some(too_many(429, text, Some(wait), asked.tracing));
        }
        match action {
            "configureSession" => self.configure(hub, inner, asked),
            "configureAuthenticatedSession" => {
                let code = asked.frame.get("data").and_then(|data| data.get("code"));
                match code.and_then(Value::as_str) {
                    Some(code) if !code.is_empty() => self.configure(hub, inner, asked),
                    _ => Some(asked.refuse(401)),
                }
            }
            "onMessage" => inner.on_message(hub, asked),
            "echo" => Some(inner.echo(asked)),
            "getJwt" => self.jwt(hub, inner, asked),
            "closeSession" => Some(inner.close_session(asked)),
            "getConfiguration" => {
                Some(response("GetConfigurationResponse", 200, json!({}), asked.tracing))
            }
            "onAttachment" | "getAttachment" | "deleteAttachment" => Some(asked.refuse(4000)),
            _ => Some(asked.refuse(400)),
        }
    }

    fn configure(
        self: &Arc<Self>,
        hub: &Hub,
        inner: &mut Inner,
        asked: &Asked<'_>,
    ) -> Option<Value> {
        let refused = hub.take_refusal("join");
        let omit = refused.as_ref().and_then(|refusal| refusal.omit.clone());
        let (mut answer, new_session) = match refused.filter(|refusal| refusal.omit.is_none()) {
            Some(refusal) => (scripted(&refusal, asked, 429, TOO_MANY_CONFIGURES), false),
            None => match inner.try_configure(asked) {
                Ok((body, conversation)) => {
                    if let Some(conversation) = conversation {
                        spawn_watch(self, asked.token, conversation);
                    }
                    let answer = response("SessionResponse", 200, body, asked.tracing);
                    (Some(answer), conversation.is_some())
                }
                Err(refusal) => (Some(refusal), false),
            },
        };
        let body = answer.as_mut().and_then(|answer| answer["body"].as_object_mut());
        if let (Some(field), Some(body)) = (omit, body) {
            body.remove(&field);
        }
        let code = answer.as_ref().and_then(|answer| answer["code"].as_u64());
        let call = ConfigureCall {
            t_ms: asked.t_ms,
            conn: asked.socket.conn,
            token: self.wire.name("token", asked.token),
            code: code.and_then(|code| u16::try_from(code).ok()),
            new_session,
        };
        note(&mut inner.seen.configures, call);
        answer
    }

    fn jwt(&self, hub: &Hub, inner: &mut Inner, asked: &Asked<'_>) -> Option<Value> {
        note(&mut inner.seen.jwts, asked.t_ms);
        if let Some(refusal) = hub.take_refusal("token") {
            return scripted(&refusal, asked, 4029, TOO_MANY_MESSAGES);
        }
        if let Err(refusal) = inner.usable(asked) {
            return Some(refusal);
        }
        let life = inner.settings.jwt_life;
        let life_ms = u64::try_from(life.as_millis()).unwrap_or(u64::MAX);
        let jwt = format!("JWT_{}", inner.random.uuid());
        let expires_ms = asked.t_ms.saturating_add(life_ms);
        let n = inner.sessions.issue(jwt.clone(), asked.token, expires_ms);
        self.wire.label_as(&jwt, &format!("jwt-{n}"));
        let exp = epoch_ms().saturating_add(life_ms) / 1000;
        Some(response("JwtResponse", 200, json!({ "jwt": jwt, "exp": exp }), asked.tracing))
    }
}

impl Inner {
    /// Sends the answer to a request.
    pub(super) fn reply(&mut self, socket: &SocketHandle, mut answer: Value) {
        decorate(&self.settings, &mut answer);
        socket.send_after(self.settings.answer_delay, Out::Text(answer.to_string()));
    }

    /// Finds the session of a request, if it can be used; else gives the refusal.
    pub(super) fn usable(&mut self, asked: &Asked<'_>) -> Result<&mut Session, Value> {
        match self.sessions.of(asked.socket.conn, asked.token) {
            None => Err(asked.refuse(4007)),
            Some(session) if session.is_over => Err(asked.refuse(4006)),
            Some(session) => Ok(session),
        }
    }

    /// Gives the body of the answer, and the conversation if one was begun.
    fn try_configure(&mut self, asked: &Asked<'_>) -> Result<(Value, Option<u64>), Value> {
        let deployment = asked.text("deploymentId").ok_or_else(|| asked.refuse(4020))?;
        if !self.has_deployment(deployment) {
            return Err(asked.refuse(404));
        }
        let token = asked.token;
        if token.is_empty() {
            return Err(asked.refuse(4020));
        }
        if token.chars().count() > MAX_TOKEN {
            return Err(asked.refuse(400));
        }
        let rate = self.settings.configure_rate;
        let admitted = self.recent.configures.admit(token.to_owned(), asked.t_ms, rate);
        admitted.map_err(|wait| too_many(429, TOO_MANY_CONFIGURES, Some(wait), asked.tracing))?;
        let start_new = asked.frame.get("startNew") == Some(&json!(true));
        let known = self.sessions.by_token.get(token);
        let begun = match known {
            Some(session) if !start_new && session.is_over => return Err(asked.refuse(4006)),
            Some(session) if !start_new => {
                let conversation = session.conversation;
                self.prolong(token, asked.t_ms);
                self.attach(asked, conversation);
                None
            }
            _ => {
                self.sessions.end(token);
                let conversation = self.next_conversation();
                let expires_ms = asked.t_ms.saturating_add(self.ttl_ms());
                self.sessions.begin(token, Session::new(conversation, expires_ms));
                self.attach(asked, conversation);
                Some(conversation)
            }
        };
        let read_only = self.sessions.by_token.get(token).is_some_and(|known| known.is_read_only);
        let (duration, expiration) = self.life();
        let body = json!({
            "connected": true,
            "newSession": begun.is_some(),
            "readOnly": read_only,
            "maxCustomDataBytes": 2048,
            "durationSeconds": duration,
            "expirationDate": expiration,
            "allowedMedia": { "inbound": {
                "fileTypes": [{ "type": "image/png" }], "maxFileSizeKB": 10240,
            } },
            "blockedExtensions": [".exe"],
        });
        Ok((body, begun))
    }

    /// Gives a connection to its session; one too many closes the oldest.
    fn attach(&mut self, asked: &Asked<'_>, conversation: u64) {
        let conn = asked.socket.conn;
        let max = self.settings.max_connections;
        for socket in self.sessions.attach(asked.token, asked.socket, max) {
            let reason = json!({ "reason": "sessionLimitReached" });
            self.send_to(&socket, message("ConnectionClosedEvent", reason, None));
            socket.send(Out::Close(1000, "session limit reached".to_owned()));
        }
        if let Some(seen) = self.seen.sockets.iter_mut().rev().find(|seen| seen.conn == conn) {
            seen.conversation = Some(conversation);
        }
    }

    /// Lets a session live on from now.
    pub(super) fn prolong(&mut self, token: &str, now_ms: u64) {
        let expires_ms = now_ms.saturating_add(self.ttl_ms());
        if let Some(session) = self.sessions.by_token.get_mut(token) {
            session.expires_ms = expires_ms;
        }
    }

    fn ttl_ms(&self) -> u64 {
        u64::try_from(self.settings.session_ttl.as_millis()).unwrap_or(u64::MAX)
    }

    /// Gives duration and end of a session that begins now, in seconds.
    fn life(&self) -> (u64, u64) {
        (self.settings.session_ttl.as_secs(), epoch_ms().saturating_add(self.ttl_ms()) / 1000)
    }

    /// Answers a health check.
    fn echo(&mut self, asked: &Asked<'_>) -> Value {
        let (t_ms, conn) = (asked.t_ms, asked.socket.conn);
        note(&mut self.seen.echoes, PingSeen { t_ms, conn });
        let expires_ms = match self.usable(asked) {
            Ok(session) => session.expires_ms,
            Err(refusal) => return refusal,
        };
        if let Err(wait) = self.recent.echoes.admit(conn, t_ms, self.settings.echo_rate) {
            let text = "Health check rate too high for this connection";
            return too_many(4029, text, Some(wait), asked.tracing);
        }
        let text = asked.frame.get("message").and_then(|message| message.get("text"));
        let expiration = epoch_ms().saturating_add(expires_ms.saturating_sub(t_ms)) / 1000;
        let body = json!({
            "text": text.cloned().unwrap_or_else(|| json!("ping")),
            "type": "Text",
            "direction": "Inbound",
            "id": self.random.uuid(),
            "channel": { "time": iso_time(epoch_ms()) },
            "metadata": {
                "durationSeconds": self.settings.session_ttl.as_secs().to_string(),
                "expirationDate": expiration.to_string(),
            },
        });
        response("StructuredMessage", 200, body, asked.tracing)
    }

    /// Ends a session at the client's wish.
    fn close_session(&mut self, asked: &Asked<'_>) -> Value {
        if let Err(refusal) = self.usable(asked) {
            return refusal;
        }
        let everywhere = asked.frame.get("closeAllConnections") == Some(&json!(true));
        for socket in self.sessions.end(asked.token) {
            if everywhere && socket.conn != asked.socket.conn {
                self.send_to(&socket, message("ConnectionClosedEvent", json!({}), None));
            }
        }
        let body = json!({ "connected": false, "newSession": false, "readOnly": true });
        response("SessionResponse", 200, body, asked.tracing)
    }
}

/// Refuses a request in band as the script says; nothing comes back when it is not answered.
pub(super) fn scripted(
    refusal: &Refusal,
    asked: &Asked<'_>,
    error: u16,
    text: &str,
) -> Option<Value> {
    let mut answer = match refusal.verdict() {
        Refused::Status(429) => {
            let wait = refusal.retry_after.as_deref().and_then(|wait| wait.parse().ok());
            too_many(error, text, wait, asked.tracing)
        }
        Refused::Status(code) => asked.refuse(code),
        Refused::Reset => {
            asked.socket.link.valve.kill(End::Reset);
            return None;
        }
        Refused::Hang | Refused::Omit => return None,
    };
    if let Some(body) = &refusal.body {
        answer["body"] = body.clone();
    }
    if let Some(bytes) = refusal.body_bytes {
        answer["body"] = json!("x".repeat(bytes));
    }
    Some(answer)
}

/// Gives a mutable object inside a value, made if it is none.
pub(super) fn object<'a>(value: &'a mut Value, key: &str) -> &'a mut Map<String, Value> {
    if !value.is_object() {
        *value = json!({});
    }
    let slot = &mut value[key];
    if !slot.is_object() {
        *slot = json!({});
    }
    slot.as_object_mut().expect("it was made an object")
}

pub(super) const TOO_MANY_MESSAGES: &str = "Message rate too high for this session";
const TOO_MANY_CONFIGURES: &str = "ConfigureSession rate too high for this session";
const MAX_TOKEN: usize = 2048;
const MAX_ID: usize = 256;
