//! The messages on a socket.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::delivery::{Greeting, decorate};
use super::http::without;
use super::options::WscMode;
use super::rest::{Body, RestAnswer, RestCall, Via, default_error, rest_error, step};
use super::state::note;
use super::{Inner, RingCentral};
use crate::servers::fault::{Refusal, Refused};
use crate::servers::frame::Message;
use crate::servers::hub::Hub;
use crate::servers::socket::{Out, SocketHandle};
use crate::servers::valve::End;
use crate::servers::wire::WireLog;

/// A frame, taken apart.
struct Frame {
    meta: Value,
    body: Option<Value>,
    // What stands behind `,--Boundary`.
    raw: bool,
    bytes: usize,
}

/// What one request leads to.
struct Reaction {
    answer: Option<RestAnswer>,
    headers: Value,
}

impl RingCentral {
    pub(super) fn hear(self: &Arc<Self>, hub: &Hub, socket: &SocketHandle, message: Message) {
        match message {
            Message::Text(text) => self.text(hub, socket, &text),
            Message::Binary(_) => self.lock().seen.bad_frames += 1,
            Message::Pong(_) => {
                let inner = &mut *self.lock();
                inner.seen.pongs += 1;
                if let Some(conn) = inner.conns.get_mut(&socket.conn) {
                    conn.pong_due = None;
                }
            }
            Message::Ping(_) => self.lock().seen.pings += 1,
            Message::Close(..) => {}
        }
        hub.wire.touch();
    }

    fn text(self: &Arc<Self>, hub: &Hub, socket: &SocketHandle, text: &str) {
        let inner = &mut *self.lock();
        let Some(conn) = inner.conns.get_mut(&socket.conn) else { return };
        if conn.greeting != Greeting::Sent {
            // Nothing is answered before the hello.
            inner.seen.early_frames += 1;
            return;
        }
        if conn.ending {
            return;
        }
        conn.heard = Instant::now();
        let Some(frame) = parse(text) else {
            inner.seen.bad_frames += 1;
            return;
        };
        let id = frame.meta.get("messageId").and_then(Value::as_str).unwrap_or_default();
        let id = id.to_owned();
        match frame.meta.get("type").and_then(Value::as_str) {
            _ if id.is_empty() => inner.seen.bad_frames += 1,
            Some("Heartbeat") => {
                inner.seen.heartbeats += 1;
                if inner.settings.answer_heartbeats {
                    let meta = json!({ "type": "Heartbeat", "messageId": id });
                    let echo = self.envelope(inner, socket.conn, meta, Body::None, &hub.wire);
                    socket.send(Out::Text(echo));
                }
            }
            Some("ClientRequest") if !is_body(frame.body.as_ref()) => {
                inner.seen.null_bodies += 1;
                let error = rest_error("WSG-808", "Body must be an object or a string");
                self.error(inner, socket, &id, 400, error, &hub.wire);
            }
            Some("ClientRequest") => self.request(inner, hub, socket, &id, frame),
            _ => inner.seen.bad_frames += 1,
        }
    }

