//! The messages on a socket.

use serde_json::{Map, Value, json};

use super::http::epoch_ms;
use super::state::{MessageSeen, PingSeen, RequestSeen, last_segment, note};
use super::{Inner, LivePerson};
use crate::servers::fault::Refused;
use crate::servers::frame::Message;
use crate::servers::hub::Hub;
use crate::servers::socket::{Out, SocketHandle};
use crate::servers::valve::End;

/// A response, and the notification that follows it.
struct Answered {
    code: u16,
    kind: &'static str,
    body: Value,
    then: Option<(&'static str, Value)>,
}

impl Answered {
    fn ok(kind: &'static str, body: Value) -> Self {
        Self { code: 200, kind, body, then: None }
    }

    fn text(code: u16, text: impl Into<Value>) -> Self {
        Self { code, kind: ".ReqBody$StringResp", body: text.into(), then: None }
    }

    fn subscribed(kind: &'static str, id: String, notification: &'static str) -> Self {
        let empty = json!({ "subscriptionId": id, "changes": [] });
        let body = json!({ "subscriptionId": id });
        Self { code: 200, kind, body, then: Some((notification, empty)) }
    }
}

impl LivePerson {
    pub(super) fn hear(&self, hub: &Hub, socket: &SocketHandle, message: Message) {
        match message {
            Message::Ping(_) => {
                let ping = PingSeen { t_ms: hub.wire.now_ms(), conn: socket.conn };
                note(&mut self.lock().seen.pings, ping);
            }
            Message::Text(text) => {
                if self.request(hub, socket, &text).is_none() {
                    self.lock().seen.bad_frames += 1;
                }
            }
            Message::Binary(_) => self.lock().seen.bad_frames += 1,
            Message::Pong(_) | Message::Close(..) => {}
        }
        hub.wire.touch();
    }

    /// Answers a request; nothing comes back when it is none.
    fn request(&self, hub: &Hub, socket: &SocketHandle, text: &str) -> Option<()> {
        let request: Value = serde_json::from_str(text).ok()?;
        if request.get("kind")?.as_str()? != "req" {
            return None;
        }
        let kind = request.get("type")?.as_str()?.to_owned();
        let id = match request.get("id")? {
            Value::String(id) => id.clone(),
            Value::Number(id) => id.to_string(),
            _ => return None,
        };
        let inner = &mut *self.lock();
        let (t_ms, conn) = (hub.wire.now_ms(), socket.conn);
        let seen = RequestSeen { t_ms, conn, id: id.clone(), kind: kind.clone() };
        note(&mut inner.seen.requests, seen);

        let step = match last_segment(&kind) {
            "QueryMessages" => "history",
            segment if segment.starts_with("Subscribe") => "subscribe",
            _ => "",
        };
        let refusal = hub.take_refusal(step);
        let failure = hub.faults().fails_request();
        let answered = match (refusal.map(|refusal| refusal.verdict()), failure) {
            (Some(Refused::Status(code)), _) => Answered::text(code, "scripted refusal"),
            (Some(Refused::Hang | Refused::Omit), _) => return Some(()),
            (Some(Refused::Reset), _) => {
                socket.link.valve.kill(End::Reset);
                return Some(());
            }
            (None, Some((code, body))) => Answered::text(code, body),
            (None, None) => {
                let null = Value::Null;
                let body = request.get("body").unwrap_or(&null);
                answer(inner, &kind, &id, body, t_ms, conn)
            }
        };
        if hub.faults().loses_ack() {
            return Some(());
        }
        let id = if hub.faults().mistakes_id() { inner.tokens.uuid() } else { id };
        let mut response = json!({
            "kind": "resp", "reqId": id, "code": answered.code, "body": answered.body,
            "type": answered.kind,
        });
        decorate(inner, &mut response);
        socket.send_after(inner.settings.answer_delay, Out::Text(response.to_string()));
        if let Some((kind, body)) = answered.then {
            let notification = notification(inner, kind, body);
            socket.send_after(inner.settings.answer_delay, notification);
        }
        Some(())
    }

