//! What the platform pushes: events of conversations, and their acknowledgments.

use serde_json::{Value, json};

use super::events::insert;
use super::session::Pushed;
use super::state::{EventSeen, State, note};
use super::{Inner, Vonage};
use crate::servers::random::iso_time;

impl Vonage {
    /// Carries out the command `notify`.
    pub(super) fn notify(&self, inner: &mut Inner, n: u32, body: &Value) -> Result<Value, String> {
        for _ in 0..n {
            inner.notified += 1;
            let event = self.made(inner, body)?;
            let copies = if inner.settings.repeat_events > 0 { 2 } else { 1 };
            inner.settings.repeat_events = inner.settings.repeat_events.saturating_sub(1);
            for _ in 0..copies {
                self.push(inner, &event);
            }
        }
        self.wire.touch();
        Ok(json!({ "ok": true, "sessions": inner.sessions.len() }))
    }

    /// Makes the event that a command describes.
    fn made(&self, inner: &mut Inner, body: &Value) -> Result<Pushed, String> {
        let fields = body.as_object().ok_or("\"body\" is an object")?;
        let known = ["event", "cid", "from", "body", "payload"];
        let described = fields.keys().any(|key| known.contains(&key.as_str()));
        if let Some(unknown) = fields.keys().find(|key| described && !known.contains(&key.as_str()))
        {
            return Err(format!("unknown field \"{unknown}\" in the body of \"notify\""));
        }
        let name = fields.get("event").and_then(Value::as_str).unwrap_or("custom:notify");
        if let Some(payload) = fields.get("payload") {
            let seen = self.note_event(inner, name, payload);
            return Ok(Pushed { seen, name: name.to_owned(), payload: payload.clone() });
        }
        let cid = fields.get("cid").and_then(Value::as_str).unwrap_or(CONVERSATION);
        let from = fields.get("from").cloned().unwrap_or_else(|| json!("MEM-simulated"));
        // Without a description the body is the event's own, and counts.
        let mut own = match (described, fields.get("body")) {
            (true, own) => own.cloned().unwrap_or_else(|| json!({})),
            (false, _) => body.clone(),
        };
        if own.as_object().is_some_and(|own| !own.contains_key("n")) {
            insert(&mut own, "n", json!(inner.notified));
        }
        let event = json!({ "cid": cid, "from": from, "body": own });
        Ok(self.number(inner, cid, name, event))
    }

    /// Gives an event its number in the conversation, and keeps it there.
    pub(super) fn number(
        &self,
        inner: &mut Inner,
        cid: &str,
        name: &str,
        mut payload: Value,
    ) -> Pushed {
        let skipped = std::mem::take(&mut inner.settings.skip_ids);
        let now = iso_time(self.wall_ms(inner));
        let conversation = inner.conversations.entry(cid.to_owned()).or_default();
        conversation.last_id = conversation.last_id.saturating_add(1).saturating_add(skipped);
        insert(&mut payload, "id", json!(conversation.last_id.to_string()));
        insert(&mut payload, "timestamp", json!(now));
        let seen = self.note_event(inner, name, &payload);
        let event = Pushed { seen, name: name.to_owned(), payload };
        if let Some(conversation) = inner.conversations.get_mut(cid) {
            conversation.events.push(event.clone());
            if conversation.events.len() > MAX_HISTORY {
                conversation.events.remove(0);
            }
        }
        event
    }

    fn note_event(&self, inner: &mut Inner, name: &str, payload: &Value) -> usize {
        let text = |field: &str| payload.get(field).and_then(Value::as_str).map(str::to_owned);
        let seen = EventSeen {
            t_ms: self.wire.now_ms(),
            event: name.to_owned(),
            cid: text("cid"),
            id: text("id"),
            sent: 0,
            acked_ms: None,
        };
        note(&mut inner.seen.events, seen).unwrap_or(usize::MAX)
    }

    /// Gives an event to every session.
    pub(super) fn push(&self, inner: &mut Inner, event: &Pushed) {
        inner.sessions.sweep(self.now_ms(inner), inner.settings.window);
        let ids: Vec<_> = inner.sessions.iter_mut().map(|(id, _)| id.clone()).collect();
        for id in ids {
            self.deliver(inner, &id, event.clone(), true);
        }
    }

    /// Sends an event to a session, or keeps it while nobody can hear it.
    pub(super) fn deliver(&self, inner: &mut Inner, id: &str, event: Pushed, live: bool) {
        let (ask, most) = (inner.settings.ask_acks, inner.settings.event_buffer);
        let mut payload = event.payload.clone();
        self.decorate(inner, &mut payload);
        let Some(session) = inner.sessions.get_mut(id) else { return };
        let Some(conn) = session.conn else { return session.keep(event, most) };
        let (name, args) = (event.name.as_str(), vec![payload]);
        // What was missed is not asked about, as in the recordings.
        let heard = if live && ask.unwrap_or(session.acknowledges) {
            match self.io.ask(conn, "/", name, args) {
                Some(number) => {
                    session.unacknowledged.insert(number, event.clone());
                    true
                }
                None => false,
            }
        } else {
            self.io.emit(conn, "/", name, args)
        };
        if heard {
            inner.seen.sent(event.seen);
        } else {
            session.keep(event, most);
        }
    }

    /// Takes the acknowledgment of an event.
    pub(super) fn acknowledged(&self, inner: &mut Inner, conn: u64, number: u64) {
        let Some((_, session)) = inner.sessions.on(conn) else { return };
        let Some(event) = session.unacknowledged.remove(&number) else { return };
        let now = self.wire.now_ms();
        if let Some(seen) = inner.seen.events.get_mut(event.seen) {
            seen.acked_ms.get_or_insert(now);
        }
    }
}

impl State {
    /// Counts that an event went out.
    pub(super) fn sent(&mut self, seen: usize) {
        if let Some(event) = self.events.get_mut(seen) {
            event.sent = event.sent.saturating_add(1);
        }
    }
}

/// The conversation of events that name none.
const CONVERSATION: &str = "CON-00000000-0000-4000-8000-000000000001";
const MAX_HISTORY: usize = 10_000;
