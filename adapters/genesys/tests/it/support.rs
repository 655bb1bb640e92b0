//! A scripted peer in virtual time.

use std::collections::VecDeque;

use bytes::Bytes;
use redial_core::http::{HttpRequest, HttpResponse, NoAnswer};
use redial_core::{
    Adapter, Cause, ConnId, Continuity, Cx, Effect, Fate, Frame, Handshake, HttpId, Input, Item,
    MessageId, Notice, Session, Settled, Span, Timestamp, Transmit,
};
use redial_genesys::guest::{self, Credentials, Text};
use redial_genesys::{GuestChat, WebMessaging, web};
use serde_json::{Value, json};

pub(crate) const NONCE: u128 = 0x5EED_0123_4567_89AB_CDEF_0246_8ACE_1357;
pub(crate) const START: u64 = 1_790_000_000_000;

/// What the session did, in order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Wire {
    Http { method: &'static str, url: String, body: Value },
    Dial(String),
    Text(Value),
    Ping,
    Close(u16, &'static str),
    Drop(Option<u16>),
    Abort,
}

/// A session and the world around it. Times are counted from the start.
pub(crate) struct World<A: Adapter> {
    pub(crate) session: Session<A>,
    pub(crate) now: u64,
    pub(crate) entropy: u64,
    pub(crate) wire: Vec<(u64, Wire)>,
    pub(crate) items: Vec<(u64, Item<A>)>,
    pub(crate) http: VecDeque<(HttpId, HttpRequest)>,
    pub(crate) dial: Option<(ConnId, Handshake)>,
    pub(crate) conn: ConnId,
    pub(crate) guests: u32,
    /// Whether pings are answered at once.
    pub(crate) pongs: bool,
}

impl<A: Adapter> World<A> {
    pub(crate) fn with(session: Session<A>) -> Self {
        Self {
            session,
            now: 0,
            entropy: 0,
            wire: Vec::new(),
            items: Vec::new(),
            http: VecDeque::new(),
            dial: None,
            conn: ConnId::new(0),
            guests: 0,
            pongs: true,
        }
    }

    pub(crate) fn cx(&self) -> Cx {
        Cx::new(Timestamp::from_millis(START + self.now), self.entropy)
    }

    pub(crate) fn input(&mut self, input: Input<A>) {
        let cx = self.cx();
        self.session.handle(cx, input);
        self.pump();
    }

    /// Does what the session wants until it waits for something.
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
                match transmit {
                    Transmit::Frame(Frame::Text(bytes)) => {
                        let text: Value = serde_json::from_slice(&bytes).expect("JSON");
                        self.wire.push((self.now, Wire::Text(text)));
                    }
                    Transmit::Frame(_) => {
                        self.wire.push((self.now, Wire::Ping));
                        if self.pongs {
                            let (conn, frame) = (self.conn, Frame::Pong(Bytes::new()));
                            self.session.handle(cx, Input::Frame { conn, frame });
                        }
                    }
                    Transmit::Close { code } => {
                        let reason = self.session.adapter().close_reason();
                        self.wire.push((self.now, Wire::Close(code, reason)));
                    }
                }
            }
            while let Some(item) = self.session.poll_item() {
                idle = false;
                self.items.push((self.now, item));
            }
            // What is written by HTTP leads to an effect and to no frame.
            if idle && !self.session.has_effects() {
                return;
            }
        }
    }

    fn perform(&mut self, effect: Effect) {
        let wire = match effect {
            Effect::Dial { conn, handshake } => {
                assert!(self.dial.is_none(), "one dial at a time");
                self.conn = conn;
                let url = handshake.url.clone();
                self.dial = Some((conn, handshake));
                Wire::Dial(url)
            }
            Effect::Drop { conn, code } => {
                assert_eq!(conn, self.conn, "only the one connection can be dropped");
                self.dial = None;
                Wire::Drop(code)
            }
            Effect::Http { id, request } => {
                let body = serde_json::from_slice(&request.body).unwrap_or_default();
                let (method, url) = (request.method.as_str(), request.url.clone());
                self.http.push_back((id, request));
                Wire::Http { method, url, body }
            }
            Effect::Abort { id } => {
                self.http.retain(|(known, _)| *known != id);
                Wire::Abort
            }
        };
        self.wire.push((self.now, wire));
    }

    pub(crate) fn answer(&mut self, status: u16, body: &Value) {
        self.answer_with(response(status, body, None));
    }

    pub(crate) fn answer_after(&mut self, status: u16, secs: u32) {
        self.answer_with(response(status, &Value::Null, Some(Span::from_secs(secs))));
    }

    pub(crate) fn answer_with(&mut self, answer: HttpResponse) {
        let (id, _) = self.http.pop_front().expect("an exchange");
        self.input(Input::Http { id, answer: Ok(answer) });
    }

    pub(crate) fn no_answer(&mut self, why: NoAnswer) {
        let (id, _) = self.http.pop_front().expect("an exchange");
        self.input(Input::Http { id, answer: Err(why) });
    }

    pub(crate) fn open(&mut self) {
        let (conn, _) = self.dial.take().expect("a dial");
        self.input(Input::Dialing { conn });
        self.input(Input::Opened { conn });
    }

    pub(crate) fn refuse(&mut self, status: u16, retry_after: Option<Span>) {
        let (conn, _) = self.dial.take().expect("a dial");
        self.input(Input::Dialing { conn });
        self.input(Input::Closed { conn, cause: Cause::Handshake(status), retry_after });
    }

    /// The dial that is there comes to nothing.
    pub(crate) fn fail_dial(&mut self) {
        let (conn, _) = self.dial.take().expect("a dial");
        self.input(Input::Dialing { conn });
        self.input(Input::Closed { conn, cause: Cause::Network, retry_after: None });
    }

    pub(crate) fn lose(&mut self, cause: Cause) {
        self.input(Input::Closed { conn: self.conn, cause, retry_after: None });
    }

    pub(crate) fn receive(&mut self, value: &Value) {
        self.receive_frame(Frame::Text(Bytes::from(value.to_string())));
    }

    pub(crate) fn receive_frame(&mut self, frame: Frame) {
        self.input(Input::Frame { conn: self.conn, frame });
    }

    pub(crate) fn submit(&mut self, message: A::Outgoing) -> MessageId {
        let cx = self.cx();
        let id = self.session.send(cx, message).expect("room");
        self.pump();
        id
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

    /// Takes what was done since the last call.
    pub(crate) fn take_wire(&mut self) -> Vec<(u64, Wire)> {
        std::mem::take(&mut self.wire)
    }

    /// Takes the frames that were sent since the last call.
    pub(crate) fn take_texts(&mut self) -> Vec<Value> {
        let texts = self.take_wire().into_iter().filter_map(|(_, wire)| match wire {
            Wire::Text(text) => Some(text),
            _ => None,
        });
        texts.collect()
    }

    pub(crate) fn notices(&self) -> Vec<Notice> {
        let notices = self.items.iter().filter_map(|(_, item)| match item {
            Item::Notice(notice) => Some(*notice),
            _ => None,
        });
        notices.collect()
    }

    pub(crate) fn continuities(&self) -> Vec<Continuity> {
        let notices = self.notices().into_iter().filter_map(|notice| match notice {
            Notice::Online { continuity, .. } => Some(continuity),
            _ => None,
        });
        notices.collect()
    }

    pub(crate) fn settled(&self) -> Vec<Settled> {
        let fates = self.items.iter().filter_map(|(_, item)| match item {
            Item::Fate(settled) => Some(*settled),
            _ => None,
        });
        fates.collect()
    }

    pub(crate) fn fates(&self) -> Vec<(MessageId, Fate)> {
        self.settled().iter().map(|settled| (settled.id, settled.fate)).collect()
    }

    pub(crate) fn problems(&self) -> Vec<&'static str> {
        let problems = self.items.iter().filter_map(|(_, item)| match item {
            Item::Problem(problem) => Some(problem.text),
            _ => None,
        });
        problems.collect()
    }

    pub(crate) fn gaps(&self) -> Vec<bool> {
        let gaps = self.items.iter().filter_map(|(_, item)| match item {
            Item::Gap { closed } => Some(*closed),
            _ => None,
        });
        gaps.collect()
    }

    pub(crate) fn messages(&self) -> Vec<&A::Message> {
        let messages = self.items.iter().filter_map(|(_, item)| match item {
            Item::Message(message) => Some(message),
            _ => None,
        });
        messages.collect()
    }

    /// Returns the waits that were announced.
    pub(crate) fn waits(&self) -> Vec<(u16, u64)> {
        let waits = self.notices().into_iter().filter_map(|notice| match notice {
            Notice::RetryScheduled { delay, attempt, .. } => {
                Some((attempt, u64::from(delay.as_millis())))
            }
            _ => None,
        });
        waits.collect()
    }

    pub(crate) fn last(&self) -> Notice {
        *self.notices().last().expect("a notice")
    }

    pub(crate) fn dials(&self) -> usize {
        self.wire.iter().filter(|(_, wire)| matches!(wire, Wire::Dial(_))).count()
    }
}