    fn request(
        self: &Arc<Self>,
        inner: &mut Inner,
        hub: &Hub,
        socket: &SocketHandle,
        id: &str,
        frame: Frame,
    ) {
        let text = |name: &str| frame.meta.get(name).and_then(Value::as_str);
        let (Some(method), Some(path)) = (text("method"), text("path")) else {
            inner.seen.bad_frames += 1;
            return;
        };
        let limit = inner.settings.max_active_requests;
        let active = inner.conns.get(&socket.conn).map_or(0, |conn| conn.active);
        inner.seen.most_active = inner.seen.most_active.max(active + 1);
        if active >= limit {
            inner.seen.over_limit += 1;
            let error = rest_error("CMN-301", "Too many active requests");
            return self.error(inner, socket, id, 429, error, &hub.wire);
        }
        let session = inner.conns.get(&socket.conn).and_then(|conn| conn.session);
        let owner = session.and_then(|id| inner.sessions.of(id)).map(|own| own.owner.clone());
        let call = RestCall {
            t_ms: hub.wire.now_ms(),
            via: Via::Socket,
            id,
            method,
            path,
            body: frame.body.clone().unwrap_or_default(),
            kind: if frame.raw { "multipart/form-data" } else { "application/json" },
            bytes: frame.bytes,
            owner: owner.as_deref().unwrap_or_default(),
            session,
        };
        inner.begin(socket.conn);
        let Some(reaction) = self.react(inner, hub, socket, &call) else { return };
        // A lost answer keeps its request under way.
        let Some(answer) = reaction.answer.filter(|_| !hub.faults().loses_ack()) else { return };
        let id = if hub.faults().mistakes_id() { inner.tokens.uuid() } else { id.to_owned() };
        let request = inner.tokens.uuid();
        let mut meta = json!({
            "type": "ClientRequest",
            "messageId": id,
            "status": answer.status,
            "headers": {
                "Content-Type": "application/json", "RoutingKey": "SIM01", "RCRequestId": request,
            },
        });
        if let (Some(own), Some(more)) =
            (meta["headers"].as_object_mut(), reaction.headers.as_object())
        {
            own.extend(more.clone());
        }
        let out = self.envelope(inner, socket.conn, meta, answer.body, &hub.wire);
        self.deliver(inner, socket, out, &hub.wire);
    }

    /// Carries out a request, unless the script refuses it; nothing when it is never answered.
    fn react(
        &self,
        inner: &mut Inner,
        hub: &Hub,
        socket: &SocketHandle,
        call: &RestCall<'_>,
    ) -> Option<Reaction> {
        let step = step(call.method, call.path);
        let refusal = hub.take_refusal(step);
        let failure = if refusal.is_none() { hub.faults().fails_request() } else { None };
        let (status, body, headers) = match (&refusal, failure) {
            (Some(refusal), _) => match refusal.verdict() {
                Refused::Status(status) => {
                    let after = refusal.retry_after.as_ref();
                    let headers = after.map(|after| json!({ "Retry-After": after }));
                    (status, refusal_body(refusal, status, step), headers.unwrap_or_default())
                }
                Refused::Omit => {
                    let answer = self.rest(inner, call).omit(refusal.omit.as_deref());
                    return Some(Reaction { answer: Some(answer), headers: Value::Null });
                }
                verdict => {
                    note(&mut inner.seen.rest, call.seen(None));
                    if verdict == Refused::Reset {
                        socket.link.valve.kill(End::Reset);
                    }
                    return None;
                }
            },
            (None, Some((code, body))) if body.is_object() => (code, body, Value::Null),
            (None, Some((code, body))) => {
                (code, rest_error("CMN-101", &body.to_string()), Value::Null)
            }
            (None, None) => {
                let answer = Some(self.rest(inner, call));
                return Some(Reaction { answer, headers: Value::Null });
            }
        };
        note(&mut inner.seen.rest, call.seen(Some(status)));
        Some(Reaction { answer: Some(RestAnswer::json(status, body)), headers })
    }

    /// Sends an answer, now, later or in another order.
    fn deliver(
        self: &Arc<Self>,
        inner: &mut Inner,
        socket: &SocketHandle,
        out: String,
        wire: &Arc<WireLog>,
    ) {
        let delay = inner.settings.answer_delay;
        let reorder = inner.settings.reorder;
        let Some(conn) = inner.conns.get_mut(&socket.conn) else { return };
        if reorder < 2 && delay.is_zero() {
            return inner.finish(socket, out);
        }
        let (vendor, socket, wire) = (self.clone(), socket.clone(), wire.clone());
        if reorder < 2 {
            tokio::spawn(async move {
                sleep(delay).await;
                vendor.lock().finish(&socket, out);
                wire.touch();
            });
            return;
        }
        conn.held.push(out);
        if conn.held.len() >= reorder {
            inner.release(&socket);
        } else if conn.held.len() == 1 {
            // The others may never come.
            tokio::spawn(async move {
                sleep(delay.max(HELD)).await;
                vendor.lock().release(&socket);
                wire.touch();
            });
        }
    }

