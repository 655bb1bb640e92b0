//! A scripted peer in virtual time.

use std::ops::{Deref, DerefMut};

use redial_core::http::HttpResponse;
use redial_core::{Adapter, Cause, Input, MessageId, Notice, Session, Span};
use redial_genesys::guest::{self, Credentials, Text};
use redial_genesys::{GuestChat, WebMessaging, web};
use redial_testkit::rig::Rig;
pub(crate) use redial_testkit::rig::{NONCE, START, Wire};
use serde_json::{Value, json};

/// A session and the world around it. Times are counted from the start.
pub(crate) struct World<A: Adapter> {
    rig: Rig<A>,
    pub(crate) guests: u32,
}

impl<A: Adapter> World<A> {
    pub(crate) fn new(adapter: A) -> Self {
        Self::with(Session::new(adapter, NONCE))
    }

    pub(crate) fn with(session: Session<A>) -> Self {
        Self { rig: Rig::with(session), guests: 0 }
    }

    pub(crate) fn answer(&mut self, status: u16, body: &Value) {
        self.answer_with(response(status, body, None));
    }

    pub(crate) fn answer_after(&mut self, status: u16, secs: u32) {
        self.answer_with(response(status, &Value::Null, Some(Span::from_secs(secs))));
    }

    /// The dial that is there comes to nothing.
    pub(crate) fn fail_dial(&mut self) {
        self.rig.fail_dial(Cause::Network);
    }

    pub(crate) fn receive(&mut self, value: &Value) {
        self.rig.receive(value);
    }

    pub(crate) fn submit(&mut self, message: A::Outgoing) -> MessageId {
        self.send(message)
    }

    /// Takes the frames that were sent since the last call.
    pub(crate) fn take_texts(&mut self) -> Vec<Value> {
        self.rig.take_texts().iter().map(|text| parsed(text)).collect()
    }

    /// Returns the waits that were announced.
    pub(crate) fn waits(&self) -> Vec<(u16, u64)> {
        let waits = self.rig.waits().into_iter();
        waits.map(|(attempt, delay, _)| (attempt, u64::from(delay.as_millis()))).collect()
    }

    pub(crate) fn last(&self) -> Notice {
        self.last_notice()
    }
}

impl<A: Adapter> Deref for World<A> {
    type Target = Rig<A>;

    fn deref(&self) -> &Rig<A> {
        &self.rig
    }
}

impl<A: Adapter> DerefMut for World<A> {
    fn deref_mut(&mut self) -> &mut Rig<A> {
        &mut self.rig
    }
}

/// Reads a frame that was sent.
pub(crate) fn parsed(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

pub(crate) const ORG: &str = "127.0.0.1:4432";
pub(crate) const OAUTH: &str = "oauth-sim-token";

pub(crate) fn chat() -> guest::Builder {
    GuestChat::builder(ORG, Credentials::OAuth(OAUTH.into())).plain(true)
}

impl World<GuestChat> {
    pub(crate) fn guest(builder: guest::Builder) -> Self {
        Self::new(builder.build().expect("a good configuration"))
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
        Self::new(builder.build().expect("a good configuration"))
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
        let response = self.session_response(&request, new_session);
        self.receive(&response);
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
