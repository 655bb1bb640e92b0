//! A scripted peer in virtual time.

use std::ops::{Deref, DerefMut};

use redial_core::http::HttpResponse;
use redial_core::{Item, Notice, Session, Span};
use redial_ringcentral::{Builder, Credentials, Message, Response, RingCentral};
pub(crate) use redial_testkit::rig::START;
use redial_testkit::rig::{Rig, Wire, response};
use serde_json::{Value, json};

pub(crate) const FILTER: &str = "/restapi/v1.0/account/~/extension/~/message-store";

pub(crate) type Out = Item<RingCentral>;

/// A session and the world around it. Times are counted from the start.
pub(crate) struct World {
    rig: Rig<RingCentral>,
    tokens: u32,
}

impl World {
    pub(crate) fn new(adapter: Builder) -> Self {
        Self { rig: Rig::new(adapter.build().unwrap()), tokens: 0 }
    }

    pub(crate) fn with(session: Session<RingCentral>) -> Self {
        Self { rig: Rig::with(session), tokens: 0 }
    }

    /// A session that has had its first hello.
    pub(crate) fn online(adapter: Builder) -> Self {
        let mut it = Self::new(adapter);
        it.connect();
        it.authorize();
        it.open();
        it.receive(hello("wsc-1", json!({})));
        it
    }

    /// A session that is subscribed as `sub-1`.
    pub(crate) fn subscribed(adapter: Builder) -> Self {
        let mut it = Self::online(adapter.subscribe([FILTER], None));
        it.answer_last(200, Some(subscription("sub-1")));
        it
    }

    pub(crate) fn answer_after(&mut self, status: u16, body: &Value, retry_after: Option<Span>) {
        self.answer_with(HttpResponse { retry_after, ..response(status, body) });
    }

    /// Answers whatever is asked for until there is a dial.
    pub(crate) fn authorize(&mut self) {
        while let Some((_, request)) = self.rig.http.front() {
            self.tokens += 1;
            let number = self.tokens;
            let body = if request.url.ends_with("/wstoken") {
                wstoken(&format!("ws-{number}"))
            } else {
                oauth(number)
            };
            self.answer(200, &body);
        }
        assert!(self.dial.is_some(), "a dial");
    }

    /// Waits for the next attempt and gives it a socket.
    pub(crate) fn reconnect(&mut self) {
        while self.dial.is_none() {
            if self.http.is_empty() {
                self.step();
            } else {
                self.authorize();
            }
        }
        self.open();
    }

    /// Answers the request that was sent last.
    pub(crate) fn answer_last(&mut self, status: u16, body: Option<Value>) {
        let request = self.last();
        self.answer_to(&request, status, body);
    }

    pub(crate) fn answer_to(&mut self, request: &Value, status: u16, body: Option<Value>) {
        let meta = json!({
            "type": "ClientRequest", "messageId": request[0]["messageId"], "status": status,
            "headers": { "RCRequestId": "r" },
        });
        match body {
            Some(body) => self.receive(json!([meta, body])),
            None => self.receive(json!([meta])),
        }
    }

    /// The frame that was sent last.
    pub(crate) fn last(&self) -> Value {
        self.sent().pop().expect("a frame")
    }

    /// The frame that was sent last, where it is a heartbeat.
    pub(crate) fn last_heartbeat(&self) -> Option<Value> {
        self.sent().pop().filter(|frame| frame[0]["type"] == "Heartbeat")
    }

    pub(crate) fn sent(&self) -> Vec<Value> {
        self.texts().iter().map(|text| serde_json::from_str(text).unwrap()).collect()
    }

    /// Frames that were sent, as they were.
    pub(crate) fn frames(&self) -> Vec<(u64, String)> {
        self.did(|wire| match wire {
            Wire::Text(text) => Some(text.clone()),
            _ => None,
        })
    }

    /// Every exchange, by the end of its path.
    pub(crate) fn asked(&self) -> Vec<(u64, String)> {
        self.did(|wire| match wire {
            Wire::Http { url, .. } => url.rsplit('/').next().map(str::to_owned),
            _ => None,
        })
    }

    pub(crate) fn drops(&self) -> Vec<(u64, Option<u16>)> {
        self.did(|wire| match wire {
            Wire::Drop(code) => Some(*code),
            _ => None,
        })
    }