    /// Pushes `n` notifications; content is kept for later queries, too.
    pub(super) fn notify(&self, hub: &Hub, n: u32, body: &Value) -> Value {
        let inner = &mut *self.lock();
        let sockets: Vec<_> = hub
            .sockets()
            .into_iter()
            .filter(|socket| {
                !inner.settings.notify_subscribed_only || inner.subscribed.contains(&socket.conn)
            })
            .collect();
        let mut heard = 0_u64;
        for _ in 0..n {
            let out = push(inner, body);
            heard += sockets.iter().filter(|socket| socket.send(out.clone())).count() as u64;
        }
        json!({ "ok": true, "sockets": sockets.len(), "sent": heard })
    }
}

/// Builds one pushed frame from what the script gave.
fn push(inner: &mut Inner, body: &Value) -> Out {
    if body.get("kind").is_some() {
        return Out::Text(body.to_string());
    }
    if let (Some(Value::String(kind)), Some(body)) = (body.get("type"), body.get("body")) {
        let mut frame = json!({ "kind": "notification", "type": kind, "body": body });
        decorate(inner, &mut frame);
        return Out::Text(frame.to_string());
    }
    let field = |name: &str, default: &str| {
        body.get(name).and_then(Value::as_str).unwrap_or(default).to_owned()
    };
    let dialog = field("dialogId", "d0000000-0000-4000-8000-000000000001");
    let event = body.get("event").cloned().unwrap_or_else(|| {
        json!({
            "type": "ContentEvent",
            "message": body.as_str().map_or_else(
                || field("message", field("text", "hi").as_str()),
                str::to_owned,
            ),
            "contentType": "text/plain",
        })
    });
    let originator = field("originatorPId", "consumer");
    let entry = store(inner, &dialog, &originator, event, body.as_object());
    notification(inner, ".ams.ms.OnlineEventDistribution", entry)
}

/// Answers one request as the recordings do.
fn answer(inner: &mut Inner, kind: &str, id: &str, body: &Value, t_ms: u64, conn: u64) -> Answered {
    match last_segment(kind) {
        "GetClock" => Answered::ok(".GetClock$Response", json!({ "currentTime": epoch_ms() })),
        "SubscribeExConversations" => {
            let kind = ".ams.aam.SubscribeExConversations$Response";
            let notification = ".ams.aam.ExConversationChangeNotification";
            subscribe(inner, conn, kind, notification)
        }
        "SubscribeRoutingTasks" => {
            subscribe(inner, conn, GENERIC, ".ams.routing.RoutingTaskNotification")
        }
        "SubscribeAgentsState" => {
            subscribe(inner, conn, GENERIC, ".ams.routing.AgentStateNotification")
        }
        "SubscribeMessagingEvents" => {
            inner.subscribed.insert(conn);
            Answered::ok(GENERIC, json!({ "subscriptionId": inner.tokens.uuid() }))
        }
        "UpdateRoutingTaskSubscription" => Answered::ok(GENERIC, json!({})),
        "UnsubscribeExConversations" => {
            inner.subscribed.remove(&conn);
            Answered::ok(".ams.aam.UnsubscribeExConversations$Response", json!({}))
        }
        "SetAgentState" => Answered::text(202, "Agent state updated successfully"),
        "UpdateRingState" => Answered::text(202, "Ring state updated successfully"),
        "UpdateConversationField" => Answered::text(202, "OK Agent added successfully"),
        "GetUserProfile" => {
            let account = inner.accounts.get(&conn).map_or("", String::as_str);
            let user = format!("{account}.{}", inner.settings.user_id);
            let profile = json!({ "userId": user, "privateData": {} });
            Answered::ok(".ams.userprofile.GetUserProfile$Response", profile)
        }
        "AgentRequestConversation" => {
            let conversation = json!({ "conversationId": inner.tokens.uuid() });
            Answered::ok(".ams.cm.RequestConversation$Response", conversation)
        }
        "GenerateURLForUploadFile" => {
            Answered::ok(".ams.ms.GenerateURLForUploadFile$Response", file_url())
        }
        "GenerateURLForDownloadFile" => {
            Answered::ok(".ams.ms.GenerateURLForDownloadFile$Response", file_url())
        }
        "QueryMessages" => Answered::ok(".ams.ms.QueryMessages$Response", query(inner, conn, body)),
        "PublishEvent" => publish(inner, id, body, t_ms, conn),
        _ => Answered::text(400, format!("unknown type {kind}")),
    }
}

fn subscribe(
    inner: &mut Inner,
    conn: u64,
    kind: &'static str,
    notification: &'static str,
) -> Answered {
    inner.subscribed.insert(conn);
    Answered::subscribed(kind, inner.tokens.uuid(), notification)
}

/// Gives the messages of a dialog; asking for them is a subscription in the vendor's SDK.
fn query(inner: &mut Inner, conn: u64, body: &Value) -> Value {
    inner.subscribed.insert(conn);
    let newer_than = body.get("newerThanSequence").and_then(Value::as_u64).unwrap_or(0);
    let dialog = body.get("dialogId").and_then(Value::as_str).unwrap_or_default();
    let history = inner.dialogs.get(dialog).map_or(&[][..], |dialog| &dialog.history[..]);
    let newer = history.iter().filter(|(sequence, _)| *sequence > newer_than);
    Value::Array(newer.map(|(_, entry)| entry.clone()).collect())
}

fn publish(inner: &mut Inner, id: &str, body: &Value, t_ms: u64, conn: u64) -> Answered {
    let kind = ".ams.ms.PublishEvent$Response";
    let event = body.get("event").cloned().unwrap_or_default();
    let event_type = event.get("type").and_then(Value::as_str).unwrap_or_default();
    let Some(dialog) = body.get("dialogId").and_then(Value::as_str) else {
        return Answered::text(400, "dialogId is missing");
    };
    if !matches!(event_type, "ContentEvent" | "RichContentEvent") {
        return Answered::ok(kind, json!({ "sequence": 0 }));
    }
    let user = inner.settings.user_pid.clone();
    let entry = store(inner, dialog, &user, event, None);
    let sequence = entry.get("sequence").and_then(Value::as_u64).unwrap_or(0);
    let duplicate = inner.message_ids.contains(id);
    if inner.message_ids.len() < MAX_IDS {
        inner.message_ids.insert(id.to_owned());
    }
    let (id, dialog) = (id.to_owned(), dialog.to_owned());
    let message = MessageSeen { id, t_ms, conn, dialog, sequence, duplicate };
    note(&mut inner.seen.messages, message);
    Answered::ok(kind, json!({ "sequence": sequence }))
}

/// Gives an event its sequence and keeps it, with what else a script says of it.
fn store(
    inner: &mut Inner,
    dialog: &str,
    originator: &str,
    event: Value,
    more: Option<&Map<String, Value>>,
) -> Value {
    if inner.dialogs.len() >= MAX_DIALOGS && !inner.dialogs.contains_key(dialog) {
        inner.dialogs.clear();
    }
    let known = inner.dialogs.entry(dialog.to_owned()).or_default();
    known.sequence += 1;
    let mut entry = json!({
        "sequence": known.sequence,
        "originatorPId": originator,
        "dialogId": dialog,
        "serverTimestamp": epoch_ms(),
        "event": event,
    });
    for (key, value) in more.into_iter().flatten() {
        if entry.get(key).is_none() && !["message", "text"].contains(&key.as_str()) {
            entry[key] = value.clone();
        }
    }
    if known.history.len() >= MAX_HISTORY {
        known.history.remove(0);
    }
    known.history.push((known.sequence, entry.clone()));
    entry
}

fn notification(inner: &Inner, kind: &str, body: Value) -> Out {
    let mut frame = json!({ "kind": "notification", "body": body, "type": kind });
    decorate(inner, &mut frame);
    Out::Text(frame.to_string())
}

fn decorate(inner: &Inner, frame: &mut Value) {
    if let (true, Some(fields)) = (inner.settings.extra_fields, frame.as_object_mut()) {
        fields.insert("x-unknown".to_owned(), json!({ "nested": [1, null, { "deep": true }] }));
    }
}

fn file_url() -> Value {
    json!({
        "relativePath": "/v1/AUTH_async-images/x.jpeg",
        "queryParams": { "temp_url_sig": "s", "temp_url_expires": "0" },
    })
}

const GENERIC: &str = ".ams.GenericSubscribe$Response";
const MAX_IDS: usize = 100_000;
const MAX_DIALOGS: usize = 1_000;
const MAX_HISTORY: usize = 10_000;
