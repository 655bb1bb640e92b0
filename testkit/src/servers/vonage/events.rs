//! What a client says on its socket: requests about the session, and events.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::attach::Problem;
use super::state::{MessageSeen, RefreshCall, note};
use super::{Generation, Inner, Settings, Vonage};
use crate::servers::fault::Refused;
use crate::servers::hub::Hub;
use crate::servers::random::iso_time;
use crate::servers::valve::End;

impl Vonage {
    /// Takes an event of a client.
    pub(super) fn event(
        self: &Arc<Self>,
        hub: &Hub,
        inner: &mut Inner,
        conn: u64,
        name: &str,
        args: &[Value],
    ) {
        if inner.conns.get(&conn).is_none_or(|conn| conn.refused) {
            return;
        }
        let Some(payload) = args.first().filter(|payload| payload.is_object()) else {
            inner.seen.bad_frames += 1;
            return;
        };
        let rid = payload.get("tid");
        let token = payload.pointer("/body/token").and_then(Value::as_str).unwrap_or_default();
        match (name, self.generation) {
            ("session:login", Generation::V1) => self.login(hub, inner, conn, token, rid),
            ("session:update-token", Generation::V1) => {
                self.update_token(hub, inner, conn, token, rid);
            }
            ("session:logout", _) => self.logout(inner, conn, rid),
            (name, _) if name.starts_with("session:") => {
                self.complain(inner, conn, &Problem::of("system:error:invalid-event"), rid);
            }
            _ if inner.sessions.on(conn).is_none() => {
                self.complain(inner, conn, &Problem::of("session:error:invalid"), rid);
            }
            _ => self.application(hub, inner, conn, name, payload),
        }
    }

    fn update_token(
        self: &Arc<Self>,
        hub: &Hub,
        inner: &mut Inner,
        conn: u64,
        token: &str,
        rid: Option<&Value>,
    ) {
        let refusal = hub.take_refusal("refresh").or_else(|| hub.take_refusal("token"));
        let problem = match refusal.map(|refusal| (refusal.verdict(), refusal)) {
            Some((Refused::Hang, _)) => {
                self.note_refresh(inner, false, token, false);
                return;
            }
            Some((Refused::Reset, _)) => {
                self.note_refresh(inner, false, token, false);
                if let Some(conn) = inner.conns.get(&conn) {
                    conn.handle.link.valve.kill(End::Reset);
                }
                return;
            }
            Some((Refused::Status(status), refusal)) => Some(Problem::scripted(status, &refusal)),
            Some((Refused::Omit, _)) | None => None,
        };
        let id = inner.sessions.on(conn).map(|(id, _)| id.clone());
        let done = match (problem, id) {
            (Some(problem), _) => Err(problem),
            (None, None) => Err(Problem::of("session:error:invalid")),
            (None, Some(id)) => self.renew(inner, &id, token),
        };
        self.note_refresh(inner, false, token, done.is_ok());
        match done {
            Ok(()) => self.reply(hub, inner, conn, "session:update-token:success", rid, json!({})),
            Err(problem) => self.complain(inner, conn, &problem, rid),
        }
    }

    /// Gives a session another token, in either way.
    pub(super) fn renew(&self, inner: &mut Inner, id: &str, token: &str) -> Result<(), Problem> {
        let claims = self.check(inner, token)?;
        let session = inner.sessions.get_mut(id).filter(|session| session.user == claims.sub);
        let session = session.ok_or_else(|| Problem::of("session:error:invalid"))?;
        session.renew(token, &claims);
        self.waker.notify_one();
        Ok(())
    }

    /// Counts a request for another token.
    pub(super) fn note_refresh(&self, inner: &mut Inner, http: bool, token: &str, ok: bool) {
        let token = self.wire.name("jwt", token);
        let t_ms = self.wire.now_ms();
        note(&mut inner.seen.refreshes, RefreshCall { t_ms, http, token, ok });
    }

    fn logout(self: &Arc<Self>, inner: &mut Inner, conn: u64, rid: Option<&Value>) {
        let id = inner.sessions.on(conn).map(|(id, _)| id.clone());
        // "Already logged out", in the platform's words.
        let name = if id.is_some() { "session:logged-out" } else { "session:terminated" };
        if let Some(id) = id {
            inner.sessions.remove(&id);
            inner.seen.logouts += 1;
        }
        let payload = self.payload(inner, rid, json!({}));
        self.emit_soon(conn, name, payload, inner.settings.answer_delay);
    }