pub(crate) const ORG: &str = "127.0.0.1:4432";
pub(crate) const OAUTH: &str = "oauth-sim-token";

pub(crate) fn chat() -> guest::Builder {
    GuestChat::builder(ORG, Credentials::OAuth(OAUTH.into())).plain(true)
}

impl World<GuestChat> {
    pub(crate) fn guest(builder: guest::Builder) -> Self {
        Self::with(Session::new(builder.build().expect("a good configuration"), NONCE))
    }

    /// A guest's chat that is online.
    pub(crate) fn chatting() -> Self {
        let mut world = Self::guest(chat());
        world.connect();
        world
    }

    pub(crate) fn connect(&mut self) {
        self.input(Input::Connect);
        self.answer_guest(3600);
        self.open();
        assert!(self.session.is_online());
    }

    pub(crate) fn answer_guest(&mut self, expires_in: u32) {
        self.guests += 1;
        let n = self.guests;
        let (_, request) = self.http.front().expect("an exchange");
        assert!(request.url.ends_with("/guests"), "{}", request.url);
        self.answer(200, &guest_session(n, expires_in));
    }

    pub(crate) fn say(&mut self, content: &str) -> MessageId {
        self.submit(Text::new(content))
    }

    /// Acknowledges every message of these frames.
    pub(crate) fn acknowledge(&mut self, frames: &[Value]) {
        for frame in frames {
            self.receive(&json!({ "type": "messageReceived", "messageId": frame["messageId"] }));
        }
    }

