//! A scripted peer in virtual time.

use std::collections::VecDeque;

use bytes::Bytes;
use redial_core::http::{HttpRequest, HttpResponse, NoAnswer};
use redial_core::{
    Cause, ConnId, Cx, Effect, Frame, Handshake, HttpId, Input, Item, MessageId, Notice, Session,
    Settled, Span, Timestamp, Transmit,
};
use redial_ringcentral::{Builder, Command, Credentials, Message, Request, Response, RingCentral};
use serde_json::{Value, json};

pub(crate) const NONCE: u128 = 0x5EED_0123_4567_89AB_CDEF_0246_8ACE_1357;
pub(crate) const START: u64 = 1_790_000_000_000;
pub(crate) const FILTER: &str = "/restapi/v1.0/account/~/extension/~/message-store";

pub(crate) type Out = Item<RingCentral>;

/// A session and the world around it. Times are counted from the start.
pub(crate) struct World {
    pub(crate) session: Session<RingCentral>,
    pub(crate) now: u64,
    /// Frames that were sent, as they were.
    pub(crate) frames: Vec<(u64, String)>,
    pub(crate) items: Vec<(u64, Out)>,
    pub(crate) http: VecDeque<(HttpId, HttpRequest)>,
    /// Every exchange, by the end of its path.
    pub(crate) asked: Vec<(u64, String)>,
    pub(crate) dials: Vec<(u64, String)>,
    pub(crate) dial: Option<(ConnId, Handshake)>,
    pub(crate) conn: ConnId,
    pub(crate) drops: Vec<(u64, Option<u16>)>,
    tokens: u32,
}

impl World {
    pub(crate) fn new(adapter: Builder) -> Self {
        Self::with(Session::new(adapter.build().unwrap(), NONCE))
    }

    pub(crate) fn with(session: Session<RingCentral>) -> Self {
        Self {
            session,
            now: 0,
            frames: Vec::new(),
            items: Vec::new(),
            http: VecDeque::new(),
            asked: Vec::new(),
            dials: Vec::new(),
            dial: None,
            conn: ConnId::new(0),
            drops: Vec::new(),
            tokens: 0,
        }
    }

    /// A session that has had its first hello.
    pub(crate) fn online(adapter: Builder) -> Self {
        let mut it = Self::new(adapter);
        it.input(Input::Connect);
        it.authorize();
        it.open();
        it.receive(&hello("wsc-1", json!({})));
        it
    }

    /// A session that is subscribed as `sub-1`.
    pub(crate) fn subscribed(adapter: Builder) -> Self {
        let mut it = Self::online(adapter.subscribe([FILTER], None));
        it.answer_last(200, Some(subscription("sub-1")));
        it
    }

    pub(crate) fn cx(&self) -> Cx {
        Cx::new(Timestamp::from_millis(START + self.now), 0)
    }

    pub(crate) fn input(&mut self, input: Input<RingCentral>) {
        let cx = self.cx();
        self.session.handle(cx, input);
        self.pump();
    }

    pub(crate) fn command(&mut self, command: Command) {
        self.input(Input::Command(command));
    }