    fn error(
        &self,
        inner: &mut Inner,
        socket: &SocketHandle,
        id: &str,
        status: u16,
        error: Value,
        wire: &WireLog,
    ) {
        let request = inner.tokens.uuid();
        let meta = json!({
            "type": "Error", "messageId": id, "status": status,
            "headers": { "RCRequestId": request },
        });
        let frame = self.envelope(inner, socket.conn, meta, Body::Json(error), wire);
        socket.send(Out::Text(frame));
    }

    /// Builds a frame.
    pub(super) fn envelope(
        &self,
        inner: &mut Inner,
        conn: u64,
        mut meta: Value,
        body: Body,
        wire: &WireLog,
    ) -> String {
        let session = inner.conns.get(&conn).and_then(|conn| conn.session);
        if let (WscMode::Every, Some(session)) = (inner.settings.wsc_mode, session) {
            self.attach_wsc(inner, session, &mut meta, wire);
        }
        decorate(&inner.settings, &mut meta);
        match body {
            Body::None => json!([meta]).to_string(),
            Body::Json(body) => json!([meta, body]).to_string(),
            Body::Text(text) => format!("[{meta},{text}]"),
            Body::Binary(bytes) => format!("[{meta},{}]", json!(String::from_utf8_lossy(&bytes))),
        }
    }
}

impl Inner {
    fn begin(&mut self, conn: u64) {
        if let Some(conn) = self.conns.get_mut(&conn) {
            conn.active += 1;
        }
    }

    /// Sends an answer; its request is no longer under way.
    fn finish(&mut self, socket: &SocketHandle, out: String) {
        if let Some(conn) = self.conns.get_mut(&socket.conn) {
            conn.active = conn.active.saturating_sub(1);
            conn.handle.send(Out::Text(out));
        }
    }

    /// Sends what is held back, the newest first.
    fn release(&mut self, socket: &SocketHandle) {
        let held = self.conns.get_mut(&socket.conn).map(|conn| std::mem::take(&mut conn.held));
        for out in held.unwrap_or_default().into_iter().rev() {
            self.finish(socket, out);
        }
    }
}

/// Takes a frame apart: a JSON array, or one whose second part is no JSON.
fn parse(text: &str) -> Option<Frame> {
    let bytes = text.len();
    if let Some(at) = text.find(",--Boundary")
        && let Ok(meta) = serde_json::from_str::<Value>(text.get(1..at)?)
    {
        let whole = text.starts_with('[') && text.trim_end().ends_with(']');
        let body = Some(Value::String(text.get(at + 1..)?.to_owned()));
        return (whole && meta.is_object()).then_some(Frame { meta, body, raw: true, bytes });
    }
    let Ok(Value::Array(mut parts)) = serde_json::from_str(text) else { return None };
    let body = if parts.len() == 2 { parts.pop() } else { None };
    let meta = parts.pop().filter(Value::is_object)?;
    parts.is_empty().then_some(Frame { meta, body, raw: false, bytes })
}

/// Tells whether the second part of a frame is acceptable.
fn is_body(body: Option<&Value>) -> bool {
    body.is_none_or(|body| body.is_object() || body.is_string())
}

fn refusal_body(refusal: &Refusal, status: u16, step: &str) -> Value {
    let (code, message) = default_error(status, step);
    match (&refusal.body, refusal.body_bytes) {
        (_, Some(bytes)) => json!({ "padding": "x".repeat(bytes) }),
        (Some(body), _) => without(body.clone(), None),
        (None, None) => rest_error(code, message),
    }
}

const HELD: Duration = Duration::from_millis(100);