    fn did<T>(&self, pick: impl Fn(&Wire) -> Option<T>) -> Vec<(u64, T)> {
        self.wire.iter().filter_map(|(at, wire)| Some((*at, pick(wire)?))).collect()
    }

    pub(crate) fn replies(&self) -> Vec<&Response> {
        self.rig.replies().into_iter().map(|(_, reply)| reply).collect()
    }

    /// The uuids of the notifications that came out.
    pub(crate) fn uuids(&self) -> Vec<String> {
        let uuids = self.messages().into_iter().filter_map(|message| match message {
            Message::Notification(notification) => Some(notification.uuid.clone()),
            _ => None,
        });
        uuids.collect()
    }

    /// What came out, in words: the vendor's events and what belongs to them.
    pub(crate) fn told(&self) -> Vec<String> {
        let words = self.items.iter().filter_map(|(_, item)| match item {
            Item::Notice(Notice::Online { continuity, .. }) => Some(format!("{continuity:?}")),
            Item::Message(message) => Some(match message {
                Message::Notification(notification) => format!("n {}", notification.uuid),
                Message::NewWsc { conn, wsc } => format!("newWsc {conn} {}", wsc.sequence),
                Message::Subscribed { restored, .. } => format!("subscribed {restored}"),
                Message::AutoRecoverSuccess { conn } => format!("autoRecoverSuccess {conn}"),
                Message::AutoRecoverFailed { conn, .. } => format!("autoRecoverFailed {conn}"),
                Message::AutoRecoverError { conn, .. } => format!("autoRecoverError {conn}"),
                Message::Gap(gap) => format!("gap {}", gap.certainty.as_str()),
                _ => return None,
            }),
            _ => None,
        });
        words.collect()
    }
}

impl Deref for World {
    type Target = Rig<RingCentral>;

    fn deref(&self) -> &Rig<RingCentral> {
        &self.rig
    }
}

impl DerefMut for World {
    fn deref_mut(&mut self) -> &mut Rig<RingCentral> {
        &mut self.rig
    }
}

pub(crate) fn adapter() -> Builder {
    RingCentral::builder("sim-client", "sim-secret", Credentials::Jwt("sim.jwt.assertion".into()))
        .server("https://sim.example")
}

pub(crate) fn oauth(number: u32) -> Value {
    json!({
        "access_token": format!("access-{number}"), "token_type": "bearer", "expires_in": 3600,
        "refresh_token": format!("refresh-{number}"), "refresh_token_expires_in": 604_800,
    })
}

pub(crate) fn wstoken(token: &str) -> Value {
    json!({ "uri": "wss://gw.example/ws", "ws_access_token": token, "expires_in": 600 })
}

/// A hello whose body has these fields too.
pub(crate) fn hello(wsc: &str, more: Value) -> Value {
    let mut body = json!({
        "creationTime": "2026-09-21T14:13:20.000Z", "maxConnectionsPerSession": 50,
        "recoveryBufferSize": 100, "recoveryTimeout": 180, "idleTimeout": 1800,
        "absoluteTimeout": 86_400, "maxActiveRequests": 10,
    });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!([
        { "type": "ConnectionDetails", "messageId": "a1", "status": 200,
          "wsc": { "token": wsc, "sequence": 1 }, "headers": { "RCRequestId": "a1" } },
        body,
    ])
}

pub(crate) fn recovered(wsc: &str) -> Value {
    hello(wsc, json!({ "recoveryState": "Successful" }))
}

pub(crate) fn subscription(id: &str) -> Value {
    json!({ "id": id, "status": "Active", "eventFilters": [FILTER] })
}

pub(crate) fn notification(uuid: &str) -> Value {
    json!([
        { "type": "ServerNotification", "messageId": uuid, "status": 200, "headers": {} },
        { "uuid": uuid, "event": "/restapi/v1.0/account/1/extension/2/message-store",
          "timestamp": "2026-09-21T14:13:19.000Z", "subscriptionId": "sub-1", "ownerId": "2",
          "body": { "n": 1 } },
    ])
}

pub(crate) fn error(code: &str) -> Value {
    json!([
        { "type": "Error", "messageId": "e1", "status": 400, "headers": {} },
        { "errorCode": code, "message": "as it is" },
    ])
}