    pub(crate) fn pump(&mut self) {
        let cx = self.cx();
        loop {
            let mut idle = true;
            while let Some(effect) = self.session.poll_effect() {
                idle = false;
                self.perform(effect);
            }
            while let Some(transmit) = self.session.poll_transmit(cx) {
                idle = false;
                if let Transmit::Frame(Frame::Text(bytes)) = transmit {
                    let text = String::from_utf8(bytes.to_vec()).unwrap();
                    self.frames.push((self.now, text));
                }
            }
            while let Some(item) = self.session.poll_item() {
                idle = false;
                self.items.push((self.now, item));
            }
            if idle && !self.session.has_effects() {
                return;
            }
        }
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Dial { conn, handshake } => {
                assert!(self.dial.is_none(), "one dial at a time");
                self.conn = conn;
                self.dials.push((self.now, handshake.url.clone()));
                self.dial = Some((conn, handshake));
            }
            Effect::Drop { conn, code } => {
                assert_eq!(conn, self.conn, "only the one connection can be dropped");
                self.dial = None;
                self.drops.push((self.now, code));
            }
            Effect::Http { id, request } => {
                let last = request.url.rsplit('/').next().unwrap_or_default().to_owned();
                self.asked.push((self.now, last));
                self.http.push_back((id, request));
            }
            Effect::Abort { id } => self.http.retain(|(known, _)| *known != id),
        }
    }

    pub(crate) fn answer(&mut self, status: u16, body: &Value) {
        self.answer_after(status, body, None);
    }

    pub(crate) fn answer_after(&mut self, status: u16, body: &Value, retry_after: Option<Span>) {
        let (id, _) = self.http.pop_front().expect("an exchange");
        let body = Bytes::from(body.to_string());
        let answer = HttpResponse { status, headers: Vec::new(), body, retry_after };
        self.input(Input::Http { id, answer: Ok(answer) });
    }

    pub(crate) fn no_answer(&mut self, why: NoAnswer) {
        let (id, _) = self.http.pop_front().expect("an exchange");
        self.input(Input::Http { id, answer: Err(why) });
    }

    /// Answers whatever is asked for until there is a dial.
    pub(crate) fn authorize(&mut self) {
        while let Some((_, request)) = self.http.front() {
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

    pub(crate) fn open(&mut self) {
        let (conn, _) = self.dial.take().expect("a dial");
        self.input(Input::Dialing { conn });
        self.input(Input::Opened { conn });
    }

    /// The dial that is there comes to nothing.
    pub(crate) fn fail_dial(&mut self, cause: Cause) {
        let (conn, _) = self.dial.take().expect("a dial");
        self.input(Input::Dialing { conn });
        self.input(Input::Closed { conn, cause, retry_after: None });
    }

    pub(crate) fn lose(&mut self, cause: Cause) {
        self.input(Input::Closed { conn: self.conn, cause, retry_after: None });
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

    pub(crate) fn receive(&mut self, value: &Value) {
        self.receive_text(&value.to_string());
    }

    pub(crate) fn receive_text(&mut self, text: &str) {
        let frame = Frame::Text(Bytes::copy_from_slice(text.as_bytes()));
        self.input(Input::Frame { conn: self.conn, frame });
    }

    pub(crate) fn submit(&mut self, request: Request) -> MessageId {
        let cx = self.cx();
        let id = self.session.send(cx, request).expect("room");
        self.pump();
        id
    }

    /// The frame that was sent last.
    pub(crate) fn last(&self) -> Value {
        let (_, text) = self.frames.last().expect("a frame");
        serde_json::from_str(text).unwrap()
    }

    /// The frame that was sent last, where it is a heartbeat.
    pub(crate) fn last_heartbeat(&self) -> Option<Value> {
        let frame = self.frames.last().map(|(_, text)| serde_json::from_str(text).unwrap());
        frame.filter(|frame: &Value| frame[0]["type"] == "Heartbeat")
    }

    pub(crate) fn sent(&self) -> Vec<Value> {
        self.frames.iter().map(|(_, text)| serde_json::from_str(text).unwrap()).collect()
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
            Some(body) => self.receive(&json!([meta, body])),
            None => self.receive(&json!([meta])),
        }
    }

    /// Lets time pass, with a tick at every deadline.
    pub(crate) fn run_until(&mut self, at: u64) {
        while let Some(due) = self.due()
            && due <= at
        {
            self.now = self.now.max(due);
            self.input(Input::Tick);
        }
        self.now = at;
    }

    pub(crate) fn run(&mut self, millis: u64) {
        self.run_until(self.now + millis);
    }

    /// Goes to the next deadline.
    pub(crate) fn step(&mut self) {
        let due = self.due().expect("a deadline");
        self.run_until(due.max(self.now));
    }

    pub(crate) fn due(&self) -> Option<u64> {
        self.session.poll_timeout().map(|at| at.as_millis().saturating_sub(START))
    }

    pub(crate) fn messages(&self) -> Vec<&Message> {
        let messages = self.items.iter().filter_map(|(_, item)| match item {
            Item::Message(message) => Some(message),
            _ => None,
        });
        messages.collect()
    }

    pub(crate) fn notices(&self) -> Vec<Notice> {
        let notices = self.items.iter().filter_map(|(_, item)| match item {
            Item::Notice(notice) => Some(*notice),
            _ => None,
        });
        notices.collect()
    }

    pub(crate) fn replies(&self) -> Vec<&Response> {
        let replies = self.items.iter().filter_map(|(_, item)| match item {
            Item::Reply { reply, .. } => Some(reply),
            _ => None,
        });
        replies.collect()
    }

    pub(crate) fn settled(&self) -> Vec<Settled> {
        let fates = self.items.iter().filter_map(|(_, item)| match item {
            Item::Fate(settled) => Some(*settled),
            _ => None,
        });
        fates.collect()
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
