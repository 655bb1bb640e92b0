//! The messages of a conversation, in both directions.

use serde_json::{Value, json};

use super::actions::{Asked, TOO_MANY_MESSAGES, object, scripted};
use super::frames::{message, refusal, response, too_many};
use crate::servers::genesys::delivery::{Arrival, CutWhen};
use crate::servers::genesys::state::{EventSeen, Path, note};
use crate::servers::genesys::{Genesys, Inner, decorate};
use crate::servers::hub::Hub;
use crate::servers::random::{epoch_ms, iso_time};
use crate::servers::socket::Out;

impl Genesys {
    /// Pushes `n` messages to every session, or frames to every configured socket.
    pub(in crate::servers::genesys) fn web_notify(&self, n: u32, body: &Value) -> Value {
        let inner = &mut *self.lock();
        let tokens = inner.sessions.tokens();
        let mut heard = 0_u64;
        for _ in 0..n {
            for token in &tokens {
                heard += match body.get("class") {
                    Some(_) => inner.push_frame(token, body),
                    None => inner.push_message(token, body),
                };
            }
        }
        let sockets: usize = tokens.iter().map(|token| inner.sessions.sockets(token).len()).sum();
        json!({ "ok": true, "sockets": sockets, "sent": heard })
    }
}

impl Inner {
    /// Takes a message or an event of the client.
    pub(super) fn on_message(&mut self, hub: &Hub, asked: &Asked<'_>) -> Option<Value> {
        if let Some(refusal) = hub.take_refusal("rest") {
            self.seen.refused_messages += 1;
            return scripted(&refusal, asked, 4029, TOO_MANY_MESSAGES);
        }
        let failure = hub.faults().fails_request();
        let answer = match failure {
            Some((429, body)) => {
                let wait = body.get("retryAfter").and_then(Value::as_u64).or(Some(1));
                Some(too_many(4029, TOO_MANY_MESSAGES, wait, asked.tracing))
            }
            Some((code, body)) => {
                let words = body != json!("scripted failure");
                let known = refusal(code, asked.tracing);
                Some(if words { response("string", code, body, asked.tracing) } else { known })
            }
            None => match self.check(asked) {
                Ok(()) => return self.take(hub, asked),
                Err(refusal) => Some(refusal),
            },
        };
        self.seen.refused_messages += 1;
        answer
    }

    /// Checks a message without taking it.
    fn check(&mut self, asked: &Asked<'_>) -> Result<(), Value> {
        let session = self.usable(asked)?;
        let read_only = session.is_read_only;
        let body = asked.frame.get("message").filter(|body| body.is_object());
        let body = body.ok_or_else(|| asked.refuse(4020))?;
        let text = body.get("text").and_then(Value::as_str);
        let is_clear = presence(body) == Some("Clear");
        match body.get("type").and_then(Value::as_str) {
            _ if read_only && !is_clear => return Err(asked.refuse(409)),
            Some("Text") if text.is_none() => return Err(asked.refuse(400)),
            Some("Event") if !body.get("events").is_some_and(Value::is_array) => {
                return Err(asked.refuse(400));
            }
            Some(_) => {}
            None => return Err(asked.refuse(4020)),
        }
        if text.is_some_and(|text| text.len() > MAX_TEXT) {
            return Err(asked.refuse(4011));
        }
        let attributes = |holder: &Value| {
            let metadata = holder.get("channel")?.get("metadata")?;
            Some(metadata.get("customAttributes")?.to_string().len())
        };
        let size = attributes(body).max(attributes(asked.frame));
        if size.is_some_and(|size| size > MAX_ATTRIBUTES) {
            return Err(asked.refuse(4013));
        }
        let rate = self.settings.message_rate;
        let admitted = self.recent.messages.admit(asked.token.to_owned(), asked.t_ms, rate);
        admitted.map_err(|wait| too_many(4029, TOO_MANY_MESSAGES, Some(wait), asked.tracing))
    }

    fn take(&mut self, hub: &Hub, asked: &Asked<'_>) -> Option<Value> {
        let body = asked.frame.get("message")?;
        self.prolong(asked.token, asked.t_ms);
        if body.get("type") == Some(&json!("Event")) {
            self.take_event(asked, body);
            return None;
        }
        let delay = self.settings.answer_delay;
        let cut = self.desk.cuts();
        if cut == Some(CutWhen::BeforeDelivery) {
            self.desk.cut(asked.socket, delay);
            return None;
        }
        let made_up;
        let id = match asked.tracing {
            Some(id) => id,
            None => {
                made_up = format!("untraced-{}", self.random.uuid());
                &made_up
            }
        };
        let conversation = self.usable(asked).ok()?.conversation;
        let text = match body.get("text").and_then(Value::as_str) {
            Some(text) => text.to_owned(),
            None => body.to_string(),
        };
        let arrival =
            Arrival { id, text: &text, path: Path::Socket, conversation, t_ms: asked.t_ms };
        let known = self.desk.take_in(&mut self.seen, &self.settings, &arrival);
        let dedupe = known && self.settings.dedupe;
        let session = self.sessions.by_token.get(asked.token)?;
        let echo = match session.echoes.get(id).filter(|_| dedupe) {
            Some(echo) => echo.clone(),
            None => self.keep_inbound(asked.token, id, body),
        };
        if cut == Some(CutWhen::BeforeAck) {
            self.seen.lost_acks += 1;
            self.desk.cut(asked.socket, delay);
            return None;
        }
        self.send_echo(hub, asked, echo);
        if cut == Some(CutWhen::AfterAck) {
            self.desk.cut(asked.socket, delay);
        }
        None
    }

