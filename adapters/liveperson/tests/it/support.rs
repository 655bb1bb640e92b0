//! A scripted peer in virtual time.

use std::ops::{Deref, DerefMut};

use bytes::Bytes;
use redial_core::http::HttpResponse;
use redial_core::{Cause, Fate, Frame, Item, MessageId, Notice, Secret, Session, Span, Timestamp};
use redial_liveperson::{Builder, Credentials, LivePerson};
pub(crate) use redial_testkit::rig::Wire;
use redial_testkit::rig::{NONCE, Rig};
use serde_json::{Value, json};

pub(crate) const ACCOUNT: &str = "12345678";
pub(crate) const HOST: &str = "127.0.0.1:4431";

/// A session and the world around it, which answers `.GetClock` at once.
pub(crate) struct World {
    rig: Rig<LivePerson>,
    pub(crate) logins: u32,
}

impl World {
    pub(crate) fn new(builder: Builder) -> Self {
        let adapter = builder.csds(HOST).plain(true).build().expect("a good configuration");
        Self::with(Session::new(adapter, NONCE))
    }

    pub(crate) fn with(session: Session<LivePerson>) -> Self {
        let mut rig = Rig::with(session).starting(Timestamp::ZERO).answering(clock);
        rig.entropy = u64::MAX / 2;
        Self { rig, logins: 0 }
    }

    /// A session with a password.
    pub(crate) fn password() -> Self {
        Self::new(LivePerson::builder(ACCOUNT, password()))
    }

    /// A session with a password that is online.
    pub(crate) fn online() -> Self {
        let mut world = Self::password();
        world.connect();
        world
    }

    pub(crate) fn connect(&mut self) {
        self.rig.connect();
        self.settle();
        assert!(self.session.is_online());
    }

    /// Answers every exchange and dial well until nothing is asked for.
    pub(crate) fn settle(&mut self) {
        loop {
            if let Some((_, request)) = self.http.front() {
                let url = request.url.clone();
                if url.contains("baseURI.json") {
                    self.answer(200, &lookup());
                } else if url.contains("/login") {
                    self.answer_login();
                } else {
                    self.answer(200, &Value::Null);
                }
            } else if self.dial.is_some() {
                self.open();
            } else {
                return;
            }
        }
    }

    pub(crate) fn answer(&mut self, status: u16, body: &Value) {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.answer_with(response_of(status, body));
    }

    pub(crate) fn answer_login(&mut self) {
        self.logins += 1;
        let n = self.logins;
        let mut answer = response_of(200, login(n).to_string());
        let cookie = format!("Session_id=sess-{n}; Path=/; Secure; HttpOnly");
        answer.headers.push(("set-cookie".into(), cookie));
        self.answer_with(answer);
    }

    /// Answers one exchange well.
    pub(crate) fn settle_one(&mut self) {
        self.answer(200, &lookup());
    }

    pub(crate) fn receive(&mut self, value: &Value) {
        self.rig.receive(value);
    }

    /// Takes the frames that were sent since the last call.
    pub(crate) fn take_texts(&mut self) -> Vec<Value> {
        self.rig.take_texts().iter().map(|text| parsed(text)).collect()
    }

    pub(crate) fn fates(&self) -> Vec<(u64, MessageId, Fate)> {
        let fates = self.pick(|item| match item {
            Item::Fate(settled) => Some((settled.id, settled.fate)),
            _ => None,
        });
        fates.into_iter().map(|(at, (id, fate))| (at, id, fate)).collect()
    }

    /// Returns the wait that was announced last: its length, and whether the token is kept.
    pub(crate) fn wait(&self) -> Option<(Span, redial_core::TokenUse, Cause)> {
        self.notices().iter().rev().find_map(|notice| match notice {
            Notice::RetryScheduled { delay, token, cause, .. } => Some((*delay, *token, *cause)),
            _ => None,
        })
    }
}

impl Deref for World {
    type Target = Rig<LivePerson>;

    fn deref(&self) -> &Rig<LivePerson> {
        &self.rig
    }
}

impl DerefMut for World {
    fn deref_mut(&mut self) -> &mut Rig<LivePerson> {
        &mut self.rig
    }
}

/// What the service says to a frame, where tests do not say it.
fn clock(frame: &Frame) -> Vec<Frame> {
    let Frame::Text(bytes) = frame else { return Vec::new() };
    let request: Value = serde_json::from_slice(bytes).expect("JSON");
    if request["type"] != ".GetClock" {
        return Vec::new();
    }
    let answer = response(&request, 200, json!({ "currentTime": 1 }));
    vec![Frame::Text(Bytes::from(answer.to_string()))]
}

/// Reads a frame that was sent.
pub(crate) fn parsed(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

/// Names a step of the wire in a few letters.
pub(crate) fn names(wire: &[(u64, Wire)]) -> Vec<(u64, &'static str)> {
    let name = |wire: &Wire| match wire {
        Wire::Http { url, .. } if url.contains("baseURI.json") => "csds",
        Wire::Http { url, .. } if url.contains("/login?") => "login",
        Wire::Http { .. } => "refresh",
        Wire::Dial(url) if url.contains("bearer-1") => "dial bearer-1",
        Wire::Dial(url) if url.contains("bearer-2") => "dial bearer-2",
        Wire::Dial(url) if url.contains("bearer-3") => "dial bearer-3",
        Wire::Dial(_) => "dial",
        Wire::Text(text) if parsed(text)["type"] == ".GetClock" => "clock",
        Wire::Text(_) => "text",
        Wire::Binary(_) => "binary",
        Wire::Ping => "ping",
        Wire::Pong => "pong",
        Wire::Close(..) => "close",
        Wire::Drop(_) => "drop",
        Wire::Abort => "abort",
    };
    wire.iter().map(|(at, wire)| (*at, name(wire))).collect()
}

pub(crate) fn password() -> Credentials {
    Credentials::Password { username: "bot1".into(), password: Secret::new("secret-pw") }
}

pub(crate) fn lookup() -> Value {
    let entry = |service: &str| json!({ "service": service, "account": ACCOUNT, "baseURI": HOST });
    json!({ "baseURIs": [entry("agentVep"), entry("asyncMessagingEnt"), entry("facadeMsg")] })
}

pub(crate) fn login(n: u32) -> Value {
    json!({
        "bearer": format!("bearer-{n}"),
        "csrf": format!("csrf-{n}"),
        "config": { "userId": "3705342610", "userPid": "pid-1" },
        "sessionTTl": "28800000",
        "wsuk": "1",
    })
}

pub(crate) fn response(request: &Value, code: u16, body: Value) -> Value {
    json!({ "kind": "resp", "reqId": request["id"], "code": code, "type": "r", "body": body })
}

pub(crate) fn response_of(status: u16, body: impl Into<Bytes>) -> HttpResponse {
    HttpResponse { status, headers: Vec::new(), body: body.into(), retry_after: None }
}