    /// Takes an event that is not about the session.
    fn application(
        self: &Arc<Self>,
        hub: &Hub,
        inner: &mut Inner,
        conn: u64,
        name: &str,
        payload: &Value,
    ) {
        let rid = payload.get("tid");
        let tid = rid.and_then(Value::as_str).unwrap_or_default().to_owned();
        let duplicate = !tid.is_empty() && !inner.learn_tid(&tid);
        let (fails, lost) = {
            let mut faults = hub.faults();
            (faults.fails_request(), faults.loses_ack())
        };
        let message = MessageSeen {
            t_ms: self.wire.now_ms(),
            id: tid,
            event: name.to_owned(),
            duplicate,
            answered: rid.is_some() && !lost,
        };
        note(&mut inner.seen.messages, message);
        if let Some((code, body)) = fails {
            let mut payload = self.payload(inner, rid, json!({}));
            insert(&mut payload, "code", json!(code));
            insert(&mut payload, "description", body);
            return self.emit_soon(
                conn,
                "system:error:failed",
                payload,
                inner.settings.answer_delay,
            );
        }
        let cid = payload.get("cid").and_then(Value::as_str);
        let mut body = json!({});
        let now = iso_time(self.wall_ms(inner));
        let made = cid.map(|cid| {
            let mut event =
                json!({ "cid": cid, "body": payload.get("body").unwrap_or(&json!({})) });
            let from = payload.get("from").cloned().unwrap_or_else(|| json!("MEM-simulated"));
            insert(&mut event, "from", from);
            self.number(inner, cid, name, event)
        });
        if let Some(event) = &made {
            body = json!({ "id": event.payload["id"], "timestamp": now });
        }
        if !lost {
            self.reply(hub, inner, conn, &format!("{name}:success"), rid, body);
        }
        if let Some(event) = made {
            self.push(inner, &event);
        }
    }

    /// Answers a request; one without a `tid` gets no answer.
    fn reply(
        self: &Arc<Self>,
        hub: &Hub,
        inner: &Inner,
        conn: u64,
        name: &str,
        rid: Option<&Value>,
        body: Value,
    ) {
        let wrong = json!("00000000-0000-4000-8000-000000000000");
        let rid = rid.map(|rid| if hub.faults().mistakes_id() { &wrong } else { rid });
        if rid.is_some() {
            let payload = self.payload(inner, rid, body);
            self.emit_soon(conn, name, payload, inner.settings.answer_delay);
        }
    }

    fn complain(
        self: &Arc<Self>,
        inner: &Inner,
        conn: u64,
        problem: &Problem,
        rid: Option<&Value>,
    ) {
        let mut payload = self.payload(inner, rid, json!({}));
        insert(&mut payload, "description", json!(problem.description));
        self.emit_soon(conn, &problem.event, payload, inner.settings.answer_delay);
    }

    fn payload(&self, inner: &Inner, rid: Option<&Value>, body: Value) -> Value {
        let mut payload = json!({});
        if let Some(rid) = rid {
            insert(&mut payload, "rid", rid.clone());
        }
        insert(&mut payload, "body", body);
        self.decorate(inner, &mut payload);
        payload
    }

    fn emit_soon(self: &Arc<Self>, conn: u64, name: &str, payload: Value, delay: Duration) {
        if delay.is_zero() {
            self.io.emit(conn, "/", name, vec![payload]);
            return;
        }
        let (io, name) = (self.io.clone(), name.to_owned());
        tokio::spawn(async move {
            tokio::time::sleep(delay).await;
            io.emit(conn, "/", &name, vec![payload]);
        });
    }

    /// Disconnects a socket a moment after what was said last.
    pub(super) fn disconnect_soon(self: &Arc<Self>, conn: u64, settings: &Settings) {
        let (delay, close) = (settings.disconnect_delay, settings.close_after_disconnect);
        if delay.is_zero() {
            return self.io.disconnect(conn, "/", close);
        }
        let io = self.io.clone();
        tokio::spawn(async move {
            tokio::time::sleep(delay).await;
            io.disconnect(conn, "/", close);
        });
    }

    /// Adds fields that no client knows, when the options say so.
    pub(super) fn decorate(&self, inner: &Inner, payload: &mut Value) {
        if inner.settings.extra_fields {
            insert(payload, "x-unknown", json!({ "nested": [1, null, { "deep": true }] }));
        }
    }
}

impl Inner {
    /// Tells whether a request has not been seen before.
    fn learn_tid(&mut self, tid: &str) -> bool {
        self.tids.len() >= MAX_TIDS || self.tids.insert(tid.to_owned())
    }
}

/// Sets a field of an object.
pub(super) fn insert(object: &mut Value, key: &str, value: Value) {
    if let Some(fields) = object.as_object_mut() {
        fields.insert(key.to_owned(), value);
    }
}

/// Finds the token in a frame that carries one, whatever it looks like.
pub(super) fn token_in(text: &str) -> Option<String> {
    let json = text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '-');
    let value: Value = serde_json::from_str(json).ok()?;
    Some(value.pointer("/1/body/token")?.as_str()?.to_owned())
}

const MAX_TIDS: usize = 100_000;