    /// Sends a message back to every connection of its session: that is its acknowledgment.
    fn send_echo(&mut self, hub: &Hub, asked: &Asked<'_>, echo: Value) {
        let tracing = {
            let mut faults = hub.faults();
            if faults.loses_ack() {
                self.seen.lost_acks += 1;
                return;
            }
            let mistaken = faults.mistakes_id().then(|| self.random.uuid());
            mistaken.or_else(|| asked.tracing.map(str::to_owned))
        };
        let is_ack = tracing.as_deref() == asked.tracing;
        let mut frame = message("StructuredMessage", echo, tracing.as_deref());
        decorate(&self.settings, &mut frame);
        let text = frame.to_string();
        for socket in self.sessions.sockets(asked.token) {
            let own = socket.conn == asked.socket.conn;
            let out = match asked.tracing.filter(|_| own && is_ack) {
                Some(id) => Out::Marked(text.clone(), id.to_owned()),
                None => Out::Text(text.clone()),
            };
            let delay = self.settings.answer_delay.saturating_add(self.lateness());
            socket.send_after(delay, out);
        }
    }

    /// Gives a client's message its ids, and keeps it.
    fn keep_inbound(&mut self, token: &str, tracing: &str, body: &Value) -> Value {
        let echo = self.inbound(body);
        if let Some(session) = self.sessions.by_token.get_mut(token) {
            session.keep(echo.clone());
            if session.echoes.len() < MAX_ECHOES {
                session.echoes.insert(tracing.to_owned(), echo.clone());
            }
        }
        echo
    }

    fn inbound(&mut self, body: &Value) -> Value {
        let mut echo = body.clone();
        let (id, message_id) = (self.random.hex(16), self.random.uuid());
        let channel = object(&mut echo, "channel");
        channel.insert("time".to_owned(), json!(iso_time(epoch_ms())));
        channel.insert("type".to_owned(), json!("Private"));
        channel.insert("messageId".to_owned(), json!(message_id));
        echo["id"] = json!(id);
        echo["direction"] = json!("Inbound");
        echo
    }

    fn take_event(&mut self, asked: &Asked<'_>, body: &Value) {
        let events = body.get("events").and_then(Value::as_array);
        for event in events.into_iter().flatten().take(MAX_EVENTS) {
            let kind = event.get("eventType").and_then(Value::as_str).unwrap_or("?");
            let detail = event.get(kind.to_ascii_lowercase()).and_then(|event| event.get("type"));
            let kind = format!("{kind}.{}", detail.and_then(Value::as_str).unwrap_or("?"));
            let (t_ms, conn) = (asked.t_ms, asked.socket.conn);
            note(&mut self.seen.events, EventSeen { t_ms, conn, kind });
        }
        let echo = self.inbound(body);
        let frame = message("StructuredMessage", echo, asked.tracing);
        for socket in self.sessions.sockets(asked.token) {
            self.reply(&socket, frame.clone());
        }
        if presence(body) == Some("Clear") {
            for socket in self.sessions.end(asked.token) {
                self.reply(&socket, message("SessionClearedEvent", json!({}), None));
                self.reply(&socket, message("ConnectionClosedEvent", json!({}), None));
            }
        }
    }

    /// Sends a whole frame to the sockets of a session.
    fn push_frame(&mut self, token: &str, frame: &Value) -> u64 {
        let mut frame = frame.clone();
        for (key, value) in [("type", json!("message")), ("code", json!(200)), ("body", json!({}))]
        {
            if frame.get(key).is_none() {
                frame[key] = value;
            }
        }
        let sockets = self.sessions.sockets(token);
        sockets.iter().filter(|socket| self.send_to(socket, frame.clone())).count() as u64
    }

    /// Sends a message of an agent to the sockets of a session, and keeps it unless it is an
    /// event.
    pub(super) fn push_message(&mut self, token: &str, body: &Value) -> u64 {
        let mut body = if body.is_object() { body.clone() } else { json!({}) };
        let alias = body.as_object_mut().and_then(|fields| fields.remove("message"));
        let text = alias.filter(Value::is_string).unwrap_or_else(|| json!("hi"));
        let id = self.random.hex(16);
        let events = body.get("events").is_some();
        let kind = if events { "Event" } else { "Text" };
        let mut defaults = vec![("type", json!(kind)), ("id", json!(id))];
        defaults.push(("direction", json!("Outbound")));
        defaults.push(("originatingEntity", json!("Human")));
        for (key, value) in defaults {
            if body.get(key).is_none() {
                body[key] = value;
            }
        }
        if body["type"] == "Text" && body.get("text").is_none() {
            body["text"] = text;
        }
        let channel = object(&mut body, "channel");
        for (key, value) in [
            ("time", json!(iso_time(epoch_ms()))),
            ("type", json!("Private")),
            ("from", json!({ "nickname": "Ann" })),
        ] {
            channel.entry(key).or_insert(value);
        }
        if let (Some(session), false) =
            (self.sessions.by_token.get_mut(token), body["type"] == "Event")
        {
            session.keep(body.clone());
        }
        let frame = message("StructuredMessage", body, None);
        let sockets = self.sessions.sockets(token);
        sockets.iter().filter(|socket| self.send_to(socket, frame.clone())).count() as u64
    }
}

/// Names the presence that a message tells.
fn presence(body: &Value) -> Option<&str> {
    let events = body.get("events")?.as_array()?;
    events.iter().find_map(|event| event.get("presence")?.get("type")?.as_str())
}

const MAX_TEXT: usize = 4096;
const MAX_ATTRIBUTES: usize = 2048;
const MAX_ECHOES: usize = 100_000;
const MAX_EVENTS: usize = 100;