    /// Waits for the next attempt and opens it.
    pub(crate) fn come_back(&mut self) {
        while self.dial.is_none() {
            if self.http.front().is_some_and(|(_, request)| request.url.ends_with("/guests")) {
                self.answer_guest(3600);
            } else {
                self.step();
            }
        }
        self.open();
    }

    /// Answers the REST send that is there, and returns what it said.
    pub(crate) fn answer_send(&mut self, status: u16) -> Value {
        let (_, request) = self.http.front().expect("an exchange");
        assert!(request.url.ends_with("/messages"), "{}", request.url);
        let body: Value = serde_json::from_slice(&request.body).expect("JSON");
        self.answer(status, &json!({ "messageId": body["messageId"] }));
        body
    }
}

pub(crate) fn guest_session(n: u32, expires_in: u32) -> Value {
    json!({
        "webchatInstanceId": format!("instance-{n}"),
        "token": format!("GT_{n}"),
        "expiresIn": expires_in,
    })
}

pub(crate) fn response(status: u16, body: &Value, retry_after: Option<Span>) -> HttpResponse {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    HttpResponse { status, headers: Vec::new(), body: body.into(), retry_after }
}

pub(crate) const TOKEN: &str = "11111111-2222-4333-8444-555555555555";

pub(crate) fn messenger() -> web::Builder {
    WebMessaging::builder("mypurecloud.com", "dep-1")
        .hosts("127.0.0.1:4433", "127.0.0.1:4434")
        .origin("http://localhost")
        .plain(true)
        .token(TOKEN.into())
}

impl World<WebMessaging> {
    pub(crate) fn web(builder: web::Builder) -> Self {
        Self::with(Session::new(builder.build().expect("a good configuration"), NONCE))
    }

    /// A Web Messaging session that is online.
    pub(crate) fn messaging() -> Self {
        let mut world = Self::web(messenger());
        world.input(Input::Connect);
        world.configure(true);
        assert!(world.session.is_online());
        world
    }

    /// Opens the dial that is there and grants the configuration.
    pub(crate) fn configure(&mut self, new_session: bool) {
        self.open();
        let request = self.take_texts().pop().expect("configureSession");
        assert_eq!(request["action"], "configureSession");
        self.receive(&self.session_response(&request, new_session));
    }

    pub(crate) fn session_response(&self, request: &Value, new_session: bool) -> Value {
        let expires = (START + self.now) / 1000 + 259_200;
        json!({
            "type": "response", "class": "SessionResponse", "code": 200,
            "tracingId": request["tracingId"],
            "body": { "connected": true, "newSession": new_session, "readOnly": false,
                      "durationSeconds": 259_200, "expirationDate": expires },
        })
    }

    pub(crate) fn text(&mut self, text: &str) -> MessageId {
        self.submit(web::Outgoing::text(text))
    }

    /// Echoes a message.
    pub(crate) fn echo(&mut self, request: &Value) {
        let id = format!("echo-{}", request["tracingId"].as_str().unwrap_or_default());
        let mut body = request["message"].clone();
        body["id"] = json!(id);
        body["direction"] = json!("Inbound");
        self.receive(&json!({
            "type": "message", "class": "StructuredMessage", "code": 200,
            "tracingId": request["tracingId"], "body": body,
        }));
    }

    pub(crate) fn refused(&mut self, request: &Value, code: u16, body: &Value) {
        self.receive(&json!({
            "type": "response", "class": "string", "code": code,
            "tracingId": request["tracingId"], "body": body,
        }));
    }
}

/// Reads a recording of the vendor's or the guide's own client.
pub(crate) fn recording(name: &str) -> Vec<Value> {
    let path = format!("{}/tests/data/{name}.jsonl", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).expect(&path);
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}
